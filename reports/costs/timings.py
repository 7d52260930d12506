"""Timed cases: seconds of an update and of a forward pass, process by process, by the kernel that ran."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reports.collect.grouping import Setting
from reports.collect.read import Run
from reports.collect.records import Record
from reports.costs.blocks import Blocks

Which = tuple[Setting, str]
"""Setting and regime."""

ByProcess = dict[int, float]
"""A figure of each process, by its repetition."""


@dataclass(frozen=True)
class Timing:
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
        Seconds an update that are the harness's own, by process; {} where not measured.
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
    def inference_seconds(self) -> float:
        """Median over the processes; nan where not measured."""
        return middle(self.inference)

    @property
    def label(self) -> str:
        """Setting, regime and what ran."""
        return f"{self.setting.label} {self.regime} {self.setting.kernel}"

    @property
    def body(self) -> dict[str, Any]:
        """What the first process recorded, for what is the same in all."""
        return self.records[0].body if self.records else {}

    @property
    def kernels_seen(self) -> tuple[str, ...]:
        """Kernels that ran; () in records that do not tell."""
        return tuple(sorted({str(r.body["kernel_seen"]) for r in self.records if r.body.get("kernel_seen")}))


def middle(values: ByProcess) -> float:
    """Median over the processes; nan for none."""
    return float(np.median(list(values.values()))) if values else float("nan")


def ran_as_asked(record: Record) -> bool:
    """Whether the kernel that was seen is the one of the case; true for records that saw none."""
    return record.body.get("kernel_seen") in (None, record.case.kernel)


def timings(run: Run) -> list[Timing]:
    """Every timed setting and regime, in order; a case whose kernel was another than its flag said counts nowhere."""
    return [_timing(which, records) for which, records in grouped(run, "time").items()]


def mismatches(run: Run) -> list[Record]:
    """Records whose flag and kernel disagree."""
    return [r for kind in ("time", "memory") for r in run.of_kind(kind) if not ran_as_asked(r)]


def grouped(run: Run, kind: str) -> dict[Which, list[Record]]:
    """Records of a kind that ran as asked, by setting and regime, in order of repetition."""
    groups: defaultdict[Which, list[Record]] = defaultdict(list)
    for record in run.of_kind(kind):
        if ran_as_asked(record) and (kind != "time" or record.body.get("seconds_per_update")):
            groups[Setting.of(record.case), record.case.regime].append(record)
    return {which: sorted(groups[which], key=lambda r: r.case.repetition) for which in sorted(groups)}


def _timing(which: Which, records: list[Record]) -> Timing:
    blocks = {r.case.repetition: Blocks.of(r, r.body, "seconds_per_update") for r in records}
    passes = {
        r.case.repetition: Blocks.of(r, r.body["inference"], "seconds_per_call")
        for r in records
        if r.body.get("inference")
    }
    together = np.concatenate([one.seconds for one in blocks.values()])
    low, high = (float(q) for q in np.quantile(together, (0.25, 0.75)))
    by_process = {key: one.median for key, one in blocks.items()}
    return Timing(
        *which,
        median=middle(by_process),
        low=low,
        high=high,
        samples=together.size,
        by_process=by_process,
        inference={key: one.median for key, one in passes.items()},
        compiling=_by_process(records, "compile_seconds"),
        overhead=_by_process(records, "overhead_seconds_per_update"),
        blocks=blocks,
        passes=passes,
        records=tuple(records),
    )


def _by_process(records: list[Record], name: str) -> ByProcess:
    found = {r.case.repetition: r.body.get(name) for r in records}
    return {repetition: float(np.median(value)) for repetition, value in found.items() if value is not None}
