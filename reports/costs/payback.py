"""After how many updates a kernel has paid for what it takes longer to compile than the plain loop."""

import math
from dataclasses import dataclass

import numpy as np

from reports.costs.blocks import Blocks, log_ratios
from reports.costs.contrasts import Contrast, Contrasts
from reports.costs.timings import Timing, middle
from reports.statistics.intervals import LEVEL
from reports.statistics.moderated import Error, common, error_of
from reports.statistics.running_time import FloatArray

DRAWS = 4000
KINDS = ("unrolled / loop", "XLA loop / loop", "XLA unrolled / loop", "cuDNN / loop")


@dataclass(frozen=True)
class Payback:
    """Updates; 0 where the kernel compiles no longer and is faster, infinite where it never pays."""

    contrast: Contrast
    updates: float
    low: float
    high: float


def paybacks(found: Contrasts) -> list[Payback]:
    """One for every kernel that was timed beside the plain loop."""
    pairs = [one for kind in KINDS for one in found.of(kind) if one.a.compiling and one.b.compiling]
    logs = [log_ratios(_first_calls(one.a), _first_calls(one.b)) for one in pairs]
    known = common(logs)
    return [
        payback(one, math.exp(float(more.mean())), error_of(more, known))
        for one, more in zip(pairs, logs, strict=True)
        if more.size
    ]


def _first_calls(one: Timing) -> dict[int, Blocks]:
    """Compile seconds as a block each: first calls of one group are made one after another, and share its minute."""
    return {
        repetition: Blocks(one.blocks[repetition].group, 0, np.array([seconds]))
        for repetition, seconds in one.compiling.items()
        if seconds > 0
    }


def payback(one: Contrast, more: float, error: Error) -> Payback:
    """Extra compile seconds over seconds saved an update, with its interval.

    The quotient's denominator may be zero, so that no interval around a mean is sound. Instead the two ratios (seconds
    an update; compile seconds, `more` with its logarithm's `error`) are drawn from their distributions, and the
    quantiles of the quotient are taken; draws that save nothing never pay. That is Fieller's question answered by
    simulation, with a fixed seed.
    """
    loop, extra = middle(one.b.by_process), middle(one.b.compiling)
    ratio = one.training.value
    value = _updates(np.array([ratio]), np.array([more]), loop, extra)[0]
    if not (one.error.known and error.known):
        return Payback(one, float(value), 0.0, math.inf)
    rng = np.random.default_rng(0)
    # exp overflows past 709, and few degrees of freedom have far tails.
    ratios, compilings = (
        centre * np.exp(np.clip(errors.draw(rng, DRAWS), -700.0, 700.0))
        for centre, errors in ((ratio, one.error), (more, error))
    )
    updates = _updates(ratios, compilings, loop, extra)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(updates, (tail, 1 - tail), method="inverted_cdf")
    return Payback(one, float(value), float(low), float(high))


def _updates(
    ratio: FloatArray,
    compiling: FloatArray,
    loop: float,
    loop_compiling: float,
) -> FloatArray:
    extra = (compiling - 1) * loop_compiling
    saved = (1 - ratio) * loop
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        pays = np.where(saved > 0, np.maximum(extra, 0.0) / saved, math.inf)
    # Slower in the long run, but faster to compile: it is ahead only at first, and never pays in this sense.
    return np.asarray(pays, dtype=float)
