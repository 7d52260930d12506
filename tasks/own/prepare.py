"""From a file to a prepared series: columns chosen, time checked, gaps handled as asked, split and scaled."""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.base import FloatArray, Series
from tasks.errors import OwnSeriesError, SeriesError
from tasks.own.clock import Clock, gap_at, looks_like_time, no_clock, read_clock
from tasks.own.period import find_period
from tasks.own.series import Prepared
from tasks.own.table import Table, read_table
from tasks.own.values import is_missing, is_number, to_numbers
from tasks.scaling import standardise

LEAST_ROWS = 200
"""Two thirds of fewer would hold less than four batches of eight windows of four steps."""
USED_ROWS = 10_000
"""Values that are used, the most recent ones, unless ROWS says otherwise: what trains in minutes."""
MOST_FILLED = 0.2
"""Share of filled values beyond which a result would speak of the filling."""
TRAIN_SHARE = 2 / 3
WARM_UP_SHARE = 1 / 5
"""Share of the held-out rows that warm up a carried state and count for nobody."""
SAMPLE = 50
FILLS = ("last",)
NO_TIME_COLUMN = "none"


@dataclass(frozen=True)
class Request:
    """What a user asked for; None where the file is to tell.

    Attributes
    ----------
    column, inputs
        The column to predict, and those seen beside its own past.
    time
        Column of times; "none" to take rows as even steps.
    group, member
        Column that tells several series apart, and the one to take.
    period
        Steps of the season; 0 for none.
    fill
        "last" to repeat the last value where one is missing.
    rows
        How many of the most recent values to use.
    decimal
        "," or "." where a column leaves open what its commas and points mean.
    """

    path: Path
    column: str | None = None
    time: str | None = None
    group: str | None = None
    member: str | None = None
    inputs: tuple[str, ...] = ()
    period: int | None = None
    fill: str | None = None
    rows: int = USED_ROWS
    decimal: str | None = None


