"""Intervals from variances of all pairs: known limits, planted spreads, and how often they cover."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reports.statistics import moderated, simulation
from reports.statistics.intervals import LEVEL, t_quantile
from reports.statistics.moderated import Common, Error, common, error_of, half_widths, moderated_ratio, standard_errors
from reports.statistics.verdict import SECONDS_MARGIN, Pace

SCENARIOS = list(simulation.SPREADS)


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def one_point(degrees, variance):
    return Common(np.ones(1), np.array([degrees]), np.array([variance]), pairs=9, used=9)


def test_an_interval_by_hand():
    # s^2 = 0.08; (4 x 0.01 + 1 x 0.08) / 5 = 0.024, of a mean of two; t with 5 degrees: 2.570582.
    ratio = moderated_ratio(np.array([1.0, 1.4]), one_point(4.0, 0.01))
    assert ratio.value == pytest.approx(math.exp(1.2))
    assert math.log(ratio.high) - 1.2 == pytest.approx(2.570582 * math.sqrt(0.024 / 2), rel=1e-5)
    assert math.log(ratio.high) + math.log(ratio.low) == pytest.approx(2.4)
    assert (ratio.method, ratio.n) == ("moderated", 2)


def test_a_single_process_has_the_common_variance_alone():
    error = error_of(np.array([0.7]), one_point(4.0, 0.01))
    assert error.half_width() == pytest.approx(2.776445 * 0.1, rel=1e-5)


@pytest.mark.parametrize("n", [2, 3, 6])
def test_one_pair_alone_has_students_interval(n):
    values = normal(n, n)
    half = error_of(values, common([values])).half_width()
    assert half == pytest.approx(t_quantile(n - 1) * values.std(ddof=1) / math.sqrt(n), rel=0.01)


def test_many_pairs_of_one_variance_have_the_pooled_interval():
    groups = 0.05 * normal(1, 1000, 2)
    known = common(groups)
    halves = [error_of(group, known).half_width() for group in groups[:50]]
    assert np.median(halves) == pytest.approx(1.96 * 0.05 / math.sqrt(2), rel=0.03)
    assert max(halves) < 1.25 * min(halves)


def test_the_spread_of_variances_is_found():
    rng = np.random.default_rng(2)
    deviations = 0.05 * np.sqrt(4 / rng.chisquare(4, 3000))
    groups = [deviation * rng.standard_normal(n) for deviation, n in zip(deviations, [2, 3, 4] * 1000, strict=True)]
    known = common(groups)
    assert known.pairs == 3000
    assert known.deviation == pytest.approx(0.05, rel=0.05)
    assert known.weights @ known.degrees == pytest.approx(4, rel=0.15)


def test_a_disturbed_pair_is_wide_and_leaves_the_others_narrow():
    quiet = 0.02 * normal(3, 40, 2)
    disturbed = np.array([0.0, 0.8])
    known, alone = common([*quiet, disturbed]), common(quiet)
    (pooled,) = {error.half_width() for error in simulation.pooled(np.array([*quiet, disturbed]))}
    assert error_of(disturbed, known).half_width() > 3 * pooled
    halves = [error_of(group, known).half_width() for group in quiet]
    assert max(halves) < pooled
    assert np.median(halves) < 1.5 * np.median([error_of(group, alone).half_width() for group in quiet])


@given(st.floats(1e-6, 1e3), st.floats(-5, 5), st.integers(0, 50))
def test_scale_and_place_are_passed_on(scale, shift, seed):
    groups = normal(seed, 6, 2)
    before, after = common(groups), common(scale * groups + shift)
    half = error_of(scale * groups[0] + shift, after).half_width()
    assert half == pytest.approx(scale * error_of(groups[0], before).half_width(), rel=1e-3)


def test_order_does_not_matter():
    groups = normal(4, 9, 3)
    assert error_of(groups[0], common(groups)).half_width() == pytest.approx(
        error_of(groups[0][::-1], common(groups[::-1])).half_width()
    )


def test_equal_values_break_nothing():
    groups = [np.full(2, 0.3), *0.05 * normal(5, 20, 2)]
    known = common(groups)
    assert 0 < error_of(groups[0], known).half_width() <= min(error_of(g, known).half_width() for g in groups[1:])
    mostly = common([np.zeros(2)] * 20 + [np.array([0.0, 0.1])])
    assert 0 < error_of(np.zeros(2), mostly).half_width() < 0.01
    everywhere = common([np.zeros(2)] * 3)
    ratio = moderated_ratio(np.zeros(2), everywhere)
    assert (ratio.low, ratio.value, ratio.high) == (1, 1, 1)
    assert everywhere.deviation == 0
    assert np.all(drawn(error_of(np.zeros(2), everywhere), 5) == 0)


def test_without_a_second_process_anywhere_there_is_no_interval():
    known = common([np.array([0.1]), np.array([]), np.array([0.2])])
    assert not known.known
    assert math.isnan(known.deviation)
    ratio = moderated_ratio(np.array([0.1]), known)
    assert (ratio.method, ratio.low, ratio.high) == ("none", 0, math.inf)
    assert math.isnan(moderated_ratio(np.array([]), known).value)
    assert math.isinf(error_of(np.array([0.1]), known).half_width())


def drawn(error, n):
    return error.drawn(*standard_errors(((error.weights.tobytes(), error.degrees.tobytes()),), n)[0])


def test_draws_follow_the_mixture():
    error = Error(np.array([0.3, 0.7]), np.array([3.0, 20.0]), np.array([0.5, 0.1]))
    draws = drawn(error, 4000)
    cdf = lambda x: 0.3 * stats.t.cdf(x / 0.5, 3) + 0.7 * stats.t.cdf(x / 0.1, 20)  # noqa: E731
    assert stats.kstest(draws, cdf).pvalue > 0.01
    assert np.mean(np.abs(draws) <= error.half_width(0.8)) == pytest.approx(0.8, abs=0.02)
    assert error.within(error.half_width()) == pytest.approx(LEVEL)


def test_half_widths_of_many_are_those_of_each(monkeypatch):
    monkeypatch.setattr(moderated, "AT_ONCE", 6)
    rng = np.random.default_rng(6)
    mixed = [Error(np.array([0.2, 0.8]), rng.uniform(1, 90, 2), np.exp(rng.normal(0, 3, 2))) for _ in range(9)]
    odd = [Error(*(np.empty(0),) * 3), Error(np.ones(1), np.ones(1), np.zeros(1))]
    several = [odd[0], *mixed[:4], Error(np.ones(1), np.array([9.0]), np.array([0.1])), odd[1], *mixed[4:]]
    found = half_widths(several, 0.9)
    assert found == pytest.approx([one.half_width(0.9) for one in several], rel=1e-14)
    assert (found[0], found[6]) == (math.inf, 0)
    # To the last digits, whatever the scales.
    assert [one.within(one.half_width(0.9)) for one in mixed] == pytest.approx([0.9] * 9, rel=1e-12)


@pytest.mark.parametrize("spread", SCENARIOS)
def test_coverage(monkeypatch, spread):
    monkeypatch.setattr(simulation, "DRAWS", 1000)
    cells = {cell.method: cell for cell in simulation.simulate_ratios(spread, 2, 10)}
    # 1000 draws at 95 % have a standard error of 0.7 %.
    assert 0.94 - 2 * 0.007 <= cells["moderated"].covered <= 0.98
    assert cells["own"].covered == pytest.approx(0.95, abs=3 * 0.007)
    assert cells["moderated"].width < 0.5 * cells["own"].width


@pytest.mark.parametrize("pairs", [2, 5])
@pytest.mark.parametrize("spread", ["equal", "inverse χ², d0 = 2"])
def test_coverage_from_few_pairs(monkeypatch, spread, pairs):
    monkeypatch.setattr(simulation, "DRAWS", 600)
    (cell,) = [cell for cell in simulation.simulate_ratios(spread, 2, pairs) if cell.method == "moderated"]
    assert 0.95 - 3 * 0.009 <= cell.covered <= 0.985


def test_disturbed_pairs_widen_no_others(monkeypatch):
    monkeypatch.setattr(simulation, "DRAWS", 2000)
    cells = {cell.method: cell for cell in simulation.simulate_ratios("0.02, a tenth of them 0.4", 2, 30)}
    pooled, moderated = cells["pooled"], cells["moderated"]
    assert moderated.width < 0.4 * pooled.width
    assert moderated.noisy > pooled.noisy + 0.15
    assert moderated.quiet >= 0.95


def test_single_processes_are_covered_by_what_the_others_show():
    rng = np.random.default_rng(7)
    covered = []
    for _ in range(60):
        deviations = 0.03 * np.sqrt(4 / rng.chisquare(4, 40))
        known = common(deviation * rng.standard_normal(2) for deviation in deviations[:20])
        values = deviations[20:] * rng.standard_normal(20)
        covered += [error_of(values[i : i + 1], known).within(abs(values[i])) <= LEVEL for i in range(20)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


def test_the_table_has_a_line_for_all_numbers_of_pairs():
    cells = [simulation.RatioCell("equal", 2, "own", pairs, 0.951, math.nan, 0.951, 0.2) for pairs in (10, 30)]
    assert (
        simulation.ratio_table(cells).split("\n")[2]
        == "| equal | 2 | own | 10 30 | 95.1 95.1 |  | 95.1 95.1 | 20.0 20.0 |"
    )


def test_verdicts_on_seconds_where_the_truth_is_known(monkeypatch):
    monkeypatch.setattr(simulation, "PACE_DRAWS", 100)

    def shares(ratio, deviation):
        cell = simulation.simulate_paces(ratio, deviation, 2)
        return dict(zip(simulation.PACES, cell.shares, strict=True)), cell.left_out_one

    # A difference of 2 % was called one as soon as it was measured well, and is none that matters.
    small, left_out = shares(1.02, 0.01)
    assert left_out > 0.3
    assert small[Pace.SLOWER] == small[Pace.FASTER] == 0
    # At the margin itself either call is a false one; 100 draws at 2.5 % have a standard error of 1.6 %.
    at_margin, _ = shares(1 + SECONDS_MARGIN, 0.02)
    assert at_margin[Pace.SLOWER] <= 0.025 + 3 * 0.016
    assert at_margin[Pace.SAME] <= 0.025 + 3 * 0.016
    assert shares(1.25, 0.02)[0][Pace.SLOWER] > 0.95
    assert shares(1.0, 0.01)[0][Pace.SAME] > 0.9
