"""`python -m reports.statistics.verdict_simulation`: how often intervals cover and verdicts are false, the truth known.

Prints the table of docs/statistics.md as Markdown; every run gives the same numbers (about two minutes on one core).
"""

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import special

from reports.statistics.intervals import LEVEL, running_time_ratio
from reports.statistics.permutation import holm, sign_flip_p
from reports.statistics.running_time import BoolArray, FloatArray
from reports.statistics.vectors import log_ratio_limits
from reports.statistics.verdict import MARGIN, all_or_none_p

SEED = 20_240_502
FAMILY = 12
REPETITIONS = 1000 * FAMILY
TRUTH = 400_000
CORRELATION = 0.6


class Family(NamedTuple):
    """Times to target whose median is about 1.

    Attributes
    ----------
    time
        From normal scores.
    step
        The cadence at which success is looked for; 0: exactly known.
    budget
        None: the quantile of `time` at the success rate, so that the slow fail. Else that many medians, and failing is
        up to chance.
    """

    time: Callable[[FloatArray], FloatArray]
    step: float = 0.0
    budget: float | None = None


def _mild(score: FloatArray) -> FloatArray:
    return np.asarray(np.exp(0.6 * score))


FAMILIES: dict[str, Family] = {
    "lognormal, σ 0.6": Family(_mild),
    "the same, failing by chance": Family(_mild, budget=5.0),
    "Weibull, shape 0.7": Family(lambda z: (-special.log_ndtr(-z)) ** (1 / 0.7)),
    "grid of half a median": Family(lambda z: np.ceil(_mild(z) / 0.5) * 0.5, step=0.5),
    "heavy: lognormal, σ 1.5": Family(lambda z: np.exp(1.5 * z)),
    "heavy: Pareto, α 1.5": Family(lambda z: np.exp(-special.log_ndtr(-z) / 1.5)),
}


class Arm(NamedTuple):
    """Replicates of one arm, all of shape (..., n)."""

    cost: FloatArray
    reached: BoolArray


class Cell(NamedTuple):
    """One case of the table: what is drawn, and what came of it as shares.

    Attributes
    ----------
    success
        Success rates of both arms.
    covered
        Of all intervals (the bound included), how many hold the true ratio.
    bounded
        How often the jackknife's interval cannot be formed and the bound stands in.
    false_calls, false_families
        On identical arms: comparisons called different, and families of 12 with any claim that survives Holm.
    """

    family: str
    success: tuple[float, float]
    paired: bool
    n: int
    covered: float
    bounded: float
    false_calls: float
    false_families: float


def draw(
    rng: np.random.Generator, family: str, success: tuple[float, float], shape: tuple[int, ...], *, paired: bool
) -> tuple[Arm, Arm]:
    """Draw both arms; the second needs twice the time. Pairs share normal scores with correlation 0.6."""
    time, _, budget = FAMILIES[family]
    weight = CORRELATION if paired else 0.0
    shared = rng.standard_normal((2, *shape))
    arms = []
    for scale, rate in zip((1.0, 2.0), success, strict=True):
        score, luck = math.sqrt(weight) * shared + math.sqrt(1 - weight) * rng.standard_normal((2, *shape))
        last = float(special.ndtri(rate))  # inf at rate 1: no budget
        if budget is None:
            arms.append(Arm(scale * time(np.minimum(score, last)), score <= last))
        else:
            reached = (luck <= last) & (time(score) <= budget)
            arms.append(Arm(scale * np.where(reached, time(score), budget), reached))
    return arms[0], arms[1]


def simulate(family: str, success: tuple[float, float], n: int, *, paired: bool) -> Cell:
    """Draw one cell of the table."""
    # A generator of its own, so that a cell does not depend on which were drawn before it.
    rng = np.random.default_rng([SEED, n, paired, *(round(100 * rate) for rate in success), *family.encode()])
    step = FAMILIES[family].step
    truth = _true_log_ratio(rng, family, success)
    a, b = draw(rng, family, success, (REPETITIONS, n), paired=paired)
    low, high, bounded = _limits(a, b, step, 2 * step)
    false_calls = false_families = math.nan
    if success[0] == success[1]:
        halved = Arm(b.cost / 2, b.reached)  # identical arms
        called = _called(a, halved, step)
        false_calls = float(called.mean())
        false_families = _surviving(a, halved, called)
    covered = float(np.mean((low <= truth) & (truth <= high)))
    return Cell(family, success, paired, n, covered, float(bounded.mean()), false_calls, false_families)


