"""Which cases run at the same time, with workers that only pretend."""

from collections import Counter
from pathlib import Path
from typing import ClassVar

import pytest
import record_builders as made
from hypothesis import given
from hypothesis import strategies as st

from bench.case.cases import Case, Job, Training
from bench.plan.presets import Limits
from bench.run import scheduler as module
from bench.run.scheduler import Scheduler


def job(number, kind, device="cpu"):
    return Job(Case(kind, "cosine", None, "lstm", "stateful", 1, number + 1, 4, 8, device=device), Training())


class Pretended:
    """Ends after a few looks at it, and notes who ran beside it."""

    running: ClassVar[list] = []
    begun: ClassVar[list] = []
    looks: ClassVar[list] = []

    told = None
    due = True

    def __init__(self, job, limits, log, core=None, cache=None, group=None):
        del limits
        self.job, self.log, self.core, self.cache, self.group = job, log, core, cache, group
        self._left = self.looks[len(self.begun) % len(self.looks)]
        self.running.append(self)
        self.begun.append(self)
        self.beside = [other.job.case.kind for other in self.running]
        self.shapes_beside = [other.job.case.units for other in self.running]

    def poll(self):
        self._left -= 1
        if self._left > 0:
            return None
        self.running.remove(self)
        return made.failed(self.job.case)

    def events(self):
        return []

    def wait(self, seconds):
        del seconds

    def kill(self):
        self.running.remove(self)


@pytest.fixture
def make(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "POLL_S", 0)
    monkeypatch.setattr(module, "Worker", Pretended)

    def _make(jobs, workers, looks=(1,)):
        Pretended.running, Pretended.begun, Pretended.looks = [], [], list(looks)
        done = []
        made = Scheduler(jobs, Limits(workers=workers), tmp_path / "logs", tmp_path / "cache", done.append)
        return made, done

    return _make


kinds = st.lists(st.sampled_from(["convergence", "time", "memory"]), min_size=1, max_size=12)


@given(kinds=kinds, workers=st.integers(1, 4), looks=st.lists(st.integers(1, 5), min_size=1, max_size=5))
def test_time_cases_run_beside_no_others_and_none_exceed_the_cores(kinds, workers, looks):
    jobs = [job(i, kind) for i, kind in enumerate(kinds)]
    done = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "POLL_S", 0)
        patch.setattr(module, "Worker", Pretended)
        patch.setattr(Path, "mkdir", lambda *_, **__: None)
        Pretended.running, Pretended.begun, Pretended.looks = [], [], looks
        scheduler = Scheduler(jobs, Limits(workers=workers), Path("no-logs"), Path("no-cache"), done.append)
        for one in jobs:
            scheduler.run_until(one.case.key)
    assert Counter(record.key for record in done) == Counter(one.case.key for one in jobs)
    memory, others = ([one for one in jobs if (one.case.kind == "memory") == which] for which in (True, False))
    assert [worker.job for worker in Pretended.begun] == memory + others
    for worker in Pretended.begun:
        assert len(worker.beside) <= workers
        assert set(worker.beside) == {"time"} or "time" not in worker.beside


def test_all_cores_are_used_where_there_is_enough_to_do(make):
    scheduler, _ = make([job(i, "convergence") for i in range(6)], workers=3, looks=[2])
    scheduler.run_until(job(0, "convergence").case.key)
    assert max(len(worker.beside) for worker in Pretended.begun) == 3


def test_no_case_compiles_beside_another_what_it_could_find_compiled(make):
    arms = [job(i, "convergence") for i in range(3)]
    jobs = [Job(one.case.replace(regime=regime), one.training) for one in arms for regime in ("stateless", "stateful")]
    scheduler, _ = make(jobs, workers=2, looks=[2, 3])
    for one in jobs:
        scheduler.run_until(one.case.key)
    order = [(worker.job.case.units, worker.job.case.regime) for worker in Pretended.begun]
    assert order[:3] == [(1, "stateless"), (2, "stateless"), (1, "stateful")]
    assert sorted(order) == sorted((one.case.units, one.case.regime) for one in jobs)
    # Only the last two have nothing else to run beside.
    assert all(len(set(worker.shapes_beside)) == len(worker.shapes_beside) for worker in Pretended.begun[:-1])


