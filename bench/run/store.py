"""The folder of a run: what is on disk, and whether this run may go on in it."""

import fcntl
import json
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.case.cases import Training
from bench.errors import RunFolderError
from bench.machine import host as machines
from bench.plan.planning import Plan, describe
from bench.plan.presets import Preset, differences

SCHEMA = 1
"""Version of everything that a run writes; docs/records.md says what it holds and when it changes."""

SERIES_FILE = "series.npz"
"""The user's own series as prepared: its report is rendered from it, without the file that it came from."""

FRAMEWORKS = ("tensorflow", "jax", "jaxlib", "torch", "keras", "numpy")
"""Packages whose versions may not change within a run."""


class RunFolder:
    """``results/<run>/``: opened for one plan on one machine, appended to a record at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records: dict[str, dict[str, Any]] = {}
        self.torn: list[str] = []
        self.about: dict[str, Any] = {}
        self.series: Path | None = None

    def open(self, preset: Preset, plan: Plan, machine: dict[str, Any], root: Path, command: str) -> None:
        """Begin the run, or continue it where it stopped.

        Raises
        ------
        RunFolderError
            If the folder belongs to another plan or another machine, or is not a run's folder.
        """
        file = self.path / "run.json"
        fresh = {
            "schema": SCHEMA,
            "run": self.path.name,
            "preset": {
                "name": preset.name,
                "path": preset.path.name,
                "sha256": preset.sha256,
                "description": preset.description,
                "settings": preset.settings,
                "limits": asdict(preset.limits),
            },
            **describe(plan),
            **(
                {"series": preset.series.prepared.about | {"content": preset.series.prepared.sha256}}
                if preset.series
                else {}
            ),
            "machine": machine,
            "machine_sha256": machines.fixed_sha256(machine),
            "versions": machines.versions(),
            "invocations": [],
        }
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
        self.about["invocations"].append(
            {
                "started": now(),
                "finished": None,
                "command": command,
                "git": machines.git_state(root),
                "workers": preset.limits.workers or machines.usable_cores(),
                "load_before": os.getloadavg()[0],
                "wall_seconds": None,
                "cases_run": 0,
            }
        )
        self._write_about()

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
        versions = machines.versions()
        compilers = [versions[name] for name in ("tensorflow", "jaxlib") if name in versions]
        return "-".join([self.about["machine_sha256"][:12], *compilers])

    def append(self, record: dict[str, Any]) -> None:
        """Put a record on disk, whole, before anything else happens."""
        path = self.path / "records.jsonl"
        with path.open("ab", buffering=0) as file:
            whole = file.tell()
            try:
                line = (json.dumps(record, allow_nan=True) + "\n").encode()
                while line:
                    line = line[file.write(line) :]
                os.fsync(file.fileno())
            except OSError as error:
                # What there is of this record would swallow the next.
                file.truncate(whole)
                raise OSError(error.errno, error.strerror, str(path)) from error
        self.records[record["key"]] = record
        self.about["invocations"][-1]["cases_run"] += 1

    def note_ceilings(self, ceilings: dict[str, Any] | None, engine: str | None) -> None:
        """Note what this machine reached at best when this invocation began, and with which engine.

        None and None where no engine of the run brings operations for it.
        """
        self.about["invocations"][-1] |= {"ceilings": ceilings, "ceilings_engine": engine}
        self._write_about()

    def close(self, wall_seconds: float) -> None:
        """Note when this invocation ended and how long it took."""
        self.about["invocations"][-1] |= {"finished": now(), "wall_seconds": wall_seconds}
        self._write_about()

    def _check(self, file: Path, fresh: dict[str, Any]) -> dict[str, Any]:
        try:
            about: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise RunFolderError(f"{file} cannot be read ({error}). Choose another name with RUN=...") from error
        remedy = f"Choose another name with RUN=..., or remove {self.path}."
        if about.get("schema") != SCHEMA:
            raise RunFolderError(f"{file} has schema {about.get('schema')!r}, this version writes {SCHEMA}. {remedy}")
        ours, theirs = (one.get("series") or {} for one in (about, fresh))
        if ours.get("content") != theirs.get("content"):
            raise RunFolderError(
                f"{self.path} holds another series: {_series_name(ours)}, not {_series_name(theirs)}. {remedy}"
            )
        if about["plan_sha256"] != fresh["plan_sha256"]:
            what = differences(about["preset"]["settings"], fresh["preset"]["settings"])
            raise RunFolderError(
                f"{self.path} belongs to another plan: preset {about['preset']['name']!r} with {len(about['plan'])} "
                f"cases, not {fresh['preset']['name']!r} with {len(fresh['plan'])}"
                f"{f' ({what})' if what else ' (or another engine or version)'}. {remedy}"
            )
        changed = [
            f"{name} was {about['versions'].get(name)} and is {fresh['versions'].get(name)}"
            for name in FRAMEWORKS
            if about["versions"].get(name) != fresh["versions"].get(name)
        ]
        if changed:
            raise RunFolderError(f"{self.path} was begun with other versions: {'; '.join(changed)}. {remedy}")
        if about["machine_sha256"] != fresh["machine_sha256"]:
            differ = [
                f"{name} was {about['machine'].get(name)!r} and is {fresh['machine'][name]!r}"
                for name in machines.FIXED
                if about["machine"].get(name) != fresh["machine"][name]
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
        raw = file.read_bytes()
        for number, line in enumerate(raw.split(b"\n"), 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
                self.records[record["key"]] = record
            except (ValueError, KeyError, TypeError) as error:
                self.torn.append(f"{file}:{number}: unreadable line skipped ({error}); its case runs again")
        if raw and not raw.endswith(b"\n"):
            # A torn last line would swallow the next record.
            with file.open("ab") as end:
                end.write(b"\n")

    def _write_about(self) -> None:
        file = self.path / "run.json"
        draft = file.with_suffix(".json.part")
        with draft.open("w", encoding="utf-8") as stream:
            json.dump(self.about, stream, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(file)


def _series_name(about: dict[str, Any]) -> str:
    if not about:
        return "none of a user's own"
    return f"{about['column']!r} of {about['file']} ({about['content'][:12]})"


def training_dict(training: Training) -> dict[str, Any]:
    """Training settings as a record holds them."""
    return asdict(training)


def now() -> str:
    """The time as records hold it: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
