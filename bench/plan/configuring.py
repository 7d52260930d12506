"""The configurations of a preset, read and checked on this machine."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from bench.case.cases import DEVICES, DTYPES, Case, Training
from bench.case.configurations import NAME, Configuration
from bench.engines import ENGINES
from bench.errors import PlanError, unknown
from bench.machine import host
from bench.plan.grids import known_keys

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

SET_BY_THE_SUITE = ("KERAS_BACKEND", "PYTHONPATH", "PYTHONHOME", "TF_CPU_ALLOCATOR_USE_BFC")
"""Variables that decide what is measured and not how; the suite sets them itself."""

KEYS = {item.name for item in fields(Configuration)} - {"folder", "source"}


@dataclass(frozen=True)
class Configured:
    """Configurations in order, and why some cannot be run here, by name."""

    found: tuple[Configuration, ...] = ()
    lacking: tuple[tuple[str, str], ...] = ()

    def cases(self, grid: list[tuple[Case, Training]]) -> list[tuple[Case, Training]]:
        """Every case under every configuration, those of one case side by side."""
        return [(_under(case, one), training) for case, training in grid for one in self.found] or grid

    def named(self, name: str) -> Configuration | None:
        """The configuration of this name; None for the usual way."""
        return next((one for one in self.found if one.name == name), None)


def _under(case: Case, one: Configuration) -> Case:
    changes = {name: value for name in ("device", "engine", "dtype") if (value := getattr(one, name)) is not None}
    return case.replace(configuration=one.name, **changes)


def read(tables: Any, folder: Path, where: str, *, engines: Sequence[str], device: str) -> Configured:
    """Read the ``[[configuration]]`` tables of a preset.

    Parameters
    ----------
    folder
        The preset's own, from which paths of interpreters are read.
    engines, device
        What cases run with where a configuration names no other.

    Raises
    ------
    PlanError
        Naming a wrong value, or what this machine lacks.
    """
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise PlanError(f"[configuration] of {where} must be written [[configuration]]: a preset may have several")
    found: list[Configuration] = []
    lacking: list[tuple[str, str]] = []
    for number, table in enumerate(tables, 1):
        one = _read(table, folder, f"[[configuration]] number {number} of {where}")
        if one.name in (other.name for other in found):
            raise PlanError(f"configuration {one.name!r} of {where} is named twice: give each a name of its own")
        try:
            one = _found_here(one, engines, device)
        except PlanError as error:
            if not one.optional:
                raise
            lacking.append((one.name, str(error)))
        found.append(one)
    return Configured(tuple(found), tuple(lacking))


def _read(table: dict[str, Any], folder: Path, where: str) -> Configuration:
    known_keys(table, KEYS, where)
    name = table.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise PlanError(f"name {name!r} in {where} must be letters, digits, spaces, '.', '+' and '-', as in 'one core'")
    cores = table.get("cores")
    if cores is not None and (not isinstance(cores, int) or isinstance(cores, bool) or cores < 1):
        raise PlanError(f"cores {cores!r} in {where} must be a whole number of at least 1")
    environment = table.get("environment", {})
    if not isinstance(environment, dict):
        raise PlanError(f'environment in {where} must be a table, as in {{ TF_ENABLE_ONEDNN_OPTS = "0" }}')
    for variable, value in environment.items():
        if not VARIABLE.fullmatch(variable) or not isinstance(value, str):
            raise PlanError(f'environment {variable!r} = {value!r} in {where} must be text in quotes, as in "0"')
        if variable in SET_BY_THE_SUITE:
            raise PlanError(f"environment {variable!r} in {where} is set by the suite; leave it out")
    for key, valid in {"device": DEVICES, "engine": tuple(ENGINES), "dtype": DTYPES}.items():
        if key in table and table[key] not in valid:
            raise unknown(key, table[key], valid, where)
    if not isinstance(table.get("python", ""), str) or not isinstance(table.get("optional", False), bool):
        raise PlanError(f"python in {where} must be the path of an interpreter, optional must be true or false")
    return Configuration(**table, folder=folder)


def _found_here(one: Configuration, engines: Sequence[str], device: str) -> Configuration:
    """The configuration with what it needs found on this machine.

    Raises
    ------
    PlanError
        Naming what is missing.
    """
    who = f"configuration {one.name!r}"
    names = [one.engine] if one.engine else list(engines)
    usable = host.usable_cores()
    if one.cores is not None and one.cores > usable:
        raise PlanError(f"{who} asks for {one.cores} cores, but only {usable} can be used here: lower `cores`")
    if "gpu" in (one.device, device) and one.device != "cpu" and not host.has_gpu_driver():
        raise PlanError(f"{who} needs a GPU, and this machine has no NVIDIA driver")
    if one.python is None and one.engine is None:
        return one
    interpreter = one.interpreter(host.PYTHON)
    return replace(one, source=host.ask_interpreter(interpreter, names, who=f"python of {who}").source)
