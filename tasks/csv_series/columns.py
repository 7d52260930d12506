"""Which rows and columns of a table make the series."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.csv_series.clock import looks_like_time
from tasks.csv_series.request import Request
from tasks.csv_series.table import INDEX, Table
from tasks.csv_series.values import is_missing, is_number
from tasks.task import CsvSeriesError

SAMPLE = 50
NO_TIME_COLUMN = "none"
TIME_NAMES = (INDEX, "time", "timestamp", "datetime", "date", "unix", "epoch", "ts", "t")


def only_member(table: Table, request: Request, notes: list[str]) -> tuple[Table, str | None]:
    """The part of the table that is the chosen series, or the longest, and its name."""
    if request.group is None:
        return table, None
    labels = np.array([str(value).strip() for value in table.column(request.group, "GROUP")], dtype=object)
    names, counts = np.unique(labels, return_counts=True)
    member = request.member if request.member is not None else str(names[np.argmax(counts)])
    if member not in names:
        raise CsvSeriesError(
            f"{request.group!r} of {table.path.name} is never {member!r}; SERIES is one of: {_some(names.tolist())}."
        )
    if request.member is None and len(names) > 1:
        notes.append(
            f"Of {len(names)} series ({_some(names.tolist())}) the longest is used, {member!r}. State never passes "
            "from one series to another; run the others by SERIES=..., each under its own RUN=..."
        )
    rows = labels == member
    here = {name: values[rows] for name, values in table.columns.items()}
    return replace(table, columns=here, lines=table.lines[rows]), member


def time_column(table: Table, request: Request, notes: list[str]) -> str | None:
    """Name of the column of times, asked for or found; None where rows are taken as even steps."""
    if request.time == NO_TIME_COLUMN:
        return None
    if request.time is not None:
        table.column(request.time, "TIME")
        return request.time
    taken = {request.column, request.group, *request.inputs}
    for name, values in table.columns.items():
        if name not in taken and looks_like_time(values[:SAMPLE]):
            return name
    for name, values in table.columns.items():  # numbers may be times too, where their name says so
        if name not in taken and name.lower() in TIME_NAMES and _numeric(values[:SAMPLE]):
            return name
    notes.append(
        "No column of times was found, so the rows are taken as even steps, in the order of the file (TIME=...)."
    )
    return None


def target_column(table: Table, request: Request, time: str | None) -> str:
    """Name of the column to predict: asked for, or the only one that holds numbers."""
    if request.column is not None:
        table.column(request.column, "COLUMN")
        for name in request.inputs:
            table.column(name, "INPUTS")
            if name == request.column:
                raise CsvSeriesError(f"INPUTS names {name!r}, whose own past is always seen; leave it out there.")
        return request.column
    taken = {time, INDEX, request.group, *request.inputs}
    numeric = [name for name, values in table.columns.items() if name not in taken and _numeric(values[:SAMPLE])]
    if len(numeric) == 1:
        return numeric[0]
    candidates = numeric or [name for name in table.columns if name not in taken] or list(table.columns)
    told = "several columns hold numbers" if numeric else "no column holds numbers"
    raise CsvSeriesError(
        f"{table.path.name}: {told}; say which one to predict, as in COLUMN={candidates[0]}. Columns: "
        f"{', '.join(candidates)}."
    )


def _numeric(sample: NDArray[Any]) -> bool:
    if sample.dtype.kind != "O":
        return sample.dtype.kind in "iuf"
    texts = [str(value) for value in sample if value is not None and not is_missing(str(value))]
    return bool(texts) and sum(map(is_number, texts)) > len(texts) / 2


def _some(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
