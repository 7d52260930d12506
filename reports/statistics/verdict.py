"""Verdicts: an interval against a margin that was fixed beforehand, paired permutation tests, the narrowest width."""

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

import numpy as np
from scipy import special

from reports.statistics.intervals import LEVEL, BoolArray, FloatArray, Ratio, running_time_ratio, t_quantile

MARGIN = 0.10
MOST_SEEDS = 10_000


class Verdict(StrEnum):
    """What stateful needs beside stateless; a closed list."""

    FEWER = "fewer"
    MORE = "more"
    SAME = "same"
    INCONCLUSIVE = "inconclusive"
    ONLY_STATEFUL = "only stateful"
    ONLY_STATELESS = "only stateless"
    NEITHER = "neither"


FEWER = frozenset({Verdict.FEWER, Verdict.ONLY_STATEFUL})
MORE = frozenset({Verdict.MORE, Verdict.ONLY_STATELESS})
DIFFERENT = FEWER | MORE
BY_INTERVAL = frozenset({Verdict.FEWER, Verdict.MORE})
"""Differences that an interval shows; the others are those of one arm without a success."""


def fewer_and_more(verdicts: Iterable[Verdict]) -> tuple[int, int]:
    """How many say that stateful needs fewer updates, and how many that it needs more."""
    verdicts = list(verdicts)
    return sum(one in FEWER for one in verdicts), sum(one in MORE for one in verdicts)


@dataclass(frozen=True)
class Judgement:
    """A verdict and what it rests on; `seeds_needed` is None where decided or not foreseeable."""

    verdict: Verdict
    ratio: Ratio
    seeds_needed: int | None


def judge(
    stateful: tuple[FloatArray, BoolArray],
    stateless: tuple[FloatArray, BoolArray],
    level: float = LEVEL,
    extra_variance: float = 0.0,
) -> Judgement:
    """Judge paired arms, each (cost, reached) of shape (n,); ratio = stateful / stateless.

    The interval wholly below 1 - 10 %: fewer. Wholly above 1 + 10 %: more. Wholly within: same. An arm without any
    success against one with so many that Fisher's exact test distinguishes them (two-sided, 5 %): only the other. No
    success in either: neither. Else inconclusive.
    """
    ratio = running_time_ratio(*stateful, *stateless, level=level, extra_variance=extra_variance)
    hits_a, hits_b, n = int(stateful[1].sum()), int(stateless[1].sum()), ratio.n
    if hits_a == hits_b == 0:
        return Judgement(Verdict.NEITHER, ratio, None)
    if min(hits_a, hits_b) == 0:
        if all_or_none_p(max(hits_a, hits_b), n) < 1 - level:
            return Judgement(Verdict.ONLY_STATEFUL if hits_a else Verdict.ONLY_STATELESS, ratio, None)
        return Judgement(Verdict.INCONCLUSIVE, ratio, _seeds_for_all_or_none(max(hits_a, hits_b) / n, 1 - level))
    verdict = by_margin(ratio)
    return Judgement(verdict, ratio, seeds_to_decide(ratio, level) if verdict is Verdict.INCONCLUSIVE else None)


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


def seeds_to_decide(ratio: Ratio, level: float = LEVEL) -> int | None:
    """Foresee the number of pairs at which the interval clears the margin, if ratio and spread stay.

    The smallest m with t x s / sqrt(m) below the distance of log(ratio) to the nearest limit of the margin, s =
    standard error x sqrt(n), t with degrees of freedom in proportion to m - 1. None without a standard error, or above
    10,000.
    """
    if ratio.method != "jackknife":
        return None
    at = math.log(ratio.value)
    distance = min(abs(at - math.log(1 - MARGIN)), abs(at - math.log(1 + MARGIN)))
    spread = ratio.standard_error * math.sqrt(ratio.n)
    share = ratio.degrees / (ratio.n - 1)

    def clears(m: int) -> bool:
        return t_quantile(share * (m - 1), level) * spread / math.sqrt(m) < distance

    # The half-width falls with m, so that the first m below the distance can be bisected for.
    return bisect_left(range(MOST_SEEDS), 1, lo=2, key=clears) if clears(MOST_SEEDS) else None


def all_or_none_p(hits: int, n: int) -> float:
    """Fisher's exact two-sided p of `hits` successes of n against none of n.

    The table's own probability and its mirror image: 2 x C(n, hits) / C(2n, hits). Treats the arms as
    independent, which errs on the safe side where pairing makes them agree.
    """
    return min(1.0, 2 * math.comb(n, hits) / math.comb(2 * n, hits))


def _seeds_for_all_or_none(rate: float, alpha: float) -> int | None:
    return next((n for n in range(2, 1000) if all_or_none_p(max(1, math.floor(rate * n)), n) < alpha), None)


EXACT_UP_TO = 12
FLIPS = 9_999
SEED = 20_240_501


def sign_flip_p(cost_a: FloatArray, reached_a: BoolArray, cost_b: FloatArray, reached_b: BoolArray) -> float:
    """Two-sided p of "the two arms are exchangeable within each pair"; all arrays have shape (n,).

    The statistic is the verdict's own, abs(log ERT ratio), infinite where one arm has no success. Every pair
    keeps or swaps its arms: all 2^n ways up to n = 12, else 9,999 drawn with a fixed seed (and the observed
    one counted with them, so that p is never 0). 1 where no replicate of either arm reached the target.

    References
    ----------
    E. S. Edgington and P. Onghena, "Randomization Tests", 4th ed. (2007), chapter 6; the Monte Carlo p is (k
    + 1) / (m + 1), B. Phipson and G. K. Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010) 39.
    """
    n = cost_a.size
    if n == 0 or not (reached_a.any() or reached_b.any()):
        return 1.0
    flips = _flips(n)
    statistic = _abs_log_ratio(flips, cost_a, reached_a, cost_b, reached_b)
    observed = _abs_log_ratio(np.zeros((1, n)), cost_a, reached_a, cost_b, reached_b)[0]
    # Sums in another order differ in the last digits: equal statistics must count as equal.
    at_least = int(np.sum(statistic >= observed * (1 - 1e-9)))
    return at_least / len(flips) if n <= EXACT_UP_TO else (at_least + 1) / (FLIPS + 1)


@cache
def _flips(n: int) -> FloatArray:
    # As floats, since NumPy multiplies matrices of integers slowly.
    if n <= EXACT_UP_TO:
        return ((np.arange(2**n)[:, None] >> np.arange(n)) & 1).astype(float)
    return np.random.default_rng(SEED).integers(0, 2, size=(FLIPS, n)).astype(float)


def _abs_log_ratio(
    flips: FloatArray, cost_a: FloatArray, reached_a: BoolArray, cost_b: FloatArray, reached_b: BoolArray
) -> FloatArray:
    moved = flips @ (cost_b - cost_a)
    successes = flips @ (reached_b.astype(float) - reached_a.astype(float))
    total_a, total_b = cost_a.sum() + moved, cost_b.sum() - moved
    hits_a, hits_b = reached_a.sum() + successes, reached_b.sum() - successes
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(total_a) - np.log(hits_a) - np.log(total_b) + np.log(hits_b)
    # nan: both arms at no cost, no difference to be seen.
    return np.asarray(np.nan_to_num(np.abs(ratio), nan=0.0, posinf=np.inf), dtype=float)


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


def smallest_p(n: int) -> float:
    """Smallest p that `sign_flip_p` can give with n pairs: the observed assignment and its mirror image."""
    return 2.0 / 2**n if n <= EXACT_UP_TO else 1 / (FLIPS + 1)


ALPHA = 0.05


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
