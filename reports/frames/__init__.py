"""Results as pandas frames: ``load("results/*")``, any number of runs, machines and engines together.

Each frame is tidy, one row a thing; docs/frames.md says what each column means. A frame is made when it is first asked
for. ``run`` and ``key`` join them.
"""

import glob
from collections import Counter, namedtuple
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from bench.case.regimes import CLAIM
from bench.errors import printable
from reports.collect.grouping import SETTING, Setting, dials_of
from reports.collect.read import COMPRESSED, RECORDS, Run, RunNotReadableError, read
from reports.frames.columns import Column, Source, Table
from reports.frames.of_findings import (
    ARMS,
    CEILINGS,
    COMPARISONS,
    ENERGY,
    GROWTH,
    MEMORY_PEAKS,
    PAIRED_TRAININGS,
    PAYBACKS,
    ROOFLINE,
    SECONDS,
    STATE_MEMORY,
    TARGETS,
    TO_TARGET,
    WHOLE_TRAININGS,
    WIDTHS,
)
from reports.frames.of_records import BASELINES, CASES, CURVES, MACHINES, MEMORY, REPLICATES, TIMINGS

TABLES = {
    table.name: table
    for table in (
        CASES,
        REPLICATES,
        CURVES,
        TIMINGS,
        MEMORY,
        COMPARISONS,
        ARMS,
        PAIRED_TRAININGS,
        WIDTHS,
        TARGETS,
        TO_TARGET,
        SECONDS,
        PAYBACKS,
        GROWTH,
        ROOFLINE,
        CEILINGS,
        MEMORY_PEAKS,
        STATE_MEMORY,
        WHOLE_TRAININGS,
        ENERGY,
        BASELINES,
        MACHINES,
    )
}
"""Every frame by its name, those of records first."""


def _made(name: str) -> cached_property[pd.DataFrame]:
    """The frame of a name, made when it is first asked for."""
    return cached_property(lambda frames: frames._frame(name))  # noqa: SLF001


class Frames:
    """The frames of some runs, each an attribute by its name."""

    cases = _made("cases")
    replicates = _made("replicates")
    curves = _made("curves")
    timings = _made("timings")
    memory = _made("memory")
    comparisons = _made("comparisons")
    arms = _made("arms")
    paired_trainings = _made("paired_trainings")
    widths = _made("widths")
    targets = _made("targets")
    to_target = _made("to_target")
    seconds = _made("seconds")
    paybacks = _made("paybacks")
    growth = _made("growth")
    roofline = _made("roofline")
    ceilings = _made("ceilings")
    memory_peaks = _made("memory_peaks")
    state_memory = _made("state_memory")
    whole_trainings = _made("whole_trainings")
    energy = _made("energy")
    baselines = _made("baselines")
    machines = _made("machines")

    def __init__(self, sources: Iterable[Source]) -> None:
        self._sources = tuple(sources)

    @classmethod
    def of(cls, runs: Iterable[Run]) -> "Frames":
        """Frames of runs that were read; runs of one name are distinguished by their folders."""
        runs = list(runs)
        named = Counter(run.name for run in runs)
        return cls(Source(run.name if named[run.name] == 1 else str(run.folder), run, {}) for run in runs)

    @classmethod
    def judged(cls, run: Run, **known: Any) -> "Frames":
        """Frames of one run of which these things (attributes of `Source`) are computed already."""
        return cls([Source(run.name, run, known)])

    @cached_property
    def claim(self) -> list[Any]:
        """What figures show of `comparisons`: stateful / stateless in updates to target, each with its `setting`."""
        every = self.comparisons
        shown = ["compares", "key_a", "key_b", "reach_in_windows", "declared", "ratio", "low", "high", "method"]
        rows = every[(every.compares == " / ".join(CLAIM)) & (every.measure == "updates")]
        return settled(rows[[*SETTING, *shown, "verdict", "target"]])

    @cached_property
    def outlines(self) -> pd.DataFrame:
        """Of `cases` what tables show of any of them and what takes no time to know, by key."""
        known = ["key", "kind", "regime", *SETTING, "outcome", "message"]
        more = ["steps_per_prediction", "stop", "budget", "chosen_rate", "rate_at_edge", "rates_tried", "majority"]
        cases = self.part("cases", [*known, *more])
        # Not by the category, in which a key is sought for as long as among all of them.
        return cases.set_index(cases.key.astype(object))

    def part(self, name: str, columns: Sequence[str], keys: Collection[str] | None = None) -> pd.DataFrame:
        """Some columns of a frame, of some records' rows: takes as long as what is asked for."""
        table = TABLES[name]
        some = tuple(column for column in table.columns if column.name in columns)
        sources = self._sources if keys is None else [replace(one, keys=keys) for one in self._sources]
        return frame(replace(table, columns=some), sources)

    def items(self) -> Iterator[tuple[str, pd.DataFrame]]:
        """Every frame by its name."""
        return ((name, getattr(self, name)) for name in TABLES)

    def with_case(self, name: str) -> pd.DataFrame:
        """A frame with what `cases` holds of each row's record: task, cell, window and all else."""
        frame: pd.DataFrame = getattr(self, name)
        new = ["run", "key", *(column for column in self.cases.columns if column not in frame.columns)]
        return frame.merge(self.cases[new], on=["run", "key"], validate="many_to_one")

    def _frame(self, name: str) -> pd.DataFrame:
        return frame(TABLES[name], self._sources)


