import cProfile
import json
import pstats
import re

import many
import numpy as np
import pandas as pd
import pytest

from bench.case.checked import decode
from bench.case.record import Record
from reports import page, summary
from reports.analysis import analyse
from reports.claim import arms, robustness
from reports.collect.read import read
from reports.render import write_report
from reports.tell import claim_tables, headline, tables


def test_tables_and_lists_end_and_the_csv_has_all(tmp_path, monkeypatch):
    folder = many.write(tmp_path / "run", 60)
    monkeypatch.setattr(tables, "MOST_ROWS", 4)
    monkeypatch.setattr(page, "MOST_ROWS", 7)
    monkeypatch.setattr(summary, "MOST", 3)
    monkeypatch.setattr(robustness, "MOST_SENSITIVITIES", 5)
    monkeypatch.setattr(arms, "MOST_A_A", 20)
    write_report(read(folder))

    text = (folder / "details.md").read_text()
    after = text[text.index("| setting | D/L |") :].split("\n")
    rows = [line for line in after[2:] if line][: after[2:].index("")]
    assert len(rows) == 4
    assert "*14 more rows in comparisons.csv.*" in text
    # What is not even sought in all of them says in how many.
    assert "Tried were only the 5 comparisons of most interest of 18." in text
    assert (
        "of 18 networks compared with the same on other seeds (taken evenly from 36 networks)"
        in (folder / "report.md").read_text()
    )

    frame = pd.read_csv(folder / "comparisons.csv", low_memory=False)
    claim = frame[(frame.compares == "stateful / stateless") & (frame.measure == "updates")]
    assert len(claim) == 18
    told = json.loads((folder / "summary.json").read_text())
    assert (len(told["training"]), told["left_to_comparisons_csv"]) == (3, 15)
    assert f"{len(frame) - 7} more are in comparisons.csv" in (folder / "report.html").read_text()


def test_no_line_names_more_than_a_few(tmp_path, monkeypatch):
    monkeypatch.setattr(claim_tables, "MOST_WIDTHS", 2)
    frames = analyse(read(many.write(tmp_path / "widths", 60, many.widths))).frames
    rows = claim_tables.ClaimTables(frames).reached_by_width.splitlines()[2:]
    assert all(row.endswith("7 wider ones |") and row.count("/10") == 2 for row in rows)

    monkeypatch.setattr(headline, "MOST_NAMED", 1)
    told = analyse(read(many.write(tmp_path / "windows", 60, many.windows))).turning_point
    assert re.search(r"It changed with the window on [^,]+, LSTM 8, B 8 \([^)]+\) and 2 more networks\.$", told)


def test_what_is_shown_first_is_declared_and_decided():
    comparisons = pd.DataFrame(
        {
            "declared": [False, True, True, False, True],
            "verdict": ["fewer", "inconclusive", "more", "same", "only stateful"],
            "ratio": [0.5, 0.2, 1.4, np.nan, 0.0],
        }
    )
    assert tables.interest(comparisons).tolist() == [4, 2, 1, 0, 3]
    assert tables.first_by_interest(comparisons, 2).index.tolist() == [2, 4, 0, 1, 3]


def test_a_record_that_was_read_holds_what_its_line_says(tmp_path):
    folder = many.write(tmp_path / "run", 20)
    lines = (folder / "records.jsonl").read_bytes().splitlines()
    for record, line in zip(read(folder).records, lines, strict=True):
        whole = decode(line, Record)
        assert (record.key, record.case, record.training) == (whole.key, whole.case, whole.training)
        if whole.convergence is not None:
            for ours, theirs in zip(record.convergence.replicates, whole.convergence.replicates, strict=True):
                assert ours.updates == theirs.updates
                assert list(ours.error) == theirs.error
                assert list(ours.loss) == theirs.loss


@pytest.mark.parametrize("number", [20, 40])
def test_the_generator_writes_records_that_a_run_can_write(number):
    records = [decode(json.dumps(one).encode(), Record) for one in many.lines(number)]
    assert len({one.key for one in records}) == number
    kinds, counts = np.unique([one.case.kind for one in records], return_counts=True)
    assert dict(zip(kinds.tolist(), (counts * 20 // number).tolist(), strict=True)) == {
        "convergence": 12,
        "memory": 2,
        "time": 6,
    }


def _calls(folder, number, of):
    """Calls of functions while so many records are read and judged: what a busy machine does not change."""
    many.write(folder, number, of)
    with cProfile.Profile() as profile:
        comparisons = analyse(read(folder)).frames.comparisons
    assert not comparisons.empty
    return pstats.Stats(profile).total_calls


@pytest.mark.parametrize("of", [many.settings, many.widths])
def test_work_grows_with_the_records_and_not_with_their_pairs(tmp_path, monkeypatch, of):
    monkeypatch.setattr(robustness, "MOST_SENSITIVITIES", 1)
    monkeypatch.setattr(arms, "MOST_A_A", 2)
    # The first of all also imports and fills what is kept.
    _, first, second, third = (_calls(tmp_path, 100 * times, of) for times in (1, 1, 2, 4))
    # Twice as many records more take twice as many calls more.
    assert third - second < 2.15 * (second - first)
