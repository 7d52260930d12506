"""Series of several sequences: no window crosses a boundary, no state either, and what is trained equals Keras."""

from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from engine_builders import RATES, difference, random_weights
from small_works import BATCH, ROWS, work_of_sequences, work_with_missing_targets
from small_works import BOUNDARIES as STARTS
from small_works import STEPS as WINDOW

from bench.case.cases import Case
from bench.engines.tensorflow import layers
from bench.engines.tensorflow.layers import LayerTrainer
from bench.engines.tensorflow.replicated import ReplicatedTrainer
from bench.errors import PlanError
from bench.measure import workload
from bench.measure.batching import SequenceSchedule, check_continuation
from tasks.task import Series, SeriesError

pytestmark = pytest.mark.usefixtures("keras_float64")


def schedule(regime, window=WINDOW, batch=BATCH, burn_in=0, starts=STARTS, rows=ROWS):
    return SequenceSchedule(regime, rows, window, batch, burn_in, starts=starts)


def end_of(row):
    return min(one for one in (*STARTS[1:], ROWS) if one > row)


@pytest.mark.parametrize("regime", ["stateless", "stateless-ordered", "stateless-sliding", "stateful"])
def test_windows_begin_with_their_sequences_and_every_row_takes_part(regime):
    plan = schedule(regime, batch=1)
    seen = set()
    for epoch in range(3):
        starts = plan.epoch(0, epoch)
        assert starts.shape == (plan.updates_per_epoch, 1)
        for start in starts.ravel():
            if regime != "stateless-sliding":
                assert (start - max(one for one in STARTS if one <= start)) % WINDOW == 0
            seen |= set(range(start, min(start + WINDOW, end_of(start))))
    short = set(range(13, 15)) if regime == "stateless-sliding" else set()  # its windows are whole
    assert seen == set(range(ROWS)) - short


def test_in_a_stream_a_window_continues_the_one_before_or_begins_a_sequence():
    plan = schedule("stateful")
    begins = plan.sequences(np.array(STARTS), ROWS).begins
    orders = set()
    for epoch in range(4):
        starts = plan.epoch(1, epoch)
        check_continuation(starts, WINDOW, begins)
        orders.add(starts.tobytes())
        assert len(np.unique(starts)) == starts.size
    assert len(orders) == 4
    with pytest.raises(ValueError, match="must start 4 rows"):
        check_continuation(starts, WINDOW, np.zeros(ROWS, bool))


@pytest.mark.parametrize("batch", [1, 2, 3, 8, 12])
def test_little_is_lost_in_streams_and_the_rest_is_as_it_was(batch):
    rng = np.random.default_rng(0)
    lengths = rng.integers(20, 200, 20)
    starts = tuple(int(one) for one in np.append(0, np.cumsum(lengths)[:-1]))
    plan = schedule("stateful", batch=batch, starts=starts, rows=int(lengths.sum()))
    assert 0 <= plan.lost <= 0.1
    pieces = sorted(piece for stream in plan.streams for piece in stream)
    covered = np.concatenate([first + WINDOW * np.arange(windows) for first, windows in pieces])
    np.testing.assert_array_equal(np.sort(covered), np.sort(plan._windows))


def test_few_long_sequences_are_cut_to_fill_the_streams():
    plan = schedule("stateful", batch=8, starts=(0, 400), rows=800)
    assert all(stream for stream in plan.streams)
    assert plan.lost <= 0.05
    begins = plan.sequences(np.array([0, 400]), 1000).begins
    assert begins.sum() == sum(map(len, plan.streams))
    assert schedule("stateless", starts=(0, 400), rows=800).sequences(np.array([0, 400]), 1000).begins.sum() == 2


def test_a_burn_in_stays_within_its_sequence():
    plan = schedule("stateless-burnin", burn_in=4, batch=1)
    for start in plan.epoch(0, 0).ravel():
        assert start + 4 < end_of(start)


def test_what_sequences_are_not_defined_for_is_refused():
    with pytest.raises(PlanError, match="'stateful-overlapping' is not defined for a series of several sequences"):
        schedule("stateful-overlapping").check()
    with pytest.raises(PlanError, match="batch size 90 leaves no whole batch: the 8 sequences hold 28 windows of 4"):
        schedule("stateless", batch=90).check()


@pytest.mark.parametrize(
    ("starts", "message"),
    [
        ((1, 6), "must begin with 0"),
        ((0, 6, 6), "rise"),
        ((0, 6, 12), "before row 10"),
        ((0, 5), "train_rows=6 is no start"),
    ],
)
def test_boundaries_of_a_series_are_checked(starts, message):
    with pytest.raises(SeriesError, match=message):
        Series(np.zeros((10, 1)), np.zeros((10, 1)), 6, 1, starts)


