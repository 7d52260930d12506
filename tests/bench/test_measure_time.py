"""Timing: blocks long enough, until two halves agree, against a clock that only the trainer moves."""

from dataclasses import replace
from types import SimpleNamespace

import fake_engine as fake
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.case.cases import Case, Training
from bench.errors import PlanError
from bench.measure import timing, workload
from bench.measure.timing import (
    BLOCK_OF_CORES_S,
    BLOCK_S,
    LEAST_BLOCKS,
    LEAST_PASSES,
    MOST_S,
    MOST_UPDATES,
    UNTIMED,
    measure,
    settled,
)

TRAINING = Training(learning_rates=(0.1,), scored_targets=16)


class Clock:
    """A clock that stands still but for what the trainer takes."""

    def __init__(self):
        self.now = 1000.0

    def perf_counter(self):
        return self.now


class TimedEngine(fake.FakeEngine):
    """Takes a known time: per call, per update, and once for compiling."""

    def __init__(
        self, clock, *, update, call=0.0, compiling=0.0, drift=1.0, kernel="loop", passes=None, idling=0.0, least=0.0
    ):
        super().__init__()
        self._least = least
        self._passes, self._idling = passes, idling
        self.made, self.blocks, self._clock, self._kernel = [], [], clock, kernel
        self._update, self._call, self._compiling, self._drift = update, call, compiling, drift

    def trainer(self, work, kernel):
        made = super().trainer(work, kernel)
        self.made.append(made)
        train = made.train

        def timed(starts, *, reset, evaluate=None):
            first = not self.blocks
            taken = self._call + self._update * len(starts) + (self._compiling if first else 0)
            self._update = max(self._update * self._drift, self._least)
            self._clock.now += taken
            self.blocks.append((len(starts), taken))
            return train(starts, reset=reset, evaluate=evaluate)

        def costs(seconds):
            def wait(starts):
                self._clock.now += self._call + seconds * len(starts)

            return wait

        made.train = timed
        if self._passes is not None:
            made.infer, made.idle = costs(self._passes), costs(self._idling)
        return made

    def kernel_seen(self, trainer):
        del trainer
        return self._kernel, {"While": 2}


