"""A case in a process of its own: every way in which it can end, with no framework in it."""

import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import fake_engine as fake
import psutil
import pytest

import tasks
from bench.case.cases import Case, Training
from bench.case.checked import decode, encode
from bench.case.record import Record
from bench.measure.interleave import Group
from bench.plan.presets import Limits
from bench.run import worker
from bench.run.scheduler import Scheduler
from bench.run.worker import Worker

ROOT = Path(__file__).parents[2]
TRAINING = Training(learning_rates=(0.1,), folds=1, evaluation_seeds=2, epochs=2, scored_targets=16)
LIMIT_S = 4 * max(1, round(os.getloadavg()[0] / len(os.sched_getaffinity(0))))
"""On a machine that is busy, what should run out of memory would run out of a shorter time before."""

LIMIT_MIB = 256


def job(units, kind="convergence", regime="stateful", cores=0):
    kernel = "replicated" if kind == "convergence" else "loop"
    case = Case(kind, "cosine", None, "lstm", regime, 1, units, 4, 8, kernel, "fake")
    return fake.FakeJob(case, replace(TRAINING, cores=cores))


# Good cases before, between and behind the bad ones.
ENDINGS = [
    2,
    fake.RAISE,
    fake.SLEEP,
    fake.KILL,
    20,
    fake.ALLOCATE,
    fake.MEMORY_ERROR,
    fake.SEGFAULT,
    fake.EXIT,
    21,
    fake.CHILD,
    fake.CHILD_ALLOCATES,
    fake.SHOUT,
    fake.GARBAGE,
    fake.STOP,
    fake.HANG_UP,
    22,
]


@pytest.fixture(scope="module")
def forkserver():
    """Start the server of processes without a framework in it."""
    worker.prepare_forkserver("fake")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def records(forkserver, folder):
    """Records of one run through all endings, by units."""
    del forkserver
    found = []
    jobs = [job(units) for units in ENDINGS]
    scheduler = Scheduler(jobs, Limits(LIMIT_S, LIMIT_MIB, workers=4), folder / "logs", folder / "cache", found.append)
    try:
        for one in jobs:
            scheduler.run_until(one.case.key)
    finally:
        scheduler.stop()
    return {record.case.units: record for record in found}


def test_every_case_has_one_record_whatever_happened_to_the_others(records):
    assert set(records) == set(ENDINGS)


@pytest.mark.parametrize("units", [2, 20, 21, 22])
def test_a_case_that_ends_well_is_ok_before_and_after_others_ended_badly(records, units):
    record = records[units]
    assert (record.outcome, record.message) == ("ok", None)
    assert len(record.convergence.replicates) == 3
    assert record.seconds.total >= sum(getattr(record.seconds, part) for part in ("prepare", "compile", "train"))


def test_a_python_error_fails_with_its_last_words(records):
    record = records[fake.RAISE]
    assert record.outcome == "failed"
    assert record.message.strip().endswith("RuntimeError: no room for a rabbit")
    assert "fake_engine.py" in record.message


def test_a_killed_case_crashed_and_the_signal_is_named(records):
    record = records[fake.KILL]
    assert record.outcome == "crashed"
    assert record.message.startswith("ended by SIGKILL")
    assert "the framework's C++ said something" in record.message


def test_a_segfault_crashed_and_says_where(records):
    record = records[fake.SEGFAULT]
    assert record.outcome == "crashed"
    assert record.message.startswith("ended by SIGSEGV")
    assert "in end" in record.message


def test_a_process_that_left_without_a_word_crashed_with_its_exit_code(records):
    assert records[fake.EXIT].outcome == "crashed"
    assert records[fake.EXIT].message.startswith("ended by exit code 3")


def test_a_case_beyond_its_time_is_ended_at_the_limit(records):
    record = records[fake.SLEEP]
    assert record.outcome == "timed-out"
    assert f"limit of {LIMIT_S} s" in record.message
    assert "asleep" in record.message
    assert LIMIT_S <= record.seconds.total < LIMIT_S + 5


def test_a_case_beyond_its_memory_is_ended_and_says_how_much_it_took(records):
    record = records[fake.ALLOCATE]
    assert record.outcome == "out-of-memory"
    assert f"more than the limit of {LIMIT_MIB} MiB" in record.message
    assert LIMIT_MIB <= int(record.message.split()[1]) < 4 * LIMIT_MIB


