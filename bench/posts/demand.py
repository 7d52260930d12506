"""The series of the electricity example, its windows as the book cuts them and without its flaws, and its baselines."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bench.engines.base import Array

WINDOW = 20
TRAIN_SHARE = 0.7

AS_PUBLISHED, NEXT = "rmse two steps ahead, share of range", "rmse of the next step, share of range"
REAL = "rmse two steps ahead, rows of zeros left out"


@dataclass(frozen=True)
class Demand:
    """A series and its windows."""

    raw: Array
    period: int

    @property
    def split(self) -> int:
        """First row that is held out."""
        return int(TRAIN_SHARE * len(self.raw))

    @cached_property
    def leaking(self) -> Array:
        """Scaled to 0..1 on all values, as published."""
        return np.asarray((self.raw - self.raw.min()) / np.ptp(self.raw))

    @cached_property
    def scaled(self) -> Array:
        """Scaled to 0..1 on the training values alone."""
        train = self.raw[: self.split]
        return np.asarray((self.raw - train.min()) / np.ptp(train))

    @cached_property
    def published(self) -> tuple[Array, Array]:
        """Windows and targets as published: the target skips a step, and the last L + 1 rows are left at zero."""
        x, y = np.zeros((len(self.raw), WINDOW)), np.zeros(len(self.raw))
        count = len(self.raw) - WINDOW - 1
        x[:count] = np.lib.stride_tricks.sliding_window_view(self.leaking, WINDOW)[:count]
        y[:count] = self.leaking[WINDOW + 1 :]
        return x[..., None], y[:, None]

    @property
    def real(self) -> Array:
        """Held-out rows of the published windows that hold values, and that whole batches reach."""
        batches = (len(self.raw) - self.split) // self.period
        return np.arange(self.split, min(self.split + batches * self.period, len(self.raw) - WINDOW - 1))

    @cached_property
    def windows(self) -> tuple[Array, Array]:
        """Windows that begin at each row, and the next value of each of their steps."""
        cut = np.lib.stride_tricks.sliding_window_view(self.scaled, WINDOW + 1)
        return cut[:, :-1, None], cut[:, 1:, None]

    @cached_property
    def scored(self) -> Array:
        """First rows of the windows whose last step counts: held out, after five days in which a state warms up."""
        batches = (len(self.windows[0]) - self.split) // self.period
        # One period less than there is: what every way of batching reaches.
        return np.arange(self.split + 5 * self.period, self.split + (batches - 1) * self.period)


def baselines(data: Demand) -> dict[str, dict[str, float]]:
    """Predictions without a network, on the same targets as the networks' own."""
    x, y = data.published
    ends = data.real + WINDOW + 1
    two = {
        "persistence": float(rmse(x[data.real, -1], y[data.real])[0]),
        "seasonal naive (a day)": float(rmse(data.leaking[ends - data.period, None], y[data.real])[0]),
        "linear autoregression (20 lags), stateless": _linear(x[..., 0], y, slice(0, data.split), data.real),
    }
    x, y = data.windows
    last = y[:, -1]
    ends = data.scored + WINDOW
    one = {
        "persistence": float(rmse(x[data.scored, -1], last[data.scored])[0]),
        "seasonal naive (a day)": float(rmse(data.scaled[ends - data.period, None], last[data.scored])[0]),
        "linear autoregression (20 lags), stateless": _linear(
            x[..., 0], last, slice(0, data.split - WINDOW), data.scored
        ),
    }
    return {REAL: two, NEXT: one}


def _linear(x: Array, y: Array, train: slice, held: Array) -> float:
    design = np.column_stack([x, np.ones(len(x))])
    coefficients = np.linalg.lstsq(design[train], y[train], rcond=None)[0]
    return float(rmse(design[held] @ coefficients, y[held])[0])


def rmse(outputs: Array, targets: Array) -> Array:
    """Root of the mean squared error over rows (n, R), shape (R,)."""
    return np.asarray(np.sqrt(np.mean((outputs - targets) ** 2, axis=0)))
