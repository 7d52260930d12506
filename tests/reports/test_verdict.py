import math

import numpy as np
import pytest
from msgspec.structs import replace
from scipy import stats

from reports.statistics.intervals import Costs, Ratio, ladder
from reports.statistics.verdict import (
    Pace,
    Verdict,
    WidthInterval,
    by_margin,
    claim_p,
    compare_widths,
    fisher_p,
    judge,
    memory_margin,
    pace,
    seeds_to_decide,
    shown_above_half,
    width_interval,
)


def interval(low, high, value=None, error=0.1, n=10):
    return Ratio(value or math.sqrt(low * high), low, high, error, "jackknife", n, n - 1)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.4, 0.89, Verdict.FEWER),
        (0.4, 0.95, Verdict.INCONCLUSIVE),
        (0.92, 1.08, Verdict.SAME),
        (0.9, 1.1, Verdict.SAME),
        (1.11, 3, Verdict.MORE),
        (1.05, 3, Verdict.INCONCLUSIVE),
        (0.5, 2, Verdict.INCONCLUSIVE),
    ],
)
def test_margin(low, high, verdict):
    assert by_margin(interval(low, high)) is verdict


def test_the_number_of_seeds_decides_as_often_as_it_says():
    # A run of 10 pairs saw a log ratio of log .75 with that error; the truth scatters about it, and so does a new run.
    ratio = interval(0.5, 1.1, value=0.75, error=0.15)
    needed = seeds_to_decide(ratio)
    rng = np.random.default_rng(8)
    truth = math.log(0.75) + 0.15 * rng.standard_normal(4000)
    spread = 0.15 * math.sqrt(10)
    logs = truth[:, None] + spread * rng.standard_normal((4000, needed))
    half = stats.t.ppf(0.975, needed - 1) * logs.std(axis=1, ddof=1) / math.sqrt(needed)
    low, high = logs.mean(axis=1) - half, logs.mean(axis=1) + half
    below, above = math.log(0.9), math.log(1.1)
    decided = (high < below) | (low > above) | ((low > below) & (high < above))
    assert decided.mean() == pytest.approx(0.8, abs=0.03)


def test_seeds_come_in_whole_folds_and_do_not_lessen_what_is_fixed():
    alone = interval(0.6, 1.0, error=0.12, n=12)
    folds = replace(alone, degrees=5)
    assert seeds_to_decide(folds) % 2 == 0
    assert seeds_to_decide(replace(alone, fixed_variance=0.1**2)) is None
    assert seeds_to_decide(interval(0.8, 1.0, value=0.9, error=1e-9)) is not None


def test_the_claim_is_tested_at_the_margin():
    ratio = interval(0.7, 0.89, error=math.log(0.89 / 0.7) / 2 / stats.t.ppf(0.975, 9))
    t = (math.log(0.9) - math.log(ratio.value)) / ratio.standard_error
    assert claim_p(ratio) == pytest.approx(2 * stats.t.sf(t, 9))
    assert claim_p(ratio) < 0.05 < claim_p(replace(ratio, value=0.82))
    # 5 % exactly where the interval ends at the margin.
    at = replace(ratio, value=0.9 / math.exp(stats.t.ppf(0.975, 9) * ratio.standard_error))
    assert claim_p(at) == pytest.approx(0.05)
    assert claim_p(replace(ratio, value=1 / at.value * 0.99)) == pytest.approx(0.05)
    assert claim_p(replace(ratio, value=1.0)) == 1


def arm(hits, n=10, cost=10.0, budget=100.0):
    reached = np.arange(n) < hits
    return Costs.exact(np.where(reached, cost, budget), reached)


@pytest.mark.parametrize(
    ("stateful", "stateless", "verdict"),
    [
        ((10, 10), (10, 20), Verdict.FEWER),
        ((10, 20), (10, 10), Verdict.MORE),
        ((10, 10), (10, 10), Verdict.SAME),
        ((10, 10), (0, 10), Verdict.ONLY_STATEFUL),
        ((0, 10), (10, 10), Verdict.ONLY_STATELESS),
        ((0, 10), (0, 10), Verdict.NEITHER),
        ((2, 10), (0, 10), Verdict.INCONCLUSIVE),
    ],
)
def test_verdicts(stateful, stateless, verdict):
    (hits_a, cost_a), (hits_b, cost_b) = stateful, stateless
    assert judge(arm(hits_a, cost=cost_a), arm(hits_b, cost=cost_b)).verdict is verdict


