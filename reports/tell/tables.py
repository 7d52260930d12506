"""What the tables of details.md share: each is made from a run's frames, and says where the rows it leaves out are."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from reports.formatting import NOTHING, count, ratio
from reports.frames import Frames, plain, setting
from reports.statistics.intervals import Ratio
from reports.statistics.verdict import DIFFERENT

MOST_ROWS = 8
"""Rows of a table in details.md."""

MOST_OF_A_KIND = 3
"""Ratios of one kind among them."""

COMPARED, SUMMED, EXPORTED = "comparisons.csv", "summary.json", "what `make export` writes"
"""Where the rows are that a table leaves out."""

Columns = Iterable[tuple[str, Callable[[Any], object]]]
"""Headings, `>` before those of numbers, and the text of a row's cell."""

_DECIDED = {*map(str, DIFFERENT), "faster", "slower", "lower", "higher"}


def table(
    rows: pd.DataFrame | Sequence[Any], columns: Columns, rest: str, most: int | None = None, of: int | None = None
) -> str:
    """Write the first rows as Markdown, and how many more there are; "" without any.

    Parameters
    ----------
    of
        How many rows there are, where not all are given.
    """
    if not len(rows):
        return ""
    shown = plain(rows.head(most or MOST_ROWS)) if isinstance(rows, pd.DataFrame) else rows[: most or MOST_ROWS]
    columns = list(columns)
    lines = [
        f"| {' | '.join(heading.removeprefix('>') for heading, _ in columns)} |",
        f"|{'|'.join('--:' if heading.startswith('>') else '---' for heading, _ in columns)}|",
        *(f"| {' | '.join(str(text(row)) for _, text in columns)} |" for row in shown),
    ]
    return "\n".join(lines) + left_out((of or len(rows)) - len(shown), rest)


def left_out(rows: int, rest: str) -> str:
    """Say how many rows a table leaves out, and where they are; "" where it has all."""
    return f"\n\n*{count(rows, 'more row')} in {rest}.*" if rows > 0 else ""


def interest(comparisons: pd.DataFrame) -> pd.Index:
    """Index of comparisons, those declared first, then what was decided, then the farthest from 1."""
    with np.errstate(divide="ignore"):
        far = np.abs(np.log(comparisons.ratio.to_numpy(float)))
    order = pd.DataFrame(
        {
            "exploratory": ~comparisons.declared.to_numpy(bool),
            "open": ~comparisons.verdict.isin(_DECIDED).to_numpy(),
            "near": -np.where(np.isnan(far), 0.0, far),
        },
        index=comparisons.index,
    )
    return order.sort_values(["exploratory", "open", "near"], kind="stable").index


def first_by_interest(comparisons: pd.DataFrame, most: int | None = None) -> pd.DataFrame:
    """Move the rows of most interest, as many as a table shows, before the others; both keep their order."""
    first = comparisons.index.isin(interest(comparisons)[: most or MOST_ROWS])
    return pd.concat([comparisons[first], comparisons[~first]])


def label(row: Any) -> str:
    """Name of a row's setting."""
    return setting(row).label


def ratio_of(row: Any) -> str:
    """Ratio and limits of a row of comparisons."""
    if row is None:
        return NOTHING
    value = math.nan if row.ratio is None else row.ratio
    return ratio(Ratio(value, row.low, row.high, math.nan, row.method, row.n))


def judged(row: Any, without: str = NOTHING) -> str:
    """Ratio and verdict of a row of comparisons."""
    return without if row is None else f"{ratio_of(row)} {row.verdict}"


class FromFrames:
    """What all tables of a run share."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._known: dict[str, Any] = {}

    def _case(self, key: str) -> Any:
        if key not in self._known:
            self._known[key] = plain(self._frames.outlines.loc[[key]])[0]
        return self._known[key]

    def _of(self, *compares: str, measure: str | None = None) -> pd.DataFrame:
        every = self._frames.comparisons
        kept = every.compares.isin(compares)
        return every[kept if measure is None else kept & (every.measure == measure)]

    def _beside(self, rows: pd.DataFrame) -> dict[tuple[str, str, str], Any]:
        """Rows of all measures of those comparisons that a table shows, by keys and measure."""
        shown = rows.head(MOST_ROWS)
        every = self._of(*shown.compares.unique())
        every = every[every.key_a.isin(shown.key_a) & every.key_b.isin(shown.key_b)]
        return {(row.key_a, row.key_b, row.measure): row for row in plain(every)}
