"""Reads results/<run>/ whole or in part: what cannot be read is named and skipped, the rest is used.

What the run itself spent is here as well.
"""

import gc
import lzma
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from msgspec.structs import force_setattr

import tasks
from bench.case.agreement import contradictions, facts
from bench.case.cases import KINDS, Case
from bench.case.checked import SCHEMA, FaultError, OtherSchemaError, decode
from bench.case.record import Asked, Record
from bench.case.run_record import Invocation, Machine, OwnSeries, Refused, RunRecord, Shards
from bench.run.store import SERIES_FILE
from reports.commands import ReportError
from reports.formatting import count
from tasks.csv_series.series import CsvSeries, Prepared
from tasks.task import TaskError

RECORDS, COMPRESSED = "records.jsonl", "records.jsonl.xz"


class RunNotReadableError(ReportError):
    """A run folder is missing, or was written by a version this one does not know."""


@dataclass(frozen=True)
class Problem:
    """A line that was not used as it stood."""

    file: str
    line: int
    why: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.why}"


@dataclass(frozen=True, eq=False)
class Run:
    """A run as it lies on disk.

    Attributes
    ----------
    about
        run.json; None where it is missing.
    records
        One a key, the last written wins.
    unreadable, repeated
        Lines that were skipped, and keys that came more than once.
    """

    folder: Path
    about: RunRecord | None
    records: tuple[Record, ...]
    unreadable: tuple[Problem, ...] = ()
    repeated: tuple[Problem, ...] = ()

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.about.run if self.about else self.folder.resolve().name

    @property
    def family(self) -> tuple[tuple[str, str], ...]:
        """Keys (stateful, stateless) of the comparisons declared before the run; () where run.json names none."""
        return tuple(self.about.family) if self.about else ()

    @property
    def plan(self) -> list[Case]:
        """Every case that was planned."""
        return self.about.plan if self.about else []

    @cached_property
    def planned(self) -> dict[str, Case]:
        """The same by their keys."""
        return {case.key: case for case in self.plan}

    @property
    def refused(self) -> list[Refused]:
        """Combinations that were left out on purpose."""
        return self.about.refused if self.about else []

    @property
    def configurations(self) -> list[Asked]:
        """Ways of running its cases; [] for the usual one alone."""
        return self.about.configurations if self.about else []

    @property
    def invocations(self) -> list[Invocation]:
        """Each time that the run was started."""
        return self.about.invocations if self.about else []

    @property
    def series(self) -> OwnSeries | None:
        """The user's own series that it is about."""
        return self.about.series if self.about else None

    @property
    def machine(self) -> Machine | None:
        """Where it ran."""
        return self.about.machine if self.about else None

    @property
    def versions(self) -> dict[str, str]:
        """Of what was installed."""
        return self.about.versions if self.about else {}

    @property
    def shards(self) -> Shards | None:
        """Which shards of its plan it has; None for the whole plan."""
        return self.about.shards if self.about else None

    @property
    def missing(self) -> tuple[str, ...]:
        """Keys of the plan, or of the shards of it that are here, without a record."""
        there = {record.key for record in self.records}
        here = [one in self.shards.here for one in self.shards.shard_of] if self.shards else [True] * len(self.plan)
        return tuple(key for key, is_here in zip(self.planned, here, strict=True) if is_here and key not in there)

    @property
    def missing_shards(self) -> dict[int, int]:
        """Numbers of the shards that are not here, and how many cases each has."""
        if self.shards is None:
            return {}
        counts = Counter(self.shards.shard_of)
        return {one: counts[one] for one in range(1, self.shards.of + 1) if one not in self.shards.here}

    def of_kind(self, kind: str) -> list[Record]:
        """Return the records of one kind that ended well, in order of key."""
        return self._by_kind[kind]

    @cached_property
    def _by_kind(self) -> dict[str, list[Record]]:
        ended_well: dict[str, list[Record]] = {kind: [] for kind in KINDS}
        for record in sorted(self.records, key=lambda one: one.key):
            if record.body is not None:
                ended_well[record.case.kind].append(record)
        return ended_well


