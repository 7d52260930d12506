"""Reads results/<run>/ whole or in part: what cannot be read is named and skipped, the rest is used.

What the run itself spent is here as well.
"""

import json
import lzma
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tasks
from bench.case.cases import Case
from bench.run.store import SERIES_FILE
from reports.collect.records import Record
from tasks.csv_series.series import CsvSeries, Prepared
from tasks.task import TaskError

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1
RECORDS, COMPRESSED = "records.jsonl", "records.jsonl.xz"


class RunNotReadableError(RuntimeError):
    """A run folder is missing, or was written by a version this one does not know."""


@dataclass(frozen=True)
class Problem:
    """A line that was not used as it stood."""

    file: str
    line: int
    why: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.why}"


@dataclass(frozen=True)
class Run:
    """A run as it lies on disk.

    Attributes
    ----------
    about
        run.json; {} where it is missing or torn.
    records
        One a key, the last written wins.
    unreadable, repeated
        Lines that were skipped, and keys that came more than once.
    """

    folder: Path
    about: dict[str, Any]
    records: tuple[Record, ...]
    unreadable: tuple[Problem, ...] = ()
    repeated: tuple[Problem, ...] = ()
    plan: tuple[Case, ...] = field(default=())

    @property
    def name(self) -> str:
        """Name of the run."""
        return str(self.about.get("run") or self.folder.name)

    @property
    def family(self) -> tuple[tuple[str, str], ...]:
        """Keys (stateful, stateless) of the comparisons declared before the run; () where run.json names none."""
        return tuple((str(stateful), str(stateless)) for stateful, stateless in self.about.get("family") or ())

    @property
    def missing(self) -> tuple[str, ...]:
        """Keys of the plan without a record."""
        there = {record.key for record in self.records}
        return tuple(case.key for case in self.plan if case.key not in there)

    def of_kind(self, kind: str) -> list[Record]:
        """Return the records of one kind that ended well, in order of key."""
        return sorted((r for r in self.records if r.case.kind == kind and r.body), key=lambda r: r.key)

    def frame(self, kind: str) -> "pd.DataFrame":
        """One row a record of that kind: the case's fields, the outcome, and the body's plain values."""
        import pandas as pd  # noqa: PLC0415  (rendering needs no frame, and the import takes half a second)

        plain = (int, float, str, bool, type(None))
        return pd.DataFrame(
            [
                r.case.to_dict()
                | {"outcome": r.outcome}
                | {name: value for name, value in r.body.items() if isinstance(value, plain)}
                for r in self.records
                if r.case.kind == kind
            ]
        )


def read(folder: Path) -> Run:
    """Read a run.

    Raises
    ------
    RunNotReadableError
        If the folder holds no records, or records of another schema.
    """
    records_file = folder / RECORDS
    problems: list[Problem] = []
    repeated: list[Problem] = []
    about = _read_about(folder / "run.json", problems)
    records: dict[str, Record] = {}
    for number, line in enumerate(lines(folder), start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line.decode("utf-8"))
            if not isinstance(values, dict):
                raise TypeError(f"a {type(values).__name__} where a record was expected")  # noqa: TRY301
            _check_schema(values, records_file, number)
            record = Record.from_dict(values)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            problems.append(Problem(records_file.name, number, _why(error)))
            continue
        if record.key in records:
            repeated.append(Problem(records_file.name, number, f"{record.key} again; this line is used"))
        records[record.key] = record
    _know_own_series(folder / SERIES_FILE, problems)
    return Run(folder, about, tuple(records.values()), tuple(problems), tuple(repeated), _plan(about))


def lines(folder: Path) -> list[bytes]:
    """Return the lines of a run's records, plain or compressed.

    Raises
    ------
    RunNotReadableError
        If the folder holds neither, or what is compressed cannot be read.
    """
    if (folder / RECORDS).is_file():
        return (folder / RECORDS).read_bytes().split(b"\n")
    try:
        return lzma.decompress((folder / COMPRESSED).read_bytes()).split(b"\n")
    except OSError as error:
        raise RunNotReadableError(_no_run(folder)) from error
    except lzma.LZMAError as error:
        raise RunNotReadableError(f"{folder / COMPRESSED} is torn: {error}. Copy it again.") from error


