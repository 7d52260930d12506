"""``python -m reports.history FILE --add RUN``: a line per case, run and machine class, and a page of their trends.

The file is only ever appended to, so that a branch or an artifact can keep it. A change point is advice: the machine,
its neighbours and its system change too, and no two processes were measured at the same time (the gate does that).
"""

import argparse
import math
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec

from bench.case.cases import Case
from bench.case.checked import (
    Count,
    Definition,
    Duration,
    FaultError,
    OtherSchemaError,
    Positive,
    Text,
    Timestamp,
    check,
    decode,
    encode,
)
from bench.machine import host
from bench.run.store import append
from reports import formatting
from reports.all_or_nothing import together
from reports.collect.grouping import case_name
from reports.collect.read import Run, read
from reports.commands import ReportError, answered
from reports.costs.timings import timings
from reports.formatting import NOTHING, plain, table_cell

SCHEMA: Final = 1
LEAST_SIDE = 3
"""Runs on each side of a change point, at least."""

LEAST_CHANGE = 0.05
SPREADS = 3.0
"""A change point is named where the medians of both sides differ by more than this many of their typical spread."""

BARS = "▁▂▃▄▅▆▇█"


class HistoryError(ReportError):
    """A history that cannot be read, or a run that cannot be added; names it and the remedy."""


class Entry(Definition, frozen=True, kw_only=True):
    """A line: what one timed case of a run took.

    Attributes
    ----------
    schema
        Version of this definition.
    run
        Name of the run.
    started
        ISO 8601, UTC.
    machine_class
        Fingerprint of what makes machines alike.
    cpu, accelerators
        What is shown of the machine.
    commit, dirty
        The code that ran; null where that is not known.
    versions
        Of what was installed.
    key, case
        The case, the first of its repetitions.
    cores
        That it kept to; 0 for all.
    seconds
        Per update.
    processes
        How many were timed.
    settled
        Whether none of them has a warning.
    """

    schema: Literal[1] = SCHEMA
    run: Text
    started: Timestamp
    machine_class: Text
    cpu: Text
    accelerators: list[Text]
    commit: Text | None
    dirty: bool | None
    versions: dict[str, Text]
    key: Text
    case: Case
    cores: Count = 0
    seconds: Duration
    processes: Positive
    settled: bool

    def __post_init__(self) -> None:
        check(self.key == self.case.key, "key", self.key, f"{self.case.key}, as the case says")

    @property
    def identity(self) -> tuple[str, str, str]:
        """What no two lines have in common."""
        return self.started, self.machine_class, self.key


def entries(run: Run) -> list[Entry]:
    """Lines of a run: one for each timed case.

    Raises
    ------
    HistoryError
        If nothing says when or where it ran.
    """
    if run.about is None or not run.invocations:
        raise HistoryError(f"{run.folder} has no run.json that tells when and where it ran; copy the folder again")
    git, machine = run.invocations[0].git, run.about.machine
    found = []
    ways = dict.fromkeys(record.case.configuration for record in run.of_kind("time"))
    for way in ways:
        here = Run(run.folder, run.about, tuple(r for r in run.records if r.case.configuration == way))
        for one in timings(here):
            case = one.records[0].case.replace(repetition=0)
            found.append(
                Entry(
                    run=run.name,
                    started=run.invocations[0].started,
                    machine_class=host.class_sha256(msgspec.to_builtins(machine)),
                    cpu=machine.cpu,
                    accelerators=machine.accelerators,
                    commit=git.commit if git else None,
                    dirty=git.dirty if git else None,
                    versions=run.versions,
                    key=case.key,
                    case=case,
                    cores=one.records[0].training.cores,
                    seconds=one.median,
                    processes=len(one.by_process),
                    settled=all(not record.warnings for record in one.records),
                )
            )
    if not found:
        raise HistoryError(f"{run.folder} has no time case that ended well, so there is nothing to add")
    return found


def load(file: Path) -> list[Entry]:
    """Read a history; [] where there is none yet.

    Raises
    ------
    HistoryError
        Naming a line that cannot be.
    """
    found = []
    for number, line in enumerate(file.read_bytes().splitlines() if file.exists() else (), 1):
        try:
            found.append(decode(line, Entry))
        except OtherSchemaError as error:
            raise HistoryError(
                f"{file}, line {number} has {error}, not {SCHEMA}; begin a new file with FILE="
            ) from error
        except FaultError as error:
            raise HistoryError(f"{file}, line {number}: {error}; remove the line") from error
    return found


def add(file: Path, runs: Iterable[Run]) -> int:
    """Append runs; how many lines. A run that is there already is left out.

    Raises
    ------
    HistoryError
        As `entries` and `load`.
    """
    there = {one.identity for one in load(file)}
    fresh = [one for run in runs for one in entries(run) if one.identity not in there]
    file.parent.mkdir(parents=True, exist_ok=True)
    append(file, b"".join(encode(one) + b"\n" for one in fresh))
    return len(fresh)


