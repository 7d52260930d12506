import json
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import synthetic
from matplotlib import pyplot as plt

from reports import frames as frames_package
from reports.claim.arms import comparisons
from reports.collect.read import RunNotReadableError, read
from reports.export import export, main
from reports.frames import TABLES, documentation, load, write_csv

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Two runs, one of them by another engine, with something of everything."""
    root = tmp_path_factory.mktemp("results")
    trained = synthetic.pair([100] * 9 + [None], [400] * 10, task="lagged_mean", dial=16)
    timed = [one for kernel in ("loop", "unrolled") for one in synthetic.timed(1e-3, noise=0.1, kernel=kernel)]
    failed = synthetic.record(synthetic.case(window=32), {}, "failed", message="ValueError: no")
    synthetic.write(root / "first", [*trained, *timed, synthetic.memory(), failed], family=synthetic.family(trained))
    other = synthetic.pair([200] * 10, [200] * 10, engine="jax")
    synthetic.write(root / "second", other)
    (root / "export").mkdir()
    return root


def test_every_run_is_in_the_frames_together(results):
    frames = load(results / "*")
    assert set(frames.cases.run) == {"first", "second"}
    assert frames.cases.outcome.value_counts().to_dict() == {"ok": 9, "failed": 1}
    assert set(frames.cases.engine) == {"tensorflow", "jax"}
    assert frames.cases.dial.isna().sum() == 8
    assert len(frames.machines) == 2


def test_frames_hold_what_the_records_do(results):
    frames, run = load(results / "first"), read(results / "first")
    records = {one.key: one for one in run.records}
    curves = frames.curves.groupby(["key", "role", "learning_rate", "seed"], observed=True)
    for row in frames.replicates.itertuples():
        (one,) = [
            one
            for one in records[row.key].convergence.replicates
            if (one.seed, one.role, one.learning_rate) == (row.seed, row.role, row.learning_rate)
        ]
        assert row.best_error == min(one.error)
        assert pd.isna(row.updates_to_target) == (not row.reached)
        curve = curves.get_group((row.key, row.role, row.learning_rate, row.seed))
        assert curve.updates.tolist() == one.updates
        assert curve.error.tolist() == list(one.error)
    seconds = frames.timings.query("what == 'update'").groupby("key", observed=True).seconds.apply(list)
    assert {key: records[key].time.seconds_per_update for key in seconds.index} == seconds.to_dict()


def test_a_part_is_the_rows_and_columns_that_are_asked_for(results):
    frames = load(results / "*")
    keys = set(frames.arms.key[::2]) | set(frames.memory.key)
    for name in ("cases", "replicates", "curves", "arms", "memory"):
        whole = getattr(frames, name)
        part = frames.part(name, ("run", "key"), keys)
        assert (
            part.astype(str).to_numpy().tolist()
            == whole[whole.key.isin(keys)][["run", "key"]].astype(str).to_numpy().tolist()
        )


def test_a_csv_file_is_the_same_however_many_rows_are_written_at_once(results, tmp_path, monkeypatch):
    comparisons = load(results / "*").comparisons
    write_csv(comparisons, tmp_path / "whole.csv")
    monkeypatch.setattr(frames_package, "ROWS_AT_ONCE", 3)
    write_csv(comparisons, tmp_path / "parts.csv")
    assert len(comparisons) > 3
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    write_csv(comparisons.head(0), tmp_path / "none.csv")
    assert pd.read_csv(tmp_path / "none.csv").columns.tolist() == comparisons.columns.tolist()


def test_comparisons_are_those_of_the_report(results):
    frame = load(results / "first").comparisons
    (one,) = comparisons(read(results / "first"))
    row = frame.query("compares == 'stateful / stateless' and measure == 'updates'").iloc[0]
    assert (row.ratio, row.low, row.high) == (one.updates.ratio.value, one.updates.ratio.low, one.updates.ratio.high)
    assert (row.verdict, row.p, row.p_holm, row.declared) == (str(one.updates.verdict), one.p, one.p_holm, True)
    assert (row.reached_a, row.reached_b, row.expected_a) == (9, 10, one.a.ert)
    assert row.reach_in_windows == 4
    assert frame.query("measure == 'cell steps'").p.isna().all()
    unrolled = frame.query("compares == 'unrolled / loop'").iloc[0]
    assert unrolled.verdict == "inconclusive"
    assert unrolled.key_a.endswith("-unrolled")
    assert (frame.query("compares == 'same arm, other seeds'").measure == "updates").all()


def test_a_frame_joins_its_cases(results):
    joined = load(results / "*").with_case("memory")
    assert joined[["task", "window", "allocator_peak_bytes"]].to_numpy().tolist() == [["made_up", 4, 3 * 2**20]]


@pytest.mark.parametrize("name", TABLES)
def test_columns_are_as_documented_with_and_without_rows(results, tmp_path, name):
    empty = synthetic.write(tmp_path / "run", [])
    for folder in (results / "*", empty):
        frame = getattr(load(folder), name)
        assert [(column.name, column.dtype) for column in TABLES[name].columns] == [
            (column, str(dtype)) for column, dtype in frame.dtypes.items()
        ]


def test_the_document_is_made_from_the_tables():
    file = ROOT / "docs" / "frames.md"
    assert file.read_text() == documentation(), (
        "write it anew: python -c 'from reports.frames import documentation as d; print(d(), end=str())' "
        "> docs/frames.md"
    )


def test_runs_of_one_name_keep_apart(results, tmp_path):
    synthetic.write(tmp_path / "first", synthetic.pair([100], [200]), run="first")
    frames = load(results / "first", tmp_path / "first")
    assert set(frames.cases.run) == {str(results / "first"), str(tmp_path / "first")}


@pytest.mark.parametrize("pattern", ["nothing/*", "export", "export/*"])
def test_what_holds_no_run_is_refused(results, pattern):
    with pytest.raises(RunNotReadableError, match=r"records\.jsonl"):
        load(results / pattern)


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_export_writes_every_frame(results, tmp_path, kind, capsys):
    assert main(["first,second", "--format", kind, "--results", str(results), "--into", str(tmp_path)]) == 0
    assert len(capsys.readouterr().out.split()) == len(TABLES)
    for name, frame in load(results / "*").items():
        file = tmp_path / f"{name}.{kind}"
        again = pd.read_parquet(file) if kind == "parquet" else pd.read_csv(file, low_memory=False)
        assert list(again.columns) == list(frame.columns)
        assert len(again) == len(frame)
        for column in frame.select_dtypes("float64"):
            np.testing.assert_array_equal(again[column].to_numpy(float), frame[column].to_numpy(float))


def test_export_names_the_runs_there_are(results, capsys):
    assert main(["frist", "--results", str(results)]) == 2
    assert "Runs nearby: first, second" in capsys.readouterr().err


def test_an_export_that_fails_leaves_the_old_file_whole(results, tmp_path, monkeypatch):
    export([results / "first"], tmp_path, "csv")
    before = (tmp_path / "cases.csv").read_bytes()

    def full_disk(_, file):
        file.write_text("torn")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("reports.frames.write_csv", full_disk)
    with pytest.raises(OSError, match="No space"):
        export([results / "second"], tmp_path, "csv")
    assert (tmp_path / "cases.csv").read_bytes() == before


def test_the_example_runs_and_answers_its_question(monkeypatch, capsys):
    cells = json.loads((ROOT / "examples" / "results.ipynb").read_text())["cells"]
    monkeypatch.chdir(ROOT)
    mpl.use("Agg")
    scope = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), scope)
    printed = capsys.readouterr().out
    assert printed.splitlines()[-1].split() == ["all", str(scope["two"].lost.sum()), "of", str(len(scope["two"]))]
    (axes,) = scope["figure"].axes
    assert sum(len(line.get_xdata()) for line in axes.get_lines()) >= len(scope["shown"]) > 20
    plt.close("all")
