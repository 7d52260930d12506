"""Keras models trained by `fit` on the same windows in the same order as the TensorFlow engine's trainers."""

import os
from dataclasses import replace

import keras
import numpy as np
import tensorflow as tf
from small_works import BATCH, EPOCHS, RATES, STEPS, UPDATES, difference, random_weights, train, work

from bench.engines.backend import SHORT_LOOPS
from bench.engines.base import Feed
from bench.engines.tensorflow import NARROW_LOOPS, layers
from bench.engines.tensorflow.network import kept_states

__all__ = [
    "BATCH",
    "EPOCHS",
    "RATES",
    "STEPS",
    "UPDATES",
    "Reference",
    "difference",
    "random_weights",
    "train",
    "with_feed",
    "work",
]

# As the suite's own workers compile; read when XLA compiles for the first time.
os.environ["XLA_FLAGS"] = f"{SHORT_LOOPS} {NARROW_LOOPS}"


def with_feed(trainer, weights, *, carried, hidden_only=False):
    """The same compiled trainer under another regime: only data changes."""
    trainer.work = replace(trainer.work, feed=Feed(np.asarray(weights), carried, hidden_only))
    trainer._step_weights = tf.constant(weights, trainer.work.network.dtype)
    trainer._kept = kept_states(trainer.work.feed)
    return trainer


class Reference:
    """A model of real Keras layers, compiled once, trained by `fit(shuffle=False)` an epoch at a time."""

    def __init__(self, work, *, stateful):
        self.work = work
        layout = work.layout
        self.model = layers.build(work.network, layout.batch_size, layout.steps, stateful=stateful, kernel="loop")
        loss = "mse"
        if work.network.loss == "crossentropy":
            # As most people write it: the probabilities themselves, from a head of its own activation.
            loss = "categorical_crossentropy"
            # Its usual dtype is what the first test of this process left behind.
            self.model.add(keras.layers.Softmax(dtype=work.network.dtype))
        self.model.compile(optimizer=keras.optimizers.Adam(), loss=loss, jit_compile=False)

    def fit(self, starts, weights, rate, step_weights):
        """Train epochs; starts (epochs, updates, batch). Returns mean loss of each epoch and the final weights."""
        layout = self.work.layout
        self.model.set_weights(weights)
        for variable in self.model.optimizer.variables:
            variable.assign(np.zeros(variable.shape))
        self.model.optimizer.learning_rate.assign(rate)
        losses = []
        for epoch in starts:
            rows = epoch.reshape(-1)[:, None] + np.arange(layout.steps)
            # Keras divides by the number of steps, whatever their weights add up to.
            sample_weight = np.broadcast_to(np.asarray(step_weights) * layout.steps, rows.shape)
            for layer in self.model.layers:
                if getattr(layer, "stateful", False):
                    layer.reset_state()
            history = self.model.fit(
                self.work.inputs[rows],
                self.work.targets[rows],
                sample_weight=sample_weight,
                batch_size=layout.batch_size,
                shuffle=False,
                epochs=1,
                verbose=0,
            )
            losses.append(history.history["loss"][0])
        return np.array(losses), self.model.get_weights()
