"""Which window goes into which row of which batch.

Every schedule is a plain array of first rows, made anew for each seed and epoch, so that windows never stand at fixed
places of the series: they start at a random offset below the window length, drawn for each epoch. A network on windows
cut at fixed places can read the time of day from the position in the window.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from bench.case.regimes import REGIMES
from bench.engines.base import Array, Feed
from bench.errors import PlanError


@dataclass(frozen=True)
class Schedule:
    """How one case walks over its training rows.

    Attributes
    ----------
    regime
        Name of the regime.
    rows
        Training rows; windows use rows 0 to rows - 1.
    window, batch_size
        As in the case.
    burn_in
        Steps before a window that have no loss; 0 for regimes without burn-in.
    """

    regime: str
    rows: int
    window: int
    batch_size: int
    burn_in: int = 0

    @property
    def steps(self) -> int:
        """Steps of a window as it is processed, burn-in included."""
        return self.window + self.burn_in

    @property
    def targets_per_window(self) -> int:
        """Targets that a window has a loss for."""
        return 1 if REGIMES[self.regime].stride_one else self.window

    @property
    def updates_per_epoch(self) -> int:
        """Whole batches in an epoch, the same at every offset: contiguous windows lose one window to it.

        With n rows left, B parallel streams of contiguous windows and windows dealt into batches of B give the same
        count: ``floor(floor(n / B) / L) = floor(floor(n / L) / B)``.
        """
        if REGIMES[self.regime].stride_one:
            return (self.rows - self.window + 1) // self.batch_size
        return (self.rows - self.burn_in - (self.window - 1)) // (self.window * self.batch_size)

    @property
    def windows_per_epoch(self) -> int:
        """Windows at every offset: the largest batch size with a whole batch."""
        return replace(self, batch_size=1).updates_per_epoch

    def check(self) -> None:
        """Refuse a schedule without a whole batch.

        Raises
        ------
        PlanError
            Naming what is too long or too large, and the largest value that fits.
        """
        if self.rows - self.burn_in < 2 * self.window - 1:
            raise PlanError(
                f"window {self.window} is longer than the training series allows: {self.rows} training rows"
                f"{f' less a burn-in of {self.burn_in}' if self.burn_in else ''} hold a window at every offset up to "
                f"window {self._longest_window()}"
            )
        if self.updates_per_epoch < 1:
            most = self.windows_per_epoch
            raise PlanError(
                f"batch size {self.batch_size} leaves no whole batch: {self.rows} training rows hold {most} windows of "
                f"{self.window} at every offset; use a batch size of at most {most}, or a shorter window"
            )

    def _longest_window(self) -> int:
        """Longest window with a place at every offset; a burn-in grows with its window."""
        burn_in = self.burn_in / self.window
        window = int((self.rows + 1) / (2 + burn_in)) + 1
        while window > 0 and self.rows - round(burn_in * window) < 2 * window - 1:
            window -= 1
        return window

    def feed(self) -> Feed:
        """The loss of each step, and whether the state is carried."""
        weights = np.zeros(self.steps)
        if REGIMES[self.regime].stride_one:
            weights[-1] = 1.0
        else:
            weights[self.burn_in :] = 1.0 / self.window
        return Feed(step_weights=weights, carried=REGIMES[self.regime].carried)

    def epoch(self, seed: int, epoch: int) -> Array:
        """First rows of all windows of an epoch, shape (updates, batch_size), int32.

        Arms with the same seed draw the same offset and, where their order is free, the same order.
        """
        regime = REGIMES[self.regime]
        rng = np.random.default_rng([seed, epoch])
        offset = int(rng.integers(self.window))
        updates, batch = self.updates_per_epoch, self.batch_size
        if regime.stride_one:
            starts = np.arange(self.rows - self.window + 1)
        elif regime.carried:
            stream = (self.rows - offset) // batch
            first = offset + stream * np.arange(batch)
            return np.asarray(first + self.window * np.arange(updates)[:, None], np.int32)
        else:
            windows = (self.rows - self.burn_in - offset) // self.window
            # The start of the processed window; its burn-in comes before the rows that have a loss.
            starts = offset + self.window * np.arange(windows)
        if regime.shuffled:
            starts = rng.permutation(starts)
        return np.asarray(starts[: updates * batch].reshape(updates, batch), np.int32)


def look_times(budget: int, cadence: float) -> tuple[int, ...]:
    """Updates at which a training is evaluated: each later than the last by that share, and by at least one.

    So a cost is known to the same share of itself wherever it falls, and a training of any length is looked at often
    where it begins. The last look is the budget.
    """
    looks = []
    at = 0
    while at < budget:
        at = min(budget, max(at + 1, math.floor(at * (1 + cadence))))
        looks.append(at)
    return tuple(looks)


def check_continuation(starts: Array, window: int, begins: Array | None = None) -> None:
    """Check that row i of batch k + 1 continues row i of batch k, or begins a sequence.

    Parameters
    ----------
    starts
        First rows, shape (updates, batch_size) or (updates, replicates, batch_size).
    window
        Steps of a window.
    begins
        For every row of the series whether its state begins from zero, shape (rows,); None for one series.

    Raises
    ------
    ValueError
        Naming the first batch and row that breaks the rule.
    """
    steps = np.diff(np.asarray(starts, np.int64), axis=0)
    fresh = np.zeros(steps.shape, bool) if begins is None else begins[starts[1:]]
    broken = np.argwhere((steps != window) & ~fresh)
    if len(broken):
        batch, *row = (int(i) for i in broken[0])
        moved = int(steps[tuple(broken[0])])
        raise ValueError(
            f"carried state would be wrong: row {row[-1]} of batch {batch + 1} starts {moved} rows after the same row "
            f"of batch {batch}, and must start {window} rows (one window) after it to continue it"
        )
