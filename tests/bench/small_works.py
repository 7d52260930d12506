"""Small works for the engines' tests, with no framework in them."""

import numpy as np

from bench.engines.base import Feed, HeldOut, Layout, Network, Work

STEPS, BATCH, UPDATES = 4, 2, 6
EPOCHS = 3
RATES = (2**-7, 2**-6)  # float32 holds them exactly, as Keras keeps its rate in float32


def series(rows=260, seed=0):
    walk = np.cumsum(np.random.default_rng(seed).normal(size=(rows + 1, 1)), axis=0) * 0.1
    return walk[:-1], walk[1:]


def work(
    cell="lstm",
    layer_count=1,
    replicates=2,
    dtype="float64",
    weights=None,
    carried=True,
    dropout=0.0,
    labels=0,
    **layout,
):
    """A small work, of numbers or of so many labels, which part the range of the numbers."""
    inputs, targets = series()
    if labels:
        targets = np.eye(labels)[np.digitize(targets[:, 0], np.quantile(targets, np.arange(1, labels) / labels))]
    shape = {"steps": STEPS, "batch_size": BATCH, "max_updates": UPDATES, "replicates": replicates} | layout
    loss = "crossentropy" if labels else "mse"
    network = Network(cell, layer_count, 3, 1, labels or 1, dropout=dropout, dtype=dtype, loss=loss)
    weights = np.full(shape["steps"], 1 / shape["steps"]) if weights is None else np.asarray(weights, float)
    held_out = HeldOut(start=150, positions=np.arange(170, 250, 7), steps=shape["steps"])
    return Work(network, Layout(**shape), Feed(weights, carried), inputs, targets, held_out)


def random_weights(network, seed):
    rng = np.random.default_rng(seed)
    return [(0.4 * rng.normal(size=shape)).astype(network.dtype) for shape in network.weight_shapes]


def train(trainer, starts, *, reset=True):
    """Train epochs; starts (epochs, updates, replicates, batch). Returns losses (epochs, updates, replicates)."""
    return np.array([trainer.train(epoch, reset=reset).loss for epoch in starts])


def difference(found, expected):
    """Largest difference relative to the largest value."""
    return max(
        float(np.abs(np.asarray(a) - np.asarray(b)).max() / max(np.abs(np.asarray(b)).max(), 1e-300))
        for a, b in zip(found, expected, strict=True)
    )
