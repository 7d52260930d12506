"""The electricity series: the published file, no leak, and the reference errors measured elsewhere."""

import hashlib
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tasks
from tasks.baselines import linear_error, next_value_series, seasonal_naive_error
from tasks.electricity import DATA_FILE, TRAIN_VALUES, WARM_UP, read_demand
from tasks.scaling import standardise

DEMAND = read_demand()


@pytest.fixture(scope="module")
def task():
    return tasks.create("electricity")


def test_the_file_is_the_one_that_its_readme_describes():
    readme = DATA_FILE.with_name("README.md").read_text(encoding="utf-8")
    published = re.search(r"[0-9a-f]{64}", readme).group()
    assert hashlib.sha256(DATA_FILE.read_bytes()).hexdigest() == published
    assert DEMAND.shape == (12 * 7 * 48,)


def test_the_split_falls_where_it_should(task):
    series = task.series()
    assert series.train_rows == 2687
    assert series.scored_rows == range(2927, 4031)
    assert len(series.scored_rows) == 23 * 48


def test_training_values_have_mean_0_and_deviation_1(task):
    training = task.series().inputs[:TRAIN_VALUES]
    assert training.mean() == pytest.approx(0, abs=1e-12)
    assert training.std() == pytest.approx(1)


@given(row=st.integers(TRAIN_VALUES, 4031), change=st.floats(-1e5, 1e5))
def test_a_held_out_value_changes_nothing_that_training_sees(row, change):
    changed = DEMAND.copy()
    changed[row] += change
    one, other = (next_value_series(standardise(v, TRAIN_VALUES), TRAIN_VALUES, WARM_UP) for v in (DEMAND, changed))
    np.testing.assert_array_equal(one.inputs[:row], other.inputs[:row])
    np.testing.assert_array_equal(one.targets[: row - 1], other.targets[: row - 1])
    assert row - 1 >= one.train_rows


def test_a_training_value_does_change_the_scale():
    changed = DEMAND.copy()
    changed[TRAIN_VALUES - 1] += 1e5
    assert standardise(changed, TRAIN_VALUES)[0] != standardise(DEMAND, TRAIN_VALUES)[0]


def test_persistence_matches_the_published_figure(task):
    # Published: .0264, from the steps between the values after the first 2688.
    series = task.series()
    assert seasonal_naive_error(series, 1, range(TRAIN_VALUES, 4031)) == pytest.approx(0.0264, abs=5e-5)


@pytest.mark.parametrize(("lags", "published"), [(2, 0.0208), (24, 0.0205), (48, 0.0157), (96, 0.0117), (336, 0.0091)])
def test_autoregressions_are_close_to_the_published_figures(task, lags, published):
    # Published as root mean squared error on demand scaled to 0..1, on all held-out rows. How those were
    # fitted is not said; ordinary least squares gives them within 4 %.
    series = task.series()
    training = series.inputs[:TRAIN_VALUES]
    held_out = range(series.train_rows, 4031)
    error = np.sqrt(linear_error(series, lags, held_out)) / np.ptp(training)
    assert error == pytest.approx(published, rel=0.04)


def test_the_target_is_the_error_of_half_a_day_of_linear_memory_at_every_window(task):
    for window in (1, 24, 96):
        assert task.target(window) == task.baselines()["linear autoregression (24 lags)"]


def test_on_some_of_the_rows_the_target_is_measured_on_these(task):
    rows = np.asarray(task.series().scored_rows)
    assert task.target_on(16, rows) == pytest.approx(task.target(16))
    halves = [task.target_on(16, rows[part::2]) for part in (0, 1)]
    assert np.mean(halves) == pytest.approx(task.target(16))
    assert halves[0] != halves[1]


def test_a_longer_linear_memory_pays(task):
    errors = task.baselines()
    falling = [errors[f"linear autoregression ({lags} lags)"] for lags in (2, 24, 48, 96, 336)]
    assert falling == sorted(falling, reverse=True)
    assert falling[0] < errors["seasonal naive (336)"] < errors["persistence"] < errors["seasonal naive (48)"]
