"""A file of one's own at the front door: options, the preset made of it, the run's folder."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from test_front_door import ENVIRONMENT, ROOT, USAGE_ERROR, call

from bench.__main__ import from_environment, refuse_misspelt
from bench.errors import PlanError, RunFolderError
from bench.machine import host
from bench.plan import csv_series, planning, presets
from bench.run import store
from bench.run.store import RunFolder
from reports.statistics.verdict import shown_above_half
from tasks.csv_series.request import Request
from tasks.csv_series.series import Prepared


def series(rows=400, seed=0):
    rng = np.random.default_rng(seed)
    values = np.sin(np.arange(rows) / 4) + 0.3 * rng.normal(size=rows)
    return pd.DataFrame({"time": pd.date_range("2024-01-01", periods=rows, freq="h"), "load": values})


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my load.csv"
    series().to_csv(path, index=False)
    return path


def opened(folder, preset):
    """Open a run's folder as an invocation does; the machine is of no interest here."""
    run = RunFolder(folder)
    run.open(preset, planning.make(preset), host.fingerprint([]), ROOT, "make bench")
    return run


def test_a_runs_folder_holds_the_series_and_refuses_another(tmp_path, file):
    made = csv_series.load(Request(file), csv_series.Grid())
    run = opened(tmp_path / "run", made)
    assert run.series == tmp_path / "run" / "series.npz"
    assert Prepared.load(run.series).sha256 == made.series.prepared.sha256
    about = json.loads((tmp_path / "run" / "run.json").read_text())["series"]
    assert (about["file"], about["column"], about["values"]) == ("my load.csv", "load", 400)
    assert about["content"] == made.series.prepared.sha256

    before = run.series.read_bytes()
    opened(tmp_path / "run", csv_series.load(Request(file), csv_series.Grid()))
    series(seed=1).to_csv(file, index=False)
    for other in (csv_series.load(Request(file), csv_series.Grid()), presets.load("smoke")):
        with pytest.raises(RunFolderError, match=r"holds another series: 'load' of my load.csv \(.*RUN=") as error:
            opened(tmp_path / "run", other)
    assert "none of a user's own" in str(error.value)
    assert run.series.read_bytes() == before


def test_a_run_under_its_name_with_other_options_names_what_differs(tmp_path, file):
    opened(tmp_path / "run", csv_series.load(Request(file), csv_series.Grid()))
    with pytest.raises(RunFolderError, match="evaluation_seeds was 12 and is 5; epochs was") as error:
        opened(tmp_path / "run", csv_series.load(Request(file), csv_series.Grid(seeds=5, epochs=3)))
    assert "RUN=..." in str(error.value)
    assert "window" not in str(error.value)


def test_what_carrying_costs_is_timed_beside_its_stateless_twin(file):
    made = csv_series.load(Request(file), csv_series.Grid(cells=("gru",)))
    timed = [job.case for job in planning.make(made).jobs if job.case.kind == "time"]
    assert sorted((one.regime, one.repetition) for one in timed) == [
        ("stateful", 0), ("stateful", 1), ("stateless", 0), ("stateless", 1)
    ]  # fmt: skip
    assert len({one.replace(regime="stateful", repetition=0) for one in timed}) == 1


def test_a_worker_rebuilds_the_task_from_the_folder_alone(tmp_path, file):
    made = csv_series.load(Request(file), csv_series.Grid())
    run = opened(tmp_path / "run", made)
    code = (
        "import sys, tasks; from pathlib import Path; from tasks.csv_series.series import CsvSeries, Prepared; "
        "tasks.add(CsvSeries(Prepared.load(Path(sys.argv[1])))); "
        "print(tasks.create(sys.argv[2]).target(4), sorted({'pandas', 'pyarrow'} & set(sys.modules)))"
    )
    file.unlink()
    command = [sys.executable, "-c", code, str(run.series), made.series.name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(made.series.target(4)), "[]"]


def test_a_first_invocation_that_was_killed_early_is_no_obstacle(tmp_path, file):
    made = csv_series.load(Request(file), csv_series.Grid())
    opened(tmp_path / "run", made)
    (tmp_path / "run" / "run.json").unlink()
    (tmp_path / "run" / "series.npz").write_bytes(b"torn")
    assert Prepared.load(opened(tmp_path / "run", made).series).sha256 == made.series.prepared.sha256


