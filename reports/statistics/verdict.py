"""Verdicts: an interval against a margin that was fixed beforehand, Holm's correction, the narrowest width."""

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from scipy import special

from reports.statistics.intervals import (
    LEVEL,
    Costs,
    FloatArray,
    Ratio,
    restarted,
    running_time_ratio,
    success_bounds,
    t_quantile,
)

MARGIN = 0.10
"""Updates to target, and what is a multiple of them, that differ by less are the same."""

SECONDS_MARGIN = 0.05
"""Seconds that differ by less are the same: two processes of one case that take turns differ by as much in one of ten
pairs, for no reason."""

MEMORY_SHARE, MEMORY_BYTES = 0.02, 4 * 2**20
"""Peaks of memory that differ by less than the greater of the two are the same."""

ALPHA = 0.05
MOST_SEEDS = 10_000
LIKELY = 0.8
"""Chance with which a run of the stated number of seeds is to decide."""


FLOOR_ERRORS = 4.0
"""Relative standard errors by which a sound error may lie below its floor."""


class Verdict(StrEnum):
    """What stateful needs beside stateless; a closed list."""

    FEWER = "fewer"
    MORE = "more"
    SAME = "same"
    INCONCLUSIVE = "inconclusive"
    ONLY_STATEFUL = "only stateful"
    ONLY_STATELESS = "only stateless"
    NEITHER = "neither"
    RATE_NOT_FOUND = "rate not found"


FEWER = frozenset({Verdict.FEWER, Verdict.ONLY_STATEFUL})
MORE = frozenset({Verdict.MORE, Verdict.ONLY_STATELESS})
DIFFERENT = FEWER | MORE
BY_INTERVAL = frozenset({Verdict.FEWER, Verdict.MORE})
"""Differences that an interval shows; the others are those of one arm without a success."""


def fewer_and_more(verdicts: Iterable[Verdict]) -> tuple[int, int]:
    """How many say that stateful needs fewer updates, and how many that it needs more."""
    verdicts = list(verdicts)
    return sum(one in FEWER for one in verdicts), sum(one in MORE for one in verdicts)


class Judgement(Struct, frozen=True, gc=False):
    """A verdict and what it rests on.

    Attributes
    ----------
    p
        Of the claim itself, that the ratio lies beyond the margin: 1 where no difference is claimed.
    seeds_needed
        Seeds per arm at which a new run would decide with a chance of 80 %; None where decided or not foreseeable.
    look_oftener
        Whether the distance of the evaluations alone keeps it open: no number of seeds would decide it.
    """

    verdict: Verdict
    ratio: Ratio
    p: float
    seeds_needed: int | None = None
    look_oftener: bool = False


def judge(
    a: Costs,
    b: Costs,
    *,
    unit: float = 1.0,
    extra_variance: float = 0.0,
    extra_degrees: float = math.inf,
    level: float = LEVEL,
    of_updates: Ratio | None = None,
) -> Judgement:
    """Judge paired arms, stateful (a) over stateless (b).

    The interval wholly below 1 - 10 %: fewer. Wholly above 1 + 10 %: more. Wholly within: same.
    An arm without any success: only the other, where Fisher's exact test distinguishes the shares of groups
    with a success (two-sided, 5 %) and the bound of the ratio lies beyond the margin too. No success in either:
    neither. Where all successes of an arm lie in one group, the limits come from success rates, and fewer or more
    needs the same two. Else inconclusive.

    Parameters
    ----------
    unit
        Cost of an update of a over that of b.
    extra_variance, extra_degrees
        Variance of the unit's logarithm, and the degrees of freedom that it is estimated with.
    of_updates
        The ratio in updates, where it is known: forming it takes the most time.
    """
    ratio = (of_updates or running_time_ratio(a, b, level=level)).widened(extra_variance, extra_degrees, level)
    ratio = ratio.times(unit)
    if a.hits == b.hits == 0:
        return Judgement(Verdict.NEITHER, ratio, 1.0)
    verdict = by_margin(ratio)
    if min(a.hits, b.hits) == 0:
        verdict = Verdict.ONLY_STATEFUL if a.hits else Verdict.ONLY_STATELESS
    if verdict in DIFFERENT and ratio.method == "jackknife":
        return Judgement(verdict, ratio, claim_p(ratio))
    if verdict in DIFFERENT:
        p = bound_p(a, b, unit)
        return Judgement(verdict, ratio, p) if p <= 1 - level else Judgement(Verdict.INCONCLUSIVE, ratio, 1.0)
    if verdict is Verdict.SAME:
        return Judgement(verdict, ratio, 1.0)
    return Judgement(verdict, ratio, 1.0, seeds_to_decide(ratio), _blocked_by_cadence(ratio))


