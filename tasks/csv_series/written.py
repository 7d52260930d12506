"""How numbers and their absence are written: decimal commas, thousands, percent, currency, minus signs."""

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MISSING = frozenset(
    {
        "",
        "na",
        "n/a",
        "n.a.",
        "#n/a",
        "#na",
        "#value!",
        "#div/0!",
        "nan",
        "nat",
        "<na>",
        "null",
        "(null)",
        "none",
        "\\n",
    }
    | {"missing", "-", "--", "---", "–", "—", "?", ".", "..", "...", ":", "*", "***"}
)
"""How files write that there is no value, in lower case."""

_EXPONENT = r"(?:[eE][+-]?\d+)?"
COMMA = re.compile(rf"[+-]?(?:\d{{1,3}}(?:\.\d{{3}})+|\d+)(?:,\d*)?{_EXPONENT}|[+-]?,\d+")
POINT = re.compile(rf"[+-]?(?:\d{{1,3}}(?:,\d{{3}})+|\d+)(?:\.\d*)?{_EXPONENT}|[+-]?\.\d+{_EXPONENT}")
INFINITE = re.compile(r"[+-]?inf(?:inity)?|[+-]?∞", re.IGNORECASE)

MARK = re.compile(r"(?<=\d)\.?\s*([*#†‡]+)$")
"""A mark behind a number: estimated, provisional, from another instrument."""

_BLANK = "[ \u00a0\u2007\u2009\u202f]"
_MONEY = r"(?:[$€£¥₹]|US\$|EUR|USD|GBP|CHF|JPY)"
_WRITTEN = (
    (MARK, ""),
    (re.compile("[\u2212\u2012\u2013]"), "-"),  # the minus sign proper, and dashes that stand for it
    (re.compile(rf"^([+-]?){_BLANK}*{_MONEY}{_BLANK}*"), r"\1"),
    (re.compile(rf"{_BLANK}*(?:{_MONEY}|%)$"), ""),
    (re.compile(rf"(?<=\d)(?:{_BLANK}|['’])(?=\d\d\d(?!\d))"), ""),
    (re.compile(r"^\((\d.*)\)$"), r"-\1"),
)
"""What is written beside digits, commas and points, and what it comes to."""


def is_number(text: str) -> bool:
    """Whether a text is a number, with a decimal point or a decimal comma."""
    text = plain(text)
    return bool(POINT.fullmatch(text) or COMMA.fullmatch(text))


def is_missing(text: str) -> bool:
    """Whether a text says that there is no value."""
    return text.strip().lower() in MISSING


def plain(text: str) -> str:
    """Leave digits, commas, points, signs and exponents of a number."""
    text = text.strip()
    if text[:1].isdigit() and text.isascii() and text[-1:].isdigit() and " " not in text and "'" not in text:
        return text
    for pattern, replacement in _WRITTEN:
        text = pattern.sub(replacement, text)
    return text


def texts_of(values: NDArray[Any]) -> pd.Series:
    """Return a column's values as texts without blanks around them."""
    return pd.Series(["" if value is None else str(value).strip() for value in values], dtype=object)


def missing(texts: pd.Series) -> NDArray[np.bool_]:
    """Which of many texts say that there is no value."""
    return texts.str.lower().isin(MISSING).to_numpy(bool)
