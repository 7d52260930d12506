"""Plugins of the tests."""

import os
import signal

import pytest

# Before NumPy is imported: its threads would wait for each other, since two workers have two cores.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

# Started in the background, or under nohup, this process ignores these; what it starts would ignore them too.
for one in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(one) is signal.SIG_IGN:
        signal.signal(one, signal.default_int_handler if one == signal.SIGINT else signal.SIG_DFL)

# Sessions of pytest inside a test.
pytest_plugins = ["pytester"]

# They are no part of how these tests are shared out: pytest-benchmark would keep silent in them.
os.environ.pop("PYTEST_XDIST_WORKER", None)


@pytest.fixture
def keras_float32():
    """Keras' defaults, whatever another test left behind.

    Its float64 may stay as the policy of new layers and as the type that targets are cast to; then Keras takes another
    path.
    """
    yield from _keras_in("float32")


@pytest.fixture
def keras_float64():
    """New layers, what they are fed and what they report in float64."""
    yield from _keras_in("float64")


def _keras_in(dtype):
    import keras  # noqa: PLC0415 - most tests need no framework

    policy, floatx = keras.config.dtype_policy(), keras.config.floatx()
    keras.config.set_dtype_policy(dtype)
    keras.config.set_floatx(dtype)
    yield
    keras.config.set_dtype_policy(policy)
    keras.config.set_floatx(floatx)
