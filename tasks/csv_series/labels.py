"""Columns of labels: which they are, and how they are read."""

import numpy as np

from tasks.csv_series.columns import is_numeric
from tasks.csv_series.faults import Faults
from tasks.csv_series.table import Table
from tasks.csv_series.written import missing, texts_of
from tasks.task import FloatArray

MOST_LABELS = 50
"""Beyond this a column is rather text, or a number."""
OFTEN = 10
"""Rows to a label, on average, below which a column of text is not taken for labels by itself."""


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
