"""A case's own process: started fresh, watched from outside, end of its error output kept."""

import ctypes
import dataclasses
import faulthandler
import fcntl
import json
import os
import re
import signal
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import msgspec
import psutil
from msgspec.structs import replace

from bench import engines
from bench.case.cases import Job
from bench.case.checked import SCHEMA, decode
from bench.case.record import Configured, Outcome, Phases, Record, asked_of
from bench.errors import printable, shown
from bench.measure.channel import Channel, GarbageError
from bench.measure.interleave import Alone, Interleaved, Signal, Turns
from bench.plan.presets import Limits
from bench.run import configured
from bench.run.configured import ALLOCATOR_COUNTS_ALL
from bench.run.store import now

ERROR_OUTPUT = 4000
"""Characters of a failed case's output that its record keeps."""

MOST_LOG, KEPT_LOG = 2**20, 2**16
"""Bytes of a log that make it too long, and how many of its end are kept then."""

LEAVE_S = 5.0
"""So long may a process take to end after it has said what it found."""

STOPPED_S = 2.0
"""Between two looks at a case, of which there are ten a second: this process was stopped, or the machine asleep."""

POLL_S = 0.05
"""How often a case that says nothing is looked at for its limits."""

COUNT_CHILDREN_S = 0.5
"""How often the memory of what a case has started is counted, which takes a look at every thread of it."""

PAGE = os.sysconf("SC_PAGE_SIZE")

KERNEL_COUNTS = Path("/proc/vmstat")

ENDINGS = ("ok", "failed", "out-of-memory")
"""What a case can say of itself; that it crashed or took too long is for others to say."""


_preloaded: list[str] = []
"""The engine that the server of processes was told to import: at most one, since it is started once."""


