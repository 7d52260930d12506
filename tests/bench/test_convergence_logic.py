"""Replicates, folds, waves and budgets, on errors that are a formula."""

import json
import math
import time
from dataclasses import replace
from itertools import pairwise

import fake_engine as fake
import msgspec
import numpy as np
import pytest

from bench.case.checked import FaultError
from bench.case.regimes import REGIMES
from bench.case.stretches import relative_standard_error
from bench.case.trained import Convergence
from bench.errors import PlanError
from bench.measure import convergence, workload
from bench.measure.batching import look_times
from bench.measure.convergence import FIRST_TUNING_SEED, WAYS
from bench.measure.initial_weights import initial_weights
from bench.measure.replicate import Replicate
from bench.warnings import Warn

UPDATES = 24  # an epoch of the fixture's case: (800 - 3) // (4 * 8)


class Spied(fake.FakeEngine):
    """Keeps the trainer that it made."""

    def trainer(self, work, kernel):
        self.made = super().trainer(work, kernel)
        return self.made


def measure(case, training, curve=fake.error_curve):
    engine = Spied(curve)
    result, seconds, warnings = convergence.measure(workload.build(case, training), engine)
    return result, seconds, warnings, engine.made


def of(result, role):
    return [run for run in result.replicates if run.role == role]


def reaches_at(updates_by_seed):
    """An error that falls below any target after so many updates of a seed."""

    def curve(seed, rate, updates):
        del rate
        return 0.0 if updates >= updates_by_seed.get(seed, math.inf) else 1.0

    return curve


@pytest.fixture
def steps(training):
    """One rate and one evaluation enough, so that nothing but the seed decides."""
    return replace(training, learning_rates=(0.1,), folds=1, evaluation_seeds=3, epochs=4, hold=1)


def test_of_labels_the_accuracy_is_recorded_at_each_evaluation_beside_the_cross_entropy(case, steps):
    labels = case.replace(task="parity_labels", dial=2, window=2)
    result, *_ = measure(labels, steps, reaches_at({0: 24, 1: 24, 2: 24}))
    assert (result.loss, result.outputs) == ("crossentropy", 2)
    assert result.majority == pytest.approx(0.5, abs=0.3)
    for one in result.replicates:
        assert one.accuracy == [0.25] * len(one.updates)
    numbers, *_ = measure(case, steps)
    assert (numbers.loss, numbers.majority, numbers.replicates[0].accuracy) == ("mse", None, [])


def test_the_example_has_the_updates_that_these_tests_count_with(case, training):
    assert workload.build(case, training).schedule.updates_per_epoch == UPDATES


def test_every_rate_has_its_tuning_seeds_and_the_chosen_one_its_evaluation_seeds(case, training):
    result, *_ = measure(case, training)
    tuning = [(run.fold, run.learning_rate, run.seed - FIRST_TUNING_SEED) for run in of(result, "tuning")]
    assert sorted(tuning) == [(fold, rate, fold) for fold in (0, 1) for rate in (0.01, 0.1, 1.0, 10.0, 100.0)]
    evaluation = [(run.fold, run.learning_rate, run.seed) for run in of(result, "evaluation")]
    assert evaluation == [(0, 100.0, 0), (1, 100.0, 1), (0, 100.0, 2)]


def test_each_fold_is_tuned_by_itself(case, training):
    def curve(seed, rate, updates):
        best = {0: 0.01, 1: 0.1}.get((seed - FIRST_TUNING_SEED) % 2)
        return 0.0 if updates >= (20 if rate == best else 50) else 1.0

    settings = replace(training, learning_rates=(0.001, 0.01, 0.1, 1.0))
    result, _, warnings, _ = measure(case, settings, curve)
    assert [(one.fold, one.chosen_rate) for one in result.tuning] == [(0, 0.01), (1, 0.1)]
    assert [run.learning_rate for run in of(result, "evaluation")] == [0.01, 0.1, 0.01]
    assert "rate-at-edge" not in warnings
    # The others were given up where the best had arrived and held.
    slower = [run for run in of(result, "tuning") if run.learning_rate not in (0.01, 0.1)]
    assert {(run.abandoned, run.updates[-1]) for run in slower} == {(True, 21)}


