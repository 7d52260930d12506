"""From a file to a prepared series: columns chosen, time checked, gaps handled as asked, split and scaled."""

import hashlib
import re
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.csv_series.clock import Clock, gap_at, no_clock, read_clock
from tasks.csv_series.columns import only_member, target_column, time_column
from tasks.csv_series.period import find_period
from tasks.csv_series.request import LEAST_ROWS, Request, check_request
from tasks.csv_series.series import Prepared
from tasks.csv_series.table import Table, read_table
from tasks.csv_series.values import to_numbers
from tasks.scaling import standardise
from tasks.task import CsvSeriesError, FloatArray, Series, SeriesError

MOST_FILLED = 0.2
"""Share of filled values beyond which a result would speak of the filling."""
TRAIN_SHARE = 2 / 3
WARM_UP_SHARE = 1 / 5
"""Share of the held-out rows that warm up a carried state and count for nobody."""


def prepare(request: Request) -> Prepared:
    """Read and prepare a series.

    Raises
    ------
    CsvSeriesError
        Naming what is wrong, where, and the remedy.
    """
    check_request(request)
    whole = read_table(request.path)
    notes = list(whole.notes)
    table, member = only_member(whole, request, notes)
    time = time_column(table, request, notes)
    column = target_column(table, request, time)
    names = (column, *request.inputs)
    clock = no_clock(len(table)) if time is None else read_clock(table, time)
    notes += clock.notes
    values = np.column_stack([_column(table, name, request) for name in names])[clock.order]
    values, lines = _evenly(table, clock, values, names, request, notes)
    if len(values) > request.rows:
        notes.append(f"Of {len(values):,} values the most recent {request.rows:,} are used (ROWS).")
        values, lines = values[-request.rows :], lines[-request.rows :]
    if len(values) < LEAST_ROWS:
        raise CsvSeriesError(
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
        "rows_in_file": len(whole),
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
        raise CsvSeriesError(f"{table.path.name}: {' or '.join(map(repr, names))} has no value in any row.")
    inside = slice(known[0], known[-1] + 1)
    if cut := len(values) - (inside.stop - inside.start):
        notes.append(f"{cut:,} rows without a value at the beginning and the end are left out.")
    values, missing, places, order = values[inside], missing[inside], clock.places[inside], clock.order[inside]
    lost = int(places[-1] - places[0]) + 1 - len(places)
    if request.fill is None:
        if missing.any():
            first = int(np.argmax(missing))
            name = names[int(np.argmax(np.isnan(values[first])))]
            raise CsvSeriesError(
                f"{table.place(int(order[first]))}: {name!r} has no value ({int(missing.sum()):,} such rows). "
                "FILL=last repeats the last value there; or fill or remove them yourself."
            )
        if lost:
            raise CsvSeriesError(gap_at(table, clock))
        return values, table.lines[order]
    filled = lost + int(missing.sum())
    if filled > MOST_FILLED * (len(values) + lost):
        raise CsvSeriesError(
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
        raise CsvSeriesError(
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
        raise CsvSeriesError(
            f"{table.path.name}: {names[0]!r} never changes in the {len(scored):,} values that are scored (lines "
            f"{lines[-len(scored)]} to {lines[-1]}), so that repeating the last value is exact. Give a part in which "
            "it does."
        )
    known = values[:train_values, 0]
    return series, {"mean": float(known.mean()), "deviation": float(known.std())}


def _period(request: Request, training: FloatArray, notes: list[str]) -> tuple[int | None, float | None]:
    if request.period is not None:
        if request.period and not 2 <= request.period <= len(training) // 2:
            raise CsvSeriesError(
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
