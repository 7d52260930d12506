"""How often the intervals cover and the verdicts are false, where the truth is known.

`python -m reports.statistics.simulations_page` writes the tables to docs/simulations.md;
every run gives the same numbers.
"""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from scipy import optimize, special

from reports.statistics.intervals import LEVEL, RESTART, BoolArray, Costs, FloatArray, Ratio, restarted, success_bound
from reports.statistics.moderated import Error, common, errors_of, half_widths, moderated_ratios
from reports.statistics.verdict import MARGIN, SECONDS_MARGIN, Pace, bound_p, holm, pace

VERDICT_SEED = 20_240_502
FAMILY = 30
REPETITIONS = 200 * FAMILY
POWER_REPETITIONS = 100 * FAMILY
TRUTH = 200_000
CORRELATION = 0.6
BUDGET = 21.0
"""Budget in medians of the time to target, as in published runs: a failure costs many times what a success does."""

RATES = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
"""Learning rates of a tuned arm in steps of its grid from the best; the time to target grows by exp(steps² / 4)."""


class Law(NamedTuple):
    """Times to target whose median is about 1, and how they are seen.

    Attributes
    ----------
    time
        From normal scores.
    looks
        Evaluations of either arm: by so much later than the last each (`"growing"`), or so far apart (`"even"`).
    between
        Standard deviation between draws of the data of the log ratio of the arms.
    tuned
        Whether each arm trains at the rate that was the best of `RATES` on one tuning seed of the fold.
    budgets
        Most that a training of either arm may spend.
    """

    time: Callable[[FloatArray], FloatArray]
    looks: tuple[str, float, float] = ("growing", 0.05, 0.05)
    between: float = 0.0
    tuned: bool = False
    budgets: tuple[float, float] = (BUDGET, BUDGET)


def _mild(score: FloatArray) -> FloatArray:
    return np.asarray(np.exp(0.6 * score))


def _two_modes(score: FloatArray) -> FloatArray:
    # Which mode, the digits say that matter to nothing else: as if by chance, and for each arm of a pair by itself.
    slow = np.modf(1000 * np.abs(score))[0] < 0.3
    return np.asarray(np.exp(0.3 * score) * np.where(slow, 8.0, 1.0))


LAWS: dict[str, Law] = {
    "lognormal, σ 0.6": Law(_mild),
    "draws differ by σ 0.2": Law(_mild, between=0.2),
    "draws differ by σ 0.4": Law(_mild, between=0.4),
    "Weibull, shape 0.7": Law(lambda z: (-special.log_ndtr(-z)) ** (1 / 0.7)),
    "heavy: lognormal, σ 1.5": Law(lambda z: np.exp(1.5 * z)),
    "heavy: Pareto, α 1.5": Law(lambda z: np.exp(-special.log_ndtr(-z) / 1.5)),
    "two modes: three in ten take 8 times as long": Law(_two_modes),
    "evaluated every 0.1 and 1 medians": Law(_mild, looks=("even", 0.1, 1.0)),
    "all arrive at the first evaluation": Law(lambda z: np.exp(0.2 * z), looks=("even", 8.0, 8.0)),
    "rate chosen in each fold by one seed": Law(_mild, tuned=True),
    "budgets of 4 and 21 medians": Law(_mild, budgets=(4.0, BUDGET)),
}

SUCCESS: tuple[tuple[float, float], ...] = (
    *((rate, rate) for rate in (1.0, 0.98, 0.95, 0.9, 0.6)),
    *((1.0, 0.95), (0.98, 0.9), (0.9, 0.6), (1.0, 0.4), (0.9, 0.2)),
)
FOLDS = ((10, 1), (5, 2), (6, 2), (10, 3))


class Arms(NamedTuple):
    """Replicates of one arm in many runs, of shape (runs, folds, seeds of a fold); as in `Costs`."""

    cost: FloatArray
    reached: BoolArray
    width: FloatArray

    def of_folds(self, folds: list[int]) -> "Arms":
        """Some of the folds alone."""
        return Arms(self.cost[:, folds], self.reached[:, folds], self.width[:, folds])

    def up_to(self, budget: float) -> "Arms":
        """The same replicates had they stopped at this cost at the latest."""
        reached = self.reached & (self.cost <= budget)
        return Arms(np.minimum(self.cost, budget), reached, np.where(reached, self.width, 0.0))

    def of_run(self, run: int) -> Costs:
        """One run as a report has it."""
        folds = np.repeat(np.arange(self.cost.shape[1]), self.cost.shape[2])
        return Costs(self.cost[run].ravel(), self.reached[run].ravel(), self.width[run].ravel(), folds)


