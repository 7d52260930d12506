"""What reaching a target costs where some trainings never reach it, and intervals: exact, jackknife-t, Student's.

Throughout, `cost` has shape (n,), in any unit, and holds what a replicate spent until it reached the target
or was censored; `reached` has shape (n,) and tells which.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
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
    successes = int(np.count_nonzero(reached))
    return float(cost.sum()) / successes if successes else math.inf


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


class Costs(Struct, frozen=True, gc=False):
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

    @property
    def n(self) -> int:
        """Number of replicates."""
        return self.cost.size

    @property
    def hits(self) -> int:
        """How many reached the target."""
        return int(np.count_nonzero(self.reached))

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
    def in_two_groups(self) -> bool:
        """Whether successes part into a fast and a slow group, each of a fifth or more, `RESTART` times apart.

        Intervals then say too little of what another draw brings (docs/statistics.md). The distance counts between the
        evaluations that a success lies between, so that coarse ones part nothing.
        """
        order = np.argsort(self.cost[self.reached])
        half = self.width[self.reached][order] / 2
        hits = self.cost[self.reached][order]
        fifth = math.ceil(hits.size / 5)
        apart = hits[1:] - half[1:] >= RESTART * (hits[:-1] + half[:-1])
        return bool(hits.size >= 5 and apart[fifth - 1 : hits.size - fifth].any())

    @property
    def restart(self) -> float:
        """When a training is given up: `RESTART` times the geometric mean cost of a success; inf without one.

        Not the median: the jackknife does not know how much that varies.
        """
        if not self.hits:
            return math.inf
        with np.errstate(divide="ignore"):
            logs = np.log(self.cost[self.reached])
        return RESTART * float(np.exp(logs.sum() / logs.size))

    def up_to(self, budget: float) -> Self:
        """The same replicates had they stopped at this cost at the latest."""
        over = self.cost > budget
        if not over.any():
            return self
        return type(self)(
            np.minimum(self.cost, budget), self.reached & ~over, np.where(over, 0.0, self.width), self.group
        )

    @property
    def rounding_variance(self) -> float:
        """Variance of log(expected running time) because evaluations are apart."""
        return float(_rounding_variance(self.cost, self.reached, self.width))


def _rounding_variance(cost: FloatArray, reached: BoolArray, width: FloatArray) -> FloatArray:
    """Variance of log(expected running time) because evaluations are apart, of arms of shape (..., n).

    A success lies anywhere between two evaluations, uniformly at the best of our knowledge: width^2 / 12. Those
    between the same two share the error, whatever their number; those between others do not. What the failed spent, up
    to a restart that is a multiple of the successes' geometric mean, moves with these: by a share 1 / hits for each.

    References
    ----------
    W. F. Sheppard, Proceedings of the London Mathematical Society s1-29 (1898) 353-380.
    """
    total = cost.sum(axis=-1)
    if not cost.shape[-1]:
        return np.zeros_like(total)
    with np.errstate(divide="ignore", invalid="ignore"):
        failed = np.where(reached, 0.0, cost).sum(axis=-1, keepdims=True) / reached.sum(axis=-1, keepdims=True)
        width = np.where(reached & (cost > 0), width * (1 + failed / cost), 0.0)
    order = np.lexsort((width, cost), axis=-1)
    cost, width = (np.take_along_axis(values, order, axis=-1) for values in (cost, width))
    first = np.ones(cost.shape, dtype=bool)
    first[..., 1:] = (np.diff(cost, axis=-1) != 0) | (np.diff(width, axis=-1) != 0)
    places = np.arange(cost.shape[-1])
    place = places - np.maximum.accumulate(np.where(first, places, 0), axis=-1)
    # The k-th between the same two evaluations adds 2 k + 1, and so n of them n^2.
    squares = np.sum((2 * place + 1) * width**2, axis=-1)
    variance: FloatArray = np.divide(squares / 12, total**2, out=np.zeros_like(total), where=total > 0)
    return variance


def restarted(a: Costs, b: Costs) -> tuple[Costs, Costs]:
    """Both arms, each training given up at its arm's `restart`; without a success none is known: the other's counts."""
    return a.up_to(a.restart if a.hits else b.restart), b.up_to(b.restart if b.hits else a.restart)


def reached_at(
    updates: FloatArray, error: FloatArray, target: FloatArray | float, hold: int = 1
) -> tuple[FloatArray, BoolArray, FloatArray]:
    """(cost, reached, width), shape (n,) each: between which evaluations curves came to their target and held it.

    Reached is the first of `hold` evaluations in a row with error <= target. The cost is the middle between it and the
    evaluation before, the width their distance; before the first evaluation lies 0. Not reached: all updates, width 0.

    Parameters
    ----------
    updates
        Shape (evaluations,), or (n, evaluations) where they differ.
    error
        Shape (n, evaluations); nan counts as above any target.
    target
        Shape (n,), or one for all.
    """
    n, evaluations = error.shape
    if not evaluations:
        return np.zeros(n), np.zeros(n, dtype=bool), np.zeros(n)
    updates = np.broadcast_to(updates, error.shape)
    below = error <= np.reshape(target, (-1, 1))
    starts = evaluations - hold + 1
    held = np.zeros((n, evaluations), dtype=bool)
    if starts > 0:
        held[:, :starts] = np.logical_and.reduce([below[:, late : late + starts] for late in range(hold)])
    reached = np.asarray(held.any(axis=1))
    rows, first = np.arange(n), held.argmax(axis=1)
    at, before = updates[rows, first], np.where(first > 0, updates[rows, first - 1], 0.0)
    return np.where(reached, (at + before) / 2, updates[:, -1]), reached, np.where(reached, at - before, 0.0)


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


def quartiles(values: FloatArray) -> tuple[float, float]:
    """Lower and upper quartile of numbers, shape (n,), n > 0, as NumPy interpolates them; likewise."""
    ordered = np.sort(values).tolist()
    found = []
    for share in (0.25, 0.75):
        place = share * (len(ordered) - 1)
        before, part = ordered[int(place)], place % 1
        step = ordered[math.ceil(place)] - before
        found.append(before + step * part if part < 0.5 else before + step - step * (1 - part))
    return found[0], found[1]


LEVEL = 0.95


class Ratio(Struct, frozen=True, gc=False):
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
        if factor == 1:
            return self
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


class Chance(Struct, frozen=True, gc=False):
    """A probability with its interval; nan where there is nothing to estimate it from."""

    value: float
    low: float
    high: float


def chance_of_less(a: Costs, b: Costs, level: float = LEVEL) -> Chance:
    """Chance that on a fresh draw of the data a fresh training of `a` costs less than one of `b`.

    In each group (a draw with its tuning), the share of pairs of an a and a b in which a costs less; equal costs count
    half, and a failure costs more than any success. The mean over groups; its interval takes each as one yes or no.
    """
    if np.array_equal(a.group, b.group) and len(set(a.group.tolist())) == a.n > 0:
        # One of each in a group, as in most runs.
        cost, other = (np.where(arm.reached, arm.cost, np.inf) for arm in (a, b))
        less = float(np.count_nonzero(cost < other) + np.count_nonzero(cost == other) / 2)
        return Chance(less / a.n, *clopper_pearson(less, a.n, level))
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
    return running_time_ratios([(a, b)], level=level)[0]


AT_ONCE = 2**16
"""Numbers in an array of many pairs: so few that they stay near the processor, and enough to be worth a call."""

Pairs = Sequence[tuple[Costs, Costs]]


def running_time_ratios(pairs: Pairs, given_up: Pairs | None = None, *, level: float = LEVEL) -> list[Ratio]:
    """`running_time_ratio` of many pairs of arms: those with the same groups at once; alone each takes far longer.

    Parameters
    ----------
    given_up
        `restarted` of each, where that is known.
    """
    given_up = [restarted(*pair) for pair in pairs] if given_up is None else given_up
    alike: defaultdict[bytes, list[int]] = defaultdict(list)
    for place, (a, _) in enumerate(pairs):
        alike[a.group.tobytes()].append(place)
    found: dict[int, Ratio] = {}
    for places in alike.values():
        arm = pairs[places[0]][0]
        step = AT_ONCE // max(2 * arm.n * arm.groups, 1) or 1
        for start in range(0, len(places), step):
            some = places[start : start + step]
            whole, ended = ([which[place] for place in some] for which in (pairs, given_up))
            found |= zip(some, _ratios_of_alike(whole, ended, level), strict=True)
    return [found[place] for place in range(len(pairs))]


def _ratios_of_alike(pairs: Pairs, given_up: Pairs, level: float) -> list[Ratio]:
    """Ratios of pairs with the same groups, from arrays of shape (2 pairs, n): a, b, a, b..."""
    group = pairs[0][0].group
    if not group.size:
        return [Ratio.without_limits(math.nan, 0)] * len(pairs)

    def together(some: Pairs, name: str) -> Any:
        return np.concatenate([getattr(arm, name) for pair in some for arm in pair]).reshape(-1, group.size)

    without_one = _log_expected(together(pairs, "cost"), together(pairs, "reached"), group)
    cost, reached, width = (together(given_up, name) for name in ("cost", "reached", "width"))
    hits = reached.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = np.where(hits > 0, cost.sum(axis=-1) / hits, math.inf)
        without_one = without_one[0::2] - without_one[1::2]
    fixed = _rounding_variance(cost, reached, width)
    each = zip(
        given_up,
        hits.reshape(-1, 2).tolist(),
        expected.reshape(-1, 2).tolist(),
        without_one,
        (fixed[0::2] + fixed[1::2]).tolist(),
        strict=True,
    )
    return [_jackknife(arms, tried, updates, logs, rounded, level) for arms, tried, updates, logs, rounded in each]


def _log_expected(cost: FloatArray, reached: BoolArray, group: IntArray) -> FloatArray:
    """Log expected running times of arms, (arms, n), without one group after another, shape (arms, groups).

    Each with a restart of its own; not finite without a success.
    """
    kept = group != np.unique(group)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(reached, np.log(cost), 0.0)[:, None]
        cost, used = cost[:, None], reached[:, None] & kept
        restart = RESTART * np.exp(np.sum(logs * used, axis=-1) / used.sum(axis=-1))[..., None]
        spent = np.sum(np.minimum(cost, restart) * kept, axis=-1)
        return np.asarray(np.log(spent / np.sum(used & (cost <= restart), axis=-1)))


def _jackknife(
    arms: tuple[Costs, Costs],
    hits: Sequence[int],
    expected: Sequence[float],
    without_one: FloatArray,
    fixed: float,
    level: float,
) -> Ratio:
    """Ratio of two arms from what is known of them.

    Parameters
    ----------
    arms
        Up to their restarts, and so are these:
    hits, expected
        Successes and expected running time of each.
    without_one
        Log ratios without each group, shape (groups,).
    fixed
        Variance that more replicates would not lessen.
    """
    (a, b), value = arms, _quotient(*expected)
    if math.isnan(value) or (all(hits) and not 0 < value < math.inf):
        return Ratio(value, 0.0, math.inf, math.nan, "none", a.n)
    if not np.isfinite(without_one).all():
        return Ratio(value, *success_bound(a, b, level), math.nan, "bound", a.n)
    degrees = without_one.size - 1
    error = math.sqrt(degrees * float(without_one.var()) + fixed)
    # exp overflows past 709; an interval that wide bounds nothing.
    factor = math.exp(min(t_quantile(degrees, level) * error, 700.0))
    return Ratio(value, value / factor, value * factor, error, "jackknife", a.n, degrees, fixed)


def geometric_ratio(a: FloatArray, b: FloatArray, level: float = LEVEL) -> Ratio:
    """Geometric mean of a / b over pairs of positive numbers, shape (n,), with its t interval."""
    return geometric_ratios([(a, b)], level=level)[0]


def geometric_ratios(pairs: Sequence[tuple[FloatArray, FloatArray]], *, level: float = LEVEL) -> list[Ratio]:
    """`geometric_ratio` of many pairs: those of as many numbers at once."""
    alike: defaultdict[int, dict[int, FloatArray]] = defaultdict(dict)
    for place, (a, b) in enumerate(pairs):
        use = np.isfinite(a) & np.isfinite(b) & (a > 0) & (b > 0)
        logs = np.log(a[use] / b[use])
        alike[logs.size][place] = logs
    found = [Ratio.without_limits(math.nan, 0)] * len(pairs)
    for n, some in alike.items():
        if not n:
            continue
        logs = np.array(list(some.values()))
        errors = logs.std(axis=1, ddof=1) / math.sqrt(n) if n > 1 else np.zeros(len(some))
        quantile = t_quantile(n - 1, level)
        for place, mean, error in zip(some, logs.mean(axis=1).tolist(), errors.tolist(), strict=True):
            value, factor = math.exp(mean), math.exp(min(quantile * error, 700.0))
            limited = Ratio(value, value / factor, value * factor, error, "jackknife", n, n - 1)
            found[place] = limited if n > 1 else Ratio.without_limits(value, 1)
    return found


def running_time_interval(costs: Costs, level: float = LEVEL) -> tuple[float, float]:
    """Interval of one arm's expected running time, the same way; the upper limit is inf without a success."""
    return running_time_intervals([costs], level=level)[0]