def test_each_held_out_sequence_has_its_warm_up():
    series = Series(np.zeros((12, 1)), np.zeros((12, 1)), 4, 2, (0, 2, 4, 9))
    assert series.scored.tolist() == [6, 7, 8, 11]
    assert series.place.tolist() == [0, 1, 0, 1, 0, 1, 2, 3, 4, 0, 1, 2]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"starts": (0, 6)}, "is a series of several sequences"),
        ({"counted": np.arange(10) != 3}, "has rows without a target"),
    ],
)
def test_keras_own_fit_refuses_what_it_cannot_do_row_by_row(options, why):
    case = Case(
        kind="time", task="none", dial=None, cell="lstm", regime="stateful", layers=1, units=2, window=4, batch_size=2,
        kernel="fit",
    )  # fmt: skip
    with pytest.raises(PlanError, match=f"{why}, which kernel fit cannot train"):
        workload._schedule(case, Series(np.zeros((10, 1)), np.zeros((10, 1)), 6, 1, **options), 0)


def test_each_draw_has_its_own_boundaries_and_missing_targets():
    missing = (3, 8)
    every = [
        Series(np.zeros((10, 1)), np.zeros((10, 1)), 6, 1, (0, 2, 6), counted=np.arange(10) != row) for row in missing
    ]
    plan = SequenceSchedule("stateless", 6, 2, 1, 0, starts=(0, 2))
    draws = tuple(SimpleNamespace(series=lambda one=one: one) for one in every)
    found = workload.Workload(None, None, draws, plan, None, None).sequences
    assert np.flatnonzero(found.begins).tolist() == [0, 2, 6, 10, 12, 16]
    assert (found.first[[9, 11, 19]].tolist(), found.end[[9, 11, 19]].tolist()) == ([6, 10, 16], [10, 12, 20])
    assert np.flatnonzero(~found.counted).tolist() == [3, 18]


class ByHand:
    """Keras' own layers and optimiser, `layer.states` set row by row before each batch."""

    def __init__(self, made, *, stateful):
        self.work = made
        self.model = layers.build(made.network, BATCH, WINDOW, stateful=stateful, kernel="loop")
        self.model.compile(optimizer=keras.optimizers.Adam(), loss="mse", jit_compile=False)

    def fit(self, starts, weights, rate):
        made = self.work
        self.model.set_weights(weights)
        for variable in self.model.optimizer.variables:
            variable.assign(np.zeros(variable.shape))
        self.model.optimizer.learning_rate.assign(rate)
        losses, recurrent = [], [one for one in self.model.layers if getattr(one, "stateful", False)]
        for layer in recurrent:
            layer.reset_state()
        for batch in starts:
            fresh = np.isin(batch, np.flatnonzero(made.sequences.begins))
            for layer in recurrent:
                for state in layer.states:
                    state.assign(np.where(fresh[:, None], 0, np.asarray(state)))
            rows = batch[:, None] + np.arange(WINDOW)
            valid = np.array(
                [[row < end_of(start) for row in window] for start, window in zip(batch, rows, strict=True)]
            )
            # Keras divides by the number of all steps.
            weighing = valid * (valid.size / valid.sum())
            losses.append(self.model.train_on_batch(made.inputs[rows], made.targets[rows], sample_weight=weighing))
        return np.array(losses), self.model.get_weights()


@pytest.mark.parametrize(
    ("cell", "layer_count", "regime"), [("lstm", 2, "stateful"), ("gru", 1, "stateful"), ("simple_rnn", 1, "stateless")]
)
def test_training_on_sequences_equals_keras_with_states_set_row_by_row(cell, layer_count, regime):
    made, plan = work_of_sequences(cell, layer_count, regime, max_updates=20)
    trainer = ReplicatedTrainer(made)
    by_hand = ByHand(made, stateful=regime == "stateful")
    alone, _ = work_of_sequences(cell, layer_count, regime, max_updates=20, replicates=1)
    keras_layers = LayerTrainer(alone, "loop")
    starts = np.stack([plan.epoch(seed, 0) for seed in (0, 1)], axis=1)
    initial = [random_weights(made.network, seed) for seed in (1, 2)]
    for slot, rate in enumerate(RATES):
        trainer.place(slot, initial[slot], rate, seed=slot)
    # In two calls, as a run has it: the state passes from one to the other.
    losses = np.concatenate([trainer.train(starts[:5], reset=True).loss, trainer.train(starts[5:], reset=False).loss])
    for slot, rate in enumerate(RATES):
        expected, weights = by_hand.fit(starts[:, slot], initial[slot], rate)
        assert difference([losses[:, slot]], [expected]) < 1e-6  # Keras reports its losses in float32
        assert difference(trainer.weights(slot), weights) < 1e-9
        keras_layers.place(0, initial[slot], rate, seed=0)
        loss = keras_layers.train(starts[:, slot : slot + 1], reset=True).loss[:, 0]
        assert difference([losses[:, slot]], [loss]) < 1e-9
        assert difference(trainer.weights(slot), keras_layers.weights(0)) < 1e-9
    trainer.train(np.stack([plan.epoch(seed, 1) for seed in (0, 1)], axis=1), reset=True, evaluate="carried")
    assert trainer._compiled.experimental_get_tracing_count() == 1


