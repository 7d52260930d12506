"""Checks the time of a series: parsed, sorted, without duplicates, in even steps; gaps counted."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.csv_series.table import Table
from tasks.csv_series.values import is_missing, is_number, missing
from tasks.task import CsvSeriesError

FORMATS = (
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%d/%m/%Y",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y",
    "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y %I:%M %p",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d",
    "%Y%m%d",
    "%Y-%m",
)
"""Ways of writing a time that are tried after ISO 8601."""

TOLERANCE = 0.01
"""Share of a step by which a time may be off: clocks jitter, and decimal fractions of numbers are not exact."""

MOST = 0.8
"""Share of a sample that reads as times in a column of times."""

UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
NO_TIME = "TIME=none takes the rows as even steps"


@dataclass(frozen=True)
class Clock:
    """The order of rows in time.

    Attributes
    ----------
    order
        Row of the table at each known time, earliest first, shape (n,).
    places
        Place of each of them on the even grid of time, shape (n,), from 0; a jump of more than 1 is a gap.
    step
        Its step in words.
    """

    order: NDArray[np.int64]
    places: NDArray[np.int64]
    step: str
    notes: list[str] = field(default_factory=list)


def no_clock(rows: int) -> Clock:
    """Take the rows as they stand for even steps."""
    return Clock(np.arange(rows), np.arange(rows), "row")


def looks_like_time(values: NDArray[Any]) -> bool:
    """Whether a sample of values are times rather than numbers or other text."""
    if values.dtype.kind == "M":
        return True
    texts = [text for value in values if not is_missing(text := str(value).strip())]
    if not texts or any(map(is_number, texts)):
        return False
    # Most is enough: a time that cannot be read is an error later, and no reason to do without times.
    sample = pd.Series(texts, dtype=object)
    return any(_try(sample, how).notna().mean() >= MOST for how in ("ISO8601", *FORMATS))


def read_clock(table: Table, name: str) -> Clock:
    """Check the times of a table's rows.

    Raises
    ------
    CsvSeriesError
        Naming the first time that is missing, unreadable, there twice or out of step, with the remedy.
    """
    stamps = _parse(table, name)
    order = np.argsort(stamps, kind="stable")
    notes = []
    if (backwards := np.flatnonzero(np.diff(stamps.astype(np.int64) if _dated(stamps) else stamps) < 0)).size:
        notes.append(
            f"The rows were not in the order of time ({table.place(int(backwards[0]) + 1)} is the first that is "
            "earlier than the one before it); they were sorted."
        )
    times = stamps[order]
    gaps = np.diff(times).astype(np.float64)
    if (twice := np.flatnonzero(gaps == 0)).size:
        first, again = sorted(int(order[twice[0] + i]) for i in (0, 1))
        raise CsvSeriesError(
            f"{table.place(again)}: the time {_show(times[twice[0]])} is already in line {table.lines[first]}"
            f"{f' ({len(twice):,} such rows)' if len(twice) > 1 else ''}. " + _why_twice(times, twice)
        )
    counts, step = _steps(times, gaps)
    if counts is None:
        where = int(np.argmax(np.abs(gaps - np.median(gaps)) > TOLERANCE * np.median(gaps)))
        raise CsvSeriesError(
            f"{table.place(int(order[where + 1]))}: {name!r} goes from {_show(times[where])} to "
            f"{_show(times[where + 1])}, where the usual step is {step}. The steps are irregular; resample the series "
            f"to even ones, or {NO_TIME}."
        )
    return Clock(order, np.concatenate([[0], np.cumsum(counts)]), step, notes)


def gap_at(table: Table, clock: Clock) -> str:
    """Say where the first gap is, and what may be done; for a series with one."""
    jump = np.diff(clock.places)
    at = int(np.argmax(jump > 1))
    lost = int((jump - 1).sum())
    return (
        f"{table.place(int(clock.order[at + 1]))}: {int(jump[at]) - 1:,} step{'s' if jump[at] > 2 else ''} of one "
        f"{clock.step} missing before it"
        f"{f' ({lost:,} in all)' if lost > jump[at] - 1 else ''}. FILL=last repeats the last value there (local time "
        f"loses an hour each spring: write it in UTC), or {NO_TIME}."
    )


def _parse(table: Table, name: str) -> NDArray[Any]:
    """Times as datetime64[us] in UTC, or float64 where they are numbers, shape (n,)."""
    raw = table.column(name, "TIME")
    if raw.dtype.kind in "iuf":
        stamps = raw.astype(np.float64)
        _check(table, name, ~np.isfinite(stamps), raw)
        return stamps
    if raw.dtype.kind == "M":
        _check(table, name, np.isnat(raw), raw)
        return raw.astype("datetime64[us]")
    texts = pd.Series([str(value).strip() for value in raw], dtype=object)
    _check(table, name, missing(texts), raw)
    numbers = pd.to_numeric(texts, errors="coerce")
    if numbers.notna().all() and not texts.str.fullmatch(r"(?:19|20)\d{6}").all():  # 20240131 is a date
        return numbers.to_numpy(np.float64)
    found = _candidates(texts)
    if not found:
        # Whichever way reads most names the value that it cannot read.
        parsed = max((_try(texts, how) for how in ("ISO8601", *FORMATS)), key=lambda one: int(one.notna().sum()))
        _check(table, name, parsed.isna().to_numpy(), raw)
    best = max(found, key=_evenness) if len(found) > 1 else found[0]
    rival = [one for one in found if not one.equals(best) and _evenness(one) == _evenness(best)]
    if rival:
        row = int(np.flatnonzero((best != rival[0]).to_numpy())[0])
        raise CsvSeriesError(
            f"{table.place(row)}: {name!r} is {texts[row]!r}, which may be {best[row]:%Y-%m-%d} or "
            f"{rival[0][row]:%Y-%m-%d}; write times as year-month-day."
        )
    return best.to_numpy().astype("datetime64[us]")


def _candidates(texts: pd.Series) -> list[pd.Series]:
    """Every reading of the texts that reads all of them; ISO 8601 alone where it does, since it is unambiguous."""
    iso = _try(texts, "ISO8601")
    if iso.notna().all():
        return [iso]
    head = texts[:100]
    return [whole for how in FORMATS if _try(head, how).notna().all() and (whole := _try(texts, how)).notna().all()]


def _try(texts: pd.Series, how: str) -> pd.Series:
    # Offsets from UTC may change within a file; without the zone numpy can hold it.
    return pd.to_datetime(texts, format=how, errors="coerce", utc=True).dt.tz_convert(None)


def _evenness(stamps: pd.Series) -> float:
    """Share of steps that are the most frequent one: days taken for months make ragged steps."""
    steps = np.diff(np.sort(stamps.to_numpy().astype("datetime64[us]").astype(np.int64)))
    return float(np.unique(steps, return_counts=True)[1].max() / len(steps)) if len(steps) else 1.0


def _check(table: Table, name: str, bad: NDArray[np.bool_], raw: NDArray[Any]) -> None:
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        text = "" if raw[row] is None else str(raw[row])
        told = "empty" if is_missing(text) else f"{text[:40]!r}, which is no time like the others"
        raise CsvSeriesError(
            f"{table.place(row)}: {name!r} is {told}; mend or remove that row, write times as "
            f"2024-01-31 18:30, or {NO_TIME}."
        )


def _steps(times: NDArray[Any], gaps: NDArray[np.float64]) -> tuple[NDArray[np.int64] | None, str]:
    """Steps between neighbours in units of the usual one, shape (n - 1,), None if irregular; and that step in words."""
    if not len(gaps):
        return np.zeros(0, np.int64), "step"
    usual = float(np.median(gaps))
    words = _in_words(usual) if _dated(times) else f"{usual:g}"
    if (counts := _whole(gaps / usual)) is not None and not (_dated(times) and _weekdays_only(times, usual)):
        return counts, words
    if not _dated(times):
        return None, words
    days = times.astype("datetime64[D]")
    if _weekdays_only(times, usual) and (days == times).all():
        return np.busday_count(days[:-1], days[1:]).astype(np.int64), "working day"
    months = np.diff(times.astype("datetime64[M]").astype(np.int64)).astype(np.float64)
    # A month has 28 to 31 days; within each, the day must be the same, or its last.
    within = (days - times.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64)
    if months.min() > 0 and (np.ptp(within) == 0 or within.min() >= 27):
        unit = float(np.median(months))
        if (counts := _whole(months / unit)) is not None:
            return counts, "month" if unit == 1 else f"{unit:g} months"
    return None, words


def _whole(steps: NDArray[np.float64]) -> NDArray[np.int64] | None:
    counts = np.rint(steps)
    if (counts < 1).any() or (np.abs(steps - counts) > TOLERANCE).any():
        return None
    return counts.astype(np.int64)


def _weekdays_only(times: NDArray[Any], usual: float) -> bool:
    """Whether daily times leave out every weekend."""
    if usual != 86_400e6 or len(times) < 10:
        return False
    return bool(np.is_busday(times.astype("datetime64[D]")).all())


def _why_twice(times: NDArray[Any], twice: NDArray[np.int64]) -> str:
    # The hour that local clocks repeat when summer time ends: few rows, in autumn, at night.
    autumn = [_dated(times) and str(times[i])[5:7] in {"03", "04", "09", "10", "11"} for i in twice]
    if all(autumn) and len(twice) <= 0.001 * len(times) + 4:
        return (
            "If local time was set back there, write times in UTC or with their offset (2024-10-27T02:30+01:00); "
            "else remove one of the two."
        )
    return (
        "If the file holds several series, name the column that tells them apart, as in GROUP=station; else remove one "
        f"of the two, or {NO_TIME}."
    )


def _dated(times: NDArray[Any]) -> bool:
    return times.dtype.kind == "M"


def _in_words(microseconds: float) -> str:
    seconds = microseconds / 1e6
    for size, name in UNITS:
        if seconds >= size and seconds % size == 0:
            count = int(seconds // size)
            return name if count == 1 else f"{count} {name}s"
    return f"{seconds:g} seconds"


def _show(time: Any) -> str:
    if not isinstance(time, np.datetime64):
        return f"{float(time):g}"
    text = str(time).replace("T", " ")
    text = text.removesuffix(".000000").removesuffix(":00")
    return text.removesuffix(" 00:00")