@pytest.fixture
def timed(monkeypatch):
    monkeypatch.setattr(timing.os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    found = timing.Sampler.found
    # Whatever else this machine does beside the test.
    monkeypatch.setattr(timing.Sampler, "found", lambda self: found(self) | {"other_load": 0.0})

    def _timed(training=TRAINING, asked="loop", turns=None, cores=1, **speeds):
        monkeypatch.setattr(timing.os, "sched_getaffinity", lambda _: set(range(cores)))
        clock = Clock()
        monkeypatch.setattr(timing, "time", clock)
        engine = TimedEngine(clock, **speeds)
        if isinstance(turns, Preparing | Importing | Disturbing):
            turns.engine = engine
        case = Case("time", "cosine", None, "lstm", "stateful", 2, 2, 4, 8, asked, "fake")
        result, seconds, warnings = measure(workload.build(case, training), engine, turns)
        made = {"blocks": engine.blocks, "trainers": engine.made}
        return SimpleNamespace(result=result, seconds=seconds, warnings=warnings, **made)

    return _timed


@pytest.mark.parametrize(("cores", "least"), [(1, BLOCK_S), (2, BLOCK_OF_CORES_S)])
@pytest.mark.parametrize("update", [4e-5, 1e-4, 1.3e-3, 0.01, 0.0149])
def test_blocks_are_long_enough_for_the_clock_and_not_much_longer(timed, update, cores, least):
    found = timed(update=update, call=1e-4, cores=cores)
    updates = found.result.updates_per_block
    sampled = [taken for count, taken in found.blocks[-len(found.result.seconds_per_update) :] if count == updates]
    assert sampled
    for taken in sampled:
        assert least <= taken < 2 * least + update


@pytest.mark.parametrize(("update", "before"), [(1e-4, True), (1.3e-3, True), (0.0149, False), (0.1, False)])
def test_a_block_begins_with_updates_that_are_not_timed_unless_it_has_but_a_few(timed, update, before):
    found = timed(update=update, call=1e-4)
    updates = found.result.updates_per_block
    blocks = [updates // UNTIMED, updates] if before else [updates]
    assert [count for count, _ in found.blocks][-len(blocks) * LEAST_BLOCKS :] == blocks * LEAST_BLOCKS
    assert found.result.seconds_per_update == pytest.approx([update + 1e-4 / updates] * LEAST_BLOCKS)


def test_to_reset_the_state_is_no_part_of_an_update(timed):
    found = timed(update=1e-3)
    (trainer,) = found.trainers
    assert {reset for _, reset, _ in trainer.calls} == {False}


def test_updates_slower_than_a_block_are_timed_one_at_a_time(timed):
    found = timed(update=0.1)
    assert found.result.updates_per_block == 1
    assert found.result.seconds_per_update == pytest.approx([0.1] * LEAST_BLOCKS)


def test_updates_too_fast_for_any_block_are_bounded(timed):
    assert timed(update=1e-7, call=1e-6).result.updates_per_block == MOST_UPDATES


def test_a_call_and_its_cost_spread_over_the_block(timed):
    found = timed(update=1e-3, call=1e-5)
    updates = found.result.updates_per_block
    assert found.result.seconds_per_update == pytest.approx([1e-3 + 1e-5 / updates] * LEAST_BLOCKS)


def test_what_a_call_of_fit_costs_is_not_taken_for_the_price_of_an_update(timed):
    dear = {"update": 1e-3, "call": 0.06}
    short, long = timed(**dear), timed(**dear, asked="fit")
    assert short.result.seconds_per_update[0] > 2e-3
    assert long.result.updates_per_block == timing.LEAST_IN_FIT
    assert np.allclose(long.result.seconds_per_update, 1e-3 + 0.06 / 100)


def test_compiling_is_the_first_call_less_a_steady_one(timed):
    found = timed(update=1e-3, call=2e-3, compiling=5.0)
    assert found.result.first_call_seconds == pytest.approx(5.003)
    assert found.result.compile_seconds == pytest.approx(5.0)
    assert found.seconds["compile"] == pytest.approx(5.003)
    assert max(found.result.seconds_per_update) < 0.01


def test_a_steady_machine_is_settled_after_the_fewest_blocks(timed):
    found = timed(update=1e-3)
    assert len(found.result.seconds_per_update) == LEAST_BLOCKS
    assert found.result.settled is True
    assert found.warnings == []


def test_a_machine_that_slows_down_without_end_is_given_up_and_marked(timed):
    found = timed(update=1e-3, drift=1.2)
    assert found.result.settled is False
    assert "unsettled" in found.warnings
    assert sum(taken for _, taken in found.blocks[:-1]) < 3 * MOST_S


def test_an_update_that_takes_all_the_time_there_is_still_gets_two_samples(timed):
    found = timed(update=7.0)
    assert found.result.seconds_per_update == pytest.approx([7.0, 7.0])


def test_warm_up_is_left_out_of_the_samples(timed):
    # Falls to a tenth within the blocks before the samples.
    assert max(timed(update=1e-3, drift=0.999).result.seconds_per_update) < 1e-3


def test_another_kernel_than_the_one_asked_for_is_marked_and_recorded(timed):
    found = timed(update=0.05, kernel="xla")
    assert found.result.kernel_seen == "xla"
    assert found.result.evidence == {"While": 2}
    assert found.warnings == ["other-kernel"]


def test_a_forward_pass_is_timed_apart_from_an_update(timed):
    found = timed(replace(TRAINING, inference=True), update=2e-3, passes=5e-4, call=1e-6)
    assert timed(update=2e-3, passes=5e-4).result.inference is None
    steps = found.result.inference.calls_per_block
    assert found.result.inference.seconds_per_call == pytest.approx([5e-4 + 1e-6 / steps] * LEAST_PASSES)
    assert min(found.result.seconds_per_update) >= 2e-3


def test_what_the_harness_takes_is_measured_on_the_same_block(timed):
    found = timed(update=1e-3, passes=1e-3, idling=4e-6, call=1e-4)
    expected = 4e-6 + 1e-4 / found.result.updates_per_block
    assert found.result.overhead_seconds_per_update == pytest.approx([expected] * timing.IDLE_BLOCKS)


def test_a_trainer_that_cannot_idle_has_no_such_figures(timed):
    result = timed(replace(TRAINING, inference=True), update=1e-3).result
    assert result.overhead_seconds_per_update is None
    assert result.inference is None
    assert result.whole is None


def test_blocks_before_the_machine_has_settled_are_warm_up(timed):
    found = timed(update=4e-3, drift=0.95, least=1e-3)
    assert found.result.warm_up_blocks > 0
    assert len(found.result.seconds_per_update) == LEAST_BLOCKS
    assert found.result.machine.updates == (
        (found.result.warm_up_blocks + LEAST_BLOCKS) * found.result.updates_per_block
    )


def test_a_training_is_timed_whole_with_its_compiling_and_without_its_evaluations(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(timing, "time", clock)
    engine = TimedEngine(clock, update=1e-3, compiling=2.0)
    case = Case("time", "cosine", None, "lstm", "stateful", 1, 2, 4, 8, "loop", "fake")
    load = workload.build(case, replace(TRAINING, whole_epochs=3))
    found = timing.train_whole(load, engine)
    assert found.updates == found.calls * load.schedule.updates_per_epoch
    assert found.seconds == pytest.approx(2.0 + 1e-3 * found.updates)
    assert found.updates == 3 * load.schedule.updates_per_epoch or found.reached


def test_a_whole_training_ends_where_it_reaches_the_target(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(timing, "time", clock)
    engine = TimedEngine(clock, update=1e-3)
    case = Case("time", "cosine", None, "lstm", "stateful", 1, 2, 4, 8, "loop", "fake")
    load = workload.build(case, replace(TRAINING, learning_rates=(1e6,), whole_epochs=50))
    found = timing.train_whole(load, engine)
    assert found.reached
    assert found.error <= load.target
    assert found.calls == 1


def test_a_batch_larger_than_the_series_can_be_timed_and_not_trained():
    case = Case("time", "cosine", None, "lstm", "stateful", 1, 2, 64, 1024, "loop", "fake")
    starts = workload.build(case, TRAINING).starts_of(3)
    assert starts.shape == (3, 1, 1024)
    with pytest.raises(PlanError, match="leaves no whole batch"):
        workload.build(case.replace(kind="convergence"), TRAINING)
    with pytest.raises(PlanError, match="leaves no whole batch"):
        workload.build(case, replace(TRAINING, whole_epochs=1))


@pytest.mark.parametrize(("share", "warnings"), [(0.05, []), (0.3, ["busy-machine"]), (None, [])])
def test_a_machine_is_busy_by_what_others_took_meanwhile(timed, monkeypatch, share, warnings):
    found = timing.Sampler.found
    monkeypatch.setattr(timing.Sampler, "found", lambda self: found(self) | {"other_load": share})
    assert timed(update=0.05).warnings == warnings


def test_the_load_before_is_recorded_and_is_no_reason_to_doubt(timed, monkeypatch):
    # Most of it is what the run itself did a minute ago.
    monkeypatch.setattr(timing.os, "getloadavg", lambda: (0.75 * timing.os.cpu_count(), 0.0, 0.0))
    found = timed(update=0.05)
    assert found.warnings == []
    assert found.result.load == 0.75


class Neighbours:
    """Needs more blocks than this case, and is told what it says."""

    def __init__(self, blocks):
        self.waited, self.said, self.left = 3.0, [], 0
        self._blocks = blocks

    def begin(self):
        """Nobody else is to begin."""

    def turn(self, *, enough):
        self.said.append(enough)
        return len(self.said) <= self._blocks

    def leave(self):
        self.left += 1


def test_a_case_goes_on_as_long_as_its_neighbours_need(timed):
    others = Neighbours(LEAST_BLOCKS + 15)
    found = timed(update=0.05, turns=others)
    assert others.said == [False] * LEAST_BLOCKS + [True] * 16
    assert found.result.warm_up_blocks == 15
    assert others.left == 0
    assert sum(found.seconds.values()) == pytest.approx(sum(taken for _, taken in found.blocks) - others.waited)


class Preparing(Neighbours):
    """Prepares for a while before it lets this case begin."""

    engine, made = None, None

    def begin(self):
        self.made = list(self.engine.made), list(self.engine.blocks)
        self.engine._clock.now += 100.0


def test_a_case_has_prepared_when_it_begins_and_to_wait_for_that_is_not_its_own(timed):
    others = Preparing(LEAST_BLOCKS)
    found = timed(update=0.05, compiling=5.0, turns=others)
    assert [len(one) for one in others.made] == [1, 0]
    assert found.seconds["compile"] == pytest.approx(5.05)
    assert sum(found.seconds.values()) == pytest.approx(sum(taken for _, taken in found.blocks) - others.waited)


class Importing(Neighbours):
    """Takes the cores until it gives the first turn."""

    engine = None

    def turn(self, *, enough):
        self.engine._update = 1e-3
        return super().turn(enough=enough)


class Disturbing(Neighbours):
    """Slows the case down after it has had enough, block after block."""

    engine = None

    def turn(self, *, enough):
        if len(self.said) > LEAST_BLOCKS:
            self.engine._update *= 1.05
        return super().turn(enough=enough)


def test_a_case_that_had_enough_keeps_nobody_waiting_though_it_is_disturbed_later(timed):
    others = Disturbing(2 * LEAST_BLOCKS)
    found = timed(update=0.05, turns=others)
    assert found.result.settled is False
    assert others.said == [False] * LEAST_BLOCKS + [True] * (LEAST_BLOCKS + 1)


def test_a_block_is_sized_when_nobody_else_computes(timed):
    found = timed(update=0.3, turns=Importing(LEAST_BLOCKS))
    assert found.result.updates_per_block * 1e-3 >= BLOCK_S
    assert found.result.seconds_per_update == pytest.approx([1e-3] * LEAST_BLOCKS)


def test_a_call_that_other_work_held_up_does_not_end_the_growth_of_a_block(timed, monkeypatch):
    train = TimedEngine.trainer

    def held_up(self, work, kernel):
        made = train(self, work, kernel)
        usual = made.train

        def once(starts, **options):
            if len(self.blocks) == 3:
                self._clock.now += 2 * BLOCK_S
            return usual(starts, **options)

        made.train = once
        return made

    monkeypatch.setattr(TimedEngine, "trainer", held_up)
    assert timed(update=1e-3).result.updates_per_block * 1e-3 >= BLOCK_S


def test_a_slow_case_does_not_go_on_for_ever(timed):
    others = Neighbours(1000)
    found = timed(update=1.0, turns=others)
    assert others.left == 1
    assert len(others.said) == pytest.approx(timing.LONGEST_S, abs=2)
    assert len(found.result.seconds_per_update) == pytest.approx(timing.LONGEST_S, abs=2)


def test_costs_are_counted_for_all_layers_and_targets(timed):
    result = timed(update=0.05).result
    assert result.cell_steps_per_update == 8 * 4 * 2
    assert result.targets_per_update == 8 * 4


def test_the_parts_of_the_time_add_up(timed):
    found = timed(update=1e-3, compiling=2.0)
    assert sum(found.seconds.values()) == pytest.approx(sum(taken for _, taken in found.blocks))


def test_halves_that_agree_have_settled():
    assert settled([1.0, 1.0])
    assert settled([1.0, 1.0, 1.09, 1.09])
    assert not settled([1.0, 1.0, 1.11, 1.11])
    assert not settled([1.11, 1.11, 1.0, 1.0])


def test_a_single_sample_has_not_settled():
    assert not settled([])
    assert not settled([1.0])


def test_one_outlier_in_each_half_does_not_unsettle():
    assert settled([1.0, 50.0, 1.0, 1.0, 1.0, 9.0])


samples = st.lists(st.floats(1e-7, 10), min_size=2, max_size=30)


@given(samples, st.integers(-10, 10))
def test_to_have_settled_does_not_depend_on_the_unit(values, power):
    # Powers of two, by which floats are scaled without rounding.
    assert settled(values) == settled([2.0**power * value for value in values])


@given(st.lists(st.floats(1.0, 1.09), min_size=2, max_size=30))
def test_samples_all_within_the_margin_have_settled(values):
    assert settled(values)