def read(folder: Path) -> Run:
    """Read a run.

    Raises
    ------
    RunNotReadableError
        If the folder holds no records, records of another schema, or a run.json that cannot be.
    """
    problems: list[Problem] = []
    repeated: list[Problem] = []
    about = _read_about(folder, problems)
    records: dict[str, Record] = {}
    line_of: dict[str, int] = {}
    slim = Slim(about.plan if about else ())
    with no_collection():
        for number, line in enumerate(lines(folder), start=1):
            if not line.strip():
                continue
            try:
                record = decode(line, Record)
            except OtherSchemaError as error:
                raise RunNotReadableError(_other_schema(folder / RECORDS, number, error)) from error
            except FaultError as error:
                problems.append(_left_out(number, error))
                continue
            if record.key in records:
                repeated.append(Problem(RECORDS, number, f"{record.key} again; this line is used"))
            records[record.key] = slim(record)
            line_of[record.key] = number
        for key, fault in contradictions((one.case.kind, key, facts(one)) for key, one in records.items()).items():
            del records[key]
            problems.append(_left_out(line_of[key], fault))
    _know_own_series(folder / SERIES_FILE, problems)
    return Run(folder, about, tuple(records.values()), tuple(problems), tuple(repeated))


def _left_out(line: int, error: FaultError) -> Problem:
    return Problem(RECORDS, line, f"{error}; left out, and its case runs again if the run goes on")


@contextmanager
def no_collection() -> Iterator[None]:
    """Make many lasting objects without looking for garbage among them again and again: a third of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


class Slim:
    """Takes from records, once they were checked, what they hold several times over: ten times their memory.

    Lists of numbers become arrays, which count and iterate as lists do; what equals an earlier record's is that
    record's, as are all empty lists.
    """

    def __init__(self, plan: Iterable[Case] = ()) -> None:
        self._nothing: list[Any] = []
        self._known: dict[Any, Any] = {list: self._nothing}
        self._planned = {case.key: case for case in plan}

    def __call__(self, record: Record) -> Record:
        """Return the same record, slimmed in place."""
        known = self._known.setdefault
        planned = self._planned.get(record.key)
        if planned == record.case:
            force_setattr(record, "case", planned)
        force_setattr(record, "training", known(record.training, record.training))
        self._pack(record, "warnings")
        found = record.convergence
        if found is not None:
            self._pack(found, "seconds_per_update", "evaluated_otherwise", "tuning")
            for name in ("learning_rates", "baselines", "evidence"):
                values = getattr(found, name)
                force_setattr(found, name, known((name, str(values)), values))
            for one in found.replicates:
                force_setattr(one, "updates", known(tuple(one.updates), one.updates))
                force_setattr(one, "learning_rate", known(one.learning_rate, one.learning_rate))
                force_setattr(one, "error", _packed(one.error))
                # Named one by one: most are empty, and there are a dozen replicates a record.
                force_setattr(one, "loss", _packed(one.loss) if one.loss else self._nothing)
                force_setattr(one, "accuracy", _packed(one.accuracy) if one.accuracy else self._nothing)
        return record

    def _pack(self, part: Any, *names: str) -> None:
        for name in names:
            values = getattr(part, name)
            if not values:
                force_setattr(part, name, self._known.setdefault(type(values), values))
            elif isinstance(values, dict):
                force_setattr(part, name, {key: _packed(one) for key, one in values.items()})
            else:
                force_setattr(part, name, _packed(values))


def _packed(values: list[Any]) -> Any:
    try:
        return array("d", values)
    except TypeError:  # holds something else than numbers
        return values


def lines(folder: Path) -> Iterator[bytes]:
    """The lines of a run's records, plain or compressed, one at a time.

    Raises
    ------
    RunNotReadableError
        If the folder holds neither, or what is compressed cannot be read.
    """
    plain, compressed = folder / RECORDS, folder / COMPRESSED
    try:
        with plain.open("rb") if plain.is_file() else lzma.open(compressed) as file:
            yield from file
    except FileNotFoundError as error:
        raise RunNotReadableError(_no_run(folder)) from error
    except (lzma.LZMAError, EOFError) as error:
        raise RunNotReadableError(f"{compressed} is torn: {error}. Copy it again.") from error
    except OSError as error:
        raise RunNotReadableError(f"the records of {folder} cannot be read: {error}") from error


def _know_own_series(file: Path, problems: list[Problem]) -> None:
    """A user's own series travels with its run; without it the report lacks its description only."""
    if file.is_file():
        try:
            tasks.add(CsvSeries(Prepared.load(file)))
        except TaskError as error:
            problems.append(Problem(file.name, 0, str(error)))


