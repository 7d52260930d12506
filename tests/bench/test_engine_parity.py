"""The replicated trainer is Keras: the same losses and weights as real layers trained by `fit`."""

from dataclasses import replace
from functools import cache

import keras
import numpy as np
import pytest
from engine_builders import (
    BATCH,
    EPOCHS,
    RATES,
    STEPS,
    UPDATES,
    Reference,
    difference,
    random_weights,
    train,
    with_feed,
    work,
)

from bench.case.regimes import REGIMES, regime_of
from bench.engines.tensorflow import cells, recurrence
from bench.engines.tensorflow.replicated import ReplicatedTrainer
from bench.measure.batching import Schedule

CELLS = ("lstm", "gru", "gru_reset_before", "simple_rnn")
TIGHT = 1e-9
LAST_STEP = np.eye(STEPS)[-1]


DEPTHS = [(cell, layers) for layers in (1, 2, 3) for cell in CELLS]
USUAL = {*((cell, 2) for cell in CELLS), ("lstm", 1)}
"""Every cell, as first layer and above one."""

pytestmark = pytest.mark.usefixtures("keras_float64")


@pytest.fixture(
    scope="module",
    params=[pytest.param(one, marks=() if one in USUAL else pytest.mark.soak, id=str(one)) for one in DEPTHS],
)
def pair(request):
    """One compiled trainer and Keras models, stateless and stateful, for each cell and depth."""
    return compiled(*request.param)


@cache
def compiled(cell, layers):
    keras.config.set_floatx("float64")
    trainer = ReplicatedTrainer(work(cell, layers))
    return trainer, {stateful: Reference(trainer.work, stateful=stateful) for stateful in (False, True)}


