"""What is true of made-up records must come out of the whole pipeline, in the text and in the JSON alike."""

import json

import pytest
import synthetic

from reports.analysis import analyse
from reports.collect.read import read
from reports.render import write_report

WINDOWS = (2, 4, 8, 16)


def reported(folder, records):
    report = write_report(read(synthetic.write(folder / "run", records, family=synthetic.family(records))))
    return synthetic.whole(report), json.loads((report.parent / "summary.json").read_text())


def grid(arms, **changes):
    """A declared comparison at every window; `arms(seed)` gives both arms' times to target."""
    return [
        one for place, window in enumerate(WINDOWS) for one in synthetic.pair(*arms(place), window=window, **changes)
    ]


def faster(seed):
    return synthetic.hits(200, seed=2 * seed), synthetic.hits(600, seed=2 * seed + 1)


@pytest.mark.parametrize(
    ("arms", "verdict", "answer", "advice", "survivors"),
    [
        (faster, "fewer", "**carry state** at windows 2, 4, 8 and 16", "**carry** (fewer)", 4),
        (lambda seed: faster(seed)[::-1], "more", "**do not carry state** at windows", "**don't carry** (more)", 4),
        (
            lambda seed: (synthetic.hits(200, seed=seed), [None] * 10),
            "only stateful", "(only stateful reached the target, all hold)", "**carry** (only stateful)", 4,
        ),
        (
            lambda seed: ([None] * 10, synthetic.hits(200, seed=seed)),
            "only stateless", "(only stateless reached the target, all hold)", "**don't carry** (only stateless)", 4,
        ),
        (
            lambda seed: (synthetic.hits(500, spread=0.03, seed=seed), synthetic.hits(500, spread=0.03, seed=seed)),
            "same", "the same at windows", "| same |", 0,
        ),
        (lambda _: ([None] * 10, [None] * 10), "neither", "neither reaches the target", "| neither |", 0),
        (
            lambda seed: (synthetic.hits(300, spread=0.9, seed=seed), synthetic.hits(300, spread=0.9, seed=seed + 50)),
            "inconclusive", "inconclusive at windows", "| inconclusive |", 0,
        ),
    ],
)  # fmt: skip
def test_one_answer_everywhere(tmp_path, arms, verdict, answer, advice, survivors):
    text, summary = reported(tmp_path, grid(arms))
    assert summary["counts"]["declared"] == {verdict: 4}
    assert answer in text.split("\n\n")[1]
    assert answer in summary["headline"][0]
    assert advice in text
    assert len(summary["after_holm"]) == survivors


def test_it_turns_over_where_the_window_covers_the_target(tmp_path):
    # lagged_mean@8: 2 and 4 steps do not cover it, 8 and 16 do.
    records = grid(lambda place: faster(place) if place < 2 else faster(place)[::-1], task="lagged_mean", dial=8)
    text, _ = reported(tmp_path, records)
    assert "- **Target reaches beyond the window: carry state** (fewer updates in 2 of 2).\n" in text
    within = "**Window covers the target's reach: do not carry state** (fewer updates in 0 of 2, more in 2)."
    assert f"- {within}\n" in text
    assert "4 of 4 differences hold:** 2 of 2 with fewer updates and 2 of 2 with more" in text
    assert "**carry state** at windows 2 and 4" in text
    assert "**do not carry state** from window 8 on" in text
    assert "(D/L > 1) carried state took fewer updates in 2 and more in 0 of 2" in text
    assert "(D/L ≤ 1) it took fewer updates in 0 and more in 2 of 2" in text
    assert "changed with the window on lagged_mean@8, LSTM 8, B 8 (fewer up to 4, more from 8 on)" in text


def test_seconds_that_only_the_process_explains_decide_nothing(tmp_path):
    records = grid(faster)
    for one in records[::2]:
        one["convergence"]["seconds_per_update"] = [1e-3, 1.01e-3, 0.99e-3]
    text, summary = reported(tmp_path, records)
    assert "**What is counted changes the verdict** in 4 settings" in text
    assert {one["updates"]["verdict"] for one in summary["training"]} == {"fewer"}
    assert {one["flops"]["verdict"] for one in summary["training"]} == {"fewer"}
    assert {one["seconds"]["verdict"] for one in summary["training"]} == {"inconclusive"}


def test_widths_that_disagree_are_said_to_depend_on_the_width(tmp_path):
    records = grid(faster, units=8) + grid(lambda place: faster(place)[::-1], units=16)
    text, _ = reported(tmp_path, records)
    assert "depends on the network at windows 2, 4, 8 and 16" in text


def test_arms_of_one_law_are_not_told_apart_after_holm(tmp_path):
    for run in range(10):
        records = [
            one
            for window in range(1, 13)
            for one in synthetic.pair(
                *(synthetic.hits(300, spread=0.6, success=0.8, seed=1000 * run + 2 * window + arm) for arm in (0, 1)),
                window=window,
            )
        ]
        folder = synthetic.write(tmp_path / str(run), records, family=synthetic.family(records))
        # One family in twenty may; none of these ten does.
        assert analyse(read(folder)).survivors == []


def test_a_leak_is_loud_and_the_sound_record_silent(tmp_path):
    records = grid(faster)
    for one in records[1::2]:
        one["convergence"] |= {
            "stateless_floor": 0.04,
            "scored": {"count": 128, "of": 1000, "relative_standard_error": 0.1},
        }
    text, summary = reported(tmp_path, records)
    assert (len(summary["floors"]["below"]), summary["floors"]["checked"]) == (0, 4)
    assert "4 records were checked against" in text
    records[1]["convergence"]["stateless_floor"] = 0.5
    text, summary = reported(tmp_path, records)
    assert summary["floors"]["below"] == [records[1]["key"]]
    assert "> **BELOW-FLOOR" in text[: text.index("| task | cell |")]


def test_the_controls_add_up_to_the_whole(tmp_path):
    order = synthetic.convergence([408] * 10, case_=synthetic.case(regime="stateless-ordered"))
    text, _ = reported(tmp_path, [*synthetic.pair([204] * 10, [816] * 10), order])
    assert "**Order alone.** Against stateless, keeping the order without carrying took fewer updates in 1" in text
    row = next(
        line for line in text.split("\n") if line.startswith("| made_up, LSTM 8, window 4, batch 8 | 10/10 | 0.500")
    )
    # 404 / 808, then 202 / 404, half-way between evaluations: together the verdict's 202 / 808
    assert row.count("0.500") == 2


def test_the_easy_and_the_hard_target_can_disagree(tmp_path):
    def curve(record, speed, level):
        for one in record["convergence"]["replicates"]:
            one["error"] = [level + (1 - level) * 2 ** (-step / speed) for step in range(1, len(one["error"]) + 1)]
        synthetic.settle(record)

    stateful, stateless = synthetic.pair([500] * 10, [500] * 10)
    curve(stateful, 8, 0.05)
    curve(stateless, 2, 0.2)
    text, _ = reported(tmp_path, [stateful, stateless])
    assert "it is reversed at another target in 1 of 1 setting" in text


def test_advice_that_rests_on_an_exploratory_width_says_so(tmp_path):
    declared = synthetic.pair([None] * 10, [None] * 10, units=16)
    records = [*declared, *synthetic.pair(*faster(0), units=8)]
    folder = synthetic.write(tmp_path / "run", records, family=synthetic.family(declared))
    (line,) = analyse(read(folder)).summary_lines
    assert line.declared
    assert line.what.endswith("times the updates, exploratory)")
