"""A case's own process: started fresh, watched from outside, its last words kept."""

import faulthandler
import fcntl
import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import msgspec
import psutil

from bench import engines
from bench.case.cases import Job
from bench.case.record import SCHEMA, Configured, Outcome, Phases, Record, asked_of, decode, encode
from bench.measure.interleave import Alone, Interleaved, Signal, Turns
from bench.plan.presets import Limits
from bench.run import configured
from bench.run.configured import ALLOCATOR_COUNTS_ALL
from bench.run.store import now

LAST_WORDS = 4000
"""Characters of a failed case's output that its record keeps."""


_preloaded: list[str] = []
"""The engine that the server of processes was told to import: at most one, since it is started once."""


def prepare_forkserver(engine: str) -> None:
    """Tell multiprocessing what to import before the first worker.

    A process forked from there starts in a fraction of a second instead of several. The engine comes first: its import
    chooses Keras' backend.
    """
    # A worker has one core; NumPy's threads would wait for each other on it.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    if not _preloaded:
        get_context("forkserver").set_forkserver_preload([engines.ENGINES[engine].module, "bench.measure.execute"])
        _preloaded.append(engine)


def context_for(engine: str) -> ForkServerContext | SpawnContext:
    """How a process begins that uses an engine: forked from the server, or fresh where that has another framework.

    Keras' backend is chosen at its import, so that no process can have two.
    """
    return get_context("forkserver") if engine in _preloaded or not _preloaded else get_context("spawn")


@dataclass
class Worker:
    """One running case.

    Attributes
    ----------
    core
        The core to stay on; None for all.
    cache
        Folder through which processes share what they have compiled; None for none.
    group
        Name of the group with which it takes turns (`bench.measure.interleave`); None where it computes alone.
    told
        What it said last about its turns.
    waited
        Seconds that it has waited for its turns; they count neither as its own nor towards its limit.
    """

    job: Job
    limits: Limits
    log: Path
    core: int | None = None
    cache: Path | None = None
    group: str | None = None
    told: Signal | None = field(default=None, init=False)
    waited: float = field(default=0.0, init=False)
    started: str = field(default_factory=now)
    begin: float = field(default_factory=time.perf_counter)
    peak_bytes: int = 0

    def __post_init__(self) -> None:
        # Here and not in the case's process: without room for a log it is the run that must stop, not the case.
        self.log.write_text(f"{self.job.case.key}\n", encoding="utf-8")
        if self.job.case.kind == "memory":
            os.environ[ALLOCATOR_COUNTS_ALL] = "true"
        try:
            self._connection, self._process = self._start()
        finally:
            os.environ.pop(ALLOCATOR_COUNTS_ALL, None)
        self._message: dict[str, Any] | None = None

    def _start(self) -> tuple[Connection, BaseProcess | configured.OtherProcess]:
        case, shares = self.job.case, self.group is not None
        if (asked := self.job.configuration) is not None:
            # Convergence cases run side by side, each on its own cores; one by default.
            if case.kind == "convergence" and asked.cores is None and case.device == "cpu":
                asked = replace(asked, cores=1)
            threads = asked.cores if case.kind == "convergence" else None
            order = configured.Order(asked, [self.job], self.core or 0, threads, self.cache, shares)
            return configured.start(order, self.log)
        context = get_context("spawn") if case.kind == "memory" else context_for(case.engine)
        connection, theirs = context.Pipe()
        process = context.Process(
            target=_main, args=(theirs, self.job, self.log, self.core, self.cache, shares), daemon=True
        )
        process.start()
        theirs.close()
        return connection, process

    def poll(self) -> Record | None:
        """Hear what it says; return the record once the case has ended, in whatever way, and None while it runs."""
        try:
            if self._message is None and self._connection.poll():
                message = self._connection.recv()
                if isinstance(message, Signal):
                    self.told, self._said_at = message, time.perf_counter()
                else:
                    self._message = message
        except (EOFError, OSError):
            # The process died; its exit code tells how.
            self._process.join()
        if self._message is not None:
            self._process.join(timeout=5)
            self.kill()
            return self._record(self._message.pop("outcome"), self._message.pop("message"), self._message)
        if not self._process.is_alive():
            code = self._process.exitcode or 0
            name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            return self._record("crashed", f"ended by {name}{self._last_words()}")
        return self._over_limit()

    def wait(self, seconds: float) -> None:
        """Sleep until it says something or has ended, but no longer than this."""
        if self._message is None:
            wait_for([self._connection, self._process.sentinel], seconds)

    def grant(self, *, again: bool) -> None:
        """Give it its turn, and say whether for another block."""
        self.told = None
        self.waited += time.perf_counter() - self._said_at
        # One that has died meanwhile is found by `poll`.
        with suppress(OSError):
            self._connection.send(again)

    def kill(self) -> None:
        """End the process if it still runs."""
        if self._process.is_alive():
            self._process.kill()
        self._process.join()
        self._connection.close()

    def _own_seconds(self) -> float:
        return time.perf_counter() - self.begin - self.waited

    def _over_limit(self) -> Record | None:
        if self._own_seconds() > self.limits.seconds:
            self.kill()
            return self._record(
                "timed-out", f"ran longer than the limit of {self.limits.seconds:g} s{self._last_words()}"
            )
        try:
            resident = psutil.Process(self._process.pid).memory_info().rss
        except psutil.Error:
            return None
        if resident > self.limits.memory_mib * 2**20:
            self.kill()
            return self._record(
                "out-of-memory",
                f"took {resident / 2**20:.0f} MiB, more than the limit of {self.limits.memory_mib} MiB"
                f"{self._last_words()}",
            )
        return None

    def _last_words(self) -> str:
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace").partition("\n")[2].strip()
        except OSError:
            text = ""
        return f"; last words:\n{text[-LAST_WORDS:]}" if text else "; it said nothing"

    def _record(self, outcome: Outcome, message: str | None, found: dict[str, Any] | None = None) -> Record:
        found = found or {"seconds": {}, "warnings": []}
        total = self._own_seconds()
        if "time" in found:
            found["time"] = msgspec.structs.replace(found["time"], group=self.group)
        if outcome == "ok":
            self.log.unlink(missing_ok=True)
        seen, asked = found.pop("configuration", None), self.job.configuration
        seconds: dict[str, float] = found.pop("seconds")
        start = max(0.0, total - sum(seconds.values()))
        known: dict[str, Any] = {
            "schema": SCHEMA,
            "key": self.job.case.key,
            "case": self.job.case,
            "training": self.job.training,
            "configuration": Configured(asked=asked_of(asked), seen=seen) if asked else None,
            "started": self.started,
        }
        phases = Phases(total=total, wait=self.waited, start=start, **seconds)
        try:
            # Read as a report will read it: what could not be read again must not count as done.
            return decode(encode(Record(**known, outcome=outcome, message=message, seconds=phases, **found)))
        except ValueError as error:
            why = f"what it found cannot be recorded: {error}"
            return Record(**known, outcome="failed", message=why, seconds=phases, warnings=[])


