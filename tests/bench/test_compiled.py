"""What processes have compiled and share: whole, or not there at all."""

import subprocess

import fake_engine as fake
import pytest
import record_builders as made

from bench.case.cases import Case, Training
from bench.plan.presets import Limits
from bench.run import compiled as module
from bench.run import scheduler
from bench.run.compiled import SUMS, Compiled
from bench.run.scheduler import Scheduler

NAME = "xla_compile_cache__1__2__XLA_CPU_JIT.pb"


@pytest.fixture
def cache(tmp_path):
    return tmp_path / ".compiled" / "machine"


def write(cache, content=b"machine code", name=NAME):
    (cache / "tensorflow").mkdir(parents=True, exist_ok=True)
    (cache / "tensorflow" / name).write_bytes(content)
    return cache / "tensorflow" / name


def compiled_by_a_run(cache):
    """One run, in which a case compiled something."""
    one = Compiled(cache)
    one.check()
    file = write(cache)
    one.check()
    return file


def test_what_a_run_compiled_serves_the_next(cache):
    file = compiled_by_a_run(cache)
    assert Compiled(cache).usable() == cache
    assert file.read_bytes() == b"machine code"


@pytest.mark.parametrize("torn", [b"", b"machine", b"machine cod\xff", bytes(12)])
def test_a_file_that_is_not_as_it_was_written_is_dropped(cache, torn):
    file = compiled_by_a_run(cache)
    file.write_bytes(torn)
    assert Compiled(cache).check() == 1
    assert not file.exists()


def test_a_file_that_no_run_has_finished_is_dropped_when_the_next_begins(cache):
    file = write(cache)
    assert Compiled(cache).usable() == cache
    assert not file.exists()


def test_torn_sums_cost_time_and_nothing_else(cache):
    file = compiled_by_a_run(cache)
    for note in (cache / SUMS).iterdir():
        note.write_bytes(b"\xff\x00")
    assert Compiled(cache).usable() == cache
    assert not file.exists()


def test_files_that_change_whenever_they_are_read_are_nobodys_business(cache):
    file = write(cache, name="jit_f-0-atime")
    assert Compiled(cache).check() == 0
    assert file.exists()


def test_a_folder_that_cannot_be_made_is_done_without(tmp_path):
    (tmp_path / ".compiled").write_text("a file")
    one = Compiled(tmp_path / ".compiled" / "machine")
    assert one.usable() is None
    assert one.why_not


def test_a_full_disk_is_done_without(cache, monkeypatch):
    monkeypatch.setattr(module, "LEAST_FREE", 2**60)
    one = Compiled(cache)
    assert one.usable() is None
    assert "MiB are free there" in one.why_not


def test_a_read_only_disk_is_done_without(cache):
    cache.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(cache)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("file systems can be mounted by root alone")
    try:
        one = Compiled(cache)
        assert one.usable() is None
        assert "Read-only" in one.why_not
    finally:
        subprocess.run(["umount", str(cache)], check=True)


class Pretended:
    """Fails with a cache, and tears a file of it; ends well without."""

    begun = []  # noqa: RUF012 - emptied by each test
    torn = True
    due = True

    def __init__(self, job, limits, log, core=None, cache=None, group=None):
        del limits, log, group
        self.job, self.core, self.cache = job, core, cache
        self.begun.append(self)

    def events(self):
        return []

    def poll(self):
        if self.cache is not None:
            if self.torn:
                write(self.cache, b"torn")
            return made.failed(self.job.case)
        return made.convergence(self.job.case)


@pytest.mark.parametrize(("torn", "outcome"), [(True, "ok"), (False, "failed")])
def test_an_outcome_of_the_cache_is_not_the_cases(cache, monkeypatch, torn, outcome):
    compiled_by_a_run(cache)
    monkeypatch.setattr(scheduler, "Worker", Pretended)
    monkeypatch.setattr(scheduler, "POLL_S", 0)
    monkeypatch.setattr(Pretended, "begun", [])
    monkeypatch.setattr(Pretended, "torn", torn)
    job = fake.FakeJob(Case("convergence", "cosine", None, "lstm", "stateful", 1, 2, 4, 8), Training())
    done = []
    running = Scheduler([job], Limits(workers=1), cache.parent / "logs", cache, done.append, print)
    running.run_until(job.case.key)
    assert [record.outcome for record in done] == [outcome]
    assert [(one.core, one.cache) for one in Pretended.begun] == ([(0, cache), (0, None)] if torn else [(0, cache)])
