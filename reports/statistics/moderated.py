"""Intervals of many ratios with few processes each: every pair's own variance, drawn towards what all pairs show.

Two processes a pair give a t quantile of 12.7, so that a ratio by itself could hardly be told from one. One variance
pooled over all pairs is no better where a machine is disturbed now and then: a few pairs make every interval wide, and
are themselves too narrow. Between the two lies a common distribution of variances, estimated from all pairs.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from msgspec import Struct
from scipy import special

from reports.statistics.intervals import AT_ONCE, LEVEL, FloatArray, Ratio

SHARES = np.arange(0.025, 1.0, 0.05)
"""Grid of d0 / (d0 + 2): the weight of the common variance in the estimate for a pair with two degrees of freedom."""

SCALES = 121
"""Points of the grid of the common variance."""

LEAST = 1e-6
"""A variance below this share of their mean counts as this share: two equal values are not without any error."""

PRECISE, MOST_STEPS = 1e-12, 100
"""How far a half width may be off, relative to it; Newton's method takes some six steps."""

KEPT = 1 - 1e-4
"""Share of the posterior that is kept; the rest of the grid only costs time."""


@dataclass(frozen=True, slots=True)
class Common:
    """How the variances of pairs are spread: a posterior of two parameters on a grid, of shape (m,) each.

    A pair's variance is d0 s0^2 over a chi^2 value of d0 degrees. Large d0: all have the same; small: each its own.

    Attributes
    ----------
    weights
        They sum to one; empty where no pair has two values, so that nothing is known.
    degrees
        d0.
    variances
        s0^2.
    pairs, used
        How many pairs there are, and how many of these, taken evenly, it rests on: `MOST_PAIRS` at most.
    """

    weights: FloatArray
    degrees: FloatArray
    variances: FloatArray
    pairs: int
    used: int

    @property
    def known(self) -> bool:
        """Whether there is anything to make an interval from."""
        return bool(self.weights.size)

    @property
    def deviation(self) -> float:
        """s0, the geometric mean over the posterior; nan where nothing is known, 0 where all values are equal."""
        if not self.known:
            return math.nan
        with np.errstate(divide="ignore"):
            return math.exp(float(self.weights @ np.log(self.variances)) / 2)


class Error(Struct, frozen=True, gc=False):
    """What the mean of a pair may be off by: a mixture of t distributions of shape (m,); nothing known where empty."""

    weights: FloatArray
    degrees: FloatArray
    scales: FloatArray

    @property
    def known(self) -> bool:
        """Whether there is anything to make an interval from."""
        return bool(self.weights.size)

    def within(self, size: float) -> float:
        """Probability of an error of at most `size` > 0 either way."""
        with np.errstate(divide="ignore"):
            return float(self.weights @ (2 * special.stdtr(self.degrees, size / self.scales) - 1))

    def half_width(self, level: float = LEVEL) -> float:
        """Half of the interval of this level; infinite where nothing is known, 0 where all values are equal."""
        return half_widths([self], level)[0]

    def drawn(self, parts: FloatArray, standard: FloatArray) -> FloatArray:
        """Errors, shape (n,), from draws of `standard_errors`."""
        return np.asarray(self.scales[parts] * standard, dtype=float)


def half_widths(errors: Sequence[Error], level: float = LEVEL) -> list[float]:
    """`Error.half_width` of many errors: those of as many parts at once; alone each takes far longer."""
    found = {place: 0.0 if one.known else math.inf for place, one in enumerate(errors)}
    alike: defaultdict[int, list[int]] = defaultdict(list)
    for place, one in enumerate(errors):
        if one.known and one.scales.all():
            alike[one.scales.size].append(place)
    for size, places in alike.items():
        step = AT_ONCE // size or 1
        for start in range(0, len(places), step):
            some = places[start : start + step]
            weights, degrees, scales = (
                np.array([getattr(errors[place], name) for place in some]) for name in ("weights", "degrees", "scales")
            )
            found |= zip(some, _half_widths(weights, degrees, scales, level).tolist(), strict=True)
    return list(found.values())


def _half_widths(weights: FloatArray, degrees: FloatArray, scales: FloatArray, level: float) -> FloatArray:
    """Sizes, shape (n,), within which errors of these mixtures, shape (n, m) each, lie with that probability.

    Newton's method for their logarithms, halving the bracket where it would leave it: the quantile of a mixture lies
    between those of its parts.
    """
    parts = np.log(special.stdtrit(degrees, 1 - (1 - level) / 2) * scales)
    low, high = parts.min(axis=1), parts.max(axis=1)
    heights = 2 * weights / (np.sqrt(degrees) * special.beta(degrees / 2, 0.5))
    found, sought = (low + high) / 2, np.ones(low.size, dtype=bool)
    for _ in range(MOST_STEPS):
        sizes = np.exp(found)[:, None] / scales
        beyond = (weights * (2 * special.stdtr(degrees, sizes) - 1)).sum(axis=1) - level
        slope = (heights * sizes * (1 + sizes**2 / degrees) ** (-(degrees + 1) / 2)).sum(axis=1)
        low, high = np.where(beyond < 0, found, low), np.where(beyond < 0, high, found)
        with np.errstate(divide="ignore", invalid="ignore"):
            ahead = found - beyond / slope
        ahead = np.where((low <= ahead) & (ahead <= high), ahead, (low + high) / 2)
        # Each by itself, so that no interval depends on which others were sought beside it.
        found, sought = np.where(sought, ahead, found), sought & (np.abs(ahead - found) >= PRECISE)
        if not sought.any():
            break
    return np.asarray(np.exp(found), dtype=float)