def _true_log_ratio(rng: np.random.Generator, family: str, success: tuple[float, float]) -> float:
    if success[0] == success[1]:
        return math.log(0.5)
    a, b = draw(rng, family, success, (TRUTH,), paired=False)
    return math.log(a.cost.mean() / a.reached.mean()) - math.log(b.cost.mean() / b.reached.mean())


def _limits(a: Arm, b: Arm, step_a: float, step_b: float) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Limits of the log ratio and whether they are the bound, shape (repetitions,) each."""
    low, high = log_ratio_limits(*a, *b, step_a, step_b)
    bounded = np.isnan(low)
    for row in np.flatnonzero(bounded):
        ratio = running_time_ratio(a.cost[row], a.reached[row], b.cost[row], b.reached[row])
        low[row] = math.log(ratio.low) if ratio.low > 0 else -math.inf
        high[row] = math.log(ratio.high) if ratio.high < math.inf else math.inf
    return low, high, bounded


def _called(a: Arm, b: Arm, step: float) -> BoolArray:
    low, high, _ = _limits(a, b, step, step)
    by_margin = (high < math.log(1 - MARGIN)) | (low > math.log(1 + MARGIN))
    hits_a, hits_b = a.reached.sum(axis=1), b.reached.sum(axis=1)
    n = a.cost.shape[1]
    all_or_none = np.array([all_or_none_p(hits, n) < 1 - LEVEL for hits in range(n + 1)])
    # Without a success in one arm, Fisher's test decides and not the interval.
    return np.where(np.minimum(hits_a, hits_b) == 0, all_or_none[np.maximum(hits_a, hits_b)], by_margin)


def _surviving(a: Arm, b: Arm, called: BoolArray) -> float:
    """Share of families of 12 in which a comparison called different also has an adjusted p of at most 5 %."""
    survived = 0
    for rows in np.arange(called.size).reshape(-1, FAMILY):
        p = {row: sign_flip_p(a.cost[row], a.reached[row], b.cost[row], b.reached[row]) for row in rows[called[rows]]}
        # A p above 5 % does not get smaller by the correction: the other eleven are then not needed.
        if min(p.values(), default=1.0) > 1 - LEVEL:
            continue
        every = np.array(
            [p[r] if r in p else sign_flip_p(a.cost[r], a.reached[r], b.cost[r], b.reached[r]) for r in rows]
        )
        survived += bool((holm(every)[called[rows]] <= 1 - LEVEL).any())
    return survived / (called.size // FAMILY)


def table(cells: list[Cell]) -> str:
    """Write the cells as Markdown in percent, a line for those that differ in n only."""
    lines = ["| time to target | success | pairs | n | covered | only bounded | false calls | false families |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for (family, success, paired), group in itertools.groupby(cells, key=lambda one: one[:3]):
        here = list(group)
        rates = " and ".join(f"{rate:g}" for rate in dict.fromkeys(success))
        columns = zip(*((one.covered, one.bounded, one.false_calls, one.false_families) for one in here), strict=True)
        numbers = ["" if math.isnan(column[0]) else " ".join(f"{100 * v:.1f}" for v in column) for column in columns]
        sizes = " ".join(str(one.n) for one in here)
        pairs = "paired" if paired else "unpaired"
        lines.append(f"| {family} | {rates} | {pairs} | {sizes} | {' | '.join(numbers)} |")
    return "\n".join(lines)


def every_cell() -> list[Cell]:
    """Draw the whole table: equal success rates, then arms that differ in theirs."""
    rates = [(rate, rate) for rate in (1.0, 0.8, 0.6, 0.4)] + [(1.0, 0.4), (0.9, 0.2)]
    grid = itertools.product(FAMILIES, rates, (True, False), (10, 20, 30))
    return [simulate(family, success, n, paired=paired) for family, success, paired, n in grid]


if __name__ == "__main__":
    print(table(every_cell()))  # noqa: T201
