"""The errors of an arm at each scored target, beside those of simple predictions there."""

from collections.abc import Iterable

import numpy as np

from bench.engines.base import Array


class HalfScores:
    """A training's errors at each scored target, at an evaluation that was not chosen by that target.

    A training is judged at its best evaluation, and the best of many is partly lucky on the targets that it was chosen
    by. So each half of the targets (every second one) is scored at the evaluation that is best on the other half.
    """

    def __init__(self) -> None:
        self._best = [np.inf, np.inf]
        self.errors: Array | None = None

    def note(self, errors: Array) -> None:
        """Add an evaluation: errors, shape (targets,)."""
        if self.errors is None:
            self.errors = np.array(errors, np.float64)
        for half, other in ((0, 1), (1, 0)):
            error = float(np.mean(errors[other::2]))
            if error < self._best[half]:
                self._best[half] = error
                self.errors[half::2] = errors[half::2]


def mean_errors(scores: Iterable[HalfScores]) -> list[float] | None:
    """Mean over trainings at each target, six digits; None where no training has finite errors."""
    known = [one.errors for one in scores if one.errors is not None]
    finite = [errors for errors in known if np.isfinite(errors).all()]
    return six_digits(np.mean(finite, axis=0)) if finite else None


def six_digits(errors: Array) -> list[float]:
    """As a record holds them."""
    return [float(f"{error:.6g}") for error in errors]
