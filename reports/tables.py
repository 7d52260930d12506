"""The one table at the top: verdicts by task and cell."""

from collections import Counter
from dataclasses import dataclass

from reports.analysis import Analysis
from reports.claim.arms import Comparison
from reports.collect.grouping import Setting
from reports.formatting import listing
from reports.statistics.verdict import LESS, MORE, Verdict


@dataclass(frozen=True)
class Row:
    """A task and cell: what became of the declared comparisons, of the others, and of the network's size.

    `less`, `more` and the others count comparisons that decide; `survive` those whose difference survives Holm.
    """

    task: str
    cell: str
    settings: int
    less: int
    more: int
    same: int
    undecided: int
    neither: int
    survive: int
    exploratory: str
    network: str


def overview(found: Analysis) -> list[Row]:
    """One row per task, cell and engine, in order; of a run that declares nothing, all comparisons are exploratory."""
    return [_row(found, *which) for which in dict.fromkeys(_which(one.setting) for one in found.compared)]


def _which(setting: Setting) -> tuple[str, str]:
    """Task and cell, and what is unusual: engines are not counted together."""
    return setting.task_name, f"{setting.cell_name}{setting.aside}"


def _row(found: Analysis, task: str, cell: str) -> Row:
    here = [one for one in found.compared if _which(one.setting) == (task, cell)]
    declared = [one for one in here if one.declared]
    verdicts = Counter(one.updates.verdict for one in declared)
    widths = Counter(one.verdict for one in found.widths if _which(one.setting) == (task, cell))
    return Row(
        task=task,
        cell=cell,
        settings=len(declared),
        less=sum(verdicts[v] for v in LESS),
        more=sum(verdicts[v] for v in MORE),
        same=verdicts[Verdict.SAME],
        undecided=verdicts[Verdict.UNDECIDED],
        neither=verdicts[Verdict.NEITHER],
        survive=sum(one.survives_holm for one in declared),
        exploratory=_exploratory([one for one in here if not one.declared]),
        network=listing([f"{verdict} {n}×" if n > 1 else str(verdict) for verdict, n in widths.items()]),
    )


def _exploratory(here: list[Comparison]) -> str:
    if not here:
        return "–"
    verdicts = [one.updates.verdict for one in here]
    return f"{sum(v in LESS for v in verdicts)} less, {sum(v in MORE for v in verdicts)} more of {len(here)}"
