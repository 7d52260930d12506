import json
import subprocess
import sys

import pytest
import synthetic

from reports.__main__ import main
from reports.collect.read import read
from reports.render import write_report
from reports.tell.headline import answer

BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"tensorflow", "keras"}:
            raise ImportError(f"{name} must not be imported")

sys.meta_path.insert(0, Blocker())
from reports.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A small run with something of everything."""
    records = [
        record
        for task, dial in (("lagged_mean", 16), ("electricity", None))
        for units, found in ((4, (None, None)), (8, (200, None)), (16, (200, 400)))
        for record in synthetic.pair(*([one] * 10 for one in found), task=task, dial=dial, units=units)
    ]
    control = synthetic.case(task="electricity", units=16, regime="stateless-burnin")
    records.append(synthetic.convergence([300] * 10, case_=control))
    synthetic.at_edge(records[-1])
    for regime, seconds in (("stateful", 1e-3), ("stateless", 2e-3)):
        for repetition in (0, 1):
            timed = synthetic.case("time", regime=regime, repetition=repetition)
            records.append(synthetic.time([seconds, seconds * 1.01, seconds * 1.02], case_=timed))
    records.append(synthetic.memory())
    crash = synthetic.case(task="electricity", window=32, regime="stateful")
    records.append(synthetic.record(crash, {}, "crashed", message="killed by <script> | signal 9"))
    absent = synthetic.case(task="electricity", window=48)
    plan = [one["case"] for one in records] + [absent.to_dict()]
    declared = [one for one in records if one["case"]["task"] == "lagged_mean"]
    folder = tmp_path_factory.mktemp("results") / "quick"
    synthetic.write(folder, records, plan=plan, family=synthetic.family(declared))
    with (folder / "records.jsonl").open("ab") as file:
        file.write(b'{"torn')
    return write_report(read(folder)).parent


def test_the_answer_stands_first(full):
    text = synthetic.whole(full / "report.md")
    answer = text.split("\n\n")[2]
    assert answer.startswith(
        "- **Target reaches beyond the window: carry state** (fewer updates in 2 of 3, neither reached the "
        "target in 1)."
    )
    assert "**Carrying takes 0.5" in answer
    assert len(answer) < 600
    assert "**Smaller network: yes.** A narrower stateful network sufficed in 2 of 2 width grids" in text
    assert text.index("figures/verdicts.svg") < text.index("figures/map.svg") < text.index("## What to do")
    assert text.index("| setting | verdict |") < text.index("## What an update costs") < text.index("## The run")
    assert "D/L > 1" in text


def test_advice_can_be_acted_on(full):
    text = synthetic.whole(full / "report.md")
    assert "- lagged_mean@16, LSTM: **carry state** at window 4 (in 2 of 3: 0." in text
    assert "only stateful reached the target in 1" in text
    assert "With LSTM, 16 units and batch size 8: carry state at window 4 (0." in text
    assert "- electricity, LSTM: **carry state**" in text


def test_what_is_exploratory_is_called_so(full):
    text = synthetic.whole(full / "report.md")
    assert "| *electricity, LSTM 16, window 4, batch 8* |" in text
    assert "| lagged_mean@16, LSTM 16, window 4, batch 8 |" in text
    assert "2 fewer, 0 more of 3" in text
    assert "electricity, LSTM: **carry state** at window 4" in text
    assert "– *exploratory*" in text


def test_what_is_missing_and_what_failed_is_said(full):
    text = synthetic.whole(full / "report.md")
    assert "This run is not complete:** 1 case of its plan has no record, 1 case did not end well" in text
    assert "convergence/electricity-lstm-stateless-u8-L48-b8" in text
    assert "killed by &lt;script&gt; \\| signal 9" in text
    assert "records.jsonl, line 20" in text
    assert "**rate-at-edge**" in text
    assert "make bench PRESET=quick" in text


def test_tables_are_whole(full):
    lines = synthetic.whole(full / "report.md").split("\n")
    for number, line in enumerate(lines):
        if line.startswith("|---"):
            width = lines[number - 1].replace("\\|", "").count("|")
            rows = [number]
            while lines[rows[-1] + 1].startswith("|"):
                rows.append(rows[-1] + 1)
            assert len(rows) > 1, lines[number - 1]
            assert all(lines[row].replace("\\|", "").count("|") == width for row in rows), lines[number - 1]


def test_every_figure_exists_and_shows_something(full):
    text = synthetic.whole(full / "report.md")
    names = {"verdicts", "map", "time-to-target", "arrivals", "widths", "curves", "targets", "seconds", "memory"}
    assert {file.stem for file in (full / "figures").iterdir()} == names
    for name in names:
        assert f"(figures/{name}.svg)" in text
        assert synthetic.marks(full / "figures" / f"{name}.svg") > 4


def test_the_summary_says_the_same(full):
    summary = json.loads((full / "summary.json").read_text())
    each = {"fewer": 1, "only stateful": 1, "neither": 1}
    assert summary["counts"] == {"declared": each, "exploratory": each}
    assert summary["family"] == 3
    assert len(summary["after_holm"]) == 2
    assert [one["survives_holm"] for one in summary["training"] if one["declared"]].count(True) == 2
    assert all(one["p_holm"] is None for one in summary["training"] if not one["declared"])
    assert {one["flops"]["verdict"] for one in summary["training"]} == set(each)
    assert {one["verdict"] for one in summary["network"]} == {"fewer"}
    assert "failed" in [one["code"] for one in summary["warnings"]]


def test_below_the_floor_is_loud(tmp_path):
    records = synthetic.pair([100] * 10, [100] * 10)
    for one in records:
        one["convergence"]["stateless_floor"] = 0.25
    text = synthetic.whole(write_report(read(synthetic.write(tmp_path / "run", records))))
    assert "> **BELOW-FLOOR" in text
    assert "bug in the suite" in text


@pytest.mark.parametrize(
    "records",
    [
        [synthetic.time()],
        [synthetic.memory()],
        [synthetic.convergence([100] * 3)],
        [synthetic.record(synthetic.case(), {}, "timed-out", message=None)],
        synthetic.pair([100], [None]),
        synthetic.pair([], []),
        synthetic.pair([0] * 4, [0] * 4),
        synthetic.pair([None] * 4, [None] * 4),
    ],
    ids=["time", "memory", "one-arm", "failed", "one-seed", "no-seed", "no-cost", "censored"],
)
def test_partial_runs_still_have_a_report(tmp_path, records):
    text = synthetic.whole(write_report(read(synthetic.write(tmp_path / "run", records))))
    assert text.startswith(("# run: carry state?", "# run: what does an update cost?"))
    assert "nan" not in text.lower()


def test_an_empty_run_has_a_report(tmp_path):
    folder = synthetic.write(tmp_path / "run", [], plan=[synthetic.case().to_dict()])
    assert "1 case of its plan has no record" in synthetic.whole(write_report(read(folder)))


def test_the_command_prints_the_path_and_needs_no_tensorflow(tmp_path):
    synthetic.write(tmp_path / "quick", synthetic.pair([100] * 10, [200] * 10))
    arguments = [sys.executable, "-c", BLOCKED, "--results", str(tmp_path), "quick"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    spent, *_, path = done.stdout.strip().splitlines()
    assert path == str(tmp_path / "quick" / "report.md")
    assert spent.startswith("2 cases, 26 trainings")


def test_the_command_names_the_runs_there_are(tmp_path, capsys):
    synthetic.write(tmp_path / "quick", [synthetic.time()])
    assert main(["--results", str(tmp_path), "quik"]) == 2
    assert "Runs nearby: quick" in capsys.readouterr().err


def test_a_run_continued_at_another_commit_says_so(tmp_path):
    records = synthetic.pair([100] * 10, [200] * 10)
    invocations = [
        synthetic.invocation(git={"commit": commit * 4, "dirty": False}, wall_seconds=1.0)
        for commit in ("aaaaaaaa", "bbbbbbbb")
    ]
    folder = synthetic.write(tmp_path / "run", records, invocations=invocations)
    text = synthetic.whole(write_report(read(folder)))
    assert "other-commit" in text
    assert "aaaaaaaaaaaa then bbbbbbbbbbbb" in text


@pytest.mark.parametrize(
    ("less", "more", "of", "said"),
    [
        (2, 0, 3, "carry state"),
        (1, 0, 3, "not settled"),
        (1, 0, 2, "not settled"),
        (0, 2, 3, "do not carry state"),
        (0, 1, 9, "not settled"),
        (5, 1, 6, "it depends"),
        (0, 0, 4, "no difference shown"),
    ],
)
def test_a_few_decided_comparisons_do_not_speak_for_all(less, more, of, said):
    assert answer(less, more, of) == said