def test_each_fold_has_its_own_draw_of_a_task_that_can_be_drawn_anew(case, training):
    synthetic = case.replace(task="lagged_mean", dial=4, window=2)
    settings = replace(training, folds=3, evaluation_seeds=6)
    result, *_ = measure(synthetic, settings)
    assert result.draws == 3
    assert [(run.fold, run.draw) for run in of(result, "evaluation")] == [(k % 3, k % 3) for k in range(6)]
    targets = {run.draw: run.target for run in result.replicates}
    assert len(set(targets.values())) == 3
    assert result.target == pytest.approx(np.mean(list(targets.values())), rel=1e-5)
    (one, *_) = measure(case, settings)
    assert (one.draws, {run.draw for run in one.replicates}) == (1, {0})
    assert one.data_sha256 != result.data_sha256


def test_folds_may_share_draws_and_replicates_their_initial_weights(case, training, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        convergence, "initial_weights", lambda network, seed: drawn.append(seed) or initial_weights(network, seed)
    )
    settings = replace(training, folds=4, draws=2, evaluation_seeds=16, orders=2)
    result, *_ = measure(case.replace(task="lagged_mean", dial=4, window=2), settings)
    assert result.draws == 2
    found = of(result, "evaluation")
    assert [(run.fold, run.draw) for run in found] == [(k % 4, k % 2) for k in range(16)]
    # Of a fold's four, two after one another begin from the weights of the first; no two train in one order.
    assert [run.seed for run in found] == list(range(16))
    weights = [run.seed if run.weights_seed is None else run.weights_seed for run in found]
    assert weights == [0, 1, 2, 3, 0, 1, 2, 3, 8, 9, 10, 11, 8, 9, 10, 11]
    assert [seed for seed in drawn if seed < convergence.FIRST_TUNING_SEED] == weights
    assert {run.weights_seed for run in of(result, "tuning")} == {None}


def test_a_real_series_is_drawn_by_its_origins(case, training):
    settings = replace(training, folds=3, draws=3, evaluation_seeds=3)
    load = workload.build(case.replace(task="electricity"), settings)
    assert [task.origins for task in load.draws] == [3, 3, 3]
    assert len({task.series().targets[load.positions].tobytes() for task in load.draws}) == 3
    assert len(set(load.targets)) == 3
    assert load.data_sha256 != workload.build(case.replace(task="electricity"), replace(settings, draws=0)).data_sha256
    with pytest.raises(PlanError, match="draws 3: task 'cosine' can neither be drawn anew nor cut at several origins"):
        workload.build(case, settings)


def test_rows_are_those_of_the_replicates_own_draw(case, training):
    load = workload.build(case.replace(task="lagged_mean", dial=4, window=2), replace(training, folds=3))
    block = convergence.Block(load, fake.FakeEngine(), 2)
    pack = convergence.Pack([Replicate(0, "evaluation", 0.1, draw=0), Replicate(0, "evaluation", 0.1, draw=2)])
    starts = block._starts(pack, 0)
    np.testing.assert_array_equal(starts[:, 1] - starts[:, 0], 2 * load.rows_per_draw)
    series = [task.series() for task in load.draws]
    np.testing.assert_array_equal(load.work(1).inputs[2 * load.rows_per_draw :], series[2].inputs)
    assert not np.array_equal(series[0].inputs, series[1].inputs)


@pytest.mark.parametrize("seeds", [(1, 1), (3, 10), (40, 60)])
def test_no_seed_tunes_and_evaluates(case, training, seeds):
    settings = replace(training, folds=1, tuning_seeds=seeds[0], evaluation_seeds=seeds[1], epochs=1)
    result, *_ = measure(case, settings)
    seen = {role: {run.seed for run in of(result, role)} for role in ("tuning", "evaluation")}
    assert (len(seen["tuning"]), len(seen["evaluation"])) == seeds
    assert not seen["tuning"] & seen["evaluation"]


def test_a_repetition_has_seeds_of_its_own(case, training):
    seeds = [{run.seed for run in measure(case.replace(repetition=k), training)[0].replicates} for k in range(3)]
    assert len(seeds[0]) == len(seeds[1]) == len(seeds[2]) > 0
    assert not seeds[0] & seeds[1]
    assert not seeds[1] & seeds[2]


