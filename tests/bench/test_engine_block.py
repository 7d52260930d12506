"""What a block of replicates must guarantee: independence, no recompilation, evaluation that leaves no trace."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from engine_builders import BATCH, STEPS, UPDATES, random_weights, train, with_feed, work
from scipy import stats

from bench.engines.base import Network
from bench.engines.tensorflow import layers
from bench.engines.tensorflow.cells import keep_mask
from bench.engines.tensorflow.replicated import ReplicatedTrainer
from bench.measure.batching import Schedule
from bench.measure.initial_weights import initial_weights

pytestmark = pytest.mark.usefixtures("keras_float64")


def starts(seeds, epochs=2):
    plan = Schedule("stateful", 150, STEPS, BATCH)
    return np.stack([np.stack([plan.epoch(s, e)[:UPDATES] for s in seeds], axis=1) for e in range(epochs)])


def block(slots, dtype="float32", dropout=0.0):
    return ReplicatedTrainer(work("lstm", 1, replicates=slots, dtype=dtype, dropout=dropout))


def trained(seeds, trainer, rate=0.01):
    """Losses and weights by seed, of a block whose slots hold these seeds in this order."""
    order = [*seeds, *([0] * (trainer.work.layout.replicates - len(seeds)))]
    for slot, seed in enumerate(seeds):
        trainer.place(slot, initial_weights(trainer.work.network, seed), rate * (1 + seed % 3), seed)
    losses = train(trainer, starts(order))
    return {seed: (losses[:, :, slot], trainer.weights(slot)) for slot, seed in enumerate(seeds)}


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_replicate_does_not_depend_bit_for_bit_on_who_shares_its_block(dropout):
    trainer = block(4, dropout=dropout)
    alone = trained([5], trainer)[5]
    for neighbours in ([5, 1, 2, 3], [3, 2, 1, 5]):
        losses, weights = trained(neighbours, trainer)[5]
        np.testing.assert_array_equal(losses, alone[0])
        for found, expected in zip(weights, alone[1], strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_models_go_on_bit_for_bit_where_they_come_back_in_other_slots(dropout):
    seeds = [5, 1, 2]
    trainer = block(3, dropout=dropout)
    whole = trained(seeds, trainer)
    for slot, seed in enumerate(seeds):
        trainer.place(slot, initial_weights(trainer.work.network, seed), 0.01 * (1 + seed % 3), seed)
    epoch = starts(seeds)
    trainer.train(epoch[0], reset=True)
    trainer.train(epoch[1, :3], reset=True)
    models = trainer.models
    trainer.place(0, random_weights(trainer.work.network, 9), 0.5, 9)
    trainer.train(epoch[0], reset=True)
    trainer.models = [np.asarray(array)[[2, 1, 0]] for array in models]
    losses = trainer.train(epoch[1, 3:, [2, 1, 0]].transpose(1, 0, 2), reset=False).loss
    for slot, seed in enumerate(reversed(seeds)):
        np.testing.assert_array_equal(losses[:, slot], whole[seed][0][1, 3:])
        for found, expected in zip(trainer.weights(slot), whole[seed][1], strict=True):
            np.testing.assert_array_equal(found, expected)


def test_a_block_of_another_size_agrees_to_rounding():
    """Another size is another program: XLA may order a sum differently, which float64 shows in its last digits."""
    alone = trained([5], block(1, dtype="float64"))[5]
    losses, _ = trained([1, 2, 5], block(3, dtype="float64"))[5]
    np.testing.assert_allclose(losses, alone[0], rtol=1e-12)


def test_a_neighbour_that_diverges_spoils_nothing():
    trainer = block(2)
    clean = trained([5, 1], trainer)[5]
    trainer.place(0, initial_weights(trainer.work.network, 5), 0.01 * (1 + 5 % 3), 5)
    trainer.place(1, [np.full(shape, np.nan) for shape in trainer.work.network.weight_shapes], 0.01, 1)
    losses = train(trainer, starts([5, 1]))
    assert np.isnan(losses[:, :, 1]).all()
    np.testing.assert_array_equal(losses[:, :, 0], clean[0])


def test_rates_seeds_regimes_lengths_and_ways_of_predicting_compile_nothing_again():
    trainer = ReplicatedTrainer(work("gru", 1))
    epoch = starts([1, 2], epochs=1)[0]
    for slot, rate, seed in ((0, 0.1, 1), (1, 0.01, 2), (0, 0.5, 3)):
        trainer.place(slot, random_weights(trainer.work.network, seed), rate, seed)
    trainer.train(epoch, reset=True, evaluate="sliding")
    trainer.train(epoch[:3], reset=False, evaluate="carried")
    with_feed(trainer, np.eye(STEPS)[-1], carried=False)
    trainer.train(epoch[:0], reset=False, evaluate="positions")
    assert trainer._compiled.experimental_get_tracing_count() == 1


def test_evaluation_leaves_weights_and_training_state_alone():
    def run(ways):
        trainer = ReplicatedTrainer(work("lstm", 2))
        for slot in range(2):
            trainer.place(slot, random_weights(trainer.work.network, slot), 0.01, slot)
        for i, way in enumerate(ways):
            trainer.train(starts([1, 2], epochs=1)[0][i : i + 1], reset=i == 0, evaluate=way)
        return trainer.weights(0) + trainer.weights(1)

    for found, expected in zip(run(["sliding", "carried", "positions"]), run([None] * 3), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_every_way_of_predicting_equals_keras_predict(cell):
    trainer = ReplicatedTrainer(work(cell, 2, replicates=1))
    weights = random_weights(trainer.work.network, 3)
    trainer.place(0, weights, 0.01, 0)
    nothing = starts([1], epochs=1)[0][:0]
    found = {
        way: trainer.train(nothing, reset=True, evaluate=way).errors[0] for way in ("sliding", "carried", "positions")
    }
    inputs, targets, held_out = trainer.work.inputs, trainer.work.targets, trainer.work.held_out
    rows = held_out.positions[:, None] + np.arange(-STEPS + 1, 1)

    windowed = layers.build(trainer.work.network, len(rows), STEPS, stateful=False, kernel="loop")
    windowed.set_weights(weights)
    errors = (windowed.predict(inputs[rows], batch_size=len(rows), verbose=0) - targets[rows])[..., 0] ** 2
    np.testing.assert_allclose(found["sliding"], errors[:, -1], rtol=1e-9)
    np.testing.assert_allclose(found["positions"], errors.mean(axis=1), rtol=1e-9)

    streamed = layers.build(trainer.work.network, 1, 1, stateful=True, kernel="loop")
    streamed.set_weights(weights)
    stream = np.arange(held_out.start, held_out.positions.max() + 1)
    predicted = streamed.predict(inputs[stream][:, None], batch_size=1, verbose=0)[:, 0, 0]
    expected = (predicted - targets[stream, 0])[held_out.positions - held_out.start] ** 2
    np.testing.assert_allclose(found["carried"], expected, rtol=1e-9)


class TestDropout:
    def test_masks_have_keras_mean_and_the_rate_asked_for(self):
        mask = keep_mask(tf.constant([1, 2**31, 77], tf.uint32), (20, 3, 32, 32), 0.3, "float64").numpy()
        assert set(np.unique(mask)) == {0.0, 1 / 0.7}
        dropped = (mask == 0).mean(axis=(0, 2, 3))
        # Five standard errors of a binomial share of 20 480 draws.
        assert np.abs(dropped - 0.3).max() < 5 * np.sqrt(0.3 * 0.7 / 20480)

    def test_masks_of_replicates_steps_and_rows_are_independent(self):
        keys = tf.constant(np.arange(8), tf.uint32)
        dropped = keep_mask(keys, (16, 8, 16, 16), 0.5, "float64").numpy() == 0
        for axis in range(4):
            flat = np.moveaxis(dropped, axis, 0).reshape(dropped.shape[axis], -1).astype(float)
            correlations = np.corrcoef(flat)[np.triu_indices(len(flat), 1)]
            assert np.abs(correlations).max() < 5 / np.sqrt(flat.shape[1])

    def test_no_mask_repeats_from_update_to_update(self):
        trainer = ReplicatedTrainer(work("lstm", 1, replicates=1, dropout=0.5))
        trainer.place(0, random_weights(trainer.work.network, 1), 1e-12, 0)
        same = np.repeat(starts([1], epochs=1)[0][:1], UPDATES, axis=0)
        losses = trainer.train(same, reset=True).loss[:, 0]
        assert len(np.unique(losses)) == UPDATES

    def test_training_losses_have_the_same_distribution_as_keras(self):
        draws = 400
        trainer = ReplicatedTrainer(work("lstm", 2, replicates=draws, dropout=0.4, carried=False))
        weights = random_weights(trainer.work.network, 1)
        for slot in range(draws):
            trainer.place(slot, weights, 0.0, seed=slot)
        rows = starts([1], epochs=1)[0][:1]
        found = trainer.train(np.repeat(rows, draws, axis=1), reset=True).loss[0]

        model = layers.build(trainer.work.network, BATCH, STEPS, stateful=False, kernel="loop")
        model.set_weights(weights)
        windows = rows[0, 0][:, None] + np.arange(STEPS)
        inputs, targets = trainer.work.inputs[windows], trainer.work.targets[windows]
        call = tf.function(lambda: tf.reduce_mean((model(inputs, training=True) - targets) ** 2), autograph=False)
        expected = [float(call()) for _ in range(draws)]
        assert np.std(expected) > 0
        assert stats.ks_2samp(found, expected).pvalue > 1e-3


def test_initial_weights_are_distributed_as_keras_draws_them():
    network = Network("lstm", 1, 64, 48, 1, dtype="float64")
    layer = keras.layers.LSTM(64, dtype="float64")
    layer.build((1, 1, 48))
    kernel, recurrent, bias, _, _ = initial_weights(network, seed=4)
    expected = [np.array(w) for w in layer.get_weights()]
    assert stats.ks_2samp(kernel.ravel(), expected[0].ravel()).pvalue > 1e-3
    assert np.abs(kernel).max() <= np.sqrt(6 / (48 + 256))
    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(64), atol=1e-12)
    np.testing.assert_allclose(expected[1] @ expected[1].T, np.eye(64), atol=1e-5)
    np.testing.assert_array_equal(bias, expected[2])