def load(*patterns: str | Path) -> Frames:
    """Read runs into frames.

    Parameters
    ----------
    patterns
        Folders of runs, or patterns of them as a shell writes them: ``"results/*"``. What such a pattern finds beside
        runs is passed over.

    Raises
    ------
    RunNotReadableError
        If a folder holds no run, a pattern finds none, or a run cannot be read.
    """
    folders: dict[Path, None] = {}
    for pattern in map(str, patterns):
        if glob.has_magic(pattern):
            found = [Path(one) for one in sorted(glob.glob(pattern)) if _holds_records(Path(one))]  # noqa: PTH207
            if not found:
                raise RunNotReadableError(
                    f"{pattern} finds no folder with {RECORDS} or {COMPRESSED}; `make bench` makes one, and "
                    "reports/published/* are in the repository."
                )
        else:
            found = [Path(pattern)]
        folders |= dict.fromkeys(found)
    return Frames.of(map(read, folders))


def _holds_records(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (RECORDS, COMPRESSED))


def plain(rows: pd.DataFrame, **more: Sequence[Any]) -> list[Any]:
    """Rows of a frame with attributes by column, and by `more` of a value a row; what is missing is None."""
    columns = []
    for name in rows:
        column = rows[name]
        missing = column.isna().to_numpy()
        values = column.tolist()
        columns.append([None if gone else value for value, gone in zip(values, missing, strict=True)])
    row: Any = namedtuple("Row", (*rows.columns, *more))  # type: ignore[misc]  # noqa: PYI024  (named by a table's columns)
    return list(map(row._make, zip(*columns, *more.values(), strict=True)))


def settled(rows: pd.DataFrame, **more: Sequence[Any]) -> list[Any]:
    """The same of rows that have the columns of a setting, each with its `setting` beside them."""
    return plain(rows, setting=[setting(row) for row in plain(rows[SETTING])], **more)


def setting(row: Any) -> Setting:
    """Setting of a row that has its columns."""
    values: dict[str, Any] = {name: getattr(row, name) for name in SETTING}
    return Setting(**values | {"dial": dials_of(row.dial)})


ROWS_AT_ONCE = 2**14
"""Rows of a CSV file that are text in memory together."""


