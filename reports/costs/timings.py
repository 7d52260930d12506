"""What was timed, process by process, what the harness took of it, and what else the machine did meanwhile."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from msgspec import Struct, field

from bench.case import costs as recorded
from bench.case.record import Record
from reports.collect.grouping import Setting
from reports.collect.read import Run
from reports.collect.records import timed
from reports.statistics.intervals import FloatArray, median, quartiles


class Blocks(Struct, frozen=True, dict=True):
    """What one process measured of one thing.

    Attributes
    ----------
    group
        Name of the processes that took turns with it; None where it was alone.
    first
        Round of the first block that was kept.
    seconds
        Seconds a step of each block, shape (blocks,): those of rounds `first`, `first` + 1, ...
    """

    group: str | None
    first: int
    seconds: FloatArray

    @classmethod
    def of_updates(cls, record: Record) -> Self:
        """Read the samples of a time record."""
        part = timed(record)
        return cls(part.group, part.warm_up_blocks, np.array(part.seconds_per_update, dtype=float))

    @classmethod
    def of_passes(cls, record: Record) -> Self | None:
        """Read those of its forward passes; None where there were none."""
        group, part = timed(record).group, timed(record).inference
        if part is None:
            return None
        return cls(group, part.warm_up_blocks, np.array(part.seconds_per_call, dtype=float))

    @cached_property
    def median(self) -> float:
        """Median seconds a step."""
        return median(self.seconds)


def took_turns(a: Blocks, b: Blocks) -> bool:
    """Whether blocks of the two stood side by side in time."""
    return a.group is not None and a.group == b.group and bool(_rounds(a, b))


def log_ratio(a: Blocks, b: Blocks) -> float:
    """Logarithm of a / b: the median over rounds where they took turns, else that of the medians.

    Round by round what slows the machine down for seconds or minutes slows both, and cancels.
    """
    if not took_turns(a, b):
        return float(np.log(a.median / b.median))
    rounds = _rounds(a, b)
    one, other = (x.seconds[rounds.start - x.first : rounds.stop - x.first] for x in (a, b))
    return median(np.log(one / other))


def log_ratios(a: Mapping[int, Blocks], b: Mapping[int, Blocks]) -> FloatArray:
    """Logarithms of a / b, one value for each time at which both were measured, shape (n,).

    Of processes that took turns all pairs are averaged to one value: what disturbed one of them disturbed the others.
    Where none took turns, processes of the same repetition are paired.

    Parameters
    ----------
    a, b
        Blocks by repetition.
    """
    turns = [(i, j) for i in sorted(a) for j in sorted(b) if took_turns(a[i], b[j])]
    times: defaultdict[Any, list[float]] = defaultdict(list)
    for i, j in turns or [(key, key) for key in sorted(a.keys() & b.keys())]:
        groups = (a[i].group, b[j].group)
        times[(i, j) if None in groups else groups].append(log_ratio(a[i], b[j]))
    return np.array([np.mean(logs) for logs in times.values()], dtype=float)


def _rounds(a: Blocks, b: Blocks) -> range:
    """Rounds of which both kept their block."""
    return range(max(a.first, b.first), min(a.first + a.seconds.size, b.first + b.seconds.size))


Which = tuple[Setting, str]
"""Setting and regime."""

ByProcess = dict[int, float]
"""A figure of each process, by its repetition."""


class Timing(Struct, frozen=True):
    """One setting and regime over its processes; seconds of one weight update, steady state.

    Attributes
    ----------
    median
        Of the medians of its processes.
    by_process
        Median of each process by its repetition.
    low, high
        Quartiles of all samples.
    inference
        Median seconds of one forward pass of a batch, by process; {} where not measured.
    compiling
        Seconds that the first call took beyond a steady one, by process; {} where not recorded.
    overhead
        Seconds per update that are the harness's own, by process; {} where not measured.
    blocks, passes
        What the first two were formed from, by process: blocks of updates, blocks of forward passes.
    records
        One a process, in order.
    """

    setting: Setting
    regime: str
    median: float
    low: float
    high: float
    samples: int
    by_process: ByProcess
    inference: ByProcess = field(default_factory=dict)
    compiling: ByProcess = field(default_factory=dict)
    overhead: ByProcess = field(default_factory=dict)
    blocks: dict[int, Blocks] = field(default_factory=dict)
    passes: dict[int, Blocks] = field(default_factory=dict)
    records: tuple[Record, ...] = ()

    @property
    def compile_seconds(self) -> float:
        """Median over the processes; nan where not recorded."""
        return middle(self.compiling)

    @property
    def label(self) -> str:
        """Setting, regime and what ran."""
        return f"{self.setting.label} {self.regime} {self.setting.kernel}"

    @property
    def body(self) -> recorded.Timing:
        """What the first process recorded, for what is the same in all."""
        return timed(self.records[0])


def middle(values: ByProcess) -> float:
    """Median over the processes; nan for none."""
    return median(np.array(list(values.values())))


def ran_as_asked(record: Record) -> bool:
    """Whether the kernel that was seen is the one of the case."""
    return record.body is not None and record.body.kernel_seen == record.case.kernel


def timings(run: Run) -> list[Timing]:
    """Every timed setting and regime, in order; a case whose kernel was another than its flag said is left out."""
    return [_timing(which, records) for which, records in grouped(run, "time").items()]


def mismatches(run: Run) -> list[Record]:
    """Records whose flag and kernel disagree."""
    return [r for kind in ("time", "memory") for r in run.of_kind(kind) if not ran_as_asked(r)]


def grouped(run: Run, kind: str) -> dict[Which, list[Record]]:
    """Records of a kind that ran as asked, by setting and regime, in order of repetition."""
    groups: defaultdict[Which, list[Record]] = defaultdict(list)
    for record in run.of_kind(kind):
        if ran_as_asked(record):
            groups[Setting.of(record.case), record.case.regime].append(record)
    return {
        which: sorted(groups[which], key=lambda r: r.case.repetition)
        for which in sorted(groups, key=lambda one: (one[0].place, one[1]))
    }


def _timing(which: Which, records: list[Record]) -> Timing:
    blocks = {one.case.repetition: Blocks.of_updates(one) for one in records}
    passes = {one.case.repetition: here for one in records if (here := Blocks.of_passes(one)) is not None}
    together = np.concatenate([one.seconds for one in blocks.values()])
    low, high = quartiles(together)
    by_process = {key: one.median for key, one in blocks.items()}
    return Timing(
        *which,
        median=middle(by_process),
        low=low,
        high=high,
        samples=together.size,
        by_process=by_process,
        inference={key: one.median for key, one in passes.items()},
        compiling={one.case.repetition: timed(one).compile_seconds for one in records},
        overhead={
            one.case.repetition: median(np.array(overhead, dtype=float))
            for one in records
            if (overhead := timed(one).overhead_seconds_per_update)
        },
        blocks=blocks,
        passes=passes,
        records=tuple(records),
    )


AT_SECONDS = 1e-3
"""From here on the harness may take a hundredth of an update."""

SHORT_SECONDS = 1e-4
"""Of updates below this, the least that the harness can tell is stated."""


@dataclass(frozen=True, slots=True)
class Overhead:
    """The harness's own share of an update."""

    timing: Timing
    seconds: float

    @property
    def share(self) -> float:
        """Of the measured seconds per update."""
        return self.seconds / middle(self.timing.by_process)

    @property
    def long(self) -> bool:
        """Whether the update is long enough for the aim."""
        return middle(self.timing.by_process) >= AT_SECONDS

    @property
    def short(self) -> bool:
        """Whether the update is so short that the harness shows."""
        return middle(self.timing.by_process) < SHORT_SECONDS