def _read_about(folder: Path, problems: list[Problem]) -> RunRecord | None:
    file = folder / "run.json"
    try:
        return decode(file.read_bytes(), RunRecord)
    except FileNotFoundError:
        problems.append(Problem(file.name, 0, "missing, so plan, machine and versions are unknown"))
        return None
    except OSError as error:
        raise RunNotReadableError(f"{file} cannot be read: {error}") from error
    except OtherSchemaError as error:
        raise RunNotReadableError(_other_schema(file, 1, error)) from error
    except FaultError as error:
        raise RunNotReadableError(
            f"{file}: {error}. What was declared before the run stands there, and verdicts rest on it: restore "
            "the file, or remove it to have the records rendered without it."
        ) from error


def _other_schema(file: Path, line: int, error: OtherSchemaError) -> str:
    return (
        f"{file}, line {line}: {error}, but this version reads {SCHEMA} only. "
        "Render the run with the version that wrote it (run.json: versions), or run it again."
    )


def _no_run(folder: Path) -> str:
    near = sorted(
        file.parent.name for root in {folder, folder.parent} if root.is_dir() for file in root.glob("*/records.jsonl")
    )
    known = f"Runs nearby: {', '.join(near)}." if near else "There is no run nearby; `make bench` makes one."
    return f"{folder} holds no records.jsonl. {known}"


STAGES = ("start", "prepare", "compile")


@dataclass(frozen=True)
class Effort:
    """Attributes are None where run.json or the records do not tell.

    Attributes
    ----------
    trainings
        Replicates of all convergence records, tuning included.
    wall_seconds
        Sum over the invocations that say when they ended.
    process_seconds
        Sum of the records' `seconds`; processes that ran side by side count each.
    by_stage
        What of it was neither training nor measuring.
    measuring_seconds
        What of it was training or measuring: `train` and `evaluate`, and of time and memory cases `compile` as well,
        since what compiling costs is part of what they measure.
    """

    trainings: int
    cases: int
    wall_seconds: float | None
    process_seconds: float
    by_stage: dict[str, float]
    measuring_seconds: float
    commands: tuple[str, ...]

    @property
    def trainings_per_second(self) -> float | None:
        """Of wall time."""
        return self.trainings / self.wall_seconds if self.wall_seconds else None

    @property
    def measuring_share(self) -> float | None:
        """Share of the processes' time that was training (with the evaluation inside) or measuring."""
        return self.measuring_seconds / self.process_seconds if self.process_seconds else None

    @property
    def line(self) -> str:
        """One line for the terminal."""
        parts = [f"{count(self.cases, 'case')}, {count(self.trainings, 'training')}"]
        if self.wall_seconds and self.trainings_per_second is not None:
            parts.append(f"{self.wall_seconds:.0f} s of wall time, {self.trainings_per_second:.1f} trainings a second")
        if self.measuring_share is not None:
            parts.append(f"{self.measuring_share:.0%} of the processes' time was training or measuring")
        return "; ".join(parts)


def effort(run: Run) -> Effort:
    """Sum what the records and the invocations say."""
    walls = [wall for wall in map(_wall, run.invocations) if wall is not None]
    return Effort(
        trainings=sum(len(r.convergence.replicates) for r in run.records if r.convergence is not None),
        cases=len(run.records),
        wall_seconds=sum(walls) if walls else None,
        process_seconds=sum(r.seconds.total for r in run.records),
        by_stage={
            stage: sum(getattr(r.seconds, stage) or 0.0 for r in run.records if stage not in _stages_measured(r))
            for stage in STAGES
        },
        measuring_seconds=sum(map(_measuring, run.records)),
        commands=tuple(dict.fromkeys(one.command for one in run.invocations if one.command)),
    )


def _stages_measured(record: Record) -> tuple[str, ...]:
    """Stages of a record that are training or measuring."""
    return ("train", "evaluate") if record.case.kind == "convergence" else ("train", "evaluate", "compile")


def _measuring(record: Record) -> float:
    return sum(getattr(record.seconds, stage) or 0.0 for stage in _stages_measured(record))


def _wall(invocation: Invocation) -> float | None:
    if invocation.wall_seconds is not None or invocation.finished is None:
        return invocation.wall_seconds
    start, end = (datetime.fromisoformat(time) for time in (invocation.started, invocation.finished))
    return (end - start).total_seconds()
