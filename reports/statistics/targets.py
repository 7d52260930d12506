"""When stored learning curves reach other targets than the declared one."""

import numpy as np

from reports.statistics.running_time import BoolArray, FloatArray


def first_reached(updates: FloatArray, error: FloatArray, target: float) -> tuple[float, bool]:
    """Find the updates at the first evaluation with error <= target, else all that were spent and False.

    Both arrays have shape (evaluations,); nan counts as above any target.
    """
    hits = np.flatnonzero(error <= target)
    return (float(updates[hits[0]]), True) if hits.size else (float(updates[-1]) if updates.size else 0.0, False)


def ladder(hardest: float, easiest: float, steps: int = 12) -> FloatArray:
    """Targets of shape (steps,), log-spaced strictly between the two errors, the easiest first.

    Raises
    ------
    ValueError
        Unless 0 < hardest < easiest.
    """
    if not 0 < hardest < easiest:
        raise ValueError(f"no targets between {hardest!r} and {easiest!r}: needed is 0 < hardest < easiest")
    return np.geomspace(easiest, hardest, steps + 1)[1:]


def cost_arrays(curves: list[tuple[FloatArray, FloatArray]], target: float) -> tuple[FloatArray, BoolArray]:
    """(cost, reached), shape (n,), of n curves (updates, error) at one target."""
    found = [first_reached(updates, error, target) for updates, error in curves]
    return np.array([cost for cost, _ in found]), np.array([hit for _, hit in found], dtype=bool)
