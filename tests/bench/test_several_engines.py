"""Several engines in one run: how they are named, planned, installed and started."""

import shutil
import subprocess
import tomllib
from importlib.util import find_spec
from multiprocessing.context import ForkServerProcess, SpawnProcess
from pathlib import Path

import fake_engine as fake
import pytest
from test_worker import job, wait

from bench import engines
from bench.case.cases import Case
from bench.errors import PlanError
from bench.machine import host
from bench.plan import csv_series, planning, presets
from bench.plan.presets import Limits
from bench.run import session, store, worker
from bench.run.session import Session
from bench.run.worker import Worker
from tasks.csv_series.request import Request

ROOT = Path(__file__).parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
ALL = ("tensorflow", "jax", "torch")
TWO = """
[training]
learning_rates = [0.01]
[[convergence]]
task = "cosine"
cell = "lstm"
regime = ["stateless", "stateful"]
window = [2, 4]
family = true
[[time]]
task = "cosine"
cell = ["lstm", "gru"]
regime = "stateful"
window = 4
kernel = ["loop", "xla"]
[[memory]]
task = "cosine"
cell = "lstm"
regime = "stateful"
kernel = "loop"
"""


@pytest.fixture(autouse=True)
def all_installed(monkeypatch):
    monkeypatch.setattr(engines, "find_spec", lambda _: True)


