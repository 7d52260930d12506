"""The carbon dioxide series: the published values, gaps filled on straight lines, no leak, and its baselines."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tasks
from tasks.baselines import linear_error, next_value_series
from tasks.co2 import DATA_FILE, TRAIN_VALUES, WARM_UP, read_ppm, scaled_changes

PPM = read_ppm()


@pytest.fixture(scope="module")
def task():
    return tasks.create("co2")


@pytest.fixture(scope="module")
def table():
    return pd.read_csv(DATA_FILE, parse_dates=["date"])


def test_the_file_is_the_one_that_its_readme_describes(table):
    readme = DATA_FILE.with_name("README.md").read_text(encoding="utf-8")
    section = readme[readme.index(f"# {DATA_FILE.name}") :]
    assert hashlib.sha256(DATA_FILE.read_bytes()).hexdigest() in section
    assert len(table) == 2284
    np.testing.assert_array_equal(table["ppm"], PPM)


def test_there_is_a_row_for_every_week(table):
    assert set(table["date"].diff().dropna()) == {pd.Timedelta(days=7)}
    assert (table["date"].iloc[0], table["date"].iloc[-1]) == (pd.Timestamp("1958-03-29"), pd.Timestamp("2001-12-29"))


def test_missing_weeks_lie_on_the_line_between_their_neighbours(table):
    measured = table["measured"].to_numpy(bool)
    weeks = np.arange(len(table))
    line = np.interp(weeks, weeks[measured], PPM[measured])
    np.testing.assert_allclose(PPM, line, atol=0.00051)
    assert (~measured).sum() == 59
    starts = ~measured & np.roll(measured, 1)
    assert starts.sum() == 22


def test_five_filled_weeks_lie_among_the_scored_ones_and_none_at_the_border(task, table):
    measured = table["measured"].to_numpy(bool)
    first_target_week = task.series().scored_rows.start + 2  # row i predicts the change up to week i + 2
    assert table["date"].iloc[first_target_week] == pd.Timestamp("1982-01-30")
    assert (~measured[first_target_week:]).sum() == 5
    assert measured[TRAIN_VALUES - 10 : TRAIN_VALUES + 10].all()


def test_the_values_are_those_that_statsmodels_ships(table):
    published = pytest.importorskip("statsmodels.datasets.co2").load_pandas().data["co2"]
    assert list(published.index) == list(table["date"])
    expected = table["ppm"].where(table["measured"] == 1)
    np.testing.assert_array_equal(published.to_numpy(), expected.to_numpy())


def test_the_split_falls_where_it_should(task):
    series = task.series()
    assert series.train_rows == 1138
    assert series.scored_rows == range(1242, 2282)
    assert len(series.scored_rows) == 20 * 52


def test_the_target_is_the_change_of_the_next_week(task):
    changes = np.diff(PPM)
    known = changes[:TRAIN_VALUES]
    for row in (0, 1000, 2281):
        expected = (PPM[row + 2] - PPM[row + 1] - known.mean()) / known.std()
        assert task.series().targets[row, 0] == pytest.approx(expected)


def test_held_out_levels_leave_the_range_of_training_and_held_out_changes_hardly_do(task):
    training, held_out = PPM[: TRAIN_VALUES + 1], PPM[TRAIN_VALUES + 1 :]
    assert np.mean(held_out > training.max()) > 0.9
    series = task.series()
    widest = np.abs(series.inputs[: series.train_rows]).max()
    assert np.mean(np.abs(series.inputs[series.train_rows :]) > widest) < 0.01


@given(week=st.integers(TRAIN_VALUES + 1, 2283), change=st.floats(-1e3, 1e3))
def test_a_held_out_week_changes_nothing_that_training_sees(week, change):
    changed = PPM.copy()
    changed[week] += change
    one, other = (next_value_series(scaled_changes(ppm, TRAIN_VALUES), TRAIN_VALUES, WARM_UP) for ppm in (PPM, changed))
    # Week w first appears in the change w - 1, which is the input of row w - 1 and the target of row w - 2.
    np.testing.assert_array_equal(one.inputs[: week - 1], other.inputs[: week - 1])
    np.testing.assert_array_equal(one.targets[: week - 2], other.targets[: week - 2])
    assert week - 2 >= one.train_rows


def test_the_trivial_prediction_is_the_best_of_those_that_learn_nothing(task):
    errors = task.baselines()
    naive = [error for name, error in errors.items() if name.startswith(("mean", "persistence", "seasonal"))]
    assert len(naive) == 4
    assert task.trivial == errors["mean change"] == min(naive)


def test_persistence_of_the_level_is_the_mean_squared_change_in_units_of_the_scale(task):
    changes = np.diff(PPM)
    expected = np.mean(changes[TRAIN_VALUES + WARM_UP :] ** 2) / changes[:TRAIN_VALUES].var()
    assert task.baselines()["persistence of the level"] == pytest.approx(expected)


def test_the_target_is_the_same_at_every_window_and_needs_more_than_half_a_year_of_linear_memory(task):
    errors = task.baselines()
    assert {task.target(window) for window in (1, 16, 52, 104)} == {0.75 * errors["mean change"]}
    assert min(linear_error(task.series(), lags) for lags in range(1, 27)) > task.target(8)
    assert task.target(8) > errors["linear autoregression (52 lags)"] > errors["linear autoregression (104 lags)"]
