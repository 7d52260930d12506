"""Recall of the input k steps ago: nothing is known of it until the window reaches that far."""

import math
from typing import ClassVar

import numpy as np

from tasks import noise
from tasks.baselines import simple_baselines
from tasks.dials import Dial
from tasks.task import FloatArray, Loss, Series, Task, check_window

SYMBOLS = 4


def delayed(values: FloatArray, delay: int) -> FloatArray:
    """Return the values ``delay`` steps earlier.

    Parameters
    ----------
    values : array, shape (n, ...)
    delay : int
        k, from 1 upward.

    Returns
    -------
    array, shape (n - delay, ...)
        Element i belongs to ``values[i + delay]`` and equals ``values[i]``.
    """
    return values[:-delay]


class DelayedRecall(Task):
    """Delayed recall by k steps.

    Derivation of the floor. A window of L steps shows the inputs 0 to L - 1 steps ago. While k >= L the
    target is independent of all of them, so the best prediction is its mean and the error its variance, 1.
    From L = k + 1 on the target is in view and the error is 0, which is also the optimum.
    """

    name: ClassVar[str] = "delayed_recall"
    dial_name: ClassVar[str | tuple[str, ...] | None] = "k"
    default_dial: ClassVar[Dial | None] = 8
    can_be_redrawn: ClassVar[bool] = True
    unit: ClassVar[str] = "share of the target's variance"
    trivial = 1.0  # always predict the mean, 0: the error is the variance
    optimum = 0.0

    @property
    def _delay(self) -> int:
        return self.whole_dial

    @property
    def reach(self) -> int:
        """Steps k + 1: the current input and the k before it."""
        return self._delay + 1

    @property
    def title(self) -> str:
        """A name for people."""
        return f"delayed recall by {self._delay}"

    @property
    def description(self) -> str:
        """One sentence for the report."""
        return f"Independent uniform inputs with variance 1; the target is the input {self._delay} steps ago."

    def build(self) -> Series:
        """Make the series; nothing is fitted, since mean and variance are known."""
        shown = self.shown(noise.stream(self.reach, self.draw))
        return Series(
            inputs=shown[self._delay :],
            targets=delayed(shown, self._delay),
            train_rows=noise.TRAIN_ROWS,
            warm_up=noise.warm_up_for(self.reach),
        )

    def shown(self, values: FloatArray) -> FloatArray:
        """Return what a row shows of its value, shape (n,) -> (n, features)."""
        return values[:, None]

    def stateless_floor(self, window: int) -> float:
        """Return the trivial error while the window does not show the target's input (k >= L), else 0."""
        return self.trivial if self._delay >= check_window(window) else self.optimum

    def stateless_prediction(self, window: int) -> FloatArray:
        """Return the target where the window shows it, else its mean, 0."""
        targets = self.series().targets
        return np.zeros_like(targets) if self._delay >= check_window(window) else targets

    def baselines(self) -> dict[str, float]:
        """Errors on the scored rows: of the mean 0, and of linear maps just short of and at full reach."""
        return simple_baselines(self, (self._delay, self.reach))


class DelayedRecallLabels(DelayedRecall):
    """Delayed recall by k steps of one of four symbols.

    The floor is derived as that of the numbers: while k >= L the four have equal probability whatever the window shows,
    and a cross-entropy of ln 4.
    """

    name: ClassVar[str] = "delayed_recall_labels"
    loss: Loss = "crossentropy"
    unit: ClassVar[str] = "nats"
    trivial = math.log(SYMBOLS)

    @property
    def title(self) -> str:
        """A name for people."""
        return f"{super().title}, labels"

    @property
    def description(self) -> str:
        """One sentence for the report."""
        return f"Independent symbols, {SYMBOLS} of equal probability; the label is the symbol {self._delay} steps ago."

    def shown(self, values: FloatArray) -> FloatArray:
        """Return a column of 0 and 1 for each symbol: which part of the range the value lies in."""
        edges = np.sqrt(3.0) * np.linspace(-1, 1, SYMBOLS + 1)[1:-1]
        return np.eye(SYMBOLS)[np.digitize(values, edges)]

    def stateless_prediction(self, window: int) -> FloatArray:
        """Return the label where the window shows it, else equal probabilities."""
        targets = self.series().targets
        return np.full_like(targets, 1 / SYMBOLS) if self._delay >= check_window(window) else targets
