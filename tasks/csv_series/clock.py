"""The time of each row: put together from its columns, sorted, without duplicates, in even steps; gaps counted."""

import re
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.csv_series.faults import Faults
from tasks.csv_series.table import Table
from tasks.csv_series.times import ZONED, read_stamps
from tasks.csv_series.written import missing, texts_of

TOLERANCE = 0.01
"""Share of a step by which a time may be off: clocks jitter, and decimal fractions of numbers are not exact."""

UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
STEPS_OF_AN_HOUR = {"hour": 1, "30 minutes": 2, "20 minutes": 3, "15 minutes": 4, "10 minutes": 6, "5 minutes": 12}
NO_TIME = "TIME=none takes the rows as even steps"
POINTED = r"\d{1,2}\.\d{1,2}\.\d"
DIGITS = r"(?:19|20)\d{4}(?:\d\d){0,4}"
"""A date in digits alone: 202001, 20200131, 2020013118 and so on."""

SPREADSHEET_DAYS = (20_000, 80_000)
"""Days since 1899-12-30, as spreadsheets count them: the years 1954 to 2119."""
YEARS = 1000, 2999
"""Whole numbers that are years, in a column of that name."""

LEAST_REPEATED = 0.1
"""Share of rows whose time an earlier row has, where a file holds several series."""

PARTS = {
    "year": {"year", "yr", "yyyy", "yy", "jahr", "año", "ano", "anno", "annee", "année"},
    "month": {"month", "mo", "mon", "mm", "mnth", "mes", "monat", "mois", "m"},
    "day": {"day", "dy", "dd", "dia", "día", "tag", "jour", "d"},
    "day of the year": {"doy", "dayofyear", "day_of_year", "yday"},
    "hour": {"hour", "hr", "hh", "hora", "stunde", "heure", "h"},
    "minute": {"minute", "min", "mi", "mn"},
}
"""Names of columns that hold a part of a time."""


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


@dataclass(frozen=True)
class Stamps:
    """Times as read.

    Attributes
    ----------
    times
        datetime64[us] in UTC, or float64 where they are numbers, shape (rows,); NaT or nan where unreadable.
    texts
        As they are written, shape (rows,).
    month_first
        Another meaning, with the month before the day.
    """

    times: NDArray[Any]
    texts: pd.Series
    month_first: pd.Series | None = None
    notes: list[str] = field(default_factory=list)

    def part(self, rows: NDArray[np.int64]) -> "Stamps":
        """Those of some rows."""
        other = None if self.month_first is None else self.month_first.iloc[rows].reset_index(drop=True)
        return replace(
            self, times=self.times[rows], texts=self.texts.iloc[rows].reset_index(drop=True), month_first=other
        )

    @property
    def unreadable(self) -> NDArray[np.bool_]:
        """Which rows have no time, shape (rows,)."""
        return np.asarray(pd.isna(self.times))


def no_clock(rows: int) -> Clock:
    """Take the rows as they stand for even steps."""
    return Clock(np.arange(rows), np.arange(rows), "row")


def read_stamps_of(table: Table, names: tuple[str, ...], dayfirst: bool | None = None) -> Stamps:
    """Read the times of a table's rows from one column or several.

    Parameters
    ----------
    names
        A column of times; or a column of dates and one with the time of day, the hour or the zone; or columns named
        like the parts of a time.
    dayfirst
        Whether the day comes before the month where both readings fit; None to leave that open, but for dates with
        points: where they are written, the day comes first.
    """
    raw = table.column(names[0], "TIME")
    if len(names) == 1 and raw.dtype.kind in "iuf":
        return _of_numbers(raw.astype(np.float64), texts_of(raw), names[0])
    if len(names) == 1 and raw.dtype.kind == "M":
        return Stamps(raw.astype("datetime64[us]"), texts_of(raw))
    texts = _joined(table, names)
    empty = missing(texts)
    numbers = pd.to_numeric(texts, errors="coerce").where(~empty)
    if len(names) == 1 and numbers[~empty].notna().all() and not texts[~empty].str.fullmatch(DIGITS).all():
        return _of_numbers(numbers.to_numpy(np.float64), texts, names[0])
    stamps, other = read_stamps(texts)
    if other is not None and (dayfirst is not None or texts[~empty].str.match(POINTED).all()):
        stamps, other = (other if dayfirst is False else stamps), None
    return Stamps(stamps.to_numpy().astype("datetime64[us]"), texts, other)


