"""The PyTorch engine: its own layers, and Keras' called step by step, one model or a block mapped by `torch.vmap`."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from bench.engines import ENGINES, backend

backend.choose("torch")

with backend.without_optional():
    import keras

import torch

from bench.engines.base import Trainer, Work
from bench.engines.torch import seen_kernel
from bench.engines.torch.memory import Allocations
from bench.engines.torch.native import NativeTrainer
from bench.engines.torch.trainer import KerasTrainer, TorchTrainer

NATIVE = ("native", "native_compiled")


class TorchEngine:
    """See `bench.engines.base.Engine` for the methods."""

    name = "torch"
    kernels = ENGINES["torch"].kernels

    def __init__(self) -> None:
        self._device = "cpu"
        self._cache: Path | None = None
        self._allocations = Allocations()

    def versions(self) -> dict[str, str]:
        """Versions of the framework and what it stands on; of CUDA and cuDNN where PyTorch was built with them."""
        cuda = {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
        found = {name: str(version) for name, version in cuda.items() if version is not None}
        return {"torch": torch.__version__, "keras": keras.__version__, **found}

    def accelerators(self) -> list[str]:
        """Names of the GPUs that PyTorch can use."""
        return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]

    def flags(self) -> dict[str, bool]:
        """On a GPU whether float32 is cut to TF32, 10 bits of fraction: in products, and apart from them in cuDNN."""
        if self._device == "cpu":
            return {}
        products, layers = torch.backends.cuda.matmul, torch.backends.cudnn
        return {"TF32 in products": products.allow_tf32, "TF32 in cuDNN": layers.allow_tf32}

    def configure(self, *, threads: int | None, device: str, cache: Path | None, short_loops: bool) -> None:
        """Prepare this process; must come before the first computation."""
        del short_loops
        self._cache = cache
        if threads is not None:
            torch.set_num_threads(threads)
            torch.set_num_interop_threads(threads)
        self._device = "cpu" if device == "cpu" else "cuda"

    def trainer(self, work: Work, kernel: str) -> Trainer:
        """Build a trainer; nothing is compiled before its first call."""
        if kernel != "replicated" and work.layout.replicates != 1:
            raise ValueError(f"kernel {kernel!r} trains one model at a time, not {work.layout.replicates}")
        if kernel == "native_compiled":
            self._prepare_compiler()
        make = NativeTrainer if kernel in NATIVE else KerasTrainer
        return make(work, kernel, self._device)

    def kernel_seen(self, trainer: Trainer) -> tuple[str, dict[str, int]]:
        """Read the kernel from a trace of one update."""
        assert isinstance(trainer, TorchTrainer)
        return seen_kernel.kernel_seen(trainer.one_update, native=isinstance(trainer, NativeTrainer))

    def reset_memory_peak(self) -> None:
        """Start a new measurement of the allocator's peak."""
        if self._device == "cpu":
            self._allocations.begin()
        else:
            torch.cuda.reset_peak_memory_stats()

    def memory_peak(self) -> int:
        """Peak of the allocator since the last reset, in bytes; on a CPU it must be reset again after that."""
        return self._allocations.peak() if self._device == "cpu" else int(torch.cuda.max_memory_allocated())

    def _prepare_compiler(self) -> None:
        """Let `torch.compile` compile in this process, and take nothing over from another unless that is wanted."""
        os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"
        if self._cache is None:
            self._cache = Path(tempfile.mkdtemp(prefix="statebench-torch-"))
            atexit.register(shutil.rmtree, self._cache, ignore_errors=True)
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(self._cache)


ENGINE = TorchEngine()
