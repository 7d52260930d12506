"""How often the intervals cover and the verdicts are false, where the truth is known.

`python -m reports.statistics.simulations_page` writes the tables to docs/simulations.md;
every run gives the same numbers (about two minutes each on one core).
"""

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import optimize, special

from reports.statistics.intervals import LEVEL, BoolArray, FloatArray, effective_degrees, running_time_ratio
from reports.statistics.moderated import Error, common, error_of
from reports.statistics.verdict import MARGIN, all_or_none_p, holm, sign_flip_p


def log_ratio_limits(
    cost_a: FloatArray,
    reached_a: BoolArray,
    cost_b: FloatArray,
    reached_b: BoolArray,
    every_a: float = 0.0,
    every_b: float = 0.0,
) -> tuple[FloatArray, FloatArray]:
    """Limits of log(ERT a / ERT b), shape (m,), of arrays of shape (m, n); nan where an arm has under two successes.

    `every_a` and `every_b` are the cadences at which successes are looked for, the unit of cost (0: exactly known).
    """
    n = cost_a.shape[1]
    arms = ((cost_a, reached_a, every_a), (cost_b, reached_b, every_b))
    log_ert, without_one, costs, rounding = [], [], [], np.zeros(cost_a.shape[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        for cost, reached, every in arms:
            total, hits = cost.sum(axis=1, keepdims=True), reached.sum(axis=1, keepdims=True)
            log_ert.append(np.log(total / hits)[:, 0])
            costs.append(np.log(total - cost))
            without_one.append(costs[-1] - np.log(hits - reached))
            rounding += (hits * every**2 / 12 / total**2)[:, 0]
        values = without_one[0] - without_one[1]
        jackknife = (n - 1) * values.var(axis=1)
        t = special.stdtrit(effective_degrees(values, costs[0] - costs[1]), 1 - (1 - LEVEL) / 2)
        half = t * np.sqrt(jackknife + rounding)
        middle = log_ert[0] - log_ert[1]
    enough = (reached_a.sum(axis=1) >= 2) & (reached_b.sum(axis=1) >= 2)
    return np.where(enough, middle - half, np.nan), np.where(enough, middle + half, np.nan)


VERDICT_SEED = 20_240_502
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


class VerdictCell(NamedTuple):
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


def simulate_verdicts(family: str, success: tuple[float, float], n: int, *, paired: bool) -> VerdictCell:
    """Draw one cell of the table."""
    # A generator of its own, so that a cell does not depend on which were drawn before it.
    rng = np.random.default_rng([VERDICT_SEED, n, paired, *(round(100 * rate) for rate in success), *family.encode()])
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
    return VerdictCell(family, success, paired, n, covered, float(bounded.mean()), false_calls, false_families)


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


def verdict_table(cells: list[VerdictCell]) -> str:
    """Write the cells as Markdown in percent, a line for those that differ in n only."""
    lines = ["| time to target | success | pairs | n | covered | only bounded | false calls | false families |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for (family, success, paired), group in itertools.groupby(cells, key=lambda one: one[:3]):
        here = list(group)
        rates = " and ".join(f"{rate:g}" for rate in dict.fromkeys(success))
        shares = _percent([(one.covered, one.bounded, one.false_calls, one.false_families) for one in here])
        sizes = " ".join(str(one.n) for one in here)
        lines.append(f"| {family} | {rates} | {'paired' if paired else 'unpaired'} | {sizes} | {shares} |")
    return "\n".join(lines)


def _percent(rows: list[tuple[float, ...]]) -> str:
    """Columns of a table's line, each with the values of all its rows; empty where a column's are unknown."""
    columns = zip(*rows, strict=True)
    return " | ".join("" if math.isnan(one[0]) else " ".join(f"{100 * v:.1f}" for v in one) for one in columns)


def every_verdict() -> list[VerdictCell]:
    """Draw the whole table: equal success rates, then arms that differ in theirs."""
    rates = [(rate, rate) for rate in (1.0, 0.8, 0.6, 0.4)] + [(1.0, 0.4), (0.9, 0.2)]
    grid = itertools.product(FAMILIES, rates, (True, False), (10, 20, 30))
    return [simulate_verdicts(family, success, n, paired=paired) for family, success, paired, n in grid]


RATIO_SEED = 20_261_121
DRAWS = 12_000
"""Pairs in a cell, over all its runs."""

SIZE = 0.03
"""Typical standard deviation of a log ratio between processes."""

NOISY = 0.1
"""Share of the pairs that are called noisy: those with the largest true variance."""


def _spread(degrees: float) -> Callable[[FloatArray], FloatArray]:
    # Variances are d0 s0^2 / chi^2: the larger, the further down chi^2 lies.
    return lambda rank: SIZE * np.sqrt(degrees / special.chdtri(degrees, rank))


SPREADS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "equal": lambda rank: np.full_like(rank, SIZE),
    "inverse χ², d0 = 8": _spread(8),
    "inverse χ², d0 = 4": _spread(4),
    "inverse χ², d0 = 2": _spread(2),
    "0.02, a tenth of them 0.4": lambda rank: np.where(rank > 1 - NOISY, 0.4, 0.02),
}
"""True standard deviations of log ratios, from their ranks in (0, 1)."""


def pooled(values: FloatArray) -> list[Error]:
    """One variance for all pairs, shape (pairs, processes)."""
    degrees = values.shape[0] * (values.shape[1] - 1)
    return [_t(degrees, float(values.var(axis=1, ddof=1).mean()), values.shape[1])] * values.shape[0]


def own(values: FloatArray) -> list[Error]:
    """Each pair its own variance."""
    return [_t(one.size - 1, float(one.var(ddof=1)), one.size) for one in values]


def moments(values: FloatArray) -> list[Error]:
    """Smyth's empirical Bayes: d0 and s0^2 from mean and variance of log s^2, then taken as known.

    References
    ----------
    G. K. Smyth, Statistical Applications in Genetics and Molecular Biology 3 (2004), art. 3, sections 4 and 6.2.
    """
    pairs, n = values.shape
    d, squares = n - 1, values.var(axis=1, ddof=1)
    logs = np.log(squares) - special.digamma(d / 2) + math.log(d / 2)
    excess = float(logs.var(ddof=1) - special.polygamma(1, d / 2))
    if excess <= special.polygamma(1, 1e6):
        return pooled(values)
    half = optimize.brentq(lambda x: special.polygamma(1, x) - excess, 1e-6, 1e6)
    prior = math.exp(float(logs.mean()) + special.digamma(half) - math.log(half))
    degrees = 2 * half + d
    # No estimate rests on more than all pairs have together.
    return [_t(min(degrees, pairs * d), (2 * half * prior + d * s) / degrees, n) for s in squares]


def moderated(values: FloatArray) -> list[Error]:
    """What the reports use."""
    known = common(values)
    return [error_of(one, known) for one in values]


METHODS: dict[str, Callable[[FloatArray], list[Error]]] = {
    "pooled": pooled,
    "own": own,
    "moments": moments,
    "moderated": moderated,
}


class RatioCell(NamedTuple):
    """One case of the table and what came of it.

    Attributes
    ----------
    covered, noisy, quiet
        Shares of intervals that hold the truth: all, those of the noisy pairs, those of the others; nan for none.
    width
        Median half width on the log scale.
    """

    spread: str
    processes: int
    method: str
    pairs: int
    covered: float
    noisy: float
    quiet: float
    width: float


def simulate_ratios(spread: str, processes: int, pairs: int) -> list[RatioCell]:
    """Draw runs of that many pairs, and give all methods the same ones."""
    rng = np.random.default_rng([RATIO_SEED, processes, pairs, *spread.encode()])
    ranks, within, widths = [], [], []
    for _ in range(math.ceil(DRAWS / pairs)):
        rank = rng.uniform(size=pairs)
        values = SPREADS[spread](rank)[:, None] * rng.standard_normal((pairs, processes))
        errors = [method(values) for method in METHODS.values()]
        off = np.abs(values.mean(axis=1))
        ranks.append(rank)
        within.append([[one.within(size) for one, size in zip(each, off, strict=True)] for each in errors])
        # All pairs are alike before the draw: a tenth of them tells the median width in a tenth of the time.
        widths.append([[one.half_width() for one in each[: math.ceil(pairs / 10)]] for each in errors])
    covered = np.concatenate(within, axis=1) <= LEVEL
    # Where all variances are equal, no pair is noisy.
    noisy = (np.concatenate(ranks) > 1 - NOISY) & (spread != "equal")
    return [
        RatioCell(
            spread,
            processes,
            method,
            pairs,
            float(here.mean()),
            float(here[noisy].mean()) if noisy.any() else math.nan,
            float(here[~noisy].mean()),
            float(np.median(width)),
        )
        for method, here, width in zip(METHODS, covered, np.concatenate(widths, axis=1), strict=True)
    ]


def ratio_table(cells: list[RatioCell]) -> str:
    """Write the cells as Markdown in percent, a line for those that differ in the number of pairs only."""
    lines = ["| standard deviations | processes | interval | pairs | covered | of the noisy | of the others | ± |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    order = list(METHODS)
    ordered = sorted(cells, key=lambda one: (list(SPREADS).index(one.spread), one.processes, order.index(one.method)))
    for (spread, processes, method), group in itertools.groupby(ordered, key=lambda one: one[:3]):
        here = list(group)
        numbers = _percent([(one.covered, one.noisy, one.quiet, one.width) for one in here])
        sizes = " ".join(str(one.pairs) for one in here)
        lines.append(f"| {spread} | {processes} | {method} | {sizes} | {numbers} |")
    return "\n".join(lines)


def _t(degrees: float, variance: float, n: int) -> Error:
    return Error(np.ones(1), np.array([float(degrees)]), np.array([math.sqrt(variance / n)]))


def every_ratio() -> list[RatioCell]:
    """Draw the whole table of timed ratios."""
    grid = itertools.product(SPREADS, (2, 3), (10, 30, 70))
    return [cell for spread, n, pairs in grid for cell in simulate_ratios(spread, n, pairs)]