def read_clock(table: Table, names: tuple[str, ...], stamps: Stamps, faults: Faults, *, grouped: bool) -> Clock:
    """Check the times of a table's rows, adding what is wrong with them to the faults; those rows are left out.

    Parameters
    ----------
    grouped
        Whether the rows are those of one series of several.
    """
    name = ",".join(names)
    readable = np.flatnonzero(~stamps.unreadable)
    _check(table, name, stamps, faults)
    if stamps.month_first is not None:
        other = stamps.month_first.to_numpy().astype("datetime64[us]")
        row = int(np.argmax((stamps.times != other) & ~stamps.unreadable))
        faults.add(
            f"{table.place(row)}: {name!r} is {stamps.texts[row]!r}, which may be {_show(stamps.times[row])[:10]} or "
            f"{_show(other[row])[:10]}, and no value of the column settles it; say DAYFIRST=yes or DAYFIRST=no."
        )
    if len(readable) < 2 or stamps.month_first is not None or _some_with_a_zone(table, name, stamps, faults):
        return Clock(readable, np.arange(len(readable)), "step", list(stamps.notes))
    known = stamps.times[readable]
    order = np.argsort(known, kind="stable")
    notes = list(stamps.notes)
    if (backwards := np.flatnonzero(np.diff(known.astype(np.int64) if _dated(known) else known) < 0)).size:
        notes.append(
            f"The rows were not in the order of time ({table.place(int(readable[backwards[0] + 1]))} is the first that "
            "is earlier than the one before it); they were sorted."
        )
    times, order = known[order], readable[order]
    if (twice := np.flatnonzero(times[1:] == times[:-1])).size:
        first, again = sorted(int(order[twice[0] + i]) for i in (0, 1))
        faults.add(
            f"{table.place(again)}: the time {_show(times[twice[0]])} is already in {table.unit} {table.lines[first]}"
            f"{f' ({len(twice):,} such rows)' if len(twice) > 1 else ''}. "
            + _why_twice(table, names, stamps, times[twice], grouped=grouped)
        )
        keep = np.concatenate([[True], times[1:] != times[:-1]])
        times, order = times[keep], order[keep]
    if len(times) < 2:
        return Clock(order, np.arange(len(order)), "step", notes)
    gaps = np.diff(times).astype(np.float64)
    counts, step = _steps(times, gaps)
    if counts is None:
        if not faults:  # rows that are left out make steps uneven
            usual = np.median(gaps)
            wrong = np.flatnonzero(np.abs(gaps / usual - np.maximum(1, np.rint(gaps / usual))) > TOLERANCE)
            where = int(wrong[0]) if wrong.size else int(np.argmax(np.abs(gaps - usual) > TOLERANCE * usual))
            faults.add(
                f"{table.place(int(order[where + 1]))}: {name!r} goes from {_show(times[where])} to "
                f"{_show(times[where + 1])}, where the usual step is {step}"
                f"{f' ({len(wrong):,} such rows)' if len(wrong) > 1 else ''}. The steps are irregular; resample the "
                f"series to even ones, or {NO_TIME}."
            )
        counts = np.ones(len(gaps), np.int64)
    return Clock(order, np.concatenate([[0], np.cumsum(counts)]), step, notes)


def gap_at(table: Table, clock: Clock) -> str:
    """Say where the first gap is, and what may be done; for a series with one."""
    jump = np.diff(clock.places)
    at = int(np.argmax(jump > 1))
    lost = int((jump - 1).sum())
    of_an_hour = STEPS_OF_AN_HOUR.get(clock.step) == jump[at] - 1
    spring = " (local time loses an hour each spring: write it in UTC)" if of_an_hour else ""
    return (
        f"{table.place(int(clock.order[at + 1]))}: {int(jump[at]) - 1:,} step{'s' if jump[at] > 2 else ''} of one "
        f"{clock.step} missing before it"
        f"{f' ({lost:,} in all)' if lost > jump[at] - 1 else ''}. FILL=last repeats the last value there, "
        f"FILL=mask predicts nothing there{spring}, or {NO_TIME}."
    )


