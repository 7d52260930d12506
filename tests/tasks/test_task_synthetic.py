"""Synthetic tasks: the derived floors against brute force, and no look into the future."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks import noise
from tasks.baselines import linear_error, next_value_series, seasonal_naive_error
from tasks.cosine import Cosine, scale_to_unit
from tasks.delayed_recall import DelayedRecall, DelayedRecallLabels, delayed
from tasks.lagged_mean import LaggedMean, scaled_lagged_mean
from tasks.parity import ParityLabels, parity, signs
from tasks.task import Series, SeriesError
from tasks.task_check import check

VALUES = st.lists(st.floats(-2, 2), min_size=12, max_size=30)


def long_series(values, make_targets, dial):
    """Turn many more rows than the task has into a series, so that chance plays no part."""
    targets = make_targets(values, dial)
    inputs = values[len(values) - len(targets) :]
    return Series(inputs[:, None], targets[:, None], train_rows=len(inputs) // 2, warm_up=0)


@pytest.fixture(scope="module")
def many_values():
    return np.random.default_rng(7).uniform(-np.sqrt(3), np.sqrt(3), 60_000)


def test_inputs_have_mean_0_and_variance_1():
    stream = noise.stream(1)
    error = 4 / np.sqrt(len(stream))  # four standard errors of the mean
    assert stream.mean() == pytest.approx(0, abs=error)
    assert stream.var() == pytest.approx(1, abs=error)


def test_the_first_rows_show_the_same_inputs_at_every_dial():
    few, many = LaggedMean(2).series(), LaggedMean(200).series()
    np.testing.assert_array_equal(few.inputs[:4096], many.inputs[:4096])
    np.testing.assert_array_equal(few.inputs[:4096], DelayedRecall(3).series().inputs[:4096])


def test_a_long_reach_gets_a_warm_up_that_covers_it():
    assert LaggedMean(500).series().warm_up == 500
    assert len(LaggedMean(500).series().scored_rows) == 1024


@pytest.mark.parametrize(("dial", "window"), [*itertools.product([4, 16], [1, 2, 3, 4, 12]), (16, 16), (1, 1)])
def test_the_floor_of_the_lagged_mean_is_what_least_squares_reaches(many_values, dial, window):
    error = linear_error(long_series(many_values, scaled_lagged_mean, dial), window)
    assert LaggedMean(dial).stateless_floor(window) == pytest.approx(error, rel=0.05, abs=1e-12)


@pytest.mark.parametrize(("dial", "window"), [(1, 1), (1, 2), (8, 1), (8, 7), (8, 8), (8, 9), (8, 12)])
def test_the_floor_of_delayed_recall_is_what_least_squares_reaches(many_values, dial, window):
    error = linear_error(long_series(many_values, delayed, dial), window)
    assert DelayedRecall(dial).stateless_floor(window) == pytest.approx(error, rel=0.05, abs=1e-12)


@pytest.mark.parametrize("dial", [1, 3, 8])
def test_recall_returns_the_input_so_many_steps_ago(dial):
    series = DelayedRecall(dial).series()
    np.testing.assert_array_equal(series.targets[dial:], series.inputs[:-dial])


@pytest.mark.parametrize("dial", [1, 3, 16])
def test_the_lagged_mean_is_the_mean_of_the_rows_up_to_now_times_root_n(dial):
    series = LaggedMean(dial).series()
    for row in (dial - 1, 100, len(series.inputs) - 1):
        mean = series.inputs[row - dial + 1 : row + 1].mean()
        assert series.targets[row, 0] == pytest.approx(mean * np.sqrt(dial))


@pytest.mark.parametrize("make", [scaled_lagged_mean, delayed])
@given(values=VALUES, dial=st.integers(1, 8), data=st.data())
def test_a_later_input_never_changes_an_earlier_target(make, values, dial, data):
    values = np.array(values)
    changed = values.copy()
    row = data.draw(st.integers(0, len(values) - 1))
    changed[row] += 1.0
    before, after = make(values, dial), make(changed, dial)
    first = len(values) - len(before)  # the input that the first target belongs to
    untouched = max(row - first, 0)
    np.testing.assert_array_equal(before[:untouched], after[:untouched])
    assert not np.array_equal(make(values, dial), make(values + 1.0, dial))


def test_the_cosine_is_the_published_one():
    inputs = Cosine().series().inputs[:1000, 0]
    np.testing.assert_allclose(inputs, (1 + np.cos(2 * np.pi * np.arange(1000) / 100)) / 2, atol=1e-15)
    assert Cosine().series().train_rows == 800


def test_the_published_persistence_error_is_that_of_999_steps():
    values = Cosine().series().inputs[:1000, 0]
    assert np.mean(np.diff(values) ** 2) == pytest.approx(4.94e-4, abs=5e-7)
    assert np.sum(np.diff(values) ** 2) / 1000 == pytest.approx(Cosine().trivial, rel=1e-3)


def test_the_trivial_error_of_the_cosine_is_that_of_persistence_on_the_scored_rows():
    assert seasonal_naive_error(Cosine().series(), 1) == pytest.approx(Cosine().trivial, rel=1e-12)


def test_the_floor_of_the_cosine_at_one_step_is_what_any_function_of_one_value_leaves():
    # The best function of one value predicts the mean of the targets that follow it.
    series = Cosine().series()
    rows = slice(series.scored_rows.start, None)
    _, group = np.unique(series.inputs[rows, 0].round(9), return_inverse=True)
    targets = series.targets[rows, 0]
    means = np.bincount(group, targets) / np.bincount(group)
    error = np.mean((targets - means[group]) ** 2)
    assert Cosine().stateless_floor(1) == pytest.approx(error, rel=1e-9)


def test_two_values_of_the_cosine_predict_the_next_exactly():
    assert linear_error(Cosine().series(), 2) == pytest.approx(0, abs=1e-24)


@given(row=st.integers(801, 1000), change=st.floats(-10, 10))
def test_a_held_out_value_does_not_move_the_scale_of_the_cosine(row, change):
    values = np.cos(2 * np.pi * np.arange(1001) / 100)
    changed = values.copy()
    changed[row] += change
    one, other = (next_value_series(scale_to_unit(v, 801), 801, 0) for v in (values, changed))
    np.testing.assert_array_equal(one.inputs[:row], other.inputs[:row])
    np.testing.assert_array_equal(one.targets[: row - 1], other.targets[: row - 1])


def test_a_constant_cannot_be_scaled_to_a_range():
    with pytest.raises(SeriesError, match=r"all 3 training values are 1\.0"):
        scale_to_unit(np.ones(5), 3)


@pytest.mark.parametrize(("dial", "window"), [(1, 1), (3, 2), (3, 3), (5, 8)])
def test_the_floor_of_parity_in_labels_is_what_counting_reaches(dial, window):
    """The best prediction from a window: the shares of the labels among all windows that show the same."""
    bits = signs(np.random.default_rng(1).normal(size=100_000))
    even = parity(bits, dial)[max(0, window - dial) :] > 0
    shown = np.lib.stride_tricks.sliding_window_view(bits, window)[max(0, dial - window) :]
    codes = ((shown > 0) @ 2 ** np.arange(window)).astype(int)
    share = np.bincount(codes, even)[codes] / np.bincount(codes)[codes]
    entropy = -np.log(np.where(even, share, 1 - share)).mean()
    assert ParityLabels(dial).stateless_floor(window) == pytest.approx(entropy, abs=1e-2)


@pytest.mark.parametrize(("dial", "window"), [(2, 2), (2, 3), (8, 1)])
def test_the_floor_of_recall_in_labels_is_what_a_linear_classifier_reaches(dial, window):
    task = DelayedRecallLabels(dial)
    reached = linear_error(task.series(), window, loss=task.loss)
    assert task.stateless_floor(window) == pytest.approx(reached, rel=0.05, abs=0.02)
    np.testing.assert_array_equal(task.series().targets[dial:], task.series().inputs[:-dial])


@pytest.mark.parametrize("task", [ParityLabels(3), DelayedRecallLabels(4)])
def test_labels_state_a_target_in_nats_half_way_to_what_memory_knows(task):
    assert task.trivial == pytest.approx(np.log(task.series().targets.shape[1]))
    assert task.target(1) == pytest.approx(task.trivial / 2)
    rows = task.series().scored
    assert task.floor_on(1, rows) == pytest.approx(task.trivial)
    assert task.floor_on(8, rows) == pytest.approx(0, abs=1e-9)
    assert task.majority(rows) == pytest.approx(1 / task.series().targets.shape[1], abs=0.06)
    check(task, [1, 4, 8])
