"""From a file to values in its own units: columns chosen, time checked, gaps handled as asked."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tasks.csv_series.clock import Clock, gap_at, no_clock, read_clock, read_stamps_of
from tasks.csv_series.columns import members, part, target_columns, time_columns
from tasks.csv_series.faults import Faults
from tasks.csv_series.request import Request, check_request
from tasks.csv_series.table import Table, read_table
from tasks.csv_series.values import to_numbers
from tasks.task import CsvSeriesError, FloatArray

Found = TypeVar("Found")

LEAST_OF_EACH = 50
"""Values of each series that are used, however many series there are."""
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
    starts, members
        First row of each series, and their names: (0,) and ("",) without a group.
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
    starts: tuple[int, ...]
    members: tuple[str, ...]
    time: tuple[str, ...]
    step: str
    table: Table
    rows_in_file: int
    notes: list[str]

    @property
    def blocks(self) -> list[slice]:
        """Rows of each series."""
        return [slice(a, b) for a, b in zip(self.starts, (*self.starts[1:], len(self.values)), strict=True)]

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
    rows_of = members(whole, request)
    # Others' faults are none of ours; of one time each series has a row, so its columns are looked for in one of them.
    table = part(whole, np.sort(np.concatenate(list(rows_of.values()))))
    rows_of = {name: np.searchsorted(table.lines, whole.lines[rows]) for name, rows in rows_of.items()}
    found = _or_fault(faults, lambda: time_columns(part(table, next(iter(rows_of.values()))), request, notes))
    time = found[0] if found else ()
    stamps = read_stamps_of(table, time, request.dayfirst) if time else None
    # What is wrong with the times is said together with what is wrong with the values.
    targets = _or_fault(faults, lambda: target_columns(table, request, time))
    names = (*targets, *request.known, *request.inputs) if targets else ()
    values = [_column(table, name, request, faults, list(rows_of.values())) for name in names]
    blocks: list[tuple[FloatArray, NDArray[np.int64]]] = []
    steps = []
    for rows in rows_of.values():
        here = part(table, rows)
        clock = no_clock(len(here))
        if stamps is not None:
            clock = read_clock(here, time, stamps.part(rows), faults, grouped=request.group is not None)
        notes += [note for note in clock.notes if note not in notes]
        steps.append(clock.step)
        if targets:
            own = np.column_stack([one[rows] for one in values])[clock.order]
            blocks.append(_evenly(here, clock, own, names, request, notes, faults))
    if len(set(steps)) > 1:
        faults.add(
            f"{request.path.name}: the series of {request.group!r} have different steps "
            f"({', '.join(sorted(set(steps)))}); choose those of one step with SERIES=a,b."
        )
    faults.check()
    most = max(LEAST_OF_EACH, request.rows // len(blocks))
    if any(len(one) > most for one, _ in blocks):
        of = f" of each of {len(blocks)} series" if len(blocks) > 1 else ""
        longest = max(len(one) for one, _ in blocks)
        notes.append(f"Of {longest:,} values the most recent {most:,}{of} are used (ROWS).")
    blocks = [(one[-most:], lines[-most:]) for one, lines in blocks]
    return Values(
        values=np.concatenate([one for one, _ in blocks]),
        targets=targets or (),
        known=request.known,
        inputs=request.inputs,
        lines=np.concatenate([lines for _, lines in blocks]),
        starts=tuple(int(one) for one in np.cumsum([0, *(len(one) for one, _ in blocks[:-1])])),
        members=tuple(rows_of),
        time=time,
        step=steps[0],
        table=table,
        rows_in_file=len(whole),
        notes=notes,
    )


def _or_fault(faults: Faults, find: Callable[[], Found]) -> Found | None:
    try:
        return find()
    except CsvSeriesError as error:
        faults.add(str(error))
        return None


def _column(table: Table, name: str, request: Request, faults: Faults, groups: list[NDArray[np.int64]]) -> FloatArray:
    option = "KNOWN" if name in request.known else "INPUTS" if name in request.inputs else "COLUMN"
    return to_numbers(
        table, name, faults, decimal=request.decimal, no_value=request.no_value, groups=groups, option=option
    )


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
