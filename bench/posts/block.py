"""Many seeds of one experiment side by side, in one compiled computation, with the loops that the posts wrote.

Windows are given as arrays, so that any cutting can be reproduced, also one in which they do not continue each other.
The order of windows, the loss of each step and whether the state is carried are data.

R is replicates (seeds), U updates, B batch size, L steps of a window, F features, O outputs.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from bench.engines.base import Array, Network, Weights
from bench.engines.tensorflow import network as stack
from bench.engines.tensorflow.cells import Tensor, keep_mask, mix
from bench.engines.tensorflow.replicated import adam
from bench.measure.initial_weights import initial_weights

LEARNING_RATE, RHO, EPSILON = 0.001, 0.9, 1e-7
"""Keras' defaults of Adam and RMSprop."""

CHUNK = 1024
"""Windows predicted at once where each begins from a zero state."""


@dataclass(frozen=True)
class Lstm:
    """LSTM layers, each with a dropout layer behind it, and a dense head."""

    network: Network

    def initial(self, seed: int) -> Weights:
        """Weights of one model, drawn as Keras draws them, in its order."""
        return initial_weights(self.network, seed)

    def states(self, replicates: int, batch_size: int) -> Any:
        """State before the first step; empty if none is kept."""
        return stack.zero_states(self.network, replicates, batch_size)

    def outputs(self, weights: list[Tensor], x: Tensor, states: Any, keys: Tensor, *, training: bool) -> Any:
        """Outputs (L, R, B, O) of windows x (L, R, B, F), and the state after them; `keys` (R,) draw the dropout."""
        network = self.network if training else replace(self.network, dropout=0.0)
        return stack.forward(network, weights, x, states, keys)


def lstm(units: int, *, layers: int = 1, inputs: int = 1, outputs: int = 1, dropout: float = 0.0) -> Lstm:
    """Describe a stack of LSTM layers."""
    return Lstm(Network("lstm", layers, units, inputs, outputs, dropout))


@dataclass(frozen=True)
class Perceptron:
    """Dense layers with rectified outputs and dropout, and a linear head, on a whole window as one vector."""

    inputs: int
    hidden: tuple[int, ...]
    dropout: float = 0.0

    def initial(self, seed: int) -> Weights:
        """See `Lstm`: kernels Glorot-uniform, biases zero."""
        rng = np.random.default_rng([seed, 0x57A7E])
        weights: Weights = []
        for into, out in itertools.pairwise((self.inputs, *self.hidden, 1)):
            limit = np.sqrt(6.0 / (into + out))
            weights += [rng.uniform(-limit, limit, (into, out)).astype("float32"), np.zeros(out, "float32")]
        return weights

    def states(self, replicates: int, batch_size: int) -> Any:
        """See `Lstm`."""
        del replicates, batch_size
        return ()

    def outputs(self, weights: list[Tensor], x: Tensor, states: Any, keys: Tensor, *, training: bool) -> Any:
        """Outputs (1, R, B, 1), as for `Lstm`."""
        h = tf.transpose(x[..., 0], (1, 2, 0))
        layers = list(zip(weights[::2], weights[1::2], strict=True))
        for index, (kernel, bias) in enumerate(layers[:-1]):
            h = tf.nn.relu(tf.matmul(h, kernel) + bias[:, None])
            if training and self.dropout:
                h *= keep_mask(keys + index, (1, *h.shape), self.dropout, h.dtype)[0]
        kernel, bias = layers[-1]
        return (tf.matmul(h, kernel) + bias[:, None])[None], states


Model = Lstm | Perceptron