def test_a_replicate_is_what_its_seed_and_rate_make_it(case, training):
    result, *_ = measure(case, training)
    for run in result.replicates:
        looks = look_times(4 * UPDATES, 0.05)
        # In tuning, what can no longer be the best is given up.
        assert tuple(run.updates) == (looks[: len(run.updates)] if run.role == "tuning" else looks)
        expected = [1.5 * fake.error_curve(run.seed, run.learning_rate, n) for n in run.updates]
        np.testing.assert_allclose(run.error, expected, rtol=1e-5)
        np.testing.assert_allclose(run.loss, np.array(expected) / 1.5, rtol=1e-5)


@pytest.mark.parametrize("regime", REGIMES)
def test_each_arm_is_judged_by_its_own_way_of_predicting(case, training, regime):
    result, _, _, trainer = measure(case.replace(regime=regime), training)
    way = "carried" if regime in ("stateful", "stateful-h-only", "stateful-stale") else "sliding"
    assert result.predicts == way
    assert result.steps_per_prediction == (1 if way == "carried" else 8 if regime == "stateless-burnin" else 4)
    assert {evaluate for updates, _, evaluate in trainer.calls if updates and evaluate} == {way}


def test_reached_at_the_first_evaluation_that_is_below_the_target(case, steps):
    result, *_ = measure(case, steps, reaches_at({0: 1, 1: 48, 2: 49}))
    runs = of(result, "evaluation")
    assert [run.updates_to_target for run in runs] == [1, 48, 50]
    assert all(run.reached and run.censored_at is None for run in runs)


def test_an_error_equal_to_the_target_has_reached_it():
    run = Replicate(0, "evaluation", 0.1, target=0.25)
    run.note(5, 0.25, 1.0)
    assert run.updates_to_target == 5


def test_the_first_time_below_the_target_counts_though_the_error_rises_again():
    run = Replicate(0, "evaluation", 0.1, target=0.25)
    for updates, error in zip((5, 10, 15, 20), (0.3, 0.2, 0.4, 0.1), strict=True):
        run.note(updates, error, 1.0)
    assert run.to_record().updates_to_target == 10
    assert run.to_record().updates == [5, 10, 15, 20]


@pytest.mark.parametrize(
    ("errors", "expected"),
    [((0.3, 0.2, 0.4, 0.1, 0.1), 20), ((0.2, 0.2, 0.4, 0.4, 0.4), 5), ((0.3, 0.2, 0.4, 0.4, 0.2), None)],
)
def test_a_target_counts_once_it_is_held_and_from_its_first_evaluation(errors, expected):
    run = Replicate(0, "evaluation", 0.1, target=0.25, hold=2)
    for updates, error in zip((5, 10, 15, 20, 25), errors, strict=True):
        run.note(updates, error, 1.0)
    assert run.updates_to_target == expected
    assert run.to_record().censored_at == (None if expected else 25)


def test_a_replicate_that_does_not_reach_the_target_is_censored_at_its_budget(case, steps):
    result, _, warnings, _ = measure(case, steps, reaches_at({0: 1}))
    first, *others = of(result, "evaluation")
    assert first.reached
    for run in others:
        assert (run.reached, run.updates_to_target, run.censored_at) == (False, None, 4 * UPDATES)
        assert run.updates[-1] == run.censored_at
    assert "no-rate-reaches" in warnings  # the tuning seed did not either


def test_training_to_a_target_stops_there_and_training_for_a_budget_goes_on(case, steps):
    curve = reaches_at({0: 1, 1: 2 * UPDATES, FIRST_TUNING_SEED: 1})
    looks = list(look_times(4 * UPDATES, 0.05))
    whole, *_ = measure(case, steps, curve)
    short, *_ = measure(case, replace(steps, stop="target"), curve)
    assert [run.updates for run in of(whole, "evaluation")] == [looks] * 3
    assert [run.updates[-1] for run in of(short, "evaluation")] == [1, 2 * UPDATES, 4 * UPDATES]
    # Tuning ends at the target in either: it has nothing more to tell.
    assert [run.updates for run in of(short, "tuning") + of(whole, "tuning")] == [[1], [1]]
    for role in ("tuning", "evaluation"):
        assert [run.updates_to_target for run in of(whole, role)] == [r.updates_to_target for r in of(short, role)]


