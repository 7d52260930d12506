"""Settings whose answer can be proved, through real training and the whole pipeline to the verdict."""

import subprocess
import sys
from pathlib import Path

import pytest

from reports.analysis import analyse
from reports.collect.read import read

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.soak  # `test_end_to_end` has one such setting


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    results = tmp_path_factory.mktemp("results")
    command = [
        *(
            sys.executable,
            "-m",
            "pytest",
            "bench",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:hypothesispytest",
            "--benchmark-disable",
        ),
        *("--preset", "known", "--results", str(results)),
    ]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    run = read(results / "known")
    assert {record.outcome for record in run.records} == {"ok"}
    return analyse(run)


def provable(comparison):
    """What follows from the task's own statements alone."""
    arm, training = comparison.b.convergence, comparison.b.record.training
    if comparison.regimes[1] == "stateful-h-only":
        return {"same"}  # a GRU's state is h alone
    if training.cadence > 1:
        return {"inconclusive"}  # the evaluations lie further apart than the margin
    if max(arm.learning_rates) < 0.001:
        return {"rate not found"}  # the largest of rates far too small, and no further one may be tried
    if arm.target < arm.optimum or training.hold > len(arm.evaluation[0].updates):
        return {"neither"}
    if arm.target < arm.stateless_floor:
        return {"only stateful", "neither"}
    # Reach 1 and independent inputs: neither order nor state tells anything of the targets.
    assert comparison.setting.reach == 1
    return {"same"}


def test_every_verdict_is_the_provable_one(found):
    assert len(found.declared) == 16
    for one in found.declared:
        assert str(one.updates.verdict) in provable(one), (one.setting.label, one.regimes, one.updates)


def test_all_kinds_of_answers_occur(found):
    verdicts = {str(one.updates.verdict) for one in found.declared}
    assert verdicts == {"only stateful", "neither", "same", "rate not found", "inconclusive"}


def test_only_carried_state_reaches_the_mean_beyond_the_window(found):
    (one,) = [one for one in found.compared if one.setting.task_name == "lagged_mean@16"]
    assert (one.a.hits, one.b.hits) == (12, 0)


def test_only_a_state_that_is_zeroed_where_a_sequence_begins_knows_its_first_element(found):
    firsts = [one for one in found.compared if one.setting.task.startswith("first_element")]
    assert [(one.a.hits, one.b.hits) for one in firsts] == [(12, 0)] * 2


def test_what_carries_h_alone_trains_a_gru_as_carried_state_does(found):
    (one,) = [one for one in found.declared if one.regimes[1] == "stateful-h-only"]
    assert one.a.cost.tolist() == one.b.cost.tolist()


def test_evaluations_that_are_too_few_are_what_blocks_and_not_seeds(found):
    (one,) = [one for one in found.compared if one.a.record.training.cadence > 1]
    assert (one.a.hits, one.b.hits) == (12, 12)
    assert one.updates.look_oftener


def test_a_target_that_is_touched_and_never_held_is_not_reached(found):
    (one,) = [one for one in found.compared if one.a.record.training.hold > 2]
    assert (one.a.hits, one.b.hits) == (0, 0)
    assert one.a.best_error < 1


def test_no_width_lifts_a_stateless_net_over_its_floor(found):
    blind = [one for one in found.compared if one.setting.window == 1]
    assert {one.setting.units for one in blind} == {4, 32}
    assert [one.b.hits for one in blind] == [0] * 4


def test_nothing_lies_below_its_floor_and_no_arm_differs_from_itself(found):
    assert found.floors
    assert not [one.key for one in found.floors if one.below]
    assert found.false_calls == []
