"""One invocation: the cases that it runs, the folder that it writes, the lines that it says."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from bench.case.cases import Job
from bench.case.record import Record
from bench.case.run_record import Shards
from bench.errors import PlanError
from bench.machine import ceilings, host
from bench.plan.planning import Plan
from bench.plan.presets import Preset
from bench.plan.shards import Shard, assigned
from bench.run.interrupts import INTERRUPTS
from bench.run.progress import RED, YELLOW, Bar, Progress
from bench.run.scheduler import Scheduler
from bench.run.store import Ended, RunFolder
from bench.run.worker import context_for, end_with_parent, prepare_forkserver, talk_to

if TYPE_CHECKING:
    from bench.run.cluster import Cluster

ROOT = Path(__file__).parents[2]


@dataclass
class Session:
    """Runs what is left of a plan and gives out records.

    Attributes
    ----------
    folder
        ``results/<run>``.
    retry
        Run cases again that failed, crashed or hit a limit.
    say
        Prints a line.
    cluster_at
        Where the scheduler of a cluster is whose workers run the cases; "" for this machine.
    shard
        Which shard of the plan to run; None for the whole plan.
    """

    preset: Preset
    plan: Plan
    folder: Path
    engines: tuple[str, ...]
    device: str
    retry: bool
    command: str
    say: Callable[[str], None]
    shard: Shard | None = None
    cluster_at: str = ""
    _begin: float = field(default_factory=time.perf_counter)
    _scheduler: "Scheduler | Cluster | None" = None

    def __post_init__(self) -> None:
        # Now, before pytest captures standard output: the bar needs the terminal.
        self._bar = Bar(self.say)
        self._shards: Shards | None = None
        self.jobs = self.plan.jobs
        if self.shard:
            shard_of = assigned(self.plan, self.shard.of)
            self._shards = Shards(of=self.shard.of, here=[self.shard.number], shard_of=shard_of)
            self.jobs = [job for job, one in zip(self.jobs, shard_of, strict=True) if one == self.shard.number]

    def open(self, jobs: list[Job]) -> None:
        """Open the run's folder and see what is left to do.

        Raises
        ------
        PlanError
            If a GPU was asked for and there is none, or a cluster that cannot run these cases.
        bench.errors.RunFolderError
            If the folder belongs to another plan or machine.
        """
        cluster = self._connected(jobs) if self.cluster_at else None
        try:
            self._open(jobs, cluster)
        except BaseException:
            if cluster:
                cluster.stop()
            raise

    def _open(self, jobs: list[Job], cluster: "Cluster | None") -> None:
        # First, since it may find that there is no GPU: then nothing is written.
        machine = cluster.machine if cluster else host.fingerprint(self._accelerators())
        self._run = RunFolder(self.folder)
        self._run.lock()
        self._run.open(self.preset, self.plan, machine, ROOT, self.command, self._shards)
        for line in self._run.torn:
            self.say(line)
        finished = {key for key, record in self._run.records.items() if record.outcome == "ok" or not self.retry}
        todo = [replace(job, series=self._run.series) for job in jobs if job.case.key not in finished]
        workers = self.preset.limits.workers or host.usable_cores()
        self._progress = Progress(todo, len(jobs) - len(todo), workers)
        self._waiting = {job.case.key for job in todo}
        of = f" of {len(self.plan.jobs)} (shard {self.shard})" if self.shard else ""
        self.say(
            f"{self.folder}: {len(jobs)} cases{of}, {len(jobs) - len(todo)} already there, {len(todo)} to run, "
            f"{len(self.plan.left_out)} skipped (reasons in the report); "
            f"{workers} side by side, time cases interleaved"
        )
        self._bar.start(len(jobs) - len(todo), len(jobs))
        if todo and not cluster:
            prepare_forkserver(self.engines[0])
        if any(job.case.kind == "time" for job in todo):
            # Now, while nothing else of this run is on the machine.
            self._run.note_ceilings(*(cluster.ceilings() if cluster else measure_ceilings(self.engines, self.device)))
        if cluster:
            cluster.run(todo, self._ended)
            self._scheduler = cluster
            return
        # Shared by all runs on this machine: what was compiled for one case serves every case of the same shapes.
        cache = self.folder.parent / ".compiled" / self._run.compiler_key
        limits = replace(self.preset.limits, together=self._run.together(self.preset.limits.together))
        self._scheduler = Scheduler(
            todo,
            limits,
            self.folder / "logs",
            cache,
            self._ended,
            self.say,
            turns=lambda: self._take_turns(limits.together),
        )

    def _connected(self, jobs: list[Job]) -> "Cluster":
        """The cluster, whose workers are then as many as a run on one machine has."""
        # Here, so that a run on one machine never loads what a cluster needs.
        from bench.run.cluster import Cluster  # noqa: PLC0415

        cluster = Cluster(
            self.cluster_at,
            jobs,
            self.preset.limits,
            self.say,
            engines=self.engines,
            device=self.device,
            series=self.preset.series.prepared if self.preset.series else None,
        )
        self.preset = replace(self.preset, limits=replace(self.preset.limits, workers=cluster.slots))
        return cluster

    def _accelerators(self) -> list[str]:
        """GPUs of this run as the first engine that uses one names them.

        Where all of it is to run on a GPU, every engine must see some.
        """
        if self.device != "gpu":
            return self._accelerators_of_configurations()
        # At once, since each takes the seconds that its framework takes to import.
        with ThreadPoolExecutor() as pool:
            seen = dict(zip(self.engines, pool.map(host.accelerators, self.engines), strict=True))
        for name, found in seen.items():
            if not found:
                raise PlanError(host.why_no_gpu(name, self.engines))
        return seen[self.engines[0]]

    def _accelerators_of_configurations(self) -> list[str]:
        """GPUs that a configuration of this run uses."""
        engines = [job.case.engine for job in self.plan.jobs if job.case.device == "gpu"]
        return host.accelerators(engines[0]) if engines else []

    def ended(self, key: str) -> Ended:
        """Return what a case's record says, running it and what comes before it if need be."""
        assert self._scheduler is not None
        if key in self._waiting:
            self._scheduler.run_until(key)
        return self._run.records[key]

    @property
    def opened(self) -> bool:
        """Whether the folder is this run's, so that there is something to render."""
        return self._scheduler is not None

    def close(self, ended: Literal["done", "interrupted"]) -> None:
        """Stop what still runs and note when and how this ended: "done" or "interrupted"."""
        self._bar.stop()
        if self._scheduler is not None:
            self._scheduler.stop()
            self._run.close(time.perf_counter() - self._begin, ended)

    def _take_turns(self, together: int) -> None:
        self._run.note_turns(together)
        if together < self.preset.limits.together:
            self.say(f"cut off again and again among time cases: at most {together} of them take turns")

    def _ended(self, record: Record) -> None:
        style = RED if record.outcome != "ok" else YELLOW if record.warnings else ""
        with INTERRUPTS.held():
            self._run.append(record)
            self._waiting.discard(record.key)
            self._bar.ended(self._progress.line(record), style, self._progress.left)