def test_evaluations_grow_apart_and_every_update_between_them_is_made(case, steps):
    result, *_, trainer = measure(case, replace(steps, cadence=0.3))
    looks = result.replicates[0].updates
    assert looks[:8] == [1, 2, 3, 4, 5, 6, 7, 9]
    assert looks[-1] == 4 * UPDATES
    assert all(b - a <= max(1, 0.3 * a) or b == looks[-1] for a, b in pairwise(looks))
    # The tuning replicate's calls come first, after one that compiles; a call that ends with its epoch evaluates only
    # where an evaluation is due.
    at, evaluated = 0, []
    for updates, _, evaluate in trainer.calls[1:]:
        at += updates
        evaluated += [at] if evaluate else []
        if at == 4 * UPDATES:
            break
    assert evaluated == looks


def test_growing_evaluations_cost_about_as_much_however_long_the_training():
    assert len(look_times(1000, 0.05)) < 120
    assert len(look_times(10_000, 0.05)) < 160
    assert look_times(1, 0.05) == (1,)
    assert look_times(3, 5.0) == (1, 3)


def comparable(result):
    changing = {"seconds_per_update", "replicates_in_block"}
    return {name: getattr(result, name) for name in result.__struct_fields__ if name not in changing}


@pytest.mark.parametrize("stop", ["target", "budget"])
@pytest.mark.parametrize("slots", [1, 2, 3, 5])
def test_results_do_not_depend_on_how_many_replicates_are_trained_side_by_side(
    case, training, monkeypatch, stop, slots
):
    settings = replace(training, folds=1, evaluation_seeds=7, stop=stop, epochs=5, further_rates=0)
    ends = {seed: 10 + 17 * seed for seed in range(6)}

    def curve(seed, rate, updates):
        return 0.0 if updates * rate * 10 >= ends.get(seed, math.inf) else fake.error_curve(seed, rate, updates)

    whole, *_ = measure(case, settings, curve)
    monkeypatch.setattr(workload, "MOST_REPLICATES", slots)
    few, *_, trainer = measure(case, settings, curve)
    assert whole.replicates_in_block == 7
    assert few.replicates_in_block <= slots
    assert comparable(few) == comparable(whole)
    assert len(trainer.placed) == 2 + 7


def test_the_next_wave_has_fresh_weights_of_the_next_seeds(case, steps, monkeypatch):
    monkeypatch.setattr(workload, "MOST_REPLICATES", 2)
    *_, trainer = measure(case, replace(steps, stop="target"), reaches_at({0: 3 * UPDATES, 1: 1, 2: 1}))
    placed = [(slot, seed) for slot, seed, _ in trainer.placed if seed < FIRST_TUNING_SEED]
    assert placed == [(0, 0), (1, 1), (0, 2)]


def test_the_first_windows_of_each_epoch_start_from_a_zero_state_and_no_others(case, steps):
    *_, trainer = measure(case, replace(steps, cadence=0.3))
    first_rows, at = [], 0
    for updates, reset, _ in trainer.calls[1:]:
        if updates:
            assert reset is (at % UPDATES == 0)
            first_rows.append(at)
            at += updates
        if at == 8 * UPDATES:  # four epochs of tuning and four of evaluation
            break
    assert {n * UPDATES for n in range(8)} <= set(first_rows)