def write_csv(frame: pd.DataFrame, file: Path) -> None:
    """Write a frame as CSV, some rows at a time; pyarrow takes a tenth of pandas' time for it.

    Control characters are written out: whoever prints the file gives no commands to a terminal.
    """

    def shown(value: object) -> object:
        return printable(value) if isinstance(value, str) else value

    texts = frame.select_dtypes(["category", "object", "string"])  # of categories each is looked at once
    frame = frame.assign(**{str(name): column.map(shown, na_action="ignore") for name, column in texts.items()})
    text = dict.fromkeys(texts, "string")
    schema = pa.Schema.from_pandas(frame.head(0).astype(text), preserve_index=False)
    with csv.CSVWriter(file, schema) as writer:
        for start in range(0, len(frame), ROWS_AT_ONCE):
            some = frame.iloc[start : start + ROWS_AT_ONCE].astype(text)
            writer.write(pa.Table.from_pandas(some, schema, preserve_index=False))


def frame(table: Table, sources: Iterable[Source]) -> pd.DataFrame:
    """Make a frame: columns and dtypes as the table says, also without any row."""
    rows = [row for source in sources for row in table.rows(source)]
    lengths = None if table.length is None else np.array([table.length(row) for row in rows], dtype=int)
    shared = {
        about: _shared(list(map(about, rows))) for about in {one.about for one in table.columns} if about is not None
    }
    found = {}
    for column in table.columns:
        if column.about is None:
            found[column.name] = _series(column, rows, lengths)
            continue
        things, places = shared[column.about]
        values = _typed([None if thing is None else column.of(thing) for thing in things], column.dtype)
        places = places if lengths is None else places.repeat(lengths)
        found[column.name] = values.take(places).reset_index(drop=True)
    return pd.DataFrame(found, copy=False)


def _shared(things: list[Any]) -> tuple[list[Any], NDArray[np.intp]]:
    """Things, each once, and where among them each of all is: most are shared by several rows."""
    each = np.fromiter(map(id, things), np.intp, len(things))
    _, first, places = np.unique(each, return_index=True, return_inverse=True)
    return [things[one] for one in first.tolist()], places


def _series(column: Column, rows: list[Any], lengths: Any) -> pd.Series:
    values = [column.of(row) for row in rows]
    if lengths is None:
        return _typed(values, column.dtype)
    if any(isinstance(value, np.ndarray) for value in values):
        parts = [
            value if isinstance(value, np.ndarray) else np.full(length, np.nan)
            for value, length in zip(values, lengths, strict=True)
        ]
        return _typed(np.concatenate(parts), column.dtype)
    return _typed(values, column.dtype).repeat(lengths).reset_index(drop=True)


def _typed(values: Any, dtype: str) -> pd.Series:
    if dtype.startswith("datetime"):
        values = pd.to_datetime(values, utc=True, format="ISO8601")
    series: pd.Series = pd.Series(values, dtype=cast("Any", dtype))
    return series


_INTRODUCTION = """# Results as frames

```python
from reports.frames import load

frames = load("results/*")  # or names of folders, of any number of runs, machines and engines
frames.comparisons.query("compares == 'stateful / stateless' and measure == 'updates' and declared")
frames.with_case("timings")  # the blocks, with task, cell, window and all else of their cases
```

`make export RUN=name[,name] FORMAT=parquet|csv` writes the same as files into `results/export/`.
[examples/results.ipynb](../examples/results.ipynb) reads a published run, draws a figure and answers a question of its
own. The tables of a run's details, its figures and its `comparisons.csv` are made from these frames too.

One row is one thing. `run` and `key` join the frames. Seconds are seconds and bytes are bytes, never a multiple. What
is not known is missing (NaN, NA), never 0. Types are those of pandas: `category` is text that repeats; `Int64`,
`boolean` and `string` can be missing."""


def documentation() -> str:
    """Text of docs/frames.md."""
    parts = [_INTRODUCTION]
    for table in TABLES.values():
        parts += [
            "",
            f"## {table.name}",
            "",
            f"A row: {table.row}.",
            "",
            "| column | type | meaning |",
            "|---|---|---|",
        ]
        parts += [f"| `{column.name}` | {column.dtype} | {column.meaning} |" for column in table.columns]
    return "\n".join(parts) + "\n"