def test_an_allocation_that_is_refused_is_out_of_memory_too(records):
    assert records[fake.MEMORY_ERROR].outcome == "out-of-memory"
    assert records[fake.MEMORY_ERROR].message.startswith("MemoryError")


def test_what_a_case_has_started_ends_with_it(records):
    assert records[fake.CHILD].outcome == "crashed"
    words = records[fake.CHILD].message
    children = [int(pid) for pid in words[words.index("children ") :].split()[1:3]]
    assert not [pid for pid in children if psutil.pid_exists(pid)]


def test_the_memory_of_what_a_case_has_started_counts(records):
    assert records[fake.CHILD_ALLOCATES].outcome == "out-of-memory"
    assert f"more than the limit of {LIMIT_MIB} MiB" in records[fake.CHILD_ALLOCATES].message


def test_a_log_that_grows_without_end_is_bounded(records, folder):
    record = records[fake.SHOUT]
    assert record.message.strip().endswith("RuntimeError: hoarse")
    log = folder / "logs" / f"convergence-{job(fake.SHOUT).case.id}.log"
    assert log.stat().st_size < 4 * worker.MOST_LOG


def test_what_is_no_message_is_the_outcome_of_the_case_that_wrote_it(records):
    record = records[fake.GARBAGE]
    assert record.outcome == "failed"
    assert "wrote 4,096 bytes that are no message" in record.message
    assert record.seconds.total < LIMIT_S


@pytest.mark.parametrize("units", [fake.STOP, fake.HANG_UP])
def test_a_case_that_will_say_no_more_is_ended_at_the_limit(records, units):
    assert records[units].outcome == "timed-out"


@pytest.mark.parametrize("units", ENDINGS)
def test_every_record_says_what_ran_under_which_settings(records, units):
    record = records[units]
    assert record.key == job(units).case.key
    assert record.case == job(units).case
    assert record.training.learning_rates == (0.1,)
    assert (record.convergence is not None) == (record.outcome == "ok")
    assert record.seconds.total >= record.seconds.start > 0
    assert decode(encode(record), Record) == record
    assert record.schema == 1


def test_logs_stay_where_a_case_did_not_end_well(records, folder):
    bad = {units for units, record in records.items() if record.outcome != "ok"}
    assert {path.name for path in (folder / "logs").iterdir()} == {
        f"convergence-{job(units).case.id}.log" for units in bad
    }


def wait(one, seconds=20.0):
    end = time.monotonic() + seconds
    while (record := one.poll()) is None:
        assert time.monotonic() < end
        time.sleep(0.02)
    return record


def test_a_memory_case_runs_in_a_fresh_process_with_the_allocator_that_counts_all(forkserver, tmp_path):
    del forkserver
    record = wait(Worker(job(2, "memory"), Limits(), tmp_path / "log"))
    assert record.outcome == "ok", record.message
    assert record.memory.allocator_peak_bytes == 1
    assert worker.ALLOCATOR_COUNTS_ALL not in os.environ


def test_other_cases_keep_the_default_allocator(records, forkserver, tmp_path):
    del records, forkserver
    one = Worker(job(fake.SLEEP), Limits(), tmp_path / "log")
    try:
        wait_for(lambda: asleep(tmp_path / "log"))
        assert worker.ALLOCATOR_COUNTS_ALL not in psutil.Process(one._process.pid).environ()
    finally:
        one.kill()


def test_a_case_on_a_gpu_keeps_to_no_core(forkserver, tmp_path):
    del forkserver
    for kind in ("convergence", "time"):
        asked = job(2, kind, cores=1)
        one = Worker(replace(asked, case=asked.case.replace(device="gpu")), Limits(), tmp_path / "log", core=0)
        one.kill()
        assert one.cores is None


