"""Cases on the workers of dask.distributed, in place of processes on this machine; `remote` is the other side.

The run stays here: its plan, its folder, its lines. Where `Scheduler` starts a process, this submits a task, pinned to
a worker that has room for it, so that it is known what was running where when a worker is lost. A record is written
the moment it comes back.
"""

import base64
import json
import logging
import queue
import sys
import tempfile
import threading
import time
import tomllib
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from bench.case.cases import Job
from bench.case.checked import SCHEMA, decode
from bench.case.record import Outcome, Phases, Record
from bench.errors import ClusterLostError, PlanError, printable, shown
from bench.machine import host
from bench.plan.presets import Limits
from bench.plan.shards import MEASURED
from bench.run import remote
from bench.run.scheduler import shapes, take_group
from bench.run.store import SERIES_FILE, now
from bench.warnings import Warn
from tasks.csv_series.series import Prepared

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_S = 15
LOOK_S = 1.0
"""How often it is looked which workers there are."""

GREETED_S = 120
"""So long may a worker take to import the suite and tell its versions."""

CEILINGS_S = 150
FETCH_S = 5
"""So long may an answer take that is there. It is lost if its worker is, between its end and this, and then dask would
wait for ever for that worker to compute it again."""

ELSEWHERE = 2
"""How often a case that was lost with its worker is given to another."""

LOOKED_AHEAD = 64
"""Waiting cases among which one is sought whose shapes no running case compiles."""

BYTES = 2**20


GONE = "the cluster's scheduler has gone away. What came back is written; the same command continues once there is one"


@dataclass(eq=False)
class Unit:
    """What one task runs: a case, or the time cases that take turns.

    Attributes
    ----------
    needs
        Resources of a worker, by name.
    lost_with
        Workers that were lost while they ran it.
    begun
        When it was given to a worker last, in seconds of `time.perf_counter`.
    """

    jobs: list[Job]
    needs: dict[str, float]
    lost_with: list[str] = field(default_factory=list)
    begun: float = 0.0

    @property
    def measured(self) -> bool:
        """Whether its seconds or bytes are compared."""
        return not self.jobs or self.jobs[0].case.kind in MEASURED

    @property
    def timed(self) -> bool:
        """Whether it needs its machine for itself; the measurement of ceilings is that of no case."""
        return not self.jobs or self.jobs[0].case.kind == "time"


@dataclass(eq=False)
class Worker:
    """A worker of the cluster.

    Attributes
    ----------
    id
        Of its process: an address may be another's later.
    host
        Where it is.
    offers
        Resources that it was started with.
    machine
        As `bench.machine.host.fingerprint` tells it.
    running
        What it runs, by the key of the task.
    """

    address: str
    id: str
    host: str
    threads: int
    offers: dict[str, float]
    machine: dict[str, Any]
    running: dict[str, Unit] = field(default_factory=dict)

    @property
    def times(self) -> bool:
        """Whether it is there for what is timed: `timing` of a worker that does nothing meanwhile."""
        return self.offers.get("timing", 0) >= 1

    def has(self, needs: dict[str, float]) -> bool:
        """Whether it offers so much at all."""
        return all(self.offers.get(name, 0) >= amount for name, amount in needs.items())

    def has_room(self, unit: Unit) -> bool:
        """Whether it offers what a unit needs and has that left."""
        taken = [one.needs for one in self.running.values()]
        return len(taken) < self.threads and all(
            self.offers.get(name, 0) - sum(one.get(name, 0) for one in taken) >= amount
            for name, amount in unit.needs.items()
        )