class Options(dict):
    """What own_options asks of pytest's configuration."""

    def getoption(self, name):
        return self.get(name.removeprefix("--"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"column": "laod"}, "has no column 'laod'. Did you mean 'load'? Columns: time, load."),
        ({"windows": "4,x"}, "WINDOWS=x is not valid: give whole numbers of at least 1"),
        ({"windows": "300"}, "window 300 is longer than the 265 training rows"),
        ({"windows": "200"}, "window 200 is longer than the training series allows"),
        ({"batches": "0"}, "BATCHES=0 is not valid"),
        ({"seeds": "4"}, "SEEDS=4 could never recommend anything: to be shown to reach the target in more than half"),
        ({"dayfirst": "maybe"}, "DAYFIRST=maybe is not valid: give DAYFIRST=yes or DAYFIRST=no"),
        ({"batches": "900"}, "batch size 900 leaves no whole batch"),
        ({"cells": "lstn"}, "unknown cell 'lstn'"),
        ({"preset": "smoke"}, "give either PRESET=... or CSV=..."),
        ({"csv": "", "column": "load", "fill": "last"}, "COLUMN, FILL needs CSV=..., the file of your own series"),
    ],
)
def test_an_option_that_makes_no_sense_says_why(file, options, message):
    with pytest.raises(PlanError) as error:
        planning.make(csv_series.load(*csv_series.read_options(Options({"csv": str(file)} | options))))
    assert message in str(error.value)


def test_an_empty_option_is_none(file):
    assert csv_series.read_options(Options(csv="", column=" ")) is None
    request, grid = csv_series.read_options(Options(csv=str(file), inputs="a, b", windows="4,4,8", column=""))
    assert (request.column, request.inputs, grid.windows) == (None, ("a", "b"), (4, 8))


def test_what_is_no_value_and_the_order_of_day_and_month_are_handed_on(file):
    request, grid = csv_series.read_options(Options(csv=str(file), missing="-999, off", dayfirst="no", seeds="5"))
    assert (request.no_value, request.dayfirst, grid.seeds) == (("-999", "off"), False, 5)
    assert shown_above_half(csv_series.LEAST_SEEDS, csv_series.LEAST_SEEDS)
    assert not shown_above_half(csv_series.LEAST_SEEDS - 1, csv_series.LEAST_SEEDS - 1)
    assert csv_series.read_options(Options(csv=str(file), missing="none"))[0].no_value == ()


def test_a_folder_in_a_files_place_is_a_usage_error_before_anything_is_written(tmp_path):
    done = call(tmp_path, "--csv", str(tmp_path))
    said = done.stdout + done.stderr
    assert done.returncode == USAGE_ERROR
    assert "is a folder; give the path of one file in it" in said
    assert "Traceback" not in said
    assert not (tmp_path / "results").exists()


def options_of(*arguments, folder, **environment):
    """Options that ``make bench`` hands to its program."""
    return set(from_environment(called_by("bench", *arguments, folder=folder, **environment)[0]))


def called_by(target, *arguments, folder, **environment):
    """Environment and arguments of the program that make calls, which is one here that tells them."""
    told = folder / "told"
    program = folder / "program.py"
    program.write_text(
        "#!" + sys.executable + "\nimport json, os, pathlib, sys\n"
        f"pathlib.Path({str(told)!r}).write_text(json.dumps([dict(os.environ), sys.argv[1:]]))\n"
    )
    program.chmod(0o755)
    command = ["make", "-o", ".venv/installed", target, f"PY={program}", "VENV=.venv", *arguments]
    subprocess.run(command, cwd=ROOT, env=CLEAN | environment, capture_output=True, check=True)
    return json.loads(told.read_text())


CLEAN = {name: value for name, value in ENVIRONMENT.items() if not name.startswith(("STATEBENCH_", "MAKE", "MFLAGS"))}


def test_make_hands_each_option_on_and_no_default(tmp_path):
    given = ("CSV=../my data/load.csv", "COLUMN=the load", "WINDOWS=4,12", "DECIMAL=,", "PERIOD=24")
    assert options_of(*given, folder=tmp_path) == {
        *("--csv=../my data/load.csv", "--column=the load", "--windows=4,12", "--decimal=,", "--period=24")
    }
    assert "--preset=smoke" in options_of("CSV=a.csv", "PRESET=smoke", folder=tmp_path)
    assert options_of("COLUMN=a", folder=tmp_path) == {"--column=a"}  # to be told that it needs CSV
    assert options_of(folder=tmp_path, DEVICE="gpu") == {"--device=gpu"}
    assert options_of("CSV=a.csv", folder=tmp_path, GROUP="users", TIME="12:00") == {"--csv=a.csv"}


