"""Where verdicts were wrong once: cells that show it, by the method that was there before and by that of the reports.

`python -m reports.statistics.simulations_page` writes the tables to docs/simulations.md; seeds are fixed.
"""

import itertools
import math
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy import signal, special

from bench.case.stretches import relative_standard_error
from reports.statistics.intervals import RESTART, BoolArray, FloatArray, Ratio, t_quantile
from reports.statistics.simulation import (
    FAMILY,
    FOLDS,
    LAWS,
    REPETITIONS,
    VERDICT_SEED,
    Arms,
    VerdictCell,
    at_margin,
    columns,
    draw,
    draw_apart,
    in_percent,
    log_ratio,
    rounding,
    share_of_families,
    simulate_verdicts,
    true_log_ratio,
)
from reports.statistics.verdict import FLOOR_ERRORS, MARGIN, Verdict, by_margin, seeds_to_decide

MILD = "lognormal, σ 0.6"


class Found(NamedTuple):
    """Something that was found wrong, and the cell that shows it: a law of `LAWS` and both success rates."""

    what: str
    law: str
    success: tuple[float, float]


FOUND = (
    Found("The first evaluation is a ceiling", "all arrive at the first evaluation", (1.0, 1.0)),
    Found("Arms evaluated at different distances", "evaluated every 0.1 and 1 medians", (1.0, 1.0)),
    Found("Rare, expensive failures", MILD, (0.98, 0.98)),
    Found("Rare, expensive failures", MILD, (0.95, 0.95)),
    Found("Rare, expensive failures", MILD, (0.9, 0.9)),
    Found("Ratio at the margin, unequal success", MILD, (1.0, 0.95)),
    Found("Ratio at the margin, unequal success", MILD, (0.98, 0.9)),
    Found("Ratio at the margin, unequal success", MILD, (0.9, 0.6)),
    Found("Unequal budgets", "budgets of 4 and 21 medians", (0.95, 0.95)),
    Found("One tuning for all seeds", "rate chosen in each fold by one seed", (1.0, 1.0)),
    Found("One draw of the data", "draws differ by σ 0.2", (1.0, 1.0)),
    Found("One draw of the data", "draws differ by σ 0.4", (1.0, 1.0)),
)

SCARCE = (0.2, 0.2)
"""Success rates with which one arm often has no success: "only stateful" is at stake."""

SCARCE_REPETITIONS = 200 * FAMILY
"""Fewer, since their bounds are formed run by run."""


class Shares(NamedTuple):
    """Of intervals that cover, of identical arms called different, of families with a false claim; nan for unknown."""

    covered: float
    false_calls: float
    false_families: float


class WeakPoint(NamedTuple):
    """What came of a cell, for each of `FOLDS`; nothing where the method before had none of its own."""

    what: str
    cell: str
    before: list[Shares]
    now: list[Shares]


Drawn = Callable[[float], tuple[FloatArray, FloatArray]]
"""From how many times as slow the first arm is to log ratios and their standard errors, shape (runs,) each."""


def weak_points(verdicts: list[VerdictCell], pool: Executor) -> list[WeakPoint]:
    """Draw the cells, as far as they are not in the table of verdicts."""
    known = {one[:4]: Shares(one.covered, one.false_calls, one.false_families) for one in verdicts}
    naive = pool.map(_naive, *columns((law, success, size) for _, law, success in FOUND for size in FOLDS))
    scarce = pool.map(partial(simulate_verdicts, MILD, SCARCE, repetitions=SCARCE_REPETITIONS), *columns(zip(FOLDS)))
    seconds = pool.map(_seconds, *zip(*itertools.product((0.1, 0.3), (1, 2, 8)), strict=True))
    rows = [
        WeakPoint(
            what,
            f"{law}; success {' and '.join(f'{rate:g}' for rate in dict.fromkeys(success))}",
            list(itertools.islice(naive, len(FOLDS))),
            [known[law, success, *size] for size in FOLDS],
        )
        for what, law, success in FOUND
    ]
    of_scarce = [Shares(one.covered, one.false_calls, one.false_families) for one in scarce]
    rows.append(WeakPoint('"Only one arm" from few successes', f"{MILD}; success {SCARCE[0]:g}", [], of_scarce))
    return [*rows, *seconds]


def _naive(name: str, success: tuple[float, float], folds: int, seeds: int) -> Shares:
    """What came of the method that was there first.

    One fold: one tuning and one draw of the data for all seeds. The cost is the evaluation at which the target was
    reached, a failure costs the whole budget, and p is that of equal arms and not of the claim beyond the margin.
    """
    law, n = LAWS[name], folds * seeds
    rng = np.random.default_rng([VERDICT_SEED, 1, n, *(round(100 * rate) for rate in success), *name.encode()])

    def drawn(times: float) -> tuple[FloatArray, FloatArray]:
        a, b = (_touched(one) for one in draw_apart(rng, law, success, (REPETITIONS, 1, n), times))
        return log_ratio(a, b, math.inf)

    truth, times = true_log_ratio(law, success, 0.5, math.inf), at_margin(law, success, math.inf)
    found = _shares(drawn, n - 1, truth, times, beyond=0.0)
    return found if success[0] == success[1] else found._replace(false_calls=math.nan)