def log_ratio(a: Arms, b: Arms, restarts: float = RESTART) -> tuple[FloatArray, FloatArray]:
    """Logarithm of the ratio and its standard error, shape (runs,) each; tested to equal `running_time_ratio`.

    nan where the jackknife over folds cannot be formed. A training is given up after so many times what its arm's
    successes cost.
    """
    folds = a.cost.shape[1]
    rest = [[one for one in range(folds) if one != left] for left in range(folds)]
    without_one = np.stack([_restarted(a.of_folds(some), b.of_folds(some), restarts) for some in rest], axis=1)
    value, apart = _restarted(a, b, restarts), rounding(a, b, restarts)
    with np.errstate(invalid="ignore"):
        error = np.sqrt((folds - 1) * without_one.var(axis=1) + apart)
    formed = np.isfinite(error)
    return np.where(formed, value, np.nan), np.where(formed, error, np.nan)


def _restarted(a: Arms, b: Arms, restarts: float) -> FloatArray:
    """Logarithm of the ratio, shape (runs,)."""
    log_ert = []
    with np.errstate(divide="ignore", invalid="ignore"):
        for arms in (a, b):
            after = restart(arms, restarts)
            hits = (arms.reached & (arms.cost <= after)).sum(axis=(1, 2))
            log_ert.append(np.log(np.minimum(arms.cost, after).sum(axis=(1, 2)) / hits))
        return np.asarray(log_ert[0] - log_ert[1])


def rounding(a: Arms, b: Arms, restarts: float) -> FloatArray:
    """Variance of the logarithm of the ratio due to the distance of evaluations, shape (runs,)."""
    variance = np.zeros(len(a.cost))
    with np.errstate(divide="ignore", invalid="ignore"):
        for arms in (a, b):
            after = restart(arms, restarts)
            cost = np.minimum(arms.cost, after)
            hit = arms.reached & (arms.cost <= after)
            failed = np.where(hit, 0.0, cost).sum(axis=(1, 2), keepdims=True) / hit.sum(axis=(1, 2), keepdims=True)
            width = np.where(hit, arms.width * (1 + failed / cost), 0.0)
            variance += _squared_widths(cost, width) / 12 / cost.sum(axis=(1, 2)) ** 2
    return variance


def restart(arms: Arms, restarts: float) -> FloatArray:
    """As `Costs.restart`, after so many times, shape (runs, 1, 1); nan without a success."""
    logs = np.log(np.where(arms.reached, arms.cost, 1.0)).sum(axis=(1, 2))
    return np.asarray(restarts * np.exp(logs / arms.reached.sum(axis=(1, 2)))[:, None, None])


def _squared_widths(cost: FloatArray, width: FloatArray) -> FloatArray:
    """Squared sum of the widths of all that arrived between the same two evaluations, added up, shape (runs,)."""
    cost, width = (values.reshape(len(values), -1) for values in (cost, width))
    order = np.argsort(cost, axis=1)
    cost, width = (np.take_along_axis(values, order, axis=1) for values in (cost, width))
    cell = np.cumsum(np.diff(cost, axis=1, prepend=np.nan) != 0, axis=1)
    cell = cell - 1 + np.arange(len(cost))[:, None] * cost.shape[1]
    sums = np.bincount(cell.ravel(), width.ravel(), minlength=cost.size)
    return np.asarray((sums**2).reshape(len(cost), -1).sum(axis=1))


class VerdictCell(NamedTuple):
    """One case of the table: what is drawn, and what came of it as shares.

    Attributes
    ----------
    success
        Success rates of both arms; failing is up to chance and costs the whole budget.
    covered
        Of all intervals (the bound included), how many hold the true ratio.
    bounded
        How often the jackknife's interval cannot be formed and the bound is used.
    false_calls
        On identical arms: comparisons called different.
    false_families
        Where every ratio lies at the limit of the margin: families of 30 with any claim that survives Holm.
    """

    law: str
    success: tuple[float, float]
    folds: int
    seeds: int
    covered: float
    bounded: float
    false_calls: float
    false_families: float


