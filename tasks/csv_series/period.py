"""Finds the season of a series, from its training values alone."""

import numpy as np

from tasks.task import FloatArray

CALENDAR = (4, 7, 12, 24, 48, 52, 96, 144, 168, 288, 336, 365, 672, 1440, 2016, 8760)
"""Steps of a day, a week or a year at usual steps."""
LEAST_CORRELATION = 0.2
"""Autocorrelation that a season must have at least: it explains about as large a share of the variance."""
NEARLY = 0.8
"""The shortest period that repeats nearly as well as the best is the season; multiples of it repeat as well."""
PEAK = 16.0
"""Power of a season over that of the noise beside it. Of 5,000 frequencies of noise one is as high in 0.1 %."""
AS_GOOD = 6.0
"""Logarithm of the likelihood ratio up to which a period of the calendar explains as much as the best one."""
FINER = 16
"""Frequencies looked at between two that are independent."""
LEAST_CYCLES = 3
MOST_HARMONICS = 8
MOST_PEAKS = 50


def find_period(values: FloatArray) -> tuple[int, float] | None:
    """Find the period in steps, and the autocorrelation there; None where there is no season.

    Parameters
    ----------
    values : array, shape (n,)
        Training values. A straight line is taken out of them first, else every trend would be one long season.

    Notes
    -----
    A season is a peak of the periodogram that stands out from the power beside it. The peak says the period to a
    fraction of a step even under noise, where the peaks of the autocorrelation move. A season that is no sine may have
    its highest peak at a harmonic, so multiples of the peak's period are tried too, and the shortest is taken whose
    autocorrelation is nearly the highest. Where a period of the calendar explains as much, it is that one.
    """
    n = len(values)
    time = np.arange(n)
    rest = values - np.polyval(np.polyfit(time, values, 1), time)
    if n < 3 * LEAST_CYCLES or not rest.std() > 1e-9 * max(1.0, float(np.abs(values).max())):
        return None
    peak = _peak(rest)
    if peak is None:
        return None
    cycles, background = peak  # in the whole series
    power = np.abs(np.fft.rfft(rest, FINER * n)) ** 2
    low, high = int(FINER * (cycles - 1)), int(FINER * (cycles + 1)) + 1
    best = low + int(np.argmax(power[low:high]))
    correlation = _autocorrelation(rest)
    found: dict[int, float] = {}
    for multiple in range(1, MOST_HARMONICS + 1):
        period = _period_of(multiple, best, power, background, n)
        if period > n / LEAST_CYCLES + 1:
            break
        if period >= 2:
            found[period] = float(correlation[period])
    highest = max(found.values(), default=0.0)
    if highest < LEAST_CORRELATION:
        return None
    # An autocorrelation is known to about one in the square root of the length.
    period = min(one for one, value in found.items() if value >= NEARLY * highest - 2 / np.sqrt(n))
    return period, found[period]


def _peak(rest: FloatArray) -> tuple[int, float] | None:
    """Whole number of cycles of the strongest frequency that stands out, and the power of the noise beside it."""
    # A filter scales a line and the noise beside it alike. This one flattens the noise of series that change slowly.
    likeness = float(rest[1:] @ rest[:-1] / (rest @ rest))
    gain = np.abs(1 - likeness * np.exp(-2j * np.pi * np.fft.rfftfreq(len(rest)))) ** 2
    # A window keeps what a line leaks into its neighbours.
    window = np.hanning(len(rest))
    power = np.abs(np.fft.rfft(rest * window)) ** 2 / np.mean(window**2)
    flat = power * gain
    for k in np.argsort(power)[::-1][:MOST_PEAKS]:
        if k < LEAST_CYCLES or power[k] < power[k - 1 : k + 2].max():
            continue
        reach = max(8, k // 2)
        beside = [flat[max(1, k - reach) : max(1, k - 2)], flat[k + 3 : k + reach + 1]]
        background = float(np.median(np.concatenate(beside))) / np.log(2)  # of an exponential distribution the mean
        if flat[k] > PEAK * background:
            return int(k), background / float(gain[k])
    return None


def _period_of(multiple: int, best: int, power: FloatArray, background: float, n: int) -> int:
    """The period whose harmonic of this number the peak is: one of the calendar where that explains as much."""
    usual = [c for c in CALENDAR if abs(multiple * n / c - best / FINER) < 1]
    if usual:
        at = {c: power[round(multiple * FINER * n / c)] for c in usual}
        nearest = max(at, key=at.__getitem__)
        if power[best] - at[nearest] <= AS_GOOD * background:
            return nearest
    return round(multiple * FINER * n / best)


def _autocorrelation(rest: FloatArray) -> FloatArray:
    """Of each overlap, so that it does not fall with the lag; shape (n // 2,)."""
    n = len(rest)
    size = 1 << (2 * n - 1).bit_length()
    covariance = np.fft.irfft(np.abs(np.fft.rfft(rest, size)) ** 2, size)[: n // 2]
    energy = np.concatenate([[0.0], np.cumsum(rest**2)])
    lags = np.arange(n // 2)
    first, last = energy[n - lags], energy[-1] - energy[lags]
    found: FloatArray = covariance / np.sqrt(np.maximum(first * last, 1e-300))
    return found
