"""Intervals of one sample: of its mean, of one more value, and of its mean against another sample, pair by pair."""

import math
from dataclasses import dataclass

import numpy as np

from reports.statistics.intervals import LEVEL, t_quantile
from reports.statistics.running_time import FloatArray


@dataclass(frozen=True)
class Interval:
    """A figure with limits."""

    value: float
    low: float
    high: float


def mean_interval(values: FloatArray, *, log: bool, level: float = LEVEL) -> Interval:
    """Student's t interval of the mean, shape (n,), or of the geometric mean on the log scale.

    The limits equal the value where all values are equal, and are infinite for a single value.
    """
    return _interval(values, log=log, level=level, one_more=False)


def prediction_interval(values: FloatArray, *, log: bool, level: float = LEVEL) -> Interval:
    """Where one more value of the same kind would fall: mean +- t s sqrt(1 + 1/n).

    References
    ----------
    G. J. Hahn and W. Q. Meeker, Statistical Intervals (Wiley, 1991), section 4.7: exact for normal values.
    """
    return _interval(values, log=log, level=level, one_more=True)


def _interval(values: FloatArray, *, log: bool, level: float, one_more: bool) -> Interval:
    values = np.asarray(values, float)
    if log and (values <= 0).any():
        raise ValueError(f"the log scale needs positive values; the smallest is {values.min():g}")
    used = np.log(values) if log else values
    n = used.size
    mean = float(used.mean())
    spread = float(used.std(ddof=1)) if n > 1 else math.inf
    half = t_quantile(n - 1, level) * spread * math.sqrt(1 / n + one_more) if spread and n > 1 else spread
    limits = (mean, mean - half, mean + half)
    # exp overflows past 709; an interval that wide bounds nothing.
    return Interval(*(math.exp(min(x, 700.0)) if log else x for x in limits))
