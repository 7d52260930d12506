"""A file of one's own with the real framework: to the report, and from the report to a training by the code in it."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import taken_home
from test_front_door import ENVIRONMENT, ROOT, command

from bench.case.cases import Case
from bench.measure.batching import check_continuation
from bench.warnings import Warn
from reports.collect.read import read
from reports.render import write_report

ROWS, WINDOW, BATCH = 420, 4, 8


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A series with a season, and an input that it depends on in a way that no line can follow."""
    rng = np.random.default_rng(4)
    wind = rng.normal(size=ROWS)
    load = (
        50
        + np.sin(2 * np.pi * np.arange(ROWS) / 12)
        + 3 * np.append(0, np.abs(wind[:-1]))
        + 0.2 * rng.normal(size=ROWS)
    )
    times = pd.date_range("2024-01-01", periods=ROWS, freq="h").strftime("%d-%m-%Y %H:%M")
    path = tmp_path_factory.mktemp("own") / "plant.csv"
    pd.DataFrame({"time": times, "load": load, "wind": wind})[::-1].to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def run(file):
    """A run on it."""
    folder = file.parent
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
    return folder / "results" / "plant"


def records(run):
    """Its trainings by regime."""
    every = map(json.loads, (run / "records.jsonl").read_text().splitlines())
    return {one["case"]["regime"]: one for one in every if one["case"]["kind"] == "convergence"}


def only(run, folder, record, options=None):
    """A copy of the run with one record, so that its arm is what is recommended, and other options of the file."""
    record = json.loads(json.dumps(record))
    record["convergence"]["scored"] |= {"squared_errors": None, "simple": {}}  # whether it beats a line is no question
    shutil.copytree(run, folder)
    (folder / "records.jsonl").write_text(json.dumps(record) + "\n")
    if options:
        text = json.loads((folder / "run.json").read_text())
        text["series"]["options"] |= options
        (folder / "run.json").write_text(json.dumps(text))
    return write_report(read(folder))


def module_of(folder, column="load"):
    """The module that the report leaves beside it."""
    return taken_home.load(folder / f"recommended_{column}.py")


def arrived(record):
    """A record all of whose trainings reached the target."""
    record = json.loads(json.dumps(record))
    for one in record["convergence"]["replicates"]:
        hold, target, updates = record["convergence"]["hold"], record["convergence"]["target"], one["updates"]
        errors = [2 * target] * (len(updates) - hold) + [target / 2] * hold
        one |= {"reached": True, "updates_to_target": updates[-hold], "censored_at": None, "error": errors}
        one["abandoned"] = False
    for fold in record["convergence"]["tuning"]:
        fold["reached"] = True
    record["warnings"] = [one for one in record["warnings"] if one != Warn.NO_RATE_REACHES]
    return record


def epochs_of_the_slowest(record):
    found = record["convergence"]
    spent = [one["updates_to_target"] for one in found["replicates"] if one["role"] == "evaluation"]
    return max(spent) / found["updates_per_epoch"]


def test_the_recommendation_stands_above_all_else_with_the_series_beside_it(run):
    first = write_report(read(run))
    report = (run / "details.md").read_text()
    at = [report.index(part) for part in ("## Recommendation: load\n", "recommended_load.py", "## The series")]
    assert at == sorted(at)
    assert "load of plant.csv: 420 values (step: hour)" in report
    assert "seen beside wind" in report
    (found,) = json.loads((run / "summary.json").read_text())["recommendations"]
    assert found["arms"] == 3
    assert found["nothing_learnt"] is None
    assert first.read_text().split("\n\n")[1].startswith(f"- **{found['answer']}")
    best = records(run)[found["choice"].split("-lstm-")[1].split("-u8")[0]]
    code = (run / "recommended_load.py").read_text()
    assert f"LEARNING_RATE, EPOCHS = {WINDOW}, {BATCH}, 8, 1, {best['convergence']['chosen_rate']}," in code


