"""Two real engines in one run, through their workers to the report; skipped where the second is not installed."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from bench import engines

ROOT = Path(__file__).parents[2]
PRESET = """
name = "two"
[training]
learning_rates = [0.02]
folds = 1
evaluation_seeds = 3
epochs = 4
scored_targets = 16
stop = "target"
inference = true
[[convergence]]
task = "lagged_mean@2"
cell = "simple_rnn"
regime = ["stateful", "stateless"]
window = 4
units = 4
[[time]]
task = "cosine"
cell = "lstm"
regime = "stateful"
kernel = ["loop", "xla"]
window = 3
units = 3
"""


@pytest.fixture(scope="module", params=["jax", "torch"])
def run(request, tmp_path_factory):
    """Folder of a run by TensorFlow and another engine, rendered."""
    other = request.param
    if not all(map(find_spec, engines.ENGINES[other].needs)):
        pytest.skip(f"{' and '.join(engines.ENGINES[other].needs)} not installed: pip install 'statebench[{other}]'")
    folder = tmp_path_factory.mktemp(other)
    (folder / "two.toml").write_text(PRESET)
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
            "--benchmark-quiet",
        ),
        *("--preset", str(folder / "two.toml"), "--results", str(folder), "--run", "two"),
        *("--engine", f"{other},tensorflow"),
        *("--benchmark-storage", f"file://{folder}/storage"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rendered = subprocess.run(
        [sys.executable, "-m", "reports", str(folder / "two")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert rendered.returncode == 0, rendered.stderr
    return other, folder


def records(folder):
    return [json.loads(line) for line in (folder / "two" / "records.jsonl").read_text().splitlines()]


def test_every_case_of_both_ends_well_with_the_kernel_that_was_asked_for(run):
    other, folder = run
    found = records(folder)
    assert {record["outcome"] for record in found} == {"ok"}
    cases = [(one["case"]["kind"], one["case"]["engine"], one["case"]["kernel"]) for one in found]
    assert sorted(set(cases)) == sorted([
        *((kind, name, kernel) for name in ("tensorflow", other)
          for kind, kernel in (("convergence", "replicated"), ("time", "loop"))),
        ("time", "tensorflow", "xla"),
    ])  # fmt: skip
    for one in found:
        assert one[one["case"]["kind"]]["kernel_seen"] == one["case"]["kernel"]
        if one["case"]["kind"] == "time":
            assert one["time"]["inference"]["seconds_per_call"]
            assert one["time"]["overhead_seconds_per_update"]


def test_both_trained_the_same_networks_on_the_same_windows(run):
    other, folder = run
    by_key = {record["key"]: record["convergence"] for record in records(folder) if "convergence" in record}
    pairs = [(body, by_key[f"{key}-on_{other}"]) for key, body in by_key.items() if not key.endswith(other)]
    assert len(pairs) == 2
    for ours, theirs in pairs:
        for one, same in zip(ours["replicates"], theirs["replicates"], strict=True):
            assert (one["seed"], one["learning_rate"]) == (same["seed"], same["learning_rate"])
            assert same["error"][0] == pytest.approx(one["error"][0], rel=1e-4)


def test_ceilings_name_their_engine_and_caches_stay_apart(run):
    other, folder = run
    (invocation,) = json.loads((folder / "two" / "run.json").read_text())["invocations"]
    assert invocation["ceilings_engine"] == "tensorflow"
    assert invocation["ceilings"]["matrix product, float32"]["best"] > 0
    (compiled,) = (folder / ".compiled").iterdir()
    by_engine = {one.name: {file.name for file in one.iterdir()} for one in compiled.iterdir()}
    assert by_engine["tensorflow"]
    if other == "jax":
        assert by_engine["jax"]
        assert by_engine["jax"].isdisjoint(by_engine["tensorflow"])


def test_the_report_sets_them_side_by_side(run):
    other, folder = run
    text = "".join((folder / "two" / page).read_text() for page in ("report.md", "details.md"))
    assert f"This run has the engines tensorflow and {other}." in text
    assert f"{other} loop against tensorflow loop" in text
    told = json.loads((folder / "two" / "summary.json").read_text())
    assert {tuple(one["engines"]) for one in told["same_arms"]} == {(other, "tensorflow")}
