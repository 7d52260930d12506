"""Scales that look at training values alone."""

from tasks.task import FloatArray, SeriesError


def standardise(values: FloatArray, train_values: int) -> FloatArray:
    """Subtract the mean of the first ``train_values`` values and divide by their standard deviation.

    Parameters
    ----------
    values : array, shape (n,)
    train_values : int
        How many values may be looked at: held-out ones must not move the scale.

    Returns
    -------
    array, shape (n,)
        In standard deviations (divisor n, not n - 1) of the training values.

    Raises
    ------
    SeriesError
        If the training values are all equal.
    """
    known = values[:train_values]
    spread = known.std()
    if spread == 0:
        raise SeriesError(f"all {train_values} training values are {known[0]}; no scale follows from them.")
    scaled: FloatArray = (values - known.mean()) / spread
    return scaled