class Cluster:
    """A cluster that answers, whose workers have the same versions as this process.

    Attributes
    ----------
    machine
        Of the workers that time, or of this process where nothing is to be timed: the run's.
    slots
        Cases that it runs at the same time.

    Raises
    ------
    PlanError
        If nothing answers, or the workers cannot run these cases; names them and the remedy.
    """

    def __init__(
        self,
        where: str,
        jobs: Sequence[Job],
        limits: Limits,
        say: Callable[[str], None],
        *,
        engines: Sequence[str],
        device: str,
        series: Prepared | None = None,
    ) -> None:
        if any(job.configuration for job in jobs):
            raise PlanError(
                "this preset has configurations, which are ways of running on one machine: leave SCHEDULER out"
            )
        self._say, self._limits = say, limits
        self._series_sha256 = series.sha256 if series else None
        self._greeting = {
            "engines": list(engines),
            "device": device,
            "series": base64.b64encode(_packed(series) if series else b"").decode(),
            "series_sha256": self._series_sha256,
        }
        self._times = any(job.case.kind in MEASURED for job in jobs)
        self._workers: dict[str, Worker] = {}
        self._left_out: set[str] = set()
        self._ended: queue.SimpleQueue[Future] = queue.SimpleQueue()
        self._tasks: dict[str, tuple[Worker, Future]] = {}
        self._count = 0
        self._looked = 0.0
        self._waits = False
        self._client, self._started_cluster = _connected(where)
        try:
            self._first_workers()
            self.machine = self._machine()
            self._machine_sha256 = host.fixed_sha256(self.machine)
            self._check_needs(jobs)
        except BaseException:
            self.stop()
            raise

    @property
    def slots(self) -> int:
        """See the class."""
        return sum(worker.threads for worker in self._workers.values())

    def ceilings(self) -> tuple[dict[str, Any] | None, str | None]:
        """What the machine that times reached at best, and the engine that it was measured with."""
        worker = next(one for one in self._workers.values() if one.times)
        asked = {name: self._greeting[name] for name in ("engines", "device")}
        unit = Unit([], {"timing": 1})
        future = self._submit(worker, unit, {"ceilings": asked})
        answer = self._answer(future, CEILINGS_S)
        self._forget(future.key)
        return (answer["ceilings"], answer["engine"]) if answer and "ceilings" in answer else (None, None)

    def run(self, jobs: Sequence[Job], done: Callable[[Record], None]) -> None:
        """Take the cases that are to be run; `done` gets their records."""
        self._done = done
        self._finished: set[str] = set()
        waiting = deque(jobs)
        self._shared: deque[Unit] = deque()
        self._timed: deque[Unit] = deque()
        while waiting:
            group = (
                take_group(waiting, self._limits.together) if waiting[0].case.kind == "time" else [waiting.popleft()]
            )
            unit = Unit(group, self._needs(group[0]))
            (self._timed if unit.measured else self._shared).append(unit)

    def run_until(self, key: str) -> None:
        """Run until the case with this key has its record.

        Raises
        ------
        ClusterLostError
            If the scheduler is gone.
        """
        while key not in self._finished:
            self._look()
            self._place()
            self._say_if_nothing_can_run()
            self._collect()

    def stop(self) -> None:
        """Give up what is running; its cases have no record and run again next time."""
        for _, future in self._tasks.values():
            with suppress(Exception):
                future.cancel()
        self._tasks.clear()
        with warnings.catch_warnings(), suppress(Exception):
            warnings.simplefilter("ignore")
            self._client.close(timeout=2)
            if self._started_cluster is not None:
                self._started_cluster.close(timeout=2)

    def _needs(self, job: Job) -> dict[str, float]:
        needs: dict[str, float] = {"timing": 1} if job.case.kind in MEASURED else {}
        if job.case.device == "gpu":
            needs["gpu"] = 1
        # Only where somebody has said how much there is; what a case may take at most is all that is known of it.
        if any("memory" in worker.offers for worker in self._workers.values()):
            needs["memory"] = self._limits.memory_mib * BYTES
        return needs

    def _first_workers(self) -> None:
        told = False
        while not self._workers:
            if refused := self._update_workers(self._information() or {}):
                raise PlanError("workers that cannot be used:\n" + "\n".join(f"  {one}" for one in refused))
            if not self._workers:
                if not told:
                    self._say("waiting for the first worker of the cluster (Ctrl-C ends this)")
                told = True
                self._check_alive()
                time.sleep(LOOK_S)

    def _update_workers(self, information: dict[str, Any]) -> list[str]:
        """Greet workers that have come; why some of those cannot be used."""
        there = {one["id"]: (address, one) for address, one in information.items()}
        new = {key: value for key, value in there.items() if key not in self._workers and key not in self._left_out}
        asked = {
            key: self._client.submit(
                remote.greet, json.dumps(self._greeting), key=self._new_key("greet"), workers=[address], pure=False
            )
            for key, (address, _) in new.items()
        }
        refused = []
        for key, (address, about) in new.items():
            try:
                answer = json.loads(asked[key].result(timeout=GREETED_S))
            except Exception as error:  # noqa: BLE001 - whatever a worker's side raises
                self._check_alive()
                refused.append(
                    f"{address} cannot run the suite ({type(error).__name__}: {str(error)[:200]}). Start it and the "
                    "scheduler in the suite's folder (docs/many-machines.md)"
                )
                self._left_out.add(key)
                continue
            worker = Worker(
                address=address,
                id=key,
                host=about["host"],
                threads=about["nthreads"],
                offers=dict(about["resources"]),
                machine=answer["machine"],
            )
            if why := self._why_not(worker, answer["versions"]):
                refused.append(f"{address} {why}")
                self._left_out.add(key)
            else:
                self._workers[key] = worker
        return refused

    def _why_not(self, worker: Worker, versions: dict[str, str]) -> str:
        ours = remote.versions()
        names = dict.fromkeys([*ours, *versions])
        other = [f"{name} {there} there and {here} here" for name, there, here in host.differing(versions, ours, names)]
        if other:
            return f"has other versions: {', '.join(other)}. Install the same there, from the same commit"
        if worker.times and worker.threads > 1:
            return (
                f"offers timing and has {worker.threads} threads, which would run other cases beside what is timed: "
                "start it with --nthreads 1"
            )
        if self._greeting["device"] == "gpu" and "gpu" in worker.offers and not worker.machine["accelerators"]:
            return "offers gpu, but its framework sees none"
        if self._times and worker.times and (mismatch := self._another_machine(worker)):
            return mismatch
        return ""

    def _another_machine(self, worker: Worker) -> str:
        """Why what it times could not be compared with what others time, or ""."""
        first = next((one for one in self._workers.values() if one.times), None)
        differ = [name for name in host.FIXED if first and first.machine[name] != worker.machine[name]]
        if first is None or not differ:
            return ""
        return (
            f"offers timing, and so does {first.address}, but they are different machines: "
            + "; ".join(f"{name} {worker.machine[name]!r} and {first.machine[name]!r}" for name in differ)
            + ". Figures of two machines are never mixed: let one of them offer no timing"
        )

    def _machine(self) -> dict[str, Any]:
        timing = next((one.machine for one in self._workers.values() if one.times), None)
        return timing if timing and self._times else host.fingerprint([])

    def _check_needs(self, jobs: Sequence[Job]) -> None:
        """Refuse cases that no worker could ever run."""
        lacking: dict[str, list[Job]] = {}
        for job in jobs:
            needs = self._needs(job)
            if not any(worker.has(needs) for worker in self._workers.values()):
                lacking.setdefault(",".join(f"{name}={amount:g}" for name, amount in needs.items()), []).append(job)
        if lacking:
            lines = "\n".join(
                f"  {len(some)} cases, such as {some[0].case.key}: --resources {needs}"
                for needs, some in lacking.items()
            )
            raise PlanError(
                f"of {len(self._workers)} workers none has what these need:\n{lines}\nStart some with it"
                + (", each with --nthreads 1 on a machine of its own" if "timing" in lines else "")
            )

    def _look(self) -> None:
        """See which workers have gone and come."""
        if time.perf_counter() - self._looked < LOOK_S:
            return
        self._looked = time.perf_counter()
        self._check_alive()
        information = self._information()
        if information is None:
            return
        there = {one["id"] for one in information.values()}
        for key in [key for key in self._workers if key not in there]:
            self._lose(self._workers.pop(key))
        self._left_out &= there
        for why in self._update_workers(information):
            self._say(f"left out: {why}")

    def _lose(self, worker: Worker) -> None:
        """Give to others what was running on a worker that is gone."""
        told = self._was_told_to_end(worker)
        self._say(
            f"worker {worker.address} {'was told to end' if told else 'is lost'}"
            + (f"; {len(worker.running)} of its cases go elsewhere" if worker.running else "")
        )
        for key, unit in list(worker.running.items()):
            self._cancel(key)
            self._again(unit, "" if told else f"{worker.address} was lost")

    def _was_told_to_end(self, worker: Worker) -> bool:
        """Whether a worker closed in order, at the end of its lifetime or by a signal, which is no case's fault."""
        events = self._guarded(lambda: self._client.get_events(worker.address)) or ()
        return any(isinstance(said, dict) and said.get("action") == "closing-worker" for _, said in events)

    def _again(self, unit: Unit, why: str) -> None:
        """Run a unit again; `why` says what may be its own fault, "" for nothing."""
        if why:
            unit.lost_with.append(why)
        if len(unit.lost_with) > ELSEWHERE:
            message = f"given up after {len(unit.lost_with)} workers: " + "; ".join(unit.lost_with)
            for job in unit.jobs:
                self._finish(_without_result(job, "crashed", message, time.perf_counter() - unit.begun))
        else:
            (self._timed if unit.measured else self._shared).appendleft(unit)

    def _place(self) -> None:
        """Give every worker what it has room for."""
        for worker in self._workers.values():
            while unit := self._next(worker):
                self._submit(worker, unit, self._order(unit))

    def _next(self, worker: Worker) -> Unit | None:
        """Take what a worker is to run next: what is timed on those that are there for it, else the next in order."""
        beside = [unit for one in self._workers.values() if one.host == worker.host for unit in one.running.values()]
        if any(unit.timed for unit in beside):
            return None
        if self._timed and worker.times and worker.has_room(self._timed[0]) and not (self._timed[0].timed and beside):
            return self._timed.popleft()
        if not self._shared or not worker.has_room(self._shared[0]):
            return None
        compiling = {shapes(unit.jobs[0].case) for unit in beside}
        ahead = islice(self._shared, LOOKED_AHEAD)
        place = next((n for n, unit in enumerate(ahead) if shapes(unit.jobs[0].case) not in compiling), 0)
        unit = self._shared[place]
        del self._shared[place]
        return unit

    def _order(self, unit: Unit) -> dict[str, Any]:
        return remote.order_of(unit.jobs, self._limits, self._series_sha256)

    def _new_key(self, what: str) -> str:
        self._count += 1
        return f"{what}-{self._client.id}-{self._count}"

    def _submit(self, worker: Worker, unit: Unit, order: dict[str, Any]) -> "Future":
        key = self._new_key(unit.jobs[0].case.key if unit.jobs else "ceilings")
        unit.begun = time.perf_counter()
        future = self._client.submit(
            remote.measure,
            json.dumps(order | {"key": key}),
            key=key,
            workers=[worker.address],
            allow_other_workers=False,
            resources=unit.needs,
            pure=False,
        )
        worker.running[key] = unit
        self._tasks[key] = worker, future
        if unit.jobs:
            future.add_done_callback(self._ended.put)
        return future

    def _collect(self) -> None:
        """Take what has ended, waiting a moment for the first."""
        with suppress(queue.Empty):
            future = self._ended.get(timeout=LOOK_S)
            for one in [future, *self._drained()]:
                if one.key in self._tasks:
                    self._take(one)

    def _drained(self) -> Iterator["Future"]:
        with suppress(queue.Empty):
            while True:
                yield self._ended.get_nowait()

    def _take(self, future: "Future") -> None:
        if future.cancelled():  # not by this: the scheduler is another one, or has forgotten
            raise ClusterLostError(GONE)
        worker, _ = self._tasks[future.key]
        unit = worker.running[future.key]
        answer = self._answer(future)
        if answer is None:
            self._ended.put(future)  # looked at again, unless `_look` finds its worker gone
            return
        self._forget(future.key)
        if "told" in answer:
            self._again(unit, "")
        elif "died" in answer:
            self._check_alive()
            self._again(unit, f"on {worker.address} what watches cases ended: {answer['died']}")
        else:
            for record in self._records(worker, unit, answer):
                self._finish(record)

    def _answer(self, future: "Future", within: float = FETCH_S) -> dict[str, Any] | None:
        """What a worker sent, or how that failed; None where it does not come."""
        try:
            answer = json.loads(future.result(timeout=within))
        except TimeoutError:
            return None
        except Exception as error:  # noqa: BLE001 - whatever a worker's side raises
            return {"died": f"{type(error).__name__}: {str(error)[:200]}"}
        return answer if isinstance(answer, dict) else {"died": "it sent no answer"}

    def _records(self, worker: Worker, unit: Unit, answer: dict[str, Any]) -> Iterator[Record]:
        """Read what a worker sent as a report reads it; a case without a record there has one of its failure."""
        sent = answer.get("records")
        found: dict[str, Record] = {}
        why = "nothing was sent of it"
        for one in sent if isinstance(sent, list) else ():
            try:
                record = decode(json.dumps(one).encode(), Record)
            except ValueError as error:
                why = f"what was sent is no record: {error}"
                continue
            found[record.key] = record
        foreign = host.fixed_sha256(worker.machine) != self._machine_sha256
        for job in unit.jobs:
            record = found.get(job.case.key) or _without_result(
                job, "failed", f"{worker.address}: {why}", time.perf_counter() - unit.begun
            )
            if foreign and not unit.measured:
                record = replace(record, warnings=[*record.warnings, Warn.OTHER_MACHINE])
            yield record

    def _finish(self, record: Record) -> None:
        self._finished.add(record.key)
        self._done(record)

    def _forget(self, key: str) -> None:
        worker, future = self._tasks.pop(key)
        worker.running.pop(key, None)
        future.release()

    def _cancel(self, key: str) -> None:
        _, future = self._tasks.pop(key)
        self._guarded(future.cancel)

    def _say_if_nothing_can_run(self) -> None:
        if self._tasks or not (self._shared or self._timed):
            self._waits = False
        elif not self._waits:
            self._waits = True
            left = len(self._shared) + len(self._timed)
            self._say(f"no worker is left for what remains ({left} tasks): waiting for one (Ctrl-C ends this)")

    def _information(self) -> dict[str, Any] | None:
        """The scheduler's list of workers, by address; None where it does not answer."""
        found: dict[str, Any] | None = self._guarded(lambda: dict(self._client.scheduler_info(n_workers=-1)["workers"]))
        return found

    def _guarded(self, call: Callable[[], Any]) -> Any:
        """What the scheduler answers; None where it does not."""
        try:
            return call()
        except (OSError, TimeoutError, RuntimeError):
            self._check_alive()
            return None

    def _check_alive(self) -> None:
        if self._client.status != "running":
            raise ClusterLostError(GONE)


def _packed(series: Prepared) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / SERIES_FILE
        series.save(file)
        return file.read_bytes()


def _without_result(job: Job, outcome: Outcome, message: str, seconds: float) -> Record:
    return Record(
        schema=SCHEMA,
        key=job.case.key,
        case=job.case,
        training=job.training,
        outcome=outcome,
        message=printable(message),
        started=now(),
        seconds=Phases(total=seconds),
        warnings=[],
    )


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