@pytest.mark.parametrize("name", ["COLUMN", "CSV", "RUN", "PRESET", "ENGINE", "DEVICE"])
def test_what_stands_in_a_variable_is_no_code_for_make_or_a_shell(tmp_path, name):
    touched = tmp_path / "touched"
    wicked = f"x'; touch {touched}; '\"`touch {touched}`$(touch {touched})$(shell touch {touched}) # $$HOME"
    assert options_of(f"{name}={wicked}", folder=tmp_path) == {f"--{name.lower()}={wicked}"}
    assert not touched.exists()


OTHERS = {
    "compare": ("BASE", "BY", "PRICE"), "gate": ("BASE", "HEAD", "MINUTES"), "history": ("FILE",),
    "profile": ("ENGINE", "DEVICE"), "check-task": ("TASK",),
}  # fmt: skip


@pytest.mark.parametrize(("target", "name"), [(target, name) for target, names_ in OTHERS.items() for name in names_])
def test_other_targets_too_take_a_variable_as_it_is(tmp_path, target, name):
    touched = tmp_path / "touched"
    wicked = f"x'; touch {touched}; '\"`touch {touched}`$(shell touch {touched})"
    assert wicked in called_by(target, f"{name}={wicked}", folder=tmp_path)[1]
    assert not touched.exists()


def test_every_name_of_a_file_makes_a_name_of_a_run():
    assert [store.usual_name(f"{stem}.csv", ("tensorflow",), "cpu") for stem in ("a'b", "my data", "größe", ".x")] == [
        *("a_b", "my_data", "gr_e", "_.x")
    ]
    assert store.usual_name("quick", ("tensorflow", "jax"), "gpu") == "quick-gpu-jax-tensorflow"
    assert store.checked_name(store.usual_name("x" * 300, ("torch",), "gpu")).endswith("xx-gpu-torch")


@pytest.mark.parametrize("rows", [132, 265, 2687, 6665])
@pytest.mark.parametrize("period", [None, 7, 48, 1440])
def test_proposed_windows_and_batch_sizes_fit_every_length(rows, period):
    windows = csv_series.propose_windows(rows, period).to_try
    assert 2 <= windows[0] < windows[-1] <= rows // csv_series.WINDOWS_IN_TRAINING
    batches = csv_series.propose_batch_sizes(rows, windows).to_try
    assert (rows - windows[-1] + 1) // (windows[-1] * batches[0]) >= 1
    assert len(batches) < 2 or rows // (windows[0] * batches[1]) >= 4


def test_a_season_of_what_is_not_seen_proposes_no_window():
    assert csv_series.propose_windows(6000, 9).to_try == (2, 9)
    unseen = csv_series.propose_windows(6000, 9, past=False)
    assert unseen.to_try == (4, 12, 48)
    assert "no season says how long an input is felt" in unseen.why


@pytest.mark.parametrize("rows", [200, 500, 4000])
def test_the_preset_of_a_file_can_be_planned_and_declares_what_it_decides(tmp_path, rows):
    series(rows).to_csv(tmp_path / "load.csv", index=False)
    made = planning.make(csv_series.load(Request(tmp_path / "load.csv"), csv_series.Grid()))
    assert made.jobs
    assert made.family
    assert all(job.training.evaluation_seeds == 12 for job in made.jobs)


def test_an_input_that_is_no_file_of_series_is_a_plan_error(tmp_path):
    with pytest.raises(PlanError, match="there is no file"):
        csv_series.load(Request(tmp_path / "nothing.csv"), csv_series.Grid())
    assert presets.load("smoke").series is None


def test_a_misspelt_variable_is_named_with_the_right_one():
    command = [
        "make",
        "-o",
        ".venv/installed",
        "bench",
        "VENV=.venv",
        f"PY={sys.executable}",
        "SEED=5",
        "COLUMN=the load",
    ]
    environment = {name: value for name, value in ENVIRONMENT.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert "ERROR: unknown variable 'SEED' in make's command. Did you mean 'SEEDS'?" in done.stderr
    assert "bench] Error 2" in done.stderr
    refuse_misspelt(r"s -- COLUMN=the\ load\ GROUPS=3 SEEDS:=5 CSV=x")
    for flags in ("", "n", " -- RUN=a", "-j2 -- PRESET=smoke"):
        refuse_misspelt(flags)
    with pytest.raises(PlanError, match="Did you mean 'GROUP'"):
        refuse_misspelt(r" -- GROUPS=a$$$$b COLUMN=the\ load")
