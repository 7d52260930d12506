"""The code that a report leaves for labels, masked values and many series: it trains, saves, and predicts right."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic
import taken_home

from bench.engines.base import Network
from reports.collect.read import read
from reports.render import write_report
from tasks.csv_series.prepare import prepare
from tasks.csv_series.request import Request
from tasks.csv_series.series import CsvSeries

ROWS, UNITS = 300, 6
STATES = np.resize(["idle", "heat", "run", "run"], ROWS)
HOURS = pd.date_range("2024-01-01", periods=ROWS, freq="h")


@pytest.fixture
def written(tmp_path):
    """Write what the report of a run on a file leaves, its arm being of this regime; the file's path."""

    def _written(frame, regime="stateful", errors=None, engine="tensorflow", **options):
        frame.to_csv(tmp_path / "machine.csv", index=False)
        prepared = prepare(Request(tmp_path / "machine.csv", **options))
        task, series = CsvSeries(prepared), prepared.series
        features, outputs = series.inputs.shape[1], series.targets.shape[1]
        record = synthetic.convergence(
            [100] * 8,
            case_=synthetic.case(task=task.name, regime=regime, units=UNITS, engine=engine),
            parameters=Network("lstm", 1, UNITS, features, outputs).parameters,
            outputs=outputs,
            loss=task.loss,
            optimum=None,
            target=0.5,
        )
        if errors is not None:
            record["convergence"]["scored"] |= {"squared_errors": errors, "simple": {"mean": [1.0] * len(errors)}}
        told = {"windows": [4], "batch_sizes": [8], "why": {"windows": "", "batch_sizes": ""}}
        run = synthetic.write(tmp_path / "run", [record], series=prepared.about | told | {"content": prepared.sha256})
        prepared.save(run / "series.npz")
        write_report(read(run))
        (path,) = run.glob("recommended_*.py")
        return path

    return _written


@pytest.fixture
def left(written, keras_float32):
    """Load it as a module."""
    del keras_float32
    return lambda *given, **options: taken_home.load(written(*given, **options))


@pytest.mark.parametrize("regime", ["stateless", pytest.param("stateful", marks=pytest.mark.soak)])
def test_of_labels_it_predicts_the_next_one_by_name_and_goes_on(left, capsys, regime):
    frame = pd.DataFrame({"time": HOURS, "state": STATES, "power": np.arange(ROWS) % 7})
    module = left(frame, regime, column="state", inputs=("power",))
    module.LEARNING_RATE, module.EPOCHS = 0.03, 20
    module.main()
    said = capsys.readouterr().out
    assert re.search(r"line 301 of machine.csv 2024-01-13 11:00:00 was the last row; state next: idle \(\d+%\)", said)
    saved = module.Forecaster.load()
    assert sorted(saved.labels) == ["heat", "idle", "run"]
    rows = [[state, power] for state, power in zip(STATES[:40], frame["power"], strict=False)]
    at_once = module.Forecaster(saved.stepper, saved.scales, labels=saved.labels).run(rows)
    np.testing.assert_allclose(at_once.sum(axis=1), 1, rtol=1e-6)
    named = np.array(saved.labels)[at_once[:-1].argmax(axis=1)]
    after_first = 41 - len(at_once)  # a window predicts from its last row on
    assert (named[8:] == STATES[after_first:40][8:]).mean() > 0.95
    # From the end of the file on, row by row as at once.
    new = [["idle", 5.0], ["heat", 6.0], ["run", 0.0]]
    known = [[state, power] for state, power in zip(STATES, frame["power"], strict=True)]
    whole = module.Forecaster(saved.stepper, saved.scales, labels=saved.labels).run([*known, *new])
    np.testing.assert_allclose([saved.next(row) for row in new], whole[-3:], rtol=1e-5)
    with pytest.raises(ValueError, match="'stop' is no label that was trained; one of"):
        saved.next(["stop", 1.0])
    # What is no row leaves the state as it was.
    kept = {name: np.copy(one) for name, one in saved.kept.items()}
    for wrong in (["run"], ["run", 1.0, 2.0], ["run", np.nan]):
        with pytest.raises(ValueError, match=r"a row is \[state, power\], after its label all finite numbers"):
            saved.next(wrong)
    np.testing.assert_array_equal(saved.kept[""], kept[""])


@pytest.mark.parametrize("regime", [pytest.param("stateless-burnin", marks=pytest.mark.soak), "stateful"])
def test_what_is_missing_has_no_part_in_its_training(left, regime):
    values = np.sin(np.arange(ROWS) / 3)
    values[20:40] = np.nan
    module = left(pd.DataFrame({"time": HOURS, "load": values}), regime, column="load", fill="mask")
    rng = np.random.default_rng(0)
    rows = 120
    inputs, targets = rng.normal(size=(rows, 2)).astype("float32"), rng.normal(size=(rows, 1)).astype("float32")
    counted = rng.random(rows) < 0.6
    other = np.where(counted[:, None], targets, 1e3).astype("float32")
    starts = module.epoch_starts(np.random.default_rng(1), rows)
    weights = []
    for some in (targets, other, targets + 1):
        module.keras.utils.set_random_seed(1)
        model, stepper = module.training(2, 1), module.stepping(2, 1)
        model.compile(optimizer=module.keras.optimizers.Adam(0.03), loss=module.LOSS)
        module.train_epoch(model, stepper, starts, inputs, some, counted)
        weights.append(np.concatenate([one.ravel() for one in model.get_weights()]))
    np.testing.assert_array_equal(weights[0], weights[1])
    assert np.abs(weights[0] - weights[2]).max() > 1e-3
    assert "FILL" not in module.__doc__
    assert '"... missing" is 1 where the value is missing' in module.__doc__
    assert "load missing" in module.__doc__


