"""The way to the scheduler of a cluster: by its address, by its file, or as jobs that a queue is asked for."""

import logging
import queue
import sys
import threading
import time
import tomllib
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from bench.errors import ClusterLostError, PlanError, shown

if TYPE_CHECKING:
    from distributed import Client

CONNECT_S = 15

ASK_AGAIN_S = 15
"""How often a queue is asked for the jobs that have ended; dask takes as long to believe that a worker is lost."""

GONE = "the cluster's scheduler has gone away. What came back is written; the same command continues once there is one"


class Connection:
    """A client of dask's, as long as its scheduler answers.

    Parameters
    ----------
    where
        Address of a scheduler, its file (.json), or the file of a queue (.toml).

    Raises
    ------
    PlanError
        If nothing answers there; names the remedy.
    """

    def __init__(self, where: str) -> None:
        self._queue = Queue.read(Path(where)) if where.endswith(".toml") else None
        self.client = _connected(where, self._queue)
        self._count = 0

    def new_key(self, what: str) -> str:
        """Name for a task that no other has."""
        self._count += 1
        return f"{what}-{self.client.id}-{self._count}"

    def check(self) -> None:
        """Raise `ClusterLostError` if the scheduler is gone."""
        if self.client.status != "running":
            raise ClusterLostError(GONE)

    def guarded(self, call: Callable[[], Any]) -> Any:
        """What the scheduler answers; None where it does not."""
        try:
            return call()
        except (OSError, TimeoutError, RuntimeError):
            self.check()
            return None

    def workers(self) -> dict[str, Any] | None:
        """The scheduler's list of workers, by address; None where it does not answer."""
        if self._queue is not None:
            self._queue.fill()
        found: dict[str, Any] | None = self.guarded(lambda: dict(self.client.scheduler_info(n_workers=-1)["workers"]))
        return found

    def close(self) -> None:
        """Leave the scheduler, and end what was started for it."""
        with warnings.catch_warnings(), suppress(Exception):
            warnings.simplefilter("ignore")
            self.client.close(timeout=2)
            if self._queue is not None:
                self._queue.close()


def _connected(where: str, jobs: "Queue | None") -> "Client":
    """A client of the scheduler at an address or in a file, or of the one that is started for a queue's jobs."""
    try:
        import distributed  # noqa: PLC0415 - an extra, which a run on one machine never needs
    except ImportError as error:
        raise PlanError(
            f"SCHEDULER={where} needs dask.distributed, which is not installed: "
            f"{sys.executable} -m pip install '.[dask]'"
        ) from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what it says is said here in a line each
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its own versions, which are compared by name
            options: dict[str, Any] = {"timeout": CONNECT_S, "set_as_default": False}
            if where.endswith(".json"):
                return _bounded(lambda: distributed.Client(scheduler_file=where, **options))
            address = where if jobs is None else jobs.start()
            return _bounded(lambda: distributed.Client(address, **options))
    except (OSError, TimeoutError, TypeError, ValueError, RuntimeError) as error:
        if jobs is not None:
            jobs.close()
        if isinstance(error, PlanError):
            raise
        raise PlanError(
            f"no scheduler answers at SCHEDULER={where} ({type(error).__name__}: {str(error)[:200]}). Start one with "
            "`dask scheduler`, and give its address, as in SCHEDULER=tcp://host:8786; with tls:// both sides need "
            "certificates (docs/many-machines.md)"
        ) from error


def _bounded(connect: "Callable[[], Client]") -> "Client":
    """Connect, or give up: dask's own time-out does not cover what it reads once a connection is open.

    So a plain client of a scheduler that expects TLS can wait for ever.
    """
    answer: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            answer.put((connect(), None))
        except BaseException as error:  # noqa: BLE001 - raised below, where somebody waits for it
            answer.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        client, error = answer.get(timeout=2 * CONNECT_S)
    except queue.Empty:
        raise TimeoutError(f"nothing said within {2 * CONNECT_S} s") from None
    if error is not None:
        raise error
    return client


@dataclass
class Queue:
    """Jobs of a queue that are workers, by dask-jobqueue, as a TOML file describes them.

    Attributes
    ----------
    jobs
        How many there are to be at any time: one that ends, by its time limit for one, is followed by another.
    options
        Of dask-jobqueue's class.
    """

    path: Path
    cluster: str
    jobs: int
    options: dict[str, Any]
    _started: Any = field(default=None, init=False)
    _asked: float = field(default=-ASK_AGAIN_S, init=False)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file.

        Raises
        ------
        PlanError
            Naming what is wrong with it.
        """
        try:
            settings = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise PlanError(f"SCHEDULER={path} cannot be read: {error}") from error
        name, jobs, options = (settings.pop(key, None) for key in ("cluster", "jobs", "options"))
        if type(jobs) is not int or jobs < 1:
            raise PlanError(
                f"jobs in {path} is {shown(jobs)}; it must be how many jobs there are to be, as in jobs = 20"
            )
        if settings or not isinstance(name, str) or not isinstance(options, dict):
            raise PlanError(
                f'{path} must have cluster = "SLURMCluster" (or another of dask-jobqueue), jobs = 20 and [options], '
                f"and nothing else{f'; it has {shown(sorted(settings))}' if settings else ''}"
            )
        return cls(path, name, jobs, options)

    def start(self) -> Any:
        """Start the scheduler here and ask for the jobs; dask's cluster, which a client takes for its address.

        Raises
        ------
        PlanError
            If dask-jobqueue is not installed, or has no such class.
        """
        try:
            import dask_jobqueue  # noqa: PLC0415 - wherever there is a queue
        except ImportError as error:
            raise PlanError(
                f"{self.path} needs dask-jobqueue, which is not installed: "
                f"{sys.executable} -m pip install dask-jobqueue"
            ) from error
        kinds = [one for one in dir(dask_jobqueue) if one.endswith("Cluster")]
        if self.cluster not in kinds:
            raise PlanError(f"cluster {shown(self.cluster)} in {self.path} must be one of {', '.join(kinds)}")
        self._started = getattr(dask_jobqueue, self.cluster)(**self.options)
        self.fill()
        return self._started

    def fill(self) -> None:
        """Ask for as many jobs as have ended; those that wait in the queue count as there."""
        if time.monotonic() - self._asked >= ASK_AGAIN_S:
            self._asked = time.monotonic()
            self._started.scale(jobs=self.jobs)

    def close(self) -> None:
        """End the jobs and the scheduler."""
        if self._started is not None:
            self._started.close(timeout=2)
