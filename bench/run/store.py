"""The folder of a run: what is on disk, and whether this run may go on in it."""

import fcntl
import os
import re
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from bench import engines
from bench.case.agreement import Facts, contradictions, facts
from bench.case.cases import Case
from bench.case.checked import SCHEMA, FaultError, OtherSchemaError, decode, encode
from bench.case.record import Git, Outcome, Record, asked_of
from bench.case.run_record import (
    Ceiling,
    Invocation,
    Limits,
    Machine,
    OwnSeries,
    PresetRead,
    Refused,
    RunRecord,
    Shards,
    Turns,
    fingerprint,
)
from bench.errors import PlanError, RunFolderError, shown
from bench.machine import host as machines
from bench.plan.planning import Plan
from bench.plan.presets import Preset, differences
from bench.plan.shards import Shard

SERIES_FILE = "series.npz"
"""The user's own series as prepared: its report is rendered from it, without the file that it came from."""

FRAMEWORKS = ("tensorflow", "jax", "jaxlib", "torch", "keras", "numpy")
"""Packages whose versions may not change within a run."""


class Ended(NamedTuple):
    """What a run needs of a record that is on disk; ten thousand whole ones, with their curves, take gigabytes.

    Attributes
    ----------
    seconds_per_update
        Of a time case that ended well; () of others.
    """

    case: Case
    outcome: Outcome
    message: str | None
    seconds_per_update: tuple[float, ...]

    @classmethod
    def of(cls, record: Record) -> "Ended":
        """What is needed of this one."""
        times = tuple(record.time.seconds_per_update) if record.time else ()
        return cls(record.case, record.outcome, record.message, times)


