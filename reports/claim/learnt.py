"""Whether a network learnt more of a real series than trivial predictions and a line do, on the same targets."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special

from bench.case.record import Record
from bench.case.stretches import stretch_means
from reports.collect.grouping import Setting
from reports.collect.read import Run
from reports.collect.records import body
from reports.formatting import count, listing
from reports.statistics.intervals import FloatArray
from reports.statistics.verdict import ALPHA

LINEAR = "linear"
"""How names of linear autoregressions begin."""

LINEAR_IS_ENOUGH = "a linear model is enough"


@dataclass(frozen=True)
class Learnt:
    """What was shown at 5 % on the scored targets of a task.

    Attributes
    ----------
    tested
        Arms that could show it, of the least error first: a training that stops at a target above the error of a line
        never shows whether it would have come below.
    beaten_by
        Those of them with less error than every simple prediction, after Holm's correction for their number.
    trivial, linear
        The best simple predictions of their kind there, by name.
    linear_beats_trivial
        Whether the line has less error than the best trivial prediction.
    """

    tested: list[Record]
    beaten_by: list[Record]
    trivial: str
    linear: str | None
    linear_beats_trivial: bool

    @property
    def claim(self) -> str:
        """What follows where no arm learnt more than simple predictions know."""
        return LINEAR_IS_ENOUGH if self.linear_beats_trivial else "nothing was shown to be learnt"

    @property
    def simple(self) -> list[str]:
        """The simple predictions that no arm beats."""
        return (
            [self.linear] if self.linear_beats_trivial and self.linear else [self.trivial, *filter(None, [self.linear])]
        )

    @property
    def sentence(self) -> str | None:
        """What stands first in the report where no arm learnt more; None where one did, or none could show it."""
        if self.beaten_by or not self.tested:
            return None
        networks = f"{count(len(self.tested), 'network')} trained to the end of the budget"
        return (
            f"{self.claim[0].upper()}{self.claim[1:]}: of {networks} none is shown to predict better than "
            f"{listing(self.simple)} by more than chance (held-out rows, 5 %)"
        )


def learnt(records: Sequence[Record]) -> Learnt | None:
    """Compare arms of one task with simple predictions; None where the records do not hold errors target by target."""
    known = [record for record in records if body(record).scored.squared_errors]
    if not known:
        return None
    simple = {name: np.array(errors) for name, errors in body(known[0]).scored.simple.items()}
    tested = sorted(filter(to_the_end, known), key=lambda record: float(_errors(record).mean()))
    p_values = [max(p_of_less(_errors(record), one) for one in simple.values()) for record in tested]
    order = np.argsort(p_values)
    shown = []
    for rank, place in enumerate(order):
        if p_values[place] > ALPHA / (len(tested) - rank):
            break
        shown.append(tested[place])
    trivial = min((name for name in simple if not name.startswith(LINEAR)), key=lambda name: simple[name].mean())
    linear = min(
        (name for name in simple if name.startswith(LINEAR)), key=lambda name: simple[name].mean(), default=None
    )
    beats = linear is not None and p_of_less(simple[linear], simple[trivial]) <= ALPHA
    return Learnt(tested, shown, trivial, linear, beats)


@lru_cache(maxsize=4)
def learnt_by_task(run: Run) -> dict[str, Learnt]:
    """Compare all arms of each task of a run whose records hold errors target by target; to be read only."""
    by_task = defaultdict(list)
    for record in run.of_kind("convergence"):
        by_task[Setting.of(record.case).task_name].append(record)
    return {task: one for task, records in by_task.items() if (one := learnt(records)) is not None}


def to_the_end(record: Record) -> bool:
    """Whether an arm was trained to the end of its budget, and not only to its target."""
    return record.training.stop == "budget"


def p_of_less(errors: FloatArray, others: FloatArray) -> float:
    """Probability of so much less error by chance: one-sided paired t test on means of stretches."""
    means = stretch_means(errors - others)
    spread = means.std(ddof=1)
    if not spread > 0:
        return 0.0 if means.mean() < 0 else 1.0
    return float(special.stdtr(len(means) - 1, means.mean() / (spread / np.sqrt(len(means)))))


def _errors(record: Record) -> FloatArray:
    return np.array(body(record).scored.squared_errors, dtype=float)
