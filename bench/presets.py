"""Presets: what to run, read from TOML and checked, every mistake named before anything is trained."""

import hashlib
import math
import tomllib
from dataclasses import dataclass, field, fields, replace
from importlib import resources
from itertools import product
from pathlib import Path
from typing import Any

import tasks
from bench import engines
from bench.cases import CELLS, DEVICES, DTYPES, KERNELS, KINDS, Case, Training
from bench.errors import PlanError, unknown
from bench.regimes import REGIMES
from tasks.own.series import OwnSeries

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
    "regime": tuple(REGIMES),
    "kernel": KERNELS,
    "dtype": DTYPES,
}
"""Dimensions of a grid whose values are names, and those names."""

LEAST = {"dropout": 0, "workers": 0, "burn_in": 0, "scored_targets": 2, "whole_epochs": 0}
"""Least value of a setting where that is not 1; one scored target has no sampling error."""

CLAIM = "stateful / stateless"
"""The comparison that a grid with ``family = true`` declares."""

NUMBERS = ("layers", "units", "window", "batch_size")
MOST_LAYERS = 3


@dataclass(frozen=True)
class Limits:
    """What one case may take.

    Attributes
    ----------
    seconds
        Wall time of a case's process.
    memory_mib
        Resident memory of a case's process, in MiB.
    workers
        Cases that run at the same time, each convergence case on a core of its own; 0 for one on every core.
        Time cases always run alone.
    """

    seconds: float = 300.0
    memory_mib: int = 6144
    workers: int = 0


@dataclass(frozen=True)
class Preset:
    """A preset as read: its grids are made into cases by `bench.plan`.

    Attributes
    ----------
    grids
        Every case with its settings, in order; a case may come twice.
    family
        Comparisons that the run is to decide, declared before it begins: pairs of cases that differ in the regime
        alone. All others are exploratory.
    series
        The user's own series that its cases are about; None where tasks know theirs.
    """

    name: str
    description: str
    path: Path
    sha256: str
    settings: dict[str, Any]
    limits: Limits
    series: OwnSeries | None = None
    grids: list[tuple[Case, Training]] = field(default_factory=list)
    family: list[tuple[Case, Case]] = field(default_factory=list)


