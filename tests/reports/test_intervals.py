import math

import numpy as np
import pytest
from scipy import stats

from reports.statistics.intervals import (
    clopper_pearson,
    ecdf,
    effective_degrees,
    expected_running_time,
    geometric_ratio,
    relative_variance_of_median,
    restricted_mean,
    rounding_variance,
    running_time_interval,
    running_time_ratio,
    t_quantile,
)

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
    assert t_quantile(9) == pytest.approx(2.262, abs=5e-4)


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


def test_effective_degrees_by_hand():
    # 0, 0, 0, 0, 5: second moment 4, fourth 52, excess 52/16 - 3 = 1/4; G2 = 4/6 (6/4 + 6) = 5; 2 x 4 / 7
    values = np.array([0.0, 0, 0, 0, 5])
    assert effective_degrees(values, values) == pytest.approx(8 / 7)
    # Costs that are half of the deviation are a quarter of the variance: 8 / (5/4 + 2).
    assert effective_degrees(values, values / 2) == pytest.approx(8 / (5 / 4 + 2))
    assert stats.kurtosis([0, 0, 0, 0, 5], bias=False) == pytest.approx(5)
    # Two equal heaps have the least kurtosis, equal values and three values none.
    assert effective_degrees(np.array([1.0, 1, -1, -1]), np.array([1.0, 1, -1, -1])) == 3
    assert effective_degrees(np.zeros(10), np.zeros(10)) == 9
    assert effective_degrees(np.array([0.0, 0, 9]), np.array([0.0, 0, 9])) == 2
    many = np.random.default_rng(1).normal(size=(3, 50))
    expected = [2 * 49 / max(stats.kurtosis(row, bias=False) + 2, 2) for row in many]
    assert effective_degrees(many, many) == pytest.approx(expected)


def test_one_dominant_replicate_widens_the_interval():
    calm, wild = np.linspace(1, 2, 10), np.r_[np.full(9, 1.0), 30]
    yes = np.ones(10, dtype=bool)
    assert running_time_ratio(calm, yes, np.ones(10), yes).degrees == 9
    ratio = running_time_ratio(wild, yes, np.ones(10), yes)
    assert ratio.degrees == pytest.approx(18 / 12)  # the least for ten
    assert math.log(ratio.high / ratio.value) == pytest.approx(stats.t.ppf(0.975, 1.5) * ratio.standard_error)


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


def test_golden_edges_by_hand():
    # All censored: 3 x 100 spent over no success; the bound is the mean cost over the exact limits of the rate.
    none, one = np.zeros(3, dtype=bool), np.array([True, False, False])
    assert expected_running_time(np.full(3, 100.0), none) == math.inf
    assert running_time_interval(np.full(3, 100.0), none) == (pytest.approx(100 / (1 - 0.025 ** (1 / 3))), math.inf)
    # One success in three: limits of 1/3 are 1 - .975^(1/3) and a root of the binomial.
    low, high = clopper_pearson(1, 3)
    assert low == pytest.approx(1 - 0.975 ** (1 / 3))
    assert (1 - high) ** 3 + 3 * high * (1 - high) ** 2 == pytest.approx(0.025)
    assert running_time_interval(np.full(3, 100.0), one) == pytest.approx((100 / high, 100 / low))
    # n = 1, reached: the rate is at least .025.
    assert clopper_pearson(1, 1) == pytest.approx((0.025, 1))
    assert clopper_pearson(0, 1) == pytest.approx((0, 0.975))
    assert restricted_mean(np.array([7.0]), 5) == 5
    assert ecdf(np.array([5.0]), np.array([False]))[0].size == 0
    single = geometric_ratio(np.array([3.0]), np.array([2.0]))
    assert (single.value, single.low, single.high, single.method) == (1.5, 0, math.inf, "none")
    assert geometric_ratio(np.array([0.0]), np.array([2.0])).method == "none"


def test_the_bound_by_hand():
    # Two arms of one replicate, reached at 10 and 20: each rate at 97.5 %, so at least .0125.
    yes = np.array([True])
    ratio = running_time_ratio(np.array([10.0]), yes, np.array([20.0]), yes)
    assert (ratio.low, ratio.high) == pytest.approx((0.5 * 0.0125, 0.5 / 0.0125))
