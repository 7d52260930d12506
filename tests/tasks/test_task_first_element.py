"""The first element of a sequence: targets, boundaries, and floors that were derived, checked by what can be known."""

import numpy as np
import pytest

import tasks


@pytest.mark.parametrize("name", ["first_element", "first_element_unmarked"])
def test_every_target_is_what_its_sequence_began_with(name):
    series = tasks.create(name, 5).series()
    assert all(first % 5 == 0 for first in series.starts)
    assert series.train_rows in series.starts
    for row in range(40):
        assert series.targets[row, 0] == series.inputs[row - row % 5, 0]
    assert series.inputs.shape[1] == (2 if name == "first_element" else 1)


@pytest.mark.parametrize("window", [1, 3, 7, 8, 20])
def test_the_floors_are_the_least_errors_of_whoever_knows_what_a_window_shows(window):
    length = 8
    marked, unmarked = (tasks.create(name, length) for name in ("first_element", "first_element_unmarked"))
    series = unmarked.series()
    rows, place = series.scored, series.place[series.scored]
    targets, first_seen = series.targets[rows, 0], series.inputs[rows - np.minimum(place, window - 1), 0]
    knows = np.where(place < window, targets, 0.0)
    np.testing.assert_allclose(marked.stateless_prediction(window)[rows, 0], knows)
    assert ((knows - targets) ** 2).mean() == pytest.approx(marked.stateless_floor(window), abs=0.08)
    chance = 1 / max(1, length - window + 1)
    guess = np.where(place < window - 1, targets, chance * first_seen)
    np.testing.assert_allclose(unmarked.stateless_prediction(window)[rows, 0], guess)
    assert ((guess - targets) ** 2).mean() == pytest.approx(unmarked.stateless_floor(window), abs=0.08)
    for other in (0.5 * chance, min(1.0, 1.5 * chance + 0.1)):
        worse = np.where(place < window - 1, targets, other * first_seen)
        assert ((worse - targets) ** 2).mean() >= ((guess - targets) ** 2).mean() - 0.01


def test_with_the_mark_a_floor_is_never_higher():
    marked, unmarked = tasks.create("first_element"), tasks.create("first_element_unmarked")
    assert all(marked.stateless_floor(one) <= unmarked.stateless_floor(one) + 1e-12 for one in range(1, 40))
    assert marked.stateless_floor(16) == unmarked.stateless_floor(16) == 0
