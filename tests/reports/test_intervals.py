import math
from collections import Counter

import numpy as np
import pytest
from msgspec.structs import replace
from scipy import stats

from reports.statistics import intervals
from reports.statistics.intervals import (
    Chance,
    Costs,
    chance_of_less,
    clopper_pearson,
    ecdf,
    expected_running_time,
    geometric_ratio,
    geometric_ratios,
    reached_at,
    relative_variance_of_median,
    restarted,
    restricted_mean,
    running_time_interval,
    running_time_ratio,
    running_time_ratios,
    success_bound,
    t_quantile,
)

YES = np.ones(3, dtype=bool)


def exact(cost, reached=None):
    """Costs known exactly; all arrived unless said otherwise."""
    cost = np.array(cost, dtype=float)
    return Costs.exact(cost, np.ones(cost.size, dtype=bool) if reached is None else reached)


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


def test_the_chance_of_a_fresh_draw_is_the_mean_over_draws_of_the_share_of_pairs():
    # On the first draw 10 ties and beats the failure, 30 beats the failure alone; on the second each loses.
    a = replace(exact([10, 30, 50, 60], [True, True, True, False]), group=np.array([0, 0, 1, 1]))
    b = replace(exact([10, 99, 40, 40], [True, False, True, True]), group=np.array([0, 0, 1, 1]))
    found = chance_of_less(a, b)
    assert found.value == pytest.approx(((1.5 + 1) / 4 + 0) / 2)
    assert (found.low, found.high) == clopper_pearson(2.5 / 4, 2)
    assert chance_of_less(b, a).value == pytest.approx(1 - found.value)
    nothing = chance_of_less(a, replace(b, group=b.group + 2))
    assert math.isnan(nothing.value)
    assert (nothing.low, nothing.high) == (0, 1)


def test_draws_of_one_training_each_are_counted_as_draws_of_several():
    a, b = exact([10, 30, 50, 60, 7], [True, True, True, False, True]), exact([10, 99, 40, 40, 9])
    twice = [Costs(*(np.repeat(part, 2) for part in (one.cost, one.reached, one.width, one.group))) for one in (a, b)]
    assert chance_of_less(a, b) == chance_of_less(*twice) == Chance(2.5 / 5, *clopper_pearson(2.5, 5))


@pytest.mark.parametrize(("between", "seeds"), [(0.0, 1), (0.5, 1), (0.5, 3), (2.0, 3)])
def test_the_chance_of_a_fresh_draw_is_covered_where_draws_differ(between, seeds):
    rng = np.random.default_rng(4)
    folds, effect, covered = 10, -0.6, 0
    group = np.repeat(np.arange(folds), seeds)
    true = stats.norm.cdf(-effect / math.sqrt(2 + between**2))
    for _ in range(400):
        shift = rng.normal(effect, between, folds)[group] if between else effect
        a, b = (np.exp(rng.normal(size=group.size) + by) for by in (shift, 0))
        found = chance_of_less(*(replace(exact(cost), group=group) for cost in (a, b)))
        covered += found.low <= true <= found.high
    assert covered / 400 >= 0.93


def test_t_quantile_is_the_tables():
    assert t_quantile(9) == pytest.approx(2.262, abs=5e-4)


def test_jackknife_by_hand():
    # a = (1, 2, 3), b = (2, 2, 2): ratio 1. Without each pair: 5/4, 4/4, 3/4.
    logs = np.log([1.25, 1.0, 0.75])
    error = math.sqrt(2 / 3 * float(((logs - logs.mean()) ** 2).sum()))
    ratio = running_time_ratio(exact([1.0, 2, 3]), exact([2.0, 2, 2]))
    assert ratio.method == "jackknife"
    assert ratio.value == pytest.approx(1)
    assert ratio.standard_error == pytest.approx(error)
    assert math.log(ratio.high) == pytest.approx(stats.t.ppf(0.975, 2) * error)
    assert ratio.low * ratio.high == pytest.approx(1)