@pytest.mark.parametrize(
    ("kind", "asked", "kept"), [("convergence", 0, 1), ("time", 1, 1), ("time", 0, None), ("memory", 1, None)]
)
def test_a_case_keeps_to_its_cores_and_may_be_taken_first_by_the_oom_killer(forkserver, tmp_path, kind, asked, kept):
    del forkserver
    cores = sorted(os.sched_getaffinity(0))
    one = Worker(job(fake.SLEEP, kind, cores=asked), Limits(), tmp_path / "log", core=len(cores) - 1)
    try:
        wait_for(lambda: asleep(tmp_path / "log"))
        pid = one._process.pid
        assert os.sched_getaffinity(pid) == (set(cores) if kept is None else {cores[-1]})
        assert Path(f"/proc/{pid}/oom_score_adj").read_text().strip() == "1000"
    finally:
        one.kill()
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("ended", [0, 2])
def test_what_the_kernel_ended_for_want_of_memory_is_no_crash(forkserver, tmp_path, monkeypatch, ended):
    del forkserver
    monkeypatch.setattr(worker, "KERNEL_COUNTS", tmp_path / "vmstat")
    worker.KERNEL_COUNTS.write_text("pgfault 9\noom_kill 5\n")
    one = Worker(job(fake.KILL), Limits(), tmp_path / "log")
    worker.KERNEL_COUNTS.write_text(f"pgfault 9\noom_kill {5 + ended}\n")
    record = wait(one)
    assert record.outcome == ("out-of-memory" if ended else "crashed")
    assert ("this machine ran out of memory and the kernel ended 2 processes" in record.message) == bool(ended)


def test_the_run_goes_on_when_the_server_of_processes_was_killed(forkserver, tmp_path):
    del forkserver
    one = Worker(job(fake.SLEEP), Limits(), tmp_path / "one.log")
    wait_for(lambda: asleep(tmp_path / "one.log"))
    os.kill(psutil.Process(one._process.pid).ppid(), signal.SIGKILL)
    assert wait(one).outcome == "crashed"
    assert wait(Worker(job(2), Limits(), tmp_path / "two.log")).outcome == "ok"


def test_a_case_that_ends_while_it_is_looked_at_is_heard(forkserver, tmp_path, monkeypatch):
    del forkserver
    one = Worker(job(2), Limits(), tmp_path / "one.log")
    channel, look = one._channel, one._channel.look

    def too_early():
        monkeypatch.setattr(channel, "look", look)
        one._process.join()

    monkeypatch.setattr(channel, "look", too_early)
    assert wait(one).outcome == "ok"


def test_a_process_ends_without_taking_its_interpreter_apart(tmp_path, monkeypatch):
    monkeypatch.setenv(fake.AT_EXIT, str(tmp_path / "apart"))
    # A memory case has an interpreter of its own, which is not left as a forked one is.
    assert wait(Worker(job(2, "memory"), Limits(), tmp_path / "one.log")).outcome == "ok"
    assert not (tmp_path / "apart").exists()


def test_the_last_word_is_heard_though_a_sign_before_it_was_not_yet(forkserver, tmp_path):
    del forkserver
    one = Worker(job(2), Limits(), tmp_path / "one.log", group="those that take turns")
    one._process.join()
    one._channel._values.append("LEFT")
    assert wait(one).outcome == "ok"


def test_the_server_of_processes_has_every_tasks_module_and_survives_a_broken_one(forkserver, monkeypatch):
    del forkserver
    ours, theirs = multiprocessing.get_context("forkserver").Pipe()
    process = multiprocessing.get_context("forkserver").Process(target=tell_modules, args=(theirs,))
    process.start()
    assert ours.recv()
    process.join()
    monkeypatch.setattr(tasks.registry, "_own_loaders", lambda: [broken])
    importlib.reload(importlib.import_module("bench.run.preloaded"))


def tell_modules(connection):
    connection.send({f"tasks.{name}" for name in ("cosine", "co2", "parity")} <= set(sys.modules))


def broken():
    raise tasks.task.InvalidTaskError("no task")


