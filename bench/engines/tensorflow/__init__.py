"""The TensorFlow engine: Keras layers for every kernel, and a trainer with a replicate axis."""

import os
from pathlib import Path
from types import ModuleType

# TensorFlow's notices would bury what a case prints when it fails.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from bench.engines import backend

backend.choose("tensorflow")

with backend.muted(), backend.without_optional():
    import keras
    import tensorflow as tf

from bench.engines.backend import SHORT_LOOPS
from bench.engines.base import Trainer, Work
from bench.engines.tensorflow import layers, primitives, seen_kernel
from bench.engines.tensorflow.layers import FitTrainer
from bench.engines.tensorflow.replicated import ReplicatedTrainer

FEWER_COPIES = "--xla_cpu_copy_insertion_use_region_analysis=true"
"""For XLA on a CPU: find by a closer look which copies of what a loop carries from step to step are not needed, which
are most (docs/speed.md)."""

NARROW_LOOPS = "--xla_backend_extra_options=-vectorizer-min-trip-count=4"
"""For XLA on a CPU: LLVM does not compute loops of fewer than 16 turns in vectors, and the innermost one here has as
many turns as a layer has units. With this it does so from 4 turns on (docs/speed.md)."""


class TensorFlowEngine:
    """See `bench.engines.base.Engine` for the methods."""

    name = "tensorflow"
    kernels = ("replicated", *layers.KERNELS, "fit")

    def __init__(self) -> None:
        self._device = "CPU:0"

    def versions(self) -> dict[str, str]:
        """Versions of the framework and what it stands on."""
        build = tf.sysconfig.get_build_info()
        cuda = {name: str(build[name]) for name in ("cuda_version", "cudnn_version") if name in build}
        return {"tensorflow": tf.__version__, "keras": keras.__version__, **cuda}

    def accelerators(self) -> list[str]:
        """Names of the GPUs that TensorFlow can use."""
        found = tf.config.list_physical_devices("GPU")
        return [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in found]

    def flags(self) -> dict[str, bool]:
        """Whether TensorFlow uses oneDNN, by its own account."""
        from tensorflow.python.util import _pywrap_util_port  # noqa: PLC0415 - no public name tells

        return {"onednn": bool(_pywrap_util_port.IsMklEnabled())}

    def configure(self, *, threads: int | None, device: str, cache: Path | None, short_loops: bool) -> None:
        """Prepare this process; must come before the first computation."""
        # Both are read when XLA compiles for the first time, so that they work after the import.
        if short_loops:
            os.environ["XLA_FLAGS"] = f"{SHORT_LOOPS} {FEWER_COPIES} {NARROW_LOOPS}" if device == "cpu" else SHORT_LOOPS
        if cache is not None:
            os.environ["TF_XLA_FLAGS"] = f"--tf_xla_persistent_cache_directory={cache}"
        if threads is not None:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
        if device == "cpu":
            tf.config.set_visible_devices([], "GPU")
        else:
            # One case must not take the whole card from the next.
            for gpu in tf.config.list_physical_devices("GPU"):
                tf.config.experimental.set_memory_growth(gpu, enable=True)
            self._device = "GPU:0"

    def trainer(self, work: Work, kernel: str) -> Trainer:
        """Build a trainer; nothing is compiled before its first call."""
        if kernel == "replicated":
            return ReplicatedTrainer(work)
        return FitTrainer(work) if kernel == "fit" else layers.LayerTrainer(work, kernel)

    def kernel_seen(self, trainer: Trainer) -> tuple[str, dict[str, int]]:
        """Read the kernel from the traced training function."""
        assert isinstance(trainer, ReplicatedTrainer | layers.LayerTrainer)
        if isinstance(trainer, FitTrainer):
            return seen_kernel.kernel_of_fit(trainer.concrete(), trainer.work.network)
        return seen_kernel.kernel_seen(trainer.concrete(), trainer.work.network)

    def primitives(self) -> ModuleType:
        """The operations that ceilings are measured with."""
        return primitives

    def reset_memory_peak(self) -> None:
        """Start a new measurement of the allocator's peak."""
        tf.config.experimental.reset_memory_stats(self._device)

    def memory_peak(self) -> int:
        """Peak of the allocator since the last reset, in bytes."""
        return int(tf.config.experimental.get_memory_info(self._device)["peak"])


ENGINE = TensorFlowEngine()
