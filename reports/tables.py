"""The one table at the top: verdicts by task and cell."""

from collections import Counter
from dataclasses import dataclass

from reports.analysis import Analysis
from reports.statistics.verdict import Verdict
from reports.words import listing


@dataclass(frozen=True)
class Row:
    """A task and cell: how often each verdict fell in updates, and what became of the network's size."""

    task: str
    cell: str
    settings: int
    verdicts: Counter[Verdict]
    network: str


def overview(found: Analysis) -> list[Row]:
    """One row per task and cell, in order."""
    keys = dict.fromkeys((one.setting.task_name, one.setting.cell_name) for one in found.compared)
    rows = []
    for task, cell in keys:
        here = [one for one in found.compared if (one.setting.task_name, one.setting.cell_name) == (task, cell)]
        widths = Counter(
            one.verdict for one in found.widths if (one.setting.task_name, one.setting.cell_name) == (task, cell)
        )
        network = listing([f"{verdict} {n}×" if n > 1 else str(verdict) for verdict, n in widths.items()])
        rows.append(Row(task, cell, len(here), Counter(one.updates.verdict for one in here), network))
    return rows
