"""Checks the suite against itself: nothing may get below the error that is possible for it."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.case.regimes import REGIMES
from reports.collect.grouping import body
from reports.collect.read import Run

STANDARD_ERRORS = 4.0


@dataclass(frozen=True)
class FloorCheck:
    """A record beside its floor; `margin` is the relative allowance below it."""

    key: str
    error: float
    floor: float
    margin: float

    @property
    def below(self) -> bool:
        """Whether the error is not possible, were all as stated."""
        return self.error < self.floor * (1 - self.margin)


def floor_checks(run: Run) -> list[FloorCheck]:
    """Check the median over the evaluation replicates of the last error of every arm whose floor is known.

    That is the stateless floor of an arm that carries no state, and the optimum of one that does.

    The floor is an expectation over all targets, the error a mean over the scored ones. So 4 of its relative standard
    errors are allowed for: by the normal law a sound result falls below that in 3 of 100,000 checks, and squared
    errors, skewed to the right, do so less often. 4 and not 3, since neighbouring targets share inputs, which the
    standard error does not know, and a run makes dozens of checks. The last error is not chosen by its size, as the
    lowest would be; the median is not moved by single replicates that diverged. Where the record states no standard
    error, that of normal errors is used, sqrt(2 / targets). No check where 4 of them leave nothing to see.
    """
    found = []
    for record in run.of_kind("convergence"):
        convergence = body(record)
        floor = convergence.level("optimum" if REGIMES[record.case.regime].carried else "stateless_floor")
        last = [one.error[-1] for one in convergence.evaluation if one.error.size and np.isfinite(one.error[-1])]
        # What is injected tells of rows before the window.
        if REGIMES[record.case.regime].injected or not floor or not last:
            continue
        margin = STANDARD_ERRORS * _relative_standard_error(convergence.fields.get("scored") or {})
        if margin < 1:
            found.append(FloorCheck(record.key, float(np.median(last)), floor, margin))
    return found


def _relative_standard_error(scored: dict[str, Any]) -> float:
    stated = scored.get("relative_standard_error")
    if stated is not None and math.isfinite(stated):
        return float(stated)
    return math.sqrt(2 / scored["count"]) if scored.get("count") else math.inf