STREAMS = (WINDOW * np.arange(5)[:, None, None] + np.array([[0, 60], [0, 71]])).astype(np.int32)
"""Two streams of each of two replicates; the first batch of the first has no target at all."""


def trained(made, starts):
    trainer = ReplicatedTrainer(made)
    for slot, rate in enumerate(RATES):
        trainer.place(slot, random_weights(made.network, slot), rate, seed=slot)
    found = [trainer.train(starts, reset=True).loss]
    found += [
        trainer.train(starts[:0], reset=False, evaluate=way).errors for way in ("carried", "sliding", "positions")
    ]
    return trainer, [*found, *trainer.weights(0), *trainer.weights(1)]


def test_what_stands_where_a_target_is_missing_changes_nothing_bit_for_bit():
    made = work_with_missing_targets(carried=True)
    _, found = trained(made, STREAMS)
    targets = np.where(made.sequences.counted[:, None], made.targets, 1e6)
    _, other = trained(replace(made, targets=targets), STREAMS)
    for one, same in zip(found, other, strict=True):
        np.testing.assert_array_equal(one, same)
    _, seen = trained(replace(made, targets=made.targets + 1.0), STREAMS)
    assert difference(seen, found) > 1e-3


@pytest.mark.parametrize("carried", [False, True])
def test_training_without_some_targets_is_keras_with_sample_weights(carried):
    made = work_with_missing_targets(carried=carried)
    trainer, (losses, *_) = trained(made, STREAMS)
    assert losses[0, 0] == 0
    model = layers.build(made.network, BATCH, WINDOW, stateful=carried, kernel="loop")
    model.compile(optimizer=keras.optimizers.Adam(RATES[1]), loss="mse", jit_compile=False)
    model.set_weights(random_weights(made.network, 1))
    for batch, loss in zip(STREAMS[:, 1], losses[:, 1], strict=True):
        rows = batch[:, None] + np.arange(WINDOW)
        weighing = made.sequences.counted[rows].astype(float)
        weighing *= weighing.size / weighing.sum()
        expected = model.train_on_batch(made.inputs[rows], made.targets[rows], sample_weight=weighing)
        assert loss == pytest.approx(expected, rel=1e-6)  # Keras reports its losses in float32
    assert difference(trainer.weights(1), model.get_weights()) < 1e-9
    by_layers = LayerTrainer(replace(made, layout=replace(made.layout, replicates=1)), "loop")
    by_layers.place(0, random_weights(made.network, 1), RATES[1], seed=0)
    by_layers.train(STREAMS[:, 1:], reset=True)
    assert difference(trainer.weights(1), by_layers.weights(0)) < 1e-9


def test_held_out_sequences_are_scored_one_by_one():
    made, _ = work_of_sequences("lstm", 1, "stateful", max_updates=20)
    trainer = ReplicatedTrainer(made)
    weights = random_weights(made.network, 3)
    for slot in (0, 1):
        trainer.place(slot, weights, 0.0, seed=slot)
    found = {
        way: trainer.train(np.zeros((0, 2, BATCH), int), reset=True, evaluate=way).errors[0]
        for way in ("carried", "sliding", "positions")
    }
    model = layers.build(made.network, 1, None, stateful=False, kernel="loop")
    model.set_weights(weights)

    def errors(first, last):
        rows = slice(first, last + 1)
        predicted = np.asarray(model(tf.constant(made.inputs[None, rows])))[0]
        return ((predicted - made.targets[rows]) ** 2).mean(axis=1)

    for number, position in enumerate(made.held_out.positions):
        begin = made.sequences.first[position]
        whole = errors(begin, position)[-1]
        window = errors(max(begin, position - WINDOW + 1), position)
        expected = {"carried": whole, "sliding": window[-1], "positions": window.mean()}
        assert {way: error[number] for way, error in found.items()} == pytest.approx(expected)
