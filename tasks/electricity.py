"""Electricity demand, half-hourly: a real series with two seasons, a day and a week."""

from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tasks.baselines import linear_error, linear_prediction, next_value_series, seasonal_naive_error
from tasks.scaling import standardise
from tasks.task import FloatArray, Series, Task, check_window

DATA_FILE = Path(__file__).parent / "data" / "gb_electricity_demand.csv"
DAY = 48
HALF_DAY = DAY // 2
WEEK = 7 * DAY
TRAIN_VALUES = 8 * WEEK
# Five days: longer than any daily pattern, and it leaves 23 whole days to score.
WARM_UP = 5 * DAY
AUTOREGRESSION_LAGS = (2, HALF_DAY, DAY, 2 * DAY, WEEK)


def read_demand(path: Path = DATA_FILE) -> FloatArray:
    """Return the demand in megawatts, shape (4032,), in the order of time.

    numpy reads it, since importing pandas would take ten times as long as the file.
    """
    demand: FloatArray = np.loadtxt(path, delimiter=",", skiprows=1, usecols=1, dtype=np.float64)
    return demand


class Electricity(Task):
    """Next half-hour of electricity demand in England and Wales.

    The 4032 values give 4031 rows. The first 2688 values (eight weeks) are for training. The last of them
    predicts a held-out value, so there are 2687 training rows; then 240 rows (five days) of warm-up, and 1104
    scored rows (23 days).

    No floor or optimum is known: how far back demand depends on itself is what one would like to know.
    """

    name: ClassVar[str] = "electricity"
    unit: ClassVar[str] = "squared standard deviations of demand"
    target_rule: ClassVar[str] = (
        "as good as a linear autoregression over half a day (24 half-hours), on the same targets"
    )
    can_be_rolled = True
    reach = None
    optimum = None
    title = "electricity demand, England and Wales"
    description = (
        "Half-hourly electricity demand from 5 June to 27 August 2000 in standard deviations; "
        "the target is the next half-hour."
    )

    def build(self) -> Series:
        """Read the file and scale it with the training values."""
        demand = read_demand()
        cut, train = self.rolled(len(demand), TRAIN_VALUES, WARM_UP)
        return next_value_series(standardise(demand[cut], train), train, WARM_UP)

    @property
    def trivial(self) -> float:
        """Error of persistence on the scored rows."""
        return self._baselines["persistence"]

    def stateless_floor(self, window: int) -> None:
        """Return None: unknown for a real series."""
        check_window(window)

    def baselines(self) -> dict[str, float]:
        """Errors on the scored rows: persistence, seasonal naive, linear autoregressions."""
        return dict(self._baselines)

    def target(self, window: int) -> float:
        """Return the error of a linear autoregression with half a day of lags, the same for each window.

        A network that reaches it has learnt at least what a linear map of the last half day knows.

        Raises
        ------
        WindowError
            If the window is no positive whole number.
        """
        check_window(window)
        return self._baselines[_autoregression(HALF_DAY)]

    def target_on(self, window: int, rows: NDArray[np.integer]) -> float:
        """Return the same autoregression's error on these rows."""
        check_window(window)
        return linear_error(self.series(), HALF_DAY, rows)

    def simple_errors(self, rows: NDArray[np.integer]) -> dict[str, FloatArray]:
        """Return those of the last value, the seasonal naive ones and the autoregression that the target is set by."""
        series = self.series()
        naive = {f"seasonal naive ({period})": series.inputs[rows + 1 - period] for period in (DAY, WEEK)}
        predicted = {"persistence": series.inputs[rows], **naive}
        predicted[_autoregression(HALF_DAY)] = linear_prediction(series, HALF_DAY, rows)
        return {name: self.errors(one, rows) for name, one in predicted.items()}

    @cached_property
    def _baselines(self) -> dict[str, float]:
        series = self.series()
        errors = {"persistence": seasonal_naive_error(series, 1)}
        for period in (DAY, WEEK):
            errors[f"seasonal naive ({period})"] = seasonal_naive_error(series, period)
        for lags in AUTOREGRESSION_LAGS:
            errors[_autoregression(lags)] = linear_error(series, lags)
        return errors


def _autoregression(lags: int) -> str:
    return f"linear autoregression ({lags} lags)"
