"""Which case runs when: time cases interleaved with those they are compared with, all others one on each core."""

import os
from collections import deque
from collections.abc import Callable, Iterable
from itertools import takewhile
from multiprocessing.connection import wait as wait_for
from pathlib import Path

from bench.case.cases import Case, Job
from bench.case.record import Record
from bench.measure.interleave import Group, first_group
from bench.plan.presets import Limits
from bench.run.compiled import Compiled
from bench.run.worker import POLL_S, Worker

ON_ITS_OWN = ("failed", "crashed", "out-of-memory")
"""Outcomes that may come from a torn or full cache, and then are not the case's: it runs again without one."""


class Scheduler:
    """Runs jobs in order, but memory cases first, and hands their records to `done`, one at a time, as they end.

    Parameters
    ----------
    logs
        Folder for what cases print.
    cache
        Folder through which they share what they have compiled.
    say
        Prints a line.
    turns
        Called once, before the first time case.
    first_core
        The first of the cores that cases have to themselves, as a place among the usable ones.
    """

    def __init__(
        self,
        jobs: Iterable[Job],
        limits: Limits,
        logs: Path,
        cache: Path,
        done: Callable[[Record], None],
        say: Callable[[str], None] = print,
        turns: Callable[[], None] = lambda: None,
        first_core: int = 0,
    ) -> None:
        # Memory cases first, since they are longer than many others: begun last, one would leave the other cores idle.
        self._waiting = deque(sorted(jobs, key=lambda job: job.case.kind != "memory"))
        self._limits = limits
        self._logs = logs
        self._compiled = Compiled(cache)
        self._said = ""
        self._say = say
        self._turns: Callable[[], None] | None = turns
        self._first_core = first_core
        self._done = done
        self._slots = limits.workers or len(os.sched_getaffinity(0))
        self._running: dict[int, Worker] = {}
        self._group: Group[Job, Record] | None = None
        self._finished: set[str] = set()
        if self._waiting:
            self._logs.mkdir(parents=True, exist_ok=True)

    def run_until(self, key: str) -> None:
        """Run until the case with this key has its record, starting later ones meanwhile."""
        while key not in self._finished:
            self._start()
            if self._group is not None:
                self._step_group(self._group)
            elif self._running:
                self._collect()
            else:
                raise KeyError(f"no case {key!r} was scheduled")

    def stop(self) -> None:
        """End what is running; its cases have no record and run again next time."""
        for worker in self._running.values():
            worker.kill()
        self._running.clear()
        if self._group is not None:
            self._group.stop()
            self._group = None
        if self._compiled.looked_at:
            self._compiled.check()  # so that the next run believes what the last cases compiled
        if self._logs.exists() and not any(self._logs.iterdir()):
            self._logs.rmdir()

    def _start(self) -> None:
        """Start all that may run now."""
        while self._waiting and self._group is None:
            if self._waiting[0].case.kind == "time":
                if not self._running:
                    self._group = self._next_group()
                return
            if len(self._running) >= self._slots:
                return
            job = self._take()
            slot = next(i for i in range(self._slots) if i not in self._running)
            # What compiling costs is part of a memory case's measurement, so it takes nothing from others.
            cache = self._cache() if job.case.kind == "convergence" else None
            self._running[slot] = self._worker(job, slot, cache)

    def _take(self) -> Job:
        """Take the first case whose shapes no running case is compiling: it would compile them again beside it."""
        running = {shapes(worker.job.case) for worker in self._running.values()}
        kind = self._waiting[0].case.kind
        for job in takewhile(lambda job: job.case.kind == kind, self._waiting):
            if shapes(job.case) not in running:
                self._waiting.remove(job)
                return job
        return self._waiting.popleft()

    def _worker(self, job: Job, slot: int, cache: Path | None) -> Worker:
        return Worker(job, self._limits, self._log(job), self._first_core + slot, cache)

    def _cache(self) -> Path | None:
        folder, why_not = self._compiled.usable(), self._compiled.why_not
        if why_not not in ("", self._said):
            self._say(f"what is compiled is not kept for later cases: {why_not}")
            self._said = why_not
        return folder

    def _next_group(self) -> Group[Job, Record]:
        if self._turns is not None:
            self._turns()
            self._turns = None
        jobs = take_group(self._waiting, self._limits.together)
        name = jobs[0].case.key if len(jobs) > 1 else None
        return Group(
            jobs, lambda job: Worker(job, self._limits, self._log(job), self._first_core, group=name), self._slots
        )

    def _log(self, job: Job) -> Path:
        return self._logs / (job.case.key.replace("/", "-") + ".log")

    def _step_group(self, group: Group[Job, Record]) -> None:
        record = group.step()
        if group.over:
            self._group = None
        if record is not None:
            self._finished.add(record.key)
            self._done(record)

    def _collect(self) -> None:
        events = {slot: worker.events() for slot, worker in self._running.items()}
        ready = set(wait_for([event for one in events.values() for event in one], POLL_S))
        for slot, worker in list(self._running.items()):
            if ready.isdisjoint(events[slot]) and not worker.due:
                continue
            if (record := worker.poll()) is None:
                continue
            if worker.cache is not None and record.outcome in ON_ITS_OWN and self._cache_was_bad():
                self._running[slot] = self._worker(worker.job, slot, None)
                continue
            del self._running[slot]
            self._finished.add(record.key)
            self._done(record)

    def _cache_was_bad(self) -> bool:
        """Whether a case may have ended badly by what it read, or could not write, among what is compiled."""
        return bool(self._compiled.check(again=True) or self._compiled.why_not)


def take_group(waiting: deque[Job], together: int) -> list[Job]:
    """Take the time cases at the head of a queue that take turns with each other, at most `together`."""
    # Contexts of several processes on one GPU share its memory, so that a case has it alone; but configurations are
    # compared with each other, and theirs take turns all the same.
    first = waiting[0].case
    most = 1 if first.device == "gpu" and not first.configuration else together
    cases = takewhile(lambda case: case.kind == "time", (job.case for job in waiting))
    return [waiting.popleft() for _ in first_group(cases, most)]


def shapes(case: Case) -> Case:
    """What is compiled for a case serves all that differ from it in nothing else than these."""
    return case.replace(regime="stateful", repetition=0)
