"""`python -m reports.statistics.ratio_simulation`: how often intervals of timed ratios cover, where the truth is known.

Prints the table of docs/statistics.md as Markdown; every run gives the same numbers (two minutes on one core).
"""

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import optimize, special

from reports.statistics.intervals import LEVEL
from reports.statistics.moderated import Error, common, error_of
from reports.statistics.running_time import FloatArray

SEED = 20_261_121
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


class Cell(NamedTuple):
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


def simulate(spread: str, processes: int, pairs: int) -> list[Cell]:
    """Draw runs of that many pairs, and give all methods the same ones."""
    rng = np.random.default_rng([SEED, processes, pairs, *spread.encode()])
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
        Cell(
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


def table(cells: list[Cell]) -> str:
    """Write the cells as Markdown in percent, a line for those that differ in the number of pairs only."""
    lines = ["| standard deviations | processes | interval | pairs | covered | of the noisy | of the others | ± |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    order = list(METHODS)
    ordered = sorted(cells, key=lambda one: (list(SPREADS).index(one.spread), one.processes, order.index(one.method)))
    for (spread, processes, method), group in itertools.groupby(ordered, key=lambda one: one[:3]):
        here = list(group)
        columns = zip(*((one.covered, one.noisy, one.quiet, one.width) for one in here), strict=True)
        numbers = ["" if math.isnan(column[0]) else " ".join(f"{100 * v:.1f}" for v in column) for column in columns]
        sizes = " ".join(str(one.pairs) for one in here)
        lines.append(f"| {spread} | {processes} | {method} | {sizes} | {' | '.join(numbers)} |")
    return "\n".join(lines)


def _t(degrees: float, variance: float, n: int) -> Error:
    return Error(np.ones(1), np.array([float(degrees)]), np.array([math.sqrt(variance / n)]))


if __name__ == "__main__":
    grid = itertools.product(SPREADS, (2, 3), (10, 30, 70))
    print(table([cell for spread, n, pairs in grid for cell in simulate(spread, n, pairs)]))  # noqa: T201
