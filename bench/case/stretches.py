"""Neighbouring targets are alike: what is independent, or nearly, are means of stretches that follow one another."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

STRETCHES = 16


def stretch_means(values: NDArray[Any]) -> NDArray[np.float64]:
    """Means of 16 stretches of the values, shape (n,), or of each value where there are fewer."""
    return np.array([part.mean() for part in np.array_split(values, min(STRETCHES, len(values)))])


def relative_standard_error(errors: NDArray[Any]) -> float:
    """Standard error of the mean over the mean, for targets that depend on their neighbours, as they usually do.

    Treated as independent, the targets of a slowly changing series give an error several times too small. Not a number
    where the mean is none.
    """
    mean = float(errors.mean())
    if mean == 0:
        return 0.0
    means = stretch_means(errors)
    return float(means.std(ddof=1) / math.sqrt(len(means)) / mean)