def claim_p(ratio: Ratio) -> float:
    """Two-sided p of "the ratio lies within the margin or on the other side of it", by the t that forms the interval.

    At most 5 % exactly where the interval of 95 % lies beyond the margin.
    """
    if ratio.method != "jackknife":
        return 1.0
    at = math.log(ratio.value)
    beyond = max(math.log(1 - MARGIN) - at, at - math.log(1 + MARGIN))
    if beyond <= 0:
        return 1.0
    degrees = min(ratio.degrees, ratio.fixed_degrees)
    return 2 * float(special.stdtr(degrees, -beyond / ratio.standard_error)) if ratio.standard_error else 0.0


def bound_p(a: Costs, b: Costs, unit: float = 1.0) -> float:
    """P of "one arm costs less beyond the margin" where an arm has no success, or all in one group: the larger of two.

    Fisher's of the groups in which any replicate reached the target, and the level at which the bound from the exact
    success rates comes to lie beyond the margin.
    """
    a, b = restarted(a, b)
    bounds = success_bounds(a, b)

    def beyond(alpha: float) -> bool:
        low, high = bounds(1 - alpha)
        return high * unit < 1 - MARGIN or low * unit > 1 + MARGIN

    if not beyond(1.0 - 1e-9):
        return 1.0
    below, above = 0.0, 1.0
    for _ in range(50):
        middle = (below + above) / 2
        below, above = (below, middle) if beyond(middle) else (middle, above)
    return max(fisher_p(a.groups_reaching, b.groups_reaching, a.groups), above)


class Pace(StrEnum):
    """What seconds say beside other seconds; a closed list."""

    FASTER = "faster"
    SLOWER = "slower"
    SAME = "same"
    INCONCLUSIVE = "inconclusive"
    NO_INTERVAL = "one process, no interval"


def pace(ratio: Ratio) -> Pace:
    """Place an interval of seconds against their margin, which is the same turned round: 1 / 1.05 to 1.05."""
    low, high = 1 / (1 + SECONDS_MARGIN), 1 + SECONDS_MARGIN
    if ratio.method == "none":
        return Pace.NO_INTERVAL
    if ratio.high < low:
        return Pace.FASTER
    if ratio.low > high:
        return Pace.SLOWER
    return Pace.SAME if ratio.low >= low and ratio.high <= high else Pace.INCONCLUSIVE


def memory_margin(base: float) -> float:
    """Bytes by which a peak of memory has to differ from another."""
    return max(MEMORY_SHARE * base, MEMORY_BYTES)


def by_margin(ratio: Ratio) -> Verdict:
    """Place an interval against the margin."""
    if ratio.method == "none":
        return Verdict.INCONCLUSIVE
    if ratio.high < 1 - MARGIN:
        return Verdict.FEWER
    if ratio.low > 1 + MARGIN:
        return Verdict.MORE
    if ratio.low >= 1 - MARGIN and ratio.high <= 1 + MARGIN:
        return Verdict.SAME
    return Verdict.INCONCLUSIVE


def seeds_to_decide(ratio: Ratio) -> int | None:
    """Foresee how many seeds per arm a new run needs to be decided with a chance of `LIKELY`.

    The ratio is not known, only estimated: over what it may be (normal about the estimate) and over what a new run
    would see of it, the chance that the new interval clears a limit of the margin, or lies within both. The smallest
    number of groups with that chance, times seeds of a group. None without a standard error, or above 10,000 seeds.
    """
    if ratio.method != "jackknife" or not ratio.standard_error:
        return None
    groups = int(ratio.degrees) + 1
    of_group = ratio.n / groups
    most = int(MOST_SEEDS / of_group)
    if _chance_to_decide(ratio, most) < LIKELY:
        return None
    needed = bisect_left(range(most), LIKELY, lo=2, key=lambda m: _chance_to_decide(ratio, m))
    return math.ceil(needed * of_group)


def _chance_to_decide(ratio: Ratio, groups: int) -> float:
    at, now = math.log(ratio.value), ratio.standard_error**2
    fixed = min(ratio.fixed_variance, now)
    each = (now - fixed) * (ratio.degrees + 1)
    new = each / groups + fixed
    half = t_quantile(min(groups - 1, ratio.fixed_degrees)) * math.sqrt(new)
    # What a new run would see: it may be off by its own error, and what it estimates by the error of this run.
    spread = math.sqrt(now + new)
    low, high = math.log(1 - MARGIN), math.log(1 + MARGIN)
    below, above = special.ndtr((low - half - at) / spread), special.ndtr((at - high - half) / spread)
    within = special.ndtr((high - half - at) / spread) - special.ndtr((low + half - at) / spread)
    return float(below + above + max(within, 0.0))


