"""The checks of the posts' page fail where Keras does not do what they state."""

import keras
import numpy as np
import pytest

from bench.posts import check_injected_state, check_layers, check_state
from bench.posts.experiments import Setting

pytestmark = pytest.mark.usefixtures("keras_float32")

TWO_SEEDS = Setting(seeds=(0, 1))


@pytest.fixture
def chunks():
    """A small stateful model, its layer, and two chunks that continue each other."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input(batch_shape=(check_state.ROWS, 4, 2)),
            keras.layers.LSTM(3, stateful=True),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile(optimizer="rmsprop", loss="categorical_crossentropy")
    rng = np.random.default_rng(0)
    first, second = ((rng.random((check_state.ROWS, 4, 2)), rng.random((check_state.ROWS, 2))) for _ in range(2))
    return model, model.layers[0], first, second


def test_a_second_chunk_that_begins_at_zero_is_seen(chunks, monkeypatch):
    model, layer, *_ = chunks
    assert check_state._chunks_move(*chunks).holds
    train = model.train_on_batch

    def from_zero(*batch):
        layer.reset_state()
        return train(*batch)

    monkeypatch.setattr(model, "train_on_batch", from_zero)
    assert not check_state._chunks_move(*chunks).holds


@pytest.mark.parametrize("how", ["leaves no state", "begins at zero"])
def test_a_validation_pass_that_does_otherwise_is_seen(chunks, monkeypatch, how):
    model, layer, *_ = chunks
    assert check_state._validation_moves(*chunks).holds
    fit = model.fit

    def otherwise(*batch, validation_data=None, **options):
        fit(*batch, **options)
        if validation_data is not None and how == "begins at zero":
            layer.reset_state()
            model.predict(validation_data[0], batch_size=check_state.ROWS, verbose=0)

    monkeypatch.setattr(model, "fit", otherwise)
    assert not check_state._validation_moves(*chunks).holds


def test_a_layer_that_cannot_be_reset_is_seen(chunks, monkeypatch):
    _, layer, *_ = chunks
    assert check_state._reset_layer(layer).holds
    monkeypatch.setattr(layer, "reset_states", lambda: None)
    assert not check_state._reset_layer(layer).holds


def test_an_optimiser_that_was_put_back_trains_as_a_new_one_does(chunks):
    model, layer, first, _ = chunks
    weights = model.get_weights()
    found = []
    for _ in range(2):
        model.set_weights(weights)
        layer.reset_state()
        check_state.forget(model.optimizer)
        for _ in range(3):
            model.train_on_batch(*first)
        found.append(model.get_weights())
    for once, again in zip(*found, strict=True):
        np.testing.assert_array_equal(once, again)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.001)


def test_the_state_that_an_update_begins_from_is_noted():
    layer = check_injected_state.Watched(check_injected_state.UNITS, return_sequences=True, stateful=True)
    model = check_injected_state.build(layer)
    x = np.zeros((check_injected_state.ROWS, check_injected_state.STEPS, check_injected_state.INPUTS), "float32")
    for value in (1, 2, 3):
        layer.states[0].assign(np.full((check_injected_state.ROWS, check_injected_state.UNITS), value, "float32"))
        model.train_on_batch(x, x + 0.5)
    assert layer.seen == [1, 2, 3]


def test_what_runs_on_cudnn_is_said_only_where_it_can_be_tried(monkeypatch):
    monkeypatch.setattr(check_layers, "has_gpu", lambda: False)
    entry = check_layers.reset_after(TWO_SEEDS)
    assert not any("cuDNN" in check.statement for check in entry.checks)
    assert entry.notes == [check_layers.NO_CUDNN]
    # Refused for both, as without a GPU, is not what the statement says.
    monkeypatch.setattr(check_layers, "attempt", lambda _: "ValueError: cuDNN is not supported")
    assert not check_layers._on_cudnn(np.zeros((1, 2, 3), "float32")).holds
