"""The jackknife interval of many comparisons at once, for simulations; tested to equal `running_time_ratio`."""

import numpy as np
from scipy import special

from reports.statistics.intervals import LEVEL, effective_degrees
from reports.statistics.running_time import BoolArray, FloatArray


def log_ratio_limits(
    cost_a: FloatArray,
    reached_a: BoolArray,
    cost_b: FloatArray,
    reached_b: BoolArray,
    every_a: float = 0.0,
    every_b: float = 0.0,
) -> tuple[FloatArray, FloatArray]:
    """Limits of log(ERT a / ERT b), shape (m,), of arrays of shape (m, n); nan where an arm has under two successes.

    `every_a` and `every_b` are the cadences at which successes are looked for, the unit of cost (0: exactly known).
    """
    n = cost_a.shape[1]
    arms = ((cost_a, reached_a, every_a), (cost_b, reached_b, every_b))
    log_ert, without_one, costs, rounding = [], [], [], np.zeros(cost_a.shape[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        for cost, reached, every in arms:
            total, hits = cost.sum(axis=1, keepdims=True), reached.sum(axis=1, keepdims=True)
            log_ert.append(np.log(total / hits)[:, 0])
            costs.append(np.log(total - cost))
            without_one.append(costs[-1] - np.log(hits - reached))
            rounding += (hits * every**2 / 12 / total**2)[:, 0]
        values = without_one[0] - without_one[1]
        jackknife = (n - 1) * values.var(axis=1)
        t = special.stdtrit(effective_degrees(values, costs[0] - costs[1]), 1 - (1 - LEVEL) / 2)
        half = t * np.sqrt(jackknife + rounding)
        middle = log_ert[0] - log_ert[1]
    enough = (reached_a.sum(axis=1) >= 2) & (reached_b.sum(axis=1) >= 2)
    return np.where(enough, middle - half, np.nan), np.where(enough, middle + half, np.nan)
