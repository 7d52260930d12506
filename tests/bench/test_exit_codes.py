"""``make bench`` itself: how a run ends, what it says last, what it leaves; with an engine that has no framework."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from test_front_door import ENVIRONMENT, ROOT, write

ENDED_WITHIN_S = 20.0
"""Far more than the 5 s that an idle machine needs: others may keep this one busy."""

FRESH = {name: value for name, value in ENVIRONMENT.items() if not name.startswith(("STATEBENCH_", "MAKE", "MFLAGS"))}


def command(folder, *variables, args="", target="bench"):
    args = f"-p fake_engine --results={folder}/results {args}"
    return [
        *("make", "-o", ".venv/installed", target, "VENV=.venv", f"PY={sys.executable}", "ENGINE=fake"),
        *(f"PRESET={folder}/own.toml", f"ARGS={args}", *variables),
    ]


def make(folder, *variables, args=""):
    """What make printed, and the exit code of its recipe, which make tells when it is not 0."""
    done = subprocess.run(
        command(folder, *variables, args=args), cwd=ROOT, env=FRESH, capture_output=True, text=True, check=False
    )
    told = re.search(r"^make: \*\*\* .*bench\] Error (\d+)", done.stderr, re.MULTILINE)
    assert (told is None) == (done.returncode == 0)
    return done, int(told[1]) if told else 0


def state(folder):
    """Files of the run and what is in them."""
    return {file: file.read_bytes() for file in (folder / "results" / "own").glob("*.*") if file.is_file()}


def test_a_run_that_is_done_is_rendered_and_one_that_is_refused_leaves_all_as_it_was(tmp_path):
    path = Path(write(tmp_path, units=(2, 101))[1])  # the second raises
    timed = '[[time]]\nkernel = "loop"\nrepetitions = 1'
    path.write_text(path.read_text().replace("[[convergence]]", timed))
    done, code = make(tmp_path)
    assert code == 1
    report = tmp_path / "results" / "own" / "report.md"
    assert done.stdout.splitlines()[-1] == str(report)
    benchmarks = json.loads(report.with_name("benchmark.json").read_text())["benchmarks"]
    assert [one["extra_info"]["units"] for one in benchmarks] == [2]
    assert not list(report.parent.glob("*.part"))

    before = state(tmp_path)
    write(tmp_path, units=(2, 3))
    refused, code = make(tmp_path)
    assert code == 2
    said = [line for line in refused.stderr.splitlines() if line and not line.startswith("make: ")]
    assert len(said) == 1
    assert "belongs to another plan" in said[0]
    assert "Traceback" not in refused.stdout
    assert str(report) not in refused.stdout
    assert state(tmp_path) == before


def test_nothing_left_to_do_and_nothing_with_durations_are_no_mistakes(tmp_path, monkeypatch):
    # Memory cases have processes that know nothing of this one's plugins.
    (tmp_path / "sitecustomize.py").write_text("import sys\nif '-c' in sys.orig_argv:\n    import fake_engine\n")
    monkeypatch.setitem(FRESH, "PYTHONPATH", f"{Path(__file__).parent}:{tmp_path}:{ROOT}")
    path = Path(write(tmp_path, units=(2,))[1])
    path.write_text(path.read_text().replace("[[convergence]]", "[[memory]]") + 'kernel = "loop"\n')
    first, code = make(tmp_path)
    assert code == 0, first.stdout + first.stderr
    again, code = make(tmp_path)
    assert code == 0
    assert "1 cases, 1 already there, 0 to run" in again.stdout
    invocations = json.loads((tmp_path / "results" / "own" / "run.json").read_text())["invocations"]
    assert [one["ended"] for one in invocations] == ["done", "done"]
    assert all(one["finished"] for one in invocations)


def test_results_that_cannot_be_written_are_exit_3(tmp_path):
    write(tmp_path, units=(2,))
    (tmp_path / "results").write_text("a file where the folder should be")
    done, code = make(tmp_path)
    assert code == 3
    assert "cannot write results" in done.stdout + done.stderr


class Told:
    """make, told to end by one signal while a case sleeps; nobody else is told."""

    def __init__(self, folder, number):
        self.folder, self.number = folder, number
        folder.mkdir()
        write(folder, units=(2, 103, 3))  # the second sleeps
        self._make = subprocess.Popen(
            command(folder),
            cwd=ROOT,
            env=FRESH,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # A shell's background job ignores Ctrl-C, and so would all that it starts.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no thread holds a lock
        )

    def wait_for_sleep(self):
        log = self.folder / "results/own/logs/convergence-cosine-lstm-stateful-u103-L4-b8-on_fake.log"
        end = time.monotonic() + 60
        while not (log.exists() and b"asleep" in log.read_bytes()):
            assert time.monotonic() < end
            assert self._make.poll() is None, self._make.communicate()
            time.sleep(0.05)

    def tell(self):
        self.processes = psutil.Process(self._make.pid).children(recursive=True)
        os.kill(self._make.pid, self.number)

    def ended(self):
        """Who is still there after the time that a run has to end."""
        _, alive = psutil.wait_procs(self.processes, timeout=ENDED_WITHIN_S)
        said, _ = self._make.communicate(timeout=10)
        return alive, said


def test_a_make_that_was_killed_before_python_had_started_is_missed(tmp_path):
    own, preset = f"--results={tmp_path}/results", write(tmp_path, units=(103,))  # a case that sleeps
    started = [sys.executable, "-m", "bench", "--engine=fake", "-p", "fake_engine", own, *preset]
    ended = subprocess.run(
        started, cwd=ROOT, env=FRESH | {"MAKE_PID": "1"}, capture_output=True, text=True, check=False, timeout=50
    )
    assert ended.returncode == 128 + signal.SIGTERM, ended.stderr
    assert ended.stderr.splitlines()[-1] == "interrupted; the same command continues"


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Runs side by side, each ended by a signal to make alone."""
    folder = tmp_path_factory.mktemp("told")
    running = [Told(folder / number.name, number) for number in SIGNALS]
    for one in running:
        one.wait_for_sleep()
    for one in running:
        one.tell()
    return {one.number: (one.folder, *one.ended()) for one in running}


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_to_make_alone_ends_the_run_with_all_that_is_recorded(told, number):
    folder, alive, said = told[number]
    assert alive == []
    lines = [line for line in said.splitlines() if line and not line.startswith("make: ")]
    assert lines[-1] == "interrupted; the same command continues"
    assert "report.md" not in said
    (record,) = (folder / "results/own/records.jsonl").read_text().splitlines()
    assert json.loads(record)["case"]["units"] == 2
    (invocation,) = json.loads((folder / "results/own/run.json").read_text())["invocations"]
    assert (invocation["ended"], invocation["cases_run"]) == ("interrupted", 1)
    assert invocation["finished"]
