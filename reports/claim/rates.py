"""How much hangs on the learning rate: what each arm's tuning seeds needed at every rate of the grid."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from reports.collect.grouping import Setting, body
from reports.collect.read import Run
from reports.collect.records import Record, Replicate
from reports.statistics.running_time import expected_running_time


@dataclass(frozen=True)
class Rate:
    """One rate of the grid: expected updates to target over its tuning seeds (infinite without a success)."""

    rate: float
    reached: int
    n: int
    expected_updates: float


@dataclass(frozen=True)
class Rates:
    """An arm's grid; `chosen` is the rate that its evaluation seeds were trained with."""

    setting: Setting
    regime: str
    chosen: float
    at_edge: bool
    grid: tuple[Rate, ...]

    @property
    def second_best(self) -> float:
        """Expected updates at the best other rate over those at the chosen one; nan where there is none of either."""
        ours = [one.expected_updates for one in self.grid if one.rate == self.chosen]
        others = [one.expected_updates for one in self.grid if one.rate != self.chosen]
        if not ours or not others or not np.isfinite(ours[0]):
            return float("nan")
        return min(others) / ours[0]


def rates(run: Run) -> list[Rates]:
    """The tuning of every arm that was tuned over two rates or more."""
    found = [_of(record) for record in run.of_kind("convergence")]
    return sorted((one for one in found if len(one.grid) > 1), key=lambda one: (one.setting, one.regime))


def _of(record: Record) -> Rates:
    convergence = body(record)
    tuning: defaultdict[float, list[Replicate]] = defaultdict(list)
    for one in convergence.replicates:
        if one.role == "tuning":
            tuning[one.learning_rate].append(one)
    return Rates(
        setting=Setting.of(record.case),
        regime=record.case.regime,
        chosen=float(convergence.fields.get("chosen_rate") or np.nan),
        at_edge=bool(convergence.fields.get("rate_at_edge")),
        grid=tuple(_at(rate, replicates) for rate, replicates in sorted(tuning.items())),
    )


def _at(rate: float, replicates: list[Replicate]) -> Rate:
    spent = np.array([one.spent for one in replicates])
    reached = np.array([one.reached for one in replicates], dtype=bool)
    return Rate(rate, int(reached.sum()), reached.size, expected_running_time(spent, reached))


def median_second_best(found: Iterable[Rates]) -> float:
    """Median over arms of `Rates.second_best`, a rate without a success counted as infinite; nan without arms."""
    ratios = [one.second_best for one in found if not np.isnan(one.second_best)]
    return float(np.median(ratios)) if ratios else float("nan")
