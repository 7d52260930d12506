"""The way to the scheduler of a cluster: by its address, by its file, or as jobs that a queue is asked for."""

import logging
import queue
import sys
import threading
import tomllib
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import ClusterLostError, PlanError, shown

if TYPE_CHECKING:
    from distributed import Client

CONNECT_S = 15

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
        self.client, self._started = _connected(where)
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
        found: dict[str, Any] | None = self.guarded(lambda: dict(self.client.scheduler_info(n_workers=-1)["workers"]))
        return found

    def close(self) -> None:
        """Leave the scheduler, and end what was started for it."""
        with warnings.catch_warnings(), suppress(Exception):
            warnings.simplefilter("ignore")
            self.client.close(timeout=2)
            if self._started is not None:
                self._started.close(timeout=2)


def _connected(where: str) -> tuple["Client", Any]:
    """A client of the scheduler at an address, or of the cluster that a file describes; and that cluster."""
    try:
        import distributed  # noqa: PLC0415 - an extra, which a run on one machine never needs
    except ImportError as error:
        raise PlanError(
            f"SCHEDULER={where} needs dask.distributed, which is not installed: "
            f"{sys.executable} -m pip install '.[dask]'"
        ) from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what it says is said here in a line each
    started = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its own versions, which are compared by name
            options: dict[str, Any] = {"timeout": CONNECT_S, "set_as_default": False}
            if where.endswith(".json"):
                return _bounded(lambda: distributed.Client(scheduler_file=where, **options)), None
            if where.endswith(".toml"):
                started = _from_file(Path(where))
            return _bounded(lambda: distributed.Client(where if started is None else started, **options)), started
    except (OSError, TimeoutError, TypeError, ValueError, RuntimeError) as error:
        if started is not None:
            started.close()
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


def _from_file(path: Path) -> Any:
    """The cluster of dask-jobqueue that a TOML file describes, with its jobs in the queue.

    Raises
    ------
    PlanError
        Naming what is wrong with the file.
    """
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PlanError(f"SCHEDULER={path} cannot be read: {error}") from error
    name, jobs, options = (settings.pop(key, None) for key in ("cluster", "jobs", "options"))
    if settings or not isinstance(name, str) or not isinstance(jobs, int) or not isinstance(options, dict):
        raise PlanError(
            f'{path} must have cluster = "SLURMCluster" (or another of dask-jobqueue), jobs = 20 and [options], and '
            f"nothing else{f'; it has {shown(sorted(settings))}' if settings else ''}"
        )
    try:
        import dask_jobqueue  # noqa: PLC0415 - wherever there is a queue
    except ImportError as error:
        raise PlanError(
            f"{path} needs dask-jobqueue, which is not installed: {sys.executable} -m pip install dask-jobqueue"
        ) from error
    kinds = [one for one in dir(dask_jobqueue) if one.endswith("Cluster")]
    if name not in kinds:
        raise PlanError(f"cluster {shown(name)} in {path} must be one of {', '.join(kinds)}")
    cluster = getattr(dask_jobqueue, name)(**options)
    cluster.scale(jobs=jobs)
    return cluster
