"""Turns a column into numbers, or into labels; what is neither is a fault, by its line."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.csv_series.codes import codes_for_no_value
from tasks.csv_series.columns import is_numeric
from tasks.csv_series.faults import Faults
from tasks.csv_series.table import Table
from tasks.csv_series.written import COMMA, INFINITE, MARK, POINT, is_number, missing, plain, texts_of
from tasks.task import FloatArray

CODED = r"[+-]?0\d+,\w"
"""A number of fixed width with a quality code: nobody writes a decimal comma behind digits that begin with zero."""
MOST_LABELS = 50
"""Beyond this a column is rather text, or a number."""
OFTEN = 10
"""Rows to a label, on average, below which a column of text is not taken for labels by itself."""
LARGEST = 1e100
"""Of a value's size: errors are squared and summed."""


def to_numbers(
    table: Table,
    name: str,
    faults: Faults,
    notes: list[str],
    *,
    decimal: str | None = None,
    no_value: tuple[str, ...] | None = None,
    groups: Sequence[NDArray[np.int64] | slice] = (slice(None),),
    option: str = "COLUMN",
) -> FloatArray:
    """Return a column as numbers, shape (rows,); nan where there is no value, and where there is a fault.

    Parameters
    ----------
    faults
        Gets what is text or infinite, what a comma may mean, and numbers that seem to say that there is no value.
    notes
        Gets how many numbers have a mark behind them.
    decimal
        "," or "." where the user says so; None to find out.
    no_value
        What the user says is no value; () that every number is one, None to look for such.
    groups
        Rows of each series, in which such numbers are looked for: another series may have another level.
    """
    raw = table.column(name, option)
    if raw.dtype.kind in "iuf":
        numbers = raw.astype(np.float64)
    else:
        texts = texts_of(raw)
        texts = texts.mask(texts.isin(no_value), "") if no_value else texts
        numbers = _parse(table, name, texts, decimal, faults, notes)
    remedy = "leave such a value empty and say how to fill it, as in FILL=last, or remove it"
    faults.rows(table, np.flatnonzero(np.isinf(numbers)), f"{name!r} is infinite", remedy)
    numbers[np.isinf(numbers)] = np.nan
    too_large = np.abs(numbers) > LARGEST  # no number where there is no value
    faults.rows(table, np.flatnonzero(too_large), f"{name!r} is beyond {LARGEST:g}, whose square is no number", remedy)
    numbers[too_large] = np.nan
    for text in no_value or ():
        if is_number(text):
            numbers[numbers == float(plain(text).replace(",", "."))] = np.nan
    if no_value is None:
        codes = dict.fromkeys(code for rows in groups for code in codes_for_no_value(numbers[rows]))
        for code in codes:
            others = numbers[~np.isnan(numbers) & ~np.isin(numbers, list(codes))]
            faults.rows(
                table,
                np.flatnonzero(numbers == code),
                f"{name!r} is {code:g}, far from all other values ({others.min():g} to {others.max():g})",
                f"if that stands for no value, say MISSING={code:g} and FILL=last, which repeats the last value there; "
                "else MISSING=none",
            )
    return numbers


