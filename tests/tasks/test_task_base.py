"""Series refuse what does not fit; targets follow the stated rule."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.task import Series, SeriesError, Task, TaskError, target_from_floor

COLUMN = np.arange(10.0)[:, None]


def test_scored_rows_are_what_training_and_warm_up_leave():
    assert Series(COLUMN, COLUMN, train_rows=4, warm_up=3).scored_rows == range(7, 10)


def test_a_series_does_not_follow_later_changes_of_the_array_it_was_given():
    values = COLUMN.copy()
    series = Series(values, values, train_rows=4, warm_up=3)
    values[0] = 99
    assert series.inputs[0, 0] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": np.arange(10.0)}, r"inputs has shape \(10,\)"),
        ({"targets": np.ones((10, 0))}, r"targets has shape \(10, 0\)"),
        ({"targets": COLUMN[:9]}, "10 rows of inputs but 9 of targets"),
        ({"inputs": np.where(COLUMN == 6, np.nan, COLUMN)}, "inputs row 6 is .*nan"),
        ({"targets": np.where(COLUMN == 2, np.inf, COLUMN)}, "targets row 2 is .*inf"),
        ({"train_rows": 0}, "train_rows=0"),
        ({"warm_up": -1}, "warm_up=-1"),
        ({"train_rows": 7, "warm_up": 3}, "leave no row of 10 to score"),
        ({"train_rows": 20}, "leave no row of 10 to score"),
    ],
)
def test_a_series_that_does_not_fit_is_refused(change, message):
    fitting = {"inputs": COLUMN, "targets": COLUMN, "train_rows": 4, "warm_up": 3}
    with pytest.raises(SeriesError, match=message):
        Series(**(fitting | change))


@pytest.mark.parametrize(
    ("floor", "optimum", "trivial", "target"),
    [
        (0.75, 0.0, 1.0, 0.375),  # half the floor
        (0.75, 0.25, 1.0, 0.5),  # half-way
        (0.0, 0.0, 1.0, 0.25),  # nothing needs memory: a quarter of trivial
        (0.2, 0.2, 1.0, 0.4),  # a quarter of trivial's distance from the optimum
    ],
)
def test_the_target_of_known_errors(floor, optimum, trivial, target):
    assert target_from_floor(floor, optimum, trivial) == pytest.approx(target)


@given(st.tuples(*[st.floats(0, 100)] * 3).map(sorted).filter(lambda errors: errors[2] - errors[0] > 1e-6))
def test_a_target_can_be_reached_and_is_not_trivial(errors):
    optimum, floor, trivial = errors
    assert optimum <= target_from_floor(floor, optimum, trivial) < trivial


class Unknown(Task):
    """A task that knows nothing of its errors."""

    name = "unknown"
    unit = "none"
    title = description = "unknown"
    reach = optimum = None
    trivial = 1.0

    def build(self):
        return Series(COLUMN, COLUMN, 4, 3)

    def stateless_floor(self, window):  # noqa: ARG002 - the contract's name
        return None

    def baselines(self):
        return {}


def test_without_floor_or_rule_the_target_says_what_to_override():
    with pytest.raises(TaskError, match=r"'unknown' knows no floor.*override target\(\) and target_rule"):
        Unknown().target(4)
