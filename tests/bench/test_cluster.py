"""Cases on the workers of a real cluster on loopback; an engine without a framework, whose records are a formula."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import fake_engine
import psutil
import pytest
import record_builders as builders
from clusters import ROOT, LocalCluster, environment, slurm

from bench.case.cases import Case, Job, Training
from bench.case.checked import encode
from bench.case.configurations import Configuration
from bench.errors import PlanError
from bench.machine import host
from bench.plan.estimates import estimated_bytes
from bench.plan.presets import Limits
from bench.run import remote

dask = pytest.importorskip("dask", reason="the extra `dask` is not installed")
distributed = pytest.importorskip("distributed", reason="the extra `dask` is not installed")
cluster_module = pytest.importorskip("bench.run.cluster")
cluster_connection = pytest.importorskip("bench.run.cluster_connection")

PRESET = """
name = "own"
[training]
learning_rates = [0.1]
folds = 1
evaluation_seeds = 2
epochs = 3
scored_targets = 16
[limits]
seconds = {seconds}
workers = 2
[[convergence]]
task = "cosine"
cell = "lstm"
regime = ["stateful", "stateless"]
window = 4
units = {units}
"""
UNITS = (2, 3, 4, 5, 6, 7)
TIMED = '[[time]]\ntask = "cosine"\ncell = "lstm"\nregime = "stateful"\nkernel = "loop"\nwindow = 4\nunits = [2, 3]\n'


def start(folder, *options, units=UNITS, seconds=60, more="", python=("-m", "pytest", "bench", "-q")):
    (folder / "own.toml").write_text(PRESET.format(units=list(units), seconds=seconds) + more)
    command = [
        *(sys.executable, *python, "-p", "no:cacheprovider", "-p", "no:hypothesispytest"),
        *("-p", "no:xdist", "-p", "fake_engine", f"--preset={folder}/own.toml", "--engine=fake"),
        *(f"--results={folder}/results", f"--benchmark-storage=file://{folder}/storage", *options),
    ]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def ended(running):
    said, _ = running.communicate(timeout=300)
    return running.returncode, said


def records_of(folder, run="own"):
    file = folder / "results" / run / "records.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def without_times(records):
    kept = {}
    for one in records:
        body = one.get("convergence", {}) | {"seconds_per_update": None}
        rest = {name: value for name, value in one.items() if name not in {"started", "seconds", "warnings"}}
        assert one["key"] not in kept
        kept[one["key"]] = rest | {"convergence": body}
    return kept


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """A scheduler and three workers."""
    made = LocalCluster(tmp_path_factory.mktemp("cluster"))
    for number in range(3):
        made.worker(f"w{number}", "--resources", "timing=1" if number == 0 else "other=1")
    yield made
    made.close()


def wait_for(condition, running, within=120):
    end = time.monotonic() + within
    while not condition():
        assert running.poll() is None, running.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_worker_killed_in_the_middle_and_one_told_to_end_change_no_record(three, tmp_path):
    local = start(tmp_path, "--run=local", more=TIMED)
    running = start(tmp_path, f"--scheduler={three.address}", more=TIMED)
    wait_for(lambda: len(records_of(tmp_path)) >= 2, running)
    victim = psutil.Process(three.processes["w2"].pid)
    wait_for(lambda: len(victim.children(recursive=True)) >= 4, running)  # helper, server of processes, tracker, case
    started = victim.children(recursive=True)
    three.kill("w2")
    three.kill("w1", signal.SIGTERM)
    code, said = ended(running)
    assert code == 0, said
    assert f"worker {three.addresses['w2']} is lost; 1 of its cases go elsewhere" in said
    assert f"worker {three.addresses['w1']} was told to end" in said
    code, told = ended(local)
    assert code == 0, told
    found, usual = (
        [one for one in records_of(tmp_path, run) if one["case"]["kind"] == "convergence"] for run in ("own", "local")
    )
    assert len(found) == 2 * len(UNITS)
    assert without_times(found) == without_times(usual)
    assert all("other-machine" not in one["warnings"] for one in found)
    timed = [one for one in records_of(tmp_path) if one["case"]["kind"] == "time"]
    assert len(timed) == 4
    assert {one["outcome"] for one in timed} == {"ok"}
    about = json.loads((tmp_path / "results/own/run.json").read_text())
    assert about["machine"]["cpu"] == host.fingerprint([])["cpu"]
    # Nothing of the killed worker lives on.
    _, alive = psutil.wait_procs(started, timeout=30)
    assert alive == []


@pytest.mark.soak
def test_a_case_that_fails_or_ends_its_watcher_is_its_own_outcome_alone(three, tmp_path):
    units = (2, fake_engine.RAISE, fake_engine.KILL, fake_engine.KILL_WATCHER)
    code, said = ended(start(tmp_path, f"--scheduler={three.address}", units=units))
    assert code == 1, said
    by_units = {}
    for one in records_of(tmp_path):
        by_units.setdefault(one["case"]["units"], set()).add(one["outcome"])
        if one["case"]["units"] == fake_engine.KILL_WATCHER:
            assert one["message"].startswith("given up after 3 workers")
            assert one["message"].count("what watches cases ended: SIGKILL") == 3
        if one["case"]["units"] == fake_engine.RAISE:
            assert "no room for a rabbit" in one["message"]
    assert by_units == {
        2: {"ok"},
        fake_engine.RAISE: {"failed"},
        fake_engine.KILL: {"crashed"},
        fake_engine.KILL_WATCHER: {"crashed"},
    }


def test_who_ends_the_client_ends_its_cases(three, tmp_path):
    options = {"units": (fake_engine.SLEEP,), "seconds": 600, "python": ("-m", "bench")}
    running = start(tmp_path, f"--scheduler={three.address}", **options)
    wait_for(lambda: sleeping(three), running)
    running.send_signal(signal.SIGINT)
    code, said = ended(running)
    assert code == 130
    assert said.splitlines()[-1] == "interrupted; the same command continues"
    end = time.monotonic() + 60
    while sleeping(three):
        assert time.monotonic() < end
        time.sleep(0.1)


def sleeping(cluster):
    """Whether a worker's case says that it sleeps."""
    logs = cluster.folder.glob("dask-scratch-space/*/helper-*/logs/*.log")
    return any("asleep" in log.read_text() for log in logs)