def test_running_one_case_leaves_those_behind_it_waiting_and_no_case_runs_twice(make):
    jobs = [job(i, "convergence") for i in range(4)]
    scheduler, done = make(jobs, workers=1)
    scheduler.run_until(jobs[1].case.key)
    assert [record.key for record in done] == [one.case.key for one in jobs[:2]]
    scheduler.run_until(jobs[0].case.key)
    assert len(done) == 2


def test_convergence_cases_side_by_side_have_cores_of_their_own(make):
    jobs = [job(i, "convergence") for i in range(5)]
    scheduler, _ = make(jobs, workers=2, looks=[3, 1])
    for one in jobs:
        scheduler.run_until(one.case.key)
    assert {worker.core for worker in Pretended.begun} == {0, 1}
    assert all(worker.core is not None for worker in Pretended.begun)


def test_cases_on_a_gpu_and_those_that_measure_compiling_get_no_cache(make):
    jobs = [job(0, "convergence", "gpu"), job(1, "time"), job(2, "memory"), job(3, "convergence")]
    scheduler, _ = make(jobs, workers=1)
    for one in jobs:
        scheduler.run_until(one.case.key)
    assert [worker.cache is not None for worker in Pretended.begun] == [False, True, False, True]


def test_logs_of_different_cases_have_different_names(make):
    jobs = [job(i % 2, kind) for i, kind in enumerate(["convergence", "convergence", "memory", "memory"])]
    jobs.append(Job(job(0, "convergence").case.replace(repetition=1), Training()))
    scheduler, _ = make(jobs, workers=1)
    for one in jobs:
        scheduler.run_until(one.case.key)
    assert len({worker.log for worker in Pretended.begun}) == len(jobs)


def test_a_case_that_was_never_scheduled_is_named(make):
    scheduler, _ = make([job(0, "convergence")], workers=1)
    with pytest.raises(KeyError, match="no case 'time/x'"):
        scheduler.run_until("time/x")


def test_stopping_ends_what_runs_and_makes_no_record_of_it(make):
    jobs = [job(i, "convergence") for i in range(3)]
    scheduler, done = make(jobs, workers=2, looks=[1, 99])
    scheduler.run_until(jobs[0].case.key)
    assert Pretended.running
    scheduler.stop()
    assert Pretended.running == []
    assert [record.key for record in done] == [jobs[0].case.key]


def test_an_empty_folder_of_logs_is_not_left_behind(make, tmp_path):
    scheduler, _ = make([job(0, "convergence")], workers=1)
    assert (tmp_path / "logs").is_dir()
    scheduler.run_until(job(0, "convergence").case.key)
    scheduler.stop()
    assert not (tmp_path / "logs").exists()


def test_logs_of_bad_endings_are_left(make, tmp_path):
    scheduler, _ = make([job(0, "convergence")], workers=1)
    (tmp_path / "logs" / "x.log").touch()
    scheduler.stop()
    assert (tmp_path / "logs" / "x.log").exists()


def test_nothing_is_made_where_nothing_is_to_run(make, tmp_path):
    scheduler, _ = make([], workers=1)
    scheduler.stop()
    assert list(tmp_path.iterdir()) == []


def test_time_cases_are_in_the_group_of_those_they_are_compared_with(make):
    jobs = [job(0, "time").case.replace(kernel=kernel, units=units) for units in (4, 8) for kernel in ("loop", "xla")]
    jobs = [Job(case, Training()) for case in [*jobs, jobs[0].replace(window=64), jobs[0].replace(repetition=1)]]
    scheduler, _ = make(jobs, workers=2)
    for one in jobs:
        scheduler.run_until(one.case.key)
    first = jobs[0].case.key
    assert [worker.group for worker in Pretended.begun] == [first] * 4 + [None, None]


def test_time_cases_on_a_gpu_have_it_to_themselves(make):
    jobs = [Job(job(0, "time", "gpu").case.replace(kernel=kernel), Training()) for kernel in ("loop", "xla", "cudnn")]
    scheduler, _ = make(jobs, workers=2)
    for one in jobs:
        scheduler.run_until(one.case.key)
    assert [worker.group for worker in Pretended.begun] == [None] * 3
    assert all(worker.beside == ["time"] for worker in Pretended.begun)