@dataclass(eq=False)
class Block:
    """R models of one kind, each from its own seed.

    Attributes
    ----------
    windows
        Inputs, shape (N, L, F); replicates may share them or use their own part, by the order they are given.
    targets
        Shape (N, L, O), or (N, O) for a target of the last step alone.
    batch_size
        Windows in an update.
    carried
        The state after a batch is the state before the next (``stateful=True``).
    loss_steps
        The loss is the mean over so many last steps of a window; None for all of them.
    learning_rate
        Of Adam or RMSprop.
    """

    model: Model
    windows: Array
    targets: Array
    seeds: Sequence[int]
    _: KW_ONLY
    batch_size: int = 1
    carried: bool = False
    loss_steps: int | None = 1
    loss: Literal["mse", "cross-entropy"] = "mse"
    optimizer: Literal["adam", "rmsprop"] = "adam"
    learning_rate: float = LEARNING_RATE

    def __post_init__(self) -> None:
        initial = [self.model.initial(seed) for seed in self.seeds]
        self._weights = [tf.constant(np.stack(weight)) for weight in zip(*initial, strict=True)]
        dtype = self._weights[0].dtype
        # (L, N, F): the engine's functions have time first.
        self._windows = tf.constant(np.moveaxis(np.asarray(self.windows), 1, 0), dtype)
        given = np.asarray(self.targets)
        self._targets = tf.constant(np.moveaxis(given, 1, 0) if given.ndim == 3 else given[None], dtype)
        self._rates = tf.fill((len(self.seeds),), tf.constant(self.learning_rate, dtype))
        self._keys = tf.constant(np.asarray(self.seeds, np.uint32))
        self._moments = ([tf.zeros_like(w) for w in self._weights], [tf.zeros_like(w) for w in self._weights])
        self._step = tf.zeros(len(self.seeds), dtype)
        self._states = self.model.states(len(self.seeds), self.batch_size)
        compiled = {"jit_compile": True, "autograph": False}
        self._train = tf.function(self._updates, **compiled)
        self._carry = tf.function(self._predict_carried, **compiled)
        self._fresh = tf.function(self._predict_fresh, **compiled)
        self._run_free = tf.function(self._forecast, **compiled)

    def fit(self, orders: Iterable[Array], *, reset: bool = True) -> Array:
        """Train an epoch for each order; its mean loss, shape (epochs, R), is what ``fit`` prints, dropout included.

        Orders are the windows of each update, shape (U, B) or, where replicates differ, (U, R, B). `reset` begins each
        epoch from a zero state, as the posts' ``reset_states()`` does.
        """
        losses = []
        for order in orders:
            if reset:
                self.reset()
            model = (self._weights, self._moments, self._step, self._states)
            (self._weights, self._moments, self._step, self._states), loss = self._train(model, self._order(order))
            losses.append(loss.numpy())
        return np.array(losses)

    def reset(self) -> None:
        """Set the state to zero."""
        self._states = tf.nest.map_structure(tf.zeros_like, self._states)

    def predict(self, order: Array) -> Array:
        """Outputs at the last step of windows, as ``predict`` gives them with the model as it was built.

        With a carried state windows have shape (P, B) or (P, R, B) and outputs (P * B, R, O), a row per window in
        order. The state goes from batch to batch and stays behind, so that a validation pass moves the training state.
        Without it windows have shape (P,) or (P, R), for any P, and outputs (P, R, O).
        """
        if self.carried:
            outputs = self._predict_along(order)[:, -1].swapaxes(1, 2)  # (P, B, R, O)
            return outputs.reshape(-1, *outputs.shape[2:])
        order = np.asarray(order)
        order = order if order.ndim == 2 else np.repeat(order[:, None], len(self.seeds), axis=1)
        parts = [
            self._fresh(self._weights, tf.constant(part.T, tf.int32)).numpy()[-1]
            for part in np.split(order, range(CHUNK, len(order), CHUNK))
        ]
        return np.concatenate(parts, axis=1).swapaxes(0, 1)

    def predict_stream(self, order: Array) -> Array:
        """First output at every step along windows that continue each other, by a carried state, shape (P * L, R).

        The first row of each batch is the stream; the model was built for B of them.
        """
        return self._predict_along(order)[:, :, :, 0, 0].reshape(-1, len(self.seeds))

    def _predict_along(self, order: Array) -> Array:
        """Outputs (P, L, R, B, O)."""
        outputs, self._states = self._carry(self._weights, self._states, self._order(order))
        return np.asarray(outputs.numpy())

    def forecast(self, window: Array, steps: int) -> Array:
        """Feed the model its own outputs, shape (steps, R): a window (L, 1) takes each in and drops its oldest value.

        A carried state is carried from one prediction to the next, as ``predict`` in a loop does.
        """
        first = tf.constant(np.repeat(np.asarray(window)[:, None, None], len(self.seeds), 1), self._windows.dtype)
        values, self._states = self._run_free(self._weights, self._states, first, tf.zeros(steps))
        return np.asarray(values.numpy())

    def weights(self, replicate: int) -> Weights:
        """Weights of one model, in Keras' order."""
        return [weight[replicate].numpy() for weight in self._weights]

    def _order(self, order: Array) -> Tensor:
        order = np.asarray(order, np.int32)
        if order.ndim == 2:
            order = np.repeat(order[:, None], len(self.seeds), axis=1)
        return tf.constant(order)

    def _updates(self, model: Any, order: Tensor) -> Any:
        def body(i: Tensor, model: Any, total: Tensor) -> Any:
            model, loss = self._update(model, order[i])
            return i + 1, model, total + loss

        count = order.shape[0]
        zero = tf.zeros_like(self._step)
        _, model, total = tf.while_loop(lambda i, *_: i < count, body, (tf.constant(0), model, zero))
        return model, total / count

    def _update(self, model: Any, rows: Tensor) -> Any:
        weights, moments, step, states = model
        x, y = tf.gather(self._windows, rows, axis=1), tf.gather(self._targets, rows, axis=1)
        before = states if self.carried else tf.nest.map_structure(tf.zeros_like, states)
        keys = mix(self._keys + mix(tf.cast(step, tf.uint32)))
        with tf.GradientTape() as tape:
            tape.watch(weights)
            outputs, after = self.model.outputs(weights, x, before, keys, training=True)
            outputs = outputs if self.loss_steps is None else outputs[-self.loss_steps :]
            loss = tf.reduce_mean(self._losses(outputs, y[-outputs.shape[0] :]), axis=(0, 2))
        # The replicates share no weight, so the gradient of a tensor of losses is each replicate's own.
        gradients = tape.gradient(loss, weights)
        step += 1
        if self.optimizer == "adam":
            weights, moments = adam(weights, gradients, moments, step, self._rates)
        else:
            weights, moments = _rmsprop(weights, gradients, moments, self._rates)
        return (weights, moments, step, after), loss

    def _losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Loss of every step, replicate and row, shape (T, R, B)."""
        if self.loss == "mse":
            return tf.reduce_mean((outputs - targets) ** 2, axis=-1)
        # Keras takes this operation behind a softmax. Its gradient is softmax - target, which is the loss's own only
        # where targets add up to 1; so it must be the same operation here.
        return tf.nn.softmax_cross_entropy_with_logits(labels=targets, logits=outputs)

    def _predict_carried(self, weights: list[Tensor], states: Any, order: Tensor) -> Any:
        shape = (self._windows.shape[0], *order.shape[1:], self._targets.shape[-1])
        array = tf.TensorArray(self._windows.dtype, order.shape[0], element_shape=shape)

        def body(i: Tensor, states: Any, array: Any) -> Any:
            x = tf.gather(self._windows, order[i], axis=1)
            outputs, states = self.model.outputs(weights, x, states, self._keys, training=False)
            return i + 1, states, array.write(i, outputs)

        _, states, array = tf.while_loop(lambda i, *_: i < order.shape[0], body, (tf.constant(0), states, array))
        return array.stack(), states

    def _predict_fresh(self, weights: list[Tensor], order: Tensor) -> Tensor:
        """Outputs (L, R, P, O) of windows (R, P), each from a zero state."""
        states = self.model.states(*order.shape)
        x = tf.gather(self._windows, order, axis=1)
        return self.model.outputs(weights, x, states, self._keys, training=False)[0]

    def _forecast(self, weights: list[Tensor], states: Any, window: Tensor, room: Tensor) -> Any:
        array = tf.TensorArray(window.dtype, room.shape[0], element_shape=(len(self.seeds),))

        def body(i: Tensor, window: Tensor, states: Any, array: Any) -> Any:
            before = states if self.carried else tf.nest.map_structure(tf.zeros_like, states)
            outputs, after = self.model.outputs(weights, window, before, self._keys, training=False)
            value = outputs[-1]
            return i + 1, tf.concat([window[1:], value[None]], axis=0), after, array.write(i, value[:, 0, 0])

        start = (tf.constant(0), window, states, array)
        _, _, states, array = tf.while_loop(lambda i, *_: i < room.shape[0], body, start)
        return array.stack(), states


def _rmsprop(weights: list[Tensor], gradients: list[Tensor], moments: Any, rates: Tensor) -> Any:
    """One update of ``keras.optimizers.RMSprop``; the first moments are not used."""
    squares = [RHO * v + (1 - RHO) * g * g for v, g in zip(moments[1], gradients, strict=True)]
    updated = [
        w - tf.reshape(rates, [-1] + [1] * (len(w.shape) - 1)) * g / tf.sqrt(v + EPSILON)
        for w, g, v in zip(weights, gradients, squares, strict=True)
    ]
    return updated, (moments[0], squares)


def in_order(windows: int, batch_size: int = 1) -> Array:
    """Every window once, in order, shape (U, B); a remainder that fills no batch is left out."""
    updates = windows // batch_size
    return np.arange(updates * batch_size).reshape(updates, batch_size)


def shuffled(windows: int, batch_size: int, seeds: Sequence[int], epoch: int) -> Array:
    """Every window once, in an order of each seed's own, shape (U, R, B), as ``fit`` does by default."""
    updates = windows // batch_size
    orders = [np.random.default_rng([seed, epoch]).permutation(windows)[: updates * batch_size] for seed in seeds]
    return np.stack(orders).reshape(len(seeds), updates, batch_size).swapaxes(0, 1)


def continued(walk: Array, room: int, seeds: Sequence[int], updates: int, *, shuffle: bool) -> list[Array]:
    """Whole epochs of contiguous windows, each of shape (U, R, B): about so many updates in all.

    `walk` (U, B) are the windows in the order in which they continue each other. All of them are moved by an offset
    below `room`, drawn for each seed and epoch, and the same whether or not the windows of an epoch are then shuffled,
    as one would without state.
    """
    orders = []
    for epoch in range(max(1, round(updates / len(walk)))):
        each = []
        for seed in seeds:
            rng = np.random.default_rng([seed, epoch])
            starts = walk + rng.integers(room)
            each.append(rng.permutation(starts.ravel()).reshape(walk.shape) if shuffle else starts)
        orders.append(np.stack(each, axis=1))
    return orders
