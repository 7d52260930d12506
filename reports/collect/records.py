"""What a report asks of a record beyond what it holds; bench/case/record.py says what that is."""

import math
from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np

from bench.case.costs import Memory, Timing
from bench.case.record import Record
from bench.case.trained import Convergence, Replicate
from reports.statistics.intervals import AT_ONCE, Costs, FloatArray, IntArray, median, reached_at


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
    """Numbers as an array, to be read only, nan for null."""
    if isinstance(values, array):  # has none
        return np.frombuffer(values)
    return np.array([np.nan if value is None else value for value in values], dtype=float)


def lowest_error(replicate: Replicate) -> float | None:
    """Lowest error of the curve; None where none is a number."""
    if isinstance(replicate.error, array):  # has no null
        return min(replicate.error)
    return min((error for error in replicate.error if error is not None), default=None)


def last_errors(convergence: Convergence) -> FloatArray:
    """Error at the last evaluation of every evaluation replicate, shape (n,)."""
    return floats(one.error[-1] for one in convergence.evaluation)


def last_error(replicate: Replicate) -> float:
    """Error at the last evaluation; nan where it is no number."""
    error = replicate.error[-1]
    return math.nan if error is None else error


def last_accuracy(replicate: Replicate) -> float:
    """Accuracy at the last evaluation; nan where targets are numbers."""
    return replicate.accuracy[-1] if replicate.accuracy else math.nan


def fold_of(replicate: Replicate) -> int:
    """The fold; a replicate of which none is known was made alone."""
    return replicate.seed if replicate.fold is None else replicate.fold


def target_of(replicate: Replicate, convergence: Convergence) -> float:
    """The error that a replicate is to reach, on its own draw of the data."""
    return convergence.target if replicate.target is None else replicate.target


def budget_of(convergence: Convergence) -> float:
    """Updates that a replicate could make; the most that any made where the record does not say."""
    return float(convergence.budget or max(one.updates[-1] for one in convergence.replicates))


def costs_of(replicates: Sequence[Replicate]) -> Costs:
    """Updates to the declared target, as recorded."""
    each = [cost(one) for one in replicates]
    middle, width = (np.array([pair[side] for pair in each], dtype=float) for side in (0, 1))
    return Costs(middle, np.array([one.reached for one in replicates], dtype=bool), width, _groups(replicates))


def costs_at(arms: Sequence[tuple[Sequence[Replicate], int, float]]) -> list[Costs]:
    """Updates to a target, from the curves, of many arms: (replicates, hold, target) each.

    Curves that were evaluated after the same updates are looked at together: one by one they take ten times as long.
    """
    every = [(one.error, one.updates, hold, target) for replicates, hold, target in arms for one in replicates]
    cost, width = np.zeros(len(every)), np.zeros(len(every))
    reached = np.zeros(len(every), dtype=bool)
    alike: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for place, (_, updates, hold, _) in enumerate(every):
        alike[id(updates), hold].append(place)
    for (_, hold), places in alike.items():
        grid = np.array(every[places[0]][1], dtype=float)
        step = AT_ONCE // grid.size or 1
        for start in range(0, len(places), step):
            some = places[start : start + step]
            error = np.array([floats(every[place][0]) for place in some])
            target = np.array([every[place][3] for place in some])
            cost[some], reached[some], width[some] = reached_at(grid, error, target, hold)
    ends = np.cumsum([len(replicates) for replicates, *_ in arms]).tolist()
    return [
        Costs(cost[end - n : end], reached[end - n : end], width[end - n : end], _groups(replicates))
        for end, (replicates, *_) in zip(ends, arms, strict=True)
        for n in [len(replicates)]
    ]


def _groups(replicates: Sequence[Replicate]) -> IntArray:
    """Labels of equal replicates: of a fold, or of a draw where several folds share several draws of the data."""
    folds, draws = [fold_of(one) for one in replicates], [one.draw for one in replicates]
    return np.array(draws if 1 < len(set(draws)) < len(set(folds)) else folds, dtype=int)


class _Itself:
    """A record's part as a key: by what it is, since looking at all that it holds takes longer than what is saved."""

    def __init__(self, of: Convergence) -> None:
        self.of = of

    def __hash__(self) -> int:
        return id(self.of)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and self.of is other.of


def costs_of_all(convergence: Convergence) -> Costs:
    """Updates to the declared target of all evaluation replicates, in order of seed; to be read only."""
    return _costs_of_all(_Itself(convergence))


@lru_cache(maxsize=2**17)
def _costs_of_all(itself: _Itself) -> Costs:
    # Much of a report asks for them, a comparison as much as an arm by itself.
    return costs_of(itself.of.evaluation)


def cost(replicate: Replicate) -> tuple[float, float]:
    """(updates, width): the middle of the evaluations between which the target was reached, and their distance."""
    hit = replicate.updates_to_target
    if hit is None or hit not in replicate.updates:
        # Of a published tuning curve the end alone is kept.
        return float(replicate.spent), 0.0
    at = replicate.updates.index(hit)
    before = replicate.updates[at - 1] if at else 0
    return (hit + before) / 2, float(hit - before)


def median_seconds_per_update(convergence: Convergence) -> float:
    """Steady-state seconds of one update of one replicate."""
    return median(np.array(convergence.seconds_per_update, dtype=float))
