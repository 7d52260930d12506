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
