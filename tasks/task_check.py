"""Whether a task is what it says: checked while planning, and by `python -m tasks.task_check NAME` for its author."""

import argparse
import inspect
import math
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar, get_args

import numpy as np

from tasks.baselines import linear_error
from tasks.registry import create_at
from tasks.task import InvalidTaskError, Loss, Series, Task, TaskError

T = TypeVar("T")

LEAST_TARGET = 1e-6
"""Least target as a share of the trivial error: below it an error in float32 is rounding."""

FLOOR_TOLERANCE = 0.25
"""How far a measured error may lie below a stated floor, as a share of it: a thousand rows are a sample."""


def check(task: Task, windows: Iterable[int]) -> None:
    """Refuse a task that cannot be measured with.

    Raises
    ------
    InvalidTaskError
        Naming the task, the line of its file and what is wrong.
    """
    series = _series(task)
    trivial = _number(task, "trivial", lambda: task.trivial)
    if trivial <= 0:
        raise _wrong(task, "trivial", f"is {trivial:g}; the error of a prediction that learns nothing lies above 0")
    optimum = _optional(task, "optimum", lambda: task.optimum)
    if optimum is not None and not 0 <= optimum <= trivial:
        raise _wrong(task, "optimum", f"is {optimum:g}; it lies between 0 and the trivial error, {trivial:g}")
    reach = _call(task, "reach", lambda: task.reach)
    if reach is not None and not (isinstance(reach, int | float) and reach >= 1):
        raise _wrong(task, "reach", f"is {reach!r}; give steps from 1, math.inf, or None where it is not known")
    # A sequence begins from a zero state, and what it begins with may be all that counts.
    if reach is not None and math.isfinite(reach) and reach > series.warm_up and not series.starts:
        raise _wrong(
            task, "reach", f"is {reach:g} steps, and the warm-up {series.warm_up}: a carried state could not know it"
        )
    baselines = _call(task, "baselines", task.baselines)
    if not isinstance(baselines, dict) or not baselines:
        raise _wrong(task, "baselines", f"returns {baselines!r}; it must be errors by name, at least one")
    for name, error in baselines.items():
        _number(task, "baselines", lambda error=error: error, f"gives {name!r} the error")  # type: ignore[misc]
    rows = series.scored
    for window in windows:
        floor = _optional(task, "stateless_floor", lambda window=window: task.stateless_floor(window))  # type: ignore[misc]
        if floor is not None and not (optimum or 0.0) <= floor <= trivial * (1 + 1e-9):
            raise _wrong(
                task,
                "stateless_floor",
                f"at window {window} is {floor:g}; it lies between the optimum, {optimum or 0.0:g}, and the trivial "
                f"error, {trivial:g}",
            )
        _optional(task, "stateless_prediction", lambda window=window: task.floor_on(window, rows))  # type: ignore[misc]
        target = _number(task, "target", lambda window=window: task.target_on(window, rows))  # type: ignore[misc]
        if target < LEAST_TARGET * trivial:
            raise _wrong(
                task, "target", f"at window {window} is {target:g}; less than {LEAST_TARGET:g} of the trivial error"
            )


def _series(task: Task) -> Series:
    first, second = (_call(task, "build", task.build) for _ in range(2))
    if not isinstance(first, Series):
        raise _wrong(task, "build", f"returns {type(first).__name__}; it must return a tasks.Series")
    same = (first.train_rows, first.warm_up) == (second.train_rows, second.warm_up)
    for name in ("inputs", "targets"):
        same = same and np.array_equal(getattr(first, name), getattr(second, name))
    if not same:
        raise _wrong(task, "build", "gives other data at each call; draw from a generator with a fixed seed")
    for where, part in (("training", slice(0, first.train_rows)), ("scored", first.scored)):
        if not np.ptp(first.targets[part], axis=0).any():
            raise _wrong(task, "build", f"has no variance in its {where} targets; there is nothing to learn")
    if task.loss not in get_args(Loss):
        raise _wrong(task, "loss", f"is {task.loss!r}; it must be one of {', '.join(get_args(Loss))}")
    if task.loss == "crossentropy" and not ((first.targets >= 0).all() and np.allclose(first.targets.sum(axis=1), 1)):
        raise _wrong(task, "build", "has targets that are no labels: each row must have one column of 1, the others 0")
    return first


