"""Presets: what to run, read from TOML and checked, every mistake named before anything is trained."""

import hashlib
import tomllib
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from bench.case.cases import DEVICES, KINDS, Case, Training
from bench.engines import check as check_engines
from bench.errors import PlanError, shown, unknown
from bench.plan import configuring
from bench.plan.configuring import Configured
from bench.plan.grids import declared, expand, known_keys, read_settings
from tasks.csv_series.series import CsvSeries

MOST_BYTES = 2**20
"""Of a preset's file: thirty times the longest that comes with the suite."""

MOST_TEXT = 1000
"""Characters of a name or a description."""


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
        Time cases never run beside others.
    together
        Time cases that are alive at the same time and take turns, block by block; each takes memory meanwhile. On a GPU
        it is always one.
    cases
        To how many cases the preset's lists may multiply: a slip of the pen is noticed before memory is full of them.
    """

    seconds: float = 300.0
    memory_mib: int = 6144
    workers: int = 0
    together: int = 12
    cases: int = 20_000


@dataclass(frozen=True)
class Preset:
    """A preset as read: its grids are made into cases by `bench.plan.planning`.

    Attributes
    ----------
    grids
        Every case with its settings, in order; a case may come twice.
    ends
        How many of them there are up to the end of each grid.
    family
        Comparisons that the run is to decide, declared before it begins: pairs of cases that differ in the regime
        alone. All others are exploratory.
    series
        The user's own series that its cases are about; None where tasks know theirs.
    configured
        Ways of running every case; none for the usual one.
    """

    name: str
    description: str
    path: Path
    sha256: str
    settings: dict[str, Any]
    limits: Limits
    series: CsvSeries | None = None
    configured: Configured = field(default_factory=Configured)
    grids: list[tuple[Case, Training]] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
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
    with suppress(OSError):  # too long for a path
        if path.is_file():
            return path
    if name.endswith(".toml") or "/" in name:
        raise PlanError(
            f"no preset file at {shown(name)}. Give the path of a TOML file, or one of: {', '.join(known)}."
        )
    raise unknown("preset", name, known)


def load(name: str, *, engines: tuple[str, ...] = ("tensorflow",), device: str = "cpu") -> Preset:
    """Read and check a preset.

    Parameters
    ----------
    name
        Name of a preset that comes with the suite, or path of a TOML file.
    engines, device
        Run all its cases with each of these engines on this device.

    Raises
    ------
    PlanError
        Naming every unknown name, wrong value or unreadable file, and an engine whose packages are not installed.
    """
    path = find(name)
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise PlanError(f"{path} cannot be read: {error.strerror}") from error
    if len(raw) > MOST_BYTES:
        raise PlanError(f"{path} is longer than {MOST_BYTES:,} bytes, so it is no preset")
    try:
        settings = tomllib.loads(raw.decode("utf-8-sig"))  # editors of Windows begin a file with a mark
    except ValueError as error:  # no TOML, no UTF-8, or a number of more digits than Python reads
        raise PlanError(f"{path} is not valid TOML: {error}") from error
    except RecursionError as error:
        raise PlanError(f"{path} has lists in lists in lists, deeper than can be read") from error
    return check(settings, path, hashlib.sha256(raw).hexdigest(), engines=engines, device=device)


def check(
    settings: dict[str, Any],
    path: Path,
    sha256: str,
    *,
    engines: tuple[str, ...] = ("tensorflow",),
    device: str = "cpu",
    series: CsvSeries | None = None,
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
    check_engines(engines)
    if device not in DEVICES:
        raise unknown("device", device, DEVICES)
    where = path.name
    known_keys(settings, {"name", "description", "training", "limits", "configuration", *KINDS}, where)
    limits = read_settings(Limits(), settings.get("limits", {}), f"[limits] of {where}")
    training = read_settings(Training(), settings.get("training", {}), f"[training] of {where}")
    tables = settings.get("configuration", [])
    configured = configuring.read(tables, path.parent, where, engines=engines, device=device)
    preset = Preset(
        name=_text(settings, "name", path.stem, where),
        description=_text(settings, "description", "", where),
        path=path,
        sha256=sha256,
        settings=settings,
        limits=limits,
        series=series,
        configured=configured,
    )
    for kind in KINDS:
        grids = settings.get(kind, [])
        if not isinstance(grids, list) or not all(isinstance(grid, dict) for grid in grids):
            raise PlanError(f"[{kind}] of {where} must be written [[{kind}]]: a preset may have several grids")
        for number, grid in enumerate(grids, 1):
            place = f"[[{kind}]] number {number} of {where}"
            cases = expand(
                kind, grid, training, place, engines=engines, device=device, most=limits.cases - len(preset.grids)
            )
            cases = configured.cases(cases)
            preset.grids.extend(cases)
            preset.ends.append(len(preset.grids))
            preset.family.extend(declared(grid.get("family", False), [case for case, _ in cases], place))
    if not preset.grids:
        raise PlanError(f"{where} names no cases: add a [[convergence]], [[time]] or [[memory]] grid")
    return preset


def _text(settings: dict[str, Any], key: str, default: str, where: str) -> str:
    text = settings.get(key, default)
    if not isinstance(text, str) or len(text) > MOST_TEXT:
        raise PlanError(f"{key} {shown(text)} in {where} must be a text of at most {MOST_TEXT} characters")
    return text


def differences(before: dict[str, Any], now: dict[str, Any], most: int = 4) -> str:
    """Say in which settings two presets differ, the first few of them."""
    ours, theirs = _flat(before), _flat(now)
    told = [
        f"{name} was {ours.get(name, 'not set')} and is {theirs.get(name, 'not set')}"
        for name in dict.fromkeys([*ours, *theirs])
        if ours.get(name) != theirs.get(name)
    ]
    return "; ".join(told[:most]) + (f"; and {len(told) - most} more" if len(told) > most else "")


def _flat(settings: dict[str, Any]) -> dict[str, str]:
    """Every setting by its name; of several grids the values that any of them has."""
    found: dict[str, list[str]] = {}
    for name, value in settings.items():
        for part in value if isinstance(value, list) and value and isinstance(value[0], dict) else [value]:
            inner = part.items() if isinstance(part, dict) else [(name, part)]
            for key, one in inner:
                found.setdefault(key, []).extend(map(str, one if isinstance(one, list) else [one]))
    return {
        name: ", ".join(dict.fromkeys(values)) for name, values in found.items() if name not in {"name", "description"}
    }
