"""What a report asks of a record beyond what it holds; bench/case/record.py says what that is."""

from collections.abc import Iterable

import numpy as np

from bench.case.record import Convergence, Memory, Record, Replicate, Timing
from reports.statistics.intervals import BoolArray, FloatArray


def body(record: Record) -> Convergence:
    """Return the convergence part of a record that has one."""
    assert record.convergence is not None, record.key
    return record.convergence


def timed(record: Record) -> Timing:
    """Return the time part of a record that has one."""
    assert record.time is not None, record.key
    return record.time


def measured_memory(record: Record) -> Memory:
    """Return the memory part of a record that has one."""
    assert record.memory is not None, record.key
    return record.memory


def floats(values: Iterable[float | None]) -> FloatArray:
    """Numbers as an array, nan for null."""
    return np.array([np.nan if value is None else value for value in values], dtype=float)


def curve(replicate: Replicate) -> tuple[FloatArray, FloatArray]:
    """Updates and the error after them, shape (evaluations,) each; nan where the error is no number."""
    return np.array(replicate.updates, dtype=float), floats(replicate.error)


def lowest_error(replicate: Replicate) -> float | None:
    """Lowest error of the curve; None where none is a number."""
    return min((error for error in replicate.error if error is not None), default=None)


def last_errors(convergence: Convergence) -> FloatArray:
    """Error at the last evaluation of every evaluation replicate, shape (n,)."""
    return floats(one.error[-1] for one in convergence.evaluation)


def costs_of(replicates: Iterable[Replicate]) -> tuple[FloatArray, BoolArray]:
    """(cost, reached), shape (n,) each: updates to the declared target, or all that were spent."""
    pairs = [(one.spent, one.reached) for one in replicates]
    return np.array([spent for spent, _ in pairs], dtype=float), np.array([hit for _, hit in pairs], dtype=bool)


def median_seconds_per_update(convergence: Convergence) -> float:
    """Steady-state seconds of one update of one replicate."""
    return float(np.median(convergence.seconds_per_update))
