"""Which rows train and which are held out: by time, by series, or as a column of the file says."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.csv_series.table import Table
from tasks.csv_series.written import texts_of
from tasks.task import CsvSeriesError

TRAIN_SHARE = 2 / 3
TRAINING = ("train", "training", "estimation", "identification", "fit", "in-sample")
TESTING = ("test", "testing", "held out", "held-out", "holdout", "hold-out", "evaluation", "eval", "out-of-sample")
VALIDATION = ("validation", "valid", "val", "dev", "development")
"""Words for what a row is for, in small letters; rows for validation are held out where there are none to test on."""
TRAINS, LEFT_OUT, HELD_OUT = 1, 0, -1


class Stretch(NamedTuple):
    """Rows of one series that follow one another: the first `trained` of them train, the others are held out."""

    series: int
    rows: slice
    trained: int

    @property
    def training(self) -> NDArray[np.int64]:
        """The rows that train, shape (trained,)."""
        return np.asarray(self.rows.start + np.arange(self.trained))


def roles_of(table: Table, name: str, notes: list[str]) -> NDArray[np.int8]:
    """Read from a column what each row is for, shape (rows,): it trains, is held out or left out.

    Raises
    ------
    CsvSeriesError
        If there is no such column, or its values do not say that.
    """
    if name not in table.columns:
        raise CsvSeriesError(
            f"SPLIT={name} is not valid; give SPLIT=time, SPLIT=series or the column that says of each row whether it "
            f"is for train or test. Columns of {table.path.name}: {', '.join(table.columns)}."
        )
    words = texts_of(table.columns[name]).str.lower()
    counts = words.value_counts()
    unknown = [word for word in counts.index if word not in (*TRAINING, *TESTING, *VALIDATION)]
    train, test, validation = (
        [word for word in counts.index if word in known] for known in (TRAINING, TESTING, VALIDATION)
    )
    held = test or validation
    if unknown or not train or not held:
        some = counts.index[:6]
        found = ", ".join(f"{word[:40]!r} ({counts[word]:,} rows)" for word in some)
        raise CsvSeriesError(
            f"{table.path.name}: SPLIT={name} takes a column that names rows that train ({', '.join(TRAINING)}) and "
            f"rows that are held out ({', '.join(TESTING)}; {', '.join(VALIDATION)}). It holds {found}"
            f"{', ...' if len(counts) > len(some) else ''}. Write train and test there, or leave SPLIT out, and the "
            "last third is held out."
        )
    left = validation if test else []
    told = [
        f"{counts[some].sum():,} rows {what} ({', '.join(some)})"
        for some, what in ((train, "train"), (held, "are held out"))
    ]
    told += [f"{counts[left].sum():,} are left out ({', '.join(left)}), as there are rows to test on"] if left else []
    notes.append(f"As {name!r} says, {', '.join(told)}.")
    return np.where(words.isin(train), TRAINS, np.where(words.isin(held), HELD_OUT, LEFT_OUT)).astype(np.int8)


def says_what_trains(table: Table, name: str) -> bool:
    """Whether a column holds words for training rows, words for held-out ones, and no others."""
    words = set(texts_of(table.columns[name]).str.lower())
    held = words & {*TESTING, *VALIDATION}
    return bool(held) and bool(words & {*TRAINING}) and words <= held | {*TRAINING}


def by_time(blocks: list[slice]) -> list[Stretch]:
    """Of each series two thirds train."""
    return [Stretch(i, rows, int((rows.stop - rows.start) * TRAIN_SHARE)) for i, rows in enumerate(blocks)]


def by_series(blocks: list[slice]) -> list[Stretch]:
    """Two thirds of all series train."""
    # Which ones must not depend on how the file sorts them.
    order = np.random.default_rng(0).permutation(len(blocks))
    training = set(order[: max(1, int(len(blocks) * TRAIN_SHARE))].tolist())
    return [Stretch(i, rows, (rows.stop - rows.start) * (i in training)) for i, rows in enumerate(blocks)]


def by_column(blocks: list[slice], roles: NDArray[np.int8]) -> list[Stretch]:
    """Of each series a stretch for rows that train and the held-out ones that follow at once, or for either alone."""
    found: list[Stretch] = []
    for i, rows in enumerate(blocks):
        changes = rows.start + 1 + np.flatnonzero(np.diff(roles[rows]))
        for first, end in pairwise([rows.start, *changes.tolist(), rows.stop]):
            before = found[-1] if found else None
            if roles[first] == HELD_OUT and before and (before.series, before.rows.stop) == (i, first):
                found[-1] = before._replace(rows=slice(before.rows.start, end))
            elif roles[first] != LEFT_OUT:
                found.append(Stretch(i, slice(first, end), (end - first) * int(roles[first] == TRAINS)))
    return found
