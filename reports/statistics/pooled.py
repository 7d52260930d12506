"""Intervals of many ratios with few processes each: what differs from process to process is pooled over the run.

Two processes a case give a t quantile of 12.7, so that a ratio of its own could never be told from one. But each of a
run's pairs shows the same thing, how much two processes differ that should not; all of them together show it well.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from reports.statistics.intervals import LEVEL, Ratio, t_quantile
from reports.statistics.running_time import FloatArray


@dataclass(frozen=True)
class Spread:
    """Standard deviation of one value within its group, and the degrees of freedom that it rests on."""

    deviation: float
    degrees: int


def pooled_spread(groups: Iterable[FloatArray]) -> Spread:
    """Pool the variance within groups, each of shape (n,): sums of squares over sums of n - 1; nan for none.

    It takes the variance to be the same in all groups, which makes the interval of a noisy case a little narrow and of
    a quiet one a little wide.

    References
    ----------
    G. W. Snedecor and W. G. Cochran, "Statistical Methods" (8th ed., 1989), section 6.8.
    """
    squares, degrees = 0.0, 0
    for group in groups:
        if group.size > 1:
            squares += float(((group - group.mean()) ** 2).sum())
            degrees += group.size - 1
    return Spread(math.sqrt(squares / degrees) if degrees else math.nan, degrees)


def pooled_ratio(logs: FloatArray, spread: Spread, level: float = LEVEL) -> Ratio:
    """Geometric mean of ratios given by their logarithms, shape (n,), with a t interval from a pooled spread."""
    if logs.size == 0:
        return Ratio(math.nan, 0.0, math.inf, math.nan, "none", 0)
    value = math.exp(float(logs.mean()))
    if not spread.degrees:
        return Ratio(value, 0.0, math.inf, math.nan, "none", logs.size)
    error = spread.deviation / math.sqrt(logs.size)
    factor = math.exp(min(t_quantile(spread.degrees, level) * error, 700.0))
    return Ratio(value, value / factor, value * factor, error, "jackknife", logs.size, spread.degrees)


def log_ratios(a: dict[int, float], b: dict[int, float]) -> FloatArray:
    """Logarithms of a / b over the keys that both have, in order."""
    shared = sorted(key for key in a.keys() & b.keys() if a[key] > 0 and b[key] > 0)
    logs: FloatArray = np.log(np.array([a[key] / b[key] for key in shared], dtype=float))
    return logs
