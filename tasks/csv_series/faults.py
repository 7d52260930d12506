"""Collects all that is wrong with a file, so that its owner hears of it once."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.csv_series.table import Table
from tasks.task import CsvSeriesError

MOST_SHOWN = 10
"""Faults that are listed; of hundreds of series each may have one."""


class Faults:
    """Sentences, each with the first place, a count and the remedy."""

    def __init__(self, path: Path, found: tuple[str, ...] = ()) -> None:
        self._path = path
        self._found = list(found)

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, sentence: str) -> None:
        """Add one."""
        if sentence not in self._found:
            self._found.append(sentence)

    def rows(self, table: Table, rows: NDArray[np.integer], what: str, remedy: str) -> None:
        """Add one that some rows have, the first of which is named; none of it where there are no such rows."""
        if len(rows):
            count = f" ({len(rows):,} such rows)" if len(rows) > 1 else ""
            self.add(f"{table.place(int(rows[0]))}: {what}{count}; {remedy}.")

    def check(self) -> None:
        """Raise all of them.

        Raises
        ------
        CsvSeriesError
            If there is any.
        """
        if len(self._found) == 1:
            raise CsvSeriesError(self._found[0])
        if self._found:
            listed = "\n".join(f"{number}. {one}" for number, one in enumerate(self._found[:MOST_SHOWN], 1))
            raise CsvSeriesError(f"{self._path.name} has {len(self._found)} faults:\n{listed}")
