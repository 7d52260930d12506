"""Many seeds of one experiment side by side, in one compiled computation, with the loops that the posts wrote.

Windows are given as arrays, so that any cutting can be reproduced, also one in which they do not continue each other.
The order of windows, the loss of each step and whether the state is carried are data.

R is replicates (seeds), U updates, B batch size, L steps of a window, F features, O outputs.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from bench.engines.base import Array, Weights
from bench.engines.tensorflow.cells import Tensor, mix
from bench.engines.tensorflow.replicated import adam
from bench.posts.models import Model

Loss = Literal["mse", "cross-entropy"]
Optimizer = Literal["adam", "rmsprop"]

RHO, EPSILON = 0.9, 1e-7
"""Keras' defaults of RMSprop."""

CHUNK = 1024
"""Windows predicted at once where each begins from a zero state."""


class Block:
    """R models of one kind, each from its own seed.

    Parameters
    ----------
    windows
        Inputs, shape (N, L, F); replicates may share them or use their own part, by the order they are given.
    targets
        Shape (N, L, O), or (N, O) for a target of the last step alone.
    batch_size
        Windows in an update.
    carried
        The state after a batch is the state before the next (``stateful=True``).
    every_step
        The loss is the mean over all steps; otherwise it is that of the last step.
    """

    def __init__(
        self,
        model: Model,
        windows: Array,
        targets: Array,
        seeds: Sequence[int],
        *,
        batch_size: int = 1,
        carried: bool = False,
        every_step: bool = False,
        loss: Loss = "mse",
        optimizer: Optimizer = "adam",
        learning_rate: float = 0.001,
    ) -> None:
        self._model = model
        self._seeds = list(seeds)
        self._batch_size = batch_size
        self._carried = carried
        self._every_step = every_step
        self._loss = loss
        self._optimizer = optimizer
        initial = [model.initial(seed) for seed in seeds]
        self._weights = [tf.constant(np.stack(weight)) for weight in zip(*initial, strict=True)]
        dtype = self._weights[0].dtype
        # (L, N, F): the engine's functions have time first.
        self._windows = tf.constant(np.moveaxis(np.asarray(windows), 1, 0), dtype)
        given = np.asarray(targets)
        self._targets = tf.constant(np.moveaxis(given, 1, 0) if given.ndim == 3 else given[None], dtype)
        self._rates = tf.fill((len(seeds),), tf.constant(learning_rate, dtype))
        self._keys = tf.constant(np.asarray(seeds, np.uint32))
        self._moments = ([tf.zeros_like(w) for w in self._weights], [tf.zeros_like(w) for w in self._weights])
        self._step = tf.zeros(len(seeds), dtype)
        self._states = model.states(len(seeds), batch_size)
        compiled = {"jit_compile": True, "autograph": False}
        self._train = tf.function(self._updates, **compiled)
        self._carry = tf.function(self._predict_carried, **compiled)
        self._fresh = tf.function(self._predict_fresh, **compiled)
        self._run_free = tf.function(self._forecast, **compiled)

    def fit(self, orders: Iterable[Array], *, reset: bool = True) -> Array:
        """Train an epoch for each order.

        Parameters
        ----------
        orders
            Windows of each update, shape (U, B) or, where replicates differ, (U, R, B).
        reset
            Begin each epoch from a zero state, as the posts' ``reset_states()`` does.

        Returns
        -------
        loss
            Mean over the updates of each epoch, shape (epochs, R): what ``fit`` prints, dropout included.
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

    def predict(self, order: Array, *, every_step: bool = False) -> Array:
        """Predict windows as ``predict`` does with the model as it was built.

        A carried state goes from batch to batch and stays behind, so that a validation pass moves the training state.

        Parameters
        ----------
        order
            Windows, shape (P, B) for a carried state, else any number of windows, shape (P,) or (P, R).
        every_step
            Outputs of all steps, not of the last alone.

        Returns
        -------
        outputs
            Shape (P, R, B, O), or (P, R, O) without a carried state; every step: (P, L, R, ...).
        """
        if self._carried:
            outputs, self._states = self._carry(self._weights, self._states, self._order(order))
            found: Array = outputs.numpy()
            return found if every_step else found[:, -1]
        order = np.asarray(order)
        order = order if order.ndim == 2 else np.repeat(order[:, None], len(self._seeds), axis=1)
        parts = [
            self._fresh(self._weights, tf.constant(part.T, tf.int32)).numpy()
            for part in np.split(order, range(CHUNK, len(order), CHUNK))
        ]
        found = np.concatenate(parts, axis=2)  # (L, R, P, O)
        return np.moveaxis(found, 2, 0) if every_step else np.moveaxis(found[-1], 1, 0)

    def forecast(self, window: Array, steps: int) -> Array:
        """Feed the model its own outputs: each is appended to the window whose first value is dropped.

        A carried state is carried from one prediction to the next, as ``predict`` in a loop does.

        Parameters
        ----------
        window
            Shape (L, 1).

        Returns
        -------
        values
            Shape (steps, R).
        """
        first = tf.constant(np.repeat(np.asarray(window)[:, None, None], len(self._seeds), 1), self._windows.dtype)
        values, self._states = self._run_free(self._weights, self._states, first, tf.zeros(steps))
        return np.asarray(values.numpy())

    def weights(self, replicate: int) -> Weights:
        """Weights of one model, in Keras' order."""
        return [weight[replicate].numpy() for weight in self._weights]

    def _order(self, order: Array) -> Tensor:
        order = np.asarray(order, np.int32)
        if order.ndim == 2:
            order = np.repeat(order[:, None], len(self._seeds), axis=1)
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
        before = states if self._carried else tf.nest.map_structure(tf.zeros_like, states)
        keys = mix(self._keys + mix(tf.cast(step, tf.uint32)))
        with tf.GradientTape() as tape:
            tape.watch(weights)
            outputs, after = self._model.outputs(weights, x, before, keys, training=True)
            outputs = outputs if self._every_step else outputs[-1:]
            loss = tf.reduce_mean(self._losses(outputs, y[-outputs.shape[0] :]), axis=(0, 2))
        # The replicates share no weight, so the gradient of a tensor of losses is each replicate's own.
        gradients = tape.gradient(loss, weights)
        step += 1
        if self._optimizer == "adam":
            weights, moments = adam(weights, gradients, moments, step, self._rates)
        else:
            weights, moments = _rmsprop(weights, gradients, moments, self._rates)
        return (weights, moments, step, after), loss

    def _losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Loss of every step, replicate and row, shape (T, R, B)."""
        if self._loss == "mse":
            return tf.reduce_mean((outputs - targets) ** 2, axis=-1)
        # Keras takes this operation behind a softmax. Its gradient is softmax - target, which is the loss's own only
        # where targets add up to 1; so it must be the same operation here.
        return tf.nn.softmax_cross_entropy_with_logits(labels=targets, logits=outputs)

    def _predict_carried(self, weights: list[Tensor], states: Any, order: Tensor) -> Any:
        shape = (self._windows.shape[0] if self._is_recurrent else 1, *order.shape[1:], self._targets.shape[-1])
        array = tf.TensorArray(self._windows.dtype, order.shape[0], element_shape=shape)

        def body(i: Tensor, states: Any, array: Any) -> Any:
            x = tf.gather(self._windows, order[i], axis=1)
            outputs, states = self._model.outputs(weights, x, states, self._keys, training=False)
            return i + 1, states, array.write(i, outputs)

        _, states, array = tf.while_loop(lambda i, *_: i < order.shape[0], body, (tf.constant(0), states, array))
        return array.stack(), states

    def _predict_fresh(self, weights: list[Tensor], order: Tensor) -> Tensor:
        """Outputs (T, R, P, O) of windows (R, P), each from a zero state."""
        states = self._model.states(*order.shape)
        x = tf.gather(self._windows, order, axis=1)
        return self._model.outputs(weights, x, states, self._keys, training=False)[0]

    def _forecast(self, weights: list[Tensor], states: Any, window: Tensor, room: Tensor) -> Any:
        array = tf.TensorArray(window.dtype, room.shape[0], element_shape=(len(self._seeds),))

        def body(i: Tensor, window: Tensor, states: Any, array: Any) -> Any:
            before = states if self._carried else tf.nest.map_structure(tf.zeros_like, states)
            outputs, after = self._model.outputs(weights, window, before, self._keys, training=False)
            value = outputs[-1]
            return i + 1, tf.concat([window[1:], value[None]], axis=0), after, array.write(i, value[:, 0, 0])

        start = (tf.constant(0), window, states, array)
        _, _, states, array = tf.while_loop(lambda i, *_: i < room.shape[0], body, start)
        return array.stack(), states

    @property
    def _is_recurrent(self) -> bool:
        return bool(tf.nest.flatten(self._states))


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
