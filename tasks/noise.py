"""Independent random inputs, which say nothing about each other: what is not remembered cannot be guessed."""

import numpy as np

from tasks.task import FloatArray

TRAIN_ROWS = 4096
SCORED_ROWS = 1024
# At least this many held-out rows come before the first scored one.
WARM_UP = 128
# One seed for all: a task differs from another by its target, not by its luck with the inputs.
DATA_SEED = 1986


def generator(seed: int, draw: int) -> np.random.Generator:
    """Return the generator of a stream; the first draw is that of the seed alone."""
    return np.random.default_rng([seed, draw] if draw else seed)


def warm_up_for(reach: int) -> int:
    """Return the warm-up in rows: never shorter than the dependency, or a carried state could not know it."""
    return max(WARM_UP, reach)


def stream(reach: int, draw: int = 0) -> FloatArray:
    """Draw the inputs of a task, and the past before its first row.

    Uniform rather than normal, as in Keras' old stateful example: bounded, so that no few extreme values rule
    a mean squared error. The floors hold for any distribution with independent values.

    Parameters
    ----------
    reach : int
        How many inputs, the current one included, a target depends on.
    draw : int
        Which of the independent streams of this law.

    Returns
    -------
    array, shape (reach - 1 + rows,)
        Independent values from U(-sqrt 3, sqrt 3): mean 0, variance (2 sqrt 3)^2 / 12 = 1. The first
        ``reach - 1`` are the past that no row shows, so that the first targets are distributed like all
        others. The rest are the rows; tasks with other reaches get the same ones from the first row on.
    """
    rows = TRAIN_ROWS + warm_up_for(reach) + SCORED_ROWS
    bound = np.sqrt(3.0)
    drawn = generator(DATA_SEED, draw).uniform(-bound, bound, rows + reach - 1)
    return np.concatenate([drawn[rows:], drawn[:rows]])
