"""What reaching a target costs when some replicates never reach it.

Throughout, `cost` has shape (n,), in any unit, and holds what a replicate spent until it reached the target
or was censored; `reached` has shape (n,) and tells which.
"""

import math

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def expected_running_time(cost: FloatArray, reached: BoolArray) -> float:
    """Cost of all replicates, failed ones included, over the number of successes.

    What one success costs when failed trainings are simply repeated. Infinite without a success.

    References
    ----------
    N. Hansen et al., "COCO: performance assessment", arXiv:1605.03560 (2016), section 4.1 (aRT); A. Auger and
    N. Hansen, "Performance evaluation of an advanced local search evolutionary algorithm", IEEE CEC (2005).
    """
    successes = int(np.sum(reached))
    return float(np.sum(cost)) / successes if successes else math.inf


def restricted_mean(cost: FloatArray, budget: float) -> float:
    """Mean of min(cost, budget), the unit of `cost`: defined with or without a success."""
    return float(np.mean(np.minimum(cost, budget))) if cost.size else math.nan


def ecdf(cost: FloatArray, reached: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Share of replicates that reached the target by a cost.

    Returns
    -------
    cost, share
        Both of shape (k,), k the number of different costs of success; the share steps up at each. It ends
        below 1 where a replicate was censored. Exact for one common budget; with several, a censored
        replicate counts as never arriving.
    """
    hits, counts = np.unique(cost[reached], return_counts=True)
    return hits, np.cumsum(counts) / max(cost.size, 1)