def test_a_network_that_follows_what_no_line_can_is_shown_to_beat_the_line(run):
    scored = records(run)["stateless"]["convergence"]["scored"]
    (line,) = (np.array(one) for name, one in scored["simple"].items() if name.startswith("linear"))
    errors = np.array(scored["squared_errors"])
    assert len(errors) == len(line) == scored["count"]
    assert errors.mean() < 0.6 * line.mean()


@pytest.mark.parametrize("regime", ["stateless", "stateless-burnin", "stateful"])
def test_what_is_taken_home_trains_beyond_the_target_and_predicts_in_the_files_units(
    run, file, tmp_path, capsys, regime
):
    record = records(run)[regime]
    report = only(run, tmp_path / "one", record)
    module = module_of(tmp_path / "one")
    assert file == module.FILE
    assert report.name == "report.md"
    target = record["convergence"]["target"]
    module.PATIENCE, module.EPOCHS = 3, 15
    module.main()
    said = capsys.readouterr().out
    errors = [float(one) for one in re.findall(r"held-out error (\S+)", said)]
    kept = int(re.findall(r"kept: epoch (\d+)", said)[0])
    assert errors[kept - 1] == min(errors) < target
    assert len(errors) == min(15, kept + 3)
    assert next(i for i, one in enumerate(errors) if one <= target) <= 2 * epochs_of_the_slowest(record)
    assert "line 2 of plant.csv 18-01-2024 11:00 was the last row; load next: " in said

    frame = pd.read_csv(file)[::-1][["load", "wind"]].to_numpy()
    forecaster = module.Forecaster.load()
    assert forecaster.stepper.count_params() == record["convergence"]["parameters"]
    told = float(said.rsplit(": ", 1)[1])
    # From a fresh start over all known rows: what is said at the end is what follows the last of them.
    fresh = module.Forecaster(forecaster.stepper, forecaster.scales)
    whole = fresh.run(frame)
    assert whole[-1, 0] == pytest.approx(told, rel=1e-5)
    np.testing.assert_allclose(forecaster.scales[""][0], frame[:280].mean(axis=0))
    # In the file's units it is near the truth where the truth is known.
    errors = (whole[-101:-1, 0] - frame[-100:, 0]) / frame[:280, 0].std()
    assert (errors**2).mean() < 1.3 * target

    # Row by row, from what was saved, as at once.
    new = np.column_stack([50 + np.arange(7.0), np.linspace(-1, 1, 7)])
    at_once = module.Forecaster(forecaster.stepper, forecaster.scales)
    expected = at_once.run(np.concatenate([frame, new]))[-7:]
    one_by_one = np.array([forecaster.next(row) for row in new])
    np.testing.assert_allclose(one_by_one, expected, rtol=1e-6)


