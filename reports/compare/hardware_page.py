"""The page of a run with configurations.

What does each buy, where does it begin to, and does the answer on carrying state depend on it?
"""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from reports import formatting
from reports.all_or_nothing import together
from reports.collect.grouping import USUAL
from reports.collect.read import Run
from reports.compare import comparison_page, machines
from reports.compare.comparison_page import READING, Section
from reports.compare.joining import CASE, Comparison, Named, join, of_configuration, of_one_way, ratio_of
from reports.costs.contrasts import contrasts
from reports.costs.timings import timings, watched
from reports.formatting import NOTHING, count, listing, number
from reports.statistics.intervals import FloatArray, Ratio
from reports.statistics.verdict import pace

ALONG = {"batch_size": "batch size", "units": "units"}
NAMED = {"batch_size": "batch size", "units": "width"}
"""Axes in a table's cell, and in a sentence."""

BUSY = 0.1
"""Share of the cores that other programs may take while something is timed."""

PACKAGES = ("python", "tensorflow", "jax", "torch", "keras")


def has_configurations(run: Run) -> bool:
    """Whether several configurations of a run have records to set beside each other, so that its page is this one.

    One alone, as where a machine lacks the GPU of the others, is told as a run without configurations.
    """
    return len({record.case.configuration for record in run.records}) > 1


def write(run: Run, folder: Path | None = None) -> Path:
    """Write report.md, report.html, summary.json and the long frame of a run; returns the path of report.md."""
    folder = folder or run.folder
    asked = [one.name for one in run.configurations]  # none without run.json
    there = dict.fromkeys(record.case.configuration for record in run.records)
    found = join([Named(run.name, run)], "configuration", next(name for name in (*asked, *there) if name in there))
    title = f"{run.name}: which is faster?"
    parts = sections(run, found)
    every = comparison_page.within([Named(name, of_configuration(run, name)) for name in found.columns])
    values = comparison_page.to_dict(found, {}) | {
        "crossings": [one.to_dict() for one in crossings(found)],
        "within_configuration": every,
    }
    with together(folder) as stage:
        comparison_page.write_pages(title, parts, stage / "report.md")
        comparison_page.write_frame(found, stage / "frame.csv")
        (stage / "summary.json").write_text(json.dumps(values, indent=1), encoding="utf-8")
    return folder / "report.md"


def sections(run: Run, found: Comparison) -> list[Section]:
    """All parts, in order; those that say nothing are left out."""
    by_configuration = [Named(name, of_configuration(run, name)) for name in found.columns]
    parts = [
        Section(
            "",
            (*comparison_page.summary(found), *_begins(crossings(found))),
            note=comparison_page.caveat(found, by_configuration),
        ),
        comparison_page.times_section(found),
        _crossings(found),
        comparison_page.within_section(by_configuration, "Does a verdict depend on the configuration?"),
        _of_one_alone(by_configuration),
        _seen(run, found.columns),
        _steadiness(by_configuration),
        _ran(by_configuration),
        comparison_page.updates_section(found),
        comparison_page.memory_section(found),
        comparison_page.not_compared_section(found, but_for="skipped: "),
        _skipped(run),
        Section("How to read this", (READING,)),
    ]
    return [part for part in parts if part is not None]