def draw(
    rng: np.random.Generator,
    law: Law,
    success: tuple[float, float],
    shape: tuple[int, int, int],
    ratio: float | FloatArray,
) -> tuple[Arms, Arms]:
    """Draw both arms as a report counts them: where their budgets differ, up to the smaller."""
    arms = draw_apart(rng, law, success, shape, ratio)
    first, second = (one.up_to(min(law.budgets)) for one in arms)
    return first, second


def draw_apart(
    rng: np.random.Generator,
    law: Law,
    success: tuple[float, float],
    shape: tuple[int, int, int],
    ratio: float | FloatArray,
) -> tuple[Arms, Arms]:
    """Draw both arms, the first `ratio` times as slow. Pairs share normal scores with correlation 0.6."""
    shared = rng.standard_normal(shape)
    kind, *steps = law.looks
    arms = []
    for scale, rate, step, budget in zip((ratio, 1.0), success, steps, law.budgets, strict=True):
        score = math.sqrt(CORRELATION) * shared + math.sqrt(1 - CORRELATION) * rng.standard_normal(shape)
        of_draw = law.between / math.sqrt(2) * rng.standard_normal((*shape[:2], 1))
        time = scale * law.time(score) * np.exp(of_draw)
        if law.tuned:
            time *= _of_chosen_rate(rng, law, shape[:2])
        reached = (rng.random(shape) < rate) & (time <= budget)
        after, before = _looked_at(time, kind, step)
        cost = np.where(reached, (after + before) / 2, budget)
        arms.append(Arms(cost, reached, np.where(reached, after - before, 0.0)))
    return arms[0], arms[1]


def _of_chosen_rate(rng: np.random.Generator, law: Law, folds: tuple[int, int]) -> FloatArray:
    """By what the time to target grows at the rate that each fold chose, shape (runs, folds, 1)."""
    growth = np.exp(RATES**2 / 4)
    chosen = np.argmin(growth * law.time(rng.standard_normal((*folds, RATES.size))), axis=2)
    return np.asarray(growth[chosen])[:, :, None]


def _looked_at(time: FloatArray, kind: str, step: float) -> tuple[FloatArray, FloatArray]:
    """The evaluation after each time and the one before it."""
    if kind == "even":
        last = np.ceil(time / step)
        return last * step, (last - 1) * step
    last = np.ceil(np.log(np.maximum(time, 1e-9)) / math.log(1 + step))
    return (1 + step) ** last, (1 + step) ** (last - 1)