def test_inconclusive_carries_the_number_of_seeds():
    rng = np.random.default_rng(2)
    a, b = (Costs.exact(median * np.exp(0.4 * rng.standard_normal(10)), np.ones(10, dtype=bool)) for median in (7, 10))
    judged = judge(a, b)
    assert judged.verdict is Verdict.INCONCLUSIVE
    assert (judged.p, judged.seeds_needed > 10, judged.look_oftener) == (1, True, False)
    one_seed = judge(arm(1, n=1), arm(1, n=1))
    assert (one_seed.verdict, one_seed.seeds_needed) == (Verdict.INCONCLUSIVE, None)


def test_evaluations_too_far_apart_are_said_to_be_what_keeps_it_open():
    coarse = replace(arm(10, cost=10.0), width=np.full(10, 10.0))
    judged = judge(coarse, coarse)
    assert (judged.verdict, judged.look_oftener) == (Verdict.INCONCLUSIVE, True)
    fine = replace(arm(10, cost=10.0), width=np.full(10, 0.4))
    assert judge(fine, fine).verdict is Verdict.SAME


def test_only_one_arm_needs_its_bound_beyond_the_margin():
    # 7 of 30 against none are distinguishable, but the costs may still be equal.
    few = judge(arm(7, n=30), arm(0, n=30))
    assert fisher_p(7, 0, 30) < 0.05
    assert few.ratio.high > 0.9
    assert (few.verdict, few.p) == (Verdict.INCONCLUSIVE, 1)
    many = judge(arm(30, n=30), arm(0, n=30))
    assert (many.verdict, many.p < 1e-6) == (Verdict.ONLY_STATEFUL, True)
    # Ten seeds in two folds are two observations.
    folds = np.repeat([0, 1], 5)
    a, b = replace(arm(10), group=folds), replace(arm(0), group=folds)
    assert judge(a, b).verdict is Verdict.INCONCLUSIVE


def test_another_unit_moves_ratio_and_verdict_alike():
    a, b = arm(10, cost=10.0), arm(10, cost=20.0)
    assert judge(a, b, unit=3).ratio.value == pytest.approx(3 * judge(a, b).ratio.value)
    assert (judge(a, b).verdict, judge(a, b, unit=3).verdict) == (Verdict.FEWER, Verdict.MORE)


def test_no_cost_at_all_is_inconclusive():
    assert judge(arm(10, cost=0.0), arm(10, cost=0.0)).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(("hits", "others", "n"), [(1, 0, 3), (4, 0, 10), (10, 0, 10), (5, 0, 6), (7, 2, 9), (1, 8, 8)])
def test_fishers_exact_p_is_scipys(hits, others, n):
    table = [[hits, n - hits], [others, n - others]]
    assert fisher_p(hits, others, n) == pytest.approx(stats.fisher_exact(table).pvalue)


def test_one_success_against_many_has_the_p_of_its_claim():
    # Limits from success rates: a claim that stands among others, and none where the groups are too few to tell.
    many = judge(arm(29, n=30), arm(1, n=30))
    assert (many.verdict, many.ratio.method) == (Verdict.FEWER, "bound")
    assert 0 < many.p < 1e-6
    folds = np.repeat([0, 1, 2], 10)
    few = judge(replace(arm(29, n=30), group=folds), replace(arm(1, n=30), group=folds))
    assert (few.verdict, few.p) == (Verdict.INCONCLUSIVE, 1)


def test_nine_of_ten_show_more_than_half_and_eight_do_not():
    assert shown_above_half(9, 10)
    assert not shown_above_half(8, 10)
    assert not shown_above_half(0, 0)


def test_width_interval_by_hand():
    assert width_interval([16, 4, 8, 2], [10, 5, 9, 0], [10] * 4) == WidthInterval(2, 8, (2, 4, 8, 16))


