"""Which rows and columns of a table make the series."""

import re
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.csv_series.clock import DIGITS, PARTS, Stamps, read_stamps_of, repeats
from tasks.csv_series.layout import INDEX, kind
from tasks.csv_series.request import Request
from tasks.csv_series.table import Table
from tasks.csv_series.times import ZONES
from tasks.csv_series.written import is_missing, is_number, missing, texts_of
from tasks.task import CsvSeriesError

SAMPLE = 50
NUMBERING = {"no", "nr", "id", "row"}
YEAR = r"(?:1[5-9]|20)\d\d"
LEAST_WIDE = 12
"""Columns named like times from which on each row of a table is a series."""
LIKE_SERIES = 3
"""Columns of numbers, named alike but for a number, that are rather series of their own."""
MOST = 0.8
"""Share of a sample that reads as times in a column of times."""
NO_TIME_COLUMN = "none"
TIME_NAMES = (INDEX, "time", "timestamp", "datetime", "date", "year", "unix", "epoch", "ts", "t", "ds")
"""Names of columns whose numbers are times."""
OF_AN_OBJECT = re.compile(r"\.(seconds|\$date|\$date\.\$numberlong)$")
"""Endings of times that are objects in JSON, as protocol buffers and databases write them."""
TIME_WORDS = {"time", "timestamp", "datetime", "date", "datum", "fecha", "zeit", "zeitstempel", "heure", "tid", "dato"}
"""Words in the names of columns that should hold times."""
DAY_WORDS = TIME_WORDS | {"yyyymmdd", "yyyymm", "ymd", "yearmonth", "day", "month"}
CLOCK_WORDS = PARTS["hour"] | {"time", "zeit", "uhrzeit", "hora", "hour_of_day", "hhmm"}
CLOCK_TIME = re.compile(r"\d{1,2}[:.h]\d\d(?:[:.]\d\d(?:[.,]\d+)?)?(?:\s*[ap]\.?m\.?)?", re.IGNORECASE)


def members(table: Table, request: Request) -> dict[str, NDArray[np.int64]]:
    """Rows of each series that is asked for, by its name in the file; one named "" without a group."""
    if request.group is None:
        return {"": np.arange(len(table))}
    texts = texts_of(table.column(request.group, "GROUP"))
    if request.member is None and (without := np.flatnonzero(missing(texts))).size:
        count = f" ({len(without):,} such rows)" if len(without) > 1 else ""
        raise CsvSeriesError(
            f"{table.place(int(without[0]))}: {request.group!r} is empty{count}, so that the row belongs to no series; "
            "mend or remove it, or choose series with SERIES=a,b."
        )
    labels = texts.to_numpy()
    names, which = np.unique(labels, return_inverse=True)
    known = [str(name) for name in names]
    asked = known if request.member is None else _listed(request.member, known)
    for name in asked:
        if name not in known:
            raise CsvSeriesError(
                f"{request.group!r} of {table.path.name} is never {name!r}; SERIES is one of: {_some(known)}."
            )
    return {name: np.flatnonzero(which == known.index(name)) for name in asked}


def part(table: Table, rows: NDArray[np.int64]) -> Table:
    """Some rows of a table."""
    return replace(table, columns={name: one[rows] for name, one in table.columns.items()}, lines=table.lines[rows])


def time_columns(table: Table, request: Request, notes: list[str]) -> tuple[tuple[str, ...], Stamps | None]:
    """Names of the columns of times, asked for or found, and the times; none where rows are taken as even steps.

    Raises
    ------
    CsvSeriesError
        If a column that was asked for is not there, or one named like a time cannot be read as one.
    """
    if request.time == NO_TIME_COLUMN:
        return (), None
    if request.time is not None:
        names = (request.time,) if request.time in table.columns else _split(request.time)
        return names, read_stamps_of(table, names, request.dayfirst)
    asked = _named(table, request.column)
    taken = {*asked, request.group, request.split_column, *request.inputs, *request.known}
    free = [name for name in table.columns if name not in taken]
    times = [name for name in free if _looks_like_time(table, name)]
    # One that is the same in all rows tells when the file was made, or where it begins.
    for name in [name for name in times if not _constant(table, name)] or times:
        return _with_partner(table, name, free, request, notes)
    if parts := _parts_of_time(free):
        stamps = read_stamps_of(table, parts, request.dayfirst)
        if stamps.unreadable.mean() <= 1 - MOST:
            notes.append(f"The time was put together from {', '.join(parts)}.")
            return parts, stamps
    for name in free:  # numbers may be times too, where their name says so
        if OF_AN_OBJECT.sub("", name.lower()) in TIME_NAMES and is_numeric(table.columns[name]):
            return (name,), read_stamps_of(table, (name,), request.dayfirst)
    _refuse_unread(table, free)
    notes.append(
        "No column of times was found, so the rows are taken as even steps, in the order of the file (TIME=...)."
    )
    return (), None


