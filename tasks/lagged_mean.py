"""Mean of the last N inputs: the further back, the more of it only a memory can know."""

from typing import ClassVar

import numpy as np

from tasks import noise
from tasks.baselines import simple_baselines
from tasks.dials import Dial
from tasks.task import FloatArray, Series, Task, check_window


def scaled_lagged_mean(values: FloatArray, count: int) -> FloatArray:
    """Return the mean of the last ``count`` values, times sqrt(count).

    Parameters
    ----------
    values : array, shape (n,)
        Independent values with mean 0 and variance 1.
    count : int
        N, the number of values in the mean, the current one included.

    Returns
    -------
    array, shape (n - count + 1,)
        Element i is ``sum(values[i : i + count]) / sqrt(count)``. A mean of N independent values has variance
        1 / N; the factor brings it to 1, so that an error reads as a share of the target's variance.
    """
    windows: FloatArray = np.lib.stride_tricks.sliding_window_view(values, count)
    scaled: FloatArray = windows.sum(axis=1) / np.sqrt(count)
    return scaled


class LaggedMean(Task):
    """Lagged mean of N values.

    Derivation of the floor. The target is the sum of the last N inputs over sqrt N. A window of L < N inputs
    shows L terms. The other N - L are independent of them with mean 0, so the best prediction (the
    conditional mean) is the sum of those seen over sqrt N, and what remains has variance (N - L) / N. With
    L >= N all terms are seen and the error is 0, which is also the optimum.
    """

    name: ClassVar[str] = "lagged_mean"
    dial_name: ClassVar[str | tuple[str, ...] | None] = "N"
    default_dial: ClassVar[Dial | None] = 16
    can_be_redrawn: ClassVar[bool] = True
    unit: ClassVar[str] = "share of the target's variance"
    trivial = 1.0  # always predict the mean, 0: the error is the variance
    optimum = 0.0

    @property
    def reach(self) -> int:
        """N steps: the window that shows every term of the mean."""
        return self.whole_dial

    @property
    def title(self) -> str:
        """A name for people."""
        return f"lagged mean of {self.reach} values"

    @property
    def description(self) -> str:
        """One sentence for the report."""
        return (
            f"Independent uniform inputs; the target is the mean of the last {self.reach}, "
            "the current one included, scaled to variance 1."
        )

    def build(self) -> Series:
        """Make the series; nothing is fitted, since mean and variance are known."""
        values = noise.stream(self.reach, self.draw)
        return Series(
            inputs=values[self.reach - 1 :, None],
            targets=scaled_lagged_mean(values, self.reach)[:, None],
            train_rows=noise.TRAIN_ROWS,
            warm_up=noise.warm_up_for(self.reach),
        )

    def stateless_floor(self, window: int) -> float:
        """Return (N - L) / N for a window of L < N steps, else 0."""
        return max(self.reach - check_window(window), 0) / self.reach

    def stateless_prediction(self, window: int) -> FloatArray:
        """Return the sum of the terms that the window shows, for every row."""
        seen = min(check_window(window), self.reach)
        values = noise.stream(self.reach, self.draw)[self.reach - seen :]
        shown: FloatArray = scaled_lagged_mean(values, seen)[:, None] * np.sqrt(seen / self.reach)
        return shown

    def baselines(self) -> dict[str, float]:
        """Errors on the scored rows: of the mean 0, and of the best linear map at half and at full reach."""
        return simple_baselines(self, sorted({max(self.reach // 2, 1), self.reach}))
