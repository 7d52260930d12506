"""``python -m reports.merge RUN RUN ... --run NAME``: puts shards of one plan together, as the run that they make.

Records are taken as they stand. What was timed on another machine than most of it becomes a run of its own, so that
figures of two machines are never mixed; convergence counts wherever it was trained.
"""

import argparse
import json
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from msgspec.structs import replace

from bench.case.cases import Case
from bench.case.checked import FaultError, encode
from bench.case.run_record import RunRecord, Shards, fingerprint
from bench.machine.host import differing
from bench.plan.presets import differences
from bench.plan.shards import MEASURED
from bench.run import store
from bench.run.store import FRAMEWORKS, SERIES_FILE
from bench.warnings import Warn
from reports import __main__ as rendering
from reports.all_or_nothing import together
from reports.collect.read import RECORDS, lines, read
from reports.commands import ReportError, answered


class MergeError(ReportError):
    """Runs that cannot be merged; names them and the remedy."""


@dataclass(frozen=True)
class Part:
    """A run that has shards of a plan.

    Attributes
    ----------
    records
        Lines of its records by key, of several of a key the last.
    all_lines
        Keys and times of all of them.
    """

    folder: Path
    about: RunRecord
    shards: Shards
    records: dict[str, bytes]
    all_lines: frozenset[tuple[str, str]]

    @property
    def measured(self) -> list[str]:
        """Keys of its records whose seconds or bytes are compared."""
        return [key for key in self.records if key.partition("/")[0] in MEASURED]


def merge(folders: Sequence[Path], into: Path) -> list[Path]:
    """Write the merged run, and one for each other machine that timed something; returns their folders.

    Raises
    ------
    MergeError
        If they are no shards of one plan made with the same versions, or `into` has what none of them has.
    RunNotReadableError
        If one is no run.
    """
    parts = [_read(folder) for folder in folders]
    for one in parts[1:]:
        _check_alike(parts[0], one)
    _check_each_once(parts)
    _check_nothing_lost(into, parts)
    timed = Counter({part.about.machine_sha256: 0 for part in parts})
    for part in parts:
        timed[part.about.machine_sha256] += len(part.measured)
    main, *others = (machine for machine, _ in timed.most_common())
    there = {machine: [part for part in parts if part.about.machine_sha256 == machine] for machine in timed}
    beside = {machine: into.with_name(f"{into.name}-on-{machine[:8]}") for machine in others if timed[machine]}
    elsewhere = {key for machine in beside for part in there[machine] for key in part.measured}
    whole, shards = parts[0].about, parts[0].shards
    kept = [number for number, case in enumerate(whole.plan) if case.key not in elsewhere]
    merged = Shards(
        of=shards.of,
        here=sorted(number for part in parts for number in part.shards.here),
        shard_of=[shards.shard_of[number] for number in kept],
        timed_elsewhere=[folder.name for folder in beside.values()],
    )
    _write(
        into,
        there[main],
        [whole.plan[number] for number in kept],
        parts,
        # With every shard and nothing elsewhere it is the run of the whole plan, and goes on as such.
        shards=None if len(merged.here) == merged.of and not beside else merged,
    )
    for machine, folder in beside.items():
        keys = {key for part in there[machine] for key in part.measured}
        _write(folder, there[machine], [case for case in whole.plan if case.key in keys], there[machine], shards=None)
    return [into, *beside.values()]


def _read(folder: Path) -> Part:
    run = read(folder)
    if run.about is None or run.shards is None:
        raise MergeError(
            f"{folder} is no shard: " + ("it has no run.json" if run.about is None else "it has the whole plan") + ". "
            "Shards are made with `make bench SHARD=1/4`, and so on."
        )
    for problem in run.unreadable:
        print(f"{folder}: {problem}", file=sys.stderr)
    wanted = {record.key for record in run.records}
    found: dict[str, bytes] = {}
    seen: set[tuple[str, str]] = set()
    for key, started, line in _lines(folder):
        seen.add((key, started))
        if key in wanted:
            found[key] = line
    return Part(folder, run.about, run.shards, found, frozenset(seen))


def _lines(folder: Path) -> Iterator[tuple[str, str, bytes]]:
    """Key, time and text of each line of a run's records that is whole."""
    for line in lines(folder):
        try:
            record = json.loads(line)
            yield str(record["key"]), str(record["started"]), line.rstrip(b"\n")
        except (ValueError, KeyError, TypeError, FaultError):
            continue  # named by whoever reads the run


