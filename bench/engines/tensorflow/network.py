"""The stack of recurrent layers and its head as pure functions of weights with a leading replicate axis.

Weights are a flat list in Keras' order, each with R replicates in front: kernel (R, F, G U), recurrent kernel
(R, U, G U) and bias (R, G U) or (R, 2, G U) of every layer, then the head's kernel (R, U, O) and bias (R, O).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import tensorflow as tf

from bench.engines.base import Array, Feed, HeldOut, Network, Predicts, Sequences
from bench.engines.tensorflow.cells import CELLS, State, Tensor, keep_mask
from bench.engines.tensorflow.recurrence import Forward, scan, split_kernel, summed_products

States = tuple[State, ...]
Figures = tuple[Tensor, ...]
"""What an evaluation finds of each target: the error, and of labels whether the prediction is right."""


def zero_states(network: Network, replicates: int, batch_size: int) -> States:
    """States of all layers before the first step, each (R, B, U)."""
    zeros = tf.zeros((replicates, batch_size, network.units), network.weight_dtype)
    return tuple((zeros,) * CELLS[network.cell].states for _ in range(network.layers))


def given_states(network: Network, states: Any) -> Any:
    """States before each row that a regime sets, each (rows, U), as tensors; None where it sets none."""
    return None if states is None else tf.nest.map_structure(lambda s: tf.constant(s, network.weight_dtype), states)


def kept_states(feed: Feed) -> Tensor:
    """Whether h and c pass from update to update, shape (2,)."""
    return tf.constant([feed.carried, feed.carried and not feed.hidden_only])


def forward(
    network: Network, weights: list[Tensor], x: Tensor, states: States, dropout_keys: Tensor
) -> tuple[Tensor, States]:
    """Outputs of a whole window, differentiable.

    Parameters
    ----------
    x
        Inputs, shape (T, R, B, F).
    states
        States before the window.
    dropout_keys
        One key a replicate, shape (R,), new at each update; unused where the network has no dropout.

    Returns
    -------
    predictions
        Shape (T, R, B, O).
    states
        States after the window.
    """
    cell = CELLS[network.cell]
    after = []
    for layer, (kernel, recurrent, bias, recurrent_bias) in enumerate(_layers(network, weights)):
        x = _project(x, kernel) + bias[None, :, None]
        x, state = scan(cell, x, recurrent, recurrent_bias, states[layer])
        after.append(state)
        if network.dropout:
            x *= keep_mask(dropout_keys + layer, x.shape, network.dropout, x.dtype)
    return _project(x, weights[-2]) + weights[-1][None, :, None], tuple(after)


def advance(network: Network, weights: list[Tensor], x: Tensor, states: States) -> States:
    """States after one step, without dropout or gradient; x (R, B, F), or (1, B, F) for all alike."""
    cell = CELLS[network.cell]
    after = []
    h = x
    for layer, (kernel, recurrent, bias, recurrent_bias) in enumerate(_layers(network, weights)):
        part = tf.matmul(h, kernel) + bias[:, None]
        state = cell.step(part, states[layer], Forward(split_kernel(cell, recurrent), recurrent_bias))
        after.append(state)
        h = state[0]
    return tuple(after)


def head(weights: list[Tensor], h: Tensor) -> Tensor:
    """Predictions (R, B, O) from the states h (R, B, U) of the last layer."""
    return tf.matmul(h, weights[-2]) + weights[-1][:, None]


def errors_of(network: Network, predictions: Tensor, targets: Tensor) -> Tensor:
    """Error of each prediction, (..., O) -> (...): squared, mean over outputs, or the cross-entropy of labels."""
    if network.loss == "crossentropy":
        return -tf.reduce_sum(targets * tf.nn.log_softmax(predictions), axis=-1)
    return tf.reduce_mean((predictions - targets) ** 2, axis=-1)


def judged(network: Network, predictions: Tensor, targets: Tensor) -> Figures:
    """Errors of predictions, and of labels whether the most probable one is right, 1 or 0: each (..., O) -> (...)."""
    errors = errors_of(network, predictions, targets)
    if network.loss != "crossentropy":
        return (errors,)
    right = tf.argmax(predictions, axis=-1) == tf.argmax(targets, axis=-1)
    return errors, tf.cast(right, errors.dtype)


def _layers(network: Network, weights: list[Tensor]) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor | None]]:
    for layer in range(network.layers):
        kernel, recurrent, bias = weights[3 * layer : 3 * layer + 3]
        if CELLS[network.cell].recurrent_bias:
            yield kernel, recurrent, bias[:, 0], bias[:, 1]
        else:
            yield kernel, recurrent, bias, None


@tf.custom_gradient
def _project(x: Tensor, kernel: Tensor) -> tuple[Tensor, Any]:
    """Product of (T, R, B, F) with (R, F, J)."""

    def back(d_product: Tensor) -> tuple[Tensor, Tensor]:
        return tf.einsum("trbj,rfj->trbf", d_product, kernel), summed_products(x, d_product)

    # A single feature needs no product; XLA's would be slower than this.
    return x * kernel[None] if kernel.shape[1] == 1 else tf.einsum("trbf,rfj->trbj", x, kernel), back


MODES: tuple[Predicts, ...] = ("sliding", "positions", "carried")
NO_EVALUATION = len(MODES)
"""The mode of a call that evaluates nothing."""


@dataclass(frozen=True)
class Bounds:
    """Boundaries of sequences as tensors, each of shape (rows,); see `bench.engines.base.Sequences`."""

    begins: Tensor
    end: Tensor
    counted: Tensor

    @classmethod
    def of(cls, sequences: Sequences | None) -> Self | None:
        """None for one series."""
        if sequences is None:
            return None
        end = tf.constant(sequences.end, tf.int32)
        return cls(tf.constant(sequences.begins), end, tf.constant(sequences.counted))

    def valid(self, starts: Tensor, rows: Tensor, dtype: Any) -> Tensor:
        """1 for rows that have a target and are of the sequence that their window begins in, else 0.

        Rows, shape (steps, ...), are those of windows whose first ones are `starts`, shape (...).
        """
        return tf.cast((rows < tf.gather(self.end, starts)[None]) & tf.gather(self.counted, self.within(rows)), dtype)

    def within(self, rows: Tensor) -> Tensor:
        """The same rows where there are such: a window may end beyond the last row of all."""
        return tf.minimum(rows, len(self.end) - 1)


class Evaluation:
    """Scores a block of replicates on one series."""

    def __init__(
        self,
        network: Network,
        held_out: HeldOut,
        inputs: Tensor,
        targets: Tensor,
        injected: Any = None,
        sequences: Sequences | None = None,
    ) -> None:
        self._network = network
        self._held_out = held_out
        self._inputs = inputs
        self._targets = targets
        self._injected = injected
        self._bounds = Bounds.of(sequences)
        self._first, self._at = held_out.windows(sequences)

    def figures(self, weights: list[Tensor], mode: Tensor, first_rows: Tensor, kept: Tensor) -> Figures:
        """What is found of every scored target, each of shape (R, targets).

        `first_rows`, shape (R,), is where each replicate's own draw of the series begins. `mode` is a scalar: an index
        of `MODES`, or `NO_EVALUATION` for zeros. `kept`, shape (2,), says whether training carries h and c. Both are
        data, so that every way of predicting is part of one compiled computation.
        """
        replicates = weights[0].shape[0]
        nothing = self._zeros(replicates, len(self._held_out.positions))
        # Two modes share the windows, so that XLA compiles their loop once.
        branch = tf.gather([0, 0, 1, 2], mode)
        found: Figures = tf.switch_case(
            branch,
            [
                lambda: self._windows(weights, mode, first_rows),
                lambda: self._stream(weights, first_rows, kept),
                lambda: nothing,
            ],
        )
        return found

    def _zeros(self, *shape: int) -> Figures:
        count = 2 if self._network.loss == "crossentropy" else 1
        return (tf.zeros(shape, self._network.dtype),) * count

    def _windows(self, weights: list[Tensor], mode: Tensor, first_rows: Tensor) -> Figures:
        """Windows that end at each scored row: of the last step, or the mean of all.

        From a zero or injected state, or from that after another window.
        """
        states = None
        if self._held_out.foreign is not None:
            states, _ = self._window(weights, mode, first_rows, self._held_out.foreign - self._held_out.steps + 1)
        return self._window(weights, mode, first_rows, self._first, states)[1]

    def _window(
        self, weights: list[Tensor], mode: Tensor, first_rows: Tensor, begin: Array, before: States | None = None
    ) -> tuple[States, Figures]:
        """States after the windows that begin at these rows, and what is found of the scored ones, (R, targets)."""
        steps = self._held_out.steps
        first, at = tf.constant(begin, tf.int32) + first_rows[:, None], tf.constant(self._at, tf.int32)
        replicates, scored = weights[0].shape[0], len(begin)

        def rows_at(t: Tensor) -> Tensor:
            """Rows of that step; beyond a scored row, where a window began late, that row again."""
            return first + (t if self._bounds is None else tf.minimum(t, at))

        def seen(t: Tensor) -> Tensor:
            """1 for rows up to the scored one that have a target."""
            if self._bounds is None:
                return tf.constant(1, self._network.weight_dtype)
            counted = tf.gather(self._bounds.counted, rows_at(t))
            return tf.cast(counted & (t <= at), self._network.weight_dtype)

        def body(t: Tensor, states: Any, last: Figures, total: Figures) -> tuple[Any, ...]:
            rows = rows_at(t)
            states = advance(self._network, weights, tf.gather(self._inputs, rows), states)
            found = judged(self._network, head(weights, states[-1][0]), tf.gather(self._targets, rows))
            total = tuple(sum_ + one * seen(t) for sum_, one in zip(total, found, strict=True))
            if self._bounds is not None:
                found = tuple(tf.where(t == at, one, old) for one, old in zip(found, last, strict=True))
            return t + 1, states, found, total

        zeros = self._zeros(replicates, scored)
        states = zero_states(self._network, replicates, scored) if before is None else before
        if self._injected is not None:
            states = tf.nest.map_structure(lambda z, s: z + tf.gather(s, first), states, self._injected)
        start = (tf.constant(0), states, zeros, zeros)
        _, after, last, total = tf.while_loop(lambda t, *_: t < steps, body, start, maximum_iterations=steps)
        count = steps if self._bounds is None else tf.reduce_sum(seen(tf.range(steps)[:, None, None]), axis=0)
        whole = mode == MODES.index("positions")
        return after, tuple(tf.where(whole, sum_ / count, one) for sum_, one in zip(total, last, strict=True))

    def _within(self, states: Any, rows: Tensor) -> Any:
        """States before these rows, (R, rows): zero where a sequence begins."""
        if self._bounds is None:
            return states
        begins = tf.gather(self._bounds.begins, rows)[..., None]
        return tf.nest.map_structure(lambda s: tf.where(begins, tf.zeros_like(s), s), states)

    def _stream(self, weights: list[Tensor], first_rows: Tensor, kept: Tensor) -> Figures:
        """One pass over the held-out series with the state carried along it, as much of it as training carries."""
        scored = self._held_out.positions - self._held_out.start
        steps = int(np.max(scored)) + 1
        replicates, units = weights[0].shape[0], self._network.units
        rows = self._held_out.start + tf.range(steps)[:, None, None] + first_rows[:, None]
        inputs = tf.gather(self._inputs, rows)
        # c begins anew with each window where training carries h alone.
        fresh = (kept[0] & ~kept[1]) & (tf.range(steps) % self._held_out.steps == 0)
        # A step does no more than what the next one needs: outputs of scored rows are kept and judged together, those
        # of others fall into one more place after them.
        place = np.full(steps, len(scored), np.int32)
        place[scored] = np.arange(len(scored))

        def body(t: Tensor, states: Any, outputs: Any) -> tuple[Any, ...]:
            states = self._within(states, rows[t])
            states = tuple((h, *(tf.where(fresh[t], tf.zeros_like(c), c) for c in cell)) for h, *cell in states)
            states = advance(self._network, weights, inputs[t], states)
            return t + 1, states, outputs.write(tf.constant(place)[t], states[-1][0][:, 0])

        outputs = tf.TensorArray(self._network.weight_dtype, len(scored) + 1, element_shape=(replicates, units))
        start = (tf.constant(0), zero_states(self._network, replicates, 1), outputs)
        *_, outputs = tf.while_loop(lambda t, *_: t < steps, body, start, maximum_iterations=steps)
        predictions = head(weights, tf.transpose(outputs.stack()[: len(scored)], (1, 0, 2)))
        targets = tf.gather(self._targets, self._held_out.positions + first_rows[:, None])
        return judged(self._network, predictions, targets)
