"""Records with a known truth lead to the verdict that is true."""

import random

import numpy as np
import pytest
import synthetic
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reports.analysis import analyse
from reports.claim.arms import comparisons
from reports.collect.read import read
from reports.statistics.verdict import Verdict


def run_of(records):
    return synthetic.run_of(records, family=synthetic.family(records))


def verdict_of(records):
    (one,) = analyse(run_of(records)).compared
    return one.updates.verdict


@pytest.mark.parametrize(
    ("stateful", "stateless", "verdict"),
    [
        (synthetic.hits(200, seed=1), synthetic.hits(400, seed=2), Verdict.FEWER),
        (synthetic.hits(400, seed=1), synthetic.hits(200, seed=2), Verdict.MORE),
        (synthetic.hits(400, spread=0.03, seed=1), synthetic.hits(400, spread=0.03, seed=2), Verdict.SAME),
        (synthetic.hits(200, seed=1), [None] * 10, Verdict.ONLY_STATEFUL),
        ([None] * 10, synthetic.hits(200, seed=1), Verdict.ONLY_STATELESS),
        ([None] * 10, [None] * 10, Verdict.NEITHER),
        (synthetic.hits(300, spread=0.8, seed=1), synthetic.hits(300, spread=0.8, seed=2), Verdict.INCONCLUSIVE),
    ],
)
def test_known_truth(stateful, stateless, verdict):
    assert verdict_of(synthetic.pair(stateful, stateless)) is verdict


def test_pairs_are_by_seed_and_the_rest_is_left_out():
    records = synthetic.pair([100] * 10, [200] * 10)
    del records[1]["convergence"]["replicates"][-1]
    synthetic.settle(records[1])
    found = analyse(run_of(records))
    assert (found.compared[0].a.n, found.compared[0].unpaired) == (9, 1)
    assert "unpaired" in [one.code for one in found.warnings]


def test_tuning_replicates_never_decide():
    records = synthetic.pair([500] * 10, [500] * 10)
    for replicate in records[0]["convergence"]["replicates"]:
        if replicate["role"] == "tuning":
            replicate["error"][0] = synthetic.TARGET / 2
    synthetic.settle(records[0])
    assert verdict_of(records) is Verdict.SAME


def test_seconds_and_cell_steps_can_disagree_and_are_then_said_to():
    # A burn-in doubles the work of an update. Arms of equal work, at three windows, show by what processes differ.
    records = [
        one for window in (2, 4, 8) for one in synthetic.pair([300] * 10, synthetic.hits(400, seed=2), window=window)
    ]
    warm = synthetic.convergence(synthetic.hits(250, seed=2), case_=synthetic.case(regime="stateless-burnin", window=4))
    for one, seconds in zip([*records, warm], [1e-4] * 6 + [2e-4], strict=True):
        one["convergence"]["seconds_per_update"] = [seconds] * 5
    (one,) = [one for one in comparisons(run_of([*records, warm])) if one.regimes == ("stateless-burnin", "stateless")]
    assert one.updates.verdict is Verdict.FEWER
    assert (one.cell_steps.verdict, one.seconds.verdict) == (Verdict.MORE, Verdict.MORE)
    assert one.disagree


def test_seconds_without_two_processes_of_equal_work_are_compared_with_nothing():
    arms = ("stateful", "stateless-burnin")
    records = [synthetic.convergence([200] * 10, case_=synthetic.case(regime=regime)) for regime in arms]
    (one,) = comparisons(run_of(records))
    assert one.seconds is None


def test_evaluations_that_lie_too_far_apart_decide_nothing():
    # All between two evaluations that are an eighth of the cost apart: the same evaluation, and yet not the same cost.
    (one,) = analyse(run_of(synthetic.pair([160] * 10, [160] * 10))).compared
    assert (one.updates.verdict, one.updates.look_oftener) == (Verdict.INCONCLUSIVE, True)
    assert one.a.coarse


def test_processes_that_do_equal_work_widen_the_seconds():
    rng = np.random.default_rng(4)
    records = []
    for window in range(1, 13):
        pair = synthetic.pair(synthetic.hits(300, seed=1), synthetic.hits(300, seed=2), window=window)
        for one in pair:
            one["convergence"]["seconds_per_update"] = [1e-3 * float(np.exp(0.1 * rng.standard_normal()))] * 5
        records += pair
    found = analyse(run_of(records)).compared
    assert found[0].processes.variance == pytest.approx(0.1**2, rel=0.6)
    assert found[0].processes.degrees == 12
    for one in found:
        assert one.seconds.ratio.standard_error > one.updates.ratio.standard_error


