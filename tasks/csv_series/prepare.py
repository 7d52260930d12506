"""From a file to a prepared series: columns chosen, time checked, gaps handled as asked, split and scaled."""

import hashlib
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tasks.csv_series.clock import Clock, gap_at, no_clock, read_clock
from tasks.csv_series.columns import only_member, target_column, time_columns
from tasks.csv_series.faults import Faults
from tasks.csv_series.period import find_period
from tasks.csv_series.request import LEAST_ROWS, Request, check_request
from tasks.csv_series.series import Prepared
from tasks.csv_series.table import Table, read_table
from tasks.csv_series.values import to_numbers
from tasks.scaling import standardise
from tasks.task import CsvSeriesError, FloatArray, Series, SeriesError

Found = TypeVar("Found")

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
    faults = Faults(request.path, whole.faults)
    table, member = only_member(whole, request, notes)
    time, clock = _clock(table, request, notes, faults)
    # What is wrong with the times is said together with what is wrong with the values.
    column = _or_fault(faults, lambda: target_column(table, request, time))
    if column is None:
        faults.check()
        raise AssertionError
    names = (column, *request.inputs)
    values = np.column_stack([_column(table, name, request, faults) for name in names])[clock.order]
    values, lines = _evenly(table, clock, values, names, request, notes, faults)
    faults.check()
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
        "time": ",".join(time) or None,
        "group": request.group,
        "member": member,
        "rows_in_file": len(whole),
        "values": len(values),
        "first": _time_of(table, time, lines[0]),
        "last": _time_of(table, time, lines[-1]),
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


def _clock(table: Table, request: Request, notes: list[str], faults: Faults) -> tuple[tuple[str, ...], Clock]:
    """The columns of times, none for even steps, and the order of the rows."""
    found = _or_fault(faults, lambda: time_columns(table, request, notes))
    time, stamps = found or ((), None)
    if stamps is None:
        return time, no_clock(len(table))
    clock = read_clock(table, time, stamps, faults, grouped=request.group is not None)
    notes += clock.notes
    return time, clock


def _or_fault(faults: Faults, find: Callable[[], Found]) -> Found | None:
    try:
        return find()
    except CsvSeriesError as error:
        faults.add(str(error))
        return None


def _column(table: Table, name: str, request: Request, faults: Faults) -> FloatArray:
    option = "COLUMN" if name == request.column else "INPUTS"
    return to_numbers(table, name, faults, decimal=request.decimal, no_value=request.no_value, option=option)


def _evenly(
    table: Table,
    clock: Clock,
    values: FloatArray,
    names: tuple[str, ...],
    request: Request,
    notes: list[str],
    faults: Faults,
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Values on the even grid of time, filled as asked, with the line of each (of the last one for a filled value)."""
    missing = np.asarray(np.isnan(values).any(axis=1))
    # Nothing comes before leading blanks, and nothing is known after trailing ones.
    known = np.flatnonzero(~missing)
    if not known.size:
        if not faults:
            faults.add(f"{table.path.name}: {' or '.join(map(repr, names))} has no value in any row.")
        return values, table.lines[clock.order]
    inside = slice(known[0], known[-1] + 1)
    if cut := len(values) - (inside.stop - inside.start):
        notes.append(f"{cut:,} rows without a value at the beginning and the end are left out.")
    values, missing, places, order = values[inside], missing[inside], clock.places[inside], clock.order[inside]
    lost = int(places[-1] - places[0]) + 1 - len(places)
    if request.fill is None:
        if faults:  # values that could not be read are no missing ones
            return values, table.lines[order]
        _refuse_missing(table, clock, values, names, inside, faults)
        return values, table.lines[order]
    filled = lost + int(missing.sum())
    if filled > MOST_FILLED * (len(values) + lost):
        faults.add(
            f"{table.path.name}: {filled:,} of {len(values) + lost:,} values would have to be filled, more than "
            f"{MOST_FILLED:.0%}; resample the series to a longer step, or cut the part with the gaps."
        )
        return values, table.lines[order]
    if not filled:
        return values, table.lines[order]
    notes.append(f"{filled:,} missing values repeat the last one before them (FILL=last); no later value is used.")
    filled_values, source = _repeat_last(values, places)
    return filled_values, table.lines[order][source]


def _refuse_missing(
    table: Table, clock: Clock, values: FloatArray, names: tuple[str, ...], inside: slice, faults: Faults
) -> None:
    rows = np.flatnonzero(np.isnan(values).any(axis=1))
    if rows.size:
        name = names[int(np.argmax(np.isnan(values[rows[0]])))]
        faults.add(
            f"{table.place(int(clock.order[inside][rows[0]]))}: {name!r} has no value ({len(rows):,} such rows). "
            "FILL=last repeats the last value there; or fill or remove them yourself."
        )
    if (np.diff(clock.places[inside]) > 1).any():
        faults.add(gap_at(table, clock))


def _repeat_last(values: FloatArray, places: NDArray[np.int64]) -> tuple[FloatArray, NDArray[np.int64]]:
    """Values at every place of the grid, and the row that each place is at or after."""
    source = np.zeros(places[-1] - places[0] + 1, np.int64)
    source[places - places[0]] = np.arange(len(places))
    source = np.maximum.accumulate(source)
    filled = np.empty((len(source), values.shape[1]))
    for number, column in enumerate(values.T):
        last = np.maximum.accumulate(np.where(np.isnan(column), 0, np.arange(len(column))))
        filled[:, number] = column[last[source]]
    return filled, source


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


def _time_of(table: Table, time: tuple[str, ...], line: int) -> str:
    """The time of a row as it is written."""
    row = int(np.searchsorted(table.lines, line))
    return " ".join(str(table.columns[name][row]).removesuffix(".000000").replace("T00:00:00", "") for name in time)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _slug(column: str) -> str:
    """The column's name as part of a case id."""
    plain = unicodedata.normalize("NFKD", column).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:24].strip("_")
    return slug if slug[:1].isalpha() else f"series_{slug}".strip("_")