def _check_alike(one: Part, other: Part) -> None:
    """Refuse shards of other plans, cuts or versions."""
    a, b = one.about, other.about
    both = f"{one.folder} and {other.folder}"
    if a.plan_sha256 != b.plan_sha256:
        what = differences(a.preset.settings, b.preset.settings)
        why = what or "the same preset, but other data, engines or versions of the suite"
        raise MergeError(
            f"{both} are of different plans: presets {a.preset.name!r} with {len(a.plan)} cases and {b.preset.name!r} "
            f"with {len(b.plan)} ({why}). Merge shards of one plan alone."
        )
    changed = [f"{name} {mine} and {theirs}" for name, mine, theirs in differing(a.versions, b.versions, FRAMEWORKS)]
    if changed:
        raise MergeError(
            f"{both} were made with different versions: {'; '.join(changed)}. Install the same (make does, from "
            "requirements.lock), and run one of them again."
        )
    if (one.shards.of, one.shards.shard_of) != (other.shards.of, other.shards.shard_of):
        raise MergeError(
            f"{both} were cut differently: into {one.shards.of} and {other.shards.of} shards"
            + (", by different versions of the suite" if one.shards.of == other.shards.of else "")
            + ". Merge shards of one cut alone."
        )


def _check_each_once(parts: Sequence[Part]) -> None:
    where: dict[int, Path] = {}
    for part in parts:
        for number in part.shards.here:
            if number in where:
                raise MergeError(
                    f"shard {number} of {part.shards.of} is in {where[number]} and in {part.folder}. Leave one out."
                )
            where[number] = part.folder


def _check_nothing_lost(into: Path, parts: Sequence[Part]) -> None:
    """Refuse to replace records that none of the shards has: those of a run, or of a shard that was merged before."""
    if any(part.folder.resolve() == into.resolve() for part in parts):
        raise MergeError(f"{into} is one of the shards. Choose another name with RUN=...")
    if not (into / "run.json").exists():
        return
    known = {one for part in parts for one in part.all_lines}
    lost = [key for key, started, _ in _lines(into) if (key, started) not in known]
    if lost:
        raise MergeError(
            f"{into} holds {len(lost)} records that none of these shards has, such as {lost[0]}. Choose another name "
            "with RUN=..., or name every shard that was merged into it."
        )


def _write(folder: Path, here: Sequence[Part], plan: list[Case], parts: Sequence[Part], shards: Shards | None) -> None:
    """Write a run made of `parts`, on the machine of the parts `here`."""
    whole, machine = parts[0].about, here[0].about
    keys = {case.key for case in plan}
    invocations = sorted((one for part in parts for one in part.about.invocations), key=lambda one: one.started)
    family = [pair for pair in whole.family if keys.issuperset(pair)]
    about = replace(
        machine,
        run=folder.name,
        plan=plan,
        # A run of some of its cases is another plan: it cannot go on as the whole.
        plan_sha256=whole.plan_sha256 if len(plan) == len(whole.plan) else _sha256(whole.plan_sha256, plan),
        family=family,
        family_sha256=fingerprint(family),
        shards=shards,
        invocations=invocations,
    )
    found = {key: _line(line, part, machine) for part in parts for key, line in part.records.items()}
    with together(folder) as stage:
        (stage / "run.json").write_bytes(encode(about, indent=1))
        with (stage / RECORDS).open("wb") as file:
            file.writelines(found[case.key] + b"\n" for case in plan if case.key in found)
        if (series := here[0].folder / SERIES_FILE).is_file():
            shutil.copyfile(series, stage / SERIES_FILE)


def _line(line: bytes, part: Part, machine: RunRecord) -> bytes:
    """A record as it stands, or with the warning that its seconds are another machine's."""
    if part.about.machine_sha256 == machine.machine_sha256:
        return line
    record = json.loads(line)
    record["warnings"] = [*dict.fromkeys([*record["warnings"], Warn.OTHER_MACHINE])]
    return json.dumps(record, allow_nan=False).encode()


def _sha256(text: str, plan: Sequence[Case]) -> str:
    return sha256("\n".join([text, *(case.key for case in plan)]).encode()).hexdigest()


def main(arguments: Sequence[str] | None = None) -> int:
    """Merge and render; 2 where the runs cannot be merged, 3 where the result cannot be written."""
    parser = argparse.ArgumentParser(prog="python -m reports.merge", description="Put shards of one plan together.")
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a name under results/, or a path to a shard's folder")
    parser.add_argument("--run", required=True, help="name of the merged run under results/")
    parser.add_argument("--results", type=Path, default=Path("results"), help="where runs lie (results)")
    chosen = parser.parse_args(arguments)
    folders = [Path(name) if (Path(name) / "run.json").is_file() else chosen.results / name for name in chosen.runs]
    written: list[str] = []
    code = answered(lambda: written.extend(map(str, merge(folders, chosen.results / store.checked_name(chosen.run)))))
    return code or rendering.main(written)


if __name__ == "__main__":
    sys.exit(main())