def schedule(regime):
    """A regime whose processed windows are STEPS long, burn-in included."""
    window, burn_in = (STEPS // 2, STEPS // 2) if regime_of(regime).burn_in else (STEPS, 0)
    return Schedule(regime, 150, window, BATCH, burn_in)


def starts_of(regime, seeds):
    """Starts of a few epochs, each replicate with its own order, (epochs, updates, replicates, batch)."""
    plan = schedule(regime)
    return np.stack(
        [np.stack([plan.epoch(seed, epoch)[:UPDATES] for seed in seeds], axis=1) for epoch in range(EPOCHS)]
    )


def gap(pair, starts, step_weights, *, carried, place=None, reset=True):
    """Largest relative difference of losses and weights between the block and Keras, over both replicates."""
    trainer, references = pair
    with_feed(trainer, step_weights, carried=carried)
    initial = [random_weights(trainer.work.network, seed) for seed in (1, 2)]
    for slot, rate in enumerate(RATES):
        trainer.place(slot, (place or (lambda w: w))(initial[slot]), rate, seed=slot)
    losses = train(trainer, starts, reset=reset)
    worst = 0.0
    for slot, rate in enumerate(RATES):
        expected, weights = references[carried].fit(starts[:, :, slot], initial[slot], rate, step_weights)
        worst = max(worst, difference([losses[:, :, slot].mean(axis=1)], [expected]))
        worst = max(worst, difference(trainer.weights(slot), weights))
    return worst


# What `fit` cannot do is in test_state_arms.py and test_injected.py.
@pytest.mark.parametrize("regime", [name for name, one in REGIMES.items() if not one.sets_state])
def test_every_regime_equals_keras_fit(pair, regime):
    starts = starts_of(regime, seeds=(5, 6))
    assert gap(pair, starts, schedule(regime).feed().step_weights, carried=regime_of(regime).carried) < TIGHT


@pytest.mark.parametrize("carried", [False, True])
def test_a_loss_at_the_last_step_alone_equals_keras_fit(pair, carried):
    starts = starts_of("stateful" if carried else "stateless", seeds=(7, 8))
    assert gap(pair, starts, LAST_STEP, carried=carried) < TIGHT


@pytest.fixture(scope="module")
def labelled():
    """The same for labels, beside a softmax and Keras' categorical cross-entropy."""
    keras.config.set_floatx("float64")
    trainer = ReplicatedTrainer(work("gru", labels=3))
    return trainer, {stateful: Reference(trainer.work, stateful=stateful) for stateful in (False, True)}


@pytest.mark.parametrize("regime", ["stateless", "stateless-sliding", "stateful"])
def test_labels_are_learnt_as_by_keras_fit(labelled, regime):
    starts = starts_of(regime, seeds=(5, 6))
    assert gap(labelled, starts, schedule(regime).feed().step_weights, carried=REGIMES[regime].carried) < TIGHT


@pytest.mark.parametrize("way", ["sliding", "positions", "carried"])
def test_labels_are_judged_by_cross_entropy_and_by_the_most_probable_one(labelled, way):
    trainer, references = labelled
    made, model = trainer.work, references[False].model
    initial = random_weights(made.network, 3)
    for slot in (0, 1):
        trainer.place(slot, initial, 0.0, seed=0)
    found = trainer.train(np.zeros((0, 2, BATCH), int), reset=True, evaluate=way)
    stepper = keras.Sequential([keras.Input((None, 1)), *model.layers])
    stepper.set_weights(initial)
    for position, error, hit in zip(made.held_out.positions, found.errors[0], found.hits[0], strict=True):
        first = made.held_out.start if way == "carried" else position - STEPS + 1
        rows = slice(first, position + 1)
        probabilities = np.asarray(stepper(made.inputs[None, rows]))[0]
        errors = -np.log((probabilities * made.targets[rows]).sum(axis=1))
        hits = probabilities.argmax(axis=1) == made.targets[rows].argmax(axis=1)
        if way != "positions":
            errors, hits = errors[-1:], hits[-1:]
        assert error == pytest.approx(errors.mean())
        assert hit == pytest.approx(hits.mean())
    assert 0 < found.hits.mean() < 1


def test_last_step_loss_is_what_return_sequences_false_trains():
    trainer = with_feed(ReplicatedTrainer(work("lstm", 1, replicates=1)), LAST_STEP, carried=False)
    initial = random_weights(trainer.work.network, 1)
    trainer.place(0, initial, RATES[0], seed=0)
    starts = starts_of("stateless", seeds=(3,))
    losses = train(trainer, starts)
    model = keras.Sequential([keras.Input((STEPS, 1)), keras.layers.LSTM(3), keras.layers.Dense(1)])
    model.set_weights(initial)
    model.compile(optimizer=keras.optimizers.Adam(RATES[0]), loss="mse")
    for epoch, found in zip(starts[:, :, 0], losses, strict=True):
        rows = epoch.reshape(-1)[:, None] + np.arange(STEPS)
        history = model.fit(
            trainer.work.inputs[rows],
            trainer.work.targets[rows][:, -1],
            batch_size=BATCH,
            shuffle=False,
            verbose=0,
        )
        assert history.history["loss"][0] == pytest.approx(found.mean(), rel=TIGHT)
    assert difference(trainer.weights(0), model.get_weights()) < TIGHT


@pytest.fixture(scope="module")
def lstm():
    return compiled("lstm", 1)


class TestDeliberateMistakesAreCaught:
    """The comparison above fails by far once anything is wrong."""

    LOUD = 1e-5

    @pytest.fixture
    def starts(self):
        return starts_of("stateful", seeds=(5, 6))

    @pytest.fixture
    def feed(self):
        return schedule("stateful").feed().step_weights

    def test_none_made(self, lstm, starts, feed):
        assert gap(lstm, starts, feed, carried=True) < TIGHT

    def test_state_not_reset_between_epochs(self, lstm, starts, feed):
        assert gap(lstm, starts, feed, carried=True, reset=False) > self.LOUD

    def test_state_from_the_wrong_row(self, lstm, starts, feed):
        trainer, references = lstm

        class RowsRolled:
            def __init__(self):
                self.work = trainer.work

            def __getattr__(self, name):
                return getattr(trainer, name)

            def train(self, part, *, reset):
                # One update a call, with the carried rows exchanged in between.
                found = []
                for i in range(len(part)):
                    found.append(trainer.train(part[i : i + 1], reset=reset and i == 0).loss[0])
                    rows, *others = trainer.models
                    rows = np.array(rows)
                    states = rows[:, trainer._first_state :].reshape(len(rows), -1, BATCH, trainer.work.network.units)
                    rows[:, trainer._first_state :] = np.roll(states, 1, axis=2).reshape(len(rows), -1)
                    trainer.models = [rows, *others]
                return replace(trainer.train(part[:0], reset=False), loss=np.array(found))

        with_feed(trainer, feed, carried=True)
        initial = random_weights(trainer.work.network, 1)
        trainer.place(0, initial, RATES[0], seed=0)
        losses = train(RowsRolled(), starts)[:, :, 0].mean(axis=1)
        expected, _ = references[True].fit(starts[:, :, 0], initial, RATES[0], feed)
        assert difference([losses], [expected]) > self.LOUD

    def test_state_never_carried(self, lstm, starts, feed):
        trainer, references = lstm
        assert gap((trainer, {False: references[True]}), starts, feed, carried=False) > self.LOUD

    def test_gate_order_swapped(self, lstm, starts, feed):
        def swapped(weights):
            kernel, recurrent, bias, *head = weights
            order = np.r_[0:3, 6:9, 3:6, 9:12]  # the forget gate and the candidate change places
            return [kernel[:, order], recurrent[:, order], bias[order], *head]

        assert gap(lstm, starts, feed, carried=True, place=swapped) > self.LOUD

    def test_gradient_of_a_squashing_function_wrong(self, starts, feed, monkeypatch):
        def tanh_for_all(_scales, like):
            return recurrence.tf.ones(like.shape[-1], like.dtype)

        trainer = ReplicatedTrainer(work("lstm", 1))
        right = recurrence._columns

        class WrongReplay(recurrence.Replay):
            def squash(self, z, scales, **options):
                monkeypatch.setattr(recurrence, "_columns", tanh_for_all)
                result = super().squash(z, scales, **options)
                monkeypatch.setattr(recurrence, "_columns", right)
                return result

        monkeypatch.setattr(recurrence, "Replay", WrongReplay)
        references = {True: Reference(trainer.work, stateful=True)}
        assert gap((trainer, references), starts, feed, carried=True) > self.LOUD


@pytest.mark.parametrize("cell", ["lstm", pytest.param("gru", marks=pytest.mark.soak)])
def test_float32_stays_within_1e_4_over_fifty_updates(cell):
    keras.config.set_floatx("float32")
    trainer = ReplicatedTrainer(work(cell, 1, replicates=1, dtype="float32", max_updates=17))
    reference = Reference(trainer.work, stateful=True)
    initial = random_weights(trainer.work.network, 1)
    trainer.place(0, initial, RATES[0], seed=0)
    plan = Schedule("stateful", 150, STEPS, BATCH)
    starts = np.stack([plan.epoch(1, epoch)[:17, None] for epoch in range(3)])
    feed = trainer.work.feed.step_weights
    losses = train(trainer, starts)[:, :, 0].mean(axis=1)
    expected, weights = reference.fit(starts[:, :, 0], initial, RATES[0], feed)
    assert difference([losses], [expected]) < 1e-4
    assert difference(trainer.weights(0), weights) < 1e-4


def test_every_cell_has_parity_tests():
    assert set(cells.CELLS) == set(CELLS)