def test_the_stateful_code_carries_state_as_it_should(run, tmp_path):
    record = records(run)["stateful"]
    only(run, tmp_path / "one", record)
    module = module_of(tmp_path / "one")
    starts = [module.epoch_starts(np.random.default_rng(seed), 279) for seed in range(20)]
    for one in starts:
        assert one.shape == (record["convergence"]["updates_per_epoch"], BATCH)
        check_continuation(one, WINDOW)
        assert one.max() + WINDOW <= 279
    assert {int(one.min()) for one in starts} == set(range(WINDOW))
    # An epoch begins from a zero state, and each batch goes on with the state that the one before left.
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(279, 2)).astype("float32")
    model, stepper = module.training(2, 1), module.stepping(2, 1)
    model.compile(optimizer="sgd", loss="mse")
    model.optimizer.learning_rate = 0.0
    for _ in range(2):
        module.train_epoch(model, stepper, starts[0], inputs, inputs[:, :1])
    stepper.set_weights(model.get_weights())
    stream = inputs[starts[0][:, 3, None] + np.arange(WINDOW)].reshape(1, -1, 2)
    after = stepper.predict_on_batch([stream, *module.zero_state(1)])[1:]
    for ours, expected in zip(model.layers[0].states, after, strict=True):
        np.testing.assert_allclose(np.asarray(ours)[3], expected[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("burn_in", [0, WINDOW])
def test_windows_of_the_stateless_code_are_shuffled_and_begin_anywhere(run, tmp_path, burn_in):
    record = records(run)["stateless-burnin" if burn_in else "stateless"]
    only(run, tmp_path / "one", record)
    module = module_of(tmp_path / "one")
    assert WINDOW + burn_in == module.STEPS
    starts = [module.epoch_starts(np.random.default_rng(seed), 279) for seed in range(20)]
    assert {int(one.min()) for one in starts} == set(range(WINDOW))
    assert all(len(one) % BATCH == 0 and one.max() + module.STEPS <= 279 for one in starts)
    assert not all((np.diff(one) > 0).all() for one in starts)


def changed(record, regime, **changes):
    """A record that differs in what the code is made from; its figures stay."""
    record = json.loads(json.dumps(record))
    case = record["case"] = record["case"] | {"regime": regime} | changes
    units, layers = case["units"], case["layers"]
    gates, biases = {"lstm": (4, 1), "gru": (3, 2), "simple_rnn": (1, 1)}[case["cell"]]
    first, above = gates * units * (2 + units + biases), gates * units * (2 * units + biases)
    record["convergence"]["parameters"] = first + (layers - 1) * above + units + 1
    record["convergence"]["cell_steps_per_update"] = BATCH * WINDOW * layers
    record["convergence"]["targets_per_update"] = BATCH * (1 if regime == "stateless-sliding" else WINDOW)
    if regime == "stateful":
        record["convergence"] |= {"predicts": "carried", "steps_per_prediction": 1}
    record["key"] = Case(**case).key
    return record


@pytest.mark.parametrize(
    ("regime", "changes", "dropout"),
    [
        ("stateless-sliding", {}, 0.0),
        ("stateful", {"cell": "gru", "layers": 2}, 0.2),
        ("stateless", {"cell": "simple_rnn"}, 0.0),
    ],
)
def test_the_code_of_other_cells_depths_and_regimes_runs(run, tmp_path, capsys, regime, changes, dropout):
    record = changed(records(run)["stateless"], regime, **changes)
    record["training"]["dropout"] = dropout
    only(run, tmp_path / "one", record)
    module = module_of(tmp_path / "one")
    module.EPOCHS = 1
    module.main()
    assert capsys.readouterr().out.count("held-out error") == 1
    forecaster = module.Forecaster.load()
    assert forecaster.stepper.count_params() == record["convergence"]["parameters"]
    assert np.isfinite(forecaster.next([50.0, 0.1])).all()


@pytest.mark.parametrize("engine", ["jax", "torch"])
@pytest.mark.parametrize("which", ["one", "masked", "many"])
def test_what_is_taken_home_from_another_engine_trains_as_it_does_and_goes_on(request, tmp_path, engine, which):
    pytest.importorskip(engine)
    name, column = ("panel", "sales") if which == "many" else ("run", "load")
    source = request.getfixturevalue(name)
    regime, cell = "stateful", "gru" if which == "many" else "lstm"
    record = arrived(records(source)[regime])
    record["case"]["engine"] = engine
    record["key"] = Case(**record["case"]).key
    only(source, tmp_path / "one", record, {"fill": "mask"} if which == "masked" else {})
    environment = ENVIRONMENT | {"KERAS_BACKEND": engine, "PYTHONPATH": str(ROOT)}
    path = tmp_path / "one" / f"recommended_{column}_{engine}.py"
    command_ = [sys.executable, taken_home.__file__, str(path), regime, cell, engine]
    done = subprocess.run(command_, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    backend, row_by_row, trained = done.stdout.splitlines()[-1].split()
    assert backend == engine
    assert float(row_by_row) < 1e-6
    assert float(trained) < 1e-4


def test_where_no_arm_is_reliable_nothing_is_recommended(run, tmp_path):
    record = records(run)["stateless"]
    for one in record["convergence"]["replicates"]:
        above = [2 * record["convergence"]["target"]] * len(one["updates"])
        one |= {"reached": False, "updates_to_target": None, "censored_at": one["updates"][-1], "error": above}
    for fold in record["convergence"]["tuning"]:
        fold["reached"] = False
    record["warnings"] = [Warn.NO_RATE_REACHES]
    report = only(run, tmp_path / "one", record)
    assert "Nothing can be recommended:** of 1 arm none was shown to reach the target" in report.read_text()
    assert "with 0 of 10" in (report.parent / "details.md").read_text()
    assert not list(report.parent.glob("recommended_*.py"))


STORES = {"north": 150, "south": 130, "west": 96, "east": 141}


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    """A run on several stores, all of which train one network."""
    rng = np.random.default_rng(6)
    frames = [
        pd.DataFrame(
            {
                "store": name,
                "date": pd.date_range("2024-01-01", periods=days, freq="D"),
                "sales": 100.0 * (i + 1)
                + 20 * (i + 1) * np.sin(2 * np.pi * np.arange(days) / 7)
                + rng.normal(size=days),
            }
        )
        for i, (name, days) in enumerate(STORES.items())
    ]
    folder = tmp_path_factory.mktemp("many")
    pd.concat(frames).to_csv(folder / "panel.csv", index=False)
    grid = ("--windows", "5", "--batches", "2", "--units", "4", "--cells", "gru", "--seeds", "5", "--epochs", "3")
    options = ("--csv", str(folder / "panel.csv"), "--column", "sales", "--group", "store", *grid)
    done = subprocess.run(
        command(folder, *options, engine="tensorflow"),
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 series of 'store' train one network; held out is the last third of each" in done.stdout
    return folder / "results" / "panel"


@pytest.mark.soak
def test_errors_are_told_by_series(panel):
    write_report(read(panel))
    report = (panel / "details.md").read_text()
    (count,) = {one["convergence"]["scored"]["count"] for one in records(panel).values()}
    rows = re.findall(r"^\| (north|south|west|east) \| (\d+) \| ([\d.e-]+) \|", report, re.MULTILINE)
    assert {name for name, _, _ in rows} == set(STORES)
    assert sum(int(one) for _, one, _ in rows) == count
    assert [float(error) for *_, error in rows] == sorted((float(error) for *_, error in rows), reverse=True)


@pytest.mark.soak
@pytest.mark.parametrize("regime", ["stateless", "stateless-burnin", "stateful"])
def test_many_series_train_one_network_and_each_goes_on_by_itself(panel, tmp_path, capsys, regime):
    record = records(panel)[regime]
    assert record["outcome"] == "ok"
    record = arrived(record)
    only(panel, tmp_path / "one", record)
    module = module_of(tmp_path / "one", column="sales")
    assert taken_home.off_the_suite(module, regime, "gru", "tensorflow") < 1e-4
    module.EPOCHS = 2
    module.main()
    said = capsys.readouterr().out
    assert re.search(r"^west: line 377 of panel.csv 2024-04-05 was the last row; sales next: \d+", said, re.MULTILINE)
    saved = module.Forecaster.load()
    with pytest.raises(ValueError, match="'mars' is no series of the file; one of east, north, south, west"):
        saved.next([1.0], "mars")
    frame = pd.read_csv(panel.parent.parent / "panel.csv")
    for i, store in enumerate(("east", "west")):
        known = frame.loc[frame["store"] == store, ["sales"]].to_numpy()
        new = known[:5] + 1.0
        whole = module.Forecaster(saved.stepper, saved.scales).run(np.concatenate([known, new]), store)
        # Another series in between changes nothing.
        one_by_one = []
        for row in new:
            one_by_one.append(saved.next(row, store))
            saved.next(known[i], "north")
        np.testing.assert_allclose(one_by_one, whole[-5:], rtol=1e-6)
        assert abs(float(whole[-1, 0]) / known.mean() - 1) < 0.5