def repeats(stamps: Stamps) -> int:
    """How many rows have a time that an earlier one has."""
    known = stamps.times[~stamps.unreadable]
    return len(known) - len(np.unique(known))


def _joined(table: Table, names: tuple[str, ...]) -> pd.Series:
    """Texts of a time from all its columns."""
    columns = {name: texts_of(table.column(name, "TIME")) for name in names}
    if len(names) == 1:
        return columns[names[0]]
    parts = {part: columns[name] for name in names for part, known in PARTS.items() if name.lower() in known}
    if "year" not in parts:
        texts, *others = columns.values()
        for other in others:
            texts = texts + " " + _hours_and_minutes(other)
        return texts
    whole = {part: texts.str.replace(r"\.0*$", "", regex=True) for part, texts in parts.items()}
    if "day of the year" in whole:
        days = pd.to_datetime(whole["year"] + whole["day of the year"].str.zfill(3), format="%Y%j", errors="coerce")
        joined = days.dt.strftime("%Y-%m-%d").fillna("").astype(object)
    else:
        joined = whole["year"].str.zfill(4)
        for part in ("month", "day"):
            joined = joined + "-" + whole[part] if part in whole else joined
    if "hour" in whole:
        joined = joined + " " + whole["hour"]
        if "minute" in whole:
            joined = joined + ":" + whole["minute"].str.zfill(2)
    return joined


def _hours_and_minutes(texts: pd.Series) -> pd.Series:
    """Write 1830 as 18:30, in a column that has such numbers."""
    numbers = pd.to_numeric(texts, errors="coerce")
    if numbers.notna().all() and numbers.max() > 24:
        padded = texts.str.zfill(4)
        return padded.str[:2] + ":" + padded.str[2:]
    return texts.str.replace(r"^(\d+)\.0*$", r"\1", regex=True)


def _of_numbers(numbers: NDArray[np.float64], texts: pd.Series, name: str) -> Stamps:
    low, high = SPREADSHEET_DAYS
    known = numbers[np.isfinite(numbers)]
    if re.search(r"date|datum|fecha", name.lower()) and known.size and low <= known.min() and known.max() < high:
        # To the millisecond: a minute is no whole decimal fraction of a day.
        whole = np.where(np.isfinite(numbers), np.rint(numbers * 86_400_000), 0).astype("timedelta64[ms]")
        times = (np.datetime64("1899-12-30", "ms") + whole).astype("datetime64[us]")
        times[~np.isfinite(numbers)] = np.datetime64("NaT")
        return Stamps(times, texts, notes=[f"The numbers of {name!r} were read as a spreadsheet's days since 1899."])
    first, last = YEARS
    if (
        name.lower() in PARTS["year"]
        and known.size
        and (known % 1 == 0).all()
        and first <= known.min() <= known.max() <= last
    ):
        times = np.where(np.isfinite(numbers), numbers - 1970, 0).astype("datetime64[Y]").astype("datetime64[us]")
        times[~np.isfinite(numbers)] = np.datetime64("NaT")
        return Stamps(times, texts)
    return Stamps(np.where(np.isfinite(numbers), numbers, np.nan), texts)


def _check(table: Table, name: str, stamps: Stamps, faults: Faults) -> None:
    empty = missing(stamps.texts)
    remedy = f"mend or remove that row, write times as 2024-01-31 18:30, or {NO_TIME}"
    faults.rows(table, np.flatnonzero(stamps.unreadable & empty), f"{name!r} is empty", remedy)
    wrong = np.flatnonzero(stamps.unreadable & ~empty)
    if len(wrong):
        told = stamps.texts[wrong[0]][:40]
        like = "" if len(wrong) == len(stamps.texts) else " like the others"
        faults.rows(table, wrong, f"{name!r} is {told!r}, which is no time{like}", remedy)


