"""What an update costs: seconds by kernel, regime and batch size; memory under its three names."""

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from reports.read import Run
from reports.records import FloatArray, Record
from reports.settings import Setting
from reports.statistics.intervals import Ratio, geometric_ratio

MEMORY_FIELDS = {
    "allocator_peak_bytes": "TensorFlow allocator, training",
    "compile_peak_bytes": "TensorFlow allocator, first call",
    "resident_peak_bytes": "resident, whole process",
}


@dataclass(frozen=True)
class Timing:
    """One setting and regime over its processes; seconds of one weight update, steady state.

    Attributes
    ----------
    by_process
        Median of each process by its repetition.
    low, high
        Quartiles of all samples.
    compile_seconds
        Median over the processes; nan where not recorded.
    """

    setting: Setting
    regime: str
    median: float
    low: float
    high: float
    samples: int
    by_process: dict[int, float]
    compile_seconds: float
    kernels_seen: tuple[str, ...]


@dataclass(frozen=True)
class TimeRatio:
    """Stateful over stateless, seconds of one update, process by process."""

    setting: Setting
    ratio: Ratio


@dataclass(frozen=True)
class Memory:
    """Bytes by field of the record, the largest over the processes; None where not recorded."""

    setting: Setting
    regime: str
    peak: dict[str, int | None] = field(default_factory=dict)
    processes: int = 1

    @property
    def resident_before(self) -> int | None:
        """Resident memory before there was a model."""
        return self.peak.get("resident_before_bytes")


def timings(run: Run) -> list[Timing]:
    """Every timed setting and regime, in order."""
    return [_timing(setting, regime, records) for (setting, regime), records in _grouped(run, "time").items()]


def time_ratios(measured: list[Timing]) -> list[TimeRatio]:
    """Geometric mean of the processes' ratios wherever both arms were timed, paired by repetition."""
    by_key = {(one.setting, one.regime): one.by_process for one in measured}
    found = []
    for setting in sorted({one.setting for one in measured}):
        stateful, stateless = by_key.get((setting, "stateful")), by_key.get((setting, "stateless"))
        if stateful and stateless and (shared := sorted(stateful.keys() & stateless.keys())):
            a, b = (np.array([side[key] for key in shared]) for side in (stateful, stateless))
            found.append(TimeRatio(setting, geometric_ratio(a, b)))
    return found


def memories(run: Run) -> list[Memory]:
    """Every setting and regime whose memory was measured, in order."""
    found = []
    for (setting, regime), records in _grouped(run, "memory").items():
        peak = {
            name: max((int(r.body[name]) for r in records if r.body.get(name) is not None), default=None)
            for name in (*MEMORY_FIELDS, "resident_before_bytes")
        }
        found.append(Memory(setting, regime, peak, len(records)))
    return found


def _grouped(run: Run, kind: str) -> dict[tuple[Setting, str], list[Record]]:
    groups: defaultdict[tuple[Setting, str], list[Record]] = defaultdict(list)
    for record in run.of_kind(kind):
        if kind != "time" or record.body.get("seconds_per_update"):
            groups[Setting.of(record.case), record.case.regime].append(record)
    return dict(sorted(groups.items()))


def _timing(setting: Setting, regime: str, records: list[Record]) -> Timing:
    samples = {r.case.repetition: _samples(r) for r in records}
    together = np.concatenate(list(samples.values()))
    compiles = [float(r.body["compile_seconds"]) for r in records if r.body.get("compile_seconds") is not None]
    low, median, high = (float(q) for q in np.quantile(together, (0.25, 0.5, 0.75)))
    return Timing(
        setting=setting,
        regime=regime,
        median=median,
        low=low,
        high=high,
        samples=together.size,
        by_process={repetition: float(np.median(values)) for repetition, values in samples.items()},
        compile_seconds=float(np.median(compiles)) if compiles else float("nan"),
        kernels_seen=tuple(sorted({str(r.body["kernel_seen"]) for r in records if r.body.get("kernel_seen")})),
    )


def _samples(record: Record) -> FloatArray:
    return np.array(record.body["seconds_per_update"], dtype=float)
