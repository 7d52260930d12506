"""What is recommended, from records whose answer is known."""

import json

import pytest
import synthetic

from reports.collect.read import read
from reports.render import write_report
from reports.tell.recommendation import recommendations
from reports.tell.recommendation import recommended as in_words

N = 12


def arm(median, regime="stateless", reached=N, seed=0, **changes):
    """An arm of a real series: nobody knows its optimum."""
    hits = synthetic.hits(median, n=reached, seed=seed) + [None] * (N - reached)
    return synthetic.convergence(hits, case_=synthetic.case(regime=regime, **changes), optimum=None)


def recommended(tmp_path, *records):
    (found,) = recommendations(read(synthetic.write(tmp_path / "run", records)))
    return found


def choice(found, name):
    (one,) = [one for one in found.choices if one.name == name]
    return one


def test_much_less_training_with_carried_state_is_recommended(tmp_path):
    found = recommended(tmp_path, arm(100, "stateful"), arm(400), arm(150, "stateless-burnin"))
    assert found.answer == "Carry state"
    assert found.best.regime == "stateful"
    others = choice(found, "regime").others
    assert list(others) == ["stateless-burnin", "stateless"]
    assert others["stateless"].ratio.low > 2
    assert choice(found, "regime").open == []


def test_equal_arms_are_inconclusive(tmp_path):
    found = recommended(tmp_path, arm(200, "stateful", seed=1), arm(200, seed=2))
    assert found.answer == "Whether to carry state is inconclusive here"
    assert choice(found, "regime").open


def test_a_width_costs_operations_even_where_updates_are_the_same(tmp_path):
    found = recommended(tmp_path, arm(200, units=16), arm(200, units=4))
    assert found.best.setting.units == 4
    # 4 U (F + U) of the cell and U of the head, for 16 and 4 units.
    assert choice(found, "width").others["16 units"].ratio.value == pytest.approx((4 * 16 * 17 + 16) / (4 * 4 * 5 + 4))


def test_a_cheap_arm_that_often_fails_is_not_recommended_and_leaves_the_regime_open(tmp_path):
    found = recommended(tmp_path, arm(40, "stateful", reached=9), arm(400))
    assert [one.regime for one in found.reliable] == ["stateless"]
    assert choice(found, "regime").open == ["stateful"]
    assert found.answer == "Whether to carry state is inconclusive here"


def test_an_arm_that_often_fails_and_costs_more_leaves_nothing_open(tmp_path):
    found = recommended(tmp_path, arm(400, "stateful", reached=9), arm(40))
    regimes = choice(found, "regime")
    assert regimes.unreliable["stateful"].ratio.low > 2
    assert (regimes.open, regimes.failing) == ([], [])
    assert found.answer == "Do not carry state"
    assert "not shown to be reliable" in synthetic.whole(write_report(read(tmp_path / "run")))


def test_an_arm_that_was_shown_to_fail_decides(tmp_path):
    found = recommended(tmp_path, arm(1, "stateful", reached=0), arm(400))
    assert choice(found, "regime").failing == ["stateful"]
    assert found.answer == "Do not carry state"
    text = synthetic.whole(write_report(read(tmp_path / "run")))
    assert "| regime | stateless | decided | stateful: failed |" in text


def test_what_was_not_tried_is_not_answered(tmp_path):
    assert recommended(tmp_path, arm(100), arm(200, window=8)).answer == "Whether to carry state was not tried"


def test_nothing_is_recommended_where_no_arm_is_reliable(tmp_path):
    found = recommended(tmp_path, arm(1, reached=0), arm(200, "stateful", reached=6))
    assert not found.reliable
    assert found.nearest.record.case.regime == "stateful"
    report = write_report(read(tmp_path / "run"))
    assert "**None.** Of 2 arms, none" in synthetic.whole(report)
    (told,) = json.loads((report.parent / "summary.json").read_text())["recommendations"]
    assert told["choice"] is None
    assert told["answer"] is None


def test_controls_are_no_candidates_and_known_answers_need_no_recommendation(tmp_path):
    found = recommended(tmp_path, arm(50, "stateless-ordered"), arm(100), arm(100, "stateful"))
    assert "stateless-ordered" not in {one.regime for one in found.reliable}
    known = synthetic.pair([100] * N, [200] * N)
    assert recommendations(read(synthetic.write(tmp_path / "known", known))) == []
    assert "## Recommendation" not in synthetic.whole(write_report(read(tmp_path / "known")))


def test_each_real_series_has_its_own(tmp_path):
    records = [arm(100, task="one"), arm(100, task="two")]
    found = recommendations(read(synthetic.write(tmp_path / "run", records)))
    assert [one.task for one in found] == ["one", "two"]


def test_in_words_it_has_the_answer_the_arm_and_an_interval(tmp_path):
    text = in_words(recommended(tmp_path, arm(100, "stateful"), arm(400)))
    assert text.startswith("**Carry state.** Cheapest: stateful LSTM with 8 units, window 4, batch size 8; 12 of 12 ")
    assert text.endswith("] updates.")


def test_in_words_nothing_is_recommended_without_a_reliable_arm(tmp_path):
    text = in_words(recommended(tmp_path, arm(1, reached=0)))
    assert text.startswith("**Nothing can be recommended:** of 1 arm none was shown to reach the target")
