"""Parity of the last n signs: one of them unseen, and nothing at all is known of the answer."""

import math
from dataclasses import replace
from typing import ClassVar

import numpy as np

from tasks import noise
from tasks.baselines import simple_baselines
from tasks.dials import Dial
from tasks.task import FloatArray, Loss, Series, Task, check_window


def signs(values: FloatArray) -> FloatArray:
    """Return +1 where a value is at least 0, else -1: two outcomes only, so that none of them is 0."""
    return np.where(values >= 0, 1.0, -1.0)


def parity(bits: FloatArray, count: int) -> FloatArray:
    """Return the product of the last ``count`` signs.

    Parameters
    ----------
    bits : array, shape (m,)
        Each +1 or -1.
    count : int
        n, the number of factors, the current one included.

    Returns
    -------
    array, shape (m - count + 1,)
        Element i is the product of ``bits[i : i + count]``: +1 for an even number of -1, else -1.
    """
    windows: FloatArray = np.lib.stride_tricks.sliding_window_view(bits, count)
    products: FloatArray = windows.prod(axis=1)
    return products


class Parity(Task):
    """Parity of n signs.

    Derivation of the floor. The inputs are independent signs, +1 or -1 with probability 1/2; the target is
    the product of the last n, so it has mean 0 and variance 1. A window of L < n inputs lacks at least one
    factor. That factor is +1 or -1 with equal chance whatever the window shows, so given the window the
    target still has mean 0: the best prediction is 0, the error 1. With L >= n all factors are seen and the
    error is 0, which is also the optimum.

    No linear map does better than predicting 0 at any window if n > 1: the product times any one of its
    factors is a product of the others, and so has mean 0.
    """

    name: ClassVar[str] = "parity"
    dial_name: ClassVar[str | tuple[str, ...] | None] = "n"
    # Gradient descent finds parities hardly at all once n is large: no subset of the factors tells anything.
    default_dial: ClassVar[Dial | None] = 3
    can_be_redrawn: ClassVar[bool] = True
    unit: ClassVar[str] = "share of the target's variance"
    trivial = 1.0  # always predict the mean, 0: the error is the variance
    optimum = 0.0

    @property
    def reach(self) -> int:
        """The n steps that show every factor."""
        return self.whole_dial

    @property
    def title(self) -> str:
        """A name for people."""
        return f"parity of {self.reach} signs"

    @property
    def description(self) -> str:
        """One sentence for the report."""
        return (
            f"Independent random signs; the target is the product of the last {self.reach}, the current one included."
        )

    def build(self) -> Series:
        """Make the series: the signs of the inputs that the other tasks show."""
        bits = signs(noise.stream(self.reach, self.draw))
        return Series(
            inputs=bits[self.reach - 1 :, None],
            targets=parity(bits, self.reach)[:, None],
            train_rows=noise.TRAIN_ROWS,
            warm_up=noise.warm_up_for(self.reach),
        )

    def stateless_floor(self, window: int) -> float:
        """Return the trivial error while the window lacks a factor (L < n), else 0."""
        return self.trivial if check_window(window) < self.reach else self.optimum

    def stateless_prediction(self, window: int) -> FloatArray:
        """Return the target where the window shows it, else its mean, 0."""
        targets = self.series().targets
        return np.zeros_like(targets) if check_window(window) < self.reach else targets

    def baselines(self) -> dict[str, float]:
        """Errors on the scored rows: of the mean 0, and of the linear map at full reach, which is no better."""
        return simple_baselines(self, [self.reach])


class ParityLabels(Parity):
    """Parity of n signs as a label, even or odd.

    The floor is derived as that of the signs: while a factor is unseen both labels have probability 1/2 whatever the
    window shows, and a cross-entropy of ln 2.
    """

    name: ClassVar[str] = "parity_labels"
    loss: Loss = "crossentropy"
    unit: ClassVar[str] = "nats"
    trivial = math.log(2)

    @property
    def title(self) -> str:
        """A name for people."""
        return f"{super().title}, labels"

    @property
    def description(self) -> str:
        """One sentence for the report."""
        return (
            f"Independent random signs; the label, even or odd, is the parity of the last {self.reach}, the current "
            "one included."
        )

    def build(self) -> Series:
        """Make the series: the signs of `Parity`, and a column for each label."""
        series = super().build()
        return replace(series, targets=np.column_stack([series.targets < 0, series.targets > 0]))

    def stateless_prediction(self, window: int) -> FloatArray:
        """Return the label where the window shows it, else equal probabilities."""
        targets = self.series().targets
        return np.full_like(targets, 0.5) if check_window(window) < self.reach else targets
