"""Next-value series: every value is an input, and the one after it is its target."""

from tasks.base import FloatArray, Series
from tasks.linear import mean_squared_error


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
