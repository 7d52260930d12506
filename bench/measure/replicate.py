"""One training, and what was found along it: its curve, and its errors at each scored target."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from bench.case import trained
from bench.case.checked import MOST_ERROR
from bench.engines.base import Array, Predicts

Role = Literal["tuning", "evaluation"]


class HalfScores:
    """A training's errors at each scored target, at an evaluation that was not chosen by that target.

    A training is judged at its best evaluation, and the best of many is partly lucky on the targets that it was chosen
    by. So each half of the targets (every second one) is scored at the evaluation that is best on the other half.
    """

    def __init__(self) -> None:
        self._best = [np.inf, np.inf]
        self.errors: Array | None = None

    def note(self, errors: Array) -> None:
        """Add an evaluation: errors, shape (targets,)."""
        if self.errors is None:
            self.errors = np.array(errors, np.float64)
        for half, other in ((0, 1), (1, 0)):
            error = float(np.mean(errors[other::2]))
            if error < self._best[half]:
                self._best[half] = error
                self.errors[half::2] = errors[half::2]


@dataclass
class Replicate:
    """One training and what was found along it.

    Attributes
    ----------
    seed
        Of the order of the data and of dropout; of the initial weights too unless `weights_seed` is another.
    target, hold
        The error to reach, and at how many evaluations in a row.
    updates_to_target
        Updates at the first of those evaluations, once all of them are made; None until then.
    used_up
        It has made all the updates of its budget.
    abandoned
        A rate that was given up in tuning since another of its fold had already needed less.
    """

    seed: int
    role: Role
    learning_rate: float
    fold: int = 0
    draw: int = 0
    target: float = 0.0
    hold: int = 1
    updates: list[int] = field(default_factory=list)
    error: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    updates_to_target: int | None = None
    diverged: bool = False
    abandoned: bool = False
    used_up: bool = False
    otherwise: dict[Predicts, float | None] = field(default_factory=dict)
    relative_standard_error: float = math.nan
    scores: HalfScores = field(default_factory=HalfScores)
    weights_seed: int = field(init=False)

    def __post_init__(self) -> None:
        self.weights_seed = self.seed

    def note(self, updates: int, error: float, loss: float, accuracy: float | None = None) -> None:
        """Add one evaluation after so many updates in all; `accuracy` of labels."""
        self.updates.append(updates)
        self.error.append(error)
        self.loss.append(loss)
        self.accuracy += [] if accuracy is None else [accuracy]
        self.diverged = not error <= MOST_ERROR  # nan is not
        last = self.error[-self.hold :]
        if self.updates_to_target is None and len(last) == self.hold and all(one <= self.target for one in last):
            self.updates_to_target = self.updates[-self.hold]

    @property
    def spent(self) -> int:
        """Updates to the target, or all that were made without reaching it."""
        return self.updates_to_target or (self.updates[-1] if self.updates else 0)

    @property
    def ended(self) -> bool:
        """Whether its race is over: it arrived, or can no longer arrive."""
        return self.updates_to_target is not None or self.diverged or self.abandoned or self.used_up

    @property
    def lowest(self) -> float:
        """Its lowest error."""
        return min((value for value in self.error if math.isfinite(value)), default=math.inf)

    def to_record(self) -> trained.Replicate:
        """The replicate as a record holds it."""
        reached = self.updates_to_target is not None
        return trained.Replicate(
            seed=self.seed,
            weights_seed=None if self.weights_seed == self.seed else self.weights_seed,
            role=self.role,
            fold=self.fold,
            draw=self.draw,
            target=rounded(self.target),
            learning_rate=self.learning_rate,
            updates=self.updates,
            error=[rounded(value) for value in self.error],
            loss=[rounded(value) for value in self.loss],
            accuracy=[float(f"{value:.6g}") for value in self.accuracy],
            reached=reached,
            updates_to_target=self.updates_to_target,
            censored_at=None if reached else self.updates[-1],
            diverged=self.diverged,
            abandoned=self.abandoned,
        )


def rounded(value: Any) -> float | None:
    """Six digits, since more would only make the records larger; None for what is no number, which JSON has not."""
    return float(f"{float(value):.6g}") if value <= MOST_ERROR else None


def mean_errors(scores: Iterable[HalfScores]) -> list[float] | None:
    """Mean over trainings at each target, six digits; None where no training has finite errors."""
    known = [one.errors for one in scores if one.errors is not None]
    finite = [errors for errors in known if np.isfinite(errors).all()]
    return six_digits(np.mean(finite, axis=0)) if finite else None


def six_digits(errors: Array) -> list[float]:
    """As a record holds them."""
    return [float(f"{error:.6g}") for error in errors]