def _seen(run: Run, columns: Sequence[str]) -> Section:
    """What each configuration asked for, and what its processes had."""
    rows = []
    for asked in run.configurations:
        if asked.name not in columns:
            continue
        seen = [
            record.configuration.seen
            for record in run.records
            if record.case.configuration == asked.name and record.case.kind != "convergence"
            if record.configuration and record.configuration.seen
        ]
        values = msgspec.to_builtins(asked)
        wanted = ", ".join(_words(key, value) for key, value in values.items() if key != "name") or "nothing"
        cores = sorted({len(one.cores) for one in seen})
        flags = sorted({f"{key} {'on' if value else 'off'}" for one in seen for key, value in one.flags.items()})
        gpus = sorted({gpu for one in seen for some in one.accelerators.values() for gpu in some})
        versions = seen[0].versions if seen else {}
        packages = [f"{name} {versions[name]}" for name in PACKAGES if name in versions]
        rows.append(
            (
                asked.name,
                wanted,
                listing(cores) if cores else NOTHING,
                listing(flags) if flags else NOTHING,
                listing(gpus) if gpus else "none",
                ", ".join(packages) or NOTHING,
            )
        )
    header = ("configuration", "asked for", "cores", "flags", "GPUs", "versions")
    same = [
        place for place, values in enumerate(zip(*rows, strict=True)) if place and len(set(values)) == 1 < len(rows)
    ]
    common = f" In all of them: {', '.join(f'{header[place]} {rows[0][place]}' for place in same)}." if same else ""
    text = f"What was asked for, and what processes had by their own account; without it there is no result.{common}"
    kept = [place for place in range(len(header)) if place not in same]
    return Section(
        "Configurations",
        (text,),
        tuple(header[place] for place in kept),
        tuple(tuple(row[place] for place in kept) for row in rows),
    )


def _steadiness(parts: Sequence[Named]) -> Section:
    """How far cases were from themselves, and what else ran, for each configuration."""
    loads = [one.other_load[0] for part in parts if (one := watched(timings(part.run))) and one.other_load is not None]
    text = "Two processes of a case are the same code: what they differ by is noise."
    if loads and max(loads) > BUSY:
        text += (
            f" **Other programs took {formatting.percent(max(loads))} of the cores in the median while cases were "
            "timed: seconds of this run are unreliable and intervals wide for that reason; a run on a quiet machine "
            "would say more.**"
        )
    rows = tuple((one.name, *one.values) for one in machines.steadiness(parts))
    return Section("How steady it was", (text,), ("", *(part.name for part in parts)), rows)


