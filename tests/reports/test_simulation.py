"""The simulation computes what the report computes, and a short run of it meets the limits."""

import math

import numpy as np
import pytest

from reports.statistics import simulation
from reports.statistics.intervals import rounding_variance, running_time_ratio
from reports.statistics.simulation import log_ratio_limits


@pytest.mark.parametrize("n", [3, 10, 20])
@pytest.mark.parametrize("family", simulation.FAMILIES)
def test_many_at_once_is_one_by_one(family, n):
    rng = np.random.default_rng(5)
    a, b = simulation.draw(rng, family, (0.9, 0.5), (40, n), paired=True)
    step = simulation.FAMILIES[family].step
    low, high = log_ratio_limits(*a, *b, step, 2 * step)
    for row in range(40):
        arms = (a.cost[row], a.reached[row]), (b.cost[row], b.reached[row])
        extra = rounding_variance(*arms[0], step) + rounding_variance(*arms[1], 2 * step)
        ratio = running_time_ratio(*arms[0], *arms[1], extra_variance=extra)
        if ratio.method == "jackknife":
            assert (low[row], high[row]) == pytest.approx((math.log(ratio.low), math.log(ratio.high)))
        else:
            assert math.isnan(low[row])


def test_the_success_rate_is_as_asked_for():
    rng = np.random.default_rng(6)
    for family in simulation.FAMILIES:
        a, b = simulation.draw(rng, family, (0.8, 0.4), (20_000,), paired=True)
        assert a.reached.mean() == pytest.approx(0.8, abs=0.02)
        assert b.reached.mean() == pytest.approx(0.4, abs=0.02)


@pytest.mark.parametrize("rate", [1.0, 0.4])
@pytest.mark.parametrize("family", ["lognormal, σ 0.6", "heavy: lognormal, σ 1.5"])
def test_coverage_and_false_calls(monkeypatch, family, rate):
    monkeypatch.setattr(simulation, "REPETITIONS", 100 * simulation.FAMILY)
    cell = simulation.simulate_verdicts(family, (rate, rate), 10, paired=True)
    assert cell.covered >= 0.93
    assert cell.false_calls <= 0.05
    assert cell.false_families <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 100)
    assert cell == simulation.simulate_verdicts(family, (rate, rate), 10, paired=True)


def test_the_table_has_a_line_for_all_n():
    nan = math.nan
    cells = [simulation.VerdictCell("made up", (0.9, 0.2), paired=True, n=n, covered=0.951, bounded=0.2,
                             false_calls=nan, false_families=nan) for n in (10, 20)]  # fmt: skip
    line = simulation.verdict_table(cells).split("\n")[2]
    assert line == "| made up | 0.9 and 0.2 | paired | 10 20 | 95.1 95.1 | 20.0 20.0 |  |  |"
