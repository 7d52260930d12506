"""The whole way with the real framework, once: killed in the middle, called again, read by pytest-benchmark."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bench.case.record import decode
from reports.costs.memory_peaks import FACTOR, LEAST_SHARE
from reports.costs.roofline import count

ROOT = Path(__file__).parents[2]
PRESET = """
name = "tiny"
[training]
learning_rates = [0.01]
folds = 1
evaluation_seeds = 2
epochs = 1
scored_targets = 16
[limits]
workers = 1
[[convergence]]
task = "cosine"
cell = "simple_rnn"
regime = ["stateful", "stateless"]
window = 2
units = 2
[[time]]
task = "cosine"
cell = "simple_rnn"
regime = "stateful"
kernel = "loop"
window = 2
units = 2
repetitions = 1
[[memory]]
task = "cosine"
cell = "lstm"
regime = "stateful"
kernel = "loop"
window = 32
units = 64
batch_size = 32
"""


def test_a_run_that_was_killed_is_continued_and_its_benchmark_json_compared(tmp_path):
    preset = tmp_path / "tiny.toml"
    preset.write_text(PRESET)
    found = tmp_path / "benchmark.json"
    command = [
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
            "--preset",
            str(preset),
        ),
        *("--results", str(tmp_path / "results"), "--benchmark-storage", f"file://{tmp_path}/storage"),
        *("--benchmark-json", str(found), "--benchmark-quiet"),
    ]
    records = tmp_path / "results" / "tiny" / "records.jsonl"

    # Killed with everything that it started as soon as one record is on disk.
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
    end = time.monotonic() + 120
    while not (records.exists() and records.read_bytes().endswith(b"\n")):
        assert running.poll() is None
        assert time.monotonic() < end
        time.sleep(0.01)
    group = psutil.Process(running.pid).children(recursive=True)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    psutil.wait_procs(group, timeout=10)
    (first,) = records.read_bytes().splitlines(keepends=True)
    assert not found.exists()

    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "4 cases, 1 already there, 3 to run" in again.stdout
    after = records.read_bytes().splitlines(keepends=True)
    assert after[0] == first
    by_key = [json.loads(line) for line in after]
    assert [record["key"] for record in by_key] == [
        "convergence/cosine-simple_rnn-stateful-u2-L2-b8",
        "convergence/cosine-simple_rnn-stateless-u2-L2-b8",
        "time/cosine-simple_rnn-stateful-u2-L2-b8-loop",
        "memory/cosine-lstm-stateful-u64-L32-b32-loop",
    ]
    assert {record["outcome"] for record in by_key} == {"ok"}
    assert by_key[2]["time"]["kernel_seen"] == by_key[3]["memory"]["kernel_seen"] == "loop"
    # Counting weights, moments and what is kept for the backward pass comes near what the allocator says.
    counted = count(decode(json.dumps(by_key[3]).encode())).total
    assert LEAST_SHARE <= by_key[3]["memory"]["allocator_peak_bytes"] / counted <= FACTOR
    ceilings = json.loads((records.parent / "run.json").read_text())["invocations"][-1]["ceilings"]
    assert ceilings["matrix product, float32"]["best"] > ceilings["matrix product, float64"]["best"]

    data = {one["name"]: one["stats"]["data"] for one in json.loads(found.read_text())["benchmarks"]}
    assert list(data.values()) == [pytest.approx(by_key[2]["time"]["seconds_per_update"])]
    compare = [sys.executable, "-m", "pytest_benchmark", "compare", str(found)]
    compared = subprocess.run(compare, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert compared.returncode == 0, compared.stderr
    assert "cosine-simple_rnn-stateful-u2-L2-b8-loop" in compared.stdout
