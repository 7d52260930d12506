"""Command-line options for a user's own series."""

from pathlib import Path
from typing import Any

import pytest

from bench.errors import PlanError
from bench.plan.csv_series import Grid
from tasks.own.request import USED_ROWS, Request

OPTIONS = {
    "column": "column to predict",
    "time": "column of times; none to take the rows as even steps",
    "group": "column that tells several series of the file apart",
    "series": "which of them (the longest)",
    "inputs": "columns seen beside the column's own past, as a,b",
    "period": "steps of the season; 0 for none (found in the training values)",
    "windows": "windows to try, as 4,12,48 (proposed from season and length)",
    "batches": "batch sizes to try (proposed from the length)",
    "units": "widths to try (4,16)",
    "cells": "cells to try: lstm, gru, simple_rnn (lstm,gru)",
    "seeds": "evaluation seeds of each arm (12)",
    "epochs": "budget of each training (by the length, 20 to 200)",
    "fill": "last: repeat the last value where one is missing (refuse)",
    "rows": f"how many of the most recent values to use ({USED_ROWS})",
    "decimal": "what , or . means where the column leaves it open: , or . is the decimal mark",
}


def add(group: pytest.OptionGroup) -> None:
    """Add the options."""
    group.addoption("--csv", default=None, help="CSV or Parquet file (docs/own-series.md)")
    for name, text in OPTIONS.items():
        group.addoption(f"--{name}", default=None, help=text)


def read(config: pytest.Config) -> tuple[Request, Grid] | None:
    """Read what was asked for; None without ``--csv``.

    Raises
    ------
    PlanError
        If a value is not valid, or an option makes no sense without or beside another.
    """
    given: dict[str, Any] = {name: config.getoption(f"--{name}") for name in OPTIONS}
    # An option of make that is left empty is left out.
    given = {name: value.strip() for name, value in given.items() if value and value.strip()}
    path = config.getoption("--csv")
    if not path:
        if given:
            raise PlanError(f"{', '.join(name.upper() for name in given)} needs CSV=..., the file of your own series")
        return None
    if config.getoption("--preset"):
        raise PlanError("give either PRESET=... or CSV=...: a file brings a preset of its own")
    request = Request(
        path=Path(path).expanduser(),
        column=given.get("column"),
        time=given.get("time"),
        group=given.get("group"),
        member=given.get("series"),
        inputs=tuple(_split(given.get("inputs", ""))),
        period=_number("period", given["period"], 0) if "period" in given else None,
        fill=given.get("fill"),
        rows=_number("rows", given["rows"], 1) if "rows" in given else USED_ROWS,
        decimal=given.get("decimal"),
    )
    windows, batches, units = (_numbers(name, given.get(name, "")) for name in ("windows", "batches", "units"))
    return request, Grid(
        windows,
        batches,
        units,
        tuple(_split(given.get("cells", ""))),
        seeds=_number("seeds", given.get("seeds", "12"), 2),
        epochs=_number("epochs", given["epochs"], 1) if "epochs" in given else None,
    )


def run_name(path: Path) -> str:
    """Name of the run: the file's."""
    return path.stem.replace(" ", "_")


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _numbers(name: str, text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(_number(name, part, 1) for part in _split(text)))


def _number(name: str, text: str, least: int) -> int:
    if not text.isdecimal() or int(text) < least:
        raise PlanError(f"{name.upper()}={text} is not valid: give whole numbers of at least {least}")
    return int(text)