def test_groups_are_left_out_together():
    # Two folds of two: without the first the ratio is 6 / 4, without the second 4 / 4.
    group = np.array([0, 0, 1, 1])
    a = replace(exact([2.0, 2, 3, 3]), group=group)
    b = replace(exact([2.0, 2, 2, 2]), group=group)
    ratio = running_time_ratio(a, b)
    logs = np.log([1.5, 1.0])
    assert (ratio.value, ratio.degrees) == (pytest.approx(10 / 8), 1)
    assert ratio.standard_error == pytest.approx(math.sqrt(1 / 2 * float(((logs - logs.mean()) ** 2).sum())))


def test_a_failure_costs_a_restart_and_not_the_budget():
    hits = np.array([True, True, True, False])
    a, b = exact([4.0, 8, 16, 1000], hits), exact([4.0, 8, 16, 200])
    # Three times the geometric mean of 4, 8 and 16: all three arrive by then, after 28 + 24 updates in all.
    assert a.restart == pytest.approx(24)
    assert running_time_ratio(a, exact([1.0] * 4)).value == pytest.approx(52 / 3)
    assert running_time_ratio(replace(a, cost=np.array([4.0, 8, 16, 90])), b) == running_time_ratio(a, b)
    # A success that comes later than the restart of its own arm is one that was given up.
    assert b.restart == pytest.approx(3 * (4 * 8 * 16 * 200) ** 0.25)
    assert running_time_ratio(exact([1.0] * 4), b).value == pytest.approx(3 / (28 + b.restart))


def test_an_arm_without_a_success_is_restarted_after_the_other():
    none, one = exact([7.0, 90], np.array([False, False])), exact([2.0, 8])
    given_up, same = restarted(none, one)
    assert (none.restart, one.restart) == (math.inf, pytest.approx(12))
    assert given_up.cost == pytest.approx([7, 12])
    assert same.cost.tolist() == [2, 8]
    assert restarted(none, none)[0].cost.tolist() == [7, 90]


def test_an_arm_by_itself_needs_what_it_needs_in_a_ratio():
    hits = np.array([True, True, True, False])
    arm = exact([4.0, 8, 16, 1000], hits)
    low, high = running_time_interval(arm)
    ratio = running_time_ratio(arm, exact([1.0] * 4))
    assert (low, high) == pytest.approx((ratio.low, ratio.high))


def test_what_came_later_than_a_budget_did_not_arrive():
    costs = replace(exact([10.0, 50]), width=np.array([2.0, 4])).up_to(20)
    assert (costs.cost.tolist(), costs.reached.tolist(), costs.width.tolist()) == ([10, 20], [True, False], [2, 0])


def test_ties_give_a_point():
    ratio = running_time_ratio(exact([10.0] * 3), exact([20.0] * 3))
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((0.5, 0.5, 0.5))


def test_replicates_between_the_same_evaluations_share_their_rounding():
    alike = replace(exact([10.0] * 3), width=np.full(3, 4.0))
    # Not divided by the three: (3 x 4)^2 / 12 of a total of 30.
    assert alike.rounding_variance == pytest.approx(12**2 / 12 / 30**2)
    apart = replace(exact([10.0, 14, 18]), width=np.full(3, 4.0))
    assert apart.rounding_variance == pytest.approx(3 * 4**2 / 12 / 42**2)
    ratio = running_time_ratio(alike, exact([20.0] * 3))
    assert math.log(ratio.high / 0.5) == pytest.approx(stats.t.ppf(0.975, 2) * math.sqrt(alike.rounding_variance))
    assert exact([0.0]).rounding_variance == 0


def test_a_first_evaluation_that_all_pass_is_no_measurement():
    both = replace(exact([4.0] * 12), width=np.full(12, 8.0))
    ratio = running_time_ratio(both, both)
    assert ratio.low < 0.25
    assert ratio.high > 4


def _naive_rounding(costs):
    failed = costs.cost[~costs.reached].sum()
    cells = Counter(zip(costs.cost[costs.reached].tolist(), costs.width[costs.reached].tolist(), strict=True))
    moved = [n * width * (1 + failed / costs.hits / cost) for (cost, width), n in cells.items()]
    return sum(one**2 for one in moved) / 12 / costs.cost.sum() ** 2


