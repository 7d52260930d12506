"""Cases on the workers of dask.distributed, in place of processes on this machine; `remote` is the other side.

The run stays here: its plan, its folder, its lines. Where `Scheduler` starts a process, this submits a task, pinned to
a worker that has room for it, so that it is known what was running where when a worker is lost. A record is written
the moment it comes back.
"""

import json
import queue
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from bench.case.cases import Job
from bench.case.checked import SCHEMA, decode
from bench.case.record import Outcome, Phases, Record
from bench.errors import ClusterLostError, PlanError, printable
from bench.plan.presets import Limits
from bench.run import remote
from bench.run.cluster_connection import GONE, Connection
from bench.run.cluster_workers import LOOK_S, Unit, Worker, Workers
from bench.run.scheduler import shapes
from bench.run.store import now
from bench.warnings import Warn
from tasks.csv_series.series import Prepared

if TYPE_CHECKING:
    from distributed import Future

CEILINGS_S = 150
FETCH_S = 5
"""So long may an answer take that is there. It is lost if its worker is, between its end and this, and then dask would
wait for ever for that worker to compute it again."""

ELSEWHERE = 2
"""How often a case that was lost with its worker is given to another."""

LOOKED_AHEAD = 64
"""Waiting cases among which one is sought that a worker has room for, and whose shapes no running case compiles."""


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
        if named := dict.fromkeys(job.configuration.name for job in jobs if job.configuration):
            raise PlanError(
                f"this preset has configurations ({', '.join(named)}), each a way of running on one machine, and a "
                "cluster chooses a machine for each case. Leave SCHEDULER out: on this machine all run, and SHARD=1/2 "
                "shares the plan among machines, with all configurations of a case on the same one"
            )
        self._say, self._limits = say, limits
        self._series_sha256 = series.sha256 if series else None
        self._of_ceilings = {"engines": list(engines), "device": device}
        self._ended: queue.SimpleQueue[Future] = queue.SimpleQueue()
        self._tasks: dict[str, tuple[Worker, Future]] = {}
        self._looked = 0.0
        self._waits = False
        self._connection = Connection(where)
        try:
            self._workers = Workers(self._connection, jobs, limits, say, engines=engines, device=device, series=series)
        except BaseException:
            self.stop()
            raise
        self.machine = self._workers.machine

    @property
    def slots(self) -> int:
        """See the class."""
        return sum(worker.threads for worker in self._workers)

    def ceilings(self) -> tuple[dict[str, Any] | None, str | None]:
        """What the machine that times reached at best, and the engine that it was measured with."""
        worker = next(one for one in self._workers if one.times)
        unit = Unit([], {"timing": 1})
        future = self._submit(worker, unit, {"ceilings": self._of_ceilings})
        answer = self._answer(future, CEILINGS_S)
        self._forget(future.key)
        return (answer["ceilings"], answer["engine"]) if answer and "ceilings" in answer else (None, None)

    def run(self, jobs: Sequence[Job], done: Callable[[Record], None]) -> None:
        """Take the cases that are to be run; `done` gets their records."""
        self._done = done
        self._finished: set[str] = set()
        self._shared: deque[Unit] = deque()
        self._timed: deque[Unit] = deque()
        for unit in self._workers.units(jobs):
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
        self._connection.close()

    def _look(self) -> None:
        """See which workers have gone and come."""
        if time.perf_counter() - self._looked < LOOK_S:
            return
        self._looked = time.perf_counter()
        self._connection.check()
        for worker in self._workers.look():
            self._lose(worker)

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
        events = self._connection.guarded(lambda: self._connection.client.get_events(worker.address)) or ()
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
        for worker in self._workers:
            while unit := self._next(worker):
                self._submit(worker, unit, self._order(unit))

    def _next(self, worker: Worker) -> Unit | None:
        """Take what a worker is to run next: what is timed on those that are there for it, else the next in order."""
        beside = [unit for one in self._workers if one.host == worker.host for unit in one.running.values()]
        if any(unit.timed for unit in beside):
            return None
        if self._timed and worker.times and worker.has_room(self._timed[0]) and not (self._timed[0].timed and beside):
            return self._timed.popleft()
        if not worker.free:
            return None
        compiling = {shapes(unit.jobs[0].case) for unit in beside}
        fitting = [n for n, unit in enumerate(islice(self._shared, LOOKED_AHEAD)) if worker.has_room(unit)]
        if not fitting:
            return None
        place = next((n for n in fitting if shapes(self._shared[n].jobs[0].case) not in compiling), fitting[0])
        unit = self._shared[place]
        del self._shared[place]
        return unit

    def _order(self, unit: Unit) -> dict[str, Any]:
        return remote.order_of(unit.jobs, self._limits, self._series_sha256)

    def _submit(self, worker: Worker, unit: Unit, order: dict[str, Any]) -> "Future":
        key = self._connection.new_key(unit.jobs[0].case.key if unit.jobs else "ceilings")
        unit.begun = time.perf_counter()
        future = self._connection.client.submit(
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
            self._connection.check()
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
        foreign = self._workers.is_foreign(worker)
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
        self._connection.guarded(future.cancel)

    def _say_if_nothing_can_run(self) -> None:
        if self._tasks or not (self._shared or self._timed):
            self._waits = False
        elif not self._waits:
            self._waits = True
            left = len(self._shared) + len(self._timed)
            self._say(f"no worker is left for what remains ({left} tasks): waiting for one (Ctrl-C ends this)")


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