@dataclass(frozen=True)
class Trend:
    """A case on one machine class, in order of time."""

    machine_class: str
    key: str
    points: tuple[Entry, ...]

    @property
    def name(self) -> str:
        """The case, for people."""
        case = self.points[0].case
        cores = self.points[0].cores
        aside = [
            *([case.configuration] if case.configuration else []),
            *([formatting.count(cores, "core")] if cores else []),
        ]
        return case_name(case) + (f" ({', '.join(aside)})" if aside else "")

    @property
    def seconds(self) -> list[float]:
        """Seconds per update of each run."""
        return [one.seconds for one in self.points]

    @property
    def bars(self) -> str:
        """The course, from the fastest to the slowest run."""
        logs = [math.log(value) for value in self.seconds]
        low, span = min(logs), max(logs) - min(logs)
        return "".join(BARS[round((one - low) / span * (len(BARS) - 1)) if span else 0] for one in logs)

    @property
    def change(self) -> tuple[int, float] | None:
        """Where the course breaks most clearly, as the number of the first run behind it, and the ratio; or None."""
        logs = [math.log(value) for value in self.seconds]
        best: tuple[float, int, float] | None = None
        for place in range(LEAST_SIDE, len(logs) - LEAST_SIDE + 1):
            before, after = logs[:place], logs[place:]
            step = statistics.median(after) - statistics.median(before)
            spread = statistics.median([abs(one - statistics.median(side)) for side in (before, after) for one in side])
            if abs(step) > max(math.log1p(LEAST_CHANGE), SPREADS * spread):
                clear = _explained(logs, place)
                if best is None or clear > best[0]:
                    best = (clear, place, math.exp(step))
        return None if best is None else best[1:]


def _explained(logs: list[float], place: int) -> float:
    """How much of the squared spread goes away with two means in place of one."""

    def off(values: list[float]) -> float:
        mean = statistics.fmean(values)
        return sum((one - mean) ** 2 for one in values)

    return off(logs) - off(logs[:place]) - off(logs[place:])


def trends(lines: Iterable[Entry]) -> list[Trend]:
    """Every case of every machine class, apart where it kept to another number of cores."""
    groups: defaultdict[tuple[str, str, int], list[Entry]] = defaultdict(list)
    for one in lines:
        groups[one.machine_class, one.key, one.cores].append(one)
    return [
        Trend(machine, key, tuple(sorted(points, key=lambda one: one.started)))
        for (machine, key, _), points in sorted(groups.items())
    ]


def page(lines: Sequence[Entry]) -> str:
    """The page, in Markdown."""
    return "\n".join(_page(lines)) + "\n"


def _page(lines: Sequence[Entry]) -> Iterator[str]:
    yield from ("# History", "")
    if not lines:
        yield "Nothing was added yet."
        return
    yield (
        "Seconds per update, run by run, for each machine class. Runs were measured at different times: a break is "
        "advice to look, and no verdict; `make gate` compares two commits side by side."
    )
    every = trends(lines)
    for name in dict.fromkeys(one.machine_class for one in every):
        here = [one for one in every if one.machine_class == name]
        newest = max(one.started for trend in here for one in trend.points)
        first = here[0].points[-1]
        about = plain(", ".join([first.cpu, *first.accelerators]))
        runs = sorted({one.started for trend in here for one in trend.points})
        yield from ("", f"## {about} ({plain(name[:8])})", "")
        yield f"{formatting.count(len(runs), 'run')}, {runs[0][:10]} to {runs[-1][:10]}."
        yield from ("", "| case | runs | course | first | newest | break |", "|---|--:|---|--:|--:|---|")
        for one in here:
            yield (
                f"| {table_cell(one.name)} | {len(one.points)} | {one.bars} | "
                f"{formatting.seconds(one.seconds[0])} | {formatting.seconds(one.seconds[-1])} | {_break(one)} |"
            )
        gone = [one for one in here if one.points[-1].started != newest]
        if gone:
            yield from ("", f"**Missing in the newest run ({newest[:10]}):**")
            yield from (f"- {one.key}, last seen {one.points[-1].started[:10]}" for one in gone)


def _break(one: Trend) -> str:
    if len(one.points) < 2 * LEAST_SIDE:
        return f"needs {2 * LEAST_SIDE} runs"
    if one.change is None:
        return NOTHING
    place, ratio = one.change
    point = one.points[place]
    return f"× {formatting.number(ratio)} from {point.started[:10]}, commit {table_cell(str(point.commit)[:8])}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Add runs, write the page beside the file, and print where it lies.

    2 where a run or the history cannot be read, 3 where it cannot be written.
    """
    parser = argparse.ArgumentParser(prog="python -m reports.history", description=__doc__)
    parser.add_argument("file", type=Path, help="the history, a line a case and run")
    parser.add_argument("--add", nargs="*", default=[], type=Path, metavar="RUN", help="folders of runs")
    chosen = parser.parse_args(arguments)

    def tell() -> None:
        count = add(chosen.file, map(read, chosen.add))
        lines = load(chosen.file)
        target = chosen.file.with_suffix(".md")
        with together(target.parent) as stage:
            (stage / target.name).write_text(page(lines), encoding="utf-8")
        print(f"{target}: {formatting.count(count, 'line')} added, {len(lines)} in all")

    return answered(tell)


if __name__ == "__main__":
    sys.exit(main())
