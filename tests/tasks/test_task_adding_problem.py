"""The adding problem: the target by a plain loop, the floor by enumeration and by simulation."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks import noise
from tasks.adding_problem import AddingProblem, draw_marks, marked_sum


def enumerated_floor(gap, window):
    """Go through every pair of neighbouring gaps and every row of the later one, all equally likely."""
    unseen = rows = 0
    for before in range(1, gap + 1):
        for current in range(1, gap + 1):
            for age in range(current):
                unseen += (age >= window) + (age + before >= window)
                rows += 1
    return float(Fraction(unseen, 2 * rows))


@pytest.fixture(scope="module")
def many():
    values = np.random.default_rng(7).uniform(-np.sqrt(3), np.sqrt(3), 60_000)
    return values, {gap: draw_marks(len(values), gap) for gap in (1, 2, 5, 8)}


@pytest.mark.parametrize("gap", [1, 2, 3, 8, 13])
def test_the_floor_is_the_share_of_values_out_of_view_over_all_gaps(gap):
    task = AddingProblem(gap)
    for window in range(1, 2 * gap + 3):
        assert task.stateless_floor(window) == pytest.approx(enumerated_floor(gap, window), rel=1e-14, abs=0)


@pytest.mark.parametrize("gap", [1, 2, 5, 8])
@pytest.mark.parametrize("window", [1, 2, 4, 7])
def test_the_floor_is_what_the_values_in_view_leave_in_a_long_series(many, gap, window):
    values, marks = many[0], many[1][gap]
    first = 2 * gap - 1
    left = marked_sum(values, marks, first, 2 * gap) - marked_sum(values, marks, first, window)
    assert np.mean(left**2) == pytest.approx(AddingProblem(gap).stateless_floor(window), rel=0.05, abs=0.002)


@pytest.mark.parametrize("gap", [2, 5])
@pytest.mark.parametrize("window", [1, 2, 3, 4])
def test_no_function_linear_in_the_values_goes_below_the_floor_whatever_the_marks(many, gap, window):
    # A regression of its own for every pattern of marks in the window: all that values and marks can tell,
    # but for powers of the values, and those are as independent of what is unseen as the values.
    values, marks = many[0], many[1][gap]
    first = 2 * gap - 1
    targets = marked_sum(values, marks, first, 2 * gap)
    seen = np.lib.stride_tricks.sliding_window_view(values, window)[first - window + 1 :]
    patterns = np.lib.stride_tricks.sliding_window_view(marks, window)[first - window + 1 :]
    _, pattern = np.unique(patterns, axis=0, return_inverse=True)
    squares = 0.0
    for one in range(pattern.max() + 1):
        rows = pattern == one
        design = np.column_stack([seen[rows], np.ones(rows.sum())])
        fitted = design @ np.linalg.lstsq(design, targets[rows], rcond=None)[0]
        squares += np.sum((targets[rows] - fitted) ** 2)
    floor = AddingProblem(gap).stateless_floor(window)
    assert squares / len(targets) == pytest.approx(floor, rel=0.05, abs=1e-12)


@pytest.mark.parametrize("gap", [1, 2, 8, 30])
def test_the_target_is_the_sum_of_the_two_values_marked_last(gap):
    series = AddingProblem(gap).series()
    for row in (2 * gap - 1, 100, 101, 102, 3000, len(series.inputs) - 1):
        past = series.inputs[row::-1]
        last, one_before = [value for value, mark in past if mark][:2]
        assert series.targets[row, 0] == pytest.approx((last + one_before) / np.sqrt(2))


@pytest.mark.parametrize("gap", [1, 2, 8, 30])
def test_gaps_are_uniform_up_to_the_longest(gap):
    marks = draw_marks(200_000, gap)
    assert set(marks) <= {0.0, 1.0}
    gaps = np.diff(np.flatnonzero(marks))
    assert marks[0] == 1
    assert (gaps.min(), gaps.max()) == (1, gap)
    shares = np.bincount(gaps)[1:] / len(gaps)
    np.testing.assert_allclose(shares, 1 / gap, atol=5 * np.sqrt(1 / gap / len(gaps)))


def test_the_targets_have_mean_0_and_variance_1(many):
    for gap, marks in many[1].items():
        targets = marked_sum(many[0], marks, 2 * gap - 1, 2 * gap)
        assert targets.mean() == pytest.approx(0, abs=0.05)
        assert targets.var() == pytest.approx(1, abs=0.05)


def test_the_values_are_those_of_the_other_tasks():
    np.testing.assert_array_equal(AddingProblem(5).series().inputs[:, 0], noise.stream(10)[9:])


def test_the_measured_error_of_what_half_the_reach_shows_is_near_the_floor():
    # 1024 rows hold some 230 marks, so chance is large; the long series above is the sharp test.
    task = AddingProblem()
    assert task.baselines()["marked values of the last 8 steps"] == pytest.approx(task.stateless_floor(8), rel=0.3)


@given(row=st.integers(0, 39), gap=st.integers(1, 6), change=st.floats(0.5, 2))
def test_a_value_moves_later_targets_only_and_only_if_it_is_marked(row, gap, change):
    values = np.random.default_rng(3).uniform(-1, 1, 40)
    marks = draw_marks(40, gap)
    changed = values.copy()
    changed[row] += change
    first = 2 * gap - 1
    before, after = (marked_sum(v, marks, first, 2 * gap) for v in (values, changed))
    moved = first + np.flatnonzero(before != after)
    assert (moved >= row).all()
    if not marks[row]:
        assert moved.size == 0
    elif row >= first:
        assert moved[0] == row
