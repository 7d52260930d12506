"""Parity: the product of the last signs, and a floor that no function of the window goes below."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.parity import Parity, parity, signs

BITS = st.lists(st.sampled_from([-1.0, 1.0]), min_size=12, max_size=30)


def error_of_the_best_function(count, window):
    """Go through all equally likely pasts; the best prediction is the mean target of those that look alike."""
    targets_by_view = {}
    for bits in itertools.product([-1, 1], repeat=max(count, window)):
        targets_by_view.setdefault(bits[-window:], []).append(np.prod(bits[-count:]))
    return np.mean([np.var(targets) for targets in targets_by_view.values()])


@pytest.mark.parametrize("dial", [1, 2, 3, 5])
@pytest.mark.parametrize("window", [1, 2, 3, 4, 5, 7])
def test_the_floor_is_what_the_best_of_all_functions_of_the_window_leaves(dial, window):
    assert Parity(dial).stateless_floor(window) == error_of_the_best_function(dial, window)


@pytest.mark.parametrize("dial", [1, 2, 3, 16])
def test_the_target_is_positive_after_an_even_number_of_negative_signs(dial):
    series = Parity(dial).series()
    for row in (dial - 1, 100, len(series.inputs) - 1):
        negative = np.sum(series.inputs[row - dial + 1 : row + 1] < 0)
        assert series.targets[row, 0] == (1 if negative % 2 == 0 else -1)


def test_both_signs_are_equally_frequent_and_nothing_else_occurs():
    inputs = Parity().series().inputs[:, 0]
    assert set(inputs) == {-1.0, 1.0}
    assert inputs.mean() == pytest.approx(0, abs=4 / np.sqrt(len(inputs)))  # four standard errors


def test_zero_has_a_sign():
    assert signs(np.array([-0.1, 0.0, 0.1])).tolist() == [-1, 1, 1]


def test_a_linear_map_is_no_better_than_the_mean():
    errors = Parity().baselines()
    assert errors["linear regression (3 lags)"] == pytest.approx(errors["mean"], rel=0.02)


@given(bits=BITS, count=st.integers(1, 8), data=st.data())
def test_a_sign_turns_the_targets_that_it_is_a_factor_of_and_no_others(bits, count, data):
    bits = np.array(bits)
    row = data.draw(st.integers(0, len(bits) - 1))
    turned = bits.copy()
    turned[row] *= -1
    last = np.arange(count - 1, len(bits))  # the row that each target belongs to
    expected = np.where((last >= row) & (last < row + count), -1, 1) * parity(bits, count)
    np.testing.assert_array_equal(parity(turned, count), expected)
