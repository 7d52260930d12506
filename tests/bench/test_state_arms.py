"""Arms that tell what the state carries: h alone, a state of older weights, of another stretch, and noise."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from engine_builders import random_weights, with_feed, work
from small_works import BATCH, STEPS, UPDATES

from bench.case.regimes import regime_of
from bench.engines.tensorflow.layers import LayerTrainer
from bench.engines.tensorflow.replicated import ReplicatedTrainer
from bench.measure import initial_weights
from bench.measure.batching import Schedule

RATE = 2**-7
EVERY = np.full(STEPS, 1 / STEPS)

pytestmark = pytest.mark.usefixtures("keras_float64")


class Plain:
    """An LSTM of Keras in a loop by hand: the state before each update is what `before` says of those so far."""

    def __init__(self, work):
        self.work = work
        self.lstm = keras.layers.LSTM(work.network.units, return_sequences=True, return_state=True)
        self.head = keras.layers.Dense(1)
        self.optimizer = keras.optimizers.Adam(RATE)
        self.zeros = [tf.zeros((BATCH, work.network.units), "float64")] * 2

    def train(self, starts, before):
        x, y = (self.cut(values, starts) for values in (self.work.inputs, self.work.targets))
        self.head(self.lstm(x[0])[0])
        variables = [*self.lstm.trainable_variables, *self.head.trainable_variables]
        for variable, weight in zip(variables, random_weights(self.work.network, 1), strict=True):
            variable.assign(weight)
        losses, states = [], []
        for update in range(len(starts)):
            with tf.GradientTape() as tape:
                outputs, *after = self.lstm(x[update], initial_state=before(update, states))
                errors = tf.reduce_mean((self.head(outputs) - y[update]) ** 2, axis=(0, 2))
                loss = tf.reduce_sum(errors * self.work.feed.step_weights)
            self.optimizer.apply(tape.gradient(loss, variables), variables)
            losses.append(float(loss))
            states.append(after)
        return [np.array(losses), *(variable.numpy() for variable in variables)]

    def errors(self, ends, states):
        """Squared errors at the last step of the windows that end at these rows, and the states there."""
        x = self.cut(self.work.inputs, ends - STEPS + 1)
        outputs, *after = self.lstm(x, initial_state=states)
        return ((self.head(outputs)[:, -1] - self.work.targets[ends]) ** 2).numpy()[:, 0], after

    @staticmethod
    def cut(values, starts):
        return values[starts[..., None] + np.arange(STEPS)]


def ours(trainer, starts):
    trainer.place(0, random_weights(trainer.work.network, 1), RATE, seed=0)
    progress = trainer.train(starts[:2, None], reset=True)
    rest = trainer.train(starts[2:, None], reset=False)
    return [np.concatenate([progress.loss, rest.loss])[:, 0], *trainer.weights(0)]


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def asked(regime, burn_in=0):
    """An LSTM under a regime, and the starts of its first updates."""
    schedule = Schedule(regime, 150, STEPS - burn_in, BATCH, burn_in)
    schedule.check()
    return replace(work("lstm", replicates=1), feed=schedule.feed()), schedule.epoch(3, 0)[:UPDATES]


@pytest.mark.parametrize("make", [ReplicatedTrainer, lambda one: LayerTrainer(one, "loop")], ids=["block", "layers"])
@pytest.mark.parametrize("regime", ["stateful-h-only", "stateful-stale@4"])
def test_an_arm_is_a_loop_by_hand_over_keras_layers(make, regime):
    one, starts = asked(regime, burn_in=STEPS // 2 if "stale" in regime else 0)
    assert len(starts) > regime_of(regime).updates_old
    plain = Plain(one)

    def before(update, states):
        if "stale" in regime:
            return states[update - 4] if update >= 4 else plain.zeros
        return [states[-1][0] if states else plain.zeros[0], plain.zeros[1]]

    expected = plain.train(starts, before)
    assert_same(ours(make(one), starts), expected)
    # The state is what makes the difference.
    assert np.abs(expected[0] - plain.train(starts, lambda *_: plain.zeros)[0]).max() > 1e-4


def test_a_foreign_state_is_that_after_the_window_before_in_training_and_that_of_another_window_in_prediction():
    one, starts = asked("foreign-state")
    positions = one.held_out.positions
    foreign = np.roll(positions, len(positions) // 2)
    one = replace(one, held_out=replace(one.held_out, foreign=foreign))
    plain = Plain(one)
    trainer = ReplicatedTrainer(one)
    expected = plain.train(starts, lambda _, states: states[-1] if states else plain.zeros)
    assert_same(ours(trainer, starts), expected)
    zeros = [tf.zeros((len(positions), one.network.units), "float64")] * 2
    _, states = plain.errors(foreign, zeros)
    errors, _ = plain.errors(positions, states)
    found = trainer.train(starts[:0, None], reset=False, evaluate="sliding").errors[0]
    np.testing.assert_allclose(found, errors, rtol=1e-9)
    assert np.abs(found - plain.errors(positions, zeros)[0]).max() > 1e-6


def test_the_foreign_state_of_the_same_stretch_is_carried_state():
    one, _ = asked("foreign-state")
    _, starts = asked("stateful")
    found = ours(ReplicatedTrainer(one), starts)
    expected = ours(ReplicatedTrainer(replace(one, feed=Schedule("stateful", 150, STEPS, BATCH).feed())), starts)
    for ours_, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours_, theirs)


def test_a_foreign_stretch_in_training_is_hardly_ever_the_one_before():
    starts = Schedule("foreign-state", 4000, 5, 4).epoch(0, 0)
    assert np.mean(np.diff(starts, axis=0) == 5) < 0.05


def carried(trainer, starts, *, hidden_only, carries=True):
    with_feed(trainer, EVERY, carried=carries, hidden_only=hidden_only)
    found = ours(trainer, starts)
    return [*found, trainer.train(starts[:0, None], reset=False, evaluate="carried").errors]


@pytest.mark.parametrize("cell", ["gru", "simple_rnn"])
def test_h_alone_is_all_of_a_cell_that_has_no_c_bit_for_bit(cell):
    trainer, starts = ReplicatedTrainer(work(cell, replicates=1)), asked("stateful")[1]
    both = (carried(trainer, starts, hidden_only=hidden) for hidden in (True, False))
    for h_only, stateful in zip(*both, strict=True):
        np.testing.assert_array_equal(h_only, stateful)


def test_h_alone_of_an_lstm_is_neither_carried_state_nor_none():
    trainer, starts = ReplicatedTrainer(work("lstm", replicates=1)), asked("stateful")[1]
    h_only, stateful = (carried(trainer, starts, hidden_only=hidden) for hidden in (True, False))
    stateless = carried(trainer, starts, hidden_only=False, carries=False)
    for loss in (stateful[0], stateless[0]):
        assert np.abs(h_only[0][1:] - loss[1:]).min() > 1e-6
    # Predicting goes window by window as training does: the first is the same, whatever c was.
    trainer.place(0, random_weights(trainer.work.network, 1), RATE, seed=0)
    with_feed(trainer, EVERY, carried=True, hidden_only=True)
    found = trainer.train(starts[:0, None], reset=True, evaluate="carried").errors[0]
    np.testing.assert_allclose(found, by_windows(trainer.work), rtol=1e-9)


def by_windows(one):
    """Errors along the held-out series by Keras, h carried from window to window."""
    plain = Plain(one)
    plain.train(np.zeros((1, BATCH), int), lambda *_: plain.zeros)
    for variable, weight in zip(
        [*plain.lstm.weights, *plain.head.weights], random_weights(one.network, 1), strict=True
    ):
        variable.assign(weight)
    h = np.zeros((1, one.network.units))
    errors = {}
    for first in range(one.held_out.start, int(one.held_out.positions.max()) + 1, STEPS):
        rows = first + np.arange(STEPS)
        outputs, h, _ = plain.lstm(one.inputs[rows][None], initial_state=[h, np.zeros_like(h)])
        errors |= dict(zip(rows, ((plain.head(outputs)[0] - one.targets[rows]) ** 2).numpy()[:, 0], strict=True))
    return [errors[row] for row in one.held_out.positions]


def test_noise_is_the_same_in_every_process_within_the_range_of_h_and_another_for_every_row_and_layer():
    network = work("lstm", layer_count=2).network
    (h, c), (h2, _) = initial_weights.noise_states(500, network)
    np.testing.assert_array_equal(h, initial_weights.noise_states(500, network)[0][0])
    assert h.shape == (500, network.units)
    assert np.abs(h).max() < 1
    assert len(np.unique(np.concatenate([h, c, h2]))) == 3 * h.size