class RunFolder:
    """``results/<run>/``: opened for one plan on one machine, appended to a record at a time.

    Attributes
    ----------
    records
        What is on disk, by key.
    torn
        A line for each that cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records: dict[str, Ended] = {}
        self.torn: list[str] = []
        self.about: RunRecord
        self.series: Path | None = None
        self._cases_run = 0

    def open(
        self,
        preset: Preset,
        plan: Plan,
        machine: dict[str, Any],
        root: Path,
        command: str,
        shards: Shards | None = None,
    ) -> None:
        """Begin the run, or continue it where it stopped.

        Parameters
        ----------
        shards
            Which shard of the plan it is; None for the whole plan.

        Raises
        ------
        RunFolderError
            If the folder belongs to another plan or another machine, or is not a run's folder.
        """
        file = self.path / "run.json"
        prepared = preset.series.prepared if preset.series else None
        fresh = RunRecord(
            schema=SCHEMA,
            run=self.path.name,
            preset=PresetRead(
                name=preset.name,
                path=preset.path.name,
                sha256=preset.sha256,
                description=preset.description,
                settings=preset.settings,
                limits=msgspec.convert(preset.limits, Limits, from_attributes=True),
            ),
            plan=[job.case for job in plan.jobs],
            plan_sha256=plan.sha256,
            family=plan.family,
            family_sha256=fingerprint(plan.family),
            configurations=[asked_of(one) for one in plan.configurations],
            shards=shards,
            data=plan.data,
            refused=[Refused(case=case, reason=reason) for case, reason in plan.left_out],
            series=msgspec.convert(prepared.about | {"content": prepared.sha256}, OwnSeries) if prepared else None,
            machine=msgspec.convert(machine, Machine),
            machine_sha256=machines.fixed_sha256(machine),
            machine_class_sha256=machines.class_sha256(machine),
            versions=machines.versions(),
            invocations=[],
        )
        if file.exists():
            self.about = self._check(file, fresh)
        else:
            own = {"run.json.part", ".lock", SERIES_FILE, f"{SERIES_FILE}.part"}
            if self.path.exists() and any(f.name not in own for f in self.path.iterdir()):
                raise RunFolderError(
                    f"{self.path} holds files but no run.json, so it is no run's folder. "
                    "Choose another name with RUN=..., or empty it."
                )
            self.path.mkdir(parents=True, exist_ok=True)
            self.about = fresh
        if preset.series:
            self.series = (self.path / SERIES_FILE).absolute()
            if not self.series.exists() or not file.exists():  # one without run.json may be of an earlier attempt
                preset.series.prepared.save(self.series)
        self._read_records()
        self._close_killed()
        self._begin(
            Invocation(
                started=now(),
                finished=None,
                command=command,
                git=msgspec.convert(machines.git_state(root), Git | None),
                workers=preset.limits.workers or machines.usable_cores(),
                load_before=os.getloadavg()[0],
                wall_seconds=None,
                cases_run=0,
                records_bytes=self._records_bytes(),
            )
        )

    def lock(self) -> None:
        """Keep a second invocation out; the lock goes with this process, however it ends.

        Raises
        ------
        RunFolderError
            If another process holds it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        file = os.open(self.path / ".lock", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(file)
            raise RunFolderError(
                f"another process is running {self.path}. Wait for it, or choose another name with RUN=..."
            ) from error

    @property
    def compiler_key(self) -> str:
        """Name for what was compiled here: code for one machine and one version of a compiler fits no other."""
        return compiler_key(self.about.machine_sha256)

    def append(self, record: Record) -> None:
        """Put a record on disk, whole, before anything else happens."""
        append(self.path / "records.jsonl", encode(record) + b"\n")
        self.records[record.key] = Ended.of(record)
        # Not in `about`, which looks at its whole plan whenever it is changed.
        self._cases_run += 1

    def note_ceilings(self, ceilings: dict[str, Any] | None, engine: str | None) -> None:
        """Note what this machine reached at best when this invocation began, and with which engine.

        None and None where no engine of the run brings operations for it.
        """
        self._amend(ceilings=msgspec.convert(ceilings, dict[str, Ceiling] | None), ceilings_engine=engine)
        self._write_about()

    def note_turns(self, together: int) -> None:
        """Note that time cases begin, and how many take turns."""
        self._amend(turns=Turns(together=together, time_records=self._time_records()))
        self._write_about()

    def together(self, most: int) -> int:
        """How many time cases take turns: half as many as before each time that twice in a row none came to its end.

        A group's records come when its last member has enough, which is too late where runs are cut off all the time.
        """
        before = [one for one in self.about.invocations[:-1] if one.turns]
        turns = [one.turns for one in before if one.turns]
        if not turns or before[-1].ended == "done":
            return most
        in_vain = takewhile(lambda one: one.time_records == self._time_records(), reversed(turns))
        last = min(most, turns[-1].together)
        return max(1, last // 2) if len(list(in_vain)) >= 2 else last

    def _time_records(self) -> int:
        return sum(record.case.kind == "time" for record in self.records.values())

    def _records_bytes(self) -> int:
        file = self.path / "records.jsonl"
        return file.stat().st_size if file.exists() else 0

    def _close_killed(self) -> None:
        """Say of an invocation that could not say so itself how it ended, and what it had done until then."""
        if not self.about.invocations:
            return
        last = self.about.invocations[-1]
        if last.finished is not None or last.records_bytes is None:
            return
        found: dict[str, Any] = {"ended": "killed"}
        file = self.path / "records.jsonl"
        if self._records_bytes() > last.records_bytes:
            with file.open("rb") as records:
                records.seek(last.records_bytes)
                found["cases_run"] = sum(1 for line in records if line.strip())
            end = datetime.fromtimestamp(file.stat().st_mtime, UTC)
            found["wall_seconds"] = max(0.0, (end - datetime.fromisoformat(last.started)).total_seconds())
        self._amend(**found)

    def close(self, wall_seconds: float, ended: str) -> None:
        """Note when and how this invocation ended, and how long it took."""
        self._amend(finished=now(), wall_seconds=wall_seconds, ended=ended)
        self._write_about()

    def _begin(self, invocation: Invocation) -> None:
        self.about = replace(self.about, invocations=[*self.about.invocations, invocation])
        self._write_about()

    def _amend(self, **changes: Any) -> None:
        """Change what is noted of this invocation."""
        *before, this = self.about.invocations
        self.about = replace(self.about, invocations=[*before, replace(this, **changes)])

    def _check(self, file: Path, fresh: RunRecord) -> RunRecord:
        remedy = f"Choose another name with RUN=..., or remove {self.path}."
        try:
            about = decode(file.read_bytes(), RunRecord)
        except OtherSchemaError as error:
            raise RunFolderError(f"{file} has {error}, this version writes {SCHEMA}. {remedy}") from error
        except FaultError as error:
            raise RunFolderError(f"{file} cannot be read: {error}. {remedy}") from error
        ours, theirs = about.series, fresh.series
        if (ours and ours.content) != (theirs and theirs.content):
            raise RunFolderError(
                f"{self.path} holds another series: {_series_name(ours)}, not {_series_name(theirs)}. {remedy}"
            )
        stale = [name for name, found in fresh.data.items() if about.data.get(name, found) != found]
        if stale:
            raise RunFolderError(
                f"{self.path} was measured on other data of {', '.join(stale)}: the task's series has changed since. "
                f"{remedy}"
            )
        if about.plan_sha256 != fresh.plan_sha256:
            what = differences(about.preset.settings, fresh.preset.settings)
            raise RunFolderError(
                f"{self.path} belongs to another plan: preset {about.preset.name!r} with {len(about.plan)} "
                f"cases, not {fresh.preset.name!r} with {len(fresh.plan)}"
                f"{f' ({what})' if what else ' (or another engine or version)'}. {remedy}"
            )
        if (about.plan, about.family) != (fresh.plan, fresh.family):
            # Bytes cut out can leave whole JSON with a case less.
            raise RunFolderError(f"{file} cannot be read: plan and family are not those of plan_sha256. {remedy}")
        if about.shards != fresh.shards:
            raise RunFolderError(
                f"{self.path} holds {_shards_named(about.shards)}, not {_shards_named(fresh.shards)}. {remedy}"
            )
        other = machines.differing(about.versions, fresh.versions, FRAMEWORKS)
        if other:
            changed = [f"{name} was {was} and is {now_is}" for name, was, now_is in other]
            raise RunFolderError(f"{self.path} was begun with other versions: {'; '.join(changed)}. {remedy}")
        if about.machine_sha256 != fresh.machine_sha256:
            was, now_is = msgspec.structs.asdict(about.machine), msgspec.structs.asdict(fresh.machine)
            differ = [
                f"{name} was {was[name]!r} and is {now_is[name]!r}"
                for name in machines.FIXED
                if was[name] != now_is[name]
            ]
            raise RunFolderError(
                f"{self.path} belongs to another machine: {'; '.join(differ)}. Figures of two machines are never "
                f"mixed. {remedy}"
            )
        return about

    def _read_records(self) -> None:
        file = self.path / "records.jsonl"
        if not file.exists():
            return
        if not file.is_file():
            raise RunFolderError(f"{file} is no file. Choose another name with RUN=..., or remove {self.path}.")
        raw = file.read_bytes()
        told: dict[str, tuple[int, str, Facts]] = {}
        for number, line in enumerate(raw.split(b"\n"), 1):
            if not line.strip():
                continue
            try:
                record = decode(line, Record)
            except OtherSchemaError as error:
                raise RunFolderError(
                    f"{file}, line {number} has {error}, this version writes {SCHEMA}. Choose another name with "
                    f"RUN=..., or remove {self.path}."
                ) from error
            except FaultError as error:
                self._not_used(number, error)
                continue
            self.records[record.key] = Ended.of(record)
            told[record.key] = number, record.case.kind, facts(record)
        for key, fault in contradictions((kind, key, known) for key, (_, kind, known) in told.items()).items():
            del self.records[key]
            self._not_used(told[key][0], fault)
        if raw and not raw.endswith(b"\n"):
            # A torn last line would swallow the next record.
            with file.open("ab") as end:
                end.write(b"\n")

    def _not_used(self, line: int, error: FaultError) -> None:
        """What a report could not use is not done."""
        file = self.path / "records.jsonl"
        self.torn.append(f"{file}:{line}: unreadable line skipped ({error}); its case runs again")

    def _write_about(self) -> None:
        self._amend(cases_run=self._cases_run)
        file = self.path / "run.json"
        draft = file.with_suffix(".json.part")
        with draft.open("wb") as stream:
            stream.write(encode(self.about, indent=1))
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(file)


def append(path: Path, lines: bytes) -> None:
    """Put whole lines at a file's end and on disk; none of them where there is no room for all."""
    with path.open("ab", buffering=0) as file:
        whole = file.tell()
        try:
            while lines:
                lines = lines[file.write(lines) :]
            os.fsync(file.fileno())
        except OSError as error:
            # What there is of a line would swallow the next.
            file.truncate(whole)
            raise OSError(error.errno, error.strerror, str(path)) from error


def compiler_key(machine_sha256: str) -> str:
    """Name for what was compiled on a machine, by its fingerprint, with the compilers that are installed."""
    versions = machines.versions()
    return "-".join([machine_sha256[:12], *(versions[one] for one in ("tensorflow", "jaxlib") if one in versions)])


def _shards_named(shards: Shards | None) -> str:
    return f"shard {', '.join(map(str, shards.here))} of {shards.of}" if shards else "the whole plan"


def _series_name(about: OwnSeries | None) -> str:
    return f"{about.column!r} of {about.file} ({about.content[:12]})" if about else "none of a user's own"


def now() -> str:
    """The time as records hold it: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


RUN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")


def checked_name(name: str) -> str:
    """Return a name that a user chose.

    Raises
    ------
    bench.errors.PlanError
        If it is not the name of a folder.
    """
    if not RUN_NAME.fullmatch(name):
        raise PlanError(
            f"run name {shown(name)} must be letters, digits, '.', '_' and '-', at most 100, and begin with a letter, "
            "a digit or '_'"
        )
    return name


def shard_name(name: str, shard: Shard | None) -> str:
    """Name of the run that is a shard of the run `name`: those of one run lie next to each other."""
    return name if shard is None else f"{name}-{shard.number}-of-{shard.of}"


def usual_name(what: str, names: tuple[str, ...], device: str) -> str:
    """Name of a run that was given none, so that the same command continues it.

    Parameters
    ----------
    what
        A preset's name or path, or the path of a user's own series; what no name may have becomes "_".
    names, device
        Engines and device; all but TensorFlow on a CPU have an environment of their own, and runs of their own.
    """
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(what).stem)[:60]
    own = sorted(name for name in names if engines.ENGINES[name].needs)
    ends = [*(["gpu"] if device == "gpu" else []), *(own if own != ["tensorflow"] else [])]
    return "-".join([stem if RUN_NAME.fullmatch(stem) else f"_{stem}", *ends])
