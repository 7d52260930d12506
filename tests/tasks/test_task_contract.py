"""What holds for any task, whoever wrote it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tasks
from tasks.task import NEGLIGIBLE_SHARE

NAMES = tasks.names()
WINDOWS = st.integers(1, 400)


@pytest.fixture(scope="module", params=NAMES)
def task(request):
    return tasks.create(request.param)


def test_two_instances_make_the_same_series(task):
    one, other = task.series(), tasks.create(task.name).series()
    assert one is not other
    np.testing.assert_array_equal(one.inputs, other.inputs)
    np.testing.assert_array_equal(one.targets, other.targets)
    assert (one.train_rows, one.warm_up) == (other.train_rows, other.warm_up)


def test_the_series_is_built_once(task):
    assert task.series() is task.series()


def test_the_series_cannot_be_changed_by_who_uses_it(task):
    with pytest.raises(ValueError, match="read-only"):
        task.series().inputs[0, 0] = 1.0


def test_there_are_enough_rows_to_warm_up_and_to_score(task):
    series = task.series()
    # A sequence begins from a zero state, and what it begins with may be all that counts.
    assert series.starts or series.warm_up >= 96
    assert series.starts or series.warm_up >= (task.reach or 0)
    assert 1000 <= len(series.scored) <= 1200


def test_training_inputs_are_scaled_to_order_one(task):
    training = task.series().inputs[: task.series().train_rows]
    assert np.abs(training).max() < 4
    assert 0.1 < training.std() < 1.5


def test_the_texts_for_the_report_are_there(task):
    for text in (task.title, task.description, task.unit, task.target_rule):
        assert text
        assert text == text.strip()


def test_the_trivial_error_is_near_the_error_measured_for_the_first_named_baseline(task):
    # 20 %: the targets of the lagged mean are correlated, so that 1024 rows are worth about 90.
    assert next(iter(task.baselines().values())) == pytest.approx(task.trivial, rel=0.2)


def test_no_baseline_beats_the_optimum(task):
    # An optimum above 0 is an expectation; 10 % are four standard errors of the mean of 1024 squares.
    assert min(task.baselines().values()) >= 0.9 * (task.optimum or 0.0)


def test_changing_the_returned_baselines_changes_nothing(task):
    before = task.baselines()
    task.baselines().clear()
    assert task.baselines() == before


@given(window=WINDOWS)
def test_the_floor_lies_between_optimum_and_trivial(task, window):
    floor = task.stateless_floor(window)
    if floor is not None:
        assert task.optimum <= floor <= task.trivial


@given(window=WINDOWS)
def test_a_longer_window_never_has_a_higher_floor(task, window):
    floor = task.stateless_floor(window)
    if floor is not None:
        assert task.stateless_floor(window + 1) <= floor


def test_the_floor_meets_the_optimum_exactly_from_the_reach_on(task):
    if task.reach is not None:
        assert task.stateless_floor(task.reach) == task.optimum
        assert task.stateless_floor(task.reach - 1) > task.optimum


def test_the_target_lies_between_optimum_and_trivial_where_anything_can_be_learnt(task):
    if task.optimum == task.trivial:
        assert task.target(1) < task.optimum
        return
    for window in (1, 2, 3, 8, 15, 16, 17, 48, 400):
        assert (task.optimum or 0.0) < task.target(window) < task.trivial


def test_where_carried_state_is_needed_the_target_lies_below_the_floor(task):
    if task.reach is not None:
        for window in range(1, task.reach):
            floor = task.stateless_floor(window)
            # A floor that all but equals the optimum leaves nothing to aim at between them.
            if floor - task.optimum > NEGLIGIBLE_SHARE * (task.trivial - task.optimum):
                assert task.target(window) < floor


@pytest.mark.parametrize("window", [0, -1, 2.0, True, "4", None])
def test_an_impossible_window_is_named(task, window):
    for ask in (task.stateless_floor, task.target):
        with pytest.raises(ValueError, match=rf"window {window!r} .*whole number"):
            ask(window)


@pytest.mark.parametrize("dial", [0, -3, 2.0, True, "4", 1025])
def test_an_impossible_dial_is_named_with_a_remedy(task, dial):
    remedy = "leave the dial out" if task.dial_name is None else "whole number from 1 to 1024"
    with pytest.raises(ValueError, match=rf"{dial!r}.*{remedy}"):
        tasks.create(task.name, dial)


def test_a_longer_dial_reaches_further_and_its_default_is_the_default(task):
    if task.dial_name is not None:
        assert tasks.create(task.name, task.default_dial).reach == task.reach
        assert tasks.create(task.name, task.default_dial + 5).reach >= task.reach + 5
        assert tasks.create(task.name, np.int64(3)).dial == 3


@pytest.mark.parametrize("dial", [2, 3, 7, 64, 1024])
def test_the_floor_falls_from_trivial_to_optimum_at_every_dial(task, dial):
    if task.dial_name is not None:
        at = tasks.create(task.name, dial)
        floors = [at.stateless_floor(window) for window in range(1, at.reach + 2)]
        assert floors == sorted(floors, reverse=True)
        assert floors[0] <= at.trivial
        assert floors[-3] > floors[-2] == floors[-1] == at.optimum


@pytest.mark.parametrize("dial", [1, 2, 40])
def test_a_series_can_be_built_at_every_dial(task, dial):
    if task.dial_name is not None:
        at = tasks.create(task.name, dial)
        assert at.series().starts or at.series().warm_up >= at.reach
        assert len(at.series().scored) == pytest.approx(
            len(task.series().scored), abs=dial if at.series().starts else 0
        )


@pytest.mark.parametrize("name", tasks.names())
def test_the_target_on_all_scored_rows_is_the_target(name):
    task = tasks.create(name)
    rows = task.series().scored
    if task.stateless_prediction(5) is None:
        assert task.target_on(5, rows) == pytest.approx(task.target(5))
    else:
        # The floor is measured on the rows, and lies near its expectation.
        assert task.target_on(5, rows) == pytest.approx(task.target(5), rel=0.15)
