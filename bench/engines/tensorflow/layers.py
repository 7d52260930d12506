"""The trainer made of real Keras layers and a real Keras optimiser: one model, one compiled function for many updates.

It exists for two reasons: it is what the kernels (loop, unrolled, XLA, cuDNN) are timed with, and it is the reference
that the replicated trainer must equal.

Keras' `implementation` is 2 by default (one product for all gates); 1 is a product a gate. It exists for LSTM and GRU;
a SimpleRNN has one gate. It is an argument of the loop here, because what it changes is what a step of the loop does.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bench.engines.base import Array, Network, Predicts, Progress, Weights, Work
from bench.engines.tensorflow.cells import Tensor
from bench.engines.tensorflow.network import MODES, Bounds, Evaluation, errors_of, given_states, kept_states

KERNELS = ("loop", "loop_implementation_1", "unrolled", "xla", "xla_unrolled", "cudnn")
COMPILED_BY_XLA = ("xla", "xla_unrolled")
UNROLLED = ("unrolled", "xla_unrolled")


def build(network: Network, batch_size: int, steps: int, *, stateful: bool, kernel: str) -> keras.Sequential:
    """Build the network from Keras layers, with outputs at every step."""
    options: dict[str, Any] = {
        "return_sequences": True,
        "stateful": stateful,
        "unroll": kernel in UNROLLED,
        "dtype": network.dtype,
    }
    # Keras' default picks cuDNN where it can; naming it makes the others comparable and a failure loud. Who calls `fit`
    # gets the default.
    gated = {
        "use_cudnn": "auto" if kernel == "fit" else kernel == "cudnn",
        "implementation": 1 if kernel == "loop_implementation_1" else 2,
    }
    make = {
        "lstm": lambda: keras.layers.LSTM(network.units, **options, **gated),
        "gru": lambda: keras.layers.GRU(network.units, reset_after=True, **options, **gated),
        "gru_reset_before": lambda: keras.layers.GRU(network.units, reset_after=False, **options, **gated),
        "simple_rnn": lambda: keras.layers.SimpleRNN(network.units, **options),
    }[network.cell]
    model = keras.Sequential([keras.Input(batch_shape=(batch_size, steps, network.inputs), dtype=network.weight_dtype)])
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
        network, layout, dtype = work.network, work.layout, work.network.weight_dtype
        # A layer holds a state that can be set only where it is stateful.
        stateful = work.feed.carried or work.injected is not None
        self.model = build(network, layout.batch_size, layout.steps, stateful=stateful, kernel=kernel)
        self.optimizer = keras.optimizers.Adam()
        self.optimizer.build(self.model.trainable_variables)
        self._inputs = tf.constant(work.inputs, dtype)
        self._targets = tf.constant(work.targets, dtype)
        self._step_weights = tf.constant(work.feed.step_weights, dtype)
        self._first_rows = tf.constant([0])
        self._injected = given_states(network, work.injected)
        self._kept = kept_states(work.feed)
        self._recurrent = [layer for layer in self.model.layers if getattr(layer, "stateful", False)]
        # For each state those that are carried to a later update than the next, the oldest first.
        self._younger = [
            [tf.Variable(tf.zeros_like(state)) for _ in range(work.feed.updates_old - 1)]
            for layer in self._recurrent
            for state in layer.states
        ]
        self._bounds = Bounds.of(work.sequences)
        series = self._inputs, self._targets
        self._evaluation = Evaluation(network, work.held_out, *series, self._injected, work.sequences)
        self._score = tf.function(self._evaluation.figures, jit_compile=True, autograph=False)
        # Always said: on a GPU Keras' "auto" turns XLA on for some layers and not for others.
        jit = kernel in COMPILED_BY_XLA
        self.compiled = tf.function(self._segment, jit_compile=jit, autograph=False)
        self.forward = tf.function(self._passes, jit_compile=jit, autograph=False)
        self._idling = tf.function(self._nothing, jit_compile=jit, autograph=False)

    def place(self, slot: int, weights: Weights, learning_rate: float, seed: int, first_row: int = 0) -> None:
        """Put a fresh model into the one slot; Keras draws dropout from a generator of its own."""
        del slot, seed
        self._first_rows = tf.constant([first_row])
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
        for layer in self._recurrent:
            layer.reset_state()
        for variable in (state for states in self._younger for state in states):
            variable.assign(tf.zeros_like(variable))

    def train(self, starts: Array, *, reset: bool, evaluate: Predicts | None = None) -> Progress:
        """Make one update for each row of `starts`, then evaluate."""
        if reset:
            self.reset_state()
        return self.scored(self.compiled(*self.arguments(starts)).numpy()[: len(starts), None], evaluate)

    def scored(self, loss: Array, evaluate: Predicts | None) -> Progress:
        """Evaluate, and tell what was found beside the training loss."""
        if evaluate is None:
            return Progress(loss, None)
        weights = [variable[None] for variable in self.model.trainable_variables]
        figures = self._score(weights, tf.constant(MODES.index(evaluate)), self._first_rows, self._kept)
        return Progress(loss, *(one.numpy() for one in figures))

    def infer(self, starts: Array) -> None:
        """Make one forward pass for each row of `starts`; see `bench.engines.base.Timed`."""
        self.forward(*self.arguments(starts)).numpy()

    def idle(self, starts: Array) -> None:
        """Go through the rows of `starts` as `train` does, and do nothing with them."""
        self.reset_state()
        self._idling(*self.arguments(starts)).numpy()

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
        return self._repeat(self._update, starts, updates)

    def _passes(self, starts: Tensor, calls: Tensor) -> Tensor:
        return self._repeat(self._forward, starts, calls)

    def _nothing(self, starts: Tensor, times: Tensor) -> Tensor:
        return self._repeat(lambda row: tf.cast(row[0], self.work.network.weight_dtype), starts, times)

    def _repeat(self, step: Callable[[Tensor], Tensor], starts: Tensor, times: Tensor) -> Tensor:
        """Call `step` with one row of `starts` after another; what it returned, shape (max_updates,)."""
        layout = self.work.layout
        found = tf.TensorArray(self.work.network.weight_dtype, layout.max_updates, element_shape=())

        def body(i: Tensor, found: Any) -> tuple[Tensor, Any]:
            # Not `starts[i]`, which is four operations: what the loop itself takes is not the update's.
            return i + 1, found.write(i, step(tf.gather(starts, i)))

        _, found = tf.while_loop(lambda i, _: i < times, body, (tf.constant(0), found))
        return found.stack()

    def _forward(self, starts: Tensor) -> Tensor:
        """One forward pass; the sum of the predictions, so that nothing of it can be left out."""
        rows = starts[:, None] + tf.range(self.work.layout.steps)
        predictions = self.model(tf.gather(self._inputs, rows), training=False)
        return tf.reduce_sum(tf.cast(predictions, self.work.network.weight_dtype))

    def _update(self, starts: Tensor) -> Tensor:
        rows = starts[:, None] + tf.range(self.work.layout.steps)
        there = rows if self._bounds is None else self._bounds.within(rows)
        x, y = tf.gather(self._inputs, there), tf.gather(self._targets, there)
        if self._bounds is not None:
            begins = tf.gather(self._bounds.begins, starts)[:, None]
            for variable in (state for layer in self._recurrent for state in layer.states):
                variable.assign(tf.where(begins, tf.zeros_like(variable), variable))
        if self._injected is not None:
            for layer, states in zip(self._recurrent, self._injected, strict=True):
                for variable, state in zip(layer.states, states, strict=True):
                    variable.assign(tf.gather(state, starts))
        if self.work.feed.hidden_only:
            for variable in (state for layer in self._recurrent for state in layer.states[1:]):
                variable.assign(tf.zeros_like(variable))
        with tf.GradientTape() as tape:
            predictions = tf.cast(self.model(x, training=True), y.dtype)
            errors = errors_of(self.work.network, predictions, y)
            if self._bounds is None:
                loss = tf.reduce_sum(tf.reduce_mean(errors, axis=0) * self._step_weights)
            else:
                weighing = tf.transpose(self._bounds.valid(starts, tf.transpose(rows), y.dtype)) * self._step_weights
                loss = tf.math.divide_no_nan(tf.reduce_sum(errors * weighing), tf.reduce_sum(weighing))
        self._hold_back()
        variables = self.model.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    def _hold_back(self) -> None:
        """Put the oldest state into the layers' place, and the one they came to behind the others."""
        states = (state for layer in self._recurrent for state in layer.states)
        for state, younger in zip(states, self._younger, strict=True):
            row = [*map(tf.convert_to_tensor, younger), tf.convert_to_tensor(state)]
            for variable, value in zip((state, *younger), row, strict=True):
                variable.assign(value)