@pytest.fixture
def made(tmp_path):
    (tmp_path / "two.toml").write_text(TWO)
    return lambda text: planning.make(presets.load(str(tmp_path / "two.toml"), engines=engines.named(text)))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("tensorflow", ALL[:1]),
        ("jax", ("jax",)),
        ("jax,tensorflow", ALL[:2]),
        ("tensorflow, jax", ALL[:2]),
        ("torch,jax,tensorflow", ALL),
    ],
)
def test_engines_are_named_in_any_order(text, names):
    assert engines.named(text) == names


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tensorflow,jaxx", "unknown engine 'jaxx'. Did you mean 'jax'? Valid: "),
        ("tensorflow,", "unknown engine ''. Valid: "),
        ("jax,tensorflow,jax", "engine 'jax' is named twice in 'jax,tensorflow,jax': name each once"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused(text, said):
    with pytest.raises(PlanError) as error:
        engines.named(text)
    assert said in str(error.value)


def test_what_is_missing_of_several_is_named_with_what_installs_all(monkeypatch):
    monkeypatch.setattr(engines, "find_spec", lambda name: None if name in ("jax", "torch") else find_spec(name))
    with pytest.raises(PlanError) as error:
        presets.load("smoke", engines=ALL)
    text = str(error.value)
    assert "engines 'tensorflow,jax,torch' together need jax and torch, not installed here" in text
    assert "pip install 'statebench[tensorflow,jax,torch]'" in text
    assert "make bench ENGINE=tensorflow,jax,torch" in text


def test_each_case_stands_beside_the_same_case_by_another_engine(made):
    cases = [job.case for job in made("jax,tensorflow").jobs]
    both = [case for case in cases if case.kernel != "xla"]
    for first, second in zip(both[0::2], both[1::2], strict=True):
        assert (first.engine, second.engine) == ("tensorflow", "jax")
        assert second == first.replace(engine="jax")
        assert second.id.partition("#")[0] == f"{first.id.partition('#')[0]}-on_jax"
    times = [case.repetition for case in cases if case.kind == "time"]
    assert times == sorted(times)


def test_what_an_engine_lacks_is_left_out_of_it_alone(made):
    done = made("tensorflow,jax,torch")
    left_out = {(case.kind, case.engine, case.kernel): reason for case, reason in done.left_out}
    assert set(left_out) == {(kind, name, kernel) for name in ("jax", "torch") for kind, kernel in KINDS_LEFT_OUT}
    assert "XLA compiles every one of them" in left_out["time", "jax", "xla"]
    kept = {(job.case.kind, job.case.engine, job.case.kernel) for job in done.jobs}
    assert kept.isdisjoint(left_out)
    assert {("time", name, "loop") for name in ALL} < kept


KINDS_LEFT_OUT = (("time", "xla"),)


def test_the_order_in_which_engines_are_named_makes_no_other_run(made):
    assert made("jax,tensorflow").sha256 == made("tensorflow,jax").sha256 != made("tensorflow").sha256


def test_one_engine_is_planned_as_it_was_without_others(made):
    alone = made("tensorflow").jobs
    beside = [job for job in made("tensorflow,jax,torch").jobs if job.case.engine == "tensorflow"]
    assert alone == beside


def test_a_declared_comparison_stays_within_an_engine(made):
    pairs = [[Case.from_id("convergence", key.partition("/")[2]) for key in pair] for pair in made("jax,torch").family]
    assert len(pairs) == 4
    for first, second in pairs:
        assert second == first.replace(regime="stateless")
    assert {first.engine for first, _ in pairs} == {"jax", "torch"}


def test_a_series_of_ones_own_is_tried_by_every_engine(tmp_path):
    file = tmp_path / "load.csv"
    file.write_text("load\n" + "\n".join(str(i % 7 + i % 11) for i in range(600)))
    cases = [case for case, _ in csv_series.load(Request(file), csv_series.Grid(), engines=("tensorflow", "jax")).grids]
    assert [case.engine for case in cases] == ["tensorflow", "jax"] * (len(cases) // 2)


def test_the_preset_of_engines_holds_what_it_compares():
    done = planning.make(presets.load("engines", engines=ALL))
    own = {"tensorflow": (), "jax": ("native",), "torch": ("native", "native_compiled")}
    for name in ALL:
        here = [job.case for job in done.jobs if job.case.engine == name]
        timed = {(case.cell, case.regime, case.window, case.batch_size) for case in here if case.kind == "time"}
        assert {case.kernel for case in here if case.kind == "memory"} == {"loop", *own[name][:1]}
        assert {case.kernel for case in here if "native" in case.kernel} == set(own[name])
        assert timed == {
            *(("lstm", "stateful", 32, batch) for batch in (1, 32, 1024)),
            *(("lstm", "stateful", window, 32) for window in (8, 128)),
            ("gru", "stateful", 32, 32),
            ("gru", "stateful", 8, 32),
        }
        trained = [case for case in here if case.kind == "convergence"]
        assert sorted(case.regime for case in trained) == ["stateful"] * 2 + ["stateless"] * 2
    assert any(job.training.inference for job in done.jobs)


def makes(folder, *settings):
    """What make would do, its stamp's requirements being there."""
    for needed in ("requirements.lock", "pyproject.toml"):
        (folder / needed).touch()
    command = ["make", "-n", "-f", str(ROOT / "Makefile"), "bench", "PRESET=engines", *settings]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("named", ["tensorflow,jax", "jax,tensorflow", "jax, tensorflow"])
def test_make_gives_a_combination_an_environment_and_a_run_of_its_own(named, tmp_path):
    said = makes(tmp_path, f"ENGINE={named}")
    assert "--constraint requirements.lock --editable '.[jax,tensorflow]'" in said
    assert ".venv-jax-tensorflow/bin/python -m bench" in said
    assert store.usual_name("engines", engines.named(named), "cpu") == "engines-jax-tensorflow"


def test_make_takes_the_cuda_builds_of_a_combination(tmp_path):
    said = makes(tmp_path, "ENGINE=torch,tensorflow,jax", "DEVICE=gpu")
    assert ".venv-gpu-jax-tensorflow-torch/bin/python -m bench" in said
    assert "--editable '.[jax-cuda,cuda,torch-cuda]'" in said
    assert {"jax-cuda", "cuda", "torch-cuda"} <= set(EXTRAS)


def test_make_keeps_the_environment_of_tensorflow_alone(tmp_path):
    said = makes(tmp_path, "ENGINE=tensorflow")
    assert " --requirement requirements.lock" in said
    assert "--editable" not in said
    assert ".venv/bin/python -m bench" in said
    assert ".venv-" not in said
    assert store.usual_name("engines", ("tensorflow",), "cpu") == "engines"


@pytest.mark.parametrize(("preloaded", "process"), [("fake", ForkServerProcess), ("another", SpawnProcess)])
def test_a_case_of_another_engine_than_the_servers_has_a_fresh_process(preloaded, process, tmp_path, monkeypatch):
    worker.prepare_forkserver("fake")
    monkeypatch.setattr(worker, "_preloaded", [preloaded])
    one = Worker(job(2), Limits(), tmp_path / "one.log")
    assert type(one._process) is process
    assert wait(one).outcome == "ok"


def test_the_server_keeps_the_engine_that_it_was_first_told(monkeypatch):
    told = []
    monkeypatch.setattr(worker, "_preloaded", told)
    monkeypatch.setitem(engines.ENGINES, "another", fake.engines.Known("fake_engine"))
    for name in ("fake", "another"):
        worker.prepare_forkserver(name)
    assert told == ["fake"]


def test_ceilings_are_those_of_the_first_engine_that_brings_any(monkeypatch):
    asked = []

    def measured(name, _):
        asked.append(name)
        return {"rate": 1} if name != "jax" else None

    monkeypatch.setattr(session, "_ceilings_with", measured)
    assert session.measure_ceilings(("jax", "torch", "tensorflow"), "cpu") == ({"rate": 1}, "torch")
    assert asked == ["jax", "torch"]
    assert session.measure_ceilings(("jax",), "cpu") == (None, None)


def test_every_engine_must_see_a_gpu(tmp_path, monkeypatch):
    made = presets.load("smoke", engines=("tensorflow", "jax"), device="gpu")
    session = Session(
        made, planning.make(made), tmp_path / "run", ("tensorflow", "jax"), "gpu", retry=False, command="", say=print
    )
    monkeypatch.setattr(host, "accelerators", lambda name: ["H200"] if name == "tensorflow" else [])
    monkeypatch.setattr(host, "_ask", lambda *_: subprocess.CompletedProcess([], 0, "none", ""))
    with pytest.raises(PlanError) as error:
        session.open([])
    assert "jax sees no GPU" in str(error.value)
    if shutil.which("nvidia-smi"):
        assert "DEVICE=gpu ENGINE=tensorflow,jax" in str(error.value)
    monkeypatch.setattr(host, "accelerators", lambda name: [f"H200 as {name} calls it"])
    assert session._accelerators() == ["H200 as tensorflow calls it"]