def _number(task: Task, what: str, value: Callable[[], object], is_: str = "is") -> float:
    found = _optional(task, what, value, is_)
    if found is None:
        raise _wrong(task, what, f"{is_} None; it must be a number")
    return found


def _optional(task: Task, what: str, value: Callable[[], object], is_: str = "is") -> float | None:
    found = _call(task, what, value)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | float | np.number) or not math.isfinite(found):
        raise _wrong(task, what, f"{is_} {found!r}; it must be a finite number")
    return float(found)


def _call(task: Task, what: str, value: Callable[[], T]) -> T:
    try:
        return value()
    except InvalidTaskError:
        raise
    except Exception as error:
        frames = [one for one in traceback.extract_tb(error.__traceback__) if one.filename == _file(task)]
        raise _wrong(
            task, what, f"raises {type(error).__name__}: {error}", frames[-1].lineno if frames else None
        ) from error


def _wrong(task: Task, what: str, message: str, line: int | None = None) -> InvalidTaskError:
    if line is None:
        member = inspect.getattr_static(type(task), what, None)
        function = getattr(member, "fget", None) or getattr(member, "func", None) or member
        own = inspect.isfunction(function) and inspect.getsourcefile(function) == _file(task)
        line = _line(function if own else type(task))
    place = "" if line is None else f", line {line}"
    return InvalidTaskError(f"task {task.name!r}, {_file(task)}{place}: {what} {message}")


def _line(what: Any) -> int | None:
    """Line on which a class or function begins; None for one that no file holds."""
    try:
        return inspect.getsourcelines(what)[1]
    except (OSError, TypeError):
        return None


def _file(task: Task) -> str | None:
    return inspect.getsourcefile(type(task))


def findings(task: Task) -> Iterator[str]:
    """What measuring says of a task's own statements, line by line; reads of what `check` found in order."""
    series = task.series()
    rows = series.scored
    yield f"{len(series.inputs)} rows: {series.train_rows} for training, {series.warm_up} warm-up, {len(rows)} scored"
    trivial, optimum = task.trivial, task.optimum
    means = np.broadcast_to(series.targets[: series.train_rows].mean(axis=0), series.targets[rows].shape)
    mean = task.errors(np.asarray(means), rows).mean()
    yield f"trivial error {trivial:.4g}; the training mean has {mean:.4g} on the scored rows; optimum {_said(optimum)}"
    reach = task.reach
    finite = int(reach) if reach is not None and math.isfinite(reach) else None
    windows = sorted({1, 2, 4, 8, 16, *([finite - 1, finite] if finite and finite > 1 else [])})
    for window in windows:
        floor, measured = task.stateless_floor(window), task.floor_on(window, rows)
        linear = linear_error(series, window, rows, task.loss)
        low = floor is not None and linear < floor * (1 - FLOOR_TOLERANCE)
        yield (
            f"window {window}: floor {_said(floor)}, on the scored rows {_said(measured)}, target "
            f"{task.target_on(window, rows):.4g}, a linear map reaches {linear:.4g}"
            + (" - below the floor: the floor is wrong, or the inputs show what they should not" if low else "")
        )
    if finite is not None and optimum is not None:
        at, short = task.stateless_floor(finite), task.stateless_floor(finite - 1) if finite > 1 else None
        if at is not None and at > optimum:
            yield f"reach {finite} - but the floor there, {at:.4g}, lies above the optimum: the reach is too short"
        if short is not None and short <= optimum:
            yield f"reach {finite} - but a window of {finite - 1} has the optimum too: the reach is too long"


def _said(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"


def main(arguments: list[str]) -> int:
    """Check a task by name, as name, name@dial or name@dial,dial; 0 where nothing is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tasks.task_check", description="Check a task that you wrote.")
    parser.add_argument("task", help="name, or name@dial")
    try:
        task = create_at(parser.parse_args(arguments).task)
        check(task, (1, 2, 4, 8, 16))
    except TaskError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    lines = list(findings(task))
    print("\n".join(lines))  # noqa: T201
    return int(any(" - " in line for line in lines))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