def _blocked_by_cadence(ratio: Ratio) -> bool:
    """Whether the distance of evaluations, or of seconds, alone would leave the interval open."""
    if ratio.method != "jackknife" or not ratio.fixed_variance:
        return False
    factor = math.exp(t_quantile(math.inf) * math.sqrt(ratio.fixed_variance))
    return by_margin(replace(ratio, low=ratio.value / factor, high=ratio.value * factor)) is Verdict.INCONCLUSIVE


def fisher_p(hits_a: int, hits_b: int, n: int) -> float:
    """Fisher's exact two-sided p of `hits_a` successes of n against `hits_b` of n.

    The probabilities of all tables with these margins that are no more likely than this one. Treats the arms as
    independent, which errs on the safe side where pairing makes them agree.
    """
    both = hits_a + hits_b
    tables = [math.comb(n, k) * math.comb(n, both - k) for k in range(max(0, both - n), min(n, both) + 1)]
    here = math.comb(n, hits_a) * math.comb(n, hits_b)
    return sum(table for table in tables if table <= here) / math.comb(2 * n, both)


def holm(p: FloatArray) -> FloatArray:
    """P-values adjusted for their family, shape (m,), in the order given.

    References
    ----------
    S. Holm, Scandinavian Journal of Statistics 6 (1979) 65-70: the k-th smallest times m - k + 1, made
    monotone. Own code because SciPy has no step-down correction and statsmodels would be a dependency for
    these three lines.
    """
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


@dataclass(frozen=True)
class WidthInterval:
    """The narrowest sufficient width lies in (above, up_to].

    Attributes
    ----------
    above
        Widest width shown to fail; None where not even the narrowest of the grid is shown to fail.
    up_to
        Narrowest width shown to succeed; None where not even the widest is shown to succeed.
    grid
        The widths tested, ascending.
    """

    above: int | None
    up_to: int | None
    grid: tuple[int, ...]

    @property
    def narrowed_down(self) -> bool:
        """Whether the limits are neighbours in the grid."""
        if self.up_to is None or self.above is None:
            return False
        return self.grid.index(self.up_to) - self.grid.index(self.above) == 1


def width_interval(widths: Sequence[int], successes: Sequence[int], n: Sequence[int]) -> WidthInterval:
    """Interval of the narrowest width at which more than half of all trainings reach the target.

    A width *succeeds* where "the success rate is at most 1/2" is rejected by the exact one-sided binomial
    test at 5 %, and *fails* where "at least 1/2" is. The first is tested from the widest downward, the second
    from the narrowest upward, each until the first width at which it cannot be shown. As a fixed sequence,
    each end needs no further correction: each limit is wrong in at most 5 % of experiments, the interval in
    at most 10 %. It supposes that the success rate does not fall with the width.

    Parameters
    ----------
    widths, successes, n
        Shape (k,) each, in any common order.

    References
    ----------
    W. Maurer, L. A. Hothorn and W. Lehmacher, "Multiple comparisons in drug clinical trials: a-priori ordered
    hypotheses", in Biometrie in der chemisch-pharmazeutischen Industrie 6 (1995) 3-18.
    """
    table = sorted(zip(widths, successes, n, strict=True))
    up_to = above = None
    for width, hits, runs in reversed(table):
        if not shown_above_half(hits, runs):
            break
        up_to = width
    for width, hits, runs in table:
        if not shown_above_half(runs - hits, runs):
            break
        above = width
    return WidthInterval(above, up_to, tuple(width for width, _, _ in table))


def shown_above_half(hits: int, n: int) -> bool:
    """Whether `hits` of n or more would come in at most 5 % of experiments were the rate 1/2."""
    return n > 0 and float(special.bdtrc(hits - 1, n, 0.5) if hits else 1.0) <= ALPHA


def compare_widths(stateful: WidthInterval, stateless: WidthInterval) -> Verdict:
    """Judge whether the stateful network may be narrower: intervals that do not overlap decide.

    Same only where both are narrowed down to the same step of the grid. "Only" where one arm has a
    sufficient width and the other is shown to fail at the widest.
    """
    if stateful.up_to is None or stateless.up_to is None:
        return _one_sided(stateful, stateless)
    if stateless.above is not None and stateful.up_to <= stateless.above:
        return Verdict.FEWER
    if stateful.above is not None and stateless.up_to <= stateful.above:
        return Verdict.MORE
    return Verdict.SAME if stateful == stateless and stateful.narrowed_down else Verdict.INCONCLUSIVE


def _one_sided(stateful: WidthInterval, stateless: WidthInterval) -> Verdict:
    stateful_fails, stateless_fails = (one.above == one.grid[-1] for one in (stateful, stateless))
    if stateful_fails and stateless_fails:
        return Verdict.NEITHER
    if stateful.up_to is not None and stateless_fails:
        return Verdict.ONLY_STATEFUL
    if stateless.up_to is not None and stateful_fails:
        return Verdict.ONLY_STATELESS
    return Verdict.INCONCLUSIVE
