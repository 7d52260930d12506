"""Checks the suite against itself: nothing without carried state may get below the stateless floor."""

from dataclasses import dataclass

import numpy as np

from bench.regimes import REGIMES
from reports.read import Run
from reports.settings import body

STANDARD_ERRORS = 3.0


@dataclass(frozen=True)
class BelowFloor:
    """A record whose error is not possible, were all as stated."""

    key: str
    error: float
    floor: float


def below_floor(run: Run) -> list[BelowFloor]:
    """Stateless records whose last error, averaged over the evaluation replicates, lies below their floor.

    The floor is an expectation and the error a mean over the scored targets, so 3 of its relative standard
    errors are allowed for. An arm with a burn-in sees more than its window and has no such floor.
    """
    found = []
    for record in run.of_kind("convergence"):
        regime, convergence = REGIMES[record.case.regime], body(record)
        floor = convergence.level("stateless_floor")
        last = [one.error[-1] for one in convergence.evaluation if one.error.size and np.isfinite(one.error[-1])]
        if regime.carried or regime.burn_in or floor is None or not last:
            continue
        uncertain = (convergence.fields.get("scored") or {}).get("relative_standard_error") or 0.0
        error = float(np.mean(last))
        if error < floor * (1 - STANDARD_ERRORS * float(uncertain)):
            found.append(BelowFloor(record.key, error, floor))
    return found
