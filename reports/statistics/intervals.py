"""What reaching a target costs where some trainings never reach it, and intervals: exact, jackknife-t, Student's.

Throughout, `cost` has shape (n,), in any unit, and holds what a replicate spent until it reached the target
or was censored; `reached` has shape (n,) and tells which.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy import special

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int_]


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


RESTART = 3.0
"""A training that has not reached the target after so many times what its arm's successes cost is started anew."""


@dataclass(frozen=True)
class Costs:
    """What n replicates spent, all arrays of shape (n,).

    Attributes
    ----------
    cost
        Middle of the two evaluations between which the target was reached, or all that was spent without.
    width
        Distance of those two evaluations; 0 where the target was not reached, or the cost is known exactly.
    group
        Replicates of equal label were made together (one tuning, one draw of the data) and are left out together.
    """

    cost: FloatArray
    reached: BoolArray
    width: FloatArray
    group: IntArray

    @classmethod
    def exact(cls, cost: FloatArray, reached: BoolArray) -> Self:
        """Costs that are known exactly, of replicates that have nothing in common."""
        return cls(cost, reached, np.zeros(cost.size), np.arange(cost.size))

    @classmethod
    def of_curves(
        cls, curves: Sequence[tuple[FloatArray, FloatArray]], targets: FloatArray, hold: int, group: IntArray
    ) -> Self:
        """Costs of n curves (updates, error) at a target each, held for so many evaluations in a row."""
        found = [reached_at(*curve, target, hold) for curve, target in zip(curves, targets, strict=True)]
        cost, reached, width = (np.array(column) for column in zip(*found, strict=True)) if found else ([], [], [])
        return cls(np.asarray(cost, float), np.asarray(reached, bool), np.asarray(width, float), group)

    @property
    def n(self) -> int:
        """Number of replicates."""
        return self.cost.size

    @property
    def hits(self) -> int:
        """How many reached the target."""
        return int(self.reached.sum())

    @property
    def groups(self) -> int:
        """Number of groups."""
        return np.unique(self.group).size

    @property
    def groups_reaching(self) -> int:
        """Groups in which any replicate reached the target."""
        return np.unique(self.group[self.reached]).size

    @property
    def expected(self) -> float:
        """Expected running time."""
        return expected_running_time(self.cost, self.reached)

    @property
    def restart(self) -> float:
        """When a training is given up: `RESTART` times the geometric mean cost of a success; inf without one.

        Not the median: the jackknife does not know how much that varies.
        """
        if not self.hits:
            return math.inf
        with np.errstate(divide="ignore"):
            return RESTART * float(np.exp(np.log(self.cost[self.reached]).mean()))

    def up_to(self, budget: float) -> Self:
        """The same replicates had they stopped at this cost at the latest."""
        reached = self.reached & (self.cost <= budget)
        return replace(
            self, cost=np.minimum(self.cost, budget), reached=reached, width=np.where(reached, self.width, 0.0)
        )

    def without(self, label: int) -> Self:
        """All but one group."""
        keep = self.group != label
        return replace(
            self, cost=self.cost[keep], reached=self.reached[keep], width=self.width[keep], group=self.group[keep]
        )

    @property
    def rounding_variance(self) -> float:
        """Variance of log(expected running time) because evaluations are apart.

        A success lies anywhere between two evaluations, uniformly at the best of our knowledge: width^2 / 12. Those
        between the same two share the error, whatever their number; those between others do not.

        References
        ----------
        W. F. Sheppard, Proceedings of the London Mathematical Society s1-29 (1898) 353-380.
        """
        total = float(self.cost.sum())
        if not total or not self.hits:
            return 0.0
        cells = Counter(zip(self.cost[self.reached].tolist(), self.width[self.reached].tolist(), strict=True))
        return float(sum((n * width) ** 2 for (_, width), n in cells.items())) / 12 / total**2


def restarted(a: Costs, b: Costs) -> tuple[Costs, Costs]:
    """Both arms, each training given up at its arm's `restart`; without a success none is known: the other's counts."""
    return a.up_to(a.restart if a.hits else b.restart), b.up_to(b.restart if b.hits else a.restart)


def reached_at(updates: FloatArray, error: FloatArray, target: float, hold: int = 1) -> tuple[float, bool, float]:
    """(cost, reached, width): between which evaluations a curve came to a target and held it.

    Reached is the first of `hold` evaluations in a row with error <= target. The cost is the middle between it and the
    evaluation before, the width their distance; before the first evaluation lies 0. Not reached: all updates, width 0.
    Both arrays have shape (evaluations,); nan counts as above any target.
    """
    below = np.convolve(error <= target, np.ones(hold, int), "valid") == hold if error.size >= hold else np.array([])
    hits = np.flatnonzero(below)
    if not hits.size:
        return (float(updates[-1]) if updates.size else 0.0), False, 0.0
    at, before = float(updates[hits[0]]), float(updates[hits[0] - 1]) if hits[0] else 0.0
    return (at + before) / 2, True, at - before


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