SESSION: pytest.StashKey[Session] = pytest.StashKey()
"""Where the session of running cases is found in pytest's."""

LIMIT_S = 120.0
"""Far more than the few seconds that it takes: beyond it something hangs, and the run goes on without ceilings."""


def measure_ceilings(engines: Sequence[str], device: str) -> tuple[dict[str, Any] | None, str | None]:
    """Ceilings by name, and the engine that they were measured with: the first that brings operations for it.

    None and None where no engine does, or they could not be measured, which loses no case.
    """
    for engine in engines:
        found = _ceilings_with(engine, device)
        if found is not None:
            return found, engine
    return None, None


def _ceilings_with(engine: str, device: str) -> dict[str, Any] | None:
    context = context_for(engine)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure_ceilings, args=(sender, engine, device), daemon=True)
    process.start()
    sender.close()
    try:
        found: dict[str, Any] | None = receiver.recv() if receiver.poll(LIMIT_S) else None
    except EOFError:
        found = None
    finally:
        process.kill()
        process.join()
        receiver.close()
    return found


def _measure_ceilings(sender: Connection, name: str, device: str) -> None:
    end_with_parent()
    # What the framework prints while it starts would stand between the run's own lines.
    talk_to(Path(os.devnull))
    # Not at the top: this import brings the framework, which the process that watches must not load.
    from bench import engines  # noqa: PLC0415

    engine = engines.create(name)
    engine.configure(threads=None, device=device, cache=None, short_loops=False)
    sender.send(ceilings.to_dict(ceilings.measure(engine, device)))
