"""The simulation computes what the report computes, and a short run of it meets the limits."""

import math

import numpy as np
import pytest

from reports.statistics import simulation
from reports.statistics.intervals import running_time_ratio
from reports.statistics.simulation import LAWS, log_ratio
from reports.statistics.verdict import Verdict, claim_p, judge


@pytest.mark.parametrize("shape", [(5, 2), (10, 1)])
@pytest.mark.parametrize("name", LAWS)
def test_many_at_once_is_one_by_one(name, shape):
    rng = np.random.default_rng(5)
    a, b = simulation.draw(rng, LAWS[name], (0.9, 0.5), (40, *shape), 0.6)
    value, error = log_ratio(a, b)
    p = simulation.claims(a, b)
    for run in range(40):
        ratio = running_time_ratio(a.of_run(run), b.of_run(run))
        if ratio.method == "jackknife":
            assert (value[run], error[run]) == pytest.approx((math.log(ratio.value), ratio.standard_error))
            assert p[run] == pytest.approx(claim_p(ratio))
        else:
            assert math.isnan(error[run])


def test_the_success_rate_is_as_asked_for():
    rng = np.random.default_rng(6)
    a, b = simulation.draw(rng, LAWS["lognormal, σ 0.6"], (0.8, 0.4), (1, 2000, 10), 1.0)
    assert (a.reached.mean(), b.reached.mean()) == pytest.approx((0.8, 0.4), abs=0.02)


def test_evaluations_enclose_the_time():
    time = np.array([0.3, 1.0, 7.7])
    for kind, step in (("growing", 0.05), ("even", 0.5)):
        after, before = simulation._looked_at(time, kind, step)
        assert (before < time).all()
        assert (time <= after * (1 + 1e-12)).all()


@pytest.mark.parametrize("success", [(1.0, 1.0), (0.95, 0.95)])
@pytest.mark.parametrize("name", ["draws differ by σ 0.4", "heavy: lognormal, σ 1.5"])
def test_coverage_and_false_calls(monkeypatch, name, success):
    monkeypatch.setattr(simulation, "REPETITIONS", 50 * simulation.FAMILY)
    monkeypatch.setattr(simulation, "TRUTH", 100_000)
    cell = simulation.simulate_verdicts(name, success, 6, 2)
    assert cell.covered >= 0.93
    assert cell.false_calls <= 0.05
    assert cell.false_families <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 50)
    assert cell == simulation.simulate_verdicts(name, success, 6, 2)


def test_nothing_is_claimed_where_all_arrive_at_the_first_evaluation():
    rng = np.random.default_rng(7)
    a, b = simulation.draw(rng, LAWS["all arrive at the first evaluation"], (1.0, 1.0), (20, 6, 2), 0.5)
    for run in range(20):
        judged = judge(a.of_run(run), b.of_run(run))
        assert (judged.verdict, judged.look_oftener) == (Verdict.INCONCLUSIVE, True)


def test_the_table_has_a_line_for_all_sizes():
    nan = math.nan
    cells = [simulation.VerdictCell("made up", (0.9, 0.2), folds, 2, 0.951, 0.2, nan, nan) for folds in (5, 10)]
    line = simulation.verdict_table(cells).split("\n")[2]
    assert line == "| made up | 0.9 and 0.2 | 5x2 10x2 | 95.1 95.1 | 20.0 20.0 |  |  |"


def test_larger_differences_are_found_more_often(monkeypatch):
    monkeypatch.setattr(simulation, "POWER_REPETITIONS", 10 * simulation.FAMILY)
    large, small = (simulation.power((0.95, 0.95), ratio, 10, 3) for ratio in (0.35, 0.7))
    assert large.alone > 0.8
    assert small.alone < 0.5
    assert large.after_holm < large.alone
    assert small.after_holm < 0.1
    assert simulation.power_table([large]).splitlines()[2].startswith("| 0.95 | 0.35 | 10x3 | ")