def prepare_forkserver(engine: str) -> None:
    """Make this process the one that cases come from, and tell multiprocessing what to import before the first.

    A process forked from there starts in a fraction of a second instead of several. The engine comes first: its import
    chooses Keras' backend.
    """
    adopt_orphans()
    if not _preloaded:
        # The last two are what the program's main module imports, which a forked process imports too.
        preload = [engines.ENGINES[engine].module, "bench.measure.execute", "bench.run.preloaded"]
        preload += ["bench.run.session", "pytest"]
        get_context("forkserver").set_forkserver_preload(preload)
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
        The first of the cores to keep to; None for all.
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

    def __post_init__(self) -> None:
        # Here and not in the case's process: without room for a log it is the run that must stop, not the case.
        self.log.write_text(f"{self.job.case.key}\n", encoding="utf-8")
        if self.job.case.kind == "memory":
            os.environ[ALLOCATOR_COUNTS_ALL] = "true"
        try:
            self._channel, self._process = self._start()
        finally:
            os.environ.pop(ALLOCATOR_COUNTS_ALL, None)
        self._oom_kills = _oom_kills()
        self._found: dict[str, Any] | None = None
        self._said_at = self._looked = self._counted = self.begin
        self._paused = 0.0
        self._of_children = 0

    @property
    def cores(self) -> int | None:
        """How many cores the case keeps to; None for all."""
        case = self.job.case
        if case.device != "cpu":
            return None
        return {"convergence": 1, "time": self.job.training.cores or None}.get(case.kind)

    def _start(self) -> tuple[Channel, BaseProcess | configured.OtherProcess]:
        case, shares = self.job.case, self.group is not None
        if (asked := self.job.configuration) is not None:
            if asked.cores is None:
                asked = dataclasses.replace(asked, cores=self.cores)
            threads = asked.cores if case.kind == "convergence" else None
            order = configured.Order(asked, [self.job], self.core or 0, threads, self.cache, shares)
            return configured.start(order, self.log)
        context = get_context("spawn") if case.kind == "memory" else context_for(case.engine)
        ours, theirs = context.Pipe()
        keeps = None if self.core is None else configured.cores_of(self.cores, self.core)
        process = context.Process(
            target=_main, args=(theirs, self.job, self.log, keeps, self.cache, shares), daemon=True
        )
        process.start()
        theirs.close()
        return Channel(ours), process

    def poll(self) -> Record | None:
        """Hear what it says; return the record once the case has ended, in whatever way, and None while it runs."""
        self._look()
        # Before it is heard: what it says until it ends can come while this looks.
        alive, said = self._process.is_alive(), None
        try:
            if self._found is None and (said := self._channel.look()) is not None:
                self._hear(said)
        except GarbageError as error:
            self.kill()
            return self._record("failed", f"wrote {error} to the run{self._last_words()}")
        if self._found is not None:
            if alive and time.perf_counter() - self._said_at < LEAVE_S:
                return None
            self.kill()
            return self._record(self._found.pop("outcome"), self._found.pop("message"), self._found)
        if not alive and said is None:  # otherwise there may be more to hear
            code = self._process.exitcode or 0
            name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            self.kill()
            if code == -signal.SIGKILL and (others := _oom_kills() - self._oom_kills):
                why = (
                    f"ended by the kernel: this machine ran out of memory and the kernel ended {others} process"
                    f"{'es' if others > 1 else ''}, of which it takes cases first. See what else takes memory, and run "
                    "it again with ARGS=--retry"
                )
                return self._record("out-of-memory", f"{why}{self._last_words()}")
            return self._record("crashed", f"ended by {name}{self._last_words()}")
        return self._over_limit()

    @property
    def due(self) -> bool:
        """Whether it is to be looked at though it says nothing."""
        return time.perf_counter() - self._looked > POLL_S

    def events(self) -> list[Connection | int]:
        """What to wait for, since `poll` has news then."""
        silent = self._found is not None or self._channel.ended
        return [self._process.sentinel] if silent else [self._channel.connection, self._process.sentinel]

    def wait(self, seconds: float) -> None:
        """Sleep until it says something or has ended, but no longer than this."""
        if not self._channel.waiting:
            wait_for(self.events(), seconds)

    def grant(self, *, again: bool) -> None:
        """Give it its turn, and say whether for another block."""
        self.told = None
        self._looked = time.perf_counter()
        self.waited += self._looked - self._said_at
        # One that has died meanwhile is found by `poll`.
        with suppress(OSError):
            self._channel.send(again)

    def kill(self) -> None:
        """End the process if it still runs, and all that it has started."""
        if self._process.is_alive():
            self._process.kill()
        self._process.join()
        self._channel.connection.close()
        assert self._process.pid is not None
        end_group(self._process.pid)

    def _look(self) -> None:
        """Leave out time in which this process was stopped, by Ctrl-Z for one, and let the log not grow for ever."""
        before, self._looked = self._looked, time.perf_counter()
        if self._looked - before > STOPPED_S:
            self._paused += self._looked - before
        self._bound_log()

    def _bound_log(self) -> None:
        with suppress(OSError):
            if self.log.stat().st_size > MOST_LOG:
                shorten(self.log, f"{self.job.case.key}\n".encode())

    def _hear(self, said: Any) -> None:
        self._said_at = time.perf_counter()
        if isinstance(said, str) and said in Signal.__members__ and self.group is not None:
            self.told = Signal[said]
        elif _is_whole(said, self.job.case.kind):
            self._found = said
        else:
            raise GarbageError(f"what no case says, {shown(said)},")

    def _own_seconds(self) -> float:
        return time.perf_counter() - self.begin - self.waited - self._paused

    def _over_limit(self) -> Record | None:
        if self._own_seconds() > self.limits.seconds:
            self.kill()
            return self._record(
                "timed-out", f"ran longer than the limit of {self.limits.seconds:g} s{self._last_words()}"
            )
        try:
            assert self._process.pid is not None
            if self._looked - self._counted > COUNT_CHILDREN_S:
                self._counted, self._of_children = self._looked, _bytes_of_children(self._process.pid)
            resident = _resident_bytes(self._process.pid) + self._of_children
        except OSError:  # it has just ended
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
            text = tail(self.log).decode("utf-8", errors="replace").partition("\n")[2].strip()
        except OSError:
            text = ""
        return f"; end of its error output:\n{text[-ERROR_OUTPUT:]}" if text else "; it printed nothing"

    def _record(self, outcome: Outcome, message: str | None, found: dict[str, Any] | None = None) -> Record:
        """Make its record.

        Parameters
        ----------
        found
            What `_main` sends of a case that ended well, as JSON has it.
        """
        seconds: dict[str, float] = found.pop("seconds") if found else {}
        known = sum(seconds.values())
        total = max(self._own_seconds(), known)
        if found and "time" in found:
            found["time"]["group"] = self.group
        if outcome == "ok":
            self.log.unlink(missing_ok=True)
        else:
            self._bound_log()
        asked = self.job.configuration
        seen = found.pop("configuration", None) if found else None
        phases = Phases(total=total, wait=self.waited, start=total - known)
        record = Record(
            schema=SCHEMA,
            key=self.job.case.key,
            case=self.job.case,
            training=self.job.training,
            configuration=Configured(asked=asked_of(asked), seen=None) if asked else None,
            # A terminal and a report will show it.
            message=None if message is None else printable(message),
            outcome="failed" if outcome == "ok" else outcome,
            started=self.started,
            seconds=phases,
            warnings=[],
        )
        if not found:
            return record
        values = msgspec.to_builtins(record) | found | {"outcome": outcome}
        values["seconds"] |= seconds
        if asked:
            values["configuration"]["seen"] = seen
        try:
            # Read as a report will read it: what could not be read again must not count as done.
            return decode(json.dumps(values, allow_nan=False).encode(), Record)
        except ValueError as error:
            return replace(record, message=printable(f"what it found cannot be recorded: {error}"))


def _is_whole(said: Any, kind: str) -> bool:
    """Whether this is what `_main` sends at the end."""
    return (
        isinstance(said, dict)
        and isinstance(said.get("outcome"), str)
        and said["outcome"] in ENDINGS
        and isinstance(said.get("message"), str | None)
        and isinstance(said.get("warnings"), list)
        and isinstance(seconds := said.get("seconds"), dict)
        and all(isinstance(value, int | float) for value in seconds.values())
        and (isinstance(said.get(kind), dict) if said["outcome"] == "ok" else True)
    )


