"""What a published page says of a comparison is what its comparisons.csv says."""

from pathlib import Path

import pandas as pd
import pytest

from reports import formatting
from reports.statistics.intervals import Ratio

PUBLISHED = Path(__file__).parents[2] / "reports/published"
CELLS = {"lstm": "LSTM", "gru": "GRU", "gru_reset_before": "GRU (reset before)", "simple_rnn": "SimpleRNN"}


def rows_of(page):
    """Rows of the table of verdicts, by setting: cells by the name of their column."""
    lines = iter(page.splitlines())
    head = next(line for line in lines if line.startswith("| setting | D/L | n |"))
    names = [cell.strip() for cell in head.strip("|").split("|")]
    next(lines)
    for line in lines:
        if not line.startswith("|"):
            return
        yield dict(zip(names, (cell.strip() for cell in line.strip("|").split("|")), strict=True))


def setting_of(row):
    task = row.task if pd.isna(row.dial) else f"{row.task}@{row.dial}"
    layers = "" if row.layers == 1 else f"{row.layers} × "
    return f"{task}, {layers}{CELLS[row.cell]} {row.units}, window {row.window}, batch {row.batch_size}"


@pytest.mark.parametrize("run", ["quick", "full"])
def test_page_and_csv_agree_on_every_row(run):
    frame = pd.read_csv(PUBLISHED / run / "comparisons.csv", low_memory=False, dtype={"dial": str})
    frame = frame[(frame.compares == "stateful / stateless") & (frame.measure == "updates")]
    known = {setting_of(row): row for row in frame.itertuples()}
    rows = list(rows_of((PUBLISHED / run / "details.md").read_text()))
    assert len(rows) >= 8
    for row in rows:
        told = known[row["setting"].strip("*")]
        assert row["verdict"].strip("*") == told.verdict
        assert row["n"] == str(told.n)
        ratio = Ratio(told.ratio, told.low, told.high, 0.0, told.method, told.n)
        assert row["ratio in updates"] == formatting.ratio(ratio)
