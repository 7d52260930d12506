import math

import numpy as np
import pytest
from scipy import stats

from reports.statistics.intervals import (
    clopper_pearson,
    geometric_ratio,
    relative_variance_of_median,
    rounding_variance,
    running_time_interval,
    running_time_ratio,
    t_quantile,
)
from reports.statistics.running_time import ecdf, expected_running_time, restricted_mean

YES = np.ones(3, dtype=bool)


def test_expected_running_time_counts_failed_runs():
    # (10 + 20 + 100) / 2 successes
    assert expected_running_time(np.array([10.0, 20, 100]), np.array([True, True, False])) == 65
    assert expected_running_time(np.array([5.0]), np.array([False])) == math.inf
    assert expected_running_time(np.array([0.0, 0]), np.array([True, True])) == 0


def test_restricted_mean_cuts_at_the_budget():
    assert restricted_mean(np.array([10.0, 30, 90]), 50) == 30
    assert math.isnan(restricted_mean(np.array([]), 50))


def test_ecdf_steps_at_successes_and_ends_below_one_where_censored():
    cost, share = ecdf(np.array([20.0, 10, 20, 99]), np.array([True, True, True, False]))
    assert cost.tolist() == [10, 20]
    assert share.tolist() == [0.25, 0.75]


@pytest.mark.parametrize("n", [1, 5, 10])
def test_clopper_pearson_is_scipys(n):
    for hits in range(n + 1):
        exact = stats.binomtest(hits, n).proportion_ci(method="exact")
        assert clopper_pearson(hits, n) == pytest.approx((exact.low, exact.high), abs=1e-9)
    assert clopper_pearson(0, 0) == (0, 1)


def test_t_quantile_is_the_tables():
    assert t_quantile(10) == pytest.approx(2.262, abs=5e-4)


def test_jackknife_by_hand():
    # a = (1, 2, 3), b = (2, 2, 2): ratio 1. Without each pair: 5/4, 4/4, 3/4.
    logs = np.log([1.25, 1.0, 0.75])
    error = math.sqrt(2 / 3 * float(((logs - logs.mean()) ** 2).sum()))
    ratio = running_time_ratio(np.array([1.0, 2, 3]), YES, np.array([2.0, 2, 2]), YES)
    assert ratio.method == "jackknife"
    assert ratio.value == pytest.approx(1)
    assert ratio.standard_error == pytest.approx(error)
    assert math.log(ratio.high) == pytest.approx(stats.t.ppf(0.975, 2) * error)
    assert ratio.low * ratio.high == pytest.approx(1)


def test_ties_give_a_point():
    ratio = running_time_ratio(np.full(3, 10.0), YES, np.full(3, 20.0), YES)
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((0.5, 0.5, 0.5))


def test_ties_are_known_to_one_evaluation_only():
    variance = rounding_variance(np.full(3, 10.0), YES, 10)
    assert variance == pytest.approx(3 * 100 / 12 / 30**2)
    ratio = running_time_ratio(np.full(3, 10.0), YES, np.full(3, 20.0), YES, extra_variance=variance)
    assert math.log(ratio.high / 0.5) == pytest.approx(stats.t.ppf(0.975, 2) * math.sqrt(variance))
    assert rounding_variance(np.zeros(3), YES, 10) == 0


def test_variance_of_a_median_is_that_of_a_normal_sample():
    rng = np.random.default_rng(4)
    medians = [float(np.median(rng.normal(10, 1, 50))) for _ in range(500)]
    expected = relative_variance_of_median(rng.normal(10, 1, 50_000)) * 50_000 / 50
    assert expected == pytest.approx(np.var(np.log(medians)), rel=0.25)
    assert relative_variance_of_median(np.array([1.0])) == 0


def test_one_pair_or_one_success_is_only_bounded():
    one = running_time_ratio(np.array([10.0]), np.array([True]), np.array([20.0]), np.array([True]))
    assert one.method == "bound"
    assert one.low < 0.1
    assert one.high > 5
    hits = np.array([True, False, False])
    single = running_time_ratio(np.full(3, 10.0), hits, np.full(3, 10.0), YES)
    assert single.method == "bound"
    assert single.low <= single.value <= single.high < math.inf


def test_no_success_gives_a_one_sided_bound():
    none = np.zeros(10, dtype=bool)
    ratio = running_time_ratio(np.full(10, 10.0), ~none, np.full(10, 100.0), none)
    assert (ratio.value, ratio.low) == (0, 0)
    assert 0 < ratio.high < 0.9
    mirrored = running_time_ratio(np.full(10, 100.0), none, np.full(10, 10.0), ~none)
    assert mirrored.value == mirrored.high == math.inf
    assert mirrored.low == pytest.approx(1 / ratio.high)


def test_nothing_to_form():
    none = np.zeros(3, dtype=bool)
    assert running_time_ratio(np.ones(3), none, np.ones(3), none).method == "none"
    assert running_time_ratio(np.zeros(3), YES, np.zeros(3), YES).method == "none"
    assert running_time_ratio(np.zeros(3), YES, np.ones(3), YES).method == "none"
    empty = np.array([])
    assert running_time_ratio(empty, empty.astype(bool), empty, empty.astype(bool)).n == 0


def test_interval_of_one_arm():
    low, high = running_time_interval(np.array([1.0, 2, 3]), YES)
    assert low < 2 < high
    low, high = running_time_interval(np.full(10, 100.0), np.zeros(10, dtype=bool))
    assert low == pytest.approx(100 / 0.3085, rel=1e-3)
    assert high == math.inf


def test_geometric_ratio_by_hand():
    ratio = geometric_ratio(np.array([2.0, 8, np.nan]), np.array([1.0, 1, 1]))
    assert (ratio.value, ratio.n) == (pytest.approx(4), 2)
    assert math.log(ratio.high / ratio.value) == pytest.approx(stats.t.ppf(0.975, 1) * math.log(2))


def test_coverage_of_the_jackknife():
    # Cost lognormal, cut at the budget; the true ERT is E[cost spent] / P(success), by a large sample.
    rng = np.random.default_rng(11)

    def draw(n, median):
        time = median * np.exp(0.6 * rng.standard_normal(n))
        reached = (rng.random(n) < 0.8) & (time < 400)
        return np.where(reached, time, 400.0), reached

    truth = expected_running_time(*draw(400_000, 60)) / expected_running_time(*draw(400_000, 100))
    repetitions = 400
    covered = 0
    for _ in range(repetitions):
        ratio = running_time_ratio(*draw(10, 60), *draw(10, 100))
        covered += ratio.low <= truth <= ratio.high
    monte_carlo_error = math.sqrt(0.95 * 0.05 / repetitions)
    assert covered / repetitions >= 0.93 - monte_carlo_error