def test_when_the_scheduler_goes_the_run_stops_and_the_same_command_continues(three, tmp_path):
    slow = start(tmp_path, f"--scheduler={three.address}", units=(2, 3, fake_engine.SLEEP), seconds=600)
    wait_for(lambda: len(records_of(tmp_path)) >= 2, slow)  # one worker is left, and the third case sleeps
    three.kill("scheduler")
    code, said = ended(slow)
    assert code == 75, said
    assert "scheduler has gone away" in said
    assert "Traceback" not in said
    before = (tmp_path / "results/own/records.jsonl").read_bytes()
    assert before.endswith(b"\n")
    # Without a cluster it goes on as well.
    code, said = ended(start(tmp_path, "-k", "u2 or u3", units=(2, 3, fake_engine.SLEEP), seconds=600))
    assert code == 0, said
    assert "2 already there, 2 to run" in said
    assert (tmp_path / "results/own/records.jsonl").read_bytes().startswith(before)


def job(kind="convergence", **changes):
    return Job(Case(kind, "cosine", None, "lstm", "stateful", 1, 2, 4, 8, engine="fake").replace(**changes), Training())


@pytest.fixture
def within():
    """Clusters of threads of this process, where no case is run."""
    made = []

    def _within(*workers):
        cluster = distributed.LocalCluster(
            n_workers=0, processes=False, dashboard_address="127.0.0.1:0", scheduler_port=0, silence_logs=50
        )
        made.append(cluster)
        for number, options in enumerate(workers):
            spec = {"cls": distributed.Worker, "options": {"nthreads": 1, "dashboard": False} | options}
            cluster.worker_spec[number] = spec
        cluster.sync(cluster._correct_state)
        return cluster.scheduler_address

    yield _within
    for cluster in made:
        cluster.close()


def refusal(address, *jobs, **changes):
    options = {"engines": ("fake",), "device": "cpu", "limits": Limits(), "say": print} | changes
    with pytest.raises(PlanError) as error:
        cluster_module.Cluster(address, jobs, **options)
    return str(error.value)


