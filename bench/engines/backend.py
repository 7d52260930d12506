"""What is set before a framework is imported: Keras' backend, one a process, and silence while it starts."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SHORT_LOOPS = "--xla_backend_optimization_level=1"
"""For XLA: LLVM's highest level unrolls loops that are only a few vectors long here, which costs compile and run time
alike. On TensorFlow an update of 16 units at batch size 8 took 0.054 ms with this and 0.074 ms without, on two AVX2
cores; on JAX a quarter of the time to compile and a tenth of the time to run were saved."""


def choose(name: str) -> None:
    """Make Keras use a backend in this process, whatever the user's environment or `keras.json` say.

    Raises
    ------
    RuntimeError
        If Keras was imported with another one.
    """
    keras = sys.modules.get("keras")
    if keras is not None and keras.backend.backend() != name:
        raise RuntimeError(
            f"Keras runs on {keras.backend.backend()} in this process and cannot change to {name}: use another process"
        )
    os.environ["KERAS_BACKEND"] = name


OPTIONAL = ("matplotlib", "pandas")
"""What Keras imports where it is installed, to draw models and to train from data frames: a fifth of the time that it
and TensorFlow take to import, for what no engine does."""

STANDARD_ERROR = 2


@contextmanager
def without_optional() -> Iterator[None]:
    """Let what is imported here find no optional package that is not imported already."""
    hidden: dict[str, Any] = dict.fromkeys(name for name in OPTIONAL if name not in sys.modules)
    sys.modules.update(hidden)  # where Python finds None, it finds no such package
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextmanager
def muted() -> Iterator[None]:
    """Keep what is written to standard error, by libraries too; it is shown after all where something is raised.

    Libraries print notices while they start, past every setting of Python: nobody needs to read them.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as kept:
        before = os.dup(STANDARD_ERROR)
        os.dup2(kept.fileno(), STANDARD_ERROR)
        try:
            yield
        except BaseException:
            kept.seek(0)
            os.write(before, kept.read())
            raise
        finally:
            os.dup2(before, STANDARD_ERROR)
            os.close(before)