def _touched(arms: Arms) -> Arms:
    """Every replicate a fold of its own, and the cost the evaluation at which the target was reached."""
    apart = (len(arms.cost), -1, 1)
    cost = (arms.cost + arms.width / 2).reshape(apart)
    return Arms(cost, arms.reached.reshape(apart), np.zeros(cost.shape))


def _shares(drawn: Drawn, degrees: int, truth: float, times: float | None, *, beyond: float) -> Shares:
    """Shares by intervals of t; `times` as slow the ratio lies at the margin. p is that of a ratio so far beyond 1."""
    quantile = t_quantile(degrees)
    value, error = drawn(0.5)
    covered = np.mean(np.abs(value - truth) <= quantile * error)
    false_calls = np.mean(_differ(*drawn(1.0), quantile))
    if times is None:
        return Shares(float(covered), float(false_calls), math.nan)
    value, error = drawn(times)
    low, high = math.log(1 - beyond), math.log(1 + beyond)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * special.stdtr(degrees, -np.maximum(low - value, value - high) / error)
    return Shares(
        float(covered), float(false_calls), share_of_families(np.where(_differ(value, error, quantile), p, 1.0))
    )


def _differ(value: FloatArray, error: FloatArray, quantile: float) -> BoolArray:
    """Which intervals lie beyond the margin."""
    return (value + quantile * error < math.log(1 - MARGIN)) | (value - quantile * error > math.log(1 + MARGIN))


WITHIN = 0.02
"""Standard deviation of the logarithm of the median seconds per update between two timings of one process."""


def _seconds(between: float, pairs: int) -> WeakPoint:
    """Ratios of seconds where processes differ by so much, which so many pairs of equal work show.

    Before, an interval knew only what the timed blocks of a process differ by.
    """
    law, success = LAWS[MILD], (1.0, 1.0)
    truth, times = true_log_ratio(law, success, 0.5), at_margin(law, success)
    before, now = [], []
    for folds, seeds in FOLDS:
        rng = np.random.default_rng([VERDICT_SEED, 3, folds, seeds, round(100 * between), pairs])

        def drawn(ratio: float, *, known: bool) -> tuple[FloatArray, FloatArray]:
            value, error = log_ratio(*draw(rng, law, success, (REPETITIONS, folds, seeds), ratio))  # noqa: B023
            each = between**2 + WITHIN**2
            off = math.sqrt(2 * each) * rng.standard_normal(REPETITIONS)  # noqa: B023
            estimated = each * rng.chisquare(pairs, REPETITIONS) / pairs if known else 0.0  # noqa: B023
            return value + off, np.sqrt(error**2 + 2 * WITHIN**2 + 2 * estimated)

        before.append(_shares(partial(drawn, known=False), folds - 1, truth, times, beyond=MARGIN))
        now.append(_shares(partial(drawn, known=True), min(folds - 1, pairs), truth, times, beyond=MARGIN))
    known = f"{pairs} pairs show" if pairs > 1 else "one pair shows"
    return WeakPoint("Seconds of one process each", f"processes differ by σ {between:g}, as {known}", before, now)


def weak_point_table(rows: list[WeakPoint]) -> str:
    """Write the cells as Markdown in percent, before -> now, each with the values of all `FOLDS`."""
    lines = ["| what was found wrong | cell | | covered | false calls | false families |", "|---|---|---|---|---|---|"]
    for one in rows:
        if one.before:
            lines.append(f"| {one.what} | {one.cell} | before | {in_percent(one.before)} |")
        first = "| | |" if one.before else f"| {one.what} | {one.cell} |"
        lines.append(f"{first} now | {in_percent(one.now)} |")
    return "\n".join(lines)


RUNS = 3000
MOST_FORESEEN = 300
"""A new run of more seeds is not drawn."""


class Foreseen(NamedTuple):
    """Of inconclusive runs, how many state a number of seeds up to `MOST_FORESEEN`, and how many of it decide."""

    ratio: str
    folds: int
    seeds: int
    stated: float
    decided: float


RATIOS: dict[str, tuple[float, float]] = {
    "any between 0.2 and 5": (0.2, 5.0),
    "any between 0.5 and 2": (0.5, 2.0),
    "0.6": (0.6, 0.6),
    "1": (1.0, 1.0),
}
"""Limits of how many times as slow the first arm is, drawn evenly on the log scale."""


