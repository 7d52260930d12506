"""Which case runs when: time cases alone on the machine, all others side by side, one on each core."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from bench.plan import Job
from bench.presets import Limits
from bench.worker import Worker

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
        done: Callable[[dict[str, Any]], None],
    ) -> None:
        self._waiting = deque(jobs)
        self._limits = limits
        self._logs = logs
        self._cache = cache
        self._done = done
        self._slots = limits.workers or len(os.sched_getaffinity(0))
        self._running: dict[int, Worker] = {}
        self._finished: set[str] = set()
        if self._waiting:
            self._logs.mkdir(parents=True, exist_ok=True)
            self._cache.mkdir(parents=True, exist_ok=True)

    def run_until(self, key: str) -> None:
        """Run until the case with this key has its record, starting later ones meanwhile."""
        while key not in self._finished:
            self._start()
            if not self._running:
                raise KeyError(f"no case {key!r} was scheduled")
            self._collect()

    def stop(self) -> None:
        """End what is running; its cases have no record and run again next time."""
        for worker in self._running.values():
            worker.kill()
        self._running.clear()
        if self._logs.exists() and not any(self._logs.iterdir()):
            self._logs.rmdir()

    def _start(self) -> None:
        while self._waiting:
            kind = self._waiting[0].case.kind
            alone = kind == "time" or any(worker.job.case.kind == "time" for worker in self._running.values())
            if len(self._running) >= (1 if alone else self._slots):
                return
            job = self._waiting.popleft()
            slot = next(i for i in range(self._slots) if i not in self._running)
            log = self._logs / (job.case.key.replace("/", "-") + ".log")
            if kind == "convergence":
                core = slot if job.case.device == "cpu" else None
                self._running[slot] = Worker(job, self._limits, log, core, self._cache)
            else:
                # What compiling costs is part of these measurements, so they take nothing from the cache.
                self._running[slot] = Worker(job, self._limits, log)

    def _collect(self) -> None:
        time.sleep(POLL_S)
        for slot, worker in list(self._running.items()):
            record = worker.poll()
            if record is not None:
                del self._running[slot]
                self._finished.add(record["key"])
                self._done(record)
