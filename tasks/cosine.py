"""The negative control: a cosine, which two values predict exactly, so that memory cannot help."""

from typing import ClassVar

import numpy as np

from tasks.baselines import linear_error, next_value_series, seasonal_naive_error
from tasks.task import FloatArray, Series, SeriesError, Task, check_window

PERIOD = 100
# 800 training rows, and the value that the last of them predicts.
TRAIN_VALUES = 801
WARM_UP = 128
# Whole periods, so that measured errors equal those derived over one period.
SCORED_ROWS = 10 * PERIOD
STEP_ANGLE = 2 * np.pi / PERIOD


def scale_to_unit(values: FloatArray, train_values: int) -> FloatArray:
    """Map the range of the first ``train_values`` values onto 0..1, and all others by the same map.

    Parameters
    ----------
    values : array, shape (n,)
    train_values : int
        How many values may be looked at: held-out ones must not move the scale.

    Raises
    ------
    SeriesError
        If the training values are all equal.
    """
    low, high = values[:train_values].min(), values[:train_values].max()
    if high == low:
        raise SeriesError(f"all {train_values} training values are {low}; no scale follows from them.")
    scaled: FloatArray = (values - low) / (high - low)
    return scaled


class Cosine(Task):
    """Next value of ``cos(2 pi t / 100)``, scaled to 0..1.

    Derivation of the errors. Write x(a) = (1 + cos a) / 2 at the angle a, and d = 2 pi / 100 for one step.
    Over a period the mean of sin^2 is exactly 1/2.

    - Trivial, persistence: x(a + d) - x(a) = -sin(d/2) sin(a + d/2), so the error is
      sin^2(d/2) / 2 = 4.933e-4. (The figure 4.94e-4 in circulation is the
      mean over the 999 steps between 1000 points: ten periods less one of the smallest steps.)
    - Floor at L = 1: x(a) fixes cos a but not the sign of sin a; both are equally frequent. Of
      x(a + d) = (1 + cos a cos d - sin a sin d) / 2 the last term cannot be known, so the error is
      sin^2(d) / 8 = 4.928e-4, the trivial error times cos^2(d/2).
    - From L = 2 on: cos(a + d) = 2 cos(d) cos(a) - cos(a - d), so two values predict the next exactly: 0.
    """

    name: ClassVar[str] = "cosine"
    unit: ClassVar[str] = "squared scale units (the cosine spans 0 to 1)"
    trivial = float(np.sin(STEP_ANGLE / 2) ** 2 / 2)
    optimum = 0.0
    reach = 2
    title = f"cosine with period {PERIOD}"
    description = (
        f"A cosine with period {PERIOD}, scaled to 0..1; the target is its next value, "
        "which follows exactly from two values: the control in which memory cannot help."
    )

    def build(self) -> Series:
        """Make the series: from t = 0, without noise."""
        count = TRAIN_VALUES + WARM_UP + SCORED_ROWS
        values = scale_to_unit(np.cos(STEP_ANGLE * np.arange(count)), TRAIN_VALUES)
        return next_value_series(values, TRAIN_VALUES, WARM_UP)

    def stateless_floor(self, window: int) -> float:
        """Return sin^2(d) / 8 at a window of one step, else 0."""
        return float(np.sin(STEP_ANGLE) ** 2 / 8) if check_window(window) == 1 else self.optimum

    def baselines(self) -> dict[str, float]:
        """Errors on the scored rows: persistence, and linear autoregressions with one and two lags."""
        series = self.series()
        return {
            "persistence": seasonal_naive_error(series, 1),
            "linear autoregression (1 lag)": linear_error(series, 1),
            "linear autoregression (2 lags)": linear_error(series, 2),
        }