class FitTrainer(LayerTrainer):
    """The same layers and optimiser behind Keras' own loops, with Keras' defaults for cuDNN and XLA.

    Windows are cut once where the same `starts` come again, so that what is timed is `fit` and not the cutting.
    """

    def __init__(self, work: Work) -> None:
        super().__init__(work, "fit")
        labels = keras.losses.CategoricalCrossentropy(from_logits=True)
        self.model.compile(self.optimizer, labels if work.network.loss == "crossentropy" else "mse")
        self._cut: tuple[bytes, dict[str, Any]] = (b"", {})

    def train(self, starts: Array, *, reset: bool, evaluate: Predicts | None = None) -> Progress:
        """Make one call of `fit` that has one batch for each row of `starts`; the loss is its mean, at every update."""
        if reset:
            self.reset_state()
        loss = np.zeros((len(starts), 1))
        if len(starts):
            batch = self.work.layout.batch_size
            history = self.model.fit(**self._windows(starts), batch_size=batch, shuffle=False, epochs=1, verbose=0)
            loss += history.history["loss"][0]
        return self.scored(loss, evaluate)

    def infer(self, starts: Array) -> None:
        """Make one call of `predict` that has one batch for each row of `starts`."""
        if len(starts):
            self.model.predict(self._windows(starts)["x"], batch_size=self.work.layout.batch_size, verbose=0)

    def idle(self, starts: Array) -> None:
        """Do what is done beside calling `fit`: nearly nothing, since the windows are cut already."""
        self.reset_state()
        self._windows(starts)

    def concrete(self) -> Any:
        """Return Keras' own training function, traced as `fit` traces it."""
        nowhere = np.zeros((1, 1, self.work.layout.batch_size), np.int32)
        batch = [tf.constant(value) for value in self._windows(nowhere).values()]
        self.model.make_train_function()
        # Keras' function takes a list for one batch after another, and makes of each what it makes of a data set's.
        traced = tf.function(lambda *batch: self.model.train_function([batch]), autograph=False)
        return traced.get_concrete_function(*batch)

    def _windows(self, starts: Array) -> dict[str, Any]:
        """Arguments of `fit`: x (rows, steps, features), y, and the weight of each step where they differ."""
        which = np.asarray(starts).tobytes()
        if self._cut[0] == which:
            return self._cut[1]
        work, steps = self.work, self.work.layout.steps
        rows = np.asarray(starts)[:, 0].reshape(-1)[:, None] + np.arange(steps)
        dtype = work.network.weight_dtype
        cut = {"x": work.inputs[rows].astype(dtype), "y": work.targets[rows].astype(dtype)}
        weights = work.feed.step_weights
        if np.ptp(weights) > 0:
            # Keras divides by the number of steps, whatever their weights add up to.
            cut["sample_weight"] = np.broadcast_to(weights * steps, rows.shape).astype(dtype)
        self._cut = (which, cut)
        return cut
