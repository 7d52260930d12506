"""Keras' backend: one a process, chosen before Keras is imported."""

import os
import sys


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
