"""The cells that show what was found wrong: the method before fails in them, and that of the reports does not."""

import math

import numpy as np
import pytest

from reports.statistics import simulation, weak_points
from reports.statistics.intervals import running_time_ratio
from reports.statistics.simulation import LAWS, draw
from reports.statistics.verdict import seeds_to_decide
from reports.statistics.weak_points import FOUND, Shares, WeakPoint


@pytest.fixture(autouse=True)
def short(monkeypatch):
    for module in (simulation, weak_points):
        monkeypatch.setattr(module, "REPETITIONS", 30 * simulation.FAMILY)
    monkeypatch.setattr(simulation, "TRUTH", 20_000)


@pytest.mark.parametrize("found", {one.what: one for one in FOUND}.values(), ids=lambda one: one.what)
def test_the_cell_shows_what_was_wrong(found):
    before = weak_points._naive(found.law, found.success, 5, 2)
    assert before.covered < 0.93 or before.false_families > 0.1
    now = simulation.simulate_verdicts(found.law, found.success, 5, 2)
    runs = 30 * simulation.FAMILY
    assert now.covered > 0.93 - 2 * math.sqrt(0.93 * 0.07 / runs)
    assert not now.false_calls > 0.05
    assert not now.false_families > 0.05 + 2 * math.sqrt(0.05 * 0.95 / 30)


@pytest.mark.parametrize("pairs", [1, 8])
def test_seconds_know_what_processes_differ_by(pairs):
    one = weak_points._seconds(0.3, pairs)
    assert max(before.covered for before in one.before) < 0.85
    for now in one.now:
        assert now.covered > 0.93
        assert now.false_calls < 0.05


def test_simulated_ratios_are_those_of_a_report():
    a, b = draw(np.random.default_rng(3), LAWS[weak_points.MILD], (0.9, 0.9), (20, 5, 2), 0.8)
    for run, one in enumerate(weak_points._ratios(a, b)):
        known = running_time_ratio(a.of_run(run), b.of_run(run))
        assert (one.value, one.low, one.high) == pytest.approx((known.value, known.low, known.high))
        assert seeds_to_decide(one) == seeds_to_decide(known)


def test_a_stated_number_of_seeds_decides_more_often_than_not(monkeypatch):
    monkeypatch.setattr(weak_points, "RUNS", 200)
    found = weak_points.foreseen("any between 0.2 and 5", 10, 3)
    assert found.stated > 0.1
    assert found.decided > 0.6


def test_the_floor_raises_no_alarm_on_the_best_prediction_of_a_slow_series(monkeypatch):
    monkeypatch.setattr(weak_points, "DRAWS", 500)
    found = weak_points.alarms(0.99, 256)
    assert found.before > 0.15
    assert found.now < 0.02
    assert 0.2 < found.unchecked < 0.6
    assert weak_points.alarms(0.0, 256).unchecked == 0


def test_the_table_has_the_method_before_above_that_of_today():
    of_three = [Shares(0.5, 0.1, math.nan)] * 3
    rows = [WeakPoint("a fault", "a law", of_three, of_three), WeakPoint("another", "a law", [], of_three)]
    assert weak_points.weak_point_table(rows).split("\n")[2:] == [
        "| a fault | a law | before | 50.0 50.0 50.0 | 10.0 10.0 10.0 |  |",
        "| | | now | 50.0 50.0 50.0 | 10.0 10.0 10.0 |  |",
        "| another | a law | now | 50.0 50.0 50.0 | 10.0 10.0 10.0 |  |",
    ]