def wait_for(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def test_time_in_which_the_run_was_stopped_is_no_time_of_a_case(forkserver, tmp_path, monkeypatch):
    del forkserver
    monkeypatch.setattr(worker, "STOPPED_S", 0.5)
    one = Worker(job(fake.SLEEP), Limits(seconds=1.5), tmp_path / "log")
    try:
        wait_for(lambda: one.poll() is None and asleep(tmp_path / "log"))
        time.sleep(2)  # as by Ctrl-Z
        assert one.poll() is None
    finally:
        one.kill()


def test_text_in_a_log_is_no_command_to_a_terminal(tmp_path):
    one = Worker(job(fake.SLEEP), Limits(), tmp_path / "log")
    one.kill()
    (tmp_path / "log").write_bytes(b"key\n\x1b]0;title\x07 \x1b[2J caf\xc3\xa9\tend\n")
    message = one._record("failed", one._last_words()).message
    assert message == "; end of its error output:\n\\x1b]0;title\\x07 \\x1b[2J café\tend"


def asleep(log):
    return log.exists() and b"asleep" in log.read_bytes()


WATCHER = """
import sys, time
from dataclasses import replace
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_worker as t
from bench.run import worker
worker.prepare_forkserver("fake")
folder = Path(sys.argv[2])
units = getattr(t.fake, sys.argv[4])
running = [t.Worker(t.job(units, kind), t.Limits(), folder / kind) for kind in sys.argv[3].split(",")]
print(*[one._process.pid for one in running], flush=True)
time.sleep(600)
"""


def watched(folder, kinds, end="SLEEP"):
    """Start a process that watches cases which sleep, or end in another way; itself and the cases' processes."""
    command = [sys.executable, "-c", WATCHER, str(Path(__file__).parent), str(folder), ",".join(kinds), end]
    watcher = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    pids = [int(pid) for pid in watcher.stdout.readline().split()]
    assert len(pids) == len(kinds)
    return watcher, [psutil.Process(pid) for pid in pids]


def survivors(watcher, processes):
    watcher.kill()
    watcher.wait()
    watcher.stdout.close()
    _, alive = psutil.wait_procs(processes, timeout=30)  # they end at once where they have a core
    for process in alive:
        process.kill()
    return alive


def test_running_cases_die_with_a_run_that_was_killed(tmp_path):
    watcher, processes = watched(tmp_path, ["convergence", "time", "memory"])
    forkserver = psutil.Process(processes[0].ppid())
    wait_for(lambda: all(asleep(tmp_path / kind) for kind in ("convergence", "time", "memory")))
    assert survivors(watcher, [*processes, forkserver]) == []


def test_cases_die_with_a_run_that_was_killed_just_as_they_started(tmp_path):
    watcher, processes = watched(tmp_path, ["convergence", "memory"])
    assert survivors(watcher, processes) == []


def test_cases_that_are_stopped_die_with_a_run_that_was_killed(tmp_path):
    watcher, processes = watched(tmp_path, ["convergence", "memory"], "STOP")
    wait_for(lambda: all(process.status() == psutil.STATUS_STOPPED for process in processes))
    assert survivors(watcher, processes) == []


# Cases that take turns, two of which end badly while the others are alive.
TURNS = [2, 3, fake.RAISE, fake.SLEEP, 4]


@pytest.fixture(scope="module")
def turns(forkserver, tmp_path_factory):
    """Records of time cases that took turns; one of those that wait is killed."""
    del forkserver
    folder = tmp_path_factory.mktemp("turns")
    found, begun = [], []

    def start(one):
        begun.append(Worker(one, Limits(seconds=LIMIT_S), folder / str(one.case.units), group="them"))
        if len(begun) == len(TURNS):
            begun[0]._process.kill()
        return begun[-1]

    group = Group([job(units, "time") for units in TURNS], start)
    while not group.over:
        if (record := group.step()) is not None:
            found.append(record)
    return {record.case.units: record for record in found}


def test_each_case_that_takes_turns_ends_in_its_own_way(turns):
    assert {units: turns[units].outcome for units in TURNS} == {
        2: "crashed", 3: "ok", fake.RAISE: "failed", fake.SLEEP: "timed-out", 4: "ok",
    }  # fmt: skip
    assert turns[2].message.startswith("ended by SIGKILL")


def test_cases_that_took_turns_have_their_blocks_in_the_same_rounds(turns):
    timed = [turns[units].time for units in (3, 4)]
    assert [one.group for one in timed] == ["them", "them"]
    assert len({one.warm_up_blocks + len(one.seconds_per_update) for one in timed}) == 1


def test_waiting_for_a_turn_is_nobodys_time(turns):
    # The third waited for the one that slept up to its limit.
    assert turns[3].seconds.wait > 0.9 * LIMIT_S
    assert turns[3].seconds.total < LIMIT_S
    parts = ("start", "prepare", "compile", "train", "evaluate")
    assert turns[3].seconds.total == pytest.approx(sum(getattr(turns[3].seconds, part) for part in parts))
