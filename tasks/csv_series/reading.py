"""From a file to values in its own units: columns chosen, time checked, gaps handled as asked."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tasks.csv_series.clock import Clock, gap_at, no_clock, read_clock
from tasks.csv_series.columns import only_member, target_columns, time_columns
from tasks.csv_series.faults import Faults
from tasks.csv_series.request import Request, check_request
from tasks.csv_series.table import Table, read_table
from tasks.csv_series.values import to_numbers
from tasks.task import CsvSeriesError, FloatArray

Found = TypeVar("Found")

MOST_FILLED = 0.2
"""Share of filled values beyond which a result would speak of the filling."""


@dataclass(frozen=True)
class Values:
    """The rows of a series in the order of time, at even steps.

    Attributes
    ----------
    values
        Shape (rows, columns), in the file's units.
    targets, known, inputs
        Names of the columns, in that order: those to predict, those known beforehand, and those seen beside.
    lines
        Where each row stands in the file, that of the row before for a filled one, shape (rows,).
    time
        Names of the columns that its time is read from.
    step
        Time from row to row, in words.
    """

    values: FloatArray
    targets: tuple[str, ...]
    known: tuple[str, ...]
    inputs: tuple[str, ...]
    lines: NDArray[np.int64]
    time: tuple[str, ...]
    step: str
    table: Table
    member: str | None
    rows_in_file: int
    notes: list[str]

    def time_of(self, row: int) -> str:
        """The time of a row as the file has it; "" without one."""
        at = int(np.searchsorted(self.table.lines, self.lines[row]))
        texts = (str(self.table.columns[name][at]) for name in self.time)
        return " ".join(text.removesuffix(".000000").replace("T00:00:00", "") for text in texts)


def read_values(request: Request) -> Values:
    """Read a file.

    Raises
    ------
    CsvSeriesError
        Naming all that is wrong, where, and the remedies.
    """
    check_request(request)
    whole = read_table(request.path)
    notes = list(whole.notes)
    faults = Faults(request.path, whole.faults)
    table, member = only_member(whole, request, notes)
    time, clock = _clock(table, request, notes, faults)
    # What is wrong with the times is said together with what is wrong with the values.
    targets = _or_fault(faults, lambda: target_columns(table, request, time))
    if targets is None:
        faults.check()
    names = (*(targets or ()), *request.known, *request.inputs)
    values = np.column_stack([_column(table, name, request, faults) for name in names])[clock.order]
    values, lines = _evenly(table, clock, values, names, request, notes, faults)
    faults.check()
    if len(values) > request.rows:
        notes.append(f"Of {len(values):,} values the most recent {request.rows:,} are used (ROWS).")
        values, lines = values[-request.rows :], lines[-request.rows :]
    return Values(
        values=values,
        targets=targets or (),
        known=request.known,
        inputs=request.inputs,
        lines=lines,
        time=time,
        step=clock.step,
        table=table,
        member=member,
        rows_in_file=len(whole),
        notes=notes,
    )


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
