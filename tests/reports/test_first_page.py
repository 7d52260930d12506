"""report.md: short enough to be read, and what it says first."""

from pathlib import Path

import pytest
import synthetic

from reports.analysis import analyse
from reports.collect.read import read
from reports.formatting import span
from reports.render import write_report
from reports.statistics.verdict import Verdict
from reports.tell.headline import Evidence
from reports.tell.what_to_do import what_to_do

PUBLISHED = Path(__file__).parents[2] / "reports" / "published"


def real(hits, regime, **changes):
    """An arm of a real series: nobody knows its optimum."""
    return synthetic.convergence(hits, case_=synthetic.case(regime=regime, **changes), optimum=None)


def analysed(*records, declared=True):
    family = synthetic.family(records) if declared else []
    return analyse(synthetic.run_of(list(records), family=family))


@pytest.mark.parametrize(
    ("name", "trained"),
    [
        (
            "quick",
            "10 seeds in 10 folds, each fold with its own tuning, and where the data can be drawn anew on 10 draws",
        ),
        (
            "full",
            "30 seeds in 10 folds, each fold with its own tuning, and where the data can be drawn anew on 10 draws",
        ),
        ("cost", ""),
    ],
)
def test_a_published_run_fits_two_pages_and_a_phone(name, trained, tmp_path):
    text = write_report(read(PUBLISHED / name), tmp_path).read_text()
    assert len(text.split()) <= 1500
    assert len(text.encode()) <= 15_000
    assert trained in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert rows
    assert max(row.replace("\\|", "").count("|") for row in rows) <= 5  # four columns
    for file in tmp_path.glob("recommended_*.py"):
        compile(file.read_text(), file, "exec")
        assert f"]({file.name})" in text


def test_a_rate_at_the_edge_leaves_the_verdict_open_and_is_counted():
    records = [one for window in (4, 8) for one in synthetic.pair([100] * 10, [400] * 10, window=window)]
    synthetic.at_edge(records[0])
    found = analysed(*records)
    assert (found.sureness.not_found, found.sureness.at_no_rate, found.sureness.of) == (1, 0, 2)
    assert "so a better one may lie beyond: no verdict there." in found.sureness.sentence
    rows = what_to_do(found.compared).rows
    assert [(row.advice, row.marks) for row in rows] == [
        ("no verdict: best rate not found", ""),
        ("**carry** (fewer)", "holds"),
    ]
    (open_one,) = [one for one in found.sensitivity if one.setting.window == 4]
    assert "smallest or largest" in open_one.why_not


def test_where_nothing_is_learnt_at_any_rate_none_is_the_best():
    pair = synthetic.pair([None] * 10, [None] * 10)
    for one in pair:
        for replicate in one["convergence"]["replicates"]:
            replicate["error"] = [1.0] * len(replicate["error"])
        synthetic.settle(one)
    synthetic.at_edge(pair[0])
    found = analysed(*pair)
    assert (found.sureness.not_found, found.sureness.at_no_rate) == (0, 1)
    assert (
        "in 1 of 1 comparison none is the best: neither network reached the target at any." in found.sureness.sentence
    )
    (row,) = what_to_do(found.compared).rows
    assert (row.advice, row.marks) == ("neither reached the target", "at no rate tried")
    # A tuning seed that did reach it says that there is a rate to be found.
    tuning = next(one for one in pair[1]["convergence"]["replicates"] if one["role"] == "tuning")
    tuning["error"][0] = tuning["error"][1] = synthetic.TARGET / 2
    synthetic.settle(pair[1])
    assert analysed(*pair).compared[0].updates.verdict is Verdict.RATE_NOT_FOUND


def test_cells_and_windows_of_one_verdict_share_a_row_only_where_each_was_found():
    def pair(cell, window, found, seed):
        arms = synthetic.hits(200, seed=seed), synthetic.hits(800, seed=seed + 50)
        return synthetic.pair(*arms[:: 1 if found else -1], task="lagged_mean", dial=64, cell=cell, window=window)

    cells = [("gru", 4, True), ("lstm", 4, True), ("gru", 8, True), ("lstm", 8, True), ("gru", 16, True),
             ("lstm", 16, False)]  # fmt: skip
    records = [one for seed, (cell, window, found) in enumerate(cells) for one in pair(cell, window, found, seed)]
    table = what_to_do(analysed(*records).compared)
    assert [(row.where, row.advice) for row in table.rows] == [
        ("lagged_mean@64, GRU and LSTM, windows 4 and 8", "**carry** (fewer)"),
        ("lagged_mean@64, GRU, window 16", "**carry** (fewer)"),
        ("lagged_mean@64, LSTM, window 16", "**don't carry** (more)"),
    ]
    assert table.constant == "8 units, batch 8"


