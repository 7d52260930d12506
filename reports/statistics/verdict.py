"""Verdict on less training: an interval against a margin that was fixed beforehand."""

import math
from bisect import bisect_left
from dataclasses import dataclass
from enum import StrEnum

from reports.statistics.intervals import LEVEL, Ratio, running_time_ratio, t_quantile
from reports.statistics.running_time import BoolArray, FloatArray

MARGIN = 0.10
MOST_SEEDS = 10_000


class Verdict(StrEnum):
    """What can be said of "stateful costs less"; a closed list."""

    HOLDS = "holds"
    REVERSED = "reversed"
    SAME = "no difference"
    UNDECIDED = "undecided"
    ONLY_STATEFUL = "only stateful reaches it"
    ONLY_STATELESS = "only stateless reaches it"
    NEITHER = "neither"


LESS = frozenset({Verdict.HOLDS, Verdict.ONLY_STATEFUL})
MORE = frozenset({Verdict.REVERSED, Verdict.ONLY_STATELESS})
DIFFERENT = LESS | MORE


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

    The interval wholly below 1 - 10 %: holds. Wholly above 1 + 10 %: reversed. Wholly within: no difference.
    An arm without any success against one with so many that Fisher's exact test tells them apart (two-sided,
    5 %): only the other reaches it. No success in either: neither. Else undecided.
    """
    ratio = running_time_ratio(*stateful, *stateless, level=level, extra_variance=extra_variance)
    hits_a, hits_b, n = int(stateful[1].sum()), int(stateless[1].sum()), ratio.n
    if hits_a == hits_b == 0:
        return Judgement(Verdict.NEITHER, ratio, None)
    if min(hits_a, hits_b) == 0:
        if all_or_none_p(max(hits_a, hits_b), n) < 1 - level:
            return Judgement(Verdict.ONLY_STATEFUL if hits_a else Verdict.ONLY_STATELESS, ratio, None)
        return Judgement(Verdict.UNDECIDED, ratio, _seeds_for_all_or_none(max(hits_a, hits_b) / n, 1 - level))
    verdict = by_margin(ratio)
    return Judgement(verdict, ratio, seeds_to_decide(ratio, level) if verdict is Verdict.UNDECIDED else None)


def by_margin(ratio: Ratio) -> Verdict:
    """Place an interval against the margin."""
    if ratio.method == "none":
        return Verdict.UNDECIDED
    if ratio.high < 1 - MARGIN:
        return Verdict.HOLDS
    if ratio.low > 1 + MARGIN:
        return Verdict.REVERSED
    if ratio.low >= 1 - MARGIN and ratio.high <= 1 + MARGIN:
        return Verdict.SAME
    return Verdict.UNDECIDED


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
