"""The adding problem as a stream: sum the two values marked last, and let all others pass."""

from functools import cached_property
from typing import ClassVar

import numpy as np

from tasks import noise
from tasks.baselines import linear_error, mean_squared_error
from tasks.dials import Dial
from tasks.task import FloatArray, Series, Task, check_window

# Another seed than that of the values: where a mark stands says nothing of the value it marks.
MARK_SEED = 1997


def draw_marks(rows: int, longest_gap: int, draw: int = 0) -> FloatArray:
    """Draw where the marks stand.

    Parameters
    ----------
    rows : int
    longest_gap : int
        G, the most steps from one mark to the next.

    Returns
    -------
    array, shape (rows,)
        1 at a mark, else 0. The first row is marked; the gaps from mark to mark are independent and uniform on
        1, 2, ..., G.
    """
    gaps = noise.generator(MARK_SEED, draw).integers(1, longest_gap, size=rows, endpoint=True)
    at = np.concatenate([[0], np.cumsum(gaps)])
    marks = np.zeros(rows)
    marks[at[at < rows]] = 1.0
    return marks


def marked_sum(values: FloatArray, marks: FloatArray, first: int, window: int) -> FloatArray:
    """Return the sum of the two values marked last, as far as a window shows them, over sqrt 2.

    Parameters
    ----------
    values : array, shape (n,)
        Independent values with mean 0 and variance 1.
    marks : array, shape (n,)
        Not 0 at the marked rows.
    first : int
        The first row to sum at; two marks stand there or before.
    window : int
        L: at row i the values of rows ``i - L + 1`` to ``i`` are seen. An unseen one counts as its mean, 0.

    Returns
    -------
    array, shape (n - first,)
        The sum of two independent values has variance 2; the division brings it to 1, so that an error reads
        as a share of the target's variance.
    """
    rows = np.arange(first, len(values))
    at = np.flatnonzero(marks)
    last = np.searchsorted(at, rows, side="right") - 1
    total = np.zeros(len(rows))
    for mark in (at[last], at[last - 1]):
        total += np.where(rows - mark < window, values[mark], 0.0)
    scaled: FloatArray = total / np.sqrt(2)
    return scaled


class AddingProblem(Task):
    """Sum of the two values marked last, with gaps of 1 to G steps between marks.

    The textbook problem has one target, at the end of a sequence with two marks. A stream needs a target at
    every row, so here marks keep coming and the target is the sum of the last two, over sqrt 2. Bounded
    gaps, unlike a mark with a fixed chance at each step, give the dependency a definite end.

    Derivation of the floor. Let A be the steps from the last mark to now (0 at a mark) and B the gap before
    that mark, so that the two values are A and A + B steps back. The marks say nothing of the values, and
    the values nothing of each other. So of a value that the window does not show only the mean, 0, is known;
    it adds its variance, 1/2, to the error. A window of L steps shows what is less than L steps back, hence

        floor(L) = 1/2 P(A >= L) + 1/2 P(A + B >= L).

    A gap of g steps holds one row at each A = 0, ..., g - 1, so P(A = a) is P(gap > a) over the mean gap:

        P(A = a) = ((G - a) / G) / ((G + 1) / 2) = 2 (G - a) / (G (G + 1)),       0 <= a < G
        P(A >= L) = (G - L) (G - L + 1) / (G (G + 1)),                            L <= G, else 0.

    B is uniform on 1..G and independent of A. Summing P(A >= L - b) / G over b, with probability 1 where
    b >= L, and with S(m) = 1*2 + 2*3 + ... + m (m + 1) = m (m + 1) (m + 2) / 3:

        P(A + B >= L) = (G - L + 1) / G + (S(G - 1) - S(G - L)) / (G^2 (G + 1)),  L <= G
        P(A + B >= L) = S(2 G - L) / (G^2 (G + 1)),                               G < L < 2 G, else 0.

    The furthest value is G - 1 + G steps back, so from L = 2 G on the error is 0, which is also the optimum.
    """

    name: ClassVar[str] = "adding_problem"
    dial_name: ClassVar[str | tuple[str, ...] | None] = "G"
    default_dial: ClassVar[Dial | None] = 8
    can_be_redrawn: ClassVar[bool] = True
    unit: ClassVar[str] = "share of the target's variance"
    trivial = 1.0  # always predict the mean, 0: the error is the variance
    optimum = 0.0

    @property
    def _longest_gap(self) -> int:
        return self.whole_dial

    @property
    def reach(self) -> int:
        """Steps 2 G: the window that shows the last two marks wherever they stand."""
        return 2 * self._longest_gap

    @property
    def title(self) -> str:
        """A name for people."""
        return f"adding problem, gaps up to {self._longest_gap}"

    @property
    def description(self) -> str:
        """One sentence for the report."""
        return (
            f"Independent uniform values, one in every 1 to {self._longest_gap} of them marked; "
            "the target is the sum of the two marked last, the current one included, scaled to variance 1."
        )

    def build(self) -> Series:
        """Make the series, with the values in the first column and the marks in the second."""
        inputs = self._stream
        return Series(
            inputs=inputs[self.reach - 1 :],
            targets=self._marked_sum(self.reach),
            train_rows=noise.TRAIN_ROWS,
            warm_up=noise.warm_up_for(self.reach),
        )

    @cached_property
    def _stream(self) -> FloatArray:
        values = noise.stream(self.reach, self.draw)
        # From the past on: 2 G rows with the first marked hold at least two marks, as the first target needs.
        marks = draw_marks(len(values), self._longest_gap, self.draw)
        return np.column_stack([values, marks])

    def _marked_sum(self, window: int) -> FloatArray:
        values, marks = self._stream.T
        return marked_sum(values, marks, self.reach - 1, window)[:, None]

    def stateless_floor(self, window: int) -> float:
        """Return 1/2 P(A >= L) + 1/2 P(A + B >= L) for a window of L < 2 G steps, else 0."""
        gap, length = self._longest_gap, check_window(window)
        if length >= self.reach:
            return self.optimum
        # Whole numbers up to one division, so that no rounding lifts a floor above that of a shorter window.
        if length > gap:
            last, one_before = 0, _sum_of_products(2 * gap - length)
        else:
            unseen = gap - length
            last = gap * unseen * (unseen + 1)
            one_before = gap * (gap + 1) * (unseen + 1) + _sum_of_products(gap - 1) - _sum_of_products(unseen)
        return (last + one_before) / (2 * gap**2 * (gap + 1))

    def stateless_prediction(self, window: int) -> FloatArray:
        """Return the sum of what the window shows of the two marked values, for every row."""
        return self._marked_sum(window)

    def baselines(self) -> dict[str, float]:
        """Errors on the scored rows: mean 0, the marked values of the last G steps, and a linear map of those steps."""
        series = self.series()
        rows = series.scored_rows
        targets = series.targets[rows.start :, 0]
        seen = marked_sum(series.inputs[:, 0], series.inputs[:, 1], rows.start, self._longest_gap)
        return {
            "mean": mean_squared_error(np.zeros_like(targets), targets),
            f"marked values of the last {self._longest_gap} steps": mean_squared_error(seen, targets),
            f"linear regression ({self._longest_gap} lags)": linear_error(series, self._longest_gap),
        }


def _sum_of_products(count: int) -> int:
    """Return S(m) = 1*2 + 2*3 + ... + m (m + 1)."""
    return count * (count + 1) * (count + 2) // 3
