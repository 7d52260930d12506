"""Turns a column into numbers: decimal commas, missing values, and what is no number, by its line."""

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.csv_series.table import Table
from tasks.task import CsvSeriesError, FloatArray

MISSING = ("", "na", "n/a", "#n/a", "nan", "nat", "null", "none", "-", "--", "?", "<na>")
"""How files write that there is no value, in lower case."""

_EXPONENT = r"(?:[eE][+-]?\d+)?"
COMMA = re.compile(rf"[+-]?(?:\d{{1,3}}(?:\.\d{{3}})+|\d+)(?:,\d*)?{_EXPONENT}|[+-]?,\d+")
POINT = re.compile(rf"[+-]?(?:\d{{1,3}}(?:,\d{{3}})+|\d+)(?:\.\d*)?{_EXPONENT}|[+-]?\.\d+{_EXPONENT}")
INFINITE = re.compile(r"[+-]?inf(?:inity)?|[+-]?∞", re.IGNORECASE)


def to_numbers(table: Table, name: str, decimal: str | None, option: str = "COLUMN") -> FloatArray:
    """Return a column as numbers, shape (rows,); nan where there is no value.

    Parameters
    ----------
    decimal
        "," or "." where the user says so; None to find out.

    Raises
    ------
    CsvSeriesError
        Naming the first value that is text or infinite, or the option that settles an ambiguous comma or point.
    """
    raw = table.column(name, option)
    if raw.dtype.kind in "iuf":
        numbers = raw.astype(np.float64)
    else:
        texts = _texts(raw)
        numbers = _parse(table, name, texts, decimal)
    bad = np.flatnonzero(np.isinf(numbers))
    if bad.size:
        raise CsvSeriesError(
            f"{table.place(int(bad[0]))}: {name!r} is infinite{_more(bad)}; leave such a value empty and say how to "
            "fill it, as in FILL=last, or remove it."
        )
    return numbers


def is_number(text: str) -> bool:
    """Whether a text is a number, with a decimal point or a decimal comma."""
    return bool(POINT.fullmatch(text.strip()) or COMMA.fullmatch(text.strip()))


def is_missing(text: str) -> bool:
    """Whether a text says that there is no value."""
    return text.strip().lower() in MISSING


def missing(texts: pd.Series) -> NDArray[np.bool_]:
    """Which of many texts say so."""
    return texts.str.lower().isin(MISSING).to_numpy(bool)


def _texts(raw: NDArray[Any]) -> pd.Series:
    return pd.Series(["" if value is None else str(value).strip() for value in raw], dtype=object)


def _parse(table: Table, name: str, texts: pd.Series, decimal: str | None) -> FloatArray:
    fast = None if decimal or table.delimiter in {";", "\t"} else pd.to_numeric(texts, errors="coerce")
    if fast is not None and fast.notna().all():  # plain numbers, as in most files
        return fast.to_numpy(np.float64)
    infinite = texts.str.fullmatch(INFINITE).to_numpy(bool)
    numbers = np.full(len(texts), np.nan)
    numbers[infinite] = np.inf
    rest = ~(missing(texts) | infinite)
    chosen = texts[rest]
    comma = decimal == "," if decimal else _decimal_comma(table, name, chosen)
    pattern, thousands = (COMMA, ".") if comma else (POINT, ",")
    fits = chosen.str.fullmatch(pattern).to_numpy(bool)
    if not fits.all():
        wrong = np.flatnonzero(rest)[~fits]
        text = texts[wrong[0]]
        hint = " (DECIMAL says what a comma is)" if decimal else ""
        raise CsvSeriesError(
            f"{table.place(int(wrong[0]))}: {name!r} is {text[:40]!r}, which is no number{hint}{_more(wrong)}; mend "
            "it, or leave it empty and say how to fill it, as in FILL=last."
        )
    plain = chosen.str.replace(thousands, "", regex=False)
    numbers[rest] = (plain.str.replace(",", ".", regex=False) if comma else plain).astype(np.float64)
    return numbers


def _decimal_comma(table: Table, name: str, texts: pd.Series) -> bool:
    """Whether a comma is decimal in this column, from the values themselves."""
    commas = texts[texts.str.contains(",", regex=False)]
    points = texts[texts.str.contains(".", regex=False)]
    if commas.empty:
        # In a file with ; between its fields, 1.234 beside 987 may well be a thousand.
        thousands = points.str.fullmatch(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+")
        suspicious = table.delimiter in {";", "\t"} and not points.empty and len(points) < len(texts)
        if suspicious and bool(thousands.all()):
            _ambiguous(table, name, points, ".")
        # Two points are thousands for certain.
        return bool(points.str.count(r"\.").gt(1).any())
    if bool(texts.str.fullmatch(POINT).all()):
        if bool(commas.str.contains(".", regex=False).any()) or bool(commas.str.count(",").gt(1).any()):
            return False
        if not bool(commas.str.fullmatch(r"[+-]?0,\d+").any()):
            _ambiguous(table, name, commas, ",")
    return bool(texts.str.fullmatch(COMMA).mean() >= texts.str.fullmatch(POINT).mean())


def _ambiguous(table: Table, name: str, texts: pd.Series, mark: str) -> None:
    text, row = texts.iloc[0], int(texts.index[0])
    raise CsvSeriesError(
        f"{table.place(row)}: {name!r} is {text!r}, which may be {text.replace(mark, '')} or "
        f"{text.replace(',', '.')}, and no value of the column settles it; say DECIMAL=, or DECIMAL=."
    )


def _more(rows: NDArray[Any]) -> str:
    return f" (and {len(rows) - 1:,} more)" if len(rows) > 1 else ""