def other_versions(text):
    """What a worker says that has another Keras."""
    found = json.loads(remote_greet(text))
    return json.dumps(found | {"versions": found["versions"] | {"keras": "3.0", "suite": "0123456789ab"}})


remote_greet = remote.greet


def test_other_versions_are_refused_before_the_first_case_naming_both(within, monkeypatch):
    monkeypatch.setattr(remote, "greet", other_versions)
    said = refusal(within({}), job())
    assert f"keras 3.0 there and {host.versions()['keras']} here" in said
    assert f"suite 0123456789ab there and {remote.suite_sha256()[:12]} here" in said


def test_what_no_worker_could_ever_run_is_refused_naming_the_resource(within):
    address = within({"resources": {"timing": 1, "memory": 2**30}}, {})
    said = refusal(address, job(), job("time", kernel="loop"), job("time", kernel="loop", device="gpu"))
    assert "of 2 workers none has what these need" in said
    assert "--resources timing=1,gpu=1,memory=" in said
    assert "1 cases, such as convergence/cosine" in said  # a GiB is less than a case may take


def test_a_worker_that_times_has_one_thread(within):
    said = refusal(within({"nthreads": 2, "resources": {"timing": 1}}), job())
    assert "offers timing and has 2 threads" in said


def test_two_different_machines_do_not_time_one_run(within, monkeypatch):
    monkeypatch.setattr(remote, "greet", another_machine)
    OTHERS[:] = [host.fingerprint([]), host.fingerprint([]) | {"cpu": "another"}]
    said = refusal(within(*2 * [{"resources": {"timing": 1}}]), job("time", kernel="loop"))
    assert "they are different machines: cpu " in said
    assert "'another'" in said


OTHERS = []


def another_machine(text):
    return json.dumps(json.loads(remote_greet(text)) | {"machine": OTHERS.pop()})


def test_a_case_keeps_its_machine_to_itself_while_it_is_timed(within):
    address = within({"resources": {"timing": 1}}, {"nthreads": 2})
    jobs = [job(units=units) for units in (2, 3, 4)] + [job("time", kernel="loop"), job("time", kernel="xla")]
    made = cluster_module.Cluster(address, jobs, Limits(), print, engines=("fake",), device="cpu")
    try:
        made.run(jobs, print)
        timing, other = sorted(made._workers, key=lambda one: one.threads)
        assert made.slots == 3
        group = made._next(timing)
        assert [one.case.kernel for one in group.jobs] == ["loop", "xla"]  # alone there: nothing runs yet
        timing.running["group"] = group
        assert made._next(other) is None
        assert made._next(timing) is None
        del timing.running["group"]
        made._timed.appendleft(group)
        other.running["case"] = first = made._next(other)
        assert first.jobs == [jobs[0]]
        assert made._next(timing).jobs == [jobs[1]]  # and no timing beside it
    finally:
        made.stop()


GIB = 2**30


def test_cases_share_a_worker_as_far_as_its_memory_holds_their_estimates(within):
    """Large networks, of which one fits; a small one beside it does, and is taken before those that do not."""
    jobs = [job(units=512, batch_size=8 + one) for one in range(3)] + [job(), job(units=3)]
    large, small = estimated_bytes(jobs[0]), estimated_bytes(jobs[3])
    assert GIB <= small < large / 1.5
    address = within({"nthreads": 3, "resources": {"memory": large + 1.5 * small}}, {"nthreads": 3})
    made = cluster_module.Cluster(address, jobs, Limits(), print, engines=("fake",), device="cpu")
    try:
        made.run(jobs, print)
        offers, other = sorted(made._workers, key=lambda one: not one.offers)
        taken = []
        while unit := made._next(offers):
            taken.append(unit)
            offers.running[str(len(taken))] = unit
        assert [unit.jobs for unit in taken] == [[jobs[0]], [jobs[3]]]
        assert [unit.needs for unit in taken] == [{"memory": large}, {"memory": small}]
        assert made._next(other) is None  # it has not said that it has any
        del offers.running["1"]
        assert made._next(offers).jobs == [jobs[1]]
    finally:
        made.stop()


