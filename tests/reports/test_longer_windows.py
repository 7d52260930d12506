"""A long window beside carried state: which are set side by side, up to which error, at which cost."""

import pytest
import synthetic

from reports.claim.controls import longer_windows, longer_windows_in_short
from reports.collect import grouping

SLOW, QUICK = synthetic.hits(400, seed=1), synthetic.hits(200, seed=2)


def arms(windows, *, task="made_up", dial=None, **changes):
    def record(regime, window, hits):
        case = synthetic.case(regime=regime, window=window, task=task, dial=dial)
        return synthetic.convergence(hits, case_=case, **changes)

    return [one for w in windows for one in (record("stateful", w, QUICK), record("stateless", w, SLOW))]


def test_where_the_reach_is_known_the_narrowest_window_that_covers_it_is_taken():
    found = longer_windows(synthetic.run_of([*arms([4, 8, 16, 32], task="lagged_mean", dial=10)]))
    assert [(one.setting.window, one.long_window, one.covers) for one in found] == [(4, 16, True), (8, 16, True)]


def test_where_it_is_unknown_the_widest():
    found = longer_windows(synthetic.run_of([*arms([4, 8, 16])]))
    assert [(one.setting.window, one.long_window, one.covers) for one in found] == [(4, 16, False), (8, 16, False)]


def test_nothing_covers_nothing_said():
    assert longer_windows(synthetic.run_of([*arms([4, 8], task="lagged_mean", dial=10)])) == []
    assert longer_windows_in_short([]) == ""


def test_ratios_by_hand():
    (one,) = longer_windows(synthetic.run_of([*arms([4, 16])]))
    # Each reached the target half an evaluation before it was seen there; none costs as much as a restart.
    plain = sum(hit - synthetic.EVERY / 2 for hit in QUICK) / sum(hit - synthetic.EVERY / 2 for hit in SLOW)
    assert one.comparison.updates.ratio.value == pytest.approx(plain)
    assert one.comparison.cell_steps.ratio.value == pytest.approx(plain * 4 / 16)
    assert one.steps_per_prediction == (1, 16)
    assert "fewer updates in 1 and more in 0 of 1" in longer_windows_in_short([one])


def test_both_count_up_to_the_laxer_target():
    made = arms([4, 16])
    made[0]["convergence"]["target"] = synthetic.TARGET / 3
    synthetic.settle(made[0])
    (one,) = longer_windows(synthetic.run_of([*made]))
    assert one.target == synthetic.TARGET
    assert one.comparison.a.cost.tolist() == [hit - synthetic.EVERY / 2 for hit in QUICK]
    made[3]["convergence"]["target"] = synthetic.TRIVIAL * 0.9
    synthetic.settle(made[3])
    (one,) = longer_windows(synthetic.run_of([*made]))
    assert one.target == synthetic.TRIVIAL * 0.9
    assert (one.comparison.a.cost < QUICK).all()


def test_where_no_window_covers_the_target_there_is_none_to_take_instead(monkeypatch):
    monkeypatch.setattr(grouping, "about_task", lambda *_: {"reach": float("inf")})
    made = synthetic.run_of([*arms([4, 16])])
    assert longer_windows(made) == []
    assert grouping.Setting.of(made.records[0].case).reach_in_windows == float("inf")
