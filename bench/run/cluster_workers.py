"""The workers of a cluster: what they offer, whether they are of this suite, and which of them are to be used."""

import base64
import json
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.case.cases import Job
from bench.errors import PlanError
from bench.machine import host
from bench.plan.estimates import estimated_bytes
from bench.plan.presets import Limits
from bench.plan.shards import MEASURED
from bench.run import remote
from bench.run.cluster_connection import Connection
from bench.run.scheduler import take_group
from bench.run.store import SERIES_FILE
from tasks.csv_series.series import Prepared

LOOK_S = 1.0
"""How often it is looked which workers there are."""

GREETED_S = 120
"""So long may a worker take to import the suite and tell its versions."""

BYTES = 2**20


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
        Address and name together: either may be another's later, as a queue's next job has the name of the last.
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

    @cached_property
    def machine_sha256(self) -> str:
        """Fingerprint of its machine."""
        return host.fixed_sha256(self.machine)

    @property
    def times(self) -> bool:
        """Whether it is there for what is timed: `timing` of a worker that does nothing meanwhile."""
        return self.offers.get("timing", 0) >= 1

    def has(self, needs: dict[str, float]) -> bool:
        """Whether it offers so much at all."""
        return all(self.offers.get(name, 0) >= amount for name, amount in needs.items())

    @property
    def free(self) -> bool:
        """Whether it has a thread that runs nothing."""
        return len(self.running) < self.threads

    def has_room(self, unit: Unit) -> bool:
        """Whether it offers what a unit needs and has that left."""
        taken = [one.needs for one in self.running.values()]
        return self.free and all(
            self.offers.get(name, 0) - sum(one.get(name, 0) for one in taken) >= amount
            for name, amount in unit.needs.items()
        )


