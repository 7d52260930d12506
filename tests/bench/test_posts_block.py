"""The posts' loops in one computation are what `fit` and `predict` do with the posts' own models."""

import keras
import numpy as np
import pytest

from bench.engines.base import Network
from bench.posts.block import Block, Lstm, Perceptron, in_order, lstm, shuffled

pytestmark = pytest.mark.usefixtures("keras_float32")

CLOSE = {"rtol": 2e-4, "atol": 2e-5}  # float32, dozens of updates


def keras_model(network, *, batch_size, steps, carried, softmax=False):
    model = keras.Sequential([keras.Input(batch_shape=(batch_size, steps, network.inputs))])
    for layer in range(network.layers):
        model.add(keras.layers.LSTM(network.units, return_sequences=layer < network.layers - 1, stateful=carried))
    model.add(keras.layers.Dense(network.outputs, activation="softmax" if softmax else None))
    return model


def reset(model):
    for layer in model.layers:
        if getattr(layer, "stateful", False):
            layer.reset_state()


def series_windows(steps, rows=40):
    values = np.sin(np.arange(rows + steps + 1) / 3)
    cut = np.lib.stride_tricks.sliding_window_view(values, steps + 1)[:rows]
    return cut[:, :-1, None], cut[:, -1:]


def test_overlapping_windows_with_carried_state_equal_fit_predict_and_the_posts_forecast():
    x, y = series_windows(5)
    model = lstm(4, layers=2)
    block = Block(model, x, y, [0, 1], carried=True)
    reference = keras_model(model.network, batch_size=1, steps=5, carried=True)
    reference.compile(loss="mse", optimizer="adam")
    reference.set_weights(model.initial(1))
    losses = block.fit(in_order(30) for _ in range(2))
    for epoch in range(2):
        found = reference.fit(x[:30], y[:30], batch_size=1, epochs=1, shuffle=False, verbose=0)
        np.testing.assert_allclose(losses[epoch, 1], found.history["loss"][0], **CLOSE)
        if epoch == 0:
            reset(reference)
    # predict goes on from the state that training left, and forecasting from the one that predict left.
    predicted = block.predict(np.arange(30, 36)[:, None])[:, 1]
    np.testing.assert_allclose(predicted, reference.predict(x[30:36], batch_size=1, verbose=0), **CLOSE)
    window, expected = x[36], []
    for _ in range(4):
        expected.append(reference.predict(window[None], batch_size=1, verbose=0)[0, 0])
        window = np.vstack((window[1:], expected[-1]))
    np.testing.assert_allclose(block.forecast(x[36], 4)[:, 1], expected, **CLOSE)


def test_cross_entropy_and_rmsprop_equal_fit_also_with_targets_that_are_no_distribution():
    rng = np.random.default_rng(0)
    x, y = rng.random((12, 3, 2)), rng.random((12, 4))
    model = Lstm(Network("lstm", 2, 3, 2, 4))
    block = Block(model, x, y, [5], batch_size=4, carried=True, loss="cross-entropy", optimizer="rmsprop")
    reference = keras_model(model.network, batch_size=4, steps=3, carried=True, softmax=True)
    reference.compile(loss="categorical_crossentropy", optimizer="rmsprop")
    reference.set_weights(model.initial(5))
    losses = block.fit((in_order(12, 4) for _ in range(5)), reset=False)
    history = reference.fit(x, y, batch_size=4, epochs=5, shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(losses[:, 0], history, **CLOSE)
    for ours, theirs in zip(block.weights(0), reference.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def test_the_perceptron_is_dense_layers():
    x, y = series_windows(5)
    model = Perceptron(5, (4, 3))
    block = Block(model, x, y, [2], batch_size=8)
    reference = keras.Sequential(
        [keras.Input((5,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(3, "relu"), keras.layers.Dense(1)]
    )
    reference.compile(loss="mse", optimizer="adam")
    reference.set_weights(model.initial(2))
    losses = block.fit(in_order(40, 8) for _ in range(3))
    history = reference.fit(x[..., 0], y, batch_size=8, epochs=3, shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(losses[:, 0], history, **CLOSE)
    np.testing.assert_allclose(block.predict(np.arange(40))[:, 0], reference.predict(x[..., 0], verbose=0), **CLOSE)


def test_without_carried_state_prediction_does_not_depend_on_order_and_with_it_does():
    x, y = series_windows(5)
    order = np.arange(10)
    for carried in (False, True):
        block = Block(lstm(3), x, y, [0], carried=carried)
        there = block.predict(order[:, None] if carried else order).ravel()
        block.reset()
        back = block.predict(order[::-1, None] if carried else order[::-1]).ravel()
        assert np.allclose(there, back[::-1], atol=1e-6) != carried


def test_dropout_is_in_training_alone_and_differs_between_seeds():
    x, y = series_windows(5)
    model = lstm(8, dropout=0.5)
    block = Block(model, x, y, [0, 0, 1])
    first = block.predict(np.arange(3))
    np.testing.assert_array_equal(first, block.predict(np.arange(3)))
    block.fit([in_order(20)])
    same, again, other = (block.weights(i)[0] for i in range(3))
    np.testing.assert_array_equal(same, again)
    assert not np.allclose(same, other)


def test_orders():
    np.testing.assert_array_equal(in_order(7, 3), [[0, 1, 2], [3, 4, 5]])
    order = shuffled(6, 2, [3, 4], 0)
    assert order.shape == (3, 2, 2)
    for replicate in range(2):
        assert sorted(order[:, replicate].ravel()) == list(range(6))
    assert (order[:, 0] != order[:, 1]).any()
    assert (order != shuffled(6, 2, [3, 4], 1)).any()


@pytest.mark.parametrize("loss_steps", [1, 2, None])
def test_the_loss_is_that_of_the_last_steps_or_of_all(loss_steps):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(4, 3, 1)), rng.normal(size=(4, 3, 1))
    block = Block(lstm(2), x, y, [0], batch_size=4, loss_steps=loss_steps)
    stateful = Block(lstm(2), x, y, [0], carried=True)
    errors = np.zeros((4, 3, 1))
    for row in range(4):
        stateful.reset()
        errors[row] = (stateful.predict_stream(np.array([[row]])) - y[row]) ** 2
    expected = errors[:, -(loss_steps or 3) :].mean()
    np.testing.assert_allclose(block.fit([in_order(4, 4)])[0, 0], expected, rtol=1e-5)
