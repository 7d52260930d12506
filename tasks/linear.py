"""Linear prediction from the last inputs, the measure that a network has to be held against."""

import numpy as np
from numpy.typing import NDArray

from tasks.base import FloatArray, Series, check_window
from tasks.errors import WindowError


def mean_squared_error(predicted: FloatArray, targets: FloatArray) -> float:
    """Return the mean of the squared differences of two arrays of equal shape."""
    if predicted.shape != targets.shape:
        # Broadcasting (n, 1) against (n,) would give an (n, n) difference and a plausible wrong number.
        raise ValueError(f"shapes {predicted.shape} and {targets.shape} differ; give arrays of equal shape.")
    return float(np.mean((predicted - targets) ** 2))


def linear_error(series: Series, lags: int, rows: range | NDArray[np.integer] | None = None) -> float:
    """Fit a linear map from the last inputs on the training rows and score it on held-out rows.

    Parameters
    ----------
    series : Series
        Inputs of shape (rows, features), targets of shape (rows, outputs).
    lags : int
        How many input rows the prediction sees, the current one included. Scored rows near the start of the
        held-out part look back into the training rows, as a forecaster would.
    rows : range or array of int, optional
        The rows to score. Default: the scored rows.

    Returns
    -------
    float
        Mean squared error of ordinary least squares with intercept: the coefficients minimise the sum of
        squared errors over the training rows that have ``lags`` inputs behind them.

    Raises
    ------
    WindowError
        If ``lags`` is not a whole number from 1 to the number of training rows.
    """
    first = check_window(lags) - 1  # the first row with enough inputs behind it
    if first >= series.train_rows:
        raise WindowError(f"{lags} lags do not fit into {series.train_rows} training rows; take fewer.")
    chosen = np.asarray(series.scored_rows if rows is None else rows)
    seen = np.lib.stride_tricks.sliding_window_view(series.inputs, lags, axis=0)
    design = np.column_stack([seen.reshape(len(seen), -1), np.ones(len(seen))])
    coefficients = np.linalg.lstsq(
        design[: series.train_rows - first], series.targets[first : series.train_rows], rcond=None
    )[0]
    return mean_squared_error(design[chosen - first] @ coefficients, series.targets[chosen])
