"""What reaching a target costs where some trainings never reach it, and intervals: exact, jackknife-t, Student's.

Throughout, `cost` has shape (n,), in any unit, and holds what a replicate spent until it reached the target
or was censored; `reached` has shape (n,) and tells which.
"""

import math
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy import special

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def expected_running_time(cost: FloatArray, reached: BoolArray) -> float:
    """Cost of all replicates, failed ones included, over the number of successes.

    What one success costs when failed trainings are simply repeated. Infinite without a success.

    References
    ----------
    N. Hansen et al., "COCO: performance assessment", arXiv:1605.03560 (2016), section 4.1 (aRT); A. Auger and
    N. Hansen, "Performance evaluation of an advanced local search evolutionary algorithm", IEEE CEC (2005).
    """
    successes = int(np.sum(reached))
    return float(np.sum(cost)) / successes if successes else math.inf


def restricted_mean(cost: FloatArray, budget: float) -> float:
    """Mean of min(cost, budget), the unit of `cost`: defined with or without a success."""
    return float(np.mean(np.minimum(cost, budget))) if cost.size else math.nan


def ecdf(cost: FloatArray, reached: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Share of replicates that reached the target by a cost.

    Returns
    -------
    cost, share
        Both of shape (k,), k the number of different costs of success; the share steps up at each. It ends
        below 1 where a replicate was censored. Exact for one common budget; with several, a censored
        replicate counts as never arriving.
    """
    hits, counts = np.unique(cost[reached], return_counts=True)
    return hits, np.cumsum(counts) / max(cost.size, 1)


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


LEVEL = 0.95


@dataclass(frozen=True)
class Ratio:
    """Ratio a / b with its interval.

    Attributes
    ----------
    value
        Infinite where only b succeeded, 0 where only a did, nan where it cannot be formed.
    low, high
        Limits; 0 and inf where nothing bounds them.
    standard_error
        Of log(value); nan unless `method` is ``"jackknife"``.
    method
        ``"jackknife"``; ``"bound"`` from the exact success rates, where deleting one pair could leave an arm
        without a success; ``"moderated"`` from variances of all pairs; ``"none"`` where there is nothing to form.
    n
        Number of pairs.
    degrees
        Degrees of freedom of the t quantile behind the limits; nan where there is none.
    """

    value: float
    low: float
    high: float
    standard_error: float
    method: Literal["jackknife", "bound", "moderated", "none"]
    n: int
    degrees: float = math.nan

    @classmethod
    def without_limits(cls, value: float, n: int) -> Self:
        """Form a ratio that nothing bounds."""
        return cls(value, 0.0, math.inf, math.nan, "none", n)


def clopper_pearson(successes: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Exact two-sided interval of a success rate; (0, 1) for n = 0.

    References
    ----------
    C. J. Clopper and E. S. Pearson, Biometrika 26 (1934) 404-413; as quantiles of the beta distribution.
    """
    tail = (1 - level) / 2
    low = float(special.betaincinv(successes, n - successes + 1, tail)) if successes else 0.0
    high = float(special.betaincinv(successes + 1, n - successes, 1 - tail)) if successes < n else 1.0
    return low, high


def t_quantile(degrees: float, level: float = LEVEL) -> float:
    """Two-sided quantile of Student's t."""
    return float(special.stdtrit(degrees, 1 - (1 - level) / 2))


def effective_degrees(values: FloatArray, costs: FloatArray) -> FloatArray:
    """Degrees of freedom of the jackknife's variance, shape (...), of log ratios without one pair, shape (..., n).

    Satterthwaite's 2 V^2 / Var(V). With Var(s^2) = s^4 (2 / (n - 1) + k / n), k the excess kurtosis, that is about
    2 (n - 1) / (k + 2), and no more than the n - 1 of normal values. Without this a single dominant replicate gives
    intervals that cover 90 % instead of 95 % (docs/statistics.md).

    Heavy tails come from `costs`, the log ratios of total costs without one pair, shape (..., n); the number of
    successes is bounded, and its logarithm makes the jackknife err on the wide side by itself. So k is the excess of
    `costs` times their share of the variance. (Cumulants would weigh with the square of the share; in simulation that
    covers less where a heavy-tailed arm meets one that often fails.) The excess is estimated by Fisher's G2, whose bias
    is small; it never exceeds n, so that 2 (n - 1) / (n + 2) is the least. Three values or fewer show none: n - 1.

    References
    ----------
    F. E. Satterthwaite, Biometrics Bulletin 2 (1946) 110-114; D. N. Joanes and C. A. Gill, The Statistician 47 (1998)
    183-189 (G2).
    """
    n = values.shape[-1]
    if n < 4:
        return np.full(values.shape[:-1], float(n - 1))
    off = costs - costs.mean(axis=-1, keepdims=True)
    second = np.mean(off**2, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        biased = np.mean(off**4, axis=-1) / second**2 - 3
        excess = (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * biased + 6)
        share = np.minimum(second / values.var(axis=-1), 1.0)
        degrees = 2 * (n - 1) / np.maximum(excess * share + 2, 2.0)
    # Equal values have no kurtosis.
    return np.where(np.isfinite(degrees), degrees, float(n - 1))


def running_time_ratio(
    cost_a: FloatArray,
    reached_a: BoolArray,
    cost_b: FloatArray,
    reached_b: BoolArray,
    *,
    level: float = LEVEL,
    extra_variance: float = 0.0,
) -> Ratio:
    """Ratio of two arms' expected running times, pairs in the same order in all four arrays of shape (n,).

    On the log scale: estimate +- t x the standard error, which is the jackknife's (deleting one pair at a time) and
    `extra_variance`, the variance of the log ratio that the pairs cannot show (see `rounding_variance`); t has
    `effective_degrees`. Where an arm has fewer than two successes, or there is one pair only, the limits
    come from the arms' exact success rates instead (each at the level that makes both hold together); these
    take the mean cost of a replicate as known, which is close where most replicates used the whole budget.

    References
    ----------
    B. Efron, "The Jackknife, the Bootstrap and Other Resampling Plans", SIAM (1982), chapter 3.
    """
    n = cost_a.size
    value = _quotient(expected_running_time(cost_a, reached_a), expected_running_time(cost_b, reached_b))
    if n == 0 or math.isnan(value):
        return Ratio.without_limits(value, n)
    if n < 2 or min(reached_a.sum(), reached_b.sum()) < 2:
        low, high = _bound(cost_a, reached_a, cost_b, reached_b, level)
        return Ratio(value, low, high, math.nan, "bound", n)
    with np.errstate(divide="ignore", invalid="ignore"):
        without_one = np.log(_ert_without_one(cost_a, reached_a)) - np.log(_ert_without_one(cost_b, reached_b))
    if not (np.isfinite(without_one).all() and 0 < value < math.inf):
        return Ratio.without_limits(value, n)
    jackknife = (n - 1) / n * float(np.sum((without_one - without_one.mean()) ** 2))
    error = math.sqrt(jackknife + extra_variance)
    costs = np.log(cost_a.sum() - cost_a) - np.log(cost_b.sum() - cost_b)
    degrees = float(effective_degrees(without_one, costs))
    # exp overflows past 709; an interval that wide bounds nothing.
    factor = math.exp(min(t_quantile(degrees, level) * error, 700.0))
    return Ratio(value, value / factor, value * factor, error, "jackknife", n, degrees)


def geometric_ratio(a: FloatArray, b: FloatArray, level: float = LEVEL) -> Ratio:
    """Geometric mean of a / b over pairs of positive numbers, shape (n,), with its t interval."""
    use = np.isfinite(a) & np.isfinite(b) & (a > 0) & (b > 0)
    n = int(use.sum())
    if n == 0:
        return Ratio.without_limits(math.nan, 0)
    logs = np.log(a[use] / b[use])
    value = math.exp(float(logs.mean()))
    if n == 1:
        return Ratio.without_limits(value, 1)
    error = float(logs.std(ddof=1)) / math.sqrt(n)
    factor = math.exp(min(t_quantile(n - 1, level) * error, 700.0))
    return Ratio(value, value / factor, value * factor, error, "jackknife", n, n - 1)


def running_time_interval(
    cost: FloatArray, reached: BoolArray, extra_variance: float = 0.0, level: float = LEVEL
) -> tuple[float, float]:
    """Interval of one arm's expected running time, the same way; the upper limit is inf without a success."""
    hits = int(reached.sum())
    if hits < 2:
        low, high = clopper_pearson(hits, reached.size, level)
        mean = float(cost.mean()) if cost.size else math.nan
        return mean / high, mean / low if low else math.inf
    certain = np.ones_like(reached, dtype=bool)
    ratio = running_time_ratio(cost, reached, np.ones_like(cost), certain, level=level, extra_variance=extra_variance)
    return ratio.low, ratio.high


def rounding_variance(cost: FloatArray, reached: BoolArray, every: float) -> float:
    """Variance of log(expected running time) because each success is known to one evaluation only.

    A success seen at t fell anywhere in (t - every, t]: a variance of every^2 / 12 each. Without it, arms
    whose replicates all succeed at the same evaluation would seem to be known exactly. `every` has the unit
    of `cost`.

    References
    ----------
    W. F. Sheppard, Proceedings of the London Mathematical Society s1-29 (1898) 353-380.
    """
    total = float(cost.sum())
    return float(reached.sum()) * every**2 / 12 / total**2 if total else 0.0


def relative_variance_of_median(samples: FloatArray) -> float:
    """Variance of log(median) of shape (m,) samples, from their median absolute deviation.

    The asymptotic pi / 2 x s^2 / m, s = 1.4826 MAD; 0 for one sample. It takes samples as independent.
    """
    if samples.size < 2:
        return 0.0
    median = float(np.median(samples))
    spread = 1.4826 * float(np.median(np.abs(samples - median)))
    return math.pi / 2 * (spread / median) ** 2 / samples.size if median else 0.0


def _ert_without_one(cost: FloatArray, reached: BoolArray) -> FloatArray:
    return np.asarray((cost.sum() - cost) / (reached.sum() - reached), dtype=float)


def _quotient(a: float, b: float) -> float:
    if (math.isinf(a) and math.isinf(b)) or a == b == 0:
        return math.nan
    return math.inf if math.isinf(a) or b == 0 else a / b


def _bound(
    cost_a: FloatArray, reached_a: BoolArray, cost_b: FloatArray, reached_b: BoolArray, level: float
) -> tuple[float, float]:
    each = 1 - (1 - level) / 2
    low_a, high_a = clopper_pearson(int(reached_a.sum()), reached_a.size, each)
    low_b, high_b = clopper_pearson(int(reached_b.sum()), reached_b.size, each)
    mean_a, mean_b = float(cost_a.mean()), float(cost_b.mean())
    if mean_a == 0 or mean_b == 0:
        return 0.0, math.inf
    ratio = mean_a / mean_b
    return ratio * low_b / high_a, ratio * high_b / low_a if low_a else math.inf


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