def held(hits, folds=5, **changes):
    """A record as runs write it today: folds, and a target that counts once it is held twice."""
    made = synthetic.convergence(hits, tuning=1, case_=synthetic.case(**changes))
    part = made["convergence"]
    rates = part["learning_rates"]
    tuning = [
        synthetic.replicate(1000 + fold, 200, role="tuning", rate=rate) | {"fold": fold, "draw": fold}
        for fold in range(folds) for rate in rates
    ]  # fmt: skip
    deciding = [one for one in part["replicates"] if one["role"] == "evaluation"]
    for one in deciding:
        one |= {"fold": one["seed"] % folds, "draw": one["seed"] % folds}
    part |= {
        "replicates": tuning + deciding, "hold": 2, "draws": folds, "budget": 1000,
        "tuning": [{"fold": fold, "draw": fold, "rates": rates, "chosen_rate": 0.01, "reached": True, "at_edge": False}
                   for fold in range(folds)],
    }  # fmt: skip
    return made


def test_folds_are_what_an_interval_is_formed_over():
    records = [held(synthetic.hits(300, seed=2), regime="stateful"), held(synthetic.hits(600, seed=3))]
    (one,) = analyse(run_of(records)).compared
    assert (one.a.n, one.updates.ratio.degrees) == (10, 4)
    # Against itself, two folds of five on either side.
    assert {aa.a.n for aa in analyse(run_of(records)).a_a} == {4}


def test_a_rate_that_was_not_found_is_no_verdict():
    records = [held(synthetic.hits(300, seed=2), regime="stateful"), held(synthetic.hits(600, seed=3))]
    part = records[1]["convergence"]
    part["tuning"][2] |= {"rates": [0.003, 0.01], "at_edge": True}
    part["replicates"] = [one for one in part["replicates"] if not (one["fold"] == 2 and one["learning_rate"] == 0.03)]
    part["rate_at_edge"] = True
    records[1]["warnings"] = ["rate-at-edge"]
    (one,) = analyse(run_of(records)).compared
    assert (one.updates.verdict, one.p) == (Verdict.RATE_NOT_FOUND, 1)


def test_reached_still_there_and_lost():
    records = [held([200] * 10, regime="stateful"), held([600] * 10)]
    for one in records[0]["convergence"]["replicates"][-4:]:
        one["error"][-1] = 2 * synthetic.TARGET
    (one,) = analyse(run_of(records)).compared
    assert (one.a.hits, one.a.still_there, one.a.lasting, one.b.lasting) == (10, 6, 6, 10)
    assert one.a.best_error == one.a.last_error < 1
    records[0]["training"]["stop"] = "target"
    (one,) = analyse(run_of(records)).compared
    assert (one.a.still_there, one.a.lasting) == (None, 10)


def test_a_larger_budget_is_no_advantage():
    records = synthetic.pair([200] * 10, [600] * 10)
    records[0] = synthetic.convergence([200] * 9 + [900], case_=synthetic.case(regime="stateful"), budget=1000)
    records[1] = synthetic.convergence([600] * 10, budget=700)
    (one,) = analyse(run_of(records)).compared
    assert (one.a.hits, one.a.cost.max()) == (9, 700)


def test_the_chance_of_a_fresh_training_to_need_less():
    (one,) = analyse(run_of(synthetic.pair([100, 200, 300, 400], [100, 250, None, None]))).compared
    # A fold has one pair each: 100 ties, the others take less than theirs or than a failure.
    assert one.better_on_a_fresh_draw.value == pytest.approx(3.5 / 4)
    assert one.better_on_a_fresh_draw.low < 3.5 / 4 < one.better_on_a_fresh_draw.high


def test_seconds_of_a_core_that_was_shared_are_not_compared():
    records = synthetic.pair(synthetic.hits(200, seed=1), synthetic.hits(400, seed=2))
    assert analyse(run_of(records)).compared[0].seconds is not None
    records[0]["warnings"] = ["busy-machine"]
    (one,) = analyse(run_of(records)).compared
    assert one.seconds is None
    assert one.updates.verdict == "fewer"


