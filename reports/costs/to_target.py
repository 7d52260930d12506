"""Seconds to target of every kernel, updates x seconds an update + compile; and how far that product is off."""

import math
from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np

from reports.collect.grouping import Setting, arms_by_setting, body
from reports.collect.read import Run
from reports.costs.timings import Timing, middle
from reports.statistics.intervals import rounding_variance, running_time_interval
from reports.statistics.moderated import common, error_of
from reports.statistics.running_time import FloatArray, expected_running_time


@dataclass(frozen=True)
class ToTarget:
    """One regime of one setting with one kernel.

    Attributes
    ----------
    updates
        Expected running time in updates; infinite where no replicate reached the target.
    seconds, low, high
        With compile time, and its interval: that of the updates and of the seconds an update.
    """

    timing: Timing
    reached: int
    n: int
    updates: float
    seconds: float
    low: float
    high: float


@dataclass(frozen=True)
class Whole:
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
        """Whole over product, less one; evaluations are in neither."""
        return self.seconds / self.product - 1


def to_target(run: Run, measured: list[Timing]) -> list[ToTarget]:
    """Every timed case whose setting was also trained to its target by its engine, whatever kernel trained it there."""
    arms = {
        (_anything(setting), regime): record
        for setting, by_regime in arms_by_setting(run).items()
        for regime, record in by_regime.items()
    }
    known = common(_logs(one) for one in measured)
    rows = []
    for one in measured:
        record = arms.get((_anything(one.setting), one.regime))
        if record is None or not body(record).evaluation:
            continue
        convergence = body(record)
        cost = np.array([r.spent for r in convergence.evaluation], dtype=float)
        reached = np.array([r.reached for r in convergence.evaluation], dtype=bool)
        updates = expected_running_time(cost, reached)
        limits = running_time_interval(cost, reached, rounding_variance(cost, reached, convergence.evaluate_every))
        second, compiling = middle(one.by_process), one.compile_seconds
        compiling = 0.0 if math.isnan(compiling) else compiling
        error = error_of(_logs(one), known).half_width()
        low, high = (_widened(limit, updates, error) * second + compiling for limit in limits)
        rows.append(ToTarget(one, int(reached.sum()), cost.size, updates, updates * second + compiling, low, high))
    return rows


def _logs(one: Timing) -> FloatArray:
    """Log seconds an update, one value a pass: a slow minute of the machine slows all that took turns in it."""
    passes: defaultdict[str, list[float]] = defaultdict(list)
    for repetition, blocks in one.blocks.items():
        passes[blocks.group or f"alone {repetition}"].append(math.log(blocks.median))
    return np.array([np.mean(logs) for logs in passes.values()], dtype=float)


def _widened(limit: float, updates: float, error: float) -> float:
    """Limit of the updates, widened by what log(seconds an update) may be off by: both errors are independent."""
    if not all(map(math.isfinite, (limit, updates, error))) or limit <= 0:
        return limit
    off = math.log(limit / updates)
    # exp overflows past 709; an interval that wide bounds nothing.
    return updates * math.exp(math.copysign(min(math.hypot(off, error), 600.0), off))


def wholes(measured: list[Timing]) -> list[Whole]:
    """Every training that was timed whole, against the figures of its own process."""
    rows = []
    for one in measured:
        for record in one.records:
            whole = record.body.get("whole")
            if not whole:
                continue
            repetition = record.case.repetition
            product = whole["updates"] * one.by_process[repetition] + one.compiling.get(repetition, 0.0)
            rows.append(
                Whole(
                    one,
                    repetition,
                    int(whole["updates"]),
                    bool(whole["reached"]),
                    float(whole["seconds"]),
                    product,
                    float(whole["evaluate_seconds"]),
                )
            )
    return rows


def _anything(setting: Setting) -> Setting:
    """The setting without what changes seconds alone; a dtype changes what is learnt, and an engine may."""
    return replace(setting, kernel="", device="")