@cache
def true_log_ratio(law: Law, success: tuple[float, float], ratio: float, restarts: float = RESTART) -> float:
    """Logarithm of the ratio of expected running times of a large sample."""
    rng = np.random.default_rng(VERDICT_SEED)
    exactly = law._replace(looks=("growing", 1e-6, 1e-6))
    return float(_restarted(*draw(rng, exactly, success, (1, TRUTH // 10, 10), ratio), restarts)[0])


def simulate_verdicts(
    name: str, success: tuple[float, float], folds: int, seeds: int, repetitions: int | None = None
) -> VerdictCell:
    """Draw one cell of the table."""
    law = LAWS[name]
    # A generator of its own, so that a cell does not depend on which were drawn before it.
    rng = np.random.default_rng([VERDICT_SEED, folds, seeds, *(round(100 * rate) for rate in success), *name.encode()])
    shape = (repetitions or REPETITIONS, folds, seeds)
    a, b = draw(rng, law, success, shape, 0.5)
    low, high, bounded = _limits(a, b)
    truth = true_log_ratio(law, success, 0.5)
    covered = float(np.mean((low <= truth) & (truth <= high)))
    false_calls = math.nan
    if success[0] == success[1]:
        false_calls = float(np.mean(claims(*draw(rng, law, success, shape, 1.0)) <= 1 - LEVEL))
    times = at_margin(law, success)
    false_families = share_of_families(claims(*draw(rng, law, success, shape, times))) if times else math.nan
    return VerdictCell(name, success, folds, seeds, covered, float(bounded.mean()), false_calls, false_families)


def share_of_families(p: FloatArray) -> float:
    """Share of the families of 30 in which a claim survives Holm, from their p, shape (runs,)."""
    return float(np.mean([(holm(family) <= 1 - LEVEL).any() for family in p.reshape(-1, FAMILY)]))


MOST_TIMES = 5.0
"""An arm that had to be slower than so many times would spend its budget before it arrives."""


@cache
def at_margin(law: Law, success: tuple[float, float], restarts: float = RESTART) -> float | None:
    """How many times as slow the first arm must be for the true ratio to lie at the lower limit of the margin.

    None where that is more than `MOST_TIMES`.
    """

    def above(times: float) -> float:
        return true_log_ratio(law, success, times, restarts) - math.log(1 - MARGIN)

    return float(optimize.brentq(above, 0.1, MOST_TIMES, xtol=1e-3)) if above(MOST_TIMES) > 0 else None


def _limits(a: Arms, b: Arms) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Limits of the log ratio and whether they are the bound, shape (runs,) each."""
    value, error = log_ratio(a, b)
    half = special.stdtrit(a.cost.shape[1] - 1, 1 - (1 - LEVEL) / 2) * error
    low, high, bounded = value - half, value + half, np.isnan(error)
    for row in map(int, np.flatnonzero(bounded)):
        bound = success_bound(*restarted(a.of_run(row), b.of_run(row)))
        low[row], high[row] = (math.log(end) if 0 < end < math.inf else side for end, side in _ends(bound))
    return low, high, bounded


def _ends(bound: tuple[float, float]) -> tuple[tuple[float, float], tuple[float, float]]:
    return (bound[0], -math.inf), (bound[1], math.inf)


def claims(a: Arms, b: Arms) -> FloatArray:
    """P of the claim that each run makes, shape (runs,), 1 where it makes none; as `verdict.claim_p`."""
    value, error = log_ratio(a, b)
    beyond = np.maximum(math.log(1 - MARGIN) - value, value - math.log(1 + MARGIN))
    p = np.where(beyond > 0, 2 * special.stdtr(a.cost.shape[1] - 1, -beyond / error), 1.0)
    for row in map(int, np.flatnonzero(np.isnan(error))):
        first, second = a.of_run(row), b.of_run(row)
        p[row] = bound_p(first, second) if first.hits + second.hits else 1.0
    return np.asarray(p)


def verdict_table(cells: list[VerdictCell]) -> str:
    """Write the cells as Markdown in percent, a line for those that differ in folds and seeds only."""
    lines = ["| time to target | success | folds x seeds | covered | only bounded | false calls | false families |"]
    lines.append("|---|---|---|---|---|---|---|")
    for (law, success), group in itertools.groupby(cells, key=lambda one: one[:2]):
        here = list(group)
        rates = " and ".join(f"{rate:g}" for rate in dict.fromkeys(success))
        numbers = in_percent([one[4:] for one in here])
        sizes = " ".join(f"{one.folds}x{one.seeds}" for one in here)
        lines.append(f"| {law} | {rates} | {sizes} | {numbers} |")
    return "\n".join(lines)


class Power(NamedTuple):
    """Of comparisons with a difference, how many are called so: by themselves, and among 30 alike after Holm."""

    success: tuple[float, float]
    ratio: float
    folds: int
    seeds: int
    alone: float
    after_holm: float


def power(success: tuple[float, float], ratio: float, folds: int, seeds: int) -> Power:
    """Draw comparisons whose first arm is that many times as slow, and count the claims."""
    rng = np.random.default_rng([VERDICT_SEED, 7, folds, seeds, *(round(100 * one) for one in (*success, ratio))])
    p = claims(*draw(rng, LAWS["lognormal, σ 0.6"], success, (POWER_REPETITIONS, folds, seeds), ratio))
    adjusted = np.array([holm(family) for family in p.reshape(-1, FAMILY)])
    return Power(success, ratio, folds, seeds, *(float(np.mean(one <= 1 - LEVEL)) for one in (p, adjusted)))


def every_power(pool: Executor) -> list[Power]:
    """Draw the whole table of differences found."""
    rates = [(rate, rate) for rate in (1.0, 0.95, 0.9, 0.6)]
    return list(pool.map(power, *columns(itertools.product(rates, (0.35, 0.5, 0.7), FOLDS))))


def power_table(cells: list[Power]) -> str:
    """Write the cells as Markdown in percent."""
    lines = ["| success | ratio | folds x seeds | found | found after Holm |", "|---|---|---|---|---|"]
    for (success, ratio), group in itertools.groupby(cells, key=lambda one: one[:2]):
        here = list(group)
        sizes = " ".join(f"{one.folds}x{one.seeds}" for one in here)
        lines.append(f"| {success[0]:g} | {ratio:g} | {sizes} | {in_percent([one[4:] for one in here])} |")
    return "\n".join(lines)


def in_percent(rows: Sequence[tuple[float, ...]]) -> str:
    """Columns of a table's line, each with the values of all its rows; empty where a column's are unknown."""
    columns = zip(*rows, strict=True)
    return " | ".join("" if math.isnan(one[0]) else " ".join(f"{100 * v:.1f}" for v in one) for one in columns)


def every_verdict(pool: Executor) -> list[VerdictCell]:
    """Draw the whole table: equal success rates, then arms that differ in theirs."""
    return list(pool.map(simulate_verdicts, *columns(itertools.product(LAWS, SUCCESS, FOLDS))))


def columns(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Turn rows that end in one of `FOLDS` into the columns that `Executor.map` takes."""
    return zip(*((*row[:-1], *row[-1]) for row in rows), strict=True)


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
    return errors_of(list(values), known)


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
        widths.append([half_widths(each[: math.ceil(pairs / 10)]) for each in errors])
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
        numbers = in_percent([(one.covered, one.noisy, one.quiet, one.width) for one in here])
        sizes = " ".join(str(one.pairs) for one in here)
        lines.append(f"| {spread} | {processes} | {method} | {sizes} | {numbers} |")
    return "\n".join(lines)


def _t(degrees: float, variance: float, n: int) -> Error:
    return Error(np.ones(1), np.array([float(degrees)]), np.array([math.sqrt(variance / n)]))


def every_ratio(pool: Executor) -> list[RatioCell]:
    """Draw the whole table of timed ratios."""
    grid = itertools.product(SPREADS, (2, 3), (10, 30, 70))
    return [cell for cells in pool.map(simulate_ratios, *zip(*grid, strict=True)) for cell in cells]


PACES = (Pace.FASTER, Pace.SAME, Pace.INCONCLUSIVE, Pace.SLOWER)
PACE_SEED, PACE_PAIRS, PACE_DRAWS = 9, 10, 2_000


class PaceCell(NamedTuple):
    """Verdicts on seconds of pairs with one true ratio.

    Attributes
    ----------
    ratio, deviation, processes
        The truth, the standard deviation of log ratios between pairs of processes, and processes of each case.
    left_out_one
        Share of intervals that leave out 1, which was called faster or slower before there was a margin.
    shares
        Of verdicts, in the order of `PACES`.
    """

    ratio: float
    deviation: float
    processes: int
    left_out_one: float
    shares: tuple[float, ...]


def simulate_paces(ratio: float, deviation: float, processes: int) -> PaceCell:
    """Draw runs of ten pairs, all with the same truth, and judge each."""
    rng = np.random.default_rng([PACE_SEED, round(1000 * ratio), round(1000 * deviation), processes])
    found: list[Ratio] = []
    for _ in range(math.ceil(PACE_DRAWS / PACE_PAIRS)):
        logs = list(math.log(ratio) + deviation * rng.standard_normal((PACE_PAIRS, processes)))
        known = common(logs)
        found += moderated_ratios(logs, errors_of(logs, known))
    counts = Counter(map(pace, found))
    beyond = sum(one.low > 1 or one.high < 1 for one in found)
    return PaceCell(
        ratio, deviation, processes, beyond / len(found), tuple(counts[verdict] / len(found) for verdict in PACES)
    )


def pace_table(cells: Sequence[PaceCell]) -> str:
    """Write the cells as Markdown in percent."""
    head = ["true ratio", "standard deviation", "processes", "interval leaves out 1", *PACES]
    lines = [f"| {' | '.join(head)} |", f"|{'--:|' * len(head)}"]
    for one in cells:
        shares = " | ".join(f"{100 * share:.1f}" for share in (one.left_out_one, *one.shares))
        lines.append(f"| {one.ratio:g} | {100 * one.deviation:g} % | {one.processes} | {shares} |")
    return "\n".join(lines)


def every_pace(pool: Executor) -> list[PaceCell]:
    """Draw the whole table of verdicts on seconds."""
    grid = itertools.product((1.0, 1.02, 1 + SECONDS_MARGIN, 1.1, 1.25), (0.01, 0.03), (2, 3))
    return list(pool.map(simulate_paces, *zip(*grid, strict=True)))