@dataclass(frozen=True, slots=True)
class Energy:
    """Joules of one update by what told them; what else ran on the machine is in them."""

    timing: Timing
    joules: dict[str, float]


@dataclass(frozen=True, slots=True)
class Watched:
    """What the machine did while cases were timed, over all timed processes.

    Attributes
    ----------
    processes
        How many were watched.
    other_load
        Share of the cores that other programs took: median and most; None where not told.
    steal
        Most of the time that a host took away.
    frequency_mhz
        Least and most; None where the machine tells none.
    swapped
        Processes during which memory was swapped.
    slowed
        Processes during which cores or GPUs were slowed down for their heat or power; None where not told.
    """

    processes: int
    other_load: tuple[float, float] | None
    steal: float
    frequency_mhz: tuple[float, float] | None
    swapped: int
    slowed: int | None


def overheads(measured: list[Timing]) -> list[Overhead]:
    """Of every timed case that measured it."""
    return [Overhead(one, middle(one.overhead)) for one in measured if one.overhead]


def energies(measured: list[Timing]) -> list[Energy]:
    """Of every timed case where the machine told; the median over its processes."""
    found = []
    for one in measured:
        told: dict[str, list[float]] = {}
        for record in one.records:
            machine = timed(record).machine
            if machine is None or not machine.updates:
                continue
            joules = dict(machine.energy_joules or {})
            for number, gpu in enumerate(machine.accelerators):
                if gpu.energy_joules is not None:
                    joules[f"GPU {number}"] = gpu.energy_joules
            for name, value in joules.items():
                told.setdefault(name, []).append(value / machine.updates)
        if told:
            found.append(Energy(one, {name: float(np.median(values)) for name, values in told.items()}))
    return found


def watched(measured: list[Timing]) -> Watched | None:
    """Over all timed processes; None where none was watched."""
    seen = [machine for one in measured for record in one.records if (machine := timed(record).machine) is not None]
    if not seen:
        return None
    loads = [one.other_load for one in seen if one.other_load is not None]
    telling = [one for one in seen if one.throttled is not None or one.accelerators]
    clocks = [one.frequency_mhz for one in seen if one.frequency_mhz is not None]
    return Watched(
        processes=len(seen),
        other_load=(float(np.median(loads)), max(loads)) if loads else None,
        steal=max(one.steal for one in seen),
        frequency_mhz=(min(one.least for one in clocks), max(one.most for one in clocks)) if clocks else None,
        swapped=sum(bool(one.swapped_bytes) for one in seen),
        slowed=sum(map(_slowed, telling)) if telling else None,
    )


def _slowed(one: recorded.Watched) -> bool:
    return bool(one.throttled or any(gpu.slowed_by for gpu in one.accelerators))
