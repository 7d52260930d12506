"""Whether a network learnt more of a real series than trivial predictions and a line do, on the same targets."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from bench.case.record import Record
from bench.case.stretches import stretch_means
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
    beaten_by
        Arms with less error than every simple prediction, after Holm's correction for the number of arms.
    arms
        How many arms could be tested.
    trivial, linear
        The best simple predictions of their kind there, by name.
    linear_beats_trivial
        Whether the line has less error than the best trivial prediction.
    """

    beaten_by: list[Record]
    arms: int
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
        """What stands first in the report where no arm learnt more; None where one did."""
        if self.beaten_by:
            return None
        claim = f"{self.claim[0].upper()}{self.claim[1:]}"
        return f"{claim}: {none_better(self.arms, self.simple)} by more than chance (held-out rows, 5 %)"


def none_better(networks: int, simple: Sequence[str]) -> str:
    """That none of so many networks is shown to beat simple predictions, where these are not clear already."""
    than = f" than {listing(simple)}" if simple else ""
    return f"of {count(networks, 'network')} none is shown to predict better{than}"


def learnt(records: Sequence[Record]) -> Learnt | None:
    """Compare arms of one task with simple predictions; None where the records do not hold errors target by target."""
    tested = [record for record in records if body(record).scored.squared_errors]
    if not tested:
        return None
    simple = {name: np.array(errors) for name, errors in body(tested[0]).scored.simple.items()}
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
    return Learnt(shown, len(tested), trivial, linear, beats)


def p_of_less(errors: FloatArray, others: FloatArray) -> float:
    """Probability of so much less error by chance: one-sided paired t test on means of stretches."""
    means = stretch_means(errors - others)
    spread = means.std(ddof=1)
    if not spread > 0:
        return 0.0 if means.mean() < 0 else 1.0
    return float(special.stdtr(len(means) - 1, means.mean() / (spread / np.sqrt(len(means)))))


def _errors(record: Record) -> FloatArray:
    return np.array(body(record).scored.squared_errors, dtype=float)