def test_different_targets_are_not_compared():
    records = synthetic.pair([200] * 10, [400] * 10)
    records[1]["convergence"]["target"] = 0.1
    synthetic.settle(records[1])
    found = analyse(run_of(records))
    assert found.compared == []
    assert "different-targets" in [one.code for one in found.warnings]


def test_smaller_network():
    records = [
        record
        for units, stateful, stateless in ((4, 0, 0), (8, 10, 0), (16, 10, 10))
        for record in synthetic.pair(
            [100] * stateful + [None] * (10 - stateful),
            [100] * stateless + [None] * (10 - stateless),
            units=units,
        )
    ]
    (one,) = analyse(run_of(records)).widths
    assert one.verdict is Verdict.FEWER
    assert (one.stateful.interval.above, one.stateful.interval.up_to) == (4, 8)
    assert one.stateful.parameters < one.stateless.parameters
    # By hand: 329 parameters four times, for 8 units, 8 rows and 4 steps 7 values and the output's gradient, inputs and
    # targets; 4 bytes each.
    assert one.stateful.counted_bytes == 4 * (4 * 329 + 8 * 8 * 32 + 2 * 32)


def test_an_arm_against_itself_is_rarely_called_different():
    records = [
        synthetic.convergence(synthetic.hits(300, seed=seed), case_=synthetic.case(window=seed))
        for seed in range(1, 41)
    ]
    found = analyse(run_of(records))
    assert len(found.a_a) == 40
    assert len(found.false_calls) <= 4


def test_a_repetition_is_the_other_half_of_the_check():
    records = [synthetic.convergence([100] * 10, case_=synthetic.case(repetition=repetition)) for repetition in (0, 1)]
    (one,) = analyse(run_of(records)).a_a
    assert one.a.n == 10


def test_controls_and_other_ways_of_predicting():
    records = [
        *synthetic.pair([500] * 10, [900] * 10),
        synthetic.convergence([500] * 10, case_=synthetic.case(regime="stateless-burnin")),
    ]
    found = analyse(run_of(records))
    (control,) = found.controls
    assert control.over_stateless.updates.verdict is Verdict.FEWER
    assert control.stateful_over_it.updates.verdict is Verdict.SAME
    assert {(one.regime, one.way) for one in found.otherwise} == {
        ("stateless", "carried"),
        ("stateful", "sliding"),
    }


def test_sensitivity_only_where_curves_ran_to_the_budget():
    records = synthetic.pair([200] * 10, [400] * 10)
    (full,) = analyse(run_of(records)).sensitivity
    assert len(full.targets) == 12
    assert full.judgements[5].ratio.value == pytest.approx(0.5, rel=0.2)
    records[0]["training"]["stop"] = "target"
    (stopped,) = analyse(run_of(records)).sensitivity
    assert "stopped at the target" in stopped.why_not


RUN = [
    record
    for task in ("one", "two")
    for window, stateful, stateless in ((4, 0, 1), (8, 2, 3), (16, 4, 4))
    for record in synthetic.pair(
        synthetic.hits(200, seed=stateful), synthetic.hits(400, seed=stateless, success=0.8), window=window, task=task
    )
]


def outcome(records):
    found = analyse(run_of(records))
    judged = {
        one.setting: (
            one.updates.verdict,
            round(one.updates.ratio.value, 9),
            one.flops.verdict,
            one.seconds.verdict,
            round(one.p_holm, 9),
            one.survives_holm,
        )
        for one in found.compared
    }
    return judged, found.headline, found.summary_lines


KNOWN = outcome(RUN)


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32), st.integers(1, 1000), st.sampled_from([1e-6, 0.1, 3.0, 1e6]))
def test_order_names_of_seeds_and_unit_of_cost_change_nothing(seed, shift, unit):
    records = [one | {"convergence": dict(one["convergence"])} for one in RUN]
    random.Random(seed).shuffle(records)
    for one in records:
        body = one["convergence"]
        replicates = [r | {"seed": r["seed"] * 7 + shift} for r in body["replicates"]]
        random.Random(seed + 1).shuffle(replicates)
        body["replicates"] = replicates
        body["seconds_per_update"] = [value * unit for value in body["seconds_per_update"]]
    assert outcome(records) == KNOWN


@pytest.mark.parametrize("kind", ["time", "memory"])
def test_runs_without_training(tmp_path, kind):
    run = read(synthetic.write(tmp_path / "run", [getattr(synthetic, kind)()]))
    found = analyse(run)
    assert "cannot be said" in found.headline[0]
