"""Finds numbers that stand for "no value": far from all others, and there again and again."""

import re

import numpy as np
from numpy.typing import NDArray

from tasks.task import FloatArray

USUAL_CODES = re.compile(r"-?9{2,}(\.9+)?|-200|-32768|32767|65535")
"""Numbers that files commonly write for no value; rounded, as 32-bit files hold -999.9 inexactly."""
FAR = 0.5
"""Distance from the nearest other value, in standard deviations of the others, that makes a usual code conspicuous."""
LEAST_OTHERS = 10
"""Different values that there are beside it; of few, each is far from the others."""
MOST_CODES = 4


def codes_for_no_value(values: FloatArray) -> list[float]:
    """Return the suspicious numbers of a column.

    Parameters
    ----------
    values : array, shape (rows,)
        May hold nan.

    Notes
    -----
    Suspicious is the least or the greatest value where it recurs exactly and is further from the next one than all
    others are from each other; a usual code (-9999) where it is half a standard deviation of the others away; and 0
    where all others are positive and the least of them is a standard deviation away.
    """
    distinct, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    found: list[float] = []
    while len(distinct) > LEAST_OTHERS and len(found) < MOST_CODES:
        for at in (0, -1):
            rest, times = (distinct[1:], counts[1:]) if at == 0 else (distinct[:-1], counts[:-1])
            gap = abs(float(distinct[at] - rest[at]))
            if _suspicious(float(distinct[at]), int(counts[at]), gap, rest, times):
                found.append(float(distinct[at]))
                distinct, counts = rest, times
                break
        else:
            break
    return found


def _suspicious(value: float, count: int, gap: float, others: FloatArray, counts: NDArray[np.integer]) -> bool:
    spread = float(others[-1] - others[0])
    mean = np.average(others, weights=counts)
    deviation = float(np.sqrt(np.average((others - mean) ** 2, weights=counts)))
    if USUAL_CODES.fullmatch(f"{value:g}"):
        return gap > spread or (count > 1 and gap > FAR * deviation)
    if value == 0:
        return count > 1 and others[0] > 0 and gap > deviation
    return count > 1 and gap > spread
