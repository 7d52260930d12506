"""The crossing point, window by window."""

import pytest
import synthetic

from reports.claim.arms import comparisons
from reports.tell.headline import scope, turning_point, turns

SLOW, QUICK = synthetic.hits(400, seed=1), synthetic.hits(200, seed=2)
PAYS, COSTS, OPEN = (QUICK, SLOW), (SLOW, QUICK), (synthetic.hits(300, seed=3), synthetic.hits(300, seed=4))


def compared(*by_window):
    records = [one for number, arms in enumerate(by_window) for one in synthetic.pair(*arms, window=2 ** (number + 1))]
    return comparisons(synthetic.run_of(records))


@pytest.mark.parametrize(
    ("by_window", "between", "words"),
    [
        ((PAYS, PAYS, COSTS), (4, 8), "fewer up to 4, more from 8 on"),
        ((PAYS, OPEN, COSTS), (2, 8), "fewer up to 2, more from 8 on"),
        ((COSTS, PAYS, OPEN), (2, 4), "more up to 2, fewer from 4 on"),
        ((PAYS, COSTS, PAYS), None, "back and forth"),
        ((PAYS, PAYS), None, "fewer at every window"),
        ((COSTS, OPEN), None, "more, or no difference shown"),
        ((OPEN, OPEN), None, "no difference shown at any window"),
    ],
)
def test_the_two_windows_between_which_it_turns(by_window, between, words):
    (one,) = turns(compared(*by_window))
    assert (one.between, one.in_words) == (between, words)
    text = turning_point(compared(*by_window))
    assert ("It changed with the window on" in text) is (between is not None)


def test_what_a_verdict_holds_for_is_said_by_what_was_drawn():
    def run_of(*tasks):
        records = [
            one | {"convergence": one["convergence"] | {"draws": draws}}
            for task, draws in tasks
            for one in synthetic.pair(*PAYS, task=task)
        ]
        return synthetic.run_of(records)

    assert scope(run_of(("lagged_mean", 5))) == (
        "What a verdict holds for: of a synthetic task whatever the draw of its data."
    )
    assert scope(run_of(("co2", 1), ("electricity", 1))) == (
        "What a verdict holds for: of co2 and electricity this series alone, at the rates tried."
    )
    assert scope(run_of(("co2", 5))) == "What a verdict holds for: of co2 any stretch, as far as 5 of them tell."
    assert scope(synthetic.run_of([])) == ""


def test_one_window_turns_nowhere_and_none_says_nothing():
    assert turns(compared(PAYS)) == []
    assert turning_point([]) == ""
