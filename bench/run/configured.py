"""Starts the process of a configuration: its interpreter, its environment, its cores (`bench.measure.elsewhere`)."""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.case.cases import Job, Training
from bench.case.configurations import Configuration
from bench.machine.host import ROOT, environment_of
from bench.measure import elsewhere
from bench.measure.channel import Channel

ALLOCATOR_COUNTS_ALL = "TF_CPU_ALLOCATOR_USE_BFC"
"""TensorFlow's plain CPU allocator counts large blocks only; this one counts all, but must be chosen before import."""

RUNNING: set[int] = set()
"""Processes that were started here and have not ended: heads of sessions of their own, but nobody's orphans."""


class OtherProcess:
    """A process of another interpreter, with what `bench.run.worker.Worker` needs of `multiprocessing.Process`."""

    def __init__(self, started: subprocess.Popen[bytes]) -> None:
        self._started = started
        self.pid = started.pid
        self.sentinel = os.pidfd_open(started.pid)
        RUNNING.add(started.pid)

    @property
    def exitcode(self) -> int | None:
        """Exit status, the negative number of a signal, or None while it runs."""
        return self._started.poll()

    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._started.poll() is None

    def join(self, timeout: float | None = None) -> None:
        """Wait until it has ended, but no longer than this."""
        with suppress(subprocess.TimeoutExpired):
            self._started.wait(timeout)
            RUNNING.discard(self.pid)
            if self.sentinel >= 0:
                os.close(self.sentinel)
                self.sentinel = -1

    def kill(self) -> None:
        """End it."""
        self._started.kill()


@dataclass(frozen=True)
class Order:
    """What a process is to measure, and how.

    Attributes
    ----------
    jobs
        Measured one after another in the one process.
    core
        First of its cores, where others run beside it.
    threads
        Threads that the engine may use; None for its own default.
    shares
        Whether it takes turns with others.
    control
        Whether it also times the control case, at the end.
    extra
        Hashes of 64 KiB to compute beside each update, by key.
    """

    configuration: Configuration
    jobs: Sequence[Job]
    core: int = 0
    threads: int | None = None
    cache: Path | None = None
    shares: bool = False
    control: bool = False
    extra: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As `bench.measure.elsewhere` reads it."""
        asked, usual = self.configuration, asdict(Training())
        jobs: list[Any] = [
            {
                # Another commit may name it otherwise.
                "key": job.case.key,
                "case": job.case.to_dict(),
                # What equals its default is left out: a commit that does not know the setting yet does the same.
                "training": {k: v for k, v in asdict(job.training).items() if v != usual[k]},
                "series": None if job.series is None else str(job.series),
            }
            for job in self.jobs
        ]
        return {
            "source": str(asked.source or ROOT),
            "cores": cores_of(asked.cores, self.core),
            "environment": asked.environment,
            "device": asked.device,
            "threads": self.threads,
            "cache": None if self.cache is None else str(self.cache),
            "shares": self.shares,
            "jobs": jobs + [elsewhere.CONTROL] * self.control,
            "extra": dict(self.extra),
        }


def start(order: Order, log: Path, *, several: bool = False) -> tuple[Channel, OtherProcess]:
    """Start a process, its output going to the log; a channel to it.

    Parameters
    ----------
    several
        Whether it sends the list of what it found, and not the one thing that a worker expects.
    """
    ours, theirs = socket.socketpair()
    asked = order.configuration
    counting = {ALLOCATOR_COUNTS_ALL: "true"} if any(job.case.kind == "memory" for job in order.jobs) else {}
    with ours, theirs, log.open("ab") as output:
        started = subprocess.Popen(  # noqa: S603 - the interpreter that the user names, our own code
            # -P: its folder is no place to import from.
            [asked.interpreter(sys.executable), "-P", elsewhere.__file__, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment_of(asked.interpreter(sys.executable)) | asked.environment | counting,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        channel = Channel(Connection(os.dup(ours.fileno())))
    # One that ended at once is found by its exit code.
    with suppress(OSError):
        channel.send(order.to_dict() | {"several": several})
    return channel, OtherProcess(started)


def cores_of(count: int | None, first: int = 0) -> list[int] | None:
    """Numbers of the cores that a process is to keep to, so many of the usable ones from the `first` on; None for all.

    Cases side by side then do not wander over each other's caches, and on one core no two threads of a timed case meet
    there by chance.
    """
    if count is None:
        return None
    cores = sorted(os.sched_getaffinity(0))
    return sorted((cores[first % len(cores) :] + cores[: first % len(cores)])[:count])