def available() -> dict[str, Path]:
    """Presets that come with the suite."""
    folder = Path(str(resources.files("bench") / "presets"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def find(name: str) -> Path:
    """Find a preset by name, or take the path of a user's own.

    Raises
    ------
    PlanError
        If there is no such preset or file.
    """
    known = available()
    if name in known:
        return known[name]
    path = Path(name)
    if path.is_file():
        return path
    if name.endswith(".toml") or "/" in name:
        raise PlanError(f"no preset file at {name!r}. Give the path of a TOML file, or one of: {', '.join(known)}.")
    raise unknown("preset", name, known)


def load(name: str, *, engine: str = "tensorflow", device: str = "cpu") -> Preset:
    """Read and check a preset.

    Parameters
    ----------
    name
        Name of a preset that comes with the suite, or path of a TOML file.
    engine, device
        Run all its cases with this engine on this device.

    Raises
    ------
    PlanError
        Naming every unknown name, wrong value or unreadable file, and an engine whose packages are not installed.
    """
    path = find(name)
    raw = path.read_bytes()
    try:
        settings = tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PlanError(f"{path} is not valid TOML: {error}") from error
    return check(settings, path, hashlib.sha256(raw).hexdigest(), engine=engine, device=device)


def check(
    settings: dict[str, Any],
    path: Path,
    sha256: str,
    *,
    engine: str = "tensorflow",
    device: str = "cpu",
    series: OwnSeries | None = None,
) -> Preset:
    """Check settings, as a TOML file holds them, and expand their grids.

    Parameters
    ----------
    path, sha256
        Where they come from, and the fingerprint of that.

    Raises
    ------
    PlanError
        Naming every unknown name or wrong value.
    """
    engines.check(engine)
    if device not in DEVICES:
        raise unknown("device", device, DEVICES)
    where = path.name
    _keys(settings, {"name", "description", "training", "limits", *KINDS}, where)
    limits = _settings(Limits(), settings.get("limits", {}), f"[limits] of {where}")
    training = _settings(Training(), settings.get("training", {}), f"[training] of {where}")
    preset = Preset(
        name=str(settings.get("name", path.stem)),
        description=str(settings.get("description", "")),
        path=path,
        sha256=sha256,
        settings=settings,
        limits=limits,
        series=series,
    )
    for kind in KINDS:
        grids = settings.get(kind, [])
        if not isinstance(grids, list) or not all(isinstance(grid, dict) for grid in grids):
            raise PlanError(f"[{kind}] of {where} must be written [[{kind}]]: a preset may have several grids")
        for number, grid in enumerate(grids, 1):
            place = f"[[{kind}]] number {number} of {where}"
            cases = _expand(kind, grid, training, place, engine=engine, device=device)
            preset.grids.extend(cases)
            preset.family.extend(_declared(grid.get("family", False), [case for case, _ in cases], place))
    if not preset.grids:
        raise PlanError(f"{where} names no cases: add a [[convergence]], [[time]] or [[memory]] grid")
    return preset


def _expand(  # noqa: C901, PLR0912 - one check after another
    kind: str, grid: dict[str, Any], training: Training, where: str, *, engine: str, device: str
) -> list[tuple[Case, Training]]:
    """All cases of a grid: the product of its lists, in the order in which they are written."""
    own = {item.name for item in fields(Training)}
    dimensions = {"task", "cell", "regime", *GRID_DEFAULTS}
    _keys(grid, dimensions | own | {"repetitions", "family"}, where)
    training = _settings(training, {key: value for key, value in grid.items() if key in own}, where)
    for needed in ("task", "cell", "regime"):
        if needed not in grid:
            raise PlanError(f"{where} lacks {needed!r}: name one or several, as in {needed} = [...]")
    lists: dict[str, list[Any]] = {
        key: _list(grid.get(key, default))
        for key, default in {"task": None, "cell": None, "regime": None, **GRID_DEFAULTS}.items()
    }
    for key, values in lists.items():
        if not values:
            raise PlanError(f"{key} in {where} is an empty list: name at least one value, or leave the line out")
    for key, names in NAMES.items():
        for value in lists[key]:
            if value not in names:
                raise unknown(key, value, names, where)
    for key in NUMBERS:
        for value in lists[key]:
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise PlanError(f"{key} {value!r} in {where} must be a whole number of at least 1")
    for value in lists["layers"]:
        if value > MOST_LAYERS:
            raise PlanError(f"layers {value} in {where} must be between 1 and {MOST_LAYERS}")
    repetitions = grid.get("repetitions", 2 if kind == "time" else 1)
    if not isinstance(repetitions, int) or isinstance(repetitions, bool) or repetitions < 1:
        raise PlanError(f"repetitions {repetitions!r} in {where} must be a whole number of at least 1")
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
    ]


def _declared(family: Any, cases: list[Case], where: str) -> list[tuple[Case, Case]]:
    """Comparisons that a grid declares: ``true`` for the claim's own, or a list of "regime / regime"."""
    if family is False:
        return []
    if family is True:
        family = [CLAIM]
    if not isinstance(family, list) or not all(isinstance(text, str) for text in family):
        raise PlanError(f"family {family!r} in {where} must be true, false or a list such as [{CLAIM!r}]")
    pairs = []
    for text in family:
        first, slash, second = (part.strip() for part in text.partition("/"))
        if not slash or first == second:
            raise PlanError(f"family {text!r} in {where} must name two regimes, as in {CLAIM!r}")
        for regime in (first, second):
            if regime not in REGIMES:
                raise unknown("regime", regime, REGIMES, f"family of {where}")
        found = [(case, case.but(regime=second)) for case in cases if case.regime == first]
        if not found:
            raise PlanError(f"family {text!r} in {where}: the grid has no regime {first!r}; add it to 'regime'")
        pairs += found
    return pairs


def _task(text: Any, where: str) -> tuple[str, int | None]:
    """Split ``name@dial``; the task's own default dial where none is given."""
    name, at, dial = str(text).partition("@")
    if at and not dial.isdecimal():
        raise PlanError(f"task {text!r} in {where}: write a dial as a whole number, as in lagged_mean@16")
    try:
        task = tasks.create(name, int(dial) if at else None)
    except ValueError as error:
        raise PlanError(f"{where}: {error}") from error
    return name, task.dial


def _settings(base: Any, values: Any, where: str) -> Any:
    """Replace fields of a settings object, checking names, types and signs."""
    if not isinstance(values, dict):
        raise PlanError(f"{where} must be a table of settings")
    known = {item.name: getattr(base, item.name) for item in fields(base)}
    _keys(values, set(known), where)
    return replace(base, **{key: _setting(key, value, known[key], where) for key, value in values.items()})


def _setting(key: str, value: Any, default: Any, where: str) -> Any:
    """Check one setting against the type of its default."""
    if isinstance(default, tuple):
        numbers = tuple(float(v) for v in _list(value) if _is_number(v, key, where))
        if not numbers or min(numbers) <= 0:
            raise PlanError(f"{key} {list(numbers)!r} in {where} must be numbers above 0")
        return numbers
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise PlanError(f"{key} {value!r} in {where} must be true or false")
    elif isinstance(default, str):
        if value not in ("target", "budget"):
            raise unknown(key, value, ("target", "budget"), where)
    else:
        _is_number(value, key, where)
        if isinstance(default, int) and not isinstance(value, int):
            raise PlanError(f"{key} {value!r} in {where} must be a whole number")
        least = LEAST.get(key, 1)
        if value < least or (key == "dropout" and value >= 1):
            raise PlanError(
                f"{key} {value!r} in {where} must be "
                + ("at least 0 and below 1" if key == "dropout" else f"at least {least}")
            )
    return value


def _is_number(value: Any, key: str, where: str) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise PlanError(f"{key} {value!r} in {where} must be a finite number")
    return True


def _keys(values: dict[str, Any], valid: set[str], where: str) -> None:
    for key in values:
        if key not in valid:
            raise unknown("key", key, valid, where)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
