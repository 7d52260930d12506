"""A file of one's own with the real framework: to the report, and from the report to a training by the code in it."""

import contextlib
import io
import json
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from test_front_door import ENVIRONMENT, ROOT, command

from bench.measure.batching import check_continuation
from reports.collect.read import read
from reports.render import write_report

ROWS, WINDOW, BATCH = 420, 4, 8


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on a series with a season and an input; the file is gone afterwards."""
    folder = tmp_path_factory.mktemp("own")
    rng = np.random.default_rng(4)
    wind = rng.normal(size=ROWS)
    load = 50 + 4 * np.sin(2 * np.pi * np.arange(ROWS) / 12) + 2 * np.append(0, wind[:-1]) + 0.3 * rng.normal(size=ROWS)
    times = pd.date_range("2024-01-01", periods=ROWS, freq="h")
    file = folder / "plant.csv"
    pd.DataFrame({"time": times, "load": load, "wind": wind}).to_csv(file, index=False)
    grid = ("--windows", str(WINDOW), "--batches", str(BATCH), "--units", "8", "--cells", "lstm")
    grid += ("--seeds", "10", "--epochs", "60")
    options = ("--csv", str(file), "--column", "load", "--inputs", "wind", *grid)
    done = subprocess.run(
        command(folder, *options, engine="tensorflow"),
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    file.unlink()
    return folder / "results" / "plant"


def records(run):
    return {(r := json.loads(line))["case"]["regime"]: r for line in (run / "records.jsonl").read_text().splitlines()}


def only(run, folder, record):
    """A copy of the run with one record, so that its arm is what is recommended."""
    shutil.copytree(run, folder)
    (folder / "records.jsonl").write_text(json.dumps(record) + "\n")
    return write_report(read(folder))


def code_of(report):
    (found,) = report.parent.glob("recommended_*.py")
    return found.read_text()


def execute(code):
    namespace = {"__name__": "pasted"}
    with contextlib.redirect_stdout(io.StringIO()) as said:
        exec(compile(code, "the report's code", "exec"), namespace)
    return namespace, said.getvalue()


def epochs_of_the_slowest(record):
    found = record["convergence"]
    spent = [one["updates_to_target"] for one in found["replicates"] if one["role"] == "evaluation"]
    return max(spent) / found["updates_per_epoch"]


def test_the_recommendation_stands_above_all_else_with_the_series_beside_it(run):
    first = write_report(read(run))
    report = (run / "details.md").read_text()
    at = [report.index(part) for part in ("## Recommendation: load_", "recommended_load_", "## The series")]
    assert at == sorted(at)
    assert "load of plant.csv: 420 values (step: hour)" in report
    assert "seen beside wind" in report
    assert "Season: 12 steps" in report
    (found,) = json.loads((run / "summary.json").read_text())["recommendations"]
    assert found["arms"] == 3
    assert first.read_text().split("\n\n")[1].startswith(f"- **{found['answer']}")
    best = records(run)[found["choice"].split("-lstm-")[1].split("-u8")[0]]
    assert f"LEARNING_RATE, EPOCHS = {WINDOW}, {BATCH}, 8, {best['convergence']['chosen_rate']}," in code_of(first)


@pytest.mark.parametrize("regime", ["stateless", "stateless-burnin"])
def test_the_stateless_code_reaches_the_recorded_target(run, tmp_path, regime):
    record = records(run)[regime]
    pasted, said = execute(code_of(only(run, tmp_path / "one", record)))
    assert pasted["error"] <= pasted["TARGET"] == pytest.approx(record["convergence"]["target"])
    assert said.count("epoch") <= 2 * epochs_of_the_slowest(record) + 1
    assert pasted["model"].count_params() == record["convergence"]["parameters"]
    burn_in = WINDOW if regime == "stateless-burnin" else 0
    assert pasted["STEPS"] == WINDOW + burn_in
    starts = [pasted["epoch_starts"](np.random.default_rng(seed)) for seed in range(20)]
    assert {int(one.min()) for one in starts} == set(range(WINDOW))
    assert all(len(one) % BATCH == 0 and one.max() + pasted["STEPS"] <= pasted["train_rows"] for one in starts)
    assert not all((np.diff(one) > 0).all() for one in starts)


def test_the_stateful_code_reaches_the_recorded_target_and_carries_state_as_it_should(run, tmp_path):
    record = records(run)["stateful"]
    pasted, said = execute(code_of(only(run, tmp_path / "one", record)))
    assert pasted["error"] <= pasted["TARGET"] == pytest.approx(record["convergence"]["target"])
    assert said.count("epoch") <= 2 * epochs_of_the_slowest(record) + 1
    assert pasted["model"].count_params() == record["convergence"]["parameters"]

    starts = [pasted["epoch_starts"](np.random.default_rng(seed)) for seed in range(20)]
    for one in starts:
        assert one.shape == (record["convergence"]["updates_per_epoch"], BATCH)
        check_continuation(one, WINDOW)
        assert one.max() + WINDOW <= pasted["train_rows"]
    assert {int(one.min()) for one in starts} == set(range(WINDOW))

    model, predictor, inputs = pasted["model"], pasted["predictor"], pasted["inputs"]
    assert np.abs(model.layers[0].states[0].numpy()).max() > 0
    pasted["reset"](model)
    assert np.abs(model.layers[0].states[0].numpy()).max() == 0
    for ours, copied in zip(model.get_weights(), predictor.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, copied)

    # The predictor's state stands at the last row: one more step there is what a whole pass would say.
    following = np.array([[0.1, -0.2]], np.float32)
    after = predictor.predict(following[None], verbose=0)[0, -1]
    pasted["reset"](predictor)
    whole = np.concatenate([inputs[pasted["train_rows"] :], following])
    np.testing.assert_allclose(predictor.predict(whole[None], verbose=0)[0, -1], after, rtol=1e-4)


def changed(record, regime, **changes):
    """A record that differs in what the code is made from; its figures stay."""
    record = json.loads(json.dumps(record))
    case = record["case"] = record["case"] | {"regime": regime} | changes
    units, layers = case["units"], case["layers"]
    gates, biases = {"lstm": (4, 1), "gru": (3, 2), "simple_rnn": (1, 1)}[case["cell"]]
    first, above = gates * units * (2 + units + biases), gates * units * (2 * units + biases)
    record["convergence"]["parameters"] = first + (layers - 1) * above + units + 1
    record["convergence"]["cell_steps_per_update"] = BATCH * WINDOW * layers
    return record


@pytest.mark.parametrize(
    ("regime", "changes", "dropout"),
    [
        ("stateless-sliding", {}, 0.0),
        ("stateful", {"cell": "gru", "layers": 2}, 0.2),
        ("stateless", {"cell": "simple_rnn"}, 0.0),
    ],
)
def test_the_code_of_other_cells_depths_and_regimes_runs(run, tmp_path, regime, changes, dropout):
    record = changed(records(run)["stateless"], regime, **changes)
    record["training"]["dropout"] = dropout
    record["training"]["epochs"] = 1
    pasted, said = execute(code_of(only(run, tmp_path / "one", record)))
    assert said.count("epoch") == 1
    assert pasted["error"] < 1.5
    assert pasted["model"].count_params() == record["convergence"]["parameters"]
    kinds = [type(layer).__name__.lower() for layer in pasted["model"].layers]
    assert kinds.count("dropout") == (record["case"]["layers"] if dropout else 0)


def test_where_no_arm_is_reliable_nothing_is_recommended(run, tmp_path):
    record = records(run)["stateless"]
    for one in record["convergence"]["replicates"]:
        one |= {"reached": False, "updates_to_target": None, "censored_at": one["updates"][-1]}
    report = only(run, tmp_path / "one", record)
    assert "Nothing can be recommended:** of 1 arm none was shown to reach the target" in report.read_text()
    assert "with 0 of 10" in (report.parent / "details.md").read_text()
    assert not list(report.parent.glob("recommended_*.py"))
