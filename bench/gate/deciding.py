"""What a gate concludes from ratios of paired processes: pure functions on arrays.

Two processes of the same code are exchangeable, so the logarithm of their ratio is symmetric about zero whatever its
distribution; a process may be slow for all its life, so that the distribution has long tails. Hence Wilcoxon's signed
ranks, which need symmetry alone, and not Student's t.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MARGIN = 0.02
"""A change of less is none."""

HALF_WIDTH = 0.015
"""Pairs are added until the interval is this narrow."""

ALPHA = 0.025
"""Chance, at most, that a gate's first pass claims any false slowdown; the second pass must claim it again."""

LEAST_PAIRS = 12
MOST_PAIRS = 200


class Verdict(StrEnum):
    """What is concluded for a case; a closed list."""

    FASTER = "faster"
    SLOWER = "slower"
    SAME = "same"
    INCONCLUSIVE = "inconclusive"
    NOT_CONFIRMED = "not confirmed"


@dataclass(frozen=True)
class Change:
    """Head / base of a case.

    Attributes
    ----------
    ratio, low, high
        Hodges and Lehmann's estimate, and its interval, simultaneous over the cases of the gate.
    p_slower, p_faster
        That so high, or low, a ratio comes from one within the margin; not adjusted.
    pairs
        Pairs of processes.
    """

    ratio: float
    low: float
    high: float
    p_slower: float
    p_faster: float
    pairs: int

    @property
    def half_width(self) -> float:
        """Half of the interval, on the log scale."""
        return math.log(self.high / self.low) / 2 if self.low > 0 and math.isfinite(self.high) else math.inf


def change(logs: Floats, cases: int = 1) -> Change:
    """Judge log(head / base) of pairs, shape (n,), in a gate of so many cases.

    References
    ----------
    F. Wilcoxon, Biometrics Bulletin 1 (1945) 80-83; J. L. Hodges and E. L. Lehmann, Annals of Mathematical Statistics
    34 (1963) 598-611.
    """
    n = logs.size
    if not n:
        return Change(math.nan, 0.0, math.inf, 1.0, 1.0, 0)
    i, j = np.triu_indices(n)
    walsh = np.sort((logs[i] + logs[j]) / 2)
    # The largest k with P(W < k) within the tail gives the k-th smallest and largest average as limits.
    k = int(np.searchsorted(np.cumsum(_signed_ranks(n)), ALPHA / cases, side="right"))
    low, high = (float(walsh[k - 1]), float(walsh[-k])) if k else (-math.inf, math.inf)
    limit = math.log1p(MARGIN)
    return Change(
        math.exp(float(np.median(walsh))),
        math.exp(low),
        math.exp(high),
        signed_rank_p(logs - limit),
        signed_rank_p(-logs - limit),
        n,
    )


def signed_rank_p(values: Floats) -> float:
    """One-sided exact p of "the values, shape (n,), are symmetric about zero or below"."""
    if not values.size:
        return 1.0
    ranks = np.argsort(np.argsort(np.abs(values), kind="stable"), kind="stable") + 1
    statistic = int(ranks[values > 0].sum())
    return float(_signed_ranks(values.size)[statistic:].sum())


@cache
def _signed_ranks(n: int) -> Floats:
    """Probabilities of the sum of positive ranks 0 .. n (n + 1) / 2 of n symmetric values."""
    ways = np.zeros(n * (n + 1) // 2 + 1)
    ways[0] = 1.0
    for rank in range(1, n + 1):
        ways[rank:] += ways[:-rank].copy()
        ways /= 2
    return ways


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """P-values adjusted for their family (S. Holm, Scandinavian Journal of Statistics 6 (1979) 65-70)."""
    adjusted: dict[str, float] = {}
    largest = 0.0
    for place, key in enumerate(sorted(p, key=lambda key: p[key])):
        largest = max(largest, min(1.0, (len(p) - place) * p[key]))
        adjusted[key] = largest
    return adjusted


def verdicts(logs: Mapping[str, Floats]) -> dict[str, tuple[Verdict, Change]]:
    """Judge every case of a pass; slower and faster hold for all cases together."""
    changes = {key: change(values, len(logs)) for key, values in logs.items()}
    slower, faster = (
        holm({key: getattr(one, name) for key, one in changes.items()}) for name in ("p_slower", "p_faster")
    )
    found = {}
    for key, one in changes.items():
        if slower[key] <= ALPHA:
            verdict = Verdict.SLOWER
        elif faster[key] <= ALPHA:
            verdict = Verdict.FASTER
        elif one.low >= 1 / (1 + MARGIN) and one.high <= 1 + MARGIN:
            verdict = Verdict.SAME
        else:
            verdict = Verdict.INCONCLUSIVE
        found[key] = (verdict, one)
    return found


def enough(logs: Mapping[str, Floats]) -> bool:
    """Whether every case has pairs enough for an answer."""
    return all(
        values.size >= LEAST_PAIRS and (values.size >= MOST_PAIRS or change(values, len(logs)).half_width < HALF_WIDTH)
        for values in logs.values()
    )


def pairs_needed(logs: Floats, cases: int) -> int:
    """Pairs that would make the interval narrow enough, if the noise stays."""
    now = change(logs, cases)
    if not math.isfinite(now.half_width):
        return max(LEAST_PAIRS, 2 * logs.size)
    return max(LEAST_PAIRS, logs.size, math.ceil(logs.size * (now.half_width / HALF_WIDTH) ** 2))


def disturbed(logs: Floats) -> Change | None:
    """The ratio of what cannot have changed, where it lies beyond the margin all the same; None where it does not."""
    found = change(logs)
    return found if min(found.p_slower, found.p_faster) <= ALPHA / 2 else None
