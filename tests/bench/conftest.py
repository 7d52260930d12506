"""Settings of the property tests, and what several files need."""

import pytest
from hypothesis import settings

from bench.case.cases import Case, Training

# No deadline: a machine busy with benchmarks is slow, not wrong.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")


@pytest.fixture
def case():
    """A small case of a task that is quick to build."""
    return Case("convergence", "cosine", None, "lstm", "stateful", 1, 2, 4, 8)


@pytest.fixture
def training():
    return Training(learning_rates=(0.01, 0.1), folds=2, evaluation_seeds=3, epochs=4, scored_targets=16)


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