@pytest.fixture
def gpus():
    """A scheduler and two workers, of which one offers a GPU, which the engine sees there."""
    with tempfile.TemporaryDirectory() as folder:
        made = LocalCluster(Path(folder))
        # Who asks an engine for its GPUs is a process of its own, which must know this one.
        Path(folder, "sitecustomize.py").write_text(
            "from bench import engines; engines.ENGINES['fake'] = engines.Known('fake_engine')"
        )
        path = f"{folder}{os.pathsep}{environment()['PYTHONPATH']}"
        made.worker("with", "--resources", "gpu=1", FAKE_GPU="1", PYTHONPATH=path)
        made.worker("without", "--nthreads", "4")
        yield made
        made.close()


@pytest.mark.soak
def test_cases_of_a_gpu_land_where_one_is_offered_and_nowhere_else(gpus, tmp_path):
    code, said = ended(start(tmp_path, f"--scheduler={gpus.address}", "--device=gpu", "--run=own", units=UNITS[:4]))
    assert code == 0, said
    found = records_of(tmp_path)
    assert len(found) == 8
    assert [one["convergence"]["evidence"]["GPU"] for one in found] == 8 * [1]
    gpus.kill("with")
    code, said = ended(start(tmp_path, f"--scheduler={gpus.address}", "--device=gpu", "--run=other", units=UNITS[:1]))
    assert code == 4, said
    assert "of 1 workers none has what these need" in said
    assert "--resources gpu=1" in said


def test_what_is_set_aside_is_no_more_than_the_limit_and_those_that_take_turns_need_it_together(within):
    jobs = [job("time", kernel="loop", units=units) for units in (2, 512)]
    address = within({"resources": {"timing": 1, "memory": 2 * GIB}})
    limits = Limits(memory_mib=1040)
    said = refusal(address, *jobs, limits=limits)
    needs = estimated_bytes(jobs[0]) + 1040 * 2**20
    assert estimated_bytes(jobs[1]) > 1040 * 2**20
    assert f"and 1 that take turns with it: --resources timing=1,memory={needs}\n" in said
    assert "Fewer take turns with `together`" in said
    address = within({"resources": {"timing": 1, "memory": needs}})
    cluster_module.Cluster(address, jobs, limits, print, engines=("fake",), device="cpu").stop()


def test_a_case_that_loses_workers_is_given_to_another_twice_and_ends_of_jobs_do_not_count(within):
    made = cluster_module.Cluster(within({}), [job()], Limits(), print, engines=("fake",), device="cpu")
    records = []
    try:
        made.run([job()], records.append)
        for why in ("", "a was lost", "", "b was lost", ""):
            made._again(made._shared.popleft(), why)
        assert records == []
        made._again(made._shared.popleft(), "c was lost")
    finally:
        made.stop()
    (record,) = records
    assert (record.key, record.outcome) == (job().case.key, "crashed")
    assert record.message == "given up after 3 workers: a was lost; b was lost; c was lost"
    assert not made._shared


def test_an_answer_that_is_lost_with_its_worker_is_not_waited_for(within):
    made = cluster_module.Cluster(within({}), [job()], Limits(), print, engines=("fake",), device="cpu")
    lost = SimpleNamespace(
        key="k",
        cancelled=lambda: False,
        cancel=lambda: None,
        release=lambda: None,
        result=mock.Mock(side_effect=TimeoutError),
    )
    (worker,) = made._workers
    try:
        made.run([job()], print)
        worker.running["k"] = made._shared.popleft()
        made._tasks["k"] = worker, lost
        made._take(lost)
        assert made._ended.get_nowait() is lost
        assert list(made._tasks) == ["k"]
        made._lose(worker)
        assert not made._tasks
        assert len(made._shared) == 1
    finally:
        made.stop()


