"""Settings as TOML holds them, checked against the dataclass that they are for."""

import math
from dataclasses import fields, replace
from typing import Any

from bench.errors import PlanError, unknown

LEAST = {"dropout": 0, "workers": 0, "burn_in": 0, "scored_targets": 2, "whole_epochs": 0}
"""Least value of a setting where that is not 1; one scored target has no sampling error."""


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
        numbers = tuple(float(v) for v in as_list(value) if _is_number(v, key, where))
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
