"""Dials of a task as text: `16`, `0.5`, or several, as in `16,0.5` or `p=0.5`."""

import math
import re

Number = int | float
Dial = Number | tuple[Number, ...]
"""What sets the difficulty of a task: a number, or several in the order of their names."""

_NUMBER = re.compile(r"\d+(\.\d+)?([eE][-+]?\d+)?", re.ASCII)
LONGEST = 40
"""Characters of a number."""


def number(text: str) -> Number:
    """Read a number of 0 or more, whole or real.

    Raises
    ------
    ValueError
        If the text is none.
    """
    if len(text) <= LONGEST and _NUMBER.fullmatch(text):
        found = int(text) if text.isdecimal() else float(text)
        if math.isfinite(found):
            return found
    raise ValueError(f"{text!r} is no number")


def read(text: str) -> Dial:
    """Read what `write` wrote.

    Raises
    ------
    ValueError
        If a part of the text is no number.
    """
    found = tuple(number(part) for part in text.split(","))
    return found if len(found) > 1 else found[0]


def each(dial: Dial) -> tuple[Number, ...]:
    """The numbers of a dial."""
    return dial if isinstance(dial, tuple) else (dial,)


def write(dial: Dial) -> str:
    """Write a dial so that it can be part of a name: without spaces, hyphens and exponents."""
    return ",".join(_plain(one) for one in each(dial))


def _plain(value: Number) -> str:
    if float(value).is_integer():
        return str(int(value))
    # The fewest digits that give the number back, its exponent written out.
    digits, _, exponent = repr(float(value)).partition("e")
    return digits if not exponent else f"{value:.{len(digits.replace('.', '')) - 1 - int(exponent)}f}"
