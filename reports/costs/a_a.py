"""A/A: what a timed case differs from itself by, in another process and in the other half of its blocks."""

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from reports.costs.blocks import Blocks, log_ratio, took_turns
from reports.costs.timings import Timing

AIM = 0.02
"""How far a case may be from itself, in the median, compared as two cases are."""


@dataclass(frozen=True)
class Again:
    """Ratios of cases with themselves, each at least 1 (the larger over the smaller).

    Attributes
    ----------
    turns
        Of two processes of a case that took turns, block by block: what two cases that are compared differ by for no
        reason.
    passes
        Of two processes of a case that ran at different times: what figures that are not compared are uncertain by.
    blocks
        Of the even and the odd blocks of a process, one entry a process: what no repetition could take away.
    """

    turns: tuple[float, ...]
    passes: tuple[float, ...]
    blocks: tuple[float, ...]

    @property
    def reached(self) -> bool:
        """Whether the aim was reached: it is for pairs that were formed as compared cases are."""
        return off(self.turns) <= AIM


def off(ratios: tuple[float, ...], share: float = 0.5) -> float:
    """How far a case is from itself in this share of the pairs, or less far; nan for none."""
    return float(np.quantile(ratios, share)) - 1 if ratios else math.nan


def again(measured: list[Timing]) -> Again:
    """Compare every case with itself."""
    turns: list[float] = []
    passes: list[float] = []
    blocks: list[float] = []
    for one in measured:
        for a, b in combinations(one.blocks.values(), 2):
            (turns if took_turns(a, b) else passes).append(_apart(a, b))
        for process in one.blocks.values():
            if process.seconds.size > 3:
                even, odd = (Blocks(None, 0, process.seconds[start::2]) for start in (0, 1))
                blocks.append(_apart(even, odd))
    return Again(tuple(turns), tuple(passes), tuple(blocks))


def _apart(a: Blocks, b: Blocks) -> float:
    return math.exp(abs(log_ratio(a, b)))
