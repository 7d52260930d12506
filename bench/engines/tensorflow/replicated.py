"""The trainer with a replicate axis: one compiled computation trains and scores a block of models side by side.

Everything that differs between replicates or between regimes is data: weights, learning rates, step counts, dropout
keys, the order of windows, the loss of each step, whether the state is carried, how to predict. So the computation is
compiled once for a network and a layout, and cases that agree in both share it.
"""

import math
from typing import Any

import numpy as np
import tensorflow as tf

from bench.engines.base import BETA_1, BETA_2, EPSILON, POWER_1, POWER_2, Array, Predicts, Progress, Weights, Work
from bench.engines.tensorflow.cells import Tensor, mix
from bench.engines.tensorflow.network import (
    MODES,
    NO_EVALUATION,
    Bounds,
    Evaluation,
    States,
    errors_of,
    forward,
    given_states,
    kept_states,
    zero_states,
)


class ReplicatedTrainer:
    """Trains a block of replicates; see `bench.engines.base.Trainer` for the methods."""

    def __init__(self, work: Work) -> None:
        self.work = work
        network, layout = work.network, work.layout
        self._inputs = tf.constant(work.inputs, network.dtype)
        self._targets = tf.constant(work.targets, network.dtype)
        self._injected = given_states(network, work.injected)
        self._bounds = Bounds.of(work.sequences)
        series = self._inputs, self._targets
        self._evaluation = Evaluation(network, work.held_out, *series, self._injected, work.sequences)
        self._step_weights = tf.constant(work.feed.step_weights, network.dtype)
        self._kept = kept_states(work.feed)
        state = tf.nest.map_structure(lambda values: values[0].numpy(), zero_states(network, 1, layout.batch_size))
        states = (state,) * work.feed.updates_old
        # A model without its axis of replicates: weights and two moments in a row each, so that Adam is one operation;
        # updates made; states, the oldest first. An empty slot has zeros.
        row = np.zeros(network.parameters)
        self._one = (np.zeros(()), (row, row, row, np.zeros(()), states))
        sizes = [values.size for values in tf.nest.flatten(self._one)]
        self._first_state = sum(sizes) - sum(values.size for values in tf.nest.flatten(states))
        # All of it in one row, and all whole numbers in another: a call costs what handing over its arguments costs,
        # and that grows with their number.
        self._rows: Any = np.zeros((layout.replicates, sum(sizes)), network.dtype)
        self._keys: Any = np.zeros(layout.replicates, np.uint32)
        self._first_rows: Any = np.zeros(layout.replicates, np.int32)
        self._compiled = tf.function(self._segment, jit_compile=True, autograph=False)
        self._concrete: Any = None

    def place(self, slot: int, weights: Weights, learning_rate: float, seed: int, first_row: int = 0) -> None:
        """Put a fresh model into a slot."""
        row = np.zeros(self._rows.shape[1])
        row[: 1 + self.work.network.parameters] = np.concatenate([[learning_rate], *map(np.ravel, weights)])
        self._rows = _with_slot(self._rows, slot, row)
        self._keys = _with_slot(self._keys, slot, seed)
        self._first_rows = _with_slot(self._first_rows, slot, first_row)

    def weights(self, slot: int) -> Weights:
        """Copy the weights of the model in a slot."""
        weights = tf.constant(self._rows)[slot : slot + 1, 1 : 1 + self.work.network.parameters]
        return [weight[0].numpy() for weight in self._shaped(weights)]

    @property
    def models(self) -> list[Any]:
        """See `bench.engines.base.Packed`."""
        return [self._rows, self._keys, self._first_rows]

    @models.setter
    def models(self, models: list[Any]) -> None:
        self._rows, self._keys, self._first_rows = models

    def train(self, starts: Array, *, reset: bool, evaluate: Predicts | None = None) -> Progress:
        """Make one update for each row of `starts`, then evaluate."""
        if reset:
            self._rows = np.array(self._rows)
            self._rows[:, self._first_state :] = 0
        concrete = self.concrete()
        # Not called by its own name: it would look at every argument again, which takes as long as all else of a call.
        arguments = [*self._arguments(starts, evaluate), *concrete.captured_inputs]
        self._rows, loss, figures = concrete.inference_fn.call_preflattened(arguments)
        loss = loss.numpy()[: len(starts)]
        return Progress(loss, None) if evaluate is None else Progress(loss, *(one.numpy() for one in figures))

    def concrete(self) -> Any:
        """Return the traced training function; tracing it first where that has not been done yet."""
        if self._concrete is None:
            layout = self.work.layout
            nothing = np.zeros((0, layout.replicates, layout.batch_size))
            self._concrete = self._compiled.get_concrete_function(*self._arguments(nothing, None))
        return self._concrete

    def _arguments(self, starts: Array, evaluate: Predicts | None) -> list[Tensor]:
        """Arguments of the compiled computation for one call."""
        layout = self.work.layout
        whole = np.zeros(2 + (2 + layout.max_updates * layout.batch_size) * layout.replicates, np.int32)
        mode = NO_EVALUATION if evaluate is None else MODES.index(evaluate)
        given = np.concatenate([[mode, len(starts)], self._first_rows, self._keys.view(np.int32), np.ravel(starts)])
        whole[: len(given)] = given
        return [tf.constant(self._rows), tf.constant(whole), self._step_weights, self._kept]

    def _segment(self, rows: Tensor, whole: Tensor, step_weights: Tensor, kept: Tensor) -> tuple[Tensor, Tensor, Any]:
        """Make as many updates as `whole` says, then score; all of it one computation under XLA."""
        layout = self.work.layout
        mode, updates = whole[0], whole[1]
        first_rows, keys, starts = tf.split(whole[2:], [layout.replicates, layout.replicates, -1])
        keys = tf.bitcast(keys, tf.uint32)
        starts = tf.reshape(starts, (layout.max_updates, layout.replicates, layout.batch_size))
        rates, model = self._out_of_rows(rows)
        losses = tf.TensorArray(self.work.network.dtype, layout.max_updates, element_shape=(layout.replicates,))

        def body(i: Tensor, model: Any, losses: Any) -> Any:
            model, loss = self._update(model, rates, keys, starts[i], step_weights, kept)
            return i + 1, model, losses.write(i, loss)

        _, model, losses = tf.while_loop(lambda i, *_: i < updates, body, (tf.constant(0), model, losses))
        figures = self._evaluation.figures(self._shaped(model[0]), mode, first_rows, kept)
        return self._in_rows((rates, model)), losses.stack(), figures

    def _out_of_rows(self, rows: Tensor) -> Any:
        """Rates and models of all slots, as `_one` has those of one, from rows (R, numbers)."""
        one = tf.nest.flatten(self._one)
        parts = tf.split(rows, [values.size for values in one], axis=1)
        shaped = [tf.reshape(part, (-1, *values.shape)) for part, values in zip(parts, one, strict=True)]
        return tf.nest.pack_sequence_as(self._one, shaped)

    def _in_rows(self, models: Any) -> Tensor:
        """Put them back."""
        return tf.concat(
            [tf.reshape(values, (self.work.layout.replicates, -1)) for values in tf.nest.flatten(models)], 1
        )

    def _shaped(self, weights: Tensor) -> list[Tensor]:
        """Weights in Keras' order, each (R, ...), from rows (R, parameters)."""
        shapes = self.work.network.weight_shapes
        parts = tf.split(weights, [math.prod(shape) for shape in shapes], axis=1)
        return [tf.reshape(part, (-1, *shape)) for part, shape in zip(parts, shapes, strict=True)]

    def _update(
        self, model: Any, rates: Tensor, keys: Tensor, starts: Tensor, step_weights: Tensor, kept: Tensor
    ) -> tuple[Any, Tensor]:
        """One weight update of every replicate; starts (R, B). Returns the model and the loss before it, (R,)."""
        row, first, second, step, (oldest, *younger) = model
        weights = self._shaped(row)
        rows = starts[None] + tf.range(self.work.layout.steps)[:, None, None]
        there = rows if self._bounds is None else self._bounds.within(rows)
        x, y = tf.gather(self._inputs, there), tf.gather(self._targets, there)
        if self._injected is None:
            begins = None if self._bounds is None else tf.gather(self._bounds.begins, starts)[..., None]

            def keep(which: int, state: Tensor) -> Tensor:
                here = kept[which] if begins is None else kept[which] & ~begins
                return tf.where(here, state, tf.zeros_like(state))

            before: States = tuple(tuple(keep(i, state) for i, state in enumerate(layer)) for layer in oldest)
        else:
            before = tf.nest.map_structure(lambda s: tf.gather(s, starts), self._injected)
        # Keys differ between updates; `forward` tells layers apart by adding their index.
        dropout_keys = mix(keys + mix(tf.cast(step, tf.uint32)))
        with tf.GradientTape() as tape:
            tape.watch(weights)
            predictions, after = forward(self.work.network, weights, x, before, dropout_keys)
            errors = errors_of(self.work.network, predictions, y)
            if self._bounds is None:
                loss = tf.reduce_sum(tf.reduce_mean(errors, axis=2) * step_weights[:, None], axis=0)
            else:
                weighing = step_weights[:, None, None] * self._bounds.valid(starts, rows, y.dtype)
                # A batch without any target teaches nothing.
                loss = tf.math.divide_no_nan(
                    tf.reduce_sum(errors * weighing, axis=(0, 2)), tf.reduce_sum(weighing, axis=(0, 2))
                )
        # The replicates share no weight, so the gradient of a tensor of losses is each replicate's own.
        gradient = tf.concat([tf.reshape(one, (one.shape[0], -1)) for one in tape.gradient(loss, weights)], 1)
        step += 1
        (row,), ((first,), (second,)) = adam([row], [gradient], ([first], [second]), step, rates)
        return (row, first, second, step, (*younger, after)), loss


