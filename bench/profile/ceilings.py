"""Ceilings: the highest rates that simple operations reach here, with the framework that the cases are timed with."""

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from bench.engines.base import Engine, Primitives

BLOCK_S = 0.05
BLOCKS = 5
"""Blocks of an operation; the best is the ceiling, the middle one shows how far from it the machine usually is."""

PRODUCT = 1024
"""Rows of the squares that are multiplied: 4 MiB in float32, large enough that nothing but arithmetic counts."""

COPY_BYTES = 2**27
"""Several times the last cache of a desktop; 128 MiB, so that two of them fit everywhere."""

HAND_OVER_BYTES = 2**24
DTYPES = ("float32", "float64", "bfloat16")


@dataclass(frozen=True)
class Ceiling:
    """A rate, in `unit`, by its best and its middle block; seconds where `unit` is "s", and then the least is best."""

    name: str
    unit: str
    best: float
    median: float


def measure(engine: Engine, *, blocks: int = BLOCKS) -> list[Ceiling] | None:
    """Measure all ceilings; None for an engine that brings no operations to measure them with."""
    primitives = engine.primitives() if isinstance(engine, Primitives) else None
    if primitives is None:
        return None
    found = [
        _rate(f"matrix product, {dtype}", "FLOP/s", primitives.product(dtype, PRODUCT), 2.0 * PRODUCT**3, blocks)
        for dtype in DTYPES
    ]
    found.append(_rate("memory, read and written", "B/s", primitives.copy(COPY_BYTES), 2.0 * COPY_BYTES, blocks))
    found.append(
        _rate("host to device", "B/s", primitives.host_to_device(HAND_OVER_BYTES), float(HAND_OVER_BYTES), blocks)
    )
    found.append(_seconds("smallest operation in a graph", primitives.graph_op(), primitives.CHAIN, blocks))
    found.append(_seconds("smallest operation from Python", primitives.eager_op(), 1, blocks))
    return found


def to_dict(found: list[Ceiling] | None) -> dict[str, Any] | None:
    """By name, as run.json and profile.json hold them."""
    return None if found is None else {one.name: asdict(one) for one in found}


def block_seconds(repeat: Callable[[int], None], blocks: int) -> list[float]:
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


def _rate(name: str, unit: str, repeat: Callable[[int], None], amount: float, blocks: int) -> Ceiling:
    seconds = block_seconds(repeat, blocks)
    return Ceiling(name, unit, amount / min(seconds), amount / statistics.median(seconds))


def _seconds(name: str, repeat: Callable[[int], None], operations: int, blocks: int) -> Ceiling:
    seconds = block_seconds(repeat, blocks)
    return Ceiling(name, "s", min(seconds) / operations, statistics.median(seconds) / operations)
