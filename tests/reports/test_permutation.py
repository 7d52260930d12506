import numpy as np
import pytest

from reports.statistics.verdict import holm, sign_flip_p, smallest_p

YES = np.ones(3, dtype=bool)


def test_exact_p_by_hand():
    # Only the observed assignment and its mirror image are as extreme: 2 of 2^3.
    assert sign_flip_p(np.array([1.0, 2, 3]), YES, np.array([10.0, 20, 30]), YES) == 2 / 8
    assert smallest_p(3) == 2 / 8


def test_equal_arms_give_one():
    cost = np.array([1.0, 2, 3])
    assert sign_flip_p(cost, YES, cost, YES) == 1
    assert sign_flip_p(cost, ~YES, cost, ~YES) == 1
    assert sign_flip_p(np.zeros(3), YES, np.zeros(3), YES) == 1


def test_only_one_arm_reaches():
    n = 6
    reached = np.ones(n, dtype=bool)
    assert sign_flip_p(np.full(n, 1.0), reached, np.full(n, 9.0), ~reached) == 2 / 2**n


def test_monte_carlo_is_repeatable_and_near_the_truth():
    rng = np.random.default_rng(1)
    a, b = rng.lognormal(0, 1, 15), rng.lognormal(0, 1, 15)
    reached = np.ones(15, dtype=bool)
    p = sign_flip_p(a, reached, b, reached)
    assert p == sign_flip_p(a, reached, b, reached)
    assert p == pytest.approx(sign_flip_p(b, reached, a, reached), abs=0.02)


def test_p_is_no_smaller_than_it_should_be():
    rng = np.random.default_rng(2)
    reached = np.ones(8, dtype=bool)
    p = [sign_flip_p(rng.lognormal(size=8), reached, rng.lognormal(size=8), reached) for _ in range(300)]
    assert np.mean(np.array(p) <= 0.1) <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 300)


def test_holm_by_hand():
    # 0.01 x 3, 0.02 x 2, 0.03 x 1 made monotone
    assert holm(np.array([0.03, 0.01, 0.02])) == pytest.approx([0.04, 0.03, 0.04])
    assert holm(np.array([0.9, 0.6])) == pytest.approx([1, 1])
    assert holm(np.array([])).size == 0


def test_holm_is_statsmodels():
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    p = np.random.default_rng(3).random(20) ** 3
    assert holm(p) == pytest.approx(multitest.multipletests(p, method="holm")[1])


def test_golden_edges_by_hand():
    yes, no = np.array([True]), np.array([False])
    # One pair: the observed and its mirror image are all there is.
    assert sign_flip_p(np.array([1.0]), yes, np.array([9.0]), yes) == 1
    assert sign_flip_p(np.array([1.0]), yes, np.array([9.0]), no) == 1
    # Two pairs, one of them tied: every assignment is as extreme.
    pair = np.array([True, True])
    assert sign_flip_p(np.array([1.0, 5]), pair, np.array([9.0, 5]), pair) == 1
    # Three pairs, one tied: 2 of the 4 that differ.
    three = np.array([True] * 3)
    assert sign_flip_p(np.array([1.0, 2, 5]), three, np.array([9.0, 8, 5]), three) == 1 / 2
    # One success in all, in pair 1 of arm a: wherever it goes, one arm has none.
    assert sign_flip_p(np.full(3, 4.0), np.array([True, False, False]), np.full(3, 4.0), np.zeros(3, dtype=bool)) == 1
    assert sign_flip_p(np.array([]), np.array([], dtype=bool), np.array([]), np.array([], dtype=bool)) == 1


def test_holm_with_ties_and_one():
    assert holm(np.array([0.02, 0.02, 1.0])) == pytest.approx([0.06, 0.06, 1])
    assert holm(np.array([0.04])) == pytest.approx([0.04])