def _know_own_series(file: Path, problems: list[Problem]) -> None:
    """A user's own series travels with its run; without it the report lacks its description only."""
    if file.is_file():
        try:
            tasks.add(CsvSeries(Prepared.load(file)))
        except TaskError as error:
            problems.append(Problem(file.name, 0, str(error)))


def _read_about(file: Path, problems: list[Problem]) -> dict[str, Any]:
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        problems.append(Problem(file.name, 0, "missing, so plan, machine and versions are unknown"))
        return {}
    except ValueError as error:
        problems.append(Problem(file.name, getattr(error, "lineno", 0), _why(error)))
        return {}
    if not isinstance(about, dict):
        problems.append(Problem(file.name, 1, f"a {type(about).__name__} where an object was expected"))
        return {}
    _check_schema(about, file, 1)
    return about


def _check_schema(values: dict[str, Any], file: Path, line: int) -> None:
    if values.get("schema") != SCHEMA:
        raise RunNotReadableError(
            f"{file}, line {line}: schema {values.get('schema')!r}, but this version reads {SCHEMA} only. "
            "Render the run with the version that wrote it (run.json: versions), or run it again."
        )


def _plan(about: dict[str, Any]) -> tuple[Case, ...]:
    return tuple(Case.from_dict(one) for one in about.get("plan") or ())


def _why(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"no UTF-8 text (byte {error.start})"
    if isinstance(error, json.JSONDecodeError):
        return f"no whole JSON object ({error.msg.lower()}, column {error.colno}); perhaps cut off in writing"
    if isinstance(error, KeyError):
        return f"field {error.args[0]!r} is missing"
    return str(error)


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
        parts = [f"{self.cases} cases, {self.trainings} trainings"]
        if self.wall_seconds and self.trainings_per_second is not None:
            parts.append(f"{self.wall_seconds:.0f} s of wall time, {self.trainings_per_second:.1f} trainings a second")
        if self.measuring_share is not None:
            parts.append(f"{self.measuring_share:.0%} of the processes' time was training or measuring")
        return "; ".join(parts)


def effort(run: Run) -> Effort:
    """Sum what the records and the invocations say."""
    invocations: list[dict[str, Any]] = run.about.get("invocations") or []
    walls = [wall for wall in map(_wall, invocations) if wall is not None]
    commands = [_text(one.get("command")) for one in invocations]
    return Effort(
        trainings=sum(len(r.convergence.replicates) for r in run.records if r.convergence is not None),
        cases=len(run.records),
        wall_seconds=sum(walls) if walls else None,
        process_seconds=sum(r.seconds.get("total", 0.0) for r in run.records),
        by_stage={
            stage: sum(r.seconds.get(stage, 0.0) for r in run.records if stage not in _stages_measured(r))
            for stage in STAGES
        },
        measuring_seconds=sum(map(_measuring, run.records)),
        commands=tuple(dict.fromkeys(filter(None, commands))),
    )


def _stages_measured(record: Record) -> tuple[str, ...]:
    """Stages of a record that are training or measuring."""
    return ("train", "evaluate") if record.case.kind == "convergence" else ("train", "evaluate", "compile")


def _measuring(record: Record) -> float:
    return sum(record.seconds.get(stage, 0.0) for stage in _stages_measured(record))


def _wall(invocation: dict[str, Any]) -> float | None:
    if invocation.get("wall_seconds") is not None:
        return float(invocation["wall_seconds"])
    try:
        start, end = (datetime.fromisoformat(invocation[name]) for name in ("started", "finished"))
    except (KeyError, TypeError, ValueError):
        return None
    return (end - start).total_seconds()


def _text(command: Any) -> str:
    return " ".join(map(str, command)) if isinstance(command, list) else str(command or "")