def test_every_wave_begins_with_its_first_epoch(case, steps, monkeypatch):
    seen = []
    load = workload.build(case, steps)
    original = type(load.schedule).epoch

    def epoch(self, seed, number):
        seen.append((seed, number))
        return original(self, seed, number)

    monkeypatch.setattr(type(load.schedule), "epoch", epoch)
    monkeypatch.setattr(workload, "MOST_REPLICATES", 1)
    block = convergence.Block(load, fake.FakeEngine(), 1)
    seen.clear()
    for seed in (5, 6):
        block.run([Replicate(seed, "tuning", 0.1, target=0.0)])
    assert [one for one in seen if one[0]] == [(seed, number) for seed in (5, 6) for number in range(4)]


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_replicate_whose_error_is_no_number_ends_diverged(case, steps, bad):
    def curve(seed, rate, updates):
        del rate
        return bad if seed == 1 and updates > UPDATES else 1.0

    result, _, warnings, _ = measure(case, steps, curve)
    good, ended, _ = of(result, "evaluation")
    assert (ended.diverged, ended.reached, ended.censored_at) == (True, False, UPDATES + 1)
    assert ended.error[-1] is None
    assert (good.diverged, good.updates[-1]) == (False, 4 * UPDATES)
    assert "diverged" in warnings


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_one_diverged_replicate_does_not_hide_how_much_the_choice_of_targets_matters(case, steps):
    def curve(seed, rate, updates):
        del rate
        return math.inf if seed == 1 and updates else 1.0

    assert math.isfinite(measure(case, steps, curve)[0].scored.relative_standard_error)


def test_no_replicate_diverged_no_warning(case, steps):
    assert "diverged" not in measure(case, steps)[2]


def test_a_diverged_tuning_replicate_is_no_warning_since_another_rate_may_be_taken(case, training):
    def curve(seed, rate, updates):
        return math.nan if rate > 0.05 else fake.error_curve(seed, rate, updates)

    result, _, warnings, _ = measure(case, training, curve)
    assert result.chosen_rate == 0.01
    assert "diverged" not in warnings


@pytest.mark.parametrize(("rates", "best", "edge"), [((0.01, 0.1, 1.0), 0.1, False), ((0.01, 0.1, 1.0), 1.0, True),
                                                   ((0.01, 0.1, 1.0), 0.01, True), ((1.0, 0.1, 0.01), 0.1, False),
                                                   ((0.1,), 0.1, False)])  # fmt: skip
def test_a_choice_at_the_edge_of_the_grid_is_marked(case, training, rates, best, edge):
    def curve(seed, rate, updates):
        del seed, updates
        return abs(math.log10(max(rate, 1e-9) / best)) + 1

    result, _, warnings, _ = measure(case, replace(training, learning_rates=rates, further_rates=0), curve)
    assert result.chosen_rate == best
    assert result.rate_at_edge is edge
    assert ("rate-at-edge" in warnings) is edge


def test_every_way_of_predicting_is_scored_after_training(case, training):
    result, *_ = measure(case, training)
    assert set(result.evaluated_otherwise) == set(WAYS)
    last = [run.error[-1] for run in of(result, "evaluation")]
    found = result.evaluated_otherwise
    np.testing.assert_allclose(found["carried"], last, rtol=1e-5)
    np.testing.assert_allclose(found["sliding"], np.array(last) / 1.5, rtol=1e-5)
    np.testing.assert_allclose(found["positions"], np.array(last) * 2 / 1.5, rtol=1e-5)


def test_a_replicate_that_stops_within_an_epoch_is_scored_as_it_was_then(case, steps):
    often = replace(steps, stop="target", evaluation_seeds=1)

    def curve(seed, rate, updates):
        del seed, rate
        return 1e-6 / updates if updates >= 12 else 1.0

    result, *_ = measure(case, often, curve)
    (run,) = of(result, "evaluation")
    assert run.updates[-1] == 12
    assert result.evaluated_otherwise["carried"] == pytest.approx([run.error[-1]], rel=1e-4)


def test_how_much_the_choice_of_targets_matters_is_the_standard_error_of_the_mean(case, training):
    result, *_ = measure(case, training)
    squared = np.linspace(0.5, 1.5, 16)
    expected = squared.std(ddof=1) / 4 / squared.mean()
    assert result.scored.relative_standard_error == pytest.approx(expected)
    assert (result.scored.count, result.scored.of) == (16, 1000)


