"""The PyTorch engine: Keras layers called step by step, one model or a block of them mapped by `torch.vmap`."""

from pathlib import Path

from bench.engines import ENGINES, backend

backend.choose("torch")

import keras
import torch

from bench.engines.base import Trainer, Work
from bench.engines.torch.trainer import TorchTrainer, kernel_seen


class TorchEngine:
    """See `bench.engines.base.Engine` for the methods."""

    name = "torch"
    kernels = ENGINES["torch"].kernels

    def __init__(self) -> None:
        self._device = "cpu"

    def versions(self) -> dict[str, str]:
        """Versions of the framework and what it stands on; of CUDA and cuDNN where PyTorch was built with them."""
        cuda = {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
        found = {name: str(version) for name, version in cuda.items() if version is not None}
        return {"torch": torch.__version__, "keras": keras.__version__, **found}

    def accelerators(self) -> list[str]:
        """Names of the GPUs that PyTorch can use."""
        return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]

    def configure(self, *, threads: int | None, device: str, cache: Path | None, short_loops: bool) -> None:
        """Prepare this process; must come before the first computation. Nothing is compiled, so nothing is cached."""
        del cache, short_loops
        if threads is not None:
            torch.set_num_threads(threads)
            torch.set_num_interop_threads(threads)
        self._device = "cpu" if device == "cpu" else "cuda"

    def trainer(self, work: Work, kernel: str) -> Trainer:
        """Build a trainer."""
        return TorchTrainer(work, kernel, self._device)

    def kernel_seen(self, trainer: Trainer) -> tuple[str, dict[str, int]]:
        """Read the kernel from a trace of one update."""
        assert isinstance(trainer, TorchTrainer)
        return kernel_seen(trainer.one_update)

    def reset_memory_peak(self) -> None:
        """Start a new measurement of the GPU's allocator's peak."""
        self._needs_gpu()
        torch.cuda.reset_peak_memory_stats()

    def memory_peak(self) -> int:
        """Peak of the GPU's allocator since the last reset, in bytes.

        Raises
        ------
        RuntimeError
            On a CPU, where PyTorch counts nothing.
        """
        self._needs_gpu()
        return int(torch.cuda.max_memory_allocated())

    def _needs_gpu(self) -> None:
        if self._device == "cpu":
            raise RuntimeError("PyTorch counts no memory on a CPU; memory cases need DEVICE=gpu or ENGINE=tensorflow")


ENGINE = TorchEngine()
