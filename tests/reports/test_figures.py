"""A figure draws what `make export` writes and nothing else: the same from CSV that was read back as from a run."""

from pathlib import Path

import pandas as pd
import pytest

from reports.export import export
from reports.figures import FIGURES
from reports.frames import TABLES, Frames, load

PUBLISHED = Path(__file__).parents[2] / "reports" / "published"


class Exported(Frames):
    """Frames that are read from files; the run is out of reach."""

    def __init__(self, folder):
        super().__init__([])
        self._folder = folder

    def _frame(self, name):
        # A dial is text, also where all that a file has of it are numbers; none of the figures needs a time.
        types = {column.name: column.dtype.replace("category", "string") for column in TABLES[name].columns}
        types = {column: "string" if dtype.startswith("datetime") else dtype for column, dtype in types.items()}
        return pd.read_csv(self._folder / f"{name}.csv", dtype=types, keep_default_na=False, na_values=[""])

    def part(self, name, columns, keys=None):
        every = getattr(self, name)
        return every.loc[slice(None) if keys is None else every.key.isin(keys), [*columns]]


OF_COST = {"draw_memory_growth", "draw_roofline"}
OF_QUICK = {draw.__name__ for draw in FIGURES} - OF_COST


@pytest.mark.parametrize(("run", "names"), [("quick", OF_QUICK), ("cost", OF_COST)])
def test_figures_are_drawn_from_exported_files_alone(run, names, tmp_path):
    export([PUBLISHED / run], tmp_path, "csv")
    of_run, of_files = load(PUBLISHED / run), Exported(tmp_path)
    for draw in FIGURES:
        if draw.__name__ in names:
            expected, found = draw(of_run), draw(of_files)
            assert (found.name, found.caption, found.svg) == (expected.name, expected.caption, expected.svg)