def _words(key: str, value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={one}" for name, one in value.items())
    return f"{key} {value}"


@dataclass(frozen=True)
class Crossing:
    """Where a configuration begins to be faster than the base, along an axis.

    Attributes
    ----------
    points
        The axis and the ratio there, ascending.
    at, earliest, latest
        Where the ratio, and the limits of its intervals, fall below 1 for good, between points on a straight line of
        logarithms; 0 where that is before the first point, infinite where it is behind the last.
    """

    column: str
    where: str
    axis: str
    points: tuple[tuple[int, Ratio], ...]

    @property
    def at(self) -> float:
        """By the ratio itself."""
        return self._falls(np.array([ratio.value for _, ratio in self.points]))

    @property
    def earliest(self) -> float:
        """By the lower limits."""
        return self._falls(np.array([ratio.low for _, ratio in self.points]))

    @property
    def latest(self) -> float:
        """By the upper limits."""
        return self._falls(np.array([ratio.high for _, ratio in self.points]))

    def _falls(self, ratios: FloatArray) -> float:
        above = np.flatnonzero(ratios >= 1)
        if not above.size:
            return 0.0
        last = int(above[-1])
        if last == ratios.size - 1:
            return math.inf
        x = np.log([x for x, _ in self.points])
        y = np.log(ratios)
        if not np.isfinite(y[last : last + 2]).all():
            return float(self.points[last + 1][0])
        return float(np.exp(x[last] + (x[last + 1] - x[last]) * y[last] / (y[last] - y[last + 1])))

    @property
    def sentence(self) -> str:
        """Where it begins, with its interval, as far as the points tell."""
        first, last = self.points[0][0], self.points[-1][0]
        if self.latest == 0:
            return f"faster from {first} on, the least that was tried"
        if math.isinf(self.earliest):
            return f"not faster up to {last}, the most that was tried"
        if math.isinf(self.at):
            at = f"not up to {last}"
        else:
            at = f"at {first} already" if self.at == 0 else f"about {number(self.at)}"
        if self.earliest > 0 and math.isfinite(self.latest):
            return f"{at}, between {number(self.earliest)} and {number(self.latest)}"
        limits = []
        if self.at > 0:
            limits.append(f"at {first} already" if self.earliest == 0 else f"from {number(self.earliest)} on")
        if math.isfinite(self.at):
            limits.append(f"not up to {last}" if math.isinf(self.latest) else f"only from {number(self.latest)} on")
        return f"{at}; perhaps {' or '.join(limits)}"

    def to_dict(self) -> dict[str, Any]:
        """As summary.json holds it."""
        return {
            "configuration": self.column,
            "case": self.where,
            "axis": self.axis,
            "points": [[x, ratio.value, ratio.low, ratio.high] for x, ratio in self.points],
            "begins": self.sentence,
        }


def crossings(found: Comparison) -> list[Crossing]:
    """Every line of at least two cases that differ in the batch size, or the width, alone."""
    timed = found.of_kind("time")
    timed = timed[(timed["column"] != found.columns[0]) & timed["method"].notna() & (timed["method"] != "none")]
    crossed = []
    for axis in ALONG:
        alike = ["column", *(name for name in CASE if name != axis)]
        for key, part in timed.sort_values(axis, kind="stable").groupby(alike, sort=False, dropna=False):
            if len(part) > 1:
                case: dict[str, Any] = dict(zip(alike, key, strict=True))
                points = tuple(
                    (int(getattr(one, axis)), ratio) for one in part.itertuples() if (ratio := ratio_of(one))
                )
                crossed.append(Crossing(case["column"], _where(case, axis), axis, points))
    return crossed


def _where(case: Mapping[str, Any], axis: str) -> str:
    other = f"batch {case['batch_size']}" if axis == "units" else f"{case['units']} units"
    engine = "" if case["engine"] == USUAL["engine"] else f" ({case['engine']})"
    return f"{case['cell'].upper()}{engine}, {case['regime']}, window {case['window']}, {other}, {case['kernel']}"


def _begins(every: list[Crossing]) -> list[str]:
    """Where each configuration begins to be faster, as far as limits on both sides tell; the surest place of each."""
    found: dict[tuple[str, str], Crossing] = {}
    for one in sorted(every, key=lambda one: one.latest / one.earliest if one.earliest else math.inf):
        if one.earliest > 0 and math.isfinite(one.latest):
            found.setdefault((one.column, one.axis), one)
    return [
        f"**{one.column} begins to be faster** at a {NAMED[one.axis]} of {number(one.at)} "
        f"{formatting.span(one.earliest, one.latest)} ({one.where})."
        for one in found.values()
    ]


def _crossings(found: Comparison) -> Section | None:
    every = crossings(found)
    if not every:
        return None
    shown = [one for one in every if not math.isinf(one.earliest)]
    common, labels = comparison_page.constant([one.where for one in shown])
    rows = [
        (
            one.column,
            label,
            ALONG[one.axis],
            ", ".join(f"{x}: {number(ratio.value)}" for x, ratio in one.points),
            one.sentence,
        )
        for label, one in zip(labels, shown, strict=True)
    ]
    text = (
        f"Seconds per update over those of {found.columns[0]}, along the batch size and the width; where the ratio "
        'falls below 1 for good; "between" and "perhaps" are the same by the limits of its 95 % intervals.'
        f"{common}"
    )
    never = [one.column for one in every if math.isinf(one.earliest)]
    parts = [f"{name} in {n} of {sum(one.column == name for one in every)}" for name, n in Counter(never).items()]
    more = (f"Not faster at the end of what was tried: {listing(parts)} lines.",) if parts else ()
    header = ("configuration", "case", "along", "ratio at", "begins to be faster at")
    return Section("Where does it begin to be faster?", (text, *more), header if rows else (), tuple(rows))


def _of_one_alone(parts: Sequence[Named]) -> Section | None:
    """Ratios that not every configuration formed, as cuDNN over loop, which a GPU alone has."""
    formed = {part.name: contrasts(timings(of_one_way(part.run))).found for part in parts}
    known = Counter(key for found in formed.values() for key in {(one.what, one.where) for one in found})
    alone = [(name, one) for name, found in formed.items() for one in found if known[one.what, one.where] < len(parts)]
    if not alone:
        return None
    common, labels = comparison_page.constant([one.where for _, one in alone])
    several = len({name for name, _ in alone}) > 1
    judged = any(one.training.method != "none" for _, one in alone)
    rows = tuple(
        (
            *([name] if several else []),
            label,
            one.what,
            *(formatting.seconds(side.median) for side in (one.a, one.b)),
            formatting.ratio(one.training) if judged else number(one.training.value),
            *([pace(one.training) if one.training.method != "none" else ""] if judged else []),
        )
        for (name, one), label in zip(alone, labels, strict=True)
    )
    of = "" if several else f" Of {alone[0][0]} alone."
    none = "" if judged else " Each case ran in one process: no interval, so no verdict."
    text = f"Seconds per update of the first over those of the second.{of}{none}{common}"
    header = (
        *(["configuration"] if several else []),
        "case",
        "what",
        "first",
        "second",
        "ratio",
        *([""] if judged else []),
    )
    return Section("Ratios that not every configuration has", (text,), header, rows, most=comparison_page.FEWER_ROWS)


def _ran(parts: Sequence[Named]) -> Section | None:
    """Which kernel really ran, what that was read from, and whether the machine was slowed down meanwhile."""
    same: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for part in parts:
        groups = defaultdict(list)
        for record in part.run.of_kind("time"):
            if record.time is not None:
                groups[record.case.engine, record.case.kernel].append(record.time)
        for (engine, kernel), bodies in groups.items():
            seen = Counter(body.kernel_seen for body in bodies)
            watched_ = [body.machine for body in bodies if body.machine is not None]
            slowed = sorted({why for one in watched_ for gpu in one.accelerators for why in gpu.slowed_by})
            ran = (
                engine,
                kernel,
                listing([f"{name} in {count}" for name, count in seen.most_common()]),
                ", ".join(f"{name} {count}" for name, count in bodies[0].evidence.items()) or NOTHING,
                listing(slowed) if slowed else "no",
            )
            same[ran].append(part.name)
    rows = [(listing(names), *ran) for ran, names in same.items()]
    if not rows:
        return None
    timed = [record for part in parts for record in part.run.of_kind("time") if record.time is not None]
    asked = sum(record.time is not None and record.time.kernel_seen == record.case.kernel for record in timed)
    slowed = list(
        dict.fromkeys(f"{name} ({ran[-1]})" for ran, names in same.items() if ran[-1] != "no" for name in names)
    )
    text = (
        f"{asked} of {count(len(timed), 'timed process', 'timed processes')} ran the kernel that was asked for, by the "
        "traced graph, the compiled program or a profile, never by a flag; one that did not is left out. "
        f"Slowed down, by the GPU's own account: {listing(slowed) if slowed else 'none'}."
    )
    header = ("configuration", "engine", "asked for", "ran", "read from", "slowed down")
    return Section("What really ran", (text,), header, tuple(rows), table_in_html=True)


def _skipped(run: Run) -> Section | None:
    """Configurations that this machine could not run, and combinations that mean nothing."""
    reasons: defaultdict[str, int] = defaultdict(int)
    for one in run.refused:
        reasons[one.reason] += 1
    if not reasons:
        return None
    rows = tuple((reason, str(n)) for reason, n in reasons.items())
    text = f"{count(sum(reasons.values()), 'case')} for {count(len(reasons), 'reason')}."
    return Section("Skipped", (text,), ("reason", "cases"), rows, table_in_html=True)
