"""Memory under its three names, checked against a count of what must be there."""

import math
from collections.abc import Callable

from msgspec import Struct, field
from msgspec.structs import replace

from reports.collect.grouping import Setting
from reports.collect.read import Run
from reports.costs.roofline import Count, count
from reports.costs.timings import Which, grouped

MEMORY_FIELDS = {
    "allocator_peak_bytes": "framework's allocator, training",
    "compile_peak_bytes": "framework's allocator, first call",
    "resident_peak_bytes": "resident, whole process",
}

LEAST_BYTES = 2**20
"""Below this the framework's own small allocations are as large as the model's, and the count says little."""

LEAST_SHARE, FACTOR = 0.9, 3.0
"""A sound peak is not below the count (but for rounding) and, with a framework's copies and workspace, not above three
times it."""

KEEPS_ALL = ("loop", "loop_implementation_1", "unrolled", "fit")
"""Kernels that keep what is counted; XLA computes some of it again and takes workspace of its own, as does cuDNN."""


class Memory(Struct, frozen=True):
    """Bytes by field of the record, the largest over the processes; None where not recorded."""

    setting: Setting
    regime: str
    peak: dict[str, int | None] = field(default_factory=dict)
    processes: int = 1
    count: Count | None = None

    @property
    def resident_before(self) -> int | None:
        """Resident memory before there was a model."""
        return self.peak.get("resident_before_bytes")

    @property
    def allocated(self) -> int | None:
        """Peak of the allocator while training."""
        return self.peak.get("allocator_peak_bytes")

    @property
    def beyond_framework(self) -> int | None:
        """Resident peak beyond what the imported framework had: the model, its graph and its compiler together."""
        peak, before = self.peak.get("resident_peak_bytes"), self.resident_before
        return None if peak is None or before is None else peak - before

    @property
    def over_count(self) -> float | None:
        """Measured over counted; None where either is missing or the count is too small to say something."""
        if self.count is None or self.allocated is None or self.count.total < LEAST_BYTES:
            return None
        return self.allocated / self.count.total

    @property
    def doubtful(self) -> bool:
        """Whether the peak cannot be right, or something other than the model was measured."""
        ratio = self.over_count
        return self._keeps_all and ratio is not None and not LEAST_SHARE <= ratio <= FACTOR

    @property
    def _keeps_all(self) -> bool:
        # JAX has every kernel compiled by XLA; what `fit` runs on a GPU is Keras' choice, which may be cuDNN or XLA.
        compiled = self.setting.engine == "jax" or (self.setting.kernel == "fit" and self.setting.device != "cpu")
        return self.setting.kernel in KEEPS_ALL and not compiled


class Pair(Struct, frozen=True):
    """Two memory cases that differ in one thing, `a` and `b`."""

    a: Memory
    b: Memory

    @property
    def ratio(self) -> float:
        """Allocator's peak, a / b."""
        return (self.a.allocated or 0) / (self.b.allocated or 1)

    @property
    def beyond_framework(self) -> float:
        """Resident memory beyond the framework, a / b; nan where either is missing."""
        a, b = self.a.beyond_framework, self.b.beyond_framework
        return a / b if a and b and a > 0 and b > 0 else math.nan

    @property
    def difference(self) -> int:
        """Allocator's peak, a - b, bytes."""
        return (self.a.allocated or 0) - (self.b.allocated or 0)


def memories(run: Run) -> list[Memory]:
    """Every setting and regime whose memory was measured, in order."""
    return [
        Memory(
            *which,
            peak={
                name: max((peak for r in records if (peak := getattr(r.memory, name)) is not None), default=None)
                for name in (*MEMORY_FIELDS, "resident_before_bytes")
            },
            processes=len(records),
            count=count(records[0]),
        )
        for which, records in grouped(run, "memory").items()
    ]


def unrolled_pairs(measured: list[Memory]) -> list[Pair]:
    """Unrolled beside loop."""
    return _pairs(measured, lambda s, r: (replace(s, kernel="loop"), r) if s.kernel == "unrolled" else None)


def state_pairs(measured: list[Memory]) -> list[Pair]:
    """Stateful beside stateless: what carrying the state takes."""
    return _pairs(measured, lambda s, r: (s, "stateless") if r == "stateful" else None)


def _pairs(measured: list[Memory], other: Callable[[Setting, str], Which | None]) -> list[Pair]:
    by_which: dict[Which, Memory] = {(one.setting, one.regime): one for one in measured if one.allocated}
    found = []
    for (setting, regime), one in by_which.items():
        key = other(setting, regime)
        if key is not None and key in by_which:
            found.append(Pair(one, by_which[key]))
    return found
