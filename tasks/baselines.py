"""Predictions without a network, which a network is compared with: linear from the last inputs, or the last season."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from tasks.task import FloatArray, Loss, Series, Task, WindowError, check_window, errors_of


def mean_squared_error(predicted: FloatArray, targets: FloatArray) -> float:
    """Return the mean of the squared differences of two arrays of equal shape."""
    if predicted.shape != targets.shape:
        # Broadcasting (n, 1) against (n,) would give an (n, n) difference and a plausible wrong number.
        raise ValueError(f"shapes {predicted.shape} and {targets.shape} differ; give arrays of equal shape.")
    return float(np.mean((predicted - targets) ** 2))


def linear_prediction(
    series: Series, lags: int, rows: range | NDArray[np.integer] | None = None, loss: Loss = "mse"
) -> FloatArray:
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
    loss : {"mse", "crossentropy"}
        Least squares, or a multinomial logistic regression of labels.

    Returns
    -------
    array, shape (rows, outputs)
        Of ordinary least squares with intercept: the coefficients minimise the sum of squared errors over the
        training rows that have ``lags`` inputs behind them. Of labels probabilities: the coefficients minimise the sum
        of cross-entropies there, and half of their squares (so that they stay finite where a line parts the labels).

    Raises
    ------
    WindowError
        If ``lags`` is not a whole number from 1 to the number of training rows.
    """
    first = check_window(lags) - 1  # the first row with enough inputs behind it
    if first >= series.train_rows:
        raise WindowError(f"{lags} lags do not fit into {series.train_rows} training rows; take fewer.")
    chosen = np.asarray(series.scored if rows is None else rows)
    if (lags, loss) not in series.linear_maps:
        training = series.trained if series.starts else series.trained[series.trained >= first]
        fit = _logistic_regression if loss == "crossentropy" else _least_squares
        series.linear_maps[lags, loss] = fit(_last_inputs(series, lags, training), series.targets[training])
    predicted = _last_inputs(series, lags, chosen) @ series.linear_maps[lags, loss]
    if loss == "crossentropy":
        from scipy.special import softmax  # noqa: PLC0415 - as below

        return np.asarray(softmax(predicted, axis=1))
    return predicted


def _least_squares(seen: FloatArray, targets: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.lstsq(seen, targets, rcond=None)[0])


def _logistic_regression(seen: FloatArray, labels: FloatArray) -> FloatArray:
    """Coefficients of a multinomial logistic regression, shape (columns, labels)."""
    # Only for labels, since importing it takes longer than all the rest of a run's start.
    from scipy.optimize import minimize  # noqa: PLC0415
    from scipy.special import logsumexp, softmax  # noqa: PLC0415

    shape = seen.shape[1], labels.shape[1]

    def loss_and_slope(flat: FloatArray) -> tuple[float, FloatArray]:
        coefficients = flat.reshape(shape)
        logits = seen @ coefficients
        total = (logsumexp(logits, axis=1) - (logits * labels).sum(axis=1)).sum() + (flat**2).sum() / 2
        slope = seen.T @ (softmax(logits, axis=1) - labels) + coefficients
        return float(total), slope.ravel()

    return np.asarray(minimize(loss_and_slope, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B").x.reshape(shape))


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


def linear_error(
    series: Series, lags: int, rows: range | NDArray[np.integer] | None = None, loss: Loss = "mse"
) -> float:
    """Return the mean error of `linear_prediction`, which says what the parameters are."""
    chosen = np.asarray(series.scored if rows is None else rows)
    return float(errors_of(loss, linear_prediction(series, lags, chosen, loss), series.targets[chosen]).mean())


def simple_baselines(task: Task, lags: Iterable[int]) -> dict[str, float]:
    """Return errors on the scored rows: of the mean 0, or of labels that are equally frequent, and of linear maps."""
    series, labels = task.series(), task.loss == "crossentropy"
    rows, outputs = series.scored, series.targets.shape[1]
    nothing, line = ("marginal distribution", "classifier") if labels else ("mean", "regression")
    unknown = np.full((len(rows), outputs), 1 / outputs if labels else 0.0)
    lines = {f"linear {line} ({one} lags)": linear_error(series, one, loss=task.loss) for one in lags}
    return {nothing: float(task.errors(unknown, rows).mean())} | lines


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
