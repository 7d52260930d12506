"""The file that the book reads: LD2011_2014.txt of the UCI repository, quarter-hours of 370 clients."""

from pathlib import Path

import numpy as np

from bench.engines.base import Array
from bench.errors import PlanError

COLUMN = 250
"""Counted from 0 after the time stamp, as the book's code counts: that is MT_251, which the book calls client 250."""

PERIOD = 96


def read(path: Path, column: int = COLUMN) -> Array:
    """Read one client.

    Parameters
    ----------
    path
        Semicolon-separated text with decimal commas: a header, then a quoted time stamp and a value for each client.
    column
        Client, counted from 0.

    Returns
    -------
    values
        Shape (rows,), in kW.

    Raises
    ------
    PlanError
        If the file has no such column, or holds something that is no number, naming the line.
    """
    values = []
    with path.open(encoding="utf-8-sig") as lines:
        header = next(lines, "").rstrip("\n").split(";")
        if len(header) < column + 2:
            raise PlanError(
                f"{path}: the header has {max(0, len(header) - 1)} clients, and client {column + 1} is wanted; is this "
                "LD2011_2014.txt, unpacked, with semicolons?"
            )
        for number, line in enumerate(lines, start=2):
            if not line.strip():
                continue
            cells = line.rstrip("\n").split(";")
            try:
                values.append(float(cells[column + 1].replace(",", ".")))
            except (IndexError, ValueError):
                raise PlanError(
                    f"{path}, line {number}: no number in the column of {header[column + 1].strip(chr(34))}; mend or "
                    "remove the line."
                ) from None
    found = np.array(values)
    if not np.isfinite(found).all() or not len(found) or found.min() == found.max():
        raise PlanError(f"{path}: {len(found)} values that are all equal or not finite; there is nothing to learn.")
    return found
