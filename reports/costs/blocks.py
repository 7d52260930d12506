"""Timed blocks of one process, and ratios of two processes: block by block where they took turns."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from reports.collect.records import Record
from reports.statistics.running_time import FloatArray


@dataclass(frozen=True)
class Blocks:
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
    def of(cls, record: Record, part: Mapping[str, Any], name: str) -> Self:
        """Read a list of samples of a time record, whose `part` also says how many were left out before."""
        return cls(record.body.get("group"), int(part.get("warm_up_blocks") or 0), np.array(part[name], dtype=float))

    @property
    def median(self) -> float:
        """Median seconds a step."""
        return float(np.median(self.seconds))


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
    return float(np.median(np.log(one / other)))


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