def test_errors_of_a_series_cut_at_several_origins_stand_one_origin_after_another(case, steps):
    settings = replace(steps, folds=3, draws=3, scored_targets=32)
    cut = case.replace(task="electricity")
    result, *_ = measure(cut, settings)
    load = workload.build(cut, settings)
    count, last = result.scored.count, load.draws[2]
    assert len(result.scored.squared_errors) == 3 * count
    for name, errors in result.scored.simple.items():
        np.testing.assert_allclose(errors[2 * count :], last.simple_errors(load.positions)[name], rtol=1e-5)
    assert result.baselines["persistence"] == np.mean([one.baselines()["persistence"] for one in load.draws])
    with pytest.raises(
        FaultError, match=r'squared_errors is "33 errors"; valid: 32, one a scored target, for each draw'
    ):
        msgspec.structs.replace(result.scored, squared_errors=[0.0] * 33)
    with pytest.raises(FaultError, match=r'simple\.persistence is "96 errors"; valid: 32, as many as squared_errors'):
        msgspec.structs.replace(result.scored, squared_errors=[0.0] * 32)


@pytest.mark.parametrize("memory", [0.0, 0.9, 0.97])
def test_the_standard_error_holds_where_targets_depend_on_their_neighbours(memory):
    rng = np.random.default_rng(3)
    means, stated = [], []
    for _ in range(300):
        noise = rng.standard_normal(2000)
        level = np.empty(2000)
        level[0] = noise[0]
        for at in range(1, 2000):
            level[at] = memory * level[at - 1] + math.sqrt(1 - memory**2) * noise[at]
        squared = level[1000:] ** 2
        means.append(squared.mean())
        stated.append(relative_standard_error(squared) * squared.mean())
    assert 0.75 < np.sqrt(np.mean(np.square(stated))) / np.std(means) < 1.25


def test_a_replicate_alone_is_never_put_beside_others_by_other_kernels(case, training):
    result, *_ = measure(case.replace(kernel="loop"), training)
    assert result.replicates_in_block == 1
    assert {(run.role, run.seed) for run in of(result, "evaluation")} == {("evaluation", k) for k in range(3)}


def test_seconds_are_split_and_samples_are_per_update_and_replicate(case, training):
    result, seconds, *_ = measure(case, training)
    assert set(seconds) == {"prepare", "compile", "train", "evaluate"}
    assert all(value > 0 for value in seconds.values())
    assert len(result.seconds_per_update) == convergence.TIMED_BLOCKS
    assert all(0 < value < seconds["train"] for value in result.seconds_per_update)


@pytest.mark.parametrize(
    ("wall", "cpu", "expected"), [(1.0, 0.99, False), (1.0, 0.5, True), (0.01, 0.0, False), (1.0, 1.8, False)]
)
def test_a_core_that_was_shared_disturbs_the_timing(wall, cpu, expected):
    assert convergence.disturbed(wall, cpu) is expected


def test_a_process_that_waits_is_noticed(case, training):
    class Slow(Spied):
        def trainer(self, work, kernel):
            made = super().trainer(work, kernel)
            train = made.train
            made.train = lambda *args, **options: time.sleep(0.01) or train(*args, **options)
            return made

    load = workload.build(case, replace(training, folds=1, evaluation_seeds=1, epochs=1))
    *_, warnings = convergence.measure(load, Slow(fake.error_curve))
    assert Warn.BUSY_MACHINE in warnings
    *_, warnings = convergence.measure(
        workload.build(case.replace(device="gpu"), load.training), Slow(fake.error_curve)
    )
    assert Warn.BUSY_MACHINE not in warnings


def test_the_record_can_be_written_as_json(case, training):
    result, *_ = measure(case, training)
    assert msgspec.json.decode(json.dumps(msgspec.to_builtins(result)), type=Convergence) == result


@pytest.mark.parametrize("cell", ["lstm", "gru", "gru_reset_before", "simple_rnn"])
def test_arms_of_one_seed_start_from_the_same_weights_and_seeds_differ(case, training, cell):
    by_regime = [
        initial_weights(workload.build(case.replace(cell=cell, regime=regime), training).network, 3)
        for regime in REGIMES
    ]
    for weights in by_regime[1:]:
        for one, other in zip(by_regime[0], weights, strict=True):
            np.testing.assert_array_equal(one, other)
    other_seed = initial_weights(workload.build(case.replace(cell=cell), training).network, 4)
    assert not np.array_equal(by_regime[0][0], other_seed[0])
    recurrent = by_regime[0][1]
    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(len(recurrent)), atol=1e-6)
