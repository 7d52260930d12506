"""How far an update is from what the machine can do, and which limit is nearest.

References
----------
S. Williams, A. Waterman and D. Patterson, "Roofline: an insightful visual performance model for multicore
architectures", Communications of the ACM 52 (2009) 65-76.
"""

import math
import statistics
from dataclasses import dataclass
from typing import Any

from reports.collect.read import Run
from reports.costs.counts import Count, count
from reports.costs.timings import Timing, middle

PRODUCT, MEMORY, OPERATION = "matrix product, {}", "memory, read and written", "smallest operation in a graph"
NARROW = {"mixed_bfloat16": "bfloat16"}
UNKNOWN = "not known"
EXPLAINS = 0.5
"""A limit that accounts for half of an update's time binds it; where none does, none is named."""


@dataclass(frozen=True)
class Ceilings:
    """The best that this machine reached in this run.

    Attributes
    ----------
    products
        Operations a second of a large matrix product, by dtype.
    bandwidth
        Bytes a second, read and written.
    operation
        Seconds that the smallest operation takes inside a graph.
    cores
        Cores that may start operations side by side.
    rows
        Name, unit, best and median, as measured.
    engine
        What they were measured with, whatever engine a case has; None in records that do not tell.
    """

    products: dict[str, float]
    bandwidth: float
    operation: float
    cores: int
    rows: tuple[dict[str, Any], ...]
    engine: str | None = None

    def usual(self, dtype: str) -> float:
        """Usual rate of a large product over its best; nan where neither was measured."""
        found = [row["median"] / row["best"] for row in self.rows if row["name"] == PRODUCT.format(dtype)]
        return float(found[0]) if found else math.nan


@dataclass(frozen=True)
class Point:
    """One timed case on the roofline.

    Attributes
    ----------
    flops_per_second
        Achieved.
    intensity
        Operations a byte that must be moved at least.
    shares
        Least seconds by each limit (arithmetic, memory, dispatch) over the measured ones; dispatch is missing where a
        compiler has fused the operations away. Counts are of what must be done, so a share can only be too low; that of
        dispatch counts the operations of the traced graph, some of which a graph optimiser removes, and can exceed 1.
    """

    timing: Timing
    count: Count
    flops_per_second: float
    intensity: float
    shares: dict[str, float]

    @property
    def binds(self) -> str:
        """The limit that is nearest, where it explains half of the time; not known where operations are not counted."""
        name = max(self.shares, key=lambda one: self.shares[one])
        if self.shares[name] >= EXPLAINS:
            return name
        return "none of them" if "dispatch" in self.shares else UNKNOWN


def ceilings(run: Run) -> Ceilings | None:
    """The best of each over the invocations of a run that timed; None where none measured them."""
    told = [one for one in run.about.get("invocations") or [] if one.get("ceilings")]
    if not told:
        return None
    measured = [one["ceilings"] for one in told]
    rows = []
    for name in dict.fromkeys(name for one in measured for name in one):
        every = [one[name] for one in measured if name in one]
        best = min if every[0]["unit"] == "s" else max
        usual = statistics.median(one["median"] for one in every)
        rows.append(every[0] | {"best": best(one["best"] for one in every), "median": usual})
    by_name = {row["name"]: float(row["best"]) for row in rows}
    return Ceilings(
        products={
            d: by_name[PRODUCT.format(d)] for d in ("float32", "float64", "bfloat16") if PRODUCT.format(d) in by_name
        },
        bandwidth=by_name.get(MEMORY, math.nan),
        operation=by_name.get(OPERATION, math.nan),
        cores=len((run.about.get("machine") or {}).get("affinity") or [0]),
        rows=tuple(rows),
        engine=told[0].get("ceilings_engine"),
    )


def points(measured: list[Timing], limits: Ceilings | None) -> list[Point]:
    """Every timed case whose operations can be counted, on the device that the ceilings are of."""
    return [] if limits is None else [point for one in measured if (point := _point(one, limits)) is not None]


def _point(one: Timing, limits: Ceilings) -> Point | None:
    counted = count(one.records[0])
    peak = limits.products.get(NARROW.get(one.setting.dtype, one.setting.dtype))
    if counted is None or peak is None or math.isnan(limits.bandwidth):
        return None
    seconds = middle(one.by_process)
    shares = {
        "arithmetic": counted.flops / peak / seconds,
        "memory": counted.moved / limits.bandwidth / seconds,
    }
    started = _operations(one)
    if started is not None and math.isfinite(limits.operation):
        shares["dispatch"] = started * limits.operation / limits.cores / seconds
    return Point(one, counted, counted.flops / seconds, counted.flops / counted.moved, shares)


def _operations(one: Timing) -> float | None:
    """Operations that an update must start one by one; None where a compiler made few kernels of them."""
    evidence, body = one.body.get("evidence") or {}, one.body
    if evidence.get("XlaMustCompile") or "ops an update" not in evidence or one.setting.kernel == "cudnn":
        return None
    steps = body["cell_steps_per_update"] / (one.setting.batch_size * one.setting.layers)
    return float(evidence["ops an update"] + evidence.get("ops a step", 0) * steps)
