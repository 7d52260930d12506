"""``python -m pytest bench`` with an engine that has no framework: options, mistakes, continuing, full disks."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
USAGE_ERROR = 4
PRESET = """
name = "own"
[training]
learning_rates = [0.1]
folds = 1
evaluation_seeds = {seeds}
epochs = 3
scored_targets = 16
[limits]
seconds = 60
workers = 1
[[convergence]]
task = "cosine"
cell = "lstm"
regime = "stateful"
window = 4
units = {units}
"""


def command(folder, *options, engine="fake"):
    return [
        *(
            sys.executable,
            "-m",
            "pytest",
            "bench",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:hypothesispytest",
            "-p",
            "fake_engine",
        ),
        *("--results", str(folder / "results"), "--benchmark-storage", f"file://{folder}/storage"),
        *("--benchmark-quiet", "--engine", engine, *options),
    ]


ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).parent), "CUDA_VISIBLE_DEVICES": "-1", "COLUMNS": "300"}


def call(folder, *options, engine="fake"):
    return subprocess.run(
        command(folder, *options, engine=engine),
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )


def write(folder, units=(2, 3, 4), seeds=2, name="own.toml"):
    path = folder / name
    path.write_text(PRESET.format(units=list(units), seeds=seeds))
    return ("--preset", str(path))


def lines(folder):
    return (folder / "results" / "own" / "records.jsonl").read_bytes().splitlines(keepends=True)


def endings_of(records):
    return {(r := json.loads(line))["case"]["units"]: r["outcome"] for line in records}


def endings(folder):
    return endings_of(lines(folder))


def test_a_misspelt_preset_is_a_usage_error_that_names_the_nearest(tmp_path):
    done = call(tmp_path, "--preset", "qick")
    assert done.returncode == USAGE_ERROR
    assert "unknown preset 'qick'. Did you mean 'quick'?" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not (tmp_path / "results").exists()


def test_a_case_that_cannot_run_is_a_usage_error_before_anything_is_written(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(PRESET.format(units=2, seeds=2).replace("window = 4", "window = 900"))
    done = call(tmp_path, "--preset", str(path))
    assert done.returncode == USAGE_ERROR
    assert "window 900 is longer than the training series allows" in done.stdout + done.stderr
    assert not (tmp_path / "results").exists()


def test_a_gpu_that_is_not_there_is_a_usage_error_that_says_what_is_seen(tmp_path):
    preset = write(tmp_path)
    # The process that is asked for GPUs is one of its own: it has to know the engine too.
    (tmp_path / "sitecustomize.py").write_text("import sys\nif '-c' in sys.orig_argv:\n    import fake_engine\n")
    done = subprocess.run(
        command(tmp_path, *preset, "--device", "gpu"),
        cwd=ROOT,
        env=ENVIRONMENT | {"PYTHONPATH": f"{Path(__file__).parent}:{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == USAGE_ERROR
    assert "DEVICE=gpu, but fake sees no GPU" in said
    assert "{'fake': '1'}" in said
    assert "nvidia-smi" in said
    assert not (tmp_path / "results").exists()


def test_collecting_lists_the_cases_and_writes_nothing(tmp_path):
    done = call(tmp_path, *write(tmp_path), "--collect-only")
    assert done.returncode == 0
    for units in (2, 3, 4):
        assert f"bench_convergence[cosine-lstm-stateful-u{units}-L4-b8-on_fake]" in done.stdout
    assert not (tmp_path / "results").exists()


def test_a_part_of_a_plan_runs_alone_and_the_rest_later(tmp_path):
    preset = write(tmp_path)
    assert call(tmp_path, *preset, "-k", "u3 or u4").returncode == 0
    assert endings(tmp_path) == {3: "ok", 4: "ok"}
    before = lines(tmp_path)
    done = call(tmp_path, *preset, "--benchmark-json", str(tmp_path / "found.json"))
    assert done.returncode == 0
    assert "3 cases, 2 already there, 1 to run" in done.stdout
    assert lines(tmp_path)[:2] == before
    assert endings(tmp_path) == {2: "ok", 3: "ok", 4: "ok"}
    # Seconds of a trainer with many models rank nothing.
    assert not (tmp_path / "found.json").exists()


def test_bad_endings_fail_their_test_stay_as_they_are_and_run_again_only_when_asked(tmp_path):
    preset = write(tmp_path, units=(2, 101, 102, 3))  # raises, kills itself
    done = call(tmp_path, *preset)
    assert done.returncode == 1
    assert "RuntimeError: no room for a rabbit" in done.stdout
    assert "crashed: ended by SIGKILL" in done.stdout
    assert "[4/4]" in done.stdout
    assert endings(tmp_path) == {2: "ok", 101: "failed", 102: "crashed", 3: "ok"}

    again = call(tmp_path, *preset)
    assert again.returncode == 1
    assert "4 cases, 4 already there, 0 to run" in again.stdout
    assert len(lines(tmp_path)) == 4

    retried = call(tmp_path, *preset, "--retry")
    assert "4 cases, 2 already there, 2 to run" in retried.stdout
    assert [json.loads(line)["case"]["units"] for line in lines(tmp_path)[4:]] == [101, 102]


def test_another_plan_in_the_same_folder_is_a_usage_error(tmp_path):
    assert call(tmp_path, *write(tmp_path, units=(2,))).returncode == 0
    before = (tmp_path / "results" / "own" / "run.json").read_bytes()
    done = call(tmp_path, *write(tmp_path, units=(3,)))
    assert done.returncode == USAGE_ERROR
    assert "belongs to another plan" in done.stdout + done.stderr
    assert (tmp_path / "results" / "own" / "run.json").read_bytes() == before


def test_an_interrupted_run_ends_its_case_and_goes_on_from_there(tmp_path):
    preset = write(tmp_path, units=(2, 103, 3))  # the second sleeps
    running = subprocess.Popen(
        command(tmp_path, *preset),
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell's background job ignores Ctrl-C, and so would all that it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no thread holds a lock here
    )
    log = tmp_path / "results" / "own" / "logs" / "convergence-cosine-lstm-stateful-u103-L4-b8-on_fake.log"
    end = time.monotonic() + 30
    while not (log.exists() and b"asleep" in log.read_bytes()):
        assert time.monotonic() < end
        assert running.poll() is None
        time.sleep(0.05)
    os.kill(running.pid, signal.SIGINT)
    running.communicate(timeout=20)
    assert running.returncode == 2
    assert endings(tmp_path) == {2: "ok"}
    about = json.loads((tmp_path / "results" / "own" / "run.json").read_text())
    assert about["invocations"][0]["finished"] is not None
    assert about["invocations"][0]["cases_run"] == 1
    done = call(tmp_path, *preset, "-k", "not u103")
    assert done.returncode == 0
    assert endings(tmp_path) == {2: "ok", 3: "ok"}


@pytest.fixture
def tiny_disk(tmp_path):
    results = tmp_path / "results"
    results.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=80k", "tmpfs", str(results)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("file systems can be mounted by root alone")
    yield results
    subprocess.run(["umount", str(results)], check=True)


def whole_lines(folder):
    return [line for line in lines(folder) if line.endswith(b"}\n")]


def test_a_run_on_a_full_disk_fails_saying_so_keeps_what_it_has_and_goes_on_when_there_is_room(tmp_path, tiny_disk):
    preset = write(tmp_path, units=range(2, 10), seeds=20)
    done = call(tmp_path, *preset)
    assert done.returncode not in (0, 5)
    assert "No space left on device" in done.stdout + done.stderr
    kept = [units for units, outcome in endings_of(whole_lines(tmp_path)).items() if outcome == "ok"]
    assert 1 <= len(kept) < 8
    assert kept == list(range(2, 2 + len(kept)))
    assert json.loads((tiny_disk / "own" / "run.json").read_text())["schema"] == 1

    before = whole_lines(tmp_path)
    subprocess.run(["mount", "-o", "remount,size=4m", str(tiny_disk)], check=True)
    assert call(tmp_path, *preset).returncode == 0
    assert lines(tmp_path)[: len(before)] == before
    assert endings_of(whole_lines(tmp_path)) == dict.fromkeys(range(2, 10), "ok")


def test_help_is_printed():
    found = subprocess.run(
        [sys.executable, "-m", "bench", "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0
    assert "--preset" in found.stdout