def _some_with_a_zone(table: Table, name: str, stamps: Stamps, faults: Faults) -> bool:
    """Whether some times have a zone and others none, which is a fault: nobody knows which zone that is."""
    if not _dated(stamps.times):
        return False
    known = np.flatnonzero(~stamps.unreadable)
    texts = stamps.texts.iloc[known]
    # A look at each of millions takes long, and a zone makes a text longer.
    some = texts.groupby(texts.str.len()).first().str.match(ZONED)
    if some.all() or not some.any():
        return False
    zoned = texts.str.match(ZONED).to_numpy(bool)
    rare = zoned.mean() < 1 / 2
    has, others = ("a zone", "none") if rare else ("no zone", "one")
    faults.rows(
        table,
        known[zoned == rare],
        f"{name!r} is {texts.iloc[np.argmax(zoned == rare)][:40]!r} with {has}, where the others have {others}",
        "write all times in UTC or with their offset (2024-10-27T02:30+01:00)",
    )
    return True


def _steps(times: NDArray[Any], gaps: NDArray[np.float64]) -> tuple[NDArray[np.int64] | None, str]:
    """Steps between neighbours in units of the usual one, shape (n - 1,), None if irregular; and that step in words."""
    usual = float(np.median(gaps))
    words = _in_words(usual) if _dated(times) else f"{usual:g}"
    # Before days are counted: a year has 365 of them but for one in four.
    if _dated(times) and usual > 27 * 86_400e6 and (found := _months(times)) is not None:
        return found
    if (counts := _whole(gaps / usual)) is not None and not (_dated(times) and _weekdays_only(times, usual)):
        return counts, words
    if not _dated(times):
        return None, words
    days = times.astype("datetime64[D]")
    if _weekdays_only(times, usual) and (days == times).all():
        return np.busday_count(days[:-1], days[1:]).astype(np.int64), "working day"
    return None, words


def _months(times: NDArray[Any]) -> tuple[NDArray[np.int64], str] | None:
    """Steps of whole months; None where they are none."""
    days = times.astype("datetime64[D]")
    months = np.diff(times.astype("datetime64[M]").astype(np.int64)).astype(np.float64)
    # A month has 28 to 31 days; within each, the day must be the same, or its last.
    within = (days - times.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64)
    if months.min() > 0 and (np.ptp(within) == 0 or within.min() >= 27):
        unit = float(np.median(months))
        if (counts := _whole(months / unit)) is not None:
            return counts, {1.0: "month", 12.0: "year"}.get(unit, f"{unit:g} months")
    return None


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


def _why_twice(table: Table, names: tuple[str, ...], stamps: Stamps, twice: NDArray[Any], *, grouped: bool) -> str:
    if _dated(twice) and _is_hour_set_back(twice):
        return (
            "If local time was set back there, write times in UTC or with their offset (2024-10-27T02:30+01:00); "
            "else remove one of the two."
        )
    if grouped:
        return f"These are rows of one series already; remove one of the two, or {NO_TIME}."
    if (group := _telling_apart(table, names, stamps)) is not None:
        return f"If the file holds several series, GROUP={group} tells them apart; else remove one of the two."
    return f"Remove one of the two, or {NO_TIME}."


def _is_hour_set_back(twice: NDArray[Any]) -> bool:
    """Whether the times that repeat are the hour at night that local clocks repeat when summer time ends."""
    times = pd.DatetimeIndex(twice)
    span = times.to_series().groupby(times.normalize()).agg(lambda day: day.max() - day.min())
    # No more than one such night in a year and hemisphere.
    nights = times.normalize().unique()
    return bool(
        times.month.isin([3, 4, 9, 10, 11]).all()
        and (times.hour <= 3).all()
        and (span < pd.Timedelta(hours=1)).all()
        and len(nights) == len(nights.year.unique())
        and not times.duplicated().any()
    )


def _telling_apart(table: Table, names: tuple[str, ...], stamps: Stamps) -> str | None:
    """A column whose values tell rows of the same time apart, one without blanks and with fewest values."""
    if repeats(stamps) < LEAST_REPEATED * len(table):  # of several series most times are there more than once
        return None
    found = []
    for name, values in table.columns.items():
        if name in names:
            continue
        labels = texts_of(values)
        series = labels.nunique()
        if (
            1 < series <= max(2, len(labels) // 10)
            and not pd.DataFrame({"t": stamps.times, "l": labels}).duplicated().any()
        ):
            found.append((bool(missing(labels).any()), series, name))
    return min(found)[-1] if found else None


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
