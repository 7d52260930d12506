"""A file of one's own through the front door, with an engine that has no framework."""

import json
import subprocess

import numpy as np
import pandas as pd
import pytest
from test_front_door import ENVIRONMENT, ROOT, USAGE_ERROR, call

from bench import own, plan, presets
from bench.errors import PlanError
from reports.read import read
from reports.render import write_report
from tasks.own.prepare import Request

SMALL = ("--windows", "4", "--batches", "8", "--units", "2,3", "--cells", "lstm")


def series(rows=400, seed=0):
    rng = np.random.default_rng(seed)
    values = np.sin(np.arange(rows) / 4) + 0.3 * rng.normal(size=rows)
    return pd.DataFrame({"time": pd.date_range("2024-01-01", periods=rows, freq="h"), "load": values})


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my load.csv"
    series().to_csv(path, index=False)
    return path


def records(folder):
    return [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]


def test_a_file_becomes_a_run_that_goes_on_and_has_a_report_without_the_file(tmp_path, file):
    folder = tmp_path / "results" / "my_load"
    done = call(tmp_path, "--csv", str(file), *SMALL, "-k", "u3-")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "load of my load.csv: 400 values, one each hour, lines 2 to 401; 265 rows train" in done.stdout
    assert "season 25 steps" in done.stdout
    found = {record["case"]["regime"]: record for record in records(folder)}
    assert set(found) == {"stateless", "stateful", "stateless-burnin"}
    assert {record["outcome"] for record in found.values()} == {"ok"}
    made = own.load(Request(file), own.Grid((4,), (8,), (2, 3), ("lstm",)), engine="tensorflow")
    assert found["stateful"]["case"]["task"] == made.series.name
    assert found["stateful"]["convergence"]["baselines"] == pytest.approx(made.series.baselines())

    before = (folder / "records.jsonl").read_bytes()
    again = call(tmp_path, "--csv", str(file), *SMALL)
    assert "5 cases, 3 already there, 2 to run" in again.stdout
    assert (folder / "records.jsonl").read_bytes().startswith(before)

    series(seed=1).to_csv(file, index=False)
    other = call(tmp_path, "--csv", str(file), *SMALL)
    assert other.returncode == USAGE_ERROR
    said = other.stdout + other.stderr
    assert "my_load holds another series: 'load' of my load.csv (" in said
    assert "Choose another name with RUN=" in said

    file.unlink()
    text = write_report(read(folder)).read_text()
    assert "load of my load.csv: 400 values, one each hour" in text
    assert f"## Recommendation: {made.series.name}" in text
    assert "This machine does not know the task" not in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--csv", "{folder}"), "is a folder; give the path of one CSV or Parquet file in it"),
        (("--csv", "{file}", "--column", "laod"), "has no column 'laod'. Did you mean 'load'? Columns: time, load."),
        (("--csv", "{file}", "--windows", "4,x"), "WINDOWS=x is not valid: give whole numbers of at least 1"),
        (("--csv", "{file}", "--windows", "300"), "window 300 is longer than the 265 training rows"),
        (("--csv", "{file}", "--cells", "lstn"), "unknown cell 'lstn'"),
        (("--csv", "{file}", "--preset", "smoke"), "give either PRESET=... or CSV=..."),
        (("--column", "load"), "COLUMN needs CSV=..., the file of your own series"),
    ],
)
def test_a_mistake_is_a_usage_error_before_anything_is_written(tmp_path, file, options, message):
    done = call(tmp_path, *(one.format(folder=tmp_path, file=file) for one in options))
    said = done.stdout + done.stderr
    assert done.returncode == USAGE_ERROR
    assert message in said
    assert "Traceback" not in said
    assert not (tmp_path / "results").exists()


def made_by(*arguments):
    command = ["make", "-n", "-o", ".venv/installed", "bench", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    return " ".join(line for line in done.stdout.splitlines() if "pytest bench" in line)


def test_make_hands_each_option_on():
    said = made_by("CSV=../my data/load.csv", "COLUMN=the load", "WINDOWS=4,12", "DECIMAL=,", "PERIOD=24")
    assert "--csv '../my data/load.csv'" in said
    assert "--column 'the load'" in said
    assert "--windows '4,12'" in said
    assert "--decimal ','" in said
    assert "--period '24'" in said
    assert "--run 'load'" in said
    assert "--preset" not in said
    assert "--preset 'smoke'" in made_by("CSV=a.csv", "PRESET=smoke")
    assert "--preset 'quick'" in made_by()


@pytest.mark.parametrize("rows", [132, 265, 2687, 6665])
@pytest.mark.parametrize("period", [None, 7, 48, 1440])
def test_proposed_windows_and_batch_sizes_fit_every_length(rows, period):
    windows = own.propose_windows(rows, period).to_try
    assert 2 <= windows[0] < windows[-1] <= rows // own.WINDOWS_IN_TRAINING
    batches = own.propose_batch_sizes(rows, windows).to_try
    assert (rows - windows[-1] + 1) // (windows[-1] * batches[0]) >= 1
    assert len(batches) < 2 or rows // (windows[0] * batches[1]) >= 4


@pytest.mark.parametrize("rows", [200, 500, 4000])
def test_the_preset_of_a_file_can_be_planned_and_declares_what_it_decides(tmp_path, rows):
    series(rows).to_csv(tmp_path / "load.csv", index=False)
    made = plan.make(own.load(Request(tmp_path / "load.csv"), own.Grid()))
    assert made.jobs
    assert made.family
    assert all(job.training.evaluation_seeds == 12 for job in made.jobs)


def test_an_input_that_is_no_file_of_series_is_a_plan_error(tmp_path):
    with pytest.raises(PlanError, match="there is no file"):
        own.load(Request(tmp_path / "nothing.csv"), own.Grid())
    assert presets.load("smoke").series is None