def foreseen(ratio: str, folds: int, seeds: int) -> Foreseen:
    """Draw runs, and for each inconclusive one a new run of the number of seeds that it states."""
    law, success = LAWS["draws differ by σ 0.2"], (0.95, 0.95)
    rng = np.random.default_rng([VERDICT_SEED, 4, folds, seeds, *ratio.encode()])
    low, high = RATIOS[ratio]
    times = np.exp(rng.uniform(math.log(low), math.log(high), (RUNS, 1, 1)))
    first = _ratios(*draw(rng, law, success, (RUNS, folds, seeds), times))
    stated = {run: seeds_to_decide(one) for run, one in enumerate(first) if by_margin(one) is Verdict.INCONCLUSIVE}
    decided = []
    for run, number in stated.items():
        if number and number <= MOST_FORESEEN:
            shape = (1, -(-number // seeds), seeds)
            (again,) = _ratios(*draw(rng, law, success, shape, float(times[run, 0, 0])))
            decided.append(by_margin(again) is not Verdict.INCONCLUSIVE)
    return Foreseen(ratio, folds, seeds, len(decided) / len(stated), float(np.mean(decided)))


def _ratios(a: Arms, b: Arms) -> list[Ratio]:
    """Ratios as a report has them; what no jackknife forms is left open."""
    value, error = log_ratio(a, b)
    apart, degrees, n = rounding(a, b, RESTART), a.cost.shape[1] - 1, a.cost[0].size
    half = t_quantile(degrees) * error
    ends = zip(np.exp(value), np.exp(value - half), np.exp(value + half), error, apart, strict=True)
    return [
        Ratio(middle, low, high, off, "jackknife", n, degrees, fixed)
        if math.isfinite(off)
        else Ratio.without_limits(math.nan, n)
        for middle, low, high, off, fixed in (map(float, one) for one in ends)
    ]


def every_foreseen(pool: Executor) -> list[Foreseen]:
    """Draw the whole table of stated numbers of seeds."""
    return list(pool.map(foreseen, *columns(itertools.product(RATIOS, FOLDS))))


def foreseen_table(cells: list[Foreseen]) -> str:
    """Write the cells as Markdown in percent."""
    lines = ["| the first arm is slower by | folds x seeds | a number is stated | it decides |", "|---|---|---|---|"]
    for ratio, group in itertools.groupby(cells, key=lambda one: one.ratio):
        here = list(group)
        sizes = " ".join(f"{one.folds}x{one.seeds}" for one in here)
        lines.append(f"| {ratio} | {sizes} | {in_percent([one[3:] for one in here])} |")
    return "\n".join(lines)


DRAWS = 4000
HELD_OUT = 1024
"""Rows of which the scored targets are an evenly spaced part."""


class Alarms(NamedTuple):
    """How often the best possible prediction raises the alarm "below the floor", and how often nothing is checked.

    `before`: where targets are taken as independent of one another.
    """

    memory: float
    scored: int
    before: float
    now: float
    unchecked: float


def alarms(memory: float, scored: int) -> Alarms:
    """Draw squared errors of a prediction at its floor, those of an autoregression, and look for an error below it."""
    rng = np.random.default_rng([VERDICT_SEED, 5, scored, round(100 * memory)])
    noise = math.sqrt(1 - memory**2) * rng.standard_normal((DRAWS, HELD_OUT))
    noise[:, 0] = rng.standard_normal(DRAWS)
    squared = signal.lfilter([1.0], [1.0, -memory], noise, axis=1)[:, :: HELD_OUT // scored] ** 2
    mean = squared.mean(axis=1)
    independent = squared.std(axis=1, ddof=1) / math.sqrt(scored) / mean
    margin = FLOOR_ERRORS * np.array([relative_standard_error(one) for one in squared])
    before, now = (np.mean(mean < 1 - one) for one in (FLOOR_ERRORS * independent, margin))
    return Alarms(memory, scored, float(before), float(now), float(np.mean(margin >= 1)))


def every_alarm(pool: Executor) -> list[Alarms]:
    """Draw the whole table of alarms."""
    return list(pool.map(alarms, *zip(*itertools.product((0.0, 0.9, 0.97, 0.99), (128, 256)), strict=True)))


def alarm_table(cells: list[Alarms]) -> str:
    """Write the cells as Markdown in percent."""
    lines = [
        "| autoregression | targets | taken as independent | by stretches | not checked |",
        "|---|---|---|---|---|",
    ]
    for memory, group in itertools.groupby(cells, key=lambda one: one.memory):
        here = list(group)
        lines.append(
            f"| {memory:g} | {' '.join(str(one.scored) for one in here)} | {in_percent([one[2:] for one in here])} |"
        )
    return "\n".join(lines)
