"""Reads texts as times: ISO 8601, other orders and month names, intervals, zones, 24:00, quarters, weeks."""

import re
from typing import NamedTuple

import numpy as np
import pandas as pd

ZONES: dict[str, float] = {"utc": 0, "gmt": 0, "z": 0, "wet": 0, "west": 1, "cet": 1, "cest": 2, "eet": 2, "eest": 3}
ZONES |= {"est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7, "jst": 9}
ZONES |= {"akst": -9, "akdt": -8, "hst": -10, "aest": 10, "aedt": 11, "acst": 9.5, "acdt": 10.5, "awst": 8}
"""Hours ahead of UTC of the abbreviations that mean one thing wherever clocks are written by them."""

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_MONTH = rf"(?:{'|'.join(MONTHS)})[a-z]*\.?"
_OFFSET = r"(?:(?:utc|gmt)?\s*[+-]\d\d?:?(?:\d\d)?|[a-z]{1,4})"
STAMP = re.compile(
    rf"""
    (?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+)?
    (?P<first>\d{{1,4}}|{_MONTH})
    (?:[-/.\s]+(?P<second>\d{{1,4}}|{_MONTH}),?(?:[-/.\s]+(?P<third>\d{{1,4}}))?)
    (?:
        (?:t|[:,\s]+(?:at\s+)?)(?P<hour>\d{{1,2}})
        (?:[:.h](?P<minute>\d\d)(?:[:.](?P<seconds>\d\d(?:[.,]\d+)?))?)?
        (?:\s*(?P<half>[ap])\.?m\.?)?
    )?
    (?:\s*(?P<offset>{_OFFSET}))?
    """,
    re.VERBOSE,
)
"""A time in lower case, but for what `_REWRITTEN` turns into one."""

_ZONE = "|".join(sorted(ZONES, key=len, reverse=True))
ZONED = re.compile(rf"[^:]*\d:\d\d[\d:.,]*\s*(?:[+-]\d\d|\(?(?:{_ZONE})\b)", re.IGNORECASE)
"""How a time with its zone or its offset behind it begins."""

_REWRITTEN = (
    (rf"(.*?\d)\s*\(({_ZONE})\)(.*)", r"\1 \2\3"),
    # An interval is where it begins.
    (rf"(.*?\d\d:\d\d\S*(?: (?:{_ZONE}))?|\d{{4}}-\d\d-\d\d)\s*(?:/| - | – | to )\s*\S.*", r"\1"),
    (r"(.*?)\s*\(.*\)", r"\1"),
    (r"(\d{4})(\d\d)(\d\d)[t:\s]?(\d\d)?:?(\d\d)?:?(\d\d)?(z?)", r"\1-\2-\3 \4:\5:\6\7"),
    (r"(\d{4})(\d\d)", r"\1-\2"),
    (r"(\d{4})-?m(\d\d?)", r"\1-\2"),
)
QUARTER = re.compile(r"(?P<y>\d{4})[-\s]?q(?P<q>[1-4])|q(?P<p>[1-4])[-/\s]?(?P<z>\d{4})")
WEEK = re.compile(r"\d{4}-?w\d\d")

LATEST_SHORT_YEAR = 69
"""Two digits below this are years of this century, as in POSIX."""


class Readings(NamedTuple):
    """What a column of texts may mean, as datetime64 in UTC, missing where a text is no time.

    Attributes
    ----------
    month_first
        Another meaning than the first, where all texts have one with the month before the day.
    """

    stamps: pd.Series
    month_first: pd.Series | None = None


def read_stamps(texts: pd.Series) -> Readings:
    """Read texts as times.

    Notes
    -----
    Of two meanings that leave equally few texts unread the one with the day first comes first; where one reads more,
    that is the only one.
    """
    stamps = pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=True).dt.tz_convert(None)
    if stamps.notna().all():
        return Readings(stamps)
    lower = texts.str.lower().str.strip()
    if lower.str.fullmatch(WEEK).all():
        return Readings(pd.to_datetime(lower.str.replace("-", "") + "1", format="%Gw%V%u", errors="coerce"))
    parts = _plain(lower).str.extract(re.compile(f"^{STAMP.pattern}$", re.VERBOSE))
    of_day = _of_day(parts)
    day_first, month_first = (_days(parts, day_first=first) + of_day for first in (True, False))
    known, other = int(day_first.notna().sum()), int(month_first.notna().sum())
    if known == other:
        return Readings(day_first, None if day_first.equals(month_first) else month_first)
    return Readings(day_first if known > other else month_first)


