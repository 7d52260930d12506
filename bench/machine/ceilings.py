"""Ceilings: the highest rates that simple operations reach here, with the framework that the cases are timed with."""

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from bench.engines.base import Engine, Primitives

BLOCK_S = 0.02
BLOCKS = 15
"""Blocks of an operation; the best is the ceiling, the middle one shows how far from it the machine usually is. Many,
because the best of few still depends on what else the machine did."""

PRODUCT = {"cpu": 1024, "gpu": 4096}
"""Rows of the squares that are multiplied, by device: large enough that nothing but arithmetic counts, and no larger,
since XLA tries out ways to multiply them on a GPU."""

COPY_BYTES = {"cpu": 2**27, "gpu": 2**30}
"""Several times the last cache of a desktop, or of a GPU, and small enough that two of them fit everywhere."""

HAND_OVER_BYTES = 2**24
DTYPES = ("float32", "float64", "bfloat16")


@dataclass(frozen=True)
class Ceiling:
    """A rate, in `unit`, by its best and its middle block; seconds where `unit` is "s", and then the least is best."""

    name: str
    unit: str
    best: float
    median: float


def measure(engine: Engine, device: str) -> list[Ceiling] | None:
    """Measure all ceilings of a device ("cpu" or "gpu"); None for an engine that brings no operations for it."""
    primitives = engine.primitives() if isinstance(engine, Primitives) else None
    if primitives is None:
        return None
    rows, size = PRODUCT[device], COPY_BYTES[device]
    found = [
        _rate(f"matrix product, {dtype}", "FLOP/s", primitives.product(dtype, rows), 2.0 * rows**3) for dtype in DTYPES
    ]
    found.append(_rate("memory, read and written", "B/s", primitives.copy(size), 2.0 * size))
    found.append(_rate("host to device", "B/s", primitives.host_to_device(HAND_OVER_BYTES), float(HAND_OVER_BYTES)))
    found.append(_seconds("smallest operation in a graph", primitives.graph_op(), primitives.CHAIN))
    found.append(_seconds("smallest operation from Python", primitives.eager_op(), 1))
    return found


def to_dict(found: list[Ceiling] | None) -> dict[str, Any] | None:
    """By name, as run.json and profile.json hold them."""
    return None if found is None else {one.name: asdict(one) for one in found}


def block_seconds(repeat: Callable[[int], None], blocks: int = BLOCKS) -> list[float]:
    """Seconds of one operation, one sample a block; the first calls, which compile, are left out."""

    def timed(times: int) -> float:
        begin = time.perf_counter()
        repeat(times)
        return time.perf_counter() - begin

    timed(1)
    times = 1
    while (taken := timed(times)) < BLOCK_S:
        times = max(times + 1, min(8 * times, int(1.2 * BLOCK_S / max(taken, 1e-9) * times)))
    return [timed(times) / times for _ in range(blocks)]


def _rate(name: str, unit: str, repeat: Callable[[int], None], amount: float) -> Ceiling:
    seconds = block_seconds(repeat)
    return Ceiling(name, unit, amount / min(seconds), amount / statistics.median(seconds))


def _seconds(name: str, repeat: Callable[[int], None], operations: int) -> Ceiling:
    seconds = block_seconds(repeat)
    return Ceiling(name, "s", min(seconds) / operations, statistics.median(seconds) / operations)
