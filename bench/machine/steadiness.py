"""How steady the machine is: one small piece of arithmetic, timed again and again for half a minute."""

import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

SECONDS = 30.0
PIECE_S = 0.01
"""Duration of a piece: a hundred times what a scheduler's tick or an interrupt takes."""


@dataclass(frozen=True)
class Steadiness:
    """Pieces of equal work.

    Attributes
    ----------
    seconds
        Duration of each piece, shape (pieces,).
    """

    seconds: tuple[float, ...]

    @property
    def spread(self) -> float:
        """Middle half of the durations over their median."""
        low, middle, high = statistics.quantiles(self.seconds, n=4)
        return (high - low) / middle

    @property
    def drift(self) -> float:
        """Median of the last third over that of the first, less one: positive where the machine slowed down."""
        third = len(self.seconds) // 3
        return statistics.median(self.seconds[-third:]) / statistics.median(self.seconds[:third]) - 1

    @property
    def stalls(self) -> float:
        """Share of the pieces that took half as long again as the median."""
        limit = 1.5 * statistics.median(self.seconds)
        return sum(one > limit for one in self.seconds) / len(self.seconds)

    def to_dict(self) -> dict[str, Any]:
        """Summary, as profile.json holds it."""
        return {
            "pieces": len(self.seconds),
            "median_seconds": statistics.median(self.seconds),
            "spread": self.spread,
            "drift": self.drift,
            "stalls": self.stalls,
        }


def measure(seconds: float = SECONDS) -> Steadiness:
    """Time pieces on one core: an array that fits the first cache, so that memory and threads play no part."""
    values = np.linspace(0.0, 1.0, 2048)
    found = np.empty_like(values)

    def piece(repetitions: int) -> float:
        begin = time.perf_counter()
        for _ in range(repetitions):
            np.sin(values, out=found)
        return time.perf_counter() - begin

    repetitions = 1
    while (taken := piece(repetitions)) < PIECE_S:
        repetitions = max(repetitions + 1, min(8 * repetitions, int(1.2 * PIECE_S / taken * repetitions)))
    end = time.perf_counter() + seconds
    durations: list[float] = []
    while time.perf_counter() < end or len(durations) < 6:
        durations.append(piece(repetitions))
    return Steadiness(tuple(durations))
