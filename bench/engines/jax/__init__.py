"""The JAX engine: Keras layers as pure functions, compiled by XLA, one model at a time or a block of them."""

import os
from pathlib import Path
from types import ModuleType

from bench.engines import ENGINES, backend

backend.choose("jax")

with backend.without_optional():
    import keras

import jax
import jaxlib.version

from bench.engines.base import Trainer, Work
from bench.engines.hlo import kernel_seen
from bench.engines.jax import primitives
from bench.engines.jax.trainer import JaxTrainer


class JaxEngine:
    """See `bench.engines.base.Engine` for the methods."""

    name = "jax"
    kernels = ENGINES["jax"].kernels

    def __init__(self) -> None:
        self._trainer: JaxTrainer | None = None

    def versions(self) -> dict[str, str]:
        """Versions of the framework and what it stands on; of CUDA where JAX uses it."""
        found = {"jax": jax.__version__, "jaxlib": jaxlib.version.__version__, "keras": keras.__version__}
        platform = jax.local_devices()[0].client.platform_version
        return found | ({"platform": platform} if "cuda" in platform.lower() else {})

    def accelerators(self) -> list[str]:
        """Names of the GPUs that JAX can use."""
        try:
            return [device.device_kind for device in jax.devices("gpu")]
        except RuntimeError:
            return []

    def flags(self) -> dict[str, bool]:
        """On a GPU whether float32 is cut to TF32, 10 bits of fraction, which is JAX's default there."""
        if jax.default_backend() == "cpu":
            return {}
        return {"TF32": jax.config.jax_default_matmul_precision in (None, "default", "tensorfloat32", "fastest")}

    def configure(self, *, threads: int | None, device: str, cache: Path | None, short_loops: bool) -> None:
        """Prepare this process; must come before the first computation."""
        if threads is not None:
            # JAX has no setting for this; its pools are made, at the first computation, as wide as this says.
            os.environ["NPROC"] = str(threads)
        # One case must not take the whole card from the next.
        os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
        jax.config.update("jax_platforms", "cpu" if device == "cpu" else "cuda")
        if short_loops:
            os.environ["XLA_FLAGS"] = backend.SHORT_LOOPS
        if cache is not None:
            jax.config.update("jax_compilation_cache_dir", str(cache))
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)

    def trainer(self, work: Work, kernel: str) -> Trainer:
        """Build a trainer; nothing is compiled before its first call."""
        self._trainer = JaxTrainer(work, kernel)
        return self._trainer

    def kernel_seen(self, trainer: Trainer) -> tuple[str, dict[str, int]]:
        """Read the kernel from the program that XLA compiled."""
        assert isinstance(trainer, JaxTrainer)
        return kernel_seen(trainer.program().as_text(), trainer.work.layout.replicates)

    def primitives(self) -> ModuleType:
        """The operations that ceilings are measured with."""
        return primitives

    def reset_memory_peak(self) -> None:
        """Do nothing: JAX cannot forget a peak, so that `memory_peak` counts from the start of the process."""

    def memory_peak(self) -> int:
        """Peak of the GPU's allocator since the start of this process, in bytes.

        On a CPU, where JAX counts nothing: bytes of the buffers that XLA plans for the program of the last trainer, and
        then takes.

        Raises
        ------
        RuntimeError
            On a CPU before there is a trainer.
        """
        found = jax.local_devices()[0].memory_stats()
        if found is not None:
            return int(found["peak_bytes_in_use"])
        if self._trainer is None:
            raise RuntimeError("on a CPU memory is that of a program, and none was built: call trainer first")
        return self._trainer.planned_bytes()


ENGINE = JaxEngine()