def test_what_is_no_record_is_the_outcome_of_its_case_alone(within):
    jobs = [job("time", kernel="loop"), job("time", kernel="xla")]
    made = cluster_module.Cluster(
        within({"resources": {"timing": 1}}), jobs, Limits(), print, engines=("fake",), device="cpu"
    )
    made.stop()
    (worker,) = made._workers
    sent = json.loads(encode(builders.timed(jobs[0].case)))
    for answer in ({"records": [sent, {"schema": 1}]}, {"records": [sent]}):
        good, bad = made._records(worker, cluster_module.Unit(jobs, {}), answer)
        assert good.outcome == "ok"
        assert (bad.key, bad.outcome) == (jobs[1].case.key, "failed")
        assert "no record" in bad.message or "nothing was sent" in bad.message


def test_a_file_names_a_cluster_of_jobs_in_a_queue_and_a_job_that_ended_is_followed_by_another(tmp_path, monkeypatch):
    """Of dask-jobqueue, in whose place a cluster of threads is asked for as many workers."""

    class SLURMCluster(distributed.LocalCluster):
        def __init__(self, cores, memory):
            assert (cores, memory) == (1, "8GB")
            super().__init__(n_workers=0, processes=False, dashboard_address="127.0.0.1:0", silence_logs=50)

        def scale(self, jobs):
            super().scale(jobs)

    monkeypatch.setitem(sys.modules, "dask_jobqueue", SimpleNamespace(SLURMCluster=SLURMCluster))
    monkeypatch.setattr(cluster_connection, "ASK_AGAIN_S", 0.1)
    file = tmp_path / "queue.toml"
    file.write_text('cluster = "SLURMCluster"\njobs = 2\n[options]\ncores = 1\nmemory = "8GB"\n')
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "10ms"}):
        made = cluster_module.Cluster(str(file), [job()], Limits(), print, engines=("fake",), device="cpu")
        try:
            workers = addresses_once(made, lambda there: len(there) == 2)
            made._workers.look()
            started = made._connection._queue._started
            started.sync(next(iter(started.workers.values())).close)
            now = addresses_once(made, lambda there: len(there) == 2 and there != workers)
            # Under the name of the one that ended, which is gone all the same.
            assert [worker.address for worker in made._workers.look()] == [*(workers - now)]
            assert {worker.address for worker in made._workers} == now
        finally:
            made.stop()
    file.write_text(file.read_text().replace("SLURM", "Slurm"))
    assert "must be one of SLURMCluster" in refusal(str(file), job())


def addresses_once(made, condition):
    """Workers by their addresses, as soon as they are as they should be."""
    end = time.monotonic() + 60
    while not condition(there := set(made._connection.workers() or ())):
        assert time.monotonic() < end, there
        time.sleep(0.02)
    return there


QUEUE = """
cluster = "SLURMCluster"
jobs = 1
[options]
cores = 1
processes = 1
memory = "2GB"
walltime = "00:10:00"
interface = "lo"
local_directory = "{folder}"
job_script_prologue = ["cd {root}"]
scheduler_options = {{ dashboard_address = "127.0.0.1:0" }}
"""


