"""Finds the season of a series, from its training values alone."""

import numpy as np

from tasks.task import FloatArray

LEAST_CORRELATION = 0.3
"""Autocorrelation that a season must have at least: less explains under a tenth of the variance."""
NEARLY = 0.8
"""The shortest peak that is nearly as high as the highest is the season; multiples of it are as high."""


def find_period(values: FloatArray) -> tuple[int, float] | None:
    """Find the period in steps, and its autocorrelation; None where there is no season.

    Parameters
    ----------
    values : array, shape (n,)
        Training values. A straight line is taken out of them first, else every trend would be one long season.

    Notes
    -----
    A period is a peak of the autocorrelation after it has first fallen below the half of that peak; at least three
    periods must fit into the values. The autocorrelation is that of each overlap, so it does not fall with the lag.
    """
    n = len(values)
    longest = n // 3
    time = np.arange(n)
    rest = values - np.polyval(np.polyfit(time, values, 1), time)
    if longest < 3 or not rest.std() > 1e-9 * max(1.0, float(np.abs(values).max())):
        return None
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(rest, size)) ** 2
    covariance = np.fft.irfft(spectrum, size)[: longest + 2]
    energy = np.cumsum(rest**2)
    lags = np.arange(longest + 2)
    # Energy of the first and of the last n - lag values.
    start, end = energy[n - 1 - lags], energy[-1] - np.concatenate([[0.0], energy])[lags]
    correlation = covariance / np.sqrt(np.maximum(start * end, 1e-300))
    inner = correlation[1:-1]
    peaks = 1 + np.flatnonzero((inner >= correlation[:-2]) & (inner > correlation[2:]))
    dip = np.minimum.accumulate(correlation)
    peaks = peaks[(peaks >= 2) & (correlation[peaks] >= LEAST_CORRELATION) & (dip[peaks] < 0.5 * correlation[peaks])]
    if not peaks.size:
        return None
    highest = float(correlation[peaks].max())
    period = int(peaks[correlation[peaks] >= NEARLY * highest][0])
    return period, float(correlation[period])
