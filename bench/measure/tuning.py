"""Which learning rate a fold is trained with: a race over a grid that grows while its best stands at its edge.

All rates of a fold are trained side by side from their first update, so that one that can no longer be the best is
given up as soon as another has arrived. Both arms of a comparison search the same ladder by the same rule, each as far
as it needs.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from bench.measure.replicate import Replicate

TIE = 0.02
"""Rates whose lowest errors are this close are alike where none reaches the target: the innermost is taken."""


class Tuning:
    """The tuning of one fold."""

    def __init__(self, grid: Sequence[float], further: int) -> None:
        self.grid = sorted(grid)
        self._further = further
        self._runs: defaultdict[float, list[Replicate]] = defaultdict(list)

    def enter(self, replicates: Iterable[Replicate]) -> None:
        """Take replicates into the race."""
        for one in replicates:
            self._runs[one.learning_rate].append(one)

    @property
    def tried(self) -> list[float]:
        """Rates in the race, ascending."""
        return sorted(self._runs)

    @property
    def replicates(self) -> list[Replicate]:
        """All that were entered, by rate."""
        return [one for rate in self.tried for one in self._runs[rate]]

    def abandon(self) -> None:
        """Give up what runs at a rate that would need more than another did even if all arrived now."""
        done = [runs for runs in self._runs.values() if all(one.ended for one in runs)]
        least = min(map(expected_updates, done), default=math.inf)
        for runs in self._runs.values():
            at_best = sum(one.spent for one in runs) / len(runs)
            for one in runs:
                one.abandoned |= not one.ended and at_best >= least

    @property
    def chosen(self) -> float:
        """The rate with the least expected updates to target.

        Where no rate reaches the target, the one with the lowest median of lowest errors; of those within 2 % of it,
        and of equals anywhere, the one nearest the middle of what was tried.
        """
        updates = {rate: expected_updates(runs) for rate, runs in self._runs.items()}
        least = min(updates.values())
        if math.isfinite(least):
            equal = [rate for rate in updates if updates[rate] == least]
        else:
            lowest = {rate: float(np.median([one.lowest for one in runs])) for rate, runs in self._runs.items()}
            equal = [rate for rate in lowest if lowest[rate] <= (1 + TIE) * min(lowest.values())]
        middle = (len(self.tried) - 1) / 2
        return min(equal, key=lambda rate: abs(self.tried.index(rate) - middle))

    @property
    def reached(self) -> bool:
        """Whether any replicate reached the target."""
        return any(one.updates_to_target is not None for one in self.replicates)

    @property
    def at_edge(self) -> bool:
        """Whether the chosen rate is the smallest or the largest of several tried."""
        return len(self._runs) > 1 and self.chosen in {self.tried[0], self.tried[-1]}

    @property
    def next_rate(self) -> float | None:
        """The rate to try next: one step beyond the edge that was chosen; None where that is not wanted any more."""
        if not self.at_edge:
            return None
        upwards = self.chosen == self.tried[-1]
        beyond = sum(rate > self.grid[-1] if upwards else rate < self.grid[0] for rate in self.tried)
        if beyond >= self._further:
            return None
        edge, inner = (self.tried[-1], self.tried[-2]) if upwards else (self.tried[0], self.tried[1])
        return float(f"{edge * edge / inner:.4g}")


def expected_updates(runs: Sequence[Replicate]) -> float:
    """All updates spent at a rate, failed runs included, over its successes; infinite without one."""
    successes = sum(one.updates_to_target is not None for one in runs)
    return sum(one.spent for one in runs) / successes if successes else math.inf
