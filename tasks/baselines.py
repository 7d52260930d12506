"""Predictions without a network, which a network is compared with: linear from the last inputs, or the last season."""

import numpy as np
from numpy.typing import NDArray

from tasks.task import FloatArray, Series, WindowError, check_window


def mean_squared_error(predicted: FloatArray, targets: FloatArray) -> float:
    """Return the mean of the squared differences of two arrays of equal shape."""
    if predicted.shape != targets.shape:
        # Broadcasting (n, 1) against (n,) would give an (n, n) difference and a plausible wrong number.
        raise ValueError(f"shapes {predicted.shape} and {targets.shape} differ; give arrays of equal shape.")
    return float(np.mean((predicted - targets) ** 2))


def squared_errors(predicted: FloatArray, targets: FloatArray) -> FloatArray:
    """Return the squared error at each target, mean over outputs, shape (n,), of two arrays of shape (n, outputs)."""
    return np.asarray(((predicted - targets) ** 2).mean(axis=1))


def linear_prediction(series: Series, lags: int, rows: range | NDArray[np.integer] | None = None) -> FloatArray:
    """Fit a linear map from the last inputs on the training rows and predict the targets of held-out rows.

    Parameters
    ----------
    series : Series
        Inputs of shape (rows, features), targets of shape (rows, outputs).
    lags : int
        How many input rows the prediction sees, the current one included. Scored rows near the start of the
        held-out part look back into the training rows, as a forecaster would.
    rows : range or array of int, optional
        The rows to predict for. Default: the scored rows.

    Returns
    -------
    array, shape (rows, outputs)
        Of ordinary least squares with intercept: the coefficients minimise the sum of squared errors over the
        training rows that have ``lags`` inputs behind them.

    Raises
    ------
    WindowError
        If ``lags`` is not a whole number from 1 to the number of training rows.
    """
    first = check_window(lags) - 1  # the first row with enough inputs behind it
    if first >= series.train_rows:
        raise WindowError(f"{lags} lags do not fit into {series.train_rows} training rows; take fewer.")
    chosen = np.asarray(series.scored if rows is None else rows)
    if lags not in series.linear_maps:
        training = np.arange(0 if series.starts else first, series.train_rows)
        design = _last_inputs(series, lags, training)
        series.linear_maps[lags] = np.asarray(np.linalg.lstsq(design, series.targets[training], rcond=None)[0])
    return np.asarray(_last_inputs(series, lags, chosen) @ series.linear_maps[lags])


def _last_inputs(series: Series, lags: int, rows: NDArray[np.integer]) -> FloatArray:
    """The last inputs before these rows and a one, shape (rows, features x lags + 1).

    Where the series is several, what lies before the beginning of a sequence counts as 0.
    """
    if series.starts:
        back = np.arange(lags)
        seen = series.inputs[np.maximum(rows[:, None] - back, 0)] * (series.place[rows][:, None] >= back)[..., None]
    else:
        seen = np.lib.stride_tricks.sliding_window_view(series.inputs, lags, axis=0)[rows - lags + 1]
    return np.column_stack([seen.reshape(len(rows), -1), np.ones(len(rows))])


def linear_error(series: Series, lags: int, rows: range | NDArray[np.integer] | None = None) -> float:
    """Return the mean squared error of `linear_prediction`, which says what the parameters are."""
    chosen = np.asarray(series.scored if rows is None else rows)
    return mean_squared_error(linear_prediction(series, lags, chosen), series.targets[chosen])


def next_value_series(values: FloatArray, train_values: int, warm_up: int) -> Series:
    """Pair each value with the next one.

    Parameters
    ----------
    values : array, shape (n,)
        Scaled values in the order of time.
    train_values : int
        The first ``train_values`` values belong to training.
    warm_up : int
        Held-out rows that count for nobody.

    Returns
    -------
    Series
        ``n - 1`` rows with ``targets[i] = values[i + 1]``. ``train_rows`` is ``train_values - 1``: the row of
        the last training value has a held-out target, so it is the first held-out row. Training thus sees
        no held-out value, and every held-out value is the target of a held-out row.
    """
    return Series(values[:-1, None], values[1:, None], train_rows=train_values - 1, warm_up=warm_up)


def seasonal_naive_error(series: Series, period: int, rows: range | None = None) -> float:
    """Return the mean squared error of predicting the value one period before the target.

    The target of row i is the value i + 1, so the prediction is the input of row ``i + 1 - period``. Period 1
    is persistence: the next value equals the current one.

    Parameters
    ----------
    series : Series
        A next-value series with one feature.
    period : int
        Steps between the target and its prediction.
    rows : range, optional
        The rows to score. Default: the scored rows.
    """
    rows = series.scored_rows if rows is None else rows
    back = period - 1
    return mean_squared_error(
        series.inputs[rows.start - back : rows.stop - back], series.targets[rows.start : rows.stop]
    )
