"""Configurations: read and refused, part of a case's name, started as asked, and found out where they had no effect."""

import hashlib
import json
import os
import sys
import tomllib
from dataclasses import asdict
from pathlib import Path

import other_suite
import pytest

from bench.case.cases import Case, Job, Training
from bench.case.checked import encode
from bench.case.configurations import Configuration
from bench.errors import PlanError
from bench.machine import host
from bench.measure import interleave
from bench.plan import configuring, planning, presets
from bench.plan.presets import Limits
from bench.run.worker import Worker

CASE = Case("time", "cosine", None, "lstm", "stateful", 1, 4, 4, 8, "loop")


def read(text, engines=("tensorflow",), device="cpu", folder=Path()):
    return configuring.read(tomllib.loads(text)["configuration"], folder, "mine.toml", engines=engines, device=device)


def preset(tmp_path, configurations, grid='kernel = "loop"'):
    file = tmp_path / "mine.toml"
    file.write_text(f'{configurations}\n[[time]]\ntask = "cosine"\ncell = "lstm"\nregime = "stateful"\n{grid}\n')
    return planning.make(presets.load(str(file)))


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("cores = 1", "name None"),
        ('name = "a_b"', "letters, digits, spaces"),
        ('name = "a"\ncores = 0', "cores 0"),
        ('name = "a"\ncores = 4096', "only"),
        ('name = "a"\nenvironment = { TF_X = 0 }', "text in quotes"),
        ('name = "a"\nenvironment = { PYTHONPATH = "x" }', "set by the suite"),
        ('name = "a"\ndevice = "tpu"', "cpu, gpu"),
        ('name = "a"\ndtype = "float16"', "mixed_bfloat16"),
        ('name = "a"\nengine = "tensorfow"', "Did you mean 'tensorflow'"),
        ('name = "a"\npython = "no/such/python"', "cannot be run"),
        ('name = "a"\ncore = 1', "Did you mean 'cores'"),
        ('name = "a"\n[[configuration]]\nname = "a"', "named twice"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_what_is_valid(table, says):
    with pytest.raises(PlanError, match=says):
        read(f"[[configuration]]\n{table}")


def test_a_gpu_that_is_not_there_is_an_error_unless_it_is_optional(monkeypatch):
    monkeypatch.setattr(host, "has_gpu_driver", lambda: False)
    with pytest.raises(PlanError, match="'G' needs a GPU"):
        read('[[configuration]]\nname = "G"\ndevice = "gpu"')
    found = read('[[configuration]]\nname = "G"\ndevice = "gpu"\noptional = true')
    assert [name for name, _ in found.lacking] == ["G"]
    # The command's own device counts too, and a configuration's goes before it.
    with pytest.raises(PlanError, match="needs a GPU"):
        read('[[configuration]]\nname = "G"', device="gpu")
    assert not read('[[configuration]]\nname = "C"\ndevice = "cpu"', device="gpu").lacking


def test_every_case_comes_under_every_configuration_and_says_which(tmp_path):
    plan = preset(
        tmp_path,
        '[[configuration]]\nname = "one core"\ncores = 1\n[[configuration]]\nname = "b"\ndtype = "mixed_bfloat16"',
        'kernel = ["loop", "xla"]\nrepetitions = 1',
    )
    assert [job.case.id for job in plan.jobs] == [
        "cosine-lstm-stateful-u16-L16-b8-loop~one_core",
        "cosine-lstm-stateful-u16-L16-b8-loop-mixed_bfloat16~b",
        "cosine-lstm-stateful-u16-L16-b8-xla~one_core",
        "cosine-lstm-stateful-u16-L16-b8-xla-mixed_bfloat16~b",
    ]
    assert all(Case.from_id("time", job.case.id) == job.case for job in plan.jobs)
    assert [job.configuration.name for job in plan.jobs] == ["one core", "b"] * 2


def test_other_settings_of_a_configuration_make_another_plan(tmp_path):
    hashes = {
        preset(tmp_path, f'[[configuration]]\nname = "a"\nenvironment = {{ TF_X = "{value}" }}').sha256
        for value in (0, 1)
    }
    assert len(hashes) == 2


def test_a_skipped_configuration_is_listed_with_its_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(host, "has_gpu_driver", lambda: False)
    plan = preset(
        tmp_path,
        '[[configuration]]\nname = "a"\n[[configuration]]\nname = "G"\ndevice = "gpu"\noptional = true',
    )
    assert {job.case.configuration for job in plan.jobs} == {"a"}
    assert {reason for _, reason in plan.left_out} == {
        "configuration 'G' needs a GPU, and this machine has no NVIDIA driver"
    }


def test_a_plan_without_configurations_is_the_one_from_before_there_were_any():
    """So that a run from then goes on."""
    assert CASE.id == "cosine-lstm-stateful-u4-L4-b8-loop"
    plan = planning.Plan([Job(CASE, Training())], [], [], {})
    old = {name: value for name, value in CASE.to_dict().items() if name != "configuration"}
    settings = {name: value for name, value in asdict(Training()).items() if name not in {"draws", "orders"}}
    text = json.dumps([[[old, settings]], [], {}], sort_keys=True)
    assert plan.sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_configurations_are_interleaved_whatever_their_device_and_a_case_is_never_cut():
    cases = [
        CASE.replace(kernel=kernel, configuration=name, device=device)
        for kernel in ("loop", "xla", "unrolled")
        for name, device in (("a", "cpu"), ("b", "cpu"), ("c", "gpu"))
    ]
    first = interleave.first_group(interleave.in_order(cases), 8)
    assert [case.kernel for case in first] == ["loop"] * 3 + ["xla"] * 3


def run(tmp_path, configuration, kind="time", **differs):
    """The record of a case in a process of its own, as a file holds it."""
    source = other_suite.write(tmp_path / "other", **differs)
    one = Configuration(**({"name": "mine"} | configuration), source=source)
    job = Job(CASE.replace(kind=kind, configuration="mine"), Training(), configuration=one)
    worker = Worker(job, Limits(seconds=60), tmp_path / "log")
    while (record := worker.poll()) is None:
        worker.wait(0.5)
    return json.loads(encode(record))


def test_a_record_holds_what_was_asked_for_and_what_the_process_had(tmp_path):
    record = run(tmp_path, {"cores": 1, "environment": {"TF_X": "1"}})
    assert record["outcome"] == "ok", record["message"]
    assert record["configuration"]["asked"] == {"name": "mine", "cores": 1, "environment": {"TF_X": "1"}}
    seen = record["configuration"]["seen"]
    assert (len(seen["cores"]), seen["environment"]["TF_X"], seen["versions"]) == (1, "1", {"other": "1"})
    assert record["time"]["seconds_per_update"]
    assert record["key"].endswith("~mine")


@pytest.mark.parametrize(
    ("asked", "differs", "says"),
    [
        (
            {"cores": 1},
            {"inside": "threading.Thread(target=lambda: (os.sched_setaffinity(0, range(64)), time.sleep(9)), "
                       "daemon=True).start(); time.sleep(0.2)"},
            "but threads ran on",
        ),
        ({"environment": {"TF_X": "1"}}, {"inside": "os.environ['TF_X'] = '2'"}, "but is '2' after the measurement"),
        ({"environment": {"TF_ENABLE_ONEDNN_OPTS": "0"}}, {"onednn": "True"}, "reports oneDNN as True"),
        ({"device": "gpu"}, {}, "sees no GPU"),
        ({}, {"broken": "no room for a rabbit"}, "no room for a rabbit"),
    ],
)  # fmt: skip
def test_a_configuration_without_effect_is_an_error_and_no_result(tmp_path, asked, differs, says):
    if "cores" in asked and len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one core: nothing to escape to")
    record = run(tmp_path, asked, **differs)
    assert record["outcome"] == "failed"
    assert says in record["message"]
    assert "time" not in record
    assert record["configuration"]["seen"] is None


def test_what_another_commit_finds_and_cannot_be_recorded_is_a_failure(tmp_path):
    record = run(tmp_path, {}, kind="memory")
    assert record["outcome"] == "failed"
    assert "cannot be recorded" in record["message"]


def test_a_process_that_dies_or_cannot_start_is_a_record(tmp_path):
    assert run(tmp_path, {}, inside="os._exit(3)")["message"].startswith("ended by exit code 3")


def test_an_interpreter_runs_another_checkout_and_one_without_a_package_is_refused(tmp_path):
    source = other_suite.write(tmp_path / "other", version="7")
    assert host.ask_interpreter(sys.executable, ["tensorflow"], source).versions == {"other": "7"}
    other_suite.write(tmp_path / "other", lacks="no tensorflow here")
    with pytest.raises(PlanError, match=r"no tensorflow here.*pip install"):
        host.ask_interpreter(sys.executable, ["tensorflow"], source)


def test_oneDNN_is_off_where_it_was_switched_off(tmp_path):  # noqa: N802
    """With TensorFlow itself, whose own word is in the record."""
    plan = preset(
        tmp_path,
        '[[configuration]]\nname = "off"\ncores = 1\nenvironment = { TF_ENABLE_ONEDNN_OPTS = "0" }',
        'kernel = "loop"\nunits = 2\nwindow = 2\nrepetitions = 1',
    )
    worker = Worker(plan.jobs[0], Limits(), tmp_path / "log")
    while (record := worker.poll()) is None:
        worker.wait(0.5)
    assert record.outcome == "ok", record.message
    seen = record.configuration.seen
    assert seen.flags == {"onednn": False}
    assert len(seen.cores) == 1
