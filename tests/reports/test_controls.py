"""A control arm that beats both arms is brought to the reader's attention, and only then."""

import synthetic

from reports.analysis import analyse
from reports.collect.read import read
from reports.render import write_report

SLOW = synthetic.hits(400, seed=1), synthetic.hits(500, seed=2)


def records(burn_in, **changes):
    case = synthetic.case(regime="stateless-burnin")
    return [*synthetic.pair(*SLOW), synthetic.convergence(burn_in, case_=case, **changes)]


def findings(made):
    return analyse(synthetic.run_of(made)).findings


def test_it_is_said_near_the_top(tmp_path):
    made = records(synthetic.hits(100, seed=3), steps_per_prediction=8, cell_steps_per_update=64)
    text = synthetic.whole(write_report(read(synthetic.write(tmp_path / "run", made))))
    first_screen = text[: text.index("| task | cell |")]
    assert (
        "> **Exploratory, but large:** A burn-in before each window, with nothing carried, needed fewer updates than "
        "stateless and than stateful in 1 of 1" in first_screen
    )
    assert "8 steps instead of 4" in first_screen
    assert "counted in cell steps, it still did in 1" in first_screen


def test_twice_the_steps_can_undo_it():
    (one,) = findings(records(synthetic.hits(240, seed=3), cell_steps_per_update=64))
    assert one.fewer_cell_steps == 0


def test_an_arm_that_never_got_there_has_no_ratio():
    case = synthetic.case(regime="stateless-burnin")
    made = [*synthetic.pair([None] * 10, SLOW[0]), synthetic.convergence(synthetic.hits(100, seed=3), case_=case)]
    (one,) = findings(made)
    assert "stateful never reached the target" in one.sentence
    assert "× 0 " not in one.sentence


def test_no_finding_where_it_beats_one_arm_or_none():
    assert findings(records(synthetic.hits(400, seed=3))) == []
    assert findings(records([None] * 10)) == []
    made = [*synthetic.pair(*SLOW[::-1]), records(synthetic.hits(440, seed=1))[2]]
    assert findings(made) == []


def test_no_finding_without_both_arms_or_with_another_target():
    made = records(synthetic.hits(100, seed=3))
    assert findings(made[1:]) == []
    made[2]["convergence"]["target"] = 0.5
    synthetic.settle(made[2])
    assert findings(made) == []


def test_many_tries_are_corrected_for():
    # Alone its p is below 5 %, and twice that above.
    def at(window):
        case = synthetic.case(regime="stateless-burnin", window=window)
        pair = synthetic.pair(synthetic.hits(400, n=6, seed=1), synthetic.hits(500, n=6, seed=2), window=window)
        return [*pair, synthetic.convergence(synthetic.hits(260, n=6, seed=3), case_=case)]

    assert len(findings(at(4))) == 1
    assert findings(at(4) + at(8)) == []


def test_a_declared_control_is_called_declared_and_counts_in_the_family(tmp_path):
    made = records(synthetic.hits(100, seed=3))
    stateful, stateless, burn_in = (one["key"] for one in made)
    pairs = [[burn_in, stateless], [stateful, burn_in], [stateful, stateless]]
    folder = synthetic.write(tmp_path / "run", made, family=pairs)
    text = synthetic.whole(write_report(read(folder)))
    assert "> **Declared before the run:** A burn-in before each window" in text
    assert "burnin / stateless (fewer, p" in text
    found = analyse(read(folder))
    assert len(found.declared) == 3
    assert {one.regimes for one in found.survivors} >= {("stateless-burnin", "stateless")}
    # Three times the smallest p, the family's size.
    assert min(one.p_holm for one in found.declared) == min(one.p for one in found.declared) * 3


def test_one_declared_half_is_not_enough():
    made = records(synthetic.hits(100, seed=3))
    _, stateless, burn_in = (one["key"] for one in made)
    run = synthetic.run_of(made, family=[[burn_in, stateless]])
    found = analyse(run)
    (one,) = found.findings
    assert not one.declared
    assert "they are exploratory; declared: 1 comparison with control arms" in found.sureness.sentence