def _with_slot(values: Any, slot: int, value: Any) -> Array:
    array = np.array(values)
    array[slot] = value
    return array


Moments = tuple[list[Tensor], list[Tensor]]


def adam(
    weights: list[Tensor], gradients: list[Tensor], moments: Moments, step: Tensor, rates: Tensor
) -> tuple[list[Tensor], Moments]:
    """Make one update.

    Parameters
    ----------
    weights, gradients
        Each (R, ...).
    moments
        First and second moments, shaped like the weights.
    step
        Updates made, this one included, shape (R,).
    rates
        Learning rates, shape (R,).
    """
    # D. P. Kingma and J. Ba, Adam, ICLR 2015, end of section 2: the order of computation that Keras uses as well.
    alpha = rates * tf.sqrt(1 - POWER_2**step) / (1 - POWER_1**step)
    first = [m + (g - m) * (1 - BETA_1) for m, g in zip(moments[0], gradients, strict=True)]
    second = [v + (g * g - v) * (1 - BETA_2) for v, g in zip(moments[1], gradients, strict=True)]
    updated = [
        w - m * tf.reshape(alpha, [-1] + [1] * (len(w.shape) - 1)) / (tf.sqrt(v) + EPSILON)
        for w, m, v in zip(weights, first, second, strict=True)
    ]
    return updated, (first, second)
