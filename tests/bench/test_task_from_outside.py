"""The example of CONTRIBUTING.md, installed as somebody else's package, from a preset to a report."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bench.plan import presets
from tasks.baselines import linear_error

ROOT = Path(__file__).parents[2]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def block(language):
    return re.search(rf"```{language}\n(.*?)```", CONTRIBUTING, re.DOTALL).group(1)


@pytest.fixture
def package(tmp_path):
    """The package as pip would leave it, its entry point as the document writes it."""
    ((name, target),) = tomllib.loads(block("toml"))["project"]["entry-points"]["statebench.tasks"].items()
    module = tmp_path / "site" / Path(*target.partition(":")[0].split(".")).with_suffix(".py")
    module.parent.mkdir(parents=True)
    module.write_text(block("python"))
    about = tmp_path / "site" / "my_package-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[statebench.tasks]\n{name} = {target}\n")
    return tmp_path / "site"


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


def test_a_preset_like_smoke_runs_it_in_workers_to_a_report(tmp_path, package):
    smoke = presets.available()["smoke"].read_text()
    start = smoke.partition("[[convergence]]")[0].replace('name = "smoke"', 'name = "outside"')
    grid = (
        'task = "seasonal_difference@3"\ncell = "simple_rnn"\nregime = ["stateless", "stateful"]\nwindow = 2\nunits = 4'
    )
    (tmp_path / "outside.toml").write_text(f"{start}[[convergence]]\n{grid}\n")
    environment = os.environ | {"PYTHONPATH": str(package), "CUDA_VISIBLE_DEVICES": "-1"}

    def python(*arguments):
        command = [sys.executable, "-m", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    results = str(tmp_path / "results")
    python(
        *(
            "pytest",
            "bench",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:hypothesispytest",
            "--preset",
            str(tmp_path / "outside.toml"),
        ),
        *("--results", results, "--benchmark-storage", f"file://{tmp_path}/storage"),
    )
    python("reports", "outside", "--results", results)
    lines = (tmp_path / "results" / "outside" / "records.jsonl").read_text().splitlines()
    found = {record["case"]["regime"]: record for record in map(json.loads, lines)}
    assert {regime: record["outcome"] for regime, record in found.items()} == {"stateless": "ok", "stateful": "ok"}
    for record in found.values():
        assert record["case"]["dial"] == 3
        assert record["convergence"]["target"] == pytest.approx(1 / 24)
        assert record["convergence"]["stateless_floor"] == pytest.approx(1 / 12)
    assert "seasonal_difference@3" in (tmp_path / "results" / "outside" / "report.md").read_text()
    report = (tmp_path / "results" / "outside" / "details.md").read_text()
    assert "The current value less the one N steps before it" in report
    assert "Its target reaches 4 steps back." in report