def _main(connection: Connection, job: Job, log: Path, core: int | None, cache: Path | None, shares: bool) -> None:
    """Run in the new process: measure, and send what was found or what went wrong."""
    die_with_parent()
    talk_to(log)
    faulthandler.enable()
    # If memory runs out, the kernel shall take this process and not the one that writes the records.
    Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    # Not at the top: this import brings the framework, which the process that watches must not load.
    from bench.measure.execute import execute, one_core  # noqa: PLC0415

    try:
        if core is not None:
            one_core(core)
        turns: Turns = Interleaved(connection) if shares else Alone()
        found = execute(job, threads=None if core is None else 1, cache=cache, turns=turns)
        connection.send({"outcome": "ok", "message": None, **found})
    except MemoryError as error:
        connection.send({"outcome": "out-of-memory", "message": repr(error), "seconds": {}, "warnings": []})
    except Exception as error:  # noqa: BLE001 - whatever it is becomes a record
        traceback.print_exc()
        outcome = "out-of-memory" if type(error).__name__ == "ResourceExhaustedError" else "failed"
        words = "".join(traceback.format_exception(error))[-LAST_WORDS:]
        connection.send({"outcome": outcome, "message": words, "seconds": {}, "warnings": []})
    finally:
        connection.close()


def talk_to(log: Path) -> None:
    """Send everything that this process prints, the framework's C++ included, to a file."""
    file = os.open(log, os.O_APPEND | os.O_WRONLY)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(file, 1)
    os.dup2(file, 2)


def die_with_parent() -> None:
    """Ask Linux to kill this process when the one that started it is gone, however that ended."""
    process = parent_process()
    assert process is not None
    # Not PR_SET_PDEATHSIG: a worker's parent in Linux' sense is the forkserver, which outlives the run.
    fcntl.fcntl(process.sentinel, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(process.sentinel, fcntl.F_SETFL, os.O_ASYNC)  # SIGIO when the other end is closed
    if not process.is_alive():
        os.kill(os.getpid(), signal.SIGKILL)
