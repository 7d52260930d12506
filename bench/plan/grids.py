"""A grid of a preset: its settings, the cases that its lists multiply to, and the comparisons that it declares."""

import math
from dataclasses import fields, replace
from itertools import product
from typing import Any

import tasks
from bench.case.cases import CELLS, DTYPES, KERNELS, Case, Training
from bench.case.regimes import CLAIM, NUMBERED, REGIMES, is_regime, pairs
from bench.errors import MOST_SHOWN, PlanError, shown, unknown
from bench.machine import host
from tasks.dials import Dial

GRID_DEFAULTS: dict[str, Any] = {
    "layers": 1,
    "units": 16,
    "window": 16,
    "batch_size": 8,
    "kernel": "replicated",
    "dtype": "float32",
}
NAMES: dict[str, tuple[str, ...]] = {
    "cell": CELLS,
    "kernel": KERNELS,
    "dtype": DTYPES,
}
"""Dimensions of a grid whose values are names, and those names; names of regimes may have a number as well."""

NUMBERS = {"layers": 3, "units": 2**16, "window": 2**20, "batch_size": 2**20}
"""Dimensions of a grid whose values are whole numbers from 1, and the largest: beyond what any machine trains in a
lifetime, and far below what a list or an array of so many could take before that shows."""

MOST_REPETITIONS = 1000


def expand(  # noqa: C901 - one check after another
    kind: str, grid: dict[str, Any], training: Training, where: str, *, engines: tuple[str, ...], device: str, most: int
) -> list[tuple[Case, Training]]:
    """Return all cases of a grid: the product of its lists, in the order in which they are written.

    Engines come innermost, so that the same case by another engine is its neighbour.

    Parameters
    ----------
    most
        More cases than these are refused before one is made.
    """
    own = {item.name for item in fields(Training)}
    dimensions = {"task", "cell", "regime", *GRID_DEFAULTS}
    declares = {"family"} if kind == "convergence" else set()
    known_keys(grid, dimensions | own | declares | {"repetitions"}, where)
    training = read_settings(training, {key: value for key, value in grid.items() if key in own}, where)
    for needed in ("task", "cell", "regime"):
        if needed not in grid:
            raise PlanError(f"{where} lacks {needed!r}: name one or several, as in {needed} = [...]")
    lists: dict[str, list[Any]] = {
        key: as_list(grid.get(key, default))
        for key, default in {"task": None, "cell": None, "regime": None, **GRID_DEFAULTS}.items()
    }
    for key, values in lists.items():
        if not values:
            raise PlanError(f"{key} in {where} is an empty list: name at least one value, or leave the line out")
    for key, names in NAMES.items():
        for value in lists[key]:
            if value not in names:
                raise unknown(key, value, names, where)
    for value in lists["regime"]:
        check_regime(value, where)
    for key, largest in NUMBERS.items():
        for value in lists[key]:
            _whole(key, value, largest, where)
    repetitions = grid.get("repetitions", 2 if kind == "time" else 1)
    _whole("repetitions", repetitions, MOST_REPETITIONS, where)
    count = repetitions * len(engines) * math.prod(map(len, lists.values()))
    if count > most:
        raise PlanError(
            f"{where} multiplies to {count:,} cases, and {most:,} more is what this preset may have. Shorten its "
            "lists, or raise the bound with cases = ... under [limits]"
        )
    lists["task"] = [_task(value, where) for value in lists["task"]]
    # Repetitions come outermost, so that compared cases are interleaved: A B A B, not A A B B.
    return [
        (
            Case(
                kind=kind,  # type: ignore[arg-type]
                engine=engine,
                device=device,
                repetition=repetition,
                task=values["task"][0],
                dial=values["task"][1],
                **{key: value for key, value in values.items() if key != "task"},
            ),
            training,
        )
        for repetition in range(repetitions)
        for values in (dict(zip(lists, point, strict=True)) for point in product(*lists.values()))
        for engine in engines
    ]


