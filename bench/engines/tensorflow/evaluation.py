"""Squared errors on held-out targets, for each way of predicting; pure functions, compiled with the training or alone.

Nothing here is differentiated, so a step of the whole stack is taken at a time and only the state is kept.
"""

from typing import Any

import numpy as np
import tensorflow as tf

from bench.engines.base import HeldOut, Network, Predicts
from bench.engines.tensorflow.cells import Tensor
from bench.engines.tensorflow.network import advance, zero_states

MODES: tuple[Predicts, ...] = ("sliding", "positions", "carried")
NO_EVALUATION = len(MODES)
"""The mode of a call that evaluates nothing."""


class Evaluation:
    """Scores a block of replicates on one series."""

    def __init__(
        self, network: Network, held_out: HeldOut, inputs: Tensor, targets: Tensor, injected: Any = None
    ) -> None:
        self._network = network
        self._held_out = held_out
        self._inputs = inputs
        self._targets = targets
        self._injected = injected

    def squared_errors(self, weights: list[Tensor], mode: Tensor) -> Tensor:
        """Squared error of every scored target, mean over outputs, shape (R, targets).

        `mode` is a scalar: an index of `MODES`, or `NO_EVALUATION` for zeros. It is data, so that every way of
        predicting is part of one compiled computation.
        """
        replicates = weights[0].shape[0]
        nothing = tf.zeros((replicates, len(self._held_out.positions)), self._network.dtype)
        # Two modes share the windows, so that XLA compiles their loop once.
        branch = tf.gather([0, 0, 1, 2], mode)
        return tf.switch_case(
            branch, [lambda: self._windows(weights, mode), lambda: self._stream(weights), lambda: nothing]
        )

    def _windows(self, weights: list[Tensor], mode: Tensor) -> Tensor:
        """Windows that end at each scored row, from a zero or injected state: last step's error, or the mean of all."""
        steps = self._held_out.steps
        first = tf.constant(self._held_out.positions - steps + 1, tf.int32)
        replicates, scored = weights[0].shape[0], len(self._held_out.positions)

        def body(t: Tensor, states: Tensor, _last: Tensor, total: Tensor) -> tuple[Tensor, ...]:
            rows = first + t
            predictions, states = advance(self._network, weights, tf.gather(self._inputs, rows), states)
            errors = tf.reduce_mean((predictions - tf.gather(self._targets, rows)[None]) ** 2, axis=-1)
            return t + 1, states, errors, total + errors

        zeros = tf.zeros((replicates, scored), self._network.dtype)
        states = zero_states(self._network, replicates, scored)
        if self._injected is not None:
            states = tf.nest.map_structure(lambda z, s: z + tf.gather(s, first), states, self._injected)
        start = (tf.constant(0), states, zeros, zeros)
        _, _, last, total = tf.while_loop(lambda t, *_: t < steps, body, start, maximum_iterations=steps)
        return tf.where(mode == MODES.index("positions"), total / steps, last)

    def _stream(self, weights: list[Tensor]) -> Tensor:
        """One pass over the held-out series with the state carried along it."""
        start = self._held_out.start
        steps = int(np.max(self._held_out.positions)) + 1 - start
        replicates = weights[0].shape[0]
        array = tf.TensorArray(self._network.dtype, steps, element_shape=(replicates,))

        def body(t: Tensor, states: Tensor, errors: Tensor) -> tuple[Tensor, ...]:
            row = start + t
            predictions, states = advance(self._network, weights, self._inputs[row][None], states)
            error = tf.reduce_mean((predictions[:, 0] - self._targets[row]) ** 2, axis=-1)
            return t + 1, states, errors.write(t, error)

        state = (tf.constant(0), zero_states(self._network, replicates, 1), array)
        *_, errors = tf.while_loop(lambda t, *_: t < steps, body, state, maximum_iterations=steps)
        return tf.transpose(tf.gather(errors.stack(), self._held_out.positions - start))