def _oom_kills() -> int:
    """How many processes this machine's kernel has ended so far for want of memory; 0 where it does not count them."""
    found = re.search(r"^oom_kill (\d+)$", KERNEL_COUNTS.read_text(encoding="ascii"), re.MULTILINE)
    return int(found[1]) if found else 0


def _resident_bytes(pid: int) -> int:
    # Not psutil, which asks for twenty times as much: this is done for every case ten times a second and more.
    with open(f"/proc/{pid}/statm", "rb") as file:  # noqa: PTH123 - for the same reason
        return int(file.read().split()[1]) * PAGE


def _bytes_of_children(pid: int) -> int:
    """Memory that would be free without them: what a process shares with its parent counts there."""
    total = 0
    for child in children(pid):
        with suppress(psutil.Error):
            total += psutil.Process(child).memory_full_info().uss
        total += _bytes_of_children(child)
    return total


def tail(log: Path) -> bytes:
    """The end of a log, from a whole line on, however long it is; the first line where it is short."""
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - KEPT_LOG))
        return file.read()


def shorten(log: Path, head: bytes) -> None:
    """Keep the end of a log that something still appends to."""
    kept = tail(log)
    with log.open("r+b") as file:
        file.truncate(0)
    with log.open("ab") as file:
        file.write(head + kept)


def _main(
    connection: Connection, job: Job, log: Path, keeps: list[int] | None, cache: Path | None, shares: bool
) -> None:
    """Run in the new process: measure, and send what was found or what went wrong.

    `keeps`: numbers of the cores that it keeps to; None for all.
    """
    channel = Channel(connection)
    end_with_parent()
    talk_to(log)
    faulthandler.enable()
    # If memory runs out, the kernel shall take this process and not the one that writes the records.
    Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    # Not at the top: this import brings the framework, which the process that watches must not load.
    from bench.measure.execute import execute  # noqa: PLC0415

    try:
        if keeps is not None:
            os.sched_setaffinity(0, keeps)
        turns: Turns = Interleaved(channel) if shares else Alone()
        found = execute(
            job,
            threads=1 if keeps and job.case.kind == "convergence" else None,
            cache=cache,
            # With a cache or without: what is compiled must be the same, or records would differ.
            short_loops=job.case.kind == "convergence",
            turns=turns,
        )
        channel.send({"outcome": "ok", "message": None, **msgspec.to_builtins(found)})
    except MemoryError as error:
        channel.send({"outcome": "out-of-memory", "message": repr(error), "seconds": {}, "warnings": []})
    except Exception as error:  # noqa: BLE001 - whatever it is becomes a record
        traceback.print_exc()
        outcome = "out-of-memory" if type(error).__name__ == "ResourceExhaustedError" else "failed"
        words = "".join(traceback.format_exception(error))[-ERROR_OUTPUT:]
        channel.send({"outcome": outcome, "message": words, "seconds": {}, "warnings": []})
    finally:
        connection.close()
    # To take the interpreter apart, with all that a framework has, takes most of a second.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def talk_to(log: Path) -> None:
    """Send everything that this process prints, the framework's C++ included, to a file."""
    file = os.open(log, os.O_APPEND | os.O_WRONLY)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(file, 1)
    os.dup2(file, 2)


def end_with_parent() -> None:
    """Make this process the head of a session, and let Linux kill all of it when the run is gone, however that ended.

    Being a session of their own, cases and what they start are found and ended together. And Ctrl-C and Ctrl-Z in a
    terminal reach the run alone: it ends them, or lets those that run come to their end while it is stopped.
    """
    process = parent_process()
    assert process is not None
    os.setsid()
    # Not PR_SET_PDEATHSIG: a worker's parent in Linux' sense is the forkserver, which outlives the run.
    fcntl.fcntl(process.sentinel, fcntl.F_SETOWN, -os.getpid())  # a negative number is a process group
    # Not the usual SIGIO, which waits for ever where a process is stopped.
    fcntl.fcntl(process.sentinel, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(process.sentinel, fcntl.F_SETFL, os.O_ASYNC)  # the signal comes when the other end is closed
    if not process.is_alive():
        os.kill(os.getpid(), signal.SIGKILL)


PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Become the parent of what outlives its own among the processes that come from here."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_group(head: int) -> None:
    """End what the process `head`, which has ended, has started; and what left its session, whoever started it.

    A process that stands in a session of its own and has this one as parent has lost its own parent: it was started by
    some case so as to outlive it. Cases that still run are heads of their sessions and children of the forkserver, or
    known to `multiprocessing`.
    """
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(head, signal.SIGKILL)
    known = {child.pid for child in active_children()} | configured.RUNNING
    sessions = known | {os.getsid(0)}
    for child in children(os.getpid()):
        with suppress(OSError):
            if child not in known and (session := os.getsid(child)) not in sessions:
                if session != child and _alive(session):
                    continue  # its case still runs
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, os.WNOHANG)


def children(pid: int) -> list[int]:
    """Children of a process, of whichever of its threads."""
    found = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(child) for child in file.read_text(encoding="ascii").split()]
    return found


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
