"""The whole way with the real framework, once, for a task from outside: the example of CONTRIBUTING.md.

Installed as somebody else's package, trained, judged as can be proved, reported, read by pytest-benchmark; for `make
soak` also killed in the middle and called again.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import psutil
import pytest

from bench.case.checked import decode
from bench.case.record import Record
from reports.analysis import analyse
from reports.collect.read import read
from reports.costs.memory_peaks import FACTOR, LEAST_SHARE
from reports.costs.roofline import count
from tasks.baselines import linear_error

ROOT = Path(__file__).parents[2]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PRESET = """
name = "tiny"
[training]
learning_rates = [0.03]
folds = 6
evaluation_seeds = 12
epochs = 1
scored_targets = 64
[limits]
workers = 1
# The value of two steps ago is in no window of two: only carried state knows it.
[[convergence]]
task = "seasonal_difference@2"
cell = "gru"
regime = ["stateless", "stateful"]
window = 2
units = 8
family = true
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


def block(language):
    return re.search(rf"```{language}\n(.*?)```", CONTRIBUTING, re.DOTALL).group(1)


def test_the_example_is_short():
    assert len(block("python").splitlines()) <= 35


def test_its_floor_is_what_a_line_reaches():
    namespace = {"__name__": "example"}
    exec(block("python"), namespace)
    task = namespace["SeasonalDifference"](5)
    # The best prediction is linear here: below the reach it misses one value of variance 1 / 12.
    assert linear_error(task.series(), 5) == pytest.approx(task.stateless_floor(5), rel=0.1)
    assert linear_error(task.series(), 6) == pytest.approx(task.stateless_floor(6), abs=1e-12)
    assert task.baselines()["mean"] == pytest.approx(task.trivial, rel=0.1)
    assert task.target(5) == pytest.approx(1 / 24)


def install(site):
    """Leave the package in the folder as pip would, with the entry point that the document writes."""
    ((name, target),) = tomllib.loads(block("toml"))["project"]["entry-points"]["statebench.tasks"].items()
    module = site / Path(*target.partition(":")[0].split(".")).with_suffix(".py")
    module.parent.mkdir(parents=True)
    module.write_text(block("python"))
    about = site / "my_package-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[statebench.tasks]\n{name} = {target}\n")


@pytest.fixture(scope="module", params=[False, pytest.param(True, marks=pytest.mark.soak)], ids=["whole", "killed"])
def killed(request):
    """Whether the run is killed once and called again."""
    return request.param


@pytest.fixture(scope="module")
def place(killed, tmp_path_factory):
    """The run's folder; beside it what pytest-benchmark stored."""
    folder = tmp_path_factory.mktemp("tiny")
    install(folder / "site")
    preset = folder / "tiny.toml"
    preset.write_text(PRESET)
    environment = os.environ | {"PYTHONPATH": str(folder / "site"), "CUDA_VISIBLE_DEVICES": "-1"}

    def python(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run = [
        *("pytest", "bench", "-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"),
        *("--preset", str(preset), "--results", str(folder / "results"), "--benchmark-quiet"),
        *("--benchmark-storage", f"file://{folder}/storage", "--benchmark-json", str(folder / "benchmark.json")),
    ]
    records = folder / "results" / "tiny" / "records.jsonl"
    first = b""
    if killed:
        first = kill_with_one_record([sys.executable, "-m", *run, "-k", "bench_convergence"], environment, records)
        assert not (folder / "benchmark.json").exists()
    assert f"4 cases, {int(killed)} already there, {4 - killed} to run" in python(*run)
    assert records.read_bytes().startswith(first)
    python("reports", "tiny", "--results", str(folder / "results"))
    return records.parent


def kill_with_one_record(command, environment, records):
    """Start a run and kill it with everything that it started as soon as one record is on disk; the record."""
    running = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
    end = time.monotonic() + 120
    while not (records.exists() and records.read_bytes().endswith(b"\n")):
        assert running.poll() is None
        assert time.monotonic() < end
        time.sleep(0.01)
    group = psutil.Process(running.pid).children(recursive=True)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    _, alive = psutil.wait_procs(group, timeout=30)
    assert alive == []
    (first,) = records.read_bytes().splitlines(keepends=True)
    return first


@pytest.fixture(scope="module")
def records(place):
    found = [json.loads(line) for line in (place / "records.jsonl").read_bytes().splitlines()]
    # What ran side by side ended in any order.
    return sorted(found, key=lambda record: ("convergence time memory".find(record["case"]["kind"]), record["key"]))


def test_every_case_has_its_record_whatever_happened_on_the_way(place, records, killed):
    assert [record["key"] for record in records] == [
        "convergence/seasonal_difference@2-gru-stateful-u8-L2-b8",
        "convergence/seasonal_difference@2-gru-stateless-u8-L2-b8",
        "time/cosine-simple_rnn-stateful-u2-L2-b8-loop",
        "memory/cosine-lstm-stateful-u64-L32-b32-loop",
    ]
    assert {record["outcome"] for record in records} == {"ok"}
    assert records[2]["time"]["kernel_seen"] == records[3]["memory"]["kernel_seen"] == "loop"
    invocations = json.loads((place / "run.json").read_text())["invocations"]
    assert [one["ended"] for one in invocations] == [*["killed"] * killed, "done"]
    ceilings = invocations[-1]["ceilings"]
    assert ceilings["matrix product, float32"]["best"] > ceilings["matrix product, float64"]["best"]


def test_its_verdict_is_the_provable_one(place):
    (found,) = analyse(read(place)).declared
    assert (str(found.updates.verdict), found.a.hits, found.b.hits) == ("only stateful", 12, 0)


def test_a_task_from_outside_is_reported_with_its_own_statements(place, records):
    for record in records[:2]:
        assert record["case"]["dial"] == 2
        assert record["convergence"]["target"] == pytest.approx(1 / 24)
        assert record["convergence"]["stateless_floor"] == pytest.approx(1 / 12)
    assert "seasonal_difference@2" in (place / "report.md").read_text()
    report = (place / "details.md").read_text()
    assert "The current value less the one N steps before it" in report
    assert "Its target reaches 3 steps back." in report


def test_counting_weights_moments_and_kept_values_comes_near_what_the_allocator_says(records):
    counted = count(decode(json.dumps(records[3]).encode(), Record)).total
    assert LEAST_SHARE <= records[3]["memory"]["allocator_peak_bytes"] / counted <= FACTOR


def test_benchmark_json_holds_the_time_case_and_can_be_compared(place, records):
    file = place.parents[1] / "benchmark.json"
    data = {one["name"]: one["stats"]["data"] for one in json.loads(file.read_text())["benchmarks"]}
    assert list(data.values()) == [pytest.approx(records[2]["time"]["seconds_per_update"])]
    compare = [sys.executable, "-m", "pytest_benchmark", "compare", str(file)]
    compared = subprocess.run(compare, cwd=file.parent, capture_output=True, text=True, check=False)
    assert compared.returncode == 0, compared.stderr
    assert "cosine-simple_rnn-stateful-u2-L2-b8-loop" in compared.stdout