STORES = {"north": 150, "south": 130, "west": 96, "east": 141}


def test_many_series_train_one_network_and_each_goes_on_by_itself(left, capsys):
    rng = np.random.default_rng(6)
    frame = pd.concat(
        pd.DataFrame({
            "store": name,
            "date": pd.date_range("2024-01-01", periods=days, freq="D"),
            "sales": 100.0 * i + 20 * i * np.sin(2 * np.pi * np.arange(days) / 7) + rng.normal(size=days),
        })
        for i, (name, days) in enumerate(STORES.items(), 1)
    )  # fmt: skip
    # Errors rise along the scored targets, which are those of a store after the other, by name.
    module = left(frame, column="sales", group="store", errors=list(np.linspace(0.1, 0.2, 256)))
    table = Path(module.__file__).with_name("details.md").read_text()
    rows = re.findall(r"^\| (north|south|west|east) \| (\d+) \| ([\d.e-]+) \|", table, re.MULTILINE)
    assert [name for name, _, _ in rows] == sorted(STORES, reverse=True)
    assert sum(int(count) for _, count, _ in rows) == 256
    assert [float(error) for *_, error in rows] == sorted((float(error) for *_, error in rows), reverse=True)
    module.EPOCHS = 2
    module.main()
    said = capsys.readouterr().out
    assert re.search(r"^west: line 377 of machine.csv 2024-04-05 was the last row; sales next: \d+", said, re.MULTILINE)
    saved = module.Forecaster.load()
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


def test_a_series_shorter_than_a_window_is_predicted_and_goes_on(left, capsys):
    lengths = {"long": 150, "short": 3, "other": 100}
    frames = [
        pd.DataFrame({"store": name, "date": pd.date_range("2024", periods=n), "sales": n + np.sin(np.arange(n) / 2)})
        for name, n in lengths.items()
    ]
    frame = pd.concat(frames)
    module = left(frame, "stateless", column="sales", group="store")
    assert module.STEPS > 3
    module.EPOCHS = 1
    module.main()
    assert "short: line 154 of machine.csv 2024-01-03 was the last row" in capsys.readouterr().out
    saved = module.Forecaster.load()
    known = frame.loc[frame["store"] == "short", ["sales"]].to_numpy()
    new = known[:1] + np.arange(6.0)[:, None]
    at_once = module.Forecaster(saved.stepper, saved.scales).run(np.concatenate([known, new]), "short")
    assert len(at_once) == 9
    np.testing.assert_allclose([saved.next(row, "short") for row in new], at_once[-6:], rtol=1e-6)


MACHINES = pd.DataFrame({
    "machine": np.repeat(["a", "b"], ROWS // 2), "time": [*HOURS[: ROWS // 2]] * 2, "state": STATES,
    "power": np.arange(ROWS) % 7, "part": np.resize(np.repeat(["train", "test"], [40, 20]), ROWS),
})  # fmt: skip
KINDS = {
    "labels": {"column": "state", "inputs": ("power",)},
    "labels of many": {"column": "state", "inputs": ("power",), "group": "machine"},
    "parts": {"column": "power", "split": "part"},
    "parts of many, masked": {"column": "power", "group": "machine", "split": "part", "fill": "mask"},
}
"""What is asked of the machines, or of one of them."""


def of(kind):
    """Its frame and options."""
    frame, options = MACHINES, KINDS[kind]
    if "group" not in options:
        frame = frame.assign(time=HOURS)
    if "fill" in options:
        frame = frame.assign(power=frame["power"].where(frame.index % 10 != 5))
    return frame, options


@pytest.mark.parametrize(
    ("kind", "regime"),
    [
        ("labels of many", "stateful"),
        ("parts", "stateful"),
        *(
            pytest.param(kind, regime, marks=pytest.mark.soak)
            for kind in KINDS
            for regime in ("stateless", "stateless-burnin", "stateful")
        ),
    ],
)
def test_it_trains_as_the_suite_does_and_goes_on_row_by_row_as_at_once(left, kind, regime):
    frame, options = of(kind)
    module = left(frame, regime, **options)
    module.EPOCHS = 1
    module.main()
    assert taken_home.off_at_once(module) < 1e-6
    assert taken_home.off_the_suite(module, regime, "lstm", "tensorflow") < 1e-4


@pytest.mark.parametrize("engine", ["jax", "torch"])
@pytest.mark.parametrize(
    ("kind", "regime"),
    [("labels", "stateful"), ("labels of many", "stateful"), ("labels", "stateless"), ("parts", "stateless-burnin")],
)
def test_on_another_engine_too(written, tmp_path, engine, kind, regime):
    pytest.importorskip(engine)
    frame, options = of(kind)
    path = written(frame, regime, engine=engine, **options)
    given = {"KERAS_BACKEND": engine, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, taken_home.__file__, str(path), regime, "lstm", engine]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ | given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    backend, row_by_row, trained = done.stdout.splitlines()[-1].split()
    assert backend == engine
    assert float(row_by_row) < 1e-6
    assert float(trained) < 1e-4