def refuse_times_as_columns(table: Table, request: Request) -> None:
    """Refuse a table whose columns are times: each of its rows is a series.

    Raises
    ------
    CsvSeriesError
        Naming the columns and the remedy.
    """
    names = [name.strip() for name in table.columns]
    times = [name for name in names if re.fullmatch(YEAR, name) or kind(name) == "time"]
    if len(times) < max(LEAST_WIDE, len(names) / 2) or (request.column and request.column not in times):
        return
    others = [name for name in names if name not in times]
    raise CsvSeriesError(
        f"{table.path.name}: {len(times):,} of its {len(names):,} columns are times ({', '.join(times[:3])}, ...), so "
        f"each row is a series. Make rows of them, as pandas' melt(id_vars={others[:6]}) does; then TIME=... is the "
        "new column of times, COLUMN=... that of values and GROUP=... what tells the series apart."
    )


def _constant(table: Table, name: str) -> bool:
    values = table.columns[name]
    return bool((values == values[0]).all())


def _refuse_unread(table: Table, free: list[str]) -> None:
    """Refuse a column named like a time that is none: rows in the order of the file may not be in that of time."""
    for name in free:
        if _words(name) & TIME_WORDS and not is_numeric(table.columns[name]):
            text = next((str(value) for value in table.columns[name] if not is_missing(str(value))), "")
            raise CsvSeriesError(
                f"{table.path.name}: {name!r} seems to hold times and is {text[:40]!r}, which cannot be read as one; "
                "write times as 2024-01-31 18:30, name another column with TIME=..., or TIME=none takes the rows as "
                "even steps, in the order of the file."
            )


