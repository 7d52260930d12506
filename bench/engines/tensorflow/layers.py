"""The trainer made of real Keras layers and a real Keras optimiser: one model, one compiled function for many updates.

It exists for two reasons: it is what the kernels (loop, unrolled, XLA, cuDNN) are timed with, and it is the reference
that the replicated trainer must equal.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bench.engines.base import Array, Network, Predicts, Progress, Weights, Work
from bench.engines.tensorflow.cells import Tensor
from bench.engines.tensorflow.evaluation import MODES, Evaluation
from bench.engines.tensorflow.network import given_states

KERNELS = ("loop", "unrolled", "xla", "cudnn")


def build(network: Network, batch_size: int, steps: int, *, stateful: bool, kernel: str) -> keras.Sequential:
    """Build the network from Keras layers, with outputs at every step."""
    options: dict[str, Any] = {
        "return_sequences": True,
        "stateful": stateful,
        "unroll": kernel == "unrolled",
        "dtype": network.dtype,
    }
    # Keras' default picks cuDNN where it can; naming it makes the others comparable and a failure loud.
    gated = {"use_cudnn": kernel == "cudnn"}
    make = {
        "lstm": lambda: keras.layers.LSTM(network.units, **options, **gated),
        "gru": lambda: keras.layers.GRU(network.units, reset_after=True, **options, **gated),
        "gru_reset_before": lambda: keras.layers.GRU(network.units, reset_after=False, **options, **gated),
        "simple_rnn": lambda: keras.layers.SimpleRNN(network.units, **options),
    }[network.cell]
    model = keras.Sequential([keras.Input(batch_shape=(batch_size, steps, network.inputs), dtype=network.dtype)])
    for _ in range(network.layers):
        model.add(make())
        if network.dropout:
            model.add(keras.layers.Dropout(network.dropout, dtype=network.dtype))
    model.add(keras.layers.Dense(network.outputs, dtype=network.dtype))
    return model


class LayerTrainer:
    """Trains one model; see `bench.engines.base.Trainer` for the methods."""

    def __init__(self, work: Work, kernel: str) -> None:
        if work.layout.replicates != 1:
            raise ValueError(f"kernel {kernel!r} trains one model at a time, not {work.layout.replicates}")
        self.work = work
        network, layout = work.network, work.layout
        # A layer holds a state that can be set only where it is stateful.
        stateful = work.feed.carried or work.injected is not None
        self.model = build(network, layout.batch_size, layout.steps, stateful=stateful, kernel=kernel)
        self.optimizer = keras.optimizers.Adam()
        self.optimizer.build(self.model.trainable_variables)
        self._inputs = tf.constant(work.inputs, network.dtype)
        self._targets = tf.constant(work.targets, network.dtype)
        self._step_weights = tf.constant(work.feed.step_weights, network.dtype)
        self._injected = given_states(network, work.injected)
        self._evaluation = Evaluation(network, work.held_out, self._inputs, self._targets, self._injected)
        self._score = tf.function(self._evaluation.squared_errors, jit_compile=True, autograph=False)
        # Always said: on a GPU Keras' "auto" turns XLA on for some layers and not for others.
        self.compiled = tf.function(self._segment, jit_compile=kernel == "xla", autograph=False)

    def place(self, slot: int, weights: Weights, learning_rate: float, seed: int) -> None:
        """Put a fresh model into the one slot; Keras draws dropout from a generator of its own."""
        del slot, seed
        self.model.set_weights(weights)
        for variable in self.optimizer.variables:
            variable.assign(tf.zeros_like(variable))
        self.optimizer.learning_rate.assign(learning_rate)
        self.reset_state()

    def weights(self, slot: int) -> Weights:
        """Copy the weights."""
        del slot
        return [np.array(weight) for weight in self.model.get_weights()]

    def reset_state(self) -> None:
        """Set the state of every stateful layer to zero."""
        for layer in self.model.layers:
            if getattr(layer, "stateful", False):
                layer.reset_state()

    def train(self, starts: Array, *, reset: bool, evaluate: Predicts | None = None) -> Progress:
        """Make one update for each row of `starts`, then evaluate."""
        if reset:
            self.reset_state()
        loss = self.compiled(*self.arguments(starts)).numpy()[: len(starts), None]
        if evaluate is None:
            return Progress(loss, None)
        weights = [variable[None] for variable in self.model.trainable_variables]
        return Progress(loss, self._score(weights, tf.constant(MODES.index(evaluate))).numpy())

    def arguments(self, starts: Array) -> tuple[Tensor, Tensor]:
        """Arguments of the compiled function for one call."""
        layout = self.work.layout
        padded = np.zeros((layout.max_updates, layout.batch_size), np.int32)
        padded[: len(starts)] = np.asarray(starts)[:, 0]
        return tf.constant(padded), tf.constant(len(starts))

    def concrete(self) -> Any:
        """Return the traced training function; tracing it first where it has not run yet."""
        layout = self.work.layout
        return self.compiled.get_concrete_function(*self.arguments(np.zeros((0, 1, layout.batch_size))))

    def _segment(self, starts: Tensor, updates: Tensor) -> Tensor:
        layout = self.work.layout
        losses = tf.TensorArray(self.work.network.dtype, layout.max_updates, element_shape=())

        def body(i: Tensor, losses: Any) -> tuple[Tensor, Any]:
            return i + 1, losses.write(i, self._update(starts[i]))

        _, losses = tf.while_loop(lambda i, _: i < updates, body, (tf.constant(0), losses))
        return losses.stack()

    def _update(self, starts: Tensor) -> Tensor:
        rows = starts[:, None] + tf.range(self.work.layout.steps)
        x, y = tf.gather(self._inputs, rows), tf.gather(self._targets, rows)
        if self._injected is not None:
            recurrent = [layer for layer in self.model.layers if getattr(layer, "stateful", False)]
            for layer, states in zip(recurrent, self._injected, strict=True):
                for variable, state in zip(layer.states, states, strict=True):
                    variable.assign(tf.gather(state, starts))
        with tf.GradientTape() as tape:
            errors = tf.reduce_mean((self.model(x, training=True) - y) ** 2, axis=(0, 2))
            loss = tf.reduce_sum(errors * self._step_weights)
        variables = self.model.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return loss
