"""Linear baselines recover what is linear, and score the rows that they say."""

import numpy as np
import pytest

from tasks.baselines import linear_error, mean_squared_error, next_value_series, seasonal_naive_error
from tasks.task import Series, WindowError


@pytest.fixture
def two_features():
    """Target = 2 a(now) - b(one step ago) + 3."""
    a, b = np.random.default_rng(0).normal(size=(2, 60))
    targets = 2 * a + 3
    targets[1:] -= b[:-1]
    return Series(np.column_stack([a, b]), targets[:, None], train_rows=30, warm_up=5)


def test_a_linear_dependency_on_two_features_is_recovered_with_enough_lags(two_features):
    assert linear_error(two_features, 2) == pytest.approx(0, abs=1e-20)
    assert linear_error(two_features, 1) > 0.3


def test_held_out_rows_do_not_shape_the_fit(two_features):
    targets = two_features.targets.copy()
    targets[30:] += 1.0
    shifted = Series(two_features.inputs, targets, 30, 5)
    assert linear_error(shifted, 2) == pytest.approx(1.0)


def test_only_the_rows_asked_for_are_scored(two_features):
    targets = two_features.targets.copy()
    targets[40] += 4.0
    spoilt = Series(two_features.inputs, targets, 30, 5)
    assert linear_error(spoilt, 2, range(41, 60)) == pytest.approx(0, abs=1e-20)
    assert linear_error(spoilt, 2, range(39, 43)) == pytest.approx(16 / 4)


def test_more_lags_than_training_rows_are_refused(two_features):
    linear_error(two_features, 30)
    with pytest.raises(WindowError, match="31 lags do not fit into 30 training rows"):
        linear_error(two_features, 31)


def test_shapes_that_would_broadcast_are_refused():
    with pytest.raises(ValueError, match=r"\(3, 1\) and \(3,\)"):
        mean_squared_error(np.ones((3, 1)), np.ones(3))


def test_next_value_rows_keep_held_out_values_from_training():
    series = next_value_series(np.arange(10.0), train_values=6, warm_up=1)
    assert series.inputs[:, 0].tolist() == list(range(9))
    assert series.targets[:, 0].tolist() == list(range(1, 10))
    assert series.targets[: series.train_rows].max() == 5  # the last training value
    assert series.targets[series.train_rows, 0] == 6  # the first held-out one


def test_seasonal_naive_is_exact_on_its_period_and_persistence_sees_the_step():
    series = next_value_series(np.tile([0.0, 1.0, 5.0], 10), train_values=12, warm_up=3)
    assert seasonal_naive_error(series, 3) == 0
    rows = range(15, 18)  # one period: steps of 1, 4 and -5
    assert seasonal_naive_error(series, 1, rows) == pytest.approx((1 + 16 + 25) / 3)


def test_a_map_of_the_same_lags_is_fitted_once_however_often_it_is_asked_for(monkeypatch):
    series, fits = next_value_series(np.random.default_rng(0).standard_normal(200), 120, 10), []
    fit = np.linalg.lstsq
    monkeypatch.setattr(np.linalg, "lstsq", lambda *args, **kwargs: fits.append(1) or fit(*args, **kwargs))
    errors = [linear_error(series, lags, rows) for rows in (series.scored, series.scored[::7]) for lags in (2, 3, 2)]
    assert len(fits) == 2
    assert errors[0] == errors[2] != errors[3]
