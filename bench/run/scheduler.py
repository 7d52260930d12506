"""Which case runs when: time cases interleaved with those they are compared with, all others one on each core."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from bench.case.cases import Job
from bench.case.record import Record
from bench.measure.interleave import Group, first_group
from bench.plan.presets import Limits
from bench.run.worker import Worker

POLL_S = 0.02
"""How often the running cases are looked at: a hundredth of the shortest case."""


class Scheduler:
    """Runs jobs in order and hands their records to `done`, one at a time, as they end."""

    def __init__(
        self,
        jobs: Iterable[Job],
        limits: Limits,
        logs: Path,
        cache: Path,
        done: Callable[[Record], None],
    ) -> None:
        self._waiting = deque(jobs)
        self._limits = limits
        self._logs = logs
        self._cache = cache
        self._done = done
        self._slots = limits.workers or len(os.sched_getaffinity(0))
        self._running: dict[int, Worker] = {}
        self._group: Group[Job, Record] | None = None
        self._finished: set[str] = set()
        if self._waiting:
            self._logs.mkdir(parents=True, exist_ok=True)
            self._cache.mkdir(parents=True, exist_ok=True)

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
            job = self._waiting.popleft()
            slot = next(i for i in range(self._slots) if i not in self._running)
            if job.case.kind == "convergence":
                core = slot if job.case.device == "cpu" else None
                self._running[slot] = Worker(job, self._limits, self._log(job), core, self._cache)
            else:
                # What compiling costs is part of this measurement, so it takes nothing from the cache.
                self._running[slot] = Worker(job, self._limits, self._log(job))

    def _next_group(self) -> Group[Job, Record]:
        kind = [job.case for job in self._waiting if job.case.kind == "time"]
        # Contexts of several processes on one GPU share its memory and are nothing that this suite has tried; but
        # configurations are compared with each other, so that theirs take turns all the same.
        most = 1 if kind[0].device == "gpu" and not kind[0].configuration else self._limits.together
        jobs = [self._waiting.popleft() for _ in first_group(kind, most)]
        name = jobs[0].case.key if len(jobs) > 1 else None
        return Group(jobs, lambda job: Worker(job, self._limits, self._log(job), group=name))

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
        time.sleep(POLL_S)
        for slot, worker in list(self._running.items()):
            record = worker.poll()
            if record is not None:
                del self._running[slot]
                self._finished.add(record.key)
                self._done(record)
