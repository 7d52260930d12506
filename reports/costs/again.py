"""A/A: what a timed case differs from itself by, in another process and in the other half of its blocks."""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from reports.costs.timings import Timing

AIM = 0.02
"""How far a case may be from itself, in the median over the cases."""


@dataclass(frozen=True)
class Again:
    """Ratios of cases with themselves, each at least 1 (the larger over the smaller).

    Attributes
    ----------
    processes
        Of two processes of a case, one entry a case.
    blocks
        Of the even and the odd blocks of a process, one entry a process: what no repetition could take away.
    """

    processes: tuple[float, ...]
    blocks: tuple[float, ...]

    @property
    def off(self) -> float:
        """How far two processes of a case are apart, in the median over the cases; nan where there are none."""
        return float(np.median(self.processes)) - 1 if self.processes else math.nan

    @property
    def off_blocks(self) -> float:
        """The same within a process."""
        return float(np.median(self.blocks)) - 1 if self.blocks else math.nan

    @property
    def worst(self) -> float:
        """The ninth in ten cases."""
        return float(np.quantile(self.processes, 0.9)) - 1 if self.processes else math.nan

    @property
    def reached(self) -> bool:
        """Whether the aim was reached."""
        return self.off <= AIM


def again(measured: list[Timing]) -> Again:
    """Compare every case with itself."""
    processes, blocks = [], []
    for one in measured:
        medians = [one.by_process[key] for key in sorted(one.by_process)]
        processes += [_apart(a, b) for a, b in pairwise(medians)]
        for record in one.records:
            samples = np.array(record.body["seconds_per_update"], dtype=float)
            if samples.size > 3:
                blocks.append(_apart(float(np.median(samples[0::2])), float(np.median(samples[1::2]))))
    return Again(tuple(processes), tuple(blocks))


def _apart(a: float, b: float) -> float:
    return max(a, b) / min(a, b)