def running_time_intervals(arms: Sequence[Costs], *, level: float = LEVEL) -> list[tuple[float, float]]:
    """`running_time_interval` of many arms, at once as `running_time_ratios` are."""
    given_up = [one.up_to(one.restart) for one in arms]
    several = [place for place, one in enumerate(arms) if len(set(one.group[one.reached].tolist())) > 1]
    # Beside an arm that is known to take one of whatever is counted.
    sure = {
        place: Costs(np.ones(n := arms[place].n), np.ones(n, bool), np.zeros(n), arms[place].group) for place in several
    }
    both = ([(which[place], sure[place]) for place in several] for which in (arms, given_up))
    ratios = dict(zip(several, running_time_ratios(*both, level=level), strict=True))
    found = []
    for place, (one, ended) in enumerate(zip(arms, given_up, strict=True)):
        if place in ratios:
            found.append((ratios[place].low, ratios[place].high))
        else:
            low, high = clopper_pearson(one.hits, one.n, level)
            mean = float(ended.cost.mean()) if one.n else math.nan
            found.append((mean / high, mean / low if low else math.inf))
    return found


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
    """Limits of the ratio from the arms' exact success rates alone; mean costs are known up to their evaluations."""
    return success_bounds(a, b)(level)


def success_bounds(a: Costs, b: Costs) -> Callable[[float], tuple[float, float]]:
    """`success_bound` at any level, which a search asks for fifty times."""
    hits_a, hits_b = a.hits, b.hits
    (least_a, most_a), (least_b, most_b) = _mean_between(a), _mean_between(b)

    def bound(level: float) -> tuple[float, float]:
        if most_a == 0 or most_b == 0:
            return 0.0, math.inf
        each = 1 - (1 - level) / 2
        low_a, high_a = clopper_pearson(hits_a, a.n, each)
        low_b, high_b = clopper_pearson(hits_b, b.n, each)
        high = most_a / least_b * high_b / low_a if low_a and least_b else math.inf
        return least_a / most_b * low_b / high_a, high

    return bound


def _mean_between(arm: Costs) -> tuple[float, float]:
    """Mean cost were each success at the evaluation before it, or at its own; what the failed spent moves alike."""
    cost, failed = arm.cost[arm.reached], float(arm.cost[~arm.reached].sum())
    if not cost.size or not cost.all():
        mean = float(arm.cost.mean())
        return mean, mean
    ends = []
    for end in (cost - arm.width[arm.reached] / 2, cost + arm.width[arm.reached] / 2):
        with np.errstate(divide="ignore"):
            moved = float(np.exp(np.log(np.maximum(end, 0.0) / cost).mean()))
        ends.append((float(end.sum()) + failed * moved) / arm.n)
    return ends[0], ends[1]


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