@pytest.mark.soak
def test_a_run_outlives_the_jobs_of_its_queue(tmp_path, monkeypatch):
    """By dask-jobqueue itself; what it calls as Slurm's runs jobs here, and one is told to end as at its time limit."""
    pytest.importorskip("dask_jobqueue", reason="dask-jobqueue is not installed")
    for name, value in slurm(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DASK_DISTRIBUTED__DEPLOY__LOST_WORKER_TIMEOUT", "1s")
    (tmp_path / "queue.toml").write_text(QUEUE.format(folder=tmp_path, root=ROOT))
    running = start(tmp_path, f"--scheduler={tmp_path}/queue.toml", units=range(2, 22))
    wait_for(lambda: len(records_of(tmp_path)) >= 2, running)
    os.killpg(int((tmp_path / "queue/1.pid").read_text()), signal.SIGTERM)
    code, said = ended(running)
    assert code == 0, said
    assert "was told to end" in said
    found = records_of(tmp_path)
    assert len(found) == 2 * 20
    assert {one["outcome"] for one in found} == {"ok"}
    jobs = [psutil.Process(int(file.read_text())) for file in (tmp_path / "queue").glob("*.pid") if is_there(file)]
    assert len(list((tmp_path / "queue").glob("*.sh"))) == 2
    assert psutil.wait_procs(jobs, timeout=60)[1] == []


def is_there(file):
    return psutil.pid_exists(int(file.read_text()))


def test_a_preset_of_configurations_is_refused_with_the_remedy():
    ways = [Configuration(name) for name in ("one core", "all cores")]
    said = refusal("tcp://127.0.0.1:1", *(Job(job().case, Training(), configuration=way) for way in ways))
    assert "has configurations (one core, all cores)" in said
    assert "Leave SCHEDULER out" in said
    assert "SHARD=1/2" in said


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(cluster_connection, "CONNECT_S", 1)
    assert "no scheduler answers at SCHEDULER=tcp://127.0.0.1:1 " in refusal("tcp://127.0.0.1:1", job())
    assert "cannot be read" in refusal(str(tmp_path / "none.toml"), job())
    (tmp_path / "own.toml").write_text('cluster = "SLURMCluster"\njobs = 2\n[options]\n[more]\n')
    assert "it has ['more']" in refusal(str(tmp_path / "own.toml"), job())
    for jobs in ("0", "true", '"2"'):
        (tmp_path / "own.toml").write_text(f'cluster = "SLURMCluster"\njobs = {jobs}\n[options]\n')
        assert "it must be how many jobs" in refusal(str(tmp_path / "own.toml"), job())


@pytest.fixture
def tls(tmp_path):
    """Settings of dask by whose certificate and key: those of the cluster, or those of a stranger."""
    for name in ("ours", "theirs"):
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
                *("-days", "2", "-subj", "/CN=statebench", "-keyout", f"{name}.key", "-out", f"{name}.crt"),
            ],
            cwd=tmp_path,
            check=True,
            capture_output=True,
        )

    def _tls(owner):
        own = {"cert": str(tmp_path / f"{owner}.crt"), "key": str(tmp_path / f"{owner}.key")} if owner else {}
        return {
            "distributed.comm.tls.ca-file": str(tmp_path / "ours.crt"),
            **{f"distributed.comm.tls.{who}.{name}": own.get(name) for who in ("client", "scheduler", "worker")
               for name in ("cert", "key")},
        }  # fmt: skip

    return _tls


@pytest.mark.soak
def test_a_client_without_the_certificate_is_refused(tls, monkeypatch):
    with dask.config.set(tls("ours")):
        cluster = distributed.LocalCluster(
            n_workers=1, processes=False, protocol="tls", dashboard_address="127.0.0.1:0", scheduler_port=0,
            silence_logs=50, security=distributed.Security(require_encryption=True),
        )  # fmt: skip
    try:
        assert cluster.scheduler_address.startswith("tls://")
        with monkeypatch.context() as impatient:  # a stranger is refused however long it waits
            impatient.setattr(cluster_connection, "CONNECT_S", 2)
            for stranger in (None, "theirs"):
                with dask.config.set(tls(stranger)):
                    assert "no scheduler answers at SCHEDULER=tls://" in refusal(cluster.scheduler_address, job())
            plain = cluster.scheduler_address.replace("tls://", "tcp://")
            assert "no scheduler answers at SCHEDULER=tcp://" in refusal(plain, job())
        with dask.config.set(tls("ours")):
            made = cluster_module.Cluster(cluster.scheduler_address, [job()], Limits(), print, engines=(), device="cpu")
        assert made.slots >= 1
        made.stop()
    finally:
        cluster.close()


ALONE = """
import sys
import pytest
code = pytest.main(sys.argv[1:])
sys.exit(99 if {"dask", "distributed", "bench.run.cluster"} & set(sys.modules) else code)
"""


def test_a_run_on_one_machine_never_imports_dask(tmp_path):
    running = start(tmp_path, units=[2], python=("-c", ALONE, "bench"))
    code, said = ended(running)
    assert code == 0, said


def test_without_the_extra_it_is_said_what_to_install(tmp_path):
    hidden = "import sys, pytest; sys.modules['distributed'] = None; sys.exit(pytest.main(sys.argv[1:]))"
    code, said = ended(start(tmp_path, "--scheduler=tcp://127.0.0.1:1", python=("-c", hidden, "bench")))
    assert code == 4
    assert "pip install '.[dask]'" in said
    assert not (tmp_path / "results" / "own").exists()
