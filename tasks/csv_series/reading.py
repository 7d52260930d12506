"""From a file to values in its own units: columns chosen, time checked, gaps handled as asked."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tasks.csv_series.clock import Clock, gap_at, no_clock, read_clock, read_stamps_of
from tasks.csv_series.columns import members, part, refuse_times_as_columns, target_columns, time_columns
from tasks.csv_series.faults import Faults
from tasks.csv_series.request import Request, check_request
from tasks.csv_series.split import roles_of, says_what_trains
from tasks.csv_series.table import Table, read_table
from tasks.csv_series.values import holds_labels, to_labels, to_numbers
from tasks.task import CsvSeriesError, FloatArray

Found = TypeVar("Found")

MOST_NAMED = 6
"""Series that are named where many have missing values."""

LEAST_OF_EACH = 50
"""Values of each series that are used, however many series there are."""
MOST_FILLED = {"last": 0.2, "mask": 0.8}
"""Share of rows with a missing value beyond which a result would speak of the filling, or of hardly any row."""


@dataclass(frozen=True)
class Block:
    """One series on the even grid of time.

    Attributes
    ----------
    values
        Shape (rows, columns), as read.
    lines
        Line of each row, of the row before for a filled one, shape (rows,).
    present
        Whether a value was there, or is to count as such, shape (rows, columns).
    cut, filled
        Rows without a value at both ends that were left out, and rows within that were filled.
    """

    values: FloatArray
    lines: NDArray[np.int64]
    present: NDArray[np.bool_]
    cut: int = 0
    filled: int = 0


@dataclass(frozen=True)
class Values:
    """The rows of a series in the order of time, at even steps.

    Attributes
    ----------
    values
        Shape (rows, columns), in the file's units: what is to be predicted (of labels a column each, of 0 and 1), what
        is known beforehand, and what is seen beside. Flags of missing values, 1 where one is, are among the latter two.
    present
        Whether each was there, same shape; a missing one repeats the last.
    targets, known, inputs
        Names of the columns, in that order.
    labels
        Names of the labels to predict, most frequent first; () where numbers are.
    flags
        Names of those of `known` and `inputs` that are flags.
    lines
        Where each row stands in the file, that of the row before for a filled one, shape (rows,).
    roles
        What each row is for, as the column of SPLIT says (`tasks.csv_series.split`), shape (rows,); None without one.
    starts, members
        First row of each series, and their names: (0,) and ("",) without a group.
    time
        Names of the columns that its time is read from.
    step
        Time from row to row, in words.
    """

    values: FloatArray
    present: NDArray[np.bool_]
    targets: tuple[str, ...]
    known: tuple[str, ...]
    inputs: tuple[str, ...]
    labels: tuple[str, ...]
    flags: tuple[str, ...]
    lines: NDArray[np.int64]
    roles: NDArray[np.int8] | None
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

    @property
    def columns(self) -> tuple[str, ...]:
        """Name of each column of `values`; labels are their own."""
        return (*(self.labels or self.targets), *self.known, *self.inputs)

    @property
    def scaled(self) -> NDArray[np.bool_]:
        """Whether each column is scaled; labels and flags stay 0 and 1."""
        outputs = [not self.labels] * len(self.labels or self.targets)
        return np.array([*outputs, *(name not in self.flags for name in (*self.known, *self.inputs))])

    @property
    def outputs(self) -> int:
        """How many columns are to be predicted; of labels each is one."""
        return len(self.labels or self.targets)

    @property
    def counted(self) -> NDArray[np.bool_]:
        """Rows in which all that is to be predicted was there."""
        return np.asarray(self.present[:, : self.outputs].all(axis=1))

    def time_of(self, row: int) -> str:
        """The time of a row as the file has it; "" without one."""
        at = int(np.searchsorted(self.table.lines, self.lines[row]))
        texts = (str(self.table.columns[name][at]) for name in self.time)
        return " ".join(text.removesuffix(".000000").removesuffix("T00:00:00") for text in texts)


def read_values(request: Request) -> Values:
    """Read a file.

    Raises
    ------
    CsvSeriesError
        Naming all that is wrong, where, and the remedies.
    """
    check_request(request)
    whole = read_table(request.path)
    refuse_times_as_columns(whole, request)
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
    roles = _or_fault(faults, lambda: _roles(table, request, {*(targets or ()), *time}, notes))
    names = (*targets, *request.known, *request.inputs) if targets else ()
    labels = _or_fault(faults, lambda: _labels(table, targets or (), request, notes, faults))
    numbers = names[1:] if labels else names
    values = [labels[0]] if labels else []
    values += [_column(table, name, request, faults, notes, list(rows_of.values())) for name in numbers]
    blocks: list[Block] = []
    steps = []
    for name, rows in rows_of.items():
        here = part(table, rows)
        of = f" of {request.group} {name!r}" if request.group else ""
        clock = no_clock(len(here))
        if stamps is not None:
            clock = read_clock(here, time, stamps.part(rows), faults, grouped=request.group is not None)
        # What holds of hundreds of series is said of the first.
        told = {note.partition(" (")[0] for note in notes}
        notes += [note for note in clock.notes if note.partition(" (")[0] not in told]
        steps.append(clock.step)
        if targets:
            own = np.column_stack([one[rows] for one in values])[clock.order]
            blocks.append(_evenly(here, clock, own, names, request, faults, of))
    if len(set(steps)) > 1:
        faults.add(
            f"{request.path.name}: the series of {request.group!r} have different steps "
            f"({', '.join(sorted(set(steps)))}); choose those of one step with SERIES=a,b."
        )
    faults.check()
    notes += _of_blocks(dict(zip(rows_of, blocks, strict=True)), request)
    most = max(LEAST_OF_EACH, request.most_rows // len(blocks))
    if any(len(one.values) > most for one in blocks):
        of = f" of each of {len(blocks)} series" if len(blocks) > 1 else ""
        longest = max(len(one.values) for one in blocks)
        notes.append(f"Of {longest:,} values the most recent {most:,}{of} are used (ROWS).")
    blocks = [Block(one.values[-most:], one.lines[-most:], one.present[-most:]) for one in blocks]
    lines = np.concatenate([one.lines for one in blocks])
    laid = _spread(blocks, targets or (), labels[1] if labels else (), request)
    return Values(
        **laid,
        targets=targets or (),
        lines=lines,
        roles=None if roles is None else roles[np.searchsorted(table.lines, lines)],
        starts=tuple(int(one) for one in np.cumsum([0, *(len(one.values) for one in blocks[:-1])])),
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


def _roles(table: Table, request: Request, taken: set[str], notes: list[str]) -> NDArray[np.int8] | None:
    """What each row is for, as a column says; a note where one seems to say that and was not asked for."""
    if request.split_column:
        return roles_of(table, request.split_column, notes)
    taken |= {*request.inputs, *request.known, *([request.group] if request.group else [])}
    if found := next((name for name in table.columns if name not in taken and says_what_trains(table, name)), None):
        notes.append(f"{found!r} seems to say which rows train: SPLIT={found} splits the series as it says.")
    return None


def _labels(
    table: Table, targets: tuple[str, ...], request: Request, notes: list[str], faults: Faults
) -> tuple[FloatArray, tuple[str, ...]] | None:
    """Codes and names of the labels to predict; None where numbers are to be predicted."""
    if request.labels and len(targets) > 1:
        raise CsvSeriesError(f"LABELS=yes predicts one column, not {len(targets)} ({', '.join(targets)}); name one.")
    if len(targets) != 1 or not holds_labels(table, targets[0], request.labels):
        return None
    codes, names = to_labels(table, targets[0], request.no_value, faults)
    if request.labels is None:
        notes.append(
            f"{targets[0]!r} is text: one of {len(names)} labels is predicted ({', '.join(names[:6])}"
            f"{', ...' if len(names) > 6 else ''}); LABELS=no if they should be numbers."
        )
    return codes, names


def _spread(blocks: list[Block], targets: tuple[str, ...], labels: tuple[str, ...], request: Request) -> dict[str, Any]:
    """Columns of `Values` and their names: a column for each label, and one for each that has missing values."""
    values = np.concatenate([one.values for one in blocks])
    present = np.concatenate([one.present for one in blocks])
    firsts = np.cumsum([len(targets), len(request.known)])
    own, known, beside = np.split(values, firsts, axis=1)
    own_there, known_there, beside_there = np.split(present, firsts, axis=1)
    own = np.eye(len(labels))[own[:, 0].astype(int)] if labels else own

    def flagged(names: tuple[str, ...], there: NDArray[np.bool_]) -> tuple[tuple[str, ...], FloatArray]:
        some = np.asarray(~there.all(axis=0))
        flags = tuple(f"{name} missing" for name, has in zip(names, some, strict=True) if has)
        return flags, (~there[:, some]).astype(np.float64)

    of_known, known_flags = flagged(request.known, known_there)
    # Where the past is not seen, it is not seen either when it was there.
    own_names, own_seen = (targets, own_there) if request.past else ((), own_there[:, :0])
    of_beside, beside_flags = flagged((*own_names, *request.inputs), np.column_stack([own_seen, beside_there]))
    return {
        "values": np.column_stack([own, known, known_flags, beside, beside_flags]),
        "present": np.column_stack(
            [
                np.repeat(own_there, max(1, len(labels)), axis=1),
                known_there,
                known_flags >= 0,
                beside_there,
                beside_flags >= 0,
            ]
        ),
        "known": (*request.known, *of_known),
        "inputs": (*request.inputs, *of_beside),
        "labels": labels,
        "flags": (*of_known, *of_beside),
    }


def _column(
    table: Table, name: str, request: Request, faults: Faults, notes: list[str], groups: list[NDArray[np.int64]]
) -> FloatArray:
    option = "KNOWN" if name in request.known else "INPUTS" if name in request.inputs else "COLUMN"
    return to_numbers(
        table, name, faults, notes, decimal=request.decimal, no_value=request.no_value, groups=groups, option=option
    )


def _evenly(
    table: Table,
    clock: Clock,
    values: FloatArray,
    names: tuple[str, ...],
    request: Request,
    faults: Faults,
    of: str,
) -> Block:
    """Values on the even grid of time, filled as asked; `of` names the series of several in messages."""
    missing = np.asarray(np.isnan(values).any(axis=1))
    # Nothing comes before leading blanks, and nothing is known after trailing ones.
    known = np.flatnonzero(~missing)
    if not known.size:
        if not faults:
            faults.add(f"{table.path.name}: {' or '.join(map(repr, names))} has no value in any row{of}.")
        return Block(values, table.lines[clock.order], ~np.isnan(values))
    inside = slice(known[0], known[-1] + 1)
    cut = len(values) - (inside.stop - inside.start)
    values, missing, places, order = values[inside], missing[inside], clock.places[inside], clock.order[inside]
    lost = int(places[-1] - places[0]) + 1 - len(places)
    as_it_is = Block(values, table.lines[order], ~np.isnan(values), cut)
    if request.fill is None:
        if not faults:  # values that could not be read are no missing ones
            _refuse_missing(table, clock, values, names, inside, faults, of)
        return as_it_is
    filled = lost + int(missing.sum())
    if filled > MOST_FILLED[request.fill] * (len(values) + lost):
        faults.add(
            f"{table.path.name}: {filled:,} of {len(values) + lost:,} values{of} are missing, more than "
            f"{MOST_FILLED[request.fill]:.0%}; resample the series to a longer step, or cut the part with the gaps"
            f"{', or choose others with SERIES=a,b' if of else ''}."
        )
        return as_it_is
    if not filled:
        return as_it_is
    filled_values, source, present = _repeat_last(values, places)
    return Block(filled_values, table.lines[order][source], present | (request.fill == "last"), cut, filled)


def _of_blocks(blocks: dict[str, Block], request: Request) -> Iterator[str]:
    """Say what was left out and filled, of all series together, and which ones have most of it."""
    cut, filled = sum(one.cut for one in blocks.values()), sum(one.filled for one in blocks.values())
    if cut:
        most = _most({name: (one.cut, one.cut + len(one.values)) for name, one in blocks.items()})
        yield f"Left out: {_counted(cut, 'row')} without a value at the beginning and the end{most}."
    if filled:
        told = "no later value is used" if request.fill == "last" else "flagged, and not predicted"
        repeat = "repeats" if filled == 1 else "repeat"
        most = _most({name: (one.filled, len(one.values)) for name, one in blocks.items()})
        what = _counted(filled, "missing value")
        yield f"{what} {repeat} the last one before (FILL={request.fill}); {told}{most}."


def _most(of_each: dict[str, tuple[int, int]]) -> str:
    """Of several series those with the largest share of rows, given how many of how many; "" of one."""
    having = sorted(
        (name for name, (n, _) in of_each.items() if n), key=lambda name: -of_each[name][0] / of_each[name][1]
    )
    if len(of_each) < 2:
        return ""
    listed = ", ".join(f"{name!r} {of_each[name][0]:,} ({_share(*of_each[name])})" for name in having[:MOST_NAMED])
    rest = f", {len(having) - MOST_NAMED} others less" if len(having) > MOST_NAMED else ""
    return f", in {len(having)} of {len(of_each)} series: {listed}{rest}"


def _share(number: int, of: int) -> str:
    return f"{number / of:.0%}" if number / of >= 0.01 else "below 1%"


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _refuse_missing(
    table: Table,
    clock: Clock,
    values: FloatArray,
    names: tuple[str, ...],
    inside: slice,
    faults: Faults,
    of: str,
) -> None:
    rows = np.flatnonzero(np.isnan(values).any(axis=1))
    if rows.size:
        name = names[int(np.argmax(np.isnan(values[rows[0]])))]
        place, count = table.place(int(clock.order[inside][rows[0]])), _counted(len(rows), "such row")
        faults.add(
            f"{place}: {name!r} has no value ({count}{of}). "
            "FILL=last repeats the last value there, FILL=mask predicts nothing there; or fill or remove them yourself."
        )
    if (np.diff(clock.places[inside]) > 1).any():
        faults.add(gap_at(table, clock))


def _repeat_last(
    values: FloatArray, places: NDArray[np.int64]
) -> tuple[FloatArray, NDArray[np.int64], NDArray[np.bool_]]:
    """Values at every place of the grid, the row that each place is at or after, and which values were there."""
    source = np.zeros(places[-1] - places[0] + 1, np.int64)
    source[places - places[0]] = np.arange(len(places))
    source = np.maximum.accumulate(source)
    filled = np.empty((len(source), values.shape[1]))
    present = np.zeros(filled.shape, bool)
    present[places - places[0]] = ~np.isnan(values)
    for number, column in enumerate(values.T):
        last = np.maximum.accumulate(np.where(np.isnan(column), 0, np.arange(len(column))))
        filled[:, number] = column[last[source]]
    return filled, source, present