def prepare(request: Request) -> Prepared:
    """Read and prepare a series.

    Raises
    ------
    OwnSeriesError
        Naming what is wrong, where, and the remedy.
    """
    _check_request(request)
    table = read_table(request.path)
    notes = list(table.notes)
    rows, member = _member(table, request, notes)
    time = _time_column(table, request, rows, notes)
    column = _target_column(table, request, time)
    names = (column, *request.inputs)
    clock = no_clock(rows) if time is None else read_clock(table, time, rows)
    notes += clock.notes
    values = np.column_stack([_column(table, name, request) for name in names])[clock.order]
    values, lines = _evenly(table, clock, values, names, request, notes)
    if len(values) > request.rows:
        notes.append(f"Of {len(values):,} values the most recent {request.rows:,} are used (ROWS).")
        values, lines = values[-request.rows :], lines[-request.rows :]
    if len(values) < LEAST_ROWS:
        raise OwnSeriesError(
            f"{table.path.name} gives {len(values):,} values, too few to tell two ways of training apart: at least "
            f"{LEAST_ROWS} are needed, and 2,000 are better."
        )
    series, scale = _split(table, values, names, lines)
    train = series.train_rows
    period, found = _period(request, series.inputs[: train + 1, 0], notes)
    _note_range(series, column, notes)
    lags = max(1, min((period or 24) // 2, 48, train // (8 * len(names))))
    about = {
        "file": table.path.name,
        "sha256": _sha256(table.path),
        "slug": _slug(column),
        "column": column,
        "inputs": list(request.inputs),
        "time": time,
        "group": request.group,
        "member": member,
        "rows_in_file": len(table),
        "values": len(values),
        "first": "" if time is None else str(table.columns[time][_row(table, lines[0])]),
        "last": "" if time is None else str(table.columns[time][_row(table, lines[-1])]),
        "first_line": int(lines[0]),
        "last_line": int(lines[-1]),
        "step": clock.step,
        "period": period,
        "period_found": found,
        "scale": scale,
        "notes": notes,
        "windows": [],
    }
    return Prepared(series, period, lags, about)


def _check_request(request: Request) -> None:
    if request.fill is not None and request.fill not in FILLS:
        raise OwnSeriesError(f"FILL={request.fill} is not valid; FILL=last repeats the last value.")
    if request.decimal not in {None, ",", "."}:
        raise OwnSeriesError(f"DECIMAL={request.decimal} is not valid; give DECIMAL=, or DECIMAL=.")
    if request.rows < LEAST_ROWS:
        raise OwnSeriesError(f"ROWS={request.rows} is too few; use at least {LEAST_ROWS}.")
    if request.member is not None and request.group is None:
        raise OwnSeriesError(f"SERIES={request.member} needs GROUP=..., the column that tells the series apart.")


def _member(table: Table, request: Request, notes: list[str]) -> tuple[NDArray[np.int64], str | None]:
    """Rows of the series that was chosen, or of the longest."""
    if request.group is None:
        return np.arange(len(table)), None
    labels = np.array([str(value).strip() for value in table.column(request.group, "GROUP")], dtype=object)
    names, counts = np.unique(labels, return_counts=True)
    member = request.member if request.member is not None else str(names[np.argmax(counts)])
    if member not in names:
        raise OwnSeriesError(
            f"{request.group!r} of {table.path.name} is never {member!r}; SERIES is one of: {_some(names.tolist())}."
        )
    if request.member is None and len(names) > 1:
        notes.append(
            f"Of {len(names)} series ({_some(names.tolist())}) the longest is used, {member!r}. State never passes "
            "from one series to another; run the others by SERIES=..., each under its own RUN=..."
        )
    return np.flatnonzero(labels == member), member


def _time_column(table: Table, request: Request, rows: NDArray[np.int64], notes: list[str]) -> str | None:
    if request.time == NO_TIME_COLUMN:
        return None
    if request.time is not None:
        table.column(request.time, "TIME")
        return request.time
    head = rows[:SAMPLE]
    taken = {request.column, request.group, *request.inputs}
    for name, values in table.columns.items():
        if name not in taken and looks_like_time(values[head]):
            return name
    notes.append(
        "No column of times was found, so the rows are taken as even steps, in the order of the file (TIME=...)."
    )
    return None


def _target_column(table: Table, request: Request, time: str | None) -> str:
    if request.column is not None:
        table.column(request.column, "COLUMN")
        for name in request.inputs:
            table.column(name, "INPUTS")
            if name == request.column:
                raise OwnSeriesError(f"INPUTS names {name!r}, whose own past is always seen; leave it out there.")
        return request.column
    taken = {time, request.group, *request.inputs}
    numeric = [name for name, values in table.columns.items() if name not in taken and _numeric(values[:SAMPLE])]
    if len(numeric) == 1:
        return numeric[0]
    candidates = numeric or [name for name in table.columns if name not in taken] or list(table.columns)
    told = "several columns hold numbers" if numeric else "no column holds numbers"
    raise OwnSeriesError(
        f"{table.path.name}: {told}; say which one to predict, as in COLUMN={candidates[0]}. Columns: "
        f"{', '.join(candidates)}."
    )


def _numeric(sample: NDArray[Any]) -> bool:
    if sample.dtype.kind != "O":
        return sample.dtype.kind in "iuf"
    texts = [str(value) for value in sample if value is not None and not is_missing(str(value))]
    return bool(texts) and sum(map(is_number, texts)) > len(texts) / 2


def _column(table: Table, name: str, request: Request) -> FloatArray:
    return to_numbers(table, name, request.decimal, "COLUMN" if name == request.column else "INPUTS")


def _evenly(
    table: Table,
    clock: Clock,
    values: FloatArray,
    names: tuple[str, ...],
    request: Request,
    notes: list[str],
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Values on the even grid of time, filled as asked, with the line of each (of the last one for a filled value)."""
    missing = np.asarray(np.isnan(values).any(axis=1))
    # Nothing comes before leading blanks, and nothing is known after trailing ones.
    known = np.flatnonzero(~missing)
    if not known.size:
        raise OwnSeriesError(f"{table.path.name}: {' or '.join(map(repr, names))} has no value in any row.")
    inside = slice(known[0], known[-1] + 1)
    if cut := len(values) - (inside.stop - inside.start):
        notes.append(f"{cut:,} rows without a value at the beginning and the end are left out.")
    values, missing, places, order = values[inside], missing[inside], clock.places[inside], clock.order[inside]
    lost = int(places[-1] - places[0]) + 1 - len(places)
    if request.fill is None:
        if missing.any():
            first = int(np.argmax(missing))
            name = names[int(np.argmax(np.isnan(values[first])))]
            raise OwnSeriesError(
                f"{table.place(int(order[first]))}: {name!r} has no value ({int(missing.sum()):,} such rows). "
                "FILL=last repeats the last value there; or fill or remove them yourself."
            )
        if lost:
            raise OwnSeriesError(gap_at(table, clock))
        return values, table.lines[order]
    filled = lost + int(missing.sum())
    if filled > MOST_FILLED * (len(values) + lost):
        raise OwnSeriesError(
            f"{table.path.name}: {filled:,} of {len(values) + lost:,} values would have to be filled, more than "
            f"{MOST_FILLED:.0%}; resample the series to a longer step, or cut the part with the gaps."
        )
    if not filled:
        return values, table.lines[order]
    notes.append(f"{filled:,} missing values repeat the last one before them (FILL=last); no later value is used.")
    # For each place the last row at or before it in which the column has a value.
    source = np.zeros(places[-1] - places[0] + 1, np.int64)
    source[places - places[0]] = np.arange(len(places))
    source = np.maximum.accumulate(source)
    filled_values = np.empty((len(source), len(names)))
    for number in range(len(names)):
        last = np.maximum.accumulate(np.where(np.isnan(values[:, number]), 0, np.arange(len(values))))
        filled_values[:, number] = values[last[source], number]
    return filled_values, table.lines[order][source]


def _split(
    table: Table, values: FloatArray, names: tuple[str, ...], lines: NDArray[np.int64]
) -> tuple[Series, dict[str, Any]]:
    """Two thirds for training, the rest held out; scaled by training alone."""
    train_values = int(len(values) * TRAIN_SHARE)
    try:
        scaled = np.column_stack([standardise(column, train_values) for column in values.T])
    except SeriesError as error:
        flat = names[int(np.argmin(np.ptp(values[:train_values], axis=0)))]
        raise OwnSeriesError(
            f"{table.path.name}: {flat!r} is {values[0, names.index(flat)]:g} in all {train_values:,} training rows "
            f"(lines {lines[0]} to {lines[train_values - 1]}); there is nothing to learn from it. Give another column "
            "or a part in which it changes."
        ) from error
    # The row of the last training value has a held-out target, so it is the first held-out row.
    train_rows = train_values - 1
    held_out = len(values) - 1 - train_rows
    series = Series(scaled[:-1], scaled[1:, :1], train_rows, int(held_out * WARM_UP_SHARE))
    scored = series.targets[series.scored_rows.start :]
    if np.ptp(scored) == 0:
        raise OwnSeriesError(
            f"{table.path.name}: {names[0]!r} never changes in the {len(scored):,} values that are scored (lines "
            f"{lines[-len(scored)]} to {lines[-1]}), so that repeating the last value is exact. Give a part in which "
            "it does."
        )
    known = values[:train_values, 0]
    return series, {"mean": float(known.mean()), "deviation": float(known.std())}


def _period(request: Request, training: FloatArray, notes: list[str]) -> tuple[int | None, float | None]:
    if request.period is not None:
        if request.period and not 2 <= request.period <= len(training) // 2:
            raise OwnSeriesError(
                f"PERIOD={request.period} is not valid; give a whole number of steps from 2 to {len(training) // 2}, "
                "half of the training values, or PERIOD=0 for no season."
            )
        return request.period or None, None
    found = find_period(training)
    if found is None:
        notes.append("No season was found in the training values (PERIOD=... names one).")
        return None, None
    return found


def _note_range(series: Series, column: str, notes: list[str]) -> None:
    training = series.inputs[: series.train_rows, 0]
    scored = series.targets[series.scored_rows.start :, 0]
    outside = float(((scored < training.min()) | (scored > training.max())).mean())
    if outside > 0.05:
        notes.append(
            f"{outside:.0%} of the scored values of {column!r} lie outside the range seen in training, where no "
            "network can be trusted; changes from step to step, or a part without the trend, would be a fairer series."
        )


def _row(table: Table, line: int) -> int:
    return int(np.searchsorted(table.lines, line))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _slug(column: str) -> str:
    """The column's name as part of a case id."""
    plain = unicodedata.normalize("NFKD", column).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:24].strip("_")
    return slug if slug[:1].isalpha() else f"series_{slug}".strip("_")


def _some(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
