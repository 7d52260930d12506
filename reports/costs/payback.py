"""What seconds come to: when a kernel breaks even, and how long training to the target takes."""

import math
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from reports.collect.grouping import Setting, arms_by_setting
from reports.collect.read import Run
from reports.collect.records import body, costs_of_all, timed
from reports.costs.contrasts import Contrast, Contrasts
from reports.costs.timings import Blocks, Timing, log_ratios, middle
from reports.statistics.intervals import (
    LEVEL,
    FloatArray,
    running_time_intervals,
)
from reports.statistics.moderated import Error, common, errors_of, half_widths, standard_errors

DRAWS = 4000
KINDS = ("unrolled / loop", "XLA loop / loop", "XLA unrolled / loop", "cuDNN / loop")


class Payback(Struct, frozen=True):
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
        payback(one, math.exp(float(more.mean())), error)
        for one, more, error in zip(pairs, logs, errors_of(logs, known), strict=True)
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
    shapes = tuple((errors.weights.tobytes(), errors.degrees.tobytes()) for errors in (one.error, error))
    # exp overflows past 709, what it multiplies may be large, and few degrees of freedom have far tails.
    ratios, compilings = (
        centre * np.exp(np.clip(errors.drawn(*draws), -600.0, 600.0))
        for centre, errors, draws in zip((ratio, more), (one.error, error), standard_errors(shapes, DRAWS), strict=True)
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


class ToTarget(Struct, frozen=True):
    """One regime of one setting with one kernel.

    Attributes
    ----------
    updates
        Expected running time in updates; infinite where no replicate reached the target.
    seconds, low, high
        With compile time, and its interval: that of the updates and of the seconds per update.
    """

    timing: Timing
    reached: int
    n: int
    updates: float
    seconds: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class WholeTraining:
    """One training that was timed whole, beside the product of parts."""

    timing: Timing
    repetition: int
    updates: int
    reached: bool
    seconds: float
    product: float
    evaluating: float

    @property
    def off(self) -> float:
        """WholeTraining over product, less one; evaluations are in neither."""
        return self.seconds / self.product - 1


def to_target(run: Run, measured: list[Timing]) -> list[ToTarget]:
    """Every timed case whose setting was also trained to its target by its engine, whatever kernel trained it there."""
    arms = {
        (_anything(setting), regime): record
        for setting, by_regime in arms_by_setting(run).items()
        for regime, record in by_regime.items()
    }
    logs = [_logs(one) for one in measured]
    known = common(logs)
    trained = [arms.get((_anything(one.setting), one.regime)) for one in measured]
    costs = [costs_of_all(body(one)) if one is not None and body(one).evaluation else None for one in trained]
    intervals = iter(running_time_intervals([one for one in costs if one is not None]))
    rows = []
    for one, updates, error in zip(measured, costs, half_widths(errors_of(logs, known)), strict=True):
        if updates is None:
            continue
        expected, limits = updates.up_to(updates.restart).expected, next(intervals)
        second, compiling = middle(one.by_process), one.compile_seconds
        compiling = 0.0 if math.isnan(compiling) else compiling
        low, high = (_widened(limit, expected, error) * second + compiling for limit in limits)
        rows.append(ToTarget(one, updates.hits, updates.n, expected, expected * second + compiling, low, high))
    return rows


def _logs(one: Timing) -> FloatArray:
    """Log seconds per update, one value a pass: a slow minute of the machine slows all that took turns in it."""
    passes: defaultdict[str, list[float]] = defaultdict(list)
    for repetition, blocks in one.blocks.items():
        passes[blocks.group or f"alone {repetition}"].append(math.log(blocks.median))
    return np.array([np.mean(logs) for logs in passes.values()], dtype=float)


def _widened(limit: float, updates: float, error: float) -> float:
    """Limit of the updates, widened by what log(seconds per update) may be off by: both errors are independent."""
    if not all(map(math.isfinite, (limit, updates, error))) or limit <= 0:
        return limit
    off = math.log(limit / updates)
    # exp overflows past 709; an interval that wide bounds nothing.
    return updates * math.exp(math.copysign(min(math.hypot(off, error), 600.0), off))


def whole_trainings(measured: list[Timing]) -> list[WholeTraining]:
    """Every training that was timed whole, against the figures of its own process."""
    rows = []
    for one in measured:
        for record in one.records:
            whole = timed(record).whole
            if whole is None:
                continue
            repetition = record.case.repetition
            product = whole.updates * one.by_process[repetition] + one.compiling.get(repetition, 0.0)
            rows.append(
                WholeTraining(
                    one,
                    repetition,
                    whole.updates,
                    whole.reached,
                    whole.seconds,
                    product,
                    whole.evaluate_seconds,
                )
            )
    return rows


def _anything(setting: Setting) -> Setting:
    """The setting without what changes seconds alone; a dtype changes what is learnt, and an engine may."""
    return replace(setting, kernel="", device="")