def _plain(lower: pd.Series) -> pd.Series:
    for pattern, replacement in _REWRITTEN:
        whole = re.compile(f"^{pattern}$")
        if lower.str.match(whole).any():
            lower = lower.str.replace(whole, replacement, regex=True).str.rstrip(": ")
    if (quarters := lower.str.fullmatch(QUARTER)).any():
        found = lower.where(quarters).str.extract(QUARTER)
        month = 3 * found["q"].fillna(found["p"]).astype(float) - 2
        written = found["y"].fillna(found["z"]) + "-" + month.map("{:02.0f}".format)
        lower = lower.mask(quarters, written)
    return lower


def _days(parts: pd.DataFrame, *, day_first: bool) -> pd.Series:
    """Midnight of each day; missing where it is none."""
    number = {name: pd.to_numeric(parts[name], errors="coerce") for name in ("first", "second", "third")}
    word = {name: parts[name].str[:3].map({m: i for i, m in enumerate(MONTHS, 1)}) for name in ("first", "second")}
    first, second, third = number.values()
    whole = parts["third"].notna()
    year_first = (parts["first"].str.len() == 4) & first.notna()
    a_word, b_word = word["first"].notna(), word["second"].notna()
    # What stands where, by turns: 2024-01-31, Jan 31 2024, 31 Jan 2024, 31/01/2024 or 01/31/2024; then without a day.
    year = third.where(whole & ~year_first, first.where(year_first, second))
    month = first.where(~whole, second if day_first else first)
    month = month.mask(year_first, second).mask(a_word, word["first"]).mask(b_word, word["second"])
    day = first if day_first else second
    day = day.mask(a_word, second).mask(b_word & ~a_word, first).mask(year_first, third).where(whole, 1)
    digits = parts["third"].where(whole & ~year_first, parts["first"].where(year_first, parts["second"])).str.len()
    year = year.mask(digits <= 2, year + np.where(year < LATEST_SHORT_YEAR, 2000, 1900)).where(digits != 3)
    # 01/02 may be a day without a year: a month needs a year of four digits, or to be written as a word.
    year = year.where(whole | (digits == 4) | (a_word & (digits == 2)))
    written = pd.DataFrame({"year": year, "month": month, "day": day}).dropna().astype(int)
    return pd.to_datetime(written, errors="coerce").reindex(parts.index)


def _of_day(parts: pd.DataFrame) -> pd.Series:
    """Time since midnight in UTC; missing where it is none."""
    hour, minute, seconds = (
        pd.to_numeric(parts[name].str.replace(",", "."), errors="coerce").fillna(0)
        for name in ("hour", "minute", "seconds")
    )
    half = parts["half"]
    valid = (minute < 60) & (seconds < 61) & ((hour < 24) | ((hour == 24) & (minute == 0) & (seconds == 0)))
    valid &= half.isna() | hour.between(1, 12)
    hour = hour.mask(half.notna(), hour % 12 + 12 * (half == "p"))
    offset = parts["offset"].fillna("z")
    ahead = pd.Series({one: _ahead(one) for one in offset.unique()}, dtype=float).reindex(offset).to_numpy()
    microseconds = (3600e6 * (hour - ahead) + 60e6 * minute + 1e6 * seconds).round()
    of_day: pd.Series = pd.to_timedelta(microseconds.where(valid), unit="us")
    return of_day


def _ahead(offset: str) -> float:
    """Hours ahead of UTC; not a number where that is unknown."""
    if offset in ZONES:
        return ZONES[offset]
    if found := re.fullmatch(r"(?:utc|gmt)?\s*([+-])(\d\d?):?(\d\d)?", offset):
        sign, hours, minutes = found.groups()
        return (int(hours) + int(minutes or 0) / 60) * (-1 if sign == "-" else 1)
    return np.nan