def test_what_the_failed_spent_is_known_no_better_than_the_successes_that_it_is_a_multiple_of():
    hits = np.array([True, True, False, False])
    arm = replace(exact([4.0, 4, 12, 12], hits), width=np.array([8.0, 8, 0, 0]))
    assert arm.rounding_variance == pytest.approx(8**2 / 12 / 4**2)
    low, high = success_bound(arm, exact([1.0] * 4))
    assert low == 0
    assert high == pytest.approx(success_bound(exact([8.0, 8, 24, 24], hits), exact([1.0] * 4))[1])


def test_ratios_formed_at_once_are_those_formed_one_by_one(monkeypatch):
    rng = np.random.default_rng(5)
    groups = [np.arange(6), np.arange(6) // 2, np.arange(12) % 3, np.zeros(0, dtype=int)]

    def arm(group, chance):
        width = 2.0 * rng.integers(1, 4, group.size)
        hit = rng.random(group.size) < chance
        return Costs(np.where(hit, rng.integers(3, 9, group.size), 20.0), hit, np.where(hit, width, 0.0), group)

    pairs = [(arm(group, one), arm(group, other)) for group in groups * 8 for one, other in ((0.9, 1.0), (0.3, 0.0))]
    for pair in pairs:
        for one in pair:
            assert one.n == 0 or one.rounding_variance == pytest.approx(_naive_rounding(one))
    alone = [running_time_ratio(*pair) for pair in pairs]
    assert {one.method for one in alone} == {"jackknife", "bound", "none"}
    # As text, since nan is not itself.
    assert str(running_time_ratios(pairs)) == str(alone)
    monkeypatch.setattr(intervals, "AT_ONCE", 100)
    assert str(running_time_ratios(pairs)) == str(alone)


def _reached(updates, error, *target, **hold):
    return tuple(found.item() for found in reached_at(updates[None], error[None], *target, **hold))


def test_a_cost_is_the_middle_of_two_evaluations():
    updates, error = np.array([10.0, 20, 40, 80]), np.array([0.5, 0.2, np.nan, 0.1])
    assert _reached(updates, error, 0.5) == (5, True, 10)
    assert _reached(updates, error, 0.3) == (15, True, 10)
    assert _reached(updates, error, 0.15) == (60, True, 40)
    assert _reached(updates, error, 0.01) == (80, False, 0)
    assert _reached(updates, error, 0.5, hold=2) == (5, True, 10)
    assert _reached(updates, error, 0.3, hold=2) == (80, False, 0)
    assert _reached(updates[:1], error[:1], 0.5, hold=2) == (10, False, 0)
    assert _reached(updates[:0], error[:0], 0.5, hold=2) == (0, False, 0)
    cost, reached, _ = reached_at(updates, np.array([error, error * 0.1]), np.array([0.05, 0.05]))
    assert (cost.tolist(), reached.tolist()) == ([80, 5], [False, True])


def test_variance_of_a_median_is_that_of_a_normal_sample():
    rng = np.random.default_rng(4)
    medians = [float(np.median(rng.normal(10, 1, 50))) for _ in range(500)]
    expected = relative_variance_of_median(rng.normal(10, 1, 50_000)) * 50_000 / 50
    assert expected == pytest.approx(np.var(np.log(medians)), rel=0.25)
    assert relative_variance_of_median(np.array([1.0])) == 0


def test_one_pair_or_one_success_is_only_bounded():
    one = running_time_ratio(exact([10.0]), exact([20.0]))
    assert one.method == "bound"
    assert one.low < 0.1
    assert one.high > 5
    hits = np.array([True, False, False])
    single = running_time_ratio(exact([10.0] * 3, hits), exact([10.0] * 3))
    assert single.method == "bound"
    assert single.low <= single.value <= single.high < math.inf


def test_no_success_gives_a_one_sided_bound():
    none = np.zeros(10, dtype=bool)
    ratio = running_time_ratio(exact([10.0] * 10), exact([100.0] * 10, none))
    assert (ratio.value, ratio.low) == (0, 0)
    assert 0 < ratio.high < 0.9
    mirrored = running_time_ratio(exact([100.0] * 10, none), exact([10.0] * 10))
    assert mirrored.value == mirrored.high == math.inf
    assert mirrored.low == pytest.approx(1 / ratio.high)


def test_nothing_to_form():
    none = np.zeros(3, dtype=bool)
    assert running_time_ratio(exact([1.0] * 3, none), exact([1.0] * 3, none)).method == "none"
    assert running_time_ratio(exact([0.0] * 3), exact([0.0] * 3)).method == "none"
    assert running_time_ratio(exact([0.0] * 3), exact([1.0] * 3)).method == "none"
    assert running_time_ratio(exact([]), exact([])).n == 0


def test_interval_of_one_arm():
    low, high = running_time_interval(exact([1.0, 2, 3]))
    assert low < 2 < high
    low, high = running_time_interval(exact([100.0] * 10, np.zeros(10, dtype=bool)))
    assert low == pytest.approx(100 / 0.3085, rel=1e-3)
    assert high == math.inf


def test_geometric_ratio_by_hand():
    ratio = geometric_ratio(np.array([2.0, 8, np.nan]), np.array([1.0, 1, 1]))
    assert (ratio.value, ratio.n) == (pytest.approx(4), 2)
    assert math.log(ratio.high / ratio.value) == pytest.approx(stats.t.ppf(0.975, 1) * math.log(2))


def test_golden_edges_by_hand():
    # All censored: 3 x 100 spent over no success; the bound is the mean cost over the exact limits of the rate.
    none, one = np.zeros(3, dtype=bool), np.array([True, False, False])
    assert expected_running_time(np.full(3, 100.0), none) == math.inf
    assert running_time_interval(exact([100.0] * 3, none)) == (pytest.approx(100 / (1 - 0.025 ** (1 / 3))), math.inf)
    # One success in three: limits of 1/3 are 1 - .975^(1/3) and a root of the binomial.
    low, high = clopper_pearson(1, 3)
    assert low == pytest.approx(1 - 0.975 ** (1 / 3))
    assert (1 - high) ** 3 + 3 * high * (1 - high) ** 2 == pytest.approx(0.025)
    assert running_time_interval(exact([100.0] * 3, one)) == pytest.approx((100 / high, 100 / low))
    # n = 1, reached: the rate is at least .025.
    assert clopper_pearson(1, 1) == pytest.approx((0.025, 1))
    assert clopper_pearson(0, 1) == pytest.approx((0, 0.975))
    assert restricted_mean(np.array([7.0]), 5) == 5
    assert ecdf(np.array([5.0]), np.array([False]))[0].size == 0
    single = geometric_ratio(np.array([3.0]), np.array([2.0]))
    assert (single.value, single.low, single.high, single.method) == (1.5, 0, math.inf, "none")
    assert geometric_ratio(np.array([0.0]), np.array([2.0])).method == "none"


def test_geometric_ratios_of_many_are_those_of_each():
    rng = np.random.default_rng(5)
    pairs = [(np.exp(rng.normal(size=n)), np.exp(rng.normal(size=n))) for n in (3, 1, 5, 3, 0, 5)]
    pairs[2][0][1] = np.nan  # four are left
    assert [repr(one) for one in geometric_ratios(pairs)] == [repr(geometric_ratio(*pair)) for pair in pairs]


def test_the_bound_by_hand():
    # Two arms of one replicate, reached at 10 and 20: each rate at 97.5 %, so at least .0125.
    ratio = running_time_ratio(exact([10.0]), exact([20.0]))
    assert (ratio.low, ratio.high) == pytest.approx((0.5 * 0.0125, 0.5 / 0.0125))


@pytest.mark.parametrize(
    ("costs", "width", "parted"),
    [
        ([10, 11, 12, 13, 40, 42], 0.0, True),
        ([10, 11, 12, 13, 36, 42], 0.0, False),  # less than three times apart
        ([10, 11, 12, 13, 40, 42], 4.0, False),  # no more than evaluations are apart
        ([10, 11, 12, 13, 14, 15, 16, 17, 18, 90], 0.0, False),  # one straggler is no group
        ([10, 11, 40, 42], 0.0, False),  # too few to tell
    ],
)
def test_successes_part_into_two_groups_where_a_fifth_lies_three_times_apart(costs, width, parted):
    cost, n = np.array([*costs, 900.0]), len(costs)
    reached = np.array([True] * n + [False])
    found = Costs(cost, reached, np.array([width] * n + [0.0]), np.arange(n + 1))
    assert found.in_two_groups is parted