def median(values: FloatArray) -> float:
    """Median of numbers, shape (n,); nan of none. NumPy's own takes ten times as long for a dozen."""
    if not values.size:
        return math.nan
    ordered = np.sort(values)
    return float(ordered[(ordered.size - 1) // 2] + ordered[ordered.size // 2]) / 2


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
    fixed_variance
        The part of the squared standard error that more replicates would not lessen.
    fixed_degrees
        Degrees of freedom that part of it is estimated with; t has no more.
    """

    value: float
    low: float
    high: float
    standard_error: float
    method: Literal["jackknife", "bound", "moderated", "none"]
    n: int
    degrees: float = math.nan
    fixed_variance: float = 0.0
    fixed_degrees: float = math.inf

    def times(self, factor: float) -> Self:
        """The same ratio in another unit, of which the two arms spend so many times as many."""
        return replace(self, value=self.value * factor, low=self.low * factor, high=self.high * factor)

    def widened(self, variance: float, degrees: float = math.inf, level: float = LEVEL) -> Self:
        """The ratio with a variance of its logarithm beside those that it knows, estimated with so many degrees.

        Of two estimated variances t has the fewer degrees, which is on the safe side.
        """
        if self.method != "jackknife" or not variance:
            return self
        error = math.sqrt(self.standard_error**2 + variance)
        factor = math.exp(min(t_quantile(min(self.degrees, degrees), level) * error, 700.0))
        return replace(
            self,
            low=self.value / factor,
            high=self.value * factor,
            standard_error=error,
            fixed_variance=self.fixed_variance + variance,
            fixed_degrees=degrees,
        )

    @classmethod
    def without_limits(cls, value: float, n: int) -> Self:
        """Form a ratio that nothing bounds."""
        return cls(value, 0.0, math.inf, math.nan, "none", n)


def clopper_pearson(successes: float, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Exact two-sided interval of a success rate; (0, 1) for n = 0.

    `successes` may be a sum of shares, each between 0 and 1: none varies more than a yes or no of the same mean does.

    References
    ----------
    C. J. Clopper and E. S. Pearson, Biometrika 26 (1934) 404-413; as quantiles of the beta distribution.
    """
    tail = (1 - level) / 2
    low = float(special.betaincinv(successes, n - successes + 1, tail)) if successes else 0.0
    high = float(special.betaincinv(successes + 1, n - successes, 1 - tail)) if successes < n else 1.0
    return low, high


@dataclass(frozen=True)
class Chance:
    """A probability with its interval; nan where there is nothing to estimate it from."""

    value: float
    low: float
    high: float


def chance_of_less(a: Costs, b: Costs, level: float = LEVEL) -> Chance:
    """Chance that on a fresh draw of the data a fresh training of `a` costs less than one of `b`.

    In each group (a draw with its tuning), the share of pairs of an a and a b in which a costs less; equal costs count
    half, and a failure costs more than any success. The mean over groups; its interval takes each as one yes or no.
    """
    ours, theirs = map(_by_group, (a, b))
    shares = [_share_of_less(ours[group], theirs[group]) for group in sorted(ours.keys() & theirs.keys())]
    if not shares:
        return Chance(math.nan, 0.0, 1.0)
    return Chance(float(np.mean(shares)), *clopper_pearson(math.fsum(shares), len(shares), level))


def _by_group(arm: Costs) -> dict[int, list[float]]:
    """Costs of each group, failures infinite; lists, as a group is a few trainings and a report has many arms."""
    found: dict[int, list[float]] = {}
    for group, cost in zip(arm.group.tolist(), np.where(arm.reached, arm.cost, np.inf).tolist(), strict=True):
        found.setdefault(group, []).append(cost)
    return found


def _share_of_less(ours: list[float], theirs: list[float]) -> float:
    less = sum((one < other) + (one == other) / 2 for one in ours for other in theirs)
    return less / (len(ours) * len(theirs))


def t_quantile(degrees: float, level: float = LEVEL) -> float:
    """Two-sided quantile of Student's t."""
    return float(special.stdtrit(degrees, 1 - (1 - level) / 2))


def running_time_ratio(a: Costs, b: Costs, *, level: float = LEVEL) -> Ratio:
    """Ratio of two arms' expected running times, pairs in the same order; a training is restarted (`Costs.restart`).

    On the log scale: estimate +- t x the standard error, which is the jackknife's (deleting one group at a time, of
    both arms together, the restarts found anew each time) and both arms' `rounding_variance`; t has the number of
    groups less one as its degrees. Where all successes of an arm lie in one group, the limits come from the arms' exact
    success rates instead (each at the level that makes both hold together); these take the mean cost of a replicate as
    known, which is close where most replicates used the whole budget.

    Without the restart a failure costs the whole budget, often many times what a success costs, and a dozen trainings
    say little of how often that happens: where one in ten to one in fifty fails, intervals covered 50 to 85 % instead
    of 95 % (docs/statistics.md).

    References
    ----------
    B. Efron, "The Jackknife, the Bootstrap and Other Resampling Plans", SIAM (1982), chapter 3.
    """
    kept = a.group != np.unique(a.group)[:, None]
    with np.errstate(invalid="ignore"):
        without_one = _log_expected(a, kept) - _log_expected(b, kept)
    return _jackknife(*restarted(a, b), without_one, level)


def _log_expected(arm: Costs, kept: BoolArray) -> FloatArray:
    """Log expected running times of the replicates that each row of `kept`, shape (m, n), keeps, shape (m,).

    Each with a restart of its own; not finite without a success. All at once: one by one they take most of the time of
    a report.
    """
    used = arm.reached & kept
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(arm.reached, np.log(arm.cost), 0.0)
        restart = RESTART * np.exp(np.sum(logs * used, axis=1) / used.sum(axis=1))[:, None]
        spent = np.sum(np.minimum(arm.cost, restart) * kept, axis=1)
        return np.asarray(np.log(spent / np.sum(used & (arm.cost <= restart), axis=1)))


def _jackknife(a: Costs, b: Costs, without_one: FloatArray, level: float) -> Ratio:
    """Ratio of two arms from the log ratios without each group, shape (groups,)."""
    n = a.n
    value = _quotient(a.expected, b.expected)
    if n == 0 or math.isnan(value):
        return Ratio(value, 0.0, math.inf, math.nan, "none", n)
    if a.hits and b.hits and not 0 < value < math.inf:
        return Ratio(value, 0.0, math.inf, math.nan, "none", n)
    if not np.isfinite(without_one).all():
        return Ratio(value, *success_bound(a, b, level), math.nan, "bound", n)
    degrees = without_one.size - 1
    fixed = a.rounding_variance + b.rounding_variance
    error = math.sqrt(degrees * float(without_one.var()) + fixed)
    # exp overflows past 709; an interval that wide bounds nothing.
    factor = math.exp(min(t_quantile(degrees, level) * error, 700.0))
    return Ratio(value, value / factor, value * factor, error, "jackknife", n, degrees, fixed)


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


def running_time_interval(costs: Costs, level: float = LEVEL) -> tuple[float, float]:
    """Interval of one arm's expected running time, the same way; the upper limit is inf without a success."""
    given_up = costs.up_to(costs.restart)
    if costs.groups_reaching < 2:
        low, high = clopper_pearson(costs.hits, costs.n, level)
        mean = float(given_up.cost.mean()) if costs.n else math.nan
        return mean / high, mean / low if low else math.inf
    certain = replace(costs, cost=np.ones(costs.n), reached=np.ones(costs.n, dtype=bool), width=np.zeros(costs.n))
    without_one = _log_expected(costs, costs.group != np.unique(costs.group)[:, None])
    ratio = _jackknife(given_up, certain, without_one, level)
    return ratio.low, ratio.high


def relative_variance_of_median(samples: FloatArray) -> float:
    """Variance of log(median) of shape (m,) samples, from their median absolute deviation.

    The asymptotic pi / 2 x s^2 / m, s = 1.4826 MAD; 0 for one sample. It takes samples as independent.
    """
    if samples.size < 2:
        return 0.0
    middle = median(samples)
    spread = 1.4826 * median(np.abs(samples - middle))
    return math.pi / 2 * (spread / middle) ** 2 / samples.size if middle else 0.0


def _quotient(a: float, b: float) -> float:
    if (math.isinf(a) and math.isinf(b)) or a == b == 0:
        return math.nan
    return math.inf if math.isinf(a) or b == 0 else a / b


def success_bound(a: Costs, b: Costs, level: float = LEVEL) -> tuple[float, float]:
    """Limits of the ratio from the arms' exact success rates alone."""
    each = 1 - (1 - level) / 2
    low_a, high_a = clopper_pearson(a.hits, a.n, each)
    low_b, high_b = clopper_pearson(b.hits, b.n, each)
    mean_a, mean_b = float(a.cost.mean()), float(b.cost.mean())
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