@lru_cache(maxsize=64)
def standard_errors(shapes: tuple[tuple[bytes, bytes], ...], n: int) -> list[tuple[Any, FloatArray]]:
    """Draw from mixtures one after another, always the same: which part each draw is of, and t before it is scaled.

    Parameters
    ----------
    shapes
        Weights and degrees of each mixture, as bytes: pairs of a run share few of them, and drawing takes long.
    """
    rng = np.random.default_rng(0)
    found = []
    for weights, degrees in (map(np.frombuffer, shape) for shape in shapes):
        parts = rng.choice(weights.size, n, p=weights)
        found.append((parts, rng.standard_t(degrees[parts])))
    return found


MOST_PAIRS = 4000
"""Pairs that the spread of variances is estimated from; of more, every k-th."""


def common(groups: Iterable[FloatArray]) -> Common:
    """Estimate how variances are spread from pairs with the same kind of error, one array of values each.

    The model is Smyth's. He estimates both parameters by the moments of log s^2 and takes them as known; with a dozen
    variances of one degree each they are not, and intervals cover too little (docs/statistics.md). So both are averaged
    over their posterior: flat in log s0^2, since nothing is known of the scale, and in d0 / (d0 + 2). Given both, a
    pair's s^2 / s0^2 follows F with its own degrees and d0. From one pair alone this gives Student's t interval.

    References
    ----------
    G. K. Smyth, Statistical Applications in Genetics and Molecular Biology 3 (2004), art. 3 (the model); M. J. Daniels,
    Canadian Journal of Statistics 27 (1999) 567-578 (flat in the share).
    """
    several = [group for group in groups if group.size > 1]
    pairs = len(several)
    # So many know both parameters to a per cent; more would only take longer.
    several = several[:: -(-pairs // MOST_PAIRS) or 1]
    own = np.array([group.size - 1 for group in several], dtype=float)
    squares = np.array([group.var(ddof=1) for group in several], dtype=float)
    mean = float(squares.mean()) if several else 0.0
    if not mean:
        # Without any difference there is nothing to scale a grid by; an interval of no width then says what was seen.
        certain = np.ones(min(len(several), 1))
        return Common(certain, certain, 0 * certain, pairs, own.size)
    squares = np.maximum(squares, LEAST * mean)
    reach = 4 + 16 / math.sqrt(own.size)
    scale = np.exp(math.log(np.median(squares)) + np.linspace(-reach, reach, SCALES))
    degrees, variances = (grid.ravel() for grid in np.meshgrid(2 * SHARES / (1 - SHARES), scale))
    likelihood = np.zeros(degrees.size)
    scales = degrees * variances
    # Pairs have few different degrees of freedom, and what depends on these alone takes the longest.
    constant = {d: d / 2 * np.log(d / scales) - special.betaln(d / 2, degrees / 2) for d in set(own.tolist())}
    for d, square in zip(own.tolist(), squares.tolist(), strict=True):
        likelihood += constant[d]
        likelihood -= (d + degrees) / 2 * np.log1p(d * square / scales)
    weights = np.exp(likelihood - likelihood.max())
    order = np.argsort(-weights)
    sums = np.cumsum(weights[order])
    kept = order[: int(np.searchsorted(sums, KEPT * sums[-1])) + 1]
    return Common(weights[kept] / weights[kept].sum(), degrees[kept], variances[kept], pairs, own.size)


def error_of(logs: FloatArray, known: Common) -> Error:
    """What the mean of a pair's values, shape (n,), may be off by; nothing known of none."""
    return errors_of([logs], known)[0]


def errors_of(pairs: Sequence[FloatArray], known: Common) -> list[Error]:
    """`error_of` of many pairs: those of as many values at once.

    Given d0 and s0^2 it is t with d0 + n - 1 degrees and variance (d0 s0^2 + (n - 1) s^2) / (d0 + n - 1) / n. A single
    value has no s^2: what is left, t with d0 degrees and s0^2, is the error of one more pair of the same kind.
    """
    alike: defaultdict[int, list[int]] = defaultdict(list)
    for place, logs in enumerate(pairs):
        alike[logs.size].append(place)
    found = [Error(*(np.empty(0),) * 3)] * len(pairs)
    for size, places in alike.items():
        if not size:
            continue
        values = np.array([pairs[place] for place in places])
        squares = ((values - values.mean(axis=1, keepdims=True)) ** 2).sum(axis=1, keepdims=True)
        degrees = known.degrees + (size - 1)
        scales = np.sqrt((known.degrees * known.variances + squares) / degrees / size)
        for place, own in zip(places, scales, strict=True):
            found[place] = Error(known.weights, degrees, own)
    return found


def moderated_ratio(logs: FloatArray, known: Common, level: float = LEVEL) -> Ratio:
    """Geometric mean of ratios given by their logarithms, shape (n,), with the interval of `error_of`."""
    return moderated_ratios([logs], errors_of([logs], known), level)[0]


def moderated_ratios(pairs: Sequence[FloatArray], errors: Sequence[Error], level: float = LEVEL) -> list[Ratio]:
    """`moderated_ratio` of many pairs, of which the errors are known."""
    return [
        _ratio(logs, half) if logs.size else Ratio.without_limits(math.nan, 0)
        for logs, half in zip(pairs, half_widths(errors, level), strict=True)
    ]


def _ratio(logs: FloatArray, half: float) -> Ratio:
    value = math.exp(float(logs.sum()) / logs.size)
    if math.isinf(half):
        return Ratio.without_limits(value, logs.size)
    # exp overflows past 709; an interval that wide bounds nothing.
    factor = math.exp(min(half, 700.0))
    return Ratio(value, value / factor, value * factor, math.nan, "moderated", logs.size)