def target_columns(table: Table, request: Request, time: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the columns to predict: asked for, or the only one that holds numbers."""
    for option, names in (("INPUTS", request.inputs), ("KNOWN", request.known)):
        for name in names:
            table.column(name, option)
    if asked := _named(table, request.column):
        for name in asked:
            table.column(name, "COLUMN")
            if name in request.inputs and request.past:
                raise CsvSeriesError(f"INPUTS names {name!r}, whose own past is always seen; leave it out there.")
            if name in {*request.inputs, *request.known}:
                raise CsvSeriesError(f"{name!r} is to be predicted and cannot be seen; leave it out of the inputs.")
        return asked
    taken = {*time, INDEX, request.group, request.split_column, *request.inputs, *request.known}
    numeric = [name for name, values in table.columns.items() if name not in taken and is_numeric(values)]
    if len(numeric) == 1:
        return (numeric[0],)
    candidates = numeric or [name for name in table.columns if name not in taken] or list(table.columns)
    told = "several columns hold numbers" if numeric else "no column holds numbers"
    # What numbers the rows or the parts of a date is hardly what one wants to predict.
    likely = [name for name in candidates if not any(name.lower() in known for known in PARTS.values())] or candidates
    changing = [name for name in likely if len({str(value) for value in table.columns[name][:SAMPLE]}) > 1] or likely
    example = next((name for name in changing if name.lower() not in NUMBERING), changing[0])
    stems = {re.sub(r"\d+", "", name) for name in numeric if name.lower() not in NUMBERING}
    stack = (
        " If each is a series of its own, or a time, make one column of them, as pandas' melt does; GROUP=... then "
        "names the series."
    )
    raise CsvSeriesError(
        f"{table.path.name}: {told}; say which one to predict, as in COLUMN={_quoted(example)}. Columns: "
        f"{_some(candidates, 24)}.{stack if len(numeric) >= LIKE_SERIES and len(stems) == 1 else ''}"
    )


def is_numeric(values: NDArray[Any]) -> bool:
    """Whether most of a sample of a column are numbers."""
    sample = values[:SAMPLE]
    if sample.dtype.kind != "O":
        return sample.dtype.kind in "iuf"
    texts = [str(value) for value in sample if value is not None and not is_missing(str(value))]
    return bool(texts) and sum(map(is_number, texts)) > len(texts) / 2


def _looks_like_time(table: Table, name: str) -> bool:
    """Whether a sample of a column are times rather than numbers or other text."""
    values = table.columns[name][:SAMPLE]
    if values.dtype.kind == "M":
        return True
    texts = [text for value in values if not is_missing(text := str(value).strip())]
    if not texts:
        return False
    if all(re.fullmatch(DIGITS, text) for text in texts):
        return bool(_words(name) & DAY_WORDS) and not _of_sample(table, name, len(texts))
    if any(map(is_number, texts)):
        return False
    # Most is enough: a time that cannot be read is a fault later, and no reason to do without times.
    return _of_sample(table, name, len(texts)) <= (1 - MOST) * len(texts)


def _of_sample(table: Table, name: str, count: int) -> int:
    """How many texts of a sample are no times."""
    sample = replace(table, columns={name: table.columns[name][:SAMPLE]}, lines=table.lines[:SAMPLE])
    return count - int((~read_stamps_of(sample, (name,)).unreadable).sum())


def _with_partner(
    table: Table, name: str, free: list[str], request: Request, notes: list[str]
) -> tuple[tuple[str, ...], Stamps]:
    """Times of a column of dates, with the column of hours or zones beside it where dates alone are there twice."""
    alone = read_stamps_of(table, (name,), request.dayfirst)
    if twice := repeats(alone):
        for other in free:
            if other == name or not _completes(table, other):
                continue
            both = read_stamps_of(table, (name, other), request.dayfirst)
            if both.unreadable.sum() <= alone.unreadable.sum() and repeats(both) < twice:
                notes.append(f"The time was put together from {name} and {other} (TIME={_quoted(f'{name},{other}')}).")
                return (name, other), both
    return (name,), alone


def _completes(table: Table, name: str) -> bool:
    """Whether a column holds the time of day, the hour or the zone."""
    texts = [text for value in table.columns[name][:SAMPLE] if not is_missing(text := str(value).strip())]
    if not texts:
        return False
    if all(map(CLOCK_TIME.fullmatch, texts)) or all(text.lower() in ZONES for text in texts):
        return True
    hours = all(text.removesuffix(".0").isdecimal() and float(text) <= 2400 for text in texts)
    return hours and (name.lower() in CLOCK_WORDS or bool(_words(name) & CLOCK_WORDS))


def _parts_of_time(free: list[str]) -> tuple[str, ...]:
    """Columns named year, month, day, hour: as many as there are, from the year down."""
    found: dict[str, str] = {}
    for part, known in PARTS.items():
        for name in free:
            if name.lower() in known and part not in found:
                found[part] = name
    if "year" not in found or not {"month", "day of the year"} & found.keys():
        return ()
    if "day of the year" in found:
        found.pop("month", None)
        found.pop("day", None)
    elif "day" not in found:
        found.pop("hour", None)
    if "hour" not in found:
        found.pop("minute", None)
    return tuple(found.values())


def _words(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]?[a-zà-ÿ]+|[A-ZÀ-Þ]+(?![a-zà-ÿ])", name)} | {name.lower()}


def _named(table: Table, text: str | None) -> tuple[str, ...]:
    return () if text is None else _listed(text, table.columns)


def _listed(text: str, known: Collection[str]) -> tuple[str, ...]:
    """Names of an option: the one of that very name, or those between commas."""
    return (text,) if text in known else _split(text)


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[\w.,-]+", name) else f"'{name}'"


def _some(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
