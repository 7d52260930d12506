"""Recall of what a sequence began with, at every step of it: many independent sequences.

Here carried state needs boundaries: where it passes from one sequence to the next, it is of no use.
"""

from typing import ClassVar

import numpy as np

from tasks import noise
from tasks.baselines import mean_squared_error
from tasks.dials import Dial
from tasks.task import FloatArray, Series, Task, check_window


def first_of_each(values: FloatArray, length: int) -> FloatArray:
    """Return the first value of the sequence that each value belongs to, shape (n,), of sequences of this length."""
    return np.repeat(values[::length], length)


class FirstElement(Task):
    """First element of a sequence, its beginning marked.

    Derivation of the floor. All places p = 0 to N - 1 of a sequence of N steps are scored. A window of L steps that
    ends at place p shows the first element where p < L, and the mark says that it does: the error there is 0. At the
    other N - L places the target is independent of all that is seen, and the error is its variance, 1.
    """

    name: ClassVar[str] = "first_element"
    dial_name: ClassVar[str | tuple[str, ...] | None] = "length"
    default_dial: ClassVar[Dial | None] = 16
    unit: ClassVar[str] = "share of the target's variance"
    trivial = 1.0  # always predict the mean, 0
    optimum = 0.0
    marked: ClassVar[bool] = True

    @property
    def _length(self) -> int:
        return self.whole_dial

    @property
    def reach(self) -> int:
        """The whole sequence."""
        return self._length

    @property
    def title(self) -> str:
        """A name for people."""
        return f"first of {self._length}{'' if self.marked else ', unmarked'}"

    @property
    def description(self) -> str:
        """One sentence for the report."""
        mark = "a mark stands where one begins" if self.marked else "nothing marks where one begins"
        return (
            f"Sequences of {self._length} independent uniform inputs with variance 1, {mark}; the target at every step "
            "is the first of the sequence."
        )

    def build(self) -> Series:
        """Make the series: whole sequences, as many as there are rows for."""
        train, scored = (rows // self._length * self._length for rows in (noise.TRAIN_ROWS, noise.SCORED_ROWS))
        values = noise.stream(1)[: train + scored]
        begins = np.arange(len(values)) % self._length == 0
        inputs = np.column_stack([values, begins]) if self.marked else values[:, None]
        return Series(
            inputs=inputs,
            targets=first_of_each(values, self._length)[:, None],
            train_rows=train,
            warm_up=0,
            starts=tuple(int(row) for row in np.flatnonzero(begins)),
        )

    def stateless_floor(self, window: int) -> float:
        """Return the share of places whose window does not reach the first element."""
        return max(0.0, 1 - check_window(window) / self._length)

    def stateless_prediction(self, window: int) -> FloatArray:
        """Return the target where the window reaches the first element, else the mean, 0."""
        series = self.series()
        return np.where(series.place[:, None] < check_window(window), series.targets, 0.0)

    def baselines(self) -> dict[str, float]:
        """Errors on the scored rows: of the mean 0, and of the current input taken for the first."""
        series = self.series()
        rows = series.scored
        targets = series.targets[rows]
        return {
            "mean": mean_squared_error(np.zeros_like(targets), targets),
            "current input": mean_squared_error(series.inputs[rows, :1], targets),
        }


class FirstElementUnmarked(FirstElement):
    """First element of a sequence, with nothing that marks its beginning.

    The control: a state that is zeroed at each beginning knows it without a mark. Derivation of the floor. Each window
    begins from a zero state, so one that is cut short by its sequence's beginning is known by its length, and its error
    is 0. Of the N - L + 1 places with a whole window one shows the first element first, with probability
    P = 1 / (N - L + 1); the best prediction is then P times the first input of the window, and the error 1 - P^2.
    """

    name: ClassVar[str] = "first_element_unmarked"
    marked: ClassVar[bool] = False

    def stateless_floor(self, window: int) -> float:
        """Return the error of places with a whole window, times their share."""
        whole = self._length - check_window(window) + 1
        return 0.0 if whole <= 1 else whole / self._length * (1 - 1 / whole**2)

    def stateless_prediction(self, window: int) -> FloatArray:
        """Return the target where the window is cut short, else the first input of the window times its probability."""
        series, earlier = self.series(), check_window(window) - 1
        whole = max(1, self._length - earlier)
        seen = series.inputs[np.maximum(np.arange(len(series.inputs)) - earlier, 0)]
        return np.where(series.place[:, None] < earlier, series.targets, seen / whole)
