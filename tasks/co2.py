"""Carbon dioxide in the air, weekly: a real series with one long season, a year, under much noise."""

from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tasks.baselines import (
    linear_error,
    linear_prediction,
    mean_squared_error,
    next_value_series,
    seasonal_naive_error,
)
from tasks.scaling import standardise
from tasks.task import FloatArray, Series, Task, check_window

DATA_FILE = Path(__file__).parent / "data" / "mauna_loa_co2.csv"
# In weeks. A year has 52 and a day: over the span of any lag used here the day does not count.
YEAR = 52
# The first 1139 of 2283 changes: what two years of warm-up and 20 whole years to score leave.
TRAIN_VALUES = 1139
# A carried state has then seen the season twice.
WARM_UP = 2 * YEAR
MEAN_SHARE = 0.75
AUTOREGRESSION_LAGS = (2, 12, 26, YEAR, 2 * YEAR)


def read_ppm(path: Path = DATA_FILE) -> FloatArray:
    """Return the weekly means in parts per million, shape (2284,), in the order of time, missing weeks filled.

    numpy reads it, since importing pandas would take ten times as long as the file.
    """
    ppm: FloatArray = np.loadtxt(path, delimiter=",", skiprows=1, usecols=1, dtype=np.float64)
    return ppm


def scaled_changes(ppm: FloatArray, train_values: int) -> FloatArray:
    """Return the changes from week to week, in standard deviations of the training ones about their mean.

    Parameters
    ----------
    ppm : array, shape (n,)
        Weekly means in parts per million.
    train_values : int
        How many changes are for training. Each looks back only, so they end with ``ppm[train_values]``.

    Returns
    -------
    array, shape (n - 1,)
        Element i scales ``ppm[i + 1] - ppm[i]``.
    """
    return standardise(np.diff(ppm), train_values)


class CO2(Task):
    """Next weekly change of carbon dioxide on Mauna Loa.

    Why changes. The level climbs: almost all held-out levels lie above all that training shows, and a network
    cannot be asked to read a scale that it has never seen. Changes keep to one range, need no fit
    to take out the trend, and use no later value; and since the last level is known, an error in the next
    change is the same error in the next level, in parts per million.

    Why memory should pay. The last change alone tells next to nothing of the next, and the season is a year long:
    many past changes must be weighed to see it.

    The 2284 weeks give 2283 changes and 2282 rows. Held out are 104 rows (two years) of warm-up and 1040
    scored rows (20 years, the targets being the changes up to the weeks from 30 January 1982 to 29 December
    2001). That leaves 1139 changes for training; the last of them has a held-out target, so there are 1138
    training rows.

    Weeks without a measurement are filled on the straight line between their neighbours, 59 in all. Five of
    them lie among the scored weeks (four in 1984, one in 1985). A filled week anticipates the next measured
    one: within such a gap the change is the same each week. No gap touches the border between training and
    held-out rows.

    No floor or optimum is known: how far back the changes depend on themselves is what one would like to know.
    """

    name: ClassVar[str] = "co2"
    unit: ClassVar[str] = "squared standard deviations of the weekly change in training"
    target_rule: ClassVar[str] = "three quarters of the error of predicting the mean change"
    can_be_rolled = True
    reach = None
    optimum = None
    title = "carbon dioxide on Mauna Loa"
    description = (
        "Weekly changes of atmospheric carbon dioxide on Mauna Loa from 1958 to 2001 in standard deviations; "
        "the target is the change of the next week."
    )

    def build(self) -> Series:
        """Read the file and scale its changes with those of training."""
        ppm, train = self._cut
        return next_value_series(scaled_changes(ppm, train), train, WARM_UP)

    @property
    def _cut(self) -> tuple[FloatArray, int]:
        """The levels of this origin, and how many of their changes are for training."""
        ppm = read_ppm()
        cut, train = self.rolled(len(ppm) - 1, TRAIN_VALUES, WARM_UP)
        return ppm[cut.start : cut.stop + 1], train

    @property
    def trivial(self) -> float:
        """Error of predicting the training mean of the changes, on the scored rows.

        The best of the predictions that learn nothing. Repeating the last change, or that of a year ago, is much
        worse: most of a change does not return, and then counts twice. Repeating the last level (no change) misses
        the trend and so is a little worse.
        """
        return self._baselines["mean change"]

    def stateless_floor(self, window: int) -> None:
        """Return None: unknown for a real series."""
        check_window(window)

    def baselines(self) -> dict[str, float]:
        """Errors on the scored rows: mean, persistence of level and change, seasonal naive, autoregressions."""
        return dict(self._baselines)

    def target(self, window: int) -> float:
        """Return three quarters of the error of the mean change, the same for each window.

        That is a little less than what a linear autoregression reaches with up to half a year of lags, and more
        than what it reaches with a year: a network must have learnt the season, not only the last weeks.

        Raises
        ------
        WindowError
            If the window is no positive whole number.
        """
        check_window(window)
        return MEAN_SHARE * self.trivial

    def target_on(self, window: int, rows: NDArray[np.integer]) -> float:
        """Return three quarters of the error of the mean change on these rows."""
        check_window(window)
        # Changes are scaled with the training rows, whose mean is 0.
        return MEAN_SHARE * float((self.series().targets[rows] ** 2).mean())

    def simple_errors(self, rows: NDArray[np.integer]) -> dict[str, FloatArray]:
        """Return those of the mean change, of the change a year ago and of an autoregression over half a year."""
        series = self.series()
        targets = series.targets[rows]
        predicted = {
            "mean change": np.zeros_like(targets),
            f"seasonal naive ({YEAR})": series.inputs[rows + 1 - YEAR],
            f"linear autoregression ({YEAR // 2} lags)": linear_prediction(series, YEAR // 2, rows),
        }
        return {name: self.errors(one, rows) for name, one in predicted.items()}

    @cached_property
    def _baselines(self) -> dict[str, float]:
        series = self.series()
        targets = series.targets[series.scored_rows.start :]
        # One more week at the last level: a change of 0 ppm on the scale of the others.
        ppm, train = self._cut
        no_change = scaled_changes(np.append(ppm, ppm[-1]), train)[-1]
        errors = {
            "mean change": mean_squared_error(np.zeros_like(targets), targets),
            "persistence of the level": mean_squared_error(np.full_like(targets, no_change), targets),
            "persistence of the change": seasonal_naive_error(series, 1),
            f"seasonal naive ({YEAR})": seasonal_naive_error(series, YEAR),
        }
        for lags in AUTOREGRESSION_LAGS:
            errors[f"linear autoregression ({lags} lags)"] = linear_error(series, lags)
        return errors
