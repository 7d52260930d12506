"""The command for a machine with a GPU, with stand-ins for the GPU and for the run."""

import json
import sys
import time

import pytest

from bench import gpu_evidence
from bench.machine import host
from bench.plan import planning, presets

STAND_IN = """
import json, os, signal, sys, time
def ended(*_):
    print("interrupted", file=open({log!r}, "a"))
    sys.exit(130)
signal.signal(signal.SIGINT, ended)
print(os.environ.get({seen!r}, "nothing told"), file=open({log!r} + ".told", "a"))
print(json.dumps(sys.argv[1:]), file=open({log!r}, "a"), flush=True)
time.sleep(0 if "--report" in sys.argv else {seconds})
sys.exit({code})
"""


@pytest.fixture
def evidence(monkeypatch, tmp_path, capfd):
    """Run the command where some engines see a GPU and a run takes so long; its code, what it called, what it said."""
    log = tmp_path / "calls"
    log.touch()

    def call(gpus, *options, seconds=0.0, code=0):
        script = tmp_path / "stand_in.py"
        script.write_text(STAND_IN.format(log=str(log), seen=host.GPUS_SEEN, seconds=seconds, code=code))
        monkeypatch.setattr(gpu_evidence, "BENCH", [sys.executable, str(script), "bench"])
        monkeypatch.setattr(gpu_evidence, "PUBLISH", [sys.executable, str(script), "publish", "--report"])
        monkeypatch.setattr(gpu_evidence, "find_spec", lambda _: True)
        monkeypatch.setattr(host, "accelerators", lambda name: gpus.get(name, []))
        monkeypatch.setattr(host, "why_no_gpu", lambda name: f"{name} sees no GPU")
        found = gpu_evidence.main([f"--results={tmp_path}", *options])
        calls = [line if line == "interrupted" else json.loads(line) for line in log.read_text().splitlines()]
        return found, calls, "".join(capfd.readouterr())

    return call


def test_engines_that_see_a_gpu_run_the_preset_and_the_folder_is_published(evidence, tmp_path):
    code, calls, said = evidence({"jax": ["H100"], "torch": ["H100"]})
    assert code == 0
    (*parts, publish) = calls
    assert [part[-1] for part in parts] == list(gpu_evidence.PARTS)
    for part in parts:
        assert {"--preset=gpu", "--device=gpu", "--engine=jax,torch", "--run=gpu-evidence"} < set(part)
    assert publish == ["publish", "--report", str(tmp_path / "gpu-evidence")]
    assert "jax sees H100" in said


def test_a_run_is_told_what_the_engines_see_and_asks_none_of_them_again(evidence, tmp_path, monkeypatch):
    evidence({"torch": ["H100"]})
    told = (tmp_path / "calls.told").read_text().splitlines()
    assert told == [*['{"torch": ["H100"]}' for _ in gpu_evidence.PARTS], "nothing told"]
    monkeypatch.undo()  # what stands for the engines
    monkeypatch.setattr(host, "_ask", lambda engine, code: pytest.fail(f"{engine} is asked {code}"))
    monkeypatch.setenv(host.GPUS_SEEN, told[0])
    assert host.accelerators("torch") == ["H100"]
    with pytest.raises(pytest.fail.Exception, match="jax is asked"):
        host.accelerators("jax")


def test_an_engine_that_sees_none_is_left_out_with_its_reason(evidence):
    code, calls, said = evidence({"torch": ["H100"]})
    assert code == 0
    assert "--engine=torch" in calls[0]
    assert "jax is left out: jax sees no GPU" in said


def test_without_a_gpu_nothing_runs(evidence):
    code, calls, said = evidence({})
    assert (code, calls) == (2, [])
    assert "no engine here sees a GPU" in said


def test_a_package_that_is_missing_is_named(evidence, monkeypatch):
    evidence({})
    monkeypatch.setattr(gpu_evidence, "find_spec", lambda name: None if name == "jax" else True)
    assert not gpu_evidence._seen("jax")


def test_when_the_time_is_over_the_run_is_interrupted_rendered_and_published(evidence, monkeypatch):
    monkeypatch.setattr(gpu_evidence, "RENDERING_S", 0.0)
    begin = time.monotonic()
    code, calls, said = evidence({"torch": ["H100"]}, "--minutes=0.05", seconds=120.0)
    assert code == 1
    assert "the same command goes on" in said
    bench, interrupted, report, publish = calls
    assert interrupted == "interrupted"
    assert report == [*bench[:-2], "--report"]
    assert publish[0] == "publish"
    assert time.monotonic() - begin < 100


def test_a_case_that_failed_is_no_success(evidence):
    assert evidence({"torch": ["H100"]}, code=1)[0] == 1


def test_the_preset_holds_what_the_evidence_is_to_show(monkeypatch):
    monkeypatch.setattr(host, "has_gpu_driver", lambda *_: True)
    monkeypatch.setattr("bench.engines.find_spec", lambda _: True)
    jobs = planning.make(presets.load("gpu", engines=("jax", "torch"), device="gpu")).jobs
    timed = [job.case for job in jobs if job.case.kind == "time" and job.case.configuration == "GPU"]
    for name in ("jax", "torch"):
        own = [case for case in timed if case.engine == name]
        assert {case.repetition for case in own} == {0, 1}
        for kernel in ("loop", "cudnn", "native"):
            assert {case.batch_size for case in own if case.kernel == kernel} == {1, 16, 256, 4096}
        assert {case.regime for case in own if case.kernel == "cudnn"} == {"stateful", "stateless"}
    # Two processes of what is asked most often, on which all intervals rest, come before what has one alone.
    order = [job.case for job in jobs if job.case.kind == "time"]
    last_again = max(place for place, case in enumerate(order) if case.repetition)
    assert {(case.batch_size, case.layers) for case in order[last_again + 1 :]} == {(16, 2)}
    # Where the GPU begins to be faster than the CPU: the same cases on both, but for cuDNN.
    beside = {job.case.replace(configuration="GPU", device="gpu") for job in jobs if job.case.configuration == "CPU"}
    assert {case for case in timed if case.kernel in ("loop", "native")} <= beside