def _whole(key: str, value: Any, largest: int, where: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise PlanError(f"{key} {shown(value)} in {where} must be a whole number of at least 1")
    if value > largest:
        raise PlanError(f"{key} {shown(value)} in {where} must be between 1 and {largest:,}")


def check_regime(name: Any, where: str) -> None:
    """Refuse what is no regime, or a number behind a name that has none.

    Raises
    ------
    PlanError
        Naming the regimes there are, and those that take a number.
    """
    if isinstance(name, str) and is_regime(name):
        return
    kind, at, _ = name.partition("@") if isinstance(name, str) else (name, "", "")
    if at and kind in NUMBERED:
        raise PlanError(
            f"regime {shown(name)} in {where}: write a whole number from 1 to 999999 behind the @, as in {kind}@8"
        )
    if at and kind in REGIMES:
        raise PlanError(
            f"regime {shown(name)} in {where}: {kind} takes no number; those that do are {' and '.join(NUMBERED)}"
        )
    raise unknown("regime", name, REGIMES, where)


def declared(family: Any, cases: list[Case], where: str) -> list[tuple[Case, Case]]:
    """Return the comparisons that a grid declares: ``true`` for the claim's own, or a list of "regime / regime"."""
    if family is False:
        return []
    if family is True:
        family = [" / ".join(CLAIM)]
    if not isinstance(family, list) or not all(isinstance(text, str) for text in family):
        raise PlanError(
            f"family {shown(family)} in {where} must be true, false or a list such as [{' / '.join(CLAIM)!r}]"
        )
    found = []
    for text in family:
        first, slash, second = (part.strip() for part in text.partition("/"))
        if not slash or first == second:
            raise PlanError(f"family {shown(text)} in {where} must name two regimes, as in {' / '.join(CLAIM)!r}")
        for regime in (first, second):
            check_regime(regime, f"family of {where}")
        _check_pair(first, second, {case.regime for case in cases}, f"family {shown(text)} in {where}")
        # A repetition is an arm beside itself, and none that a verdict is about.
        of_first = [case for case in cases if case.regime == first and not case.repetition]
        found += [(case, case.replace(regime=second)) for case in of_first]
    return found


def _check_pair(first: str, second: str, present: set[str], where: str) -> None:
    """Refuse a comparison that no report forms, or whose arms the grid lacks."""
    if (first, second) not in pairs((first, second)):
        remedy = (
            f"turned round it is one: {f'{second} / {first}'!r}"
            if (second, first) in pairs((first, second))
            else f"valid are {', '.join(repr(f'{a} / {b}') for a, b in pairs(REGIMES))}"
        )
        raise PlanError(f"{where} is no comparison that a report forms; {remedy}")
    if first not in present:
        raise PlanError(f"{where}: the grid has no regime {first!r}; add it to 'regime'")


def _task(text: Any, where: str) -> tuple[str, Dial | None]:
    """Split ``name@dial``, or several dials with commas between; the task's own default dial where none is given."""
    given = text if isinstance(text, str) else shown(text)
    if len(given) > MOST_SHOWN:
        raise PlanError(f"task {shown(text)} in {where} must be the name of a task, as in lagged_mean@16")
    try:
        task = tasks.create_at(given)
    except ValueError as error:
        raise PlanError(f"{where}: {error}") from error
    return task.name, task.dial


LEAST = {
    "draws": 0,
    "further_rates": 0,
    "cadence": 0.01,
    "dropout": 0,
    "workers": 0,
    "burn_in": 0,
    "cores": 0,
    "scored_targets": 2,
    "whole_epochs": 0,
}
"""Least value of a setting where that is not 1; one scored target has no sampling error."""

LARGEST: dict[str, float] = {
    "folds": 9999,
    "draws": 9999,
    "orders": 9999,
    "further_rates": 20,
    "cadence": 10,
    "hold": 1000,
    "tuning_seeds": 9999,  # seeds of a case's repetitions count from 10,000 times its number
    "evaluation_seeds": 9999,
    "epochs": 10**6,
    "scored_targets": 10**6,
    "burn_in": 100,
    "whole_epochs": 10**6,
    "seconds": 30 * 86_400,
    "memory_mib": 2**24,
    "workers": 1024,
    "together": 256,
    "cases": 10**6,
    "learning_rates": 10**3,
}
"""Largest value of a setting, as `NUMBERS` has it for a grid's."""

MOST_RATES = 100


def read_settings(base: Any, values: Any, where: str) -> Any:
    """Replace fields of a settings object, checking names, types and signs.

    Raises
    ------
    PlanError
        Naming the setting, its value and what is valid.
    """
    if not isinstance(values, dict):
        raise PlanError(f"{where} must be a table of settings")
    known = {item.name: getattr(base, item.name) for item in fields(base)}
    known_keys(values, set(known), where)
    return replace(base, **{key: _setting(key, value, known[key], where) for key, value in values.items()})


def _setting(key: str, value: Any, default: Any, where: str) -> Any:
    """Check one setting against the type of its default."""
    if isinstance(default, tuple):
        rates = as_list(value)
        if not 1 <= len(rates) <= MOST_RATES:
            raise PlanError(f"{key} {shown(rates)} in {where} must be numbers above 0, one to {MOST_RATES}")
        numbers = tuple(float(v) for v in rates if _is_number(v, key, where))
        if min(numbers) <= 0:
            raise PlanError(f"{key} {shown(list(numbers))} in {where} must be numbers above 0")
        return numbers
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise PlanError(f"{key} {shown(value)} in {where} must be true or false")
    elif isinstance(default, str):
        if value not in ("target", "budget"):
            raise unknown(key, value, ("target", "budget"), where)
    else:
        _is_number(value, key, where)
        if isinstance(default, int) and not isinstance(value, int):
            raise PlanError(f"{key} {shown(value)} in {where} must be a whole number")
        least = LEAST.get(key, 1)
        if value < least or (key == "dropout" and value >= 1):
            raise PlanError(
                f"{key} {shown(value)} in {where} must be "
                + ("at least 0 and below 1" if key == "dropout" else f"at least {least}")
            )
    return value


def _is_number(value: Any, key: str, where: str) -> bool:
    # Not `isfinite` of a whole number, which may be too large for it.
    finite = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    if isinstance(value, bool) or not finite:
        raise PlanError(f"{key} {shown(value)} in {where} must be a finite number")
    largest = host.usable_cores() if key == "cores" else LARGEST.get(key, math.inf)
    if value > largest:
        raise PlanError(f"{key} {shown(value)} in {where} must be at most {largest:,}")
    return True


def known_keys(values: dict[str, Any], valid: set[str], where: str) -> None:
    """Check that every key is one of those that mean something here.

    Raises
    ------
    PlanError
        Naming the first that is not, and the nearest that is.
    """
    for key in values:
        if key not in valid:
            raise unknown("key", key, valid, where)


def as_list(value: Any) -> list[Any]:
    """Return a list as it is, and anything else as a list of itself."""
    return value if isinstance(value, list) else [value]