class Workers:
    """Those that are used, each greeted once; iterating gives them.

    Parameters
    ----------
    jobs
        The run's cases.

    Attributes
    ----------
    machine
        Of the workers that time, or of this process where nothing is to be timed: the run's.

    Raises
    ------
    PlanError
        If there are only some that cannot be used, or none could ever run one of the cases.
    """

    def __init__(
        self,
        connection: Connection,
        jobs: Sequence[Job],
        limits: Limits,
        say: Callable[[str], None],
        *,
        engines: Sequence[str],
        device: str,
        series: Prepared | None = None,
    ) -> None:
        self._connection, self._limits, self._say = connection, limits, say
        self._greeting = {
            "engines": list(engines),
            "device": device,
            "series": base64.b64encode(_packed(series) if series else b"").decode(),
            "series_sha256": series.sha256 if series else None,
        }
        self._times = any(job.case.kind in MEASURED for job in jobs)
        self._used: dict[str, Worker] = {}
        self._left_out: set[str] = set()
        self._wait_for_first()
        self.machine = self._machine()
        self._machine_sha256 = host.fixed_sha256(self.machine)
        self._check_needs(jobs)

    def __iter__(self) -> Iterator[Worker]:
        return iter(list(self._used.values()))

    def look(self) -> list[Worker]:
        """See which have come, and return those that have gone."""
        there = self._connection.workers()
        if there is None:
            return []
        ids = set(_by_id(there))
        gone = [self._used.pop(key) for key in list(self._used) if key not in ids]
        self._left_out &= ids
        for why in self._greet(there):
            self._say(f"left out: {why}")
        return gone

    def units(self, jobs: Sequence[Job]) -> Iterator[Unit]:
        """Cases as they are given to workers, in their order, each with what it needs."""
        waiting = deque(jobs)
        while waiting:
            timed = waiting[0].case.kind == "time"
            group = take_group(waiting, self._limits.together) if timed else [waiting.popleft()]
            yield Unit(group, self._needs(group))

    def _needs(self, jobs: list[Job]) -> dict[str, float]:
        """Resources that cases need that run at the same time, by name."""
        case = jobs[0].case
        needs: dict[str, float] = {"timing": 1} if case.kind in MEASURED else {}
        if case.device == "gpu":
            needs["gpu"] = 1
        # Only where somebody has said how much there is.
        if any("memory" in worker.offers for worker in self):
            needs["memory"] = sum(map(self._most_bytes, jobs))
        return needs

    def _most_bytes(self, job: Job) -> int:
        """Main memory that is set aside for a case; beyond its limit it is ended."""
        limit = self._limits.memory_mib * BYTES
        return limit if job.case.device == "gpu" else min(limit, estimated_bytes(job))

    def is_foreign(self, worker: Worker) -> bool:
        """Whether it is another machine than the run's."""
        return worker.machine_sha256 != self._machine_sha256

    def _wait_for_first(self) -> None:
        told = False
        while not self._used:
            if refused := self._greet(self._connection.workers() or {}):
                raise PlanError("workers that cannot be used:\n" + "\n".join(f"  {one}" for one in refused))
            if not self._used:
                if not told:
                    self._say("waiting for the first worker of the cluster (Ctrl-C ends this)")
                told = True
                self._connection.check()
                time.sleep(LOOK_S)

    def _greet(self, information: dict[str, Any]) -> list[str]:
        """Greet workers that have come; why some of those cannot be used."""
        new = {
            key: value
            for key, value in _by_id(information).items()
            if key not in self._used and key not in self._left_out
        }
        asked = {
            key: self._connection.client.submit(
                remote.greet,
                json.dumps(self._greeting),
                key=self._connection.new_key("greet"),
                workers=[address],
                pure=False,
            )
            for key, (address, _) in new.items()
        }
        refused = []
        for key, (address, about) in new.items():
            try:
                answer = json.loads(asked[key].result(timeout=GREETED_S))
            except Exception as error:  # noqa: BLE001 - whatever a worker's side raises
                self._connection.check()
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
                self._used[key] = worker
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
        first = next((one for one in self if one.times), None)
        differ = [name for name in host.FIXED if first and first.machine[name] != worker.machine[name]]
        if first is None or not differ:
            return ""
        return (
            f"offers timing, and so does {first.address}, but they are different machines: "
            + "; ".join(f"{name} {worker.machine[name]!r} and {first.machine[name]!r}" for name in differ)
            + ". Figures of two machines are never mixed: let one of them offer no timing"
        )

    def _machine(self) -> dict[str, Any]:
        timing = next((one.machine for one in self if one.times), None)
        return timing if timing and self._times else host.fingerprint([])

    def _check_needs(self, jobs: Sequence[Job]) -> None:
        """Refuse cases that no worker could ever run."""
        lacking: dict[str, list[Unit]] = {}
        for unit in self.units(jobs):
            if not any(worker.has(unit.needs) for worker in self):
                # Of cases that differ in the memory that they need, one line names the most.
                lacking.setdefault(",".join(unit.needs), []).append(unit)
        if lacking:
            worst = [max(some, key=lambda unit: unit.needs.get("memory", 0)) for some in lacking.values()]
            lines = "\n".join(
                f"  {sum(len(unit.jobs) for unit in some)} cases, such as {one.jobs[0].case.key}"
                + (f" and {len(one.jobs) - 1} that take turns with it" if len(one.jobs) > 1 else "")
                + ": --resources "
                + ",".join(f"{name}={amount:.0f}" for name, amount in one.needs.items())
                for some, one in zip(lacking.values(), worst, strict=True)
            )
            raise PlanError(
                f"of {len(self._used)} workers none has what these need:\n{lines}\nStart some with it"
                + (", each with --nthreads 1 on a machine of its own" if "timing" in lines else "")
                + (
                    ". Fewer take turns with `together` in [limits]"
                    if any("memory" in one.needs and len(one.jobs) > 1 for one in worst)
                    else ""
                )
            )


def _by_id(there: dict[str, Any]) -> dict[str, tuple[str, Any]]:
    """Address and description of each worker, from the scheduler's list by address; what it calls id is the name."""
    return {f"{address} {about['id']}": (address, about) for address, about in there.items()}


def _packed(series: Prepared) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / SERIES_FILE
        series.save(file)
        return file.read_bytes()