def holds_labels(table: Table, name: str, asked: bool | None) -> bool:
    """Whether a column is to be read as labels: as asked, else text in which few words come again and again."""
    values = table.column(name, "COLUMN")
    if asked is not None or is_numeric(values):
        return bool(asked)
    texts = texts_of(values)
    different = len(set(texts[~missing(texts)]))
    return 1 < different <= min(MOST_LABELS, len(texts) // OFTEN)


def to_labels(
    table: Table, name: str, no_value: tuple[str, ...] | None, faults: Faults
) -> tuple[FloatArray, tuple[str, ...]]:
    """Return which label each row has, shape (rows,), nan where it has none; and their names, most frequent first.

    It is a fault if they are too few or too many.
    """
    values = table.column(name, "COLUMN")
    # Whole numbers become floats where one is missing.
    texts = texts_of(np.array([f"{one:.15g}" for one in values]) if values.dtype.kind == "f" else values)
    none = missing(texts) | texts.isin(no_value or ()).to_numpy(bool)
    found = texts[~none].value_counts()
    names = sorted(found.index, key=lambda one: (-found[one], one))
    if not 2 <= len(names) <= MOST_LABELS:
        few = " or ".join(map(repr, names[:3]))
        faults.add(
            f"{table.path.name}: {name!r} holds {len(names):,} labels ({few}{', ...' if len(names) > 3 else ''}); from "
            f"2 to {MOST_LABELS} can be predicted. If it holds numbers, leave LABELS out; if it holds text, give a "
            "column with fewer labels."
        )
    codes = texts.map({one: float(code) for code, one in enumerate(names)}).to_numpy(np.float64, na_value=np.nan)
    return codes, tuple(names)


def _parse(
    table: Table, name: str, texts: pd.Series, decimal: str | None, faults: Faults, notes: list[str]
) -> FloatArray:
    fast = None if decimal or table.delimiter in {";", "\t"} else pd.to_numeric(texts, errors="coerce")
    if fast is not None and fast.notna().all():  # plain numbers, as in most files
        return np.array(fast, np.float64)
    if len(marks := texts.str.extract(MARK)[0].dropna()):
        marked = f"{len(marks):,} value{'s' if len(marks) > 1 else ''} of {name!r} with a mark behind"
        notes.append(
            f"{marked} ({', '.join(sorted(set(marks)))}) {'are' if len(marks) > 1 else 'is'} used like others."
        )
    infinite = texts.str.fullmatch(INFINITE).to_numpy(bool)
    numbers = np.full(len(texts), np.nan)
    numbers[infinite] = np.inf
    rest = ~(missing(texts) | infinite)
    coded = rest & texts.str.fullmatch(CODED).to_numpy(bool)
    faults.rows(
        table,
        np.flatnonzero(coded),
        f"{name!r} is {texts[coded].iloc[0] if coded.any() else ''!r}, a number with a code behind a comma, as weather "
        "services write them",
        "make two columns of it, mind what stands for no value (+9999) and in which unit it is (often tenths)",
    )
    numbers[coded], rest = np.nan, rest & ~coded
    chosen = texts[rest].map(plain)
    comma = decimal == "," if decimal else _decimal_comma(table, name, chosen, faults)
    pattern, thousands = (COMMA, ".") if comma else (POINT, ",")
    fits = chosen.str.fullmatch(pattern).to_numpy(bool)
    if not fits.all():
        wrong = np.flatnonzero(rest)[~fits]
        kinds = texts[wrong].str[:40].value_counts().index[:3]
        hint = " (DECIMAL says what a comma is)" if decimal else ""
        if not fits.any() and len(kinds) > 1:
            faults.rows(
                table,
                wrong,
                f"{name!r} is text, such as {' or '.join(map(repr, kinds))}, and a number in no row",
                f"give a column of numbers; text is predicted as labels (LABELS=yes) of {MOST_LABELS} kinds at most, "
                f"and here are {texts[wrong].nunique():,}",
            )
            return numbers
        also = f", or {' or '.join(map(repr, kinds[1:]))} in others" if len(kinds) > 1 else ""
        faults.rows(
            table,
            wrong,
            f"{name!r} is {texts[wrong[0]][:40]!r}{also}, which is no number{hint}",
            "mend it, or leave it empty and say how to fill it, as in FILL=last"
            + ("" if also else f"; if it stands for no value everywhere, MISSING='{texts[wrong[0]][:40]}'"),
        )
    digits = chosen[fits].str.replace(thousands, "", regex=False)
    numbers[np.flatnonzero(rest)[fits]] = (digits.str.replace(",", ".", regex=False) if comma else digits).astype(float)
    return numbers


def _decimal_comma(table: Table, name: str, texts: pd.Series, faults: Faults) -> bool:
    """Whether a comma is decimal in this column, from the values themselves."""
    commas = texts[texts.str.contains(",", regex=False)]
    points = texts[texts.str.contains(".", regex=False)]
    if commas.empty:
        # In a file with ; between its fields, 1.234 beside 987 may well be a thousand.
        thousands = points.str.fullmatch(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+")
        suspicious = table.delimiter in {";", "\t"} and not points.empty and len(points) < len(texts)
        if suspicious and bool(thousands.all()):
            _ambiguous(table, name, points, ".", faults)
        # Two points are thousands for certain.
        return bool(points.str.count(r"\.").gt(1).any())
    if bool(texts.str.fullmatch(POINT).all()):
        if bool(commas.str.contains(".", regex=False).any()) or bool(commas.str.count(",").gt(1).any()):
            return False
        if not bool(commas.str.fullmatch(r"[+-]?0,\d+").any()):
            _ambiguous(table, name, commas, ",", faults)
    return bool(texts.str.fullmatch(COMMA).mean() >= texts.str.fullmatch(POINT).mean())


def _ambiguous(table: Table, name: str, texts: pd.Series, mark: str, faults: Faults) -> None:
    text, row = texts.iloc[0], int(texts.index[0])
    faults.add(
        f"{table.place(row)}: {name!r} is {text!r}, which may be {text.replace(mark, '')} or "
        f"{text.replace(',', '.')}, and no value of the column settles it; say DECIMAL=, or DECIMAL=."
    )
