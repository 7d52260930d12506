"""How the ratio moves with the target: from the stored curves, where every replicate ran to its budget."""

from dataclasses import dataclass

import numpy as np

from reports.claim.arms import Comparison
from reports.collect.grouping import Setting
from reports.collect.records import Convergence
from reports.statistics.intervals import rounding_variance
from reports.statistics.targets import cost_arrays, ladder
from reports.statistics.verdict import LESS, MORE, Judgement, judge


@dataclass(frozen=True)
class Sensitivity:
    """Judgements at targets from easy to hard; `why_not` says why there are none."""

    setting: Setting
    targets: tuple[float, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    why_not: str = ""

    @property
    def turns(self) -> bool:
        """Whether carrying state needs less at one target and more at another."""
        verdicts = {one.verdict for one in self.judgements}
        return bool(verdicts & LESS and verdicts & MORE)

    @property
    def excerpt(self) -> list[tuple[float, Judgement]]:
        """An easy, a middle and the hardest target with their judgements."""
        steps = list(zip(self.targets, self.judgements, strict=True))
        return [steps[len(steps) // 4 - 1], steps[len(steps) // 2], steps[-1]] if steps else []


def sensitivity(comparison: Comparison) -> Sensitivity:
    """Ratio in updates at a dozen targets, log-spaced between the trivial error and the best of both arms.

    The best is the lower of the two arms' medians of each replicate's lowest error: what half of the
    trainings get to.
    """
    arms = (comparison.a.convergence, comparison.b.convergence)
    stops = {record.training.get("stop") for record in (comparison.a.record, comparison.b.record)}
    if stops != {"budget"}:
        return Sensitivity(comparison.setting, why_not="training stopped at the target, so no curve shows the rest")
    trivial = arms[0].level("trivial")
    if trivial is None:
        return Sensitivity(comparison.setting, why_not="the task states no trivial error")
    shared = {one.seed for one in arms[0].evaluation} & {one.seed for one in arms[1].evaluation}
    lowest = [_median_of_lowest(arm, shared) for arm in arms]
    best = min((value for value in lowest if np.isfinite(value)), default=np.nan)
    if not 0 < best < trivial:
        return Sensitivity(comparison.setting, why_not="no arm got below the trivial error")
    targets = ladder(best, trivial)
    curves = [[(one.updates, one.error) for one in arm.evaluation if one.seed in shared] for arm in arms]
    judgements = []
    for target in targets:
        costs = [cost_arrays(curve, target) for curve in curves]
        variances = [rounding_variance(*cost, arm.evaluate_every) for cost, arm in zip(costs, arms, strict=True)]
        judgements.append(judge(costs[0], costs[1], extra_variance=sum(variances)))
    return Sensitivity(comparison.setting, tuple(float(t) for t in targets), tuple(judgements))


def _median_of_lowest(arm: Convergence, seeds: set[int]) -> float:
    lowest = [
        float(np.nanmin(one.error)) for one in arm.evaluation if one.seed in seeds and np.isfinite(one.error).any()
    ]
    return float(np.median(lowest)) if lowest else float("nan")