def test_the_ratio_of_a_row_spans_all_its_intervals():
    records = [
        one
        for cell, least in (("gru", 200), ("lstm", 300))
        for one in synthetic.pair(
            synthetic.hits(least, seed=least), synthetic.hits(1000, seed=9), cell=cell, task="lagged_mean", dial=8
        )
    ]
    found = analysed(*records).compared
    (row,) = what_to_do(found).rows
    ratios = [one.updates.ratio for one in found]
    low, high = min(one.low for one in ratios), max(one.high for one in ratios)
    assert row.ratio.endswith(span(low, high))


def test_rows_whose_ratios_are_far_apart_are_not_merged():
    def rows(*slower):
        records = [
            one
            for window, (cell, hits) in zip((4, 8), zip(("gru", "gru"), slower, strict=True), strict=True)
            for one in synthetic.pair([100] * 10, [hits] * 10, window=window, cell=cell, task="lagged_mean", dial=16)
        ]
        return [row.where for row in what_to_do(analysed(*records).compared).rows]

    assert rows(300, 450) == ["lagged_mean@16, GRU, windows 4 and 8"]
    assert rows(300, 900) == ["lagged_mean@16, GRU, window 4", "lagged_mean@16, GRU, window 8"]


def test_how_many_differences_remain_after_holm_is_said_where_they_are_counted():
    arms = [real([100] * 10, "stateful"), real([400] * 10, "stateless")]
    weak = [
        real(synthetic.hits(median, seed=seed, spread=0.4), regime, window=window)
        for window in (8, 16)
        for regime, median, seed in (("stateful", 150, 2), ("stateless", 260, 52))
    ]
    found = analysed(*arms, *weak)
    assert {one.updates.verdict for one in found.compared} == {Verdict.FEWER}
    assert [one.survives_holm for one in found.compared] == [True, False, False]
    assert "times the updates, 1 of 3 holds)" in found.headline[0]
    assert (
        "1 of 3 differences in updates holds, corrected for multiple comparisons; the others are"
        in found.sureness.in_one_line
    )
    text = " ".join(found.in_full)
    assert "(by Holm), 1 of 3 differences holds:** 1 of 3 with fewer updates; take the others as hints" in text
    exploratory = analysed(*arms, declared=False)
    assert "hold" not in " ".join([*exploratory.headline, *exploratory.in_full])
    assert "No comparison was declared before the run" in exploratory.sureness.in_one_line


def test_a_declared_control_that_beats_both_arms_is_told():
    arms = [real([400] * 10, "stateful"), real([400] * 10, "stateless"), real([100] * 10, "stateless-burnin")]
    ours, theirs, control = ([one["key"] for one in arms][place] for place in range(3))
    family = [[ours, theirs], [control, theirs], [ours, control]]
    found = analyse(synthetic.run_of(arms, family=family))
    (sentence,) = [one for one in found.in_full if "burn-in" in one]
    assert sentence.startswith(
        "**A burn-in before each window, with nothing carried, took fewer updates than both networks** in 1 of 1"
    )
    exploratory = analyse(synthetic.run_of(arms, family=family[:1]))
    assert exploratory.findings
    assert not [one for one in exploratory.in_full if "burn-in" in one]


def test_a_report_states_the_evidence_that_its_verdicts_rest_on():
    arms = [real([100] * 10, "stateful"), real([400] * 10, "stateless")]
    more = [real([100] * 12, "stateful", window=8), real([400] * 12, "stateless", window=8)]
    assert analysed(*arms, *more).sureness.evidence == Evidence((10, 12), (10, 12), (1, 1))


def test_other_batch_sizes_than_the_declared_are_told_as_exploratory():
    declared = [real([800] * 10, "stateful"), real([200] * 10, "stateless")]
    other = [real([200] * 10, "stateful", batch_size=32), real([800] * 10, "stateless", batch_size=32)]
    found = analyse(synthetic.run_of([*declared, *other], family=synthetic.family(declared)))
    assert found.headline[0] == (
        "**made_up, batch size 8:** **do not carry state** at window 4 (4.16 [3.87, 4.46] times the updates, holds)."
    )
    assert (
        "**made_up at other batch sizes**, not declared before the run: at 32 fewer updates in 1 (of 1)."
        in found.in_full
    )


def test_a_longer_window_is_counted_from_the_stateless_side():
    records = [
        *synthetic.pair([900] * 10, [900] * 10, window=4),
        *synthetic.pair([100] * 10, [100] * 10, window=8),
    ]
    found = analysed(*records)
    assert (
        "**A longer window, stateless,** against a shorter, stateful: fewer updates in 1 of 1, less compute in 1."
        in found.headline
    )
    (sentence,) = [one for one in found.in_full if "longer window" in one]
    assert "of 1 pair it took fewer updates in 1, and less computing in 1: each of its updates" in sentence


def test_seconds_that_grow_while_measuring_are_told(tmp_path):
    records = [
        synthetic.time([1e-3] * 4 + [2e-3] * 4, case_=synthetic.case("time", repetition=repetition))
        for repetition in (0, 1)
    ]
    text = write_report(read(synthetic.write(tmp_path / "run", records))).read_text()
    assert "The later half of a process took 2 times as long as its earlier half in the median" in text
