"""Small works for the engine's tests, and Keras models trained by `fit` on the same windows in the same order."""

import os
from dataclasses import replace

import keras
import numpy as np
import tensorflow as tf

from bench.engines.backend import SHORT_LOOPS
from bench.engines.base import Feed, HeldOut, Layout, Network, Work
from bench.engines.tensorflow import layers

# As the suite's own workers compile; read when XLA compiles for the first time.
os.environ["XLA_FLAGS"] = SHORT_LOOPS

STEPS, BATCH, UPDATES = 4, 2, 6
EPOCHS = 3
RATES = (2**-7, 2**-6)  # float32 holds them exactly, as Keras keeps its rate in float32


def series(rows=260, seed=0):
    walk = np.cumsum(np.random.default_rng(seed).normal(size=(rows + 1, 1)), axis=0) * 0.1
    return walk[:-1], walk[1:]


def work(cell="lstm", layer_count=1, replicates=2, dtype="float64", weights=None, carried=True, dropout=0.0, **layout):
    inputs, targets = series()
    shape = {"steps": STEPS, "batch_size": BATCH, "max_updates": UPDATES, "replicates": replicates} | layout
    network = Network(cell, layer_count, 3, 1, 1, dropout=dropout, dtype=dtype)
    weights = np.full(shape["steps"], 1 / shape["steps"]) if weights is None else np.asarray(weights, float)
    held_out = HeldOut(start=150, positions=np.arange(170, 250, 7), steps=shape["steps"])
    return Work(network, Layout(**shape), Feed(weights, carried), inputs, targets, held_out)


def with_feed(trainer, weights, *, carried):
    """The same compiled trainer under another regime: only data changes."""
    trainer.work = replace(trainer.work, feed=Feed(np.asarray(weights), carried))
    trainer._step_weights = tf.constant(weights, trainer.work.network.dtype)
    trainer._carried = tf.constant(carried)
    return trainer


def random_weights(network, seed):
    rng = np.random.default_rng(seed)
    return [(0.4 * rng.normal(size=shape)).astype(network.dtype) for shape in network.weight_shapes]


class Reference:
    """A model of real Keras layers, compiled once, trained by `fit(shuffle=False)` an epoch at a time."""

    def __init__(self, work, *, stateful):
        self.work = work
        layout = work.layout
        self.model = layers.build(work.network, layout.batch_size, layout.steps, stateful=stateful, kernel="loop")
        self.model.compile(optimizer=keras.optimizers.Adam(), loss="mse", jit_compile=False)

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


def train(trainer, starts, *, reset=True):
    """Train epochs; starts (epochs, updates, replicates, batch). Returns losses (epochs, updates, replicates)."""
    return np.array([trainer.train(epoch, reset=reset).loss for epoch in starts])


def difference(found, expected):
    """Largest difference relative to the largest value."""
    return max(
        float(np.abs(np.asarray(a) - np.asarray(b)).max() / max(np.abs(np.asarray(b)).max(), 1e-300))
        for a, b in zip(found, expected, strict=True)
    )