def test_width_sequence_stops_at_the_first_failure():
    # 4 succeeds, but 8 does not: 4 is no longer reached from above.
    assert width_interval([4, 8, 16], [10, 5, 10], [10] * 3).up_to == 16
    assert width_interval([4, 8], [10, 5], [10] * 2) == WidthInterval(None, None, (4, 8))


@pytest.mark.parametrize(
    ("stateful", "stateless", "verdict"),
    [
        ((2, 4), (8, 16), Verdict.FEWER),
        ((2, 4), (4, 8), Verdict.FEWER),
        ((8, 16), (2, 4), Verdict.MORE),
        ((2, 4), (2, 4), Verdict.SAME),
        ((2, 8), (2, 8), Verdict.INCONCLUSIVE),
        ((2, 8), (4, 16), Verdict.INCONCLUSIVE),
        ((None, 2), (None, 2), Verdict.INCONCLUSIVE),
        ((2, 4), (16, None), Verdict.ONLY_STATEFUL),
        ((16, None), (2, 4), Verdict.ONLY_STATELESS),
        ((16, None), (16, None), Verdict.NEITHER),
        ((2, 4), (8, None), Verdict.INCONCLUSIVE),
    ],
)
def test_width_verdicts(stateful, stateless, verdict):
    grid = (2, 4, 8, 16)
    assert compare_widths(WidthInterval(*stateful, grid), WidthInterval(*stateless, grid)) is verdict


def test_ladder_is_log_spaced_and_ends_at_the_hardest():
    steps = ladder(0.01, 1.0)
    assert steps.size == 12
    assert steps[0] < 1
    assert steps[-1] == pytest.approx(0.01)
    with pytest.raises(ValueError, match="0 < hardest"):
        ladder(1.0, 0.5)


def test_golden_edges_by_hand():
    # 4 of 10 against 0 of 10: 2 C(10, 4) / C(20, 4) = 420 / 4845.
    assert fisher_p(4, 0, 10) == pytest.approx(420 / 4845)
    assert judge(arm(4), arm(0)).verdict is Verdict.INCONCLUSIVE
    # One success each bounds too little, and none can be foreseen from it.
    one_each = judge(arm(1), arm(1))
    assert (one_each.verdict, one_each.ratio.method, one_each.seeds_needed) == (Verdict.INCONCLUSIVE, "bound", None)
    # Ties at a ratio of exactly 0.9 are not below it.
    assert judge(arm(10, cost=9.0), arm(10, cost=10.0)).verdict is not Verdict.FEWER
    # No cost against some: the ratio is 0 with nothing to bound it.
    assert judge(arm(10, cost=0.0), arm(10)).verdict is Verdict.INCONCLUSIVE
    assert judge(arm(0, n=1), arm(0, n=1)).verdict is Verdict.NEITHER


def test_one_width_and_one_replicate():
    assert width_interval([8], [10], [10]) == WidthInterval(None, 8, (8,))
    assert width_interval([8], [0], [10]) == WidthInterval(8, None, (8,))
    assert width_interval([8], [1], [1]) == WidthInterval(None, None, (8,))


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.90, 0.95, Pace.FASTER),
        (0.90, 0.96, Pace.INCONCLUSIVE),
        (1 / 1.05, 1.05, Pace.SAME),
        (1.01, 1.04, Pace.SAME),  # it leaves out 1, and matters to nobody
        (1.04, 1.06, Pace.INCONCLUSIVE),
        (1.06, 1.30, Pace.SLOWER),
        (0.70, 1.40, Pace.INCONCLUSIVE),
    ],
)
def test_seconds_have_a_margin_that_is_the_same_turned_round(low, high, verdict):
    turned = {Pace.FASTER: Pace.SLOWER, Pace.SLOWER: Pace.FASTER}
    assert pace(interval(low, high)) is verdict
    assert pace(interval(1 / high, 1 / low)) is turned.get(verdict, verdict)
    assert pace(Ratio(low, 0, math.inf, math.nan, "none", 1)) is Pace.NO_INTERVAL


def test_memory_differs_by_two_percent_and_four_mebibytes_at_least():
    assert memory_margin(10 * 2**20) == 4 * 2**20
    assert memory_margin(2**30) == pytest.approx(0.02 * 2**30)
