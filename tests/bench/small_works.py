"""Small works for the engines' tests, with no framework in them."""

from dataclasses import replace

import numpy as np

from bench.engines.base import Feed, HeldOut, Layout, Network, Sequences, Work
from bench.measure.batching import SequenceSchedule

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


LENGTHS = (13, 2, 9, 4, 31, 7, 20, 14)
BOUNDARIES = tuple(int(one) for one in np.cumsum((0, *LENGTHS[:-1])))
ROWS = sum(LENGTHS)
HELD_OUT = (13, 6, 22)
"""Lengths of held-out sequences."""


def work_of_sequences(cell, layer_count, regime, **options):
    """A small work of sequences, and its schedule; the held-out ones fall into two sizes."""
    plan = SequenceSchedule(regime, ROWS, STEPS, BATCH, 0, starts=BOUNDARIES)
    rng = np.random.default_rng(5)
    rows = ROWS + sum(HELD_OUT)
    starts = np.array([*BOUNDARIES, *(ROWS + np.cumsum((0, *HELD_OUT[:-1])))])
    positions = np.array([ROWS, ROWS + 2, ROWS + 12, ROWS + 13, ROWS + 18, ROWS + 19, ROWS + 40])
    made = replace(
        work(cell, layer_count, **options),
        inputs=rng.normal(size=(rows, 1)),
        targets=rng.normal(size=(rows, 1)),
        feed=Feed(np.full(STEPS, 1 / STEPS), regime == "stateful"),
        held_out=HeldOut(start=ROWS, positions=positions, steps=STEPS),
        sequences=plan.sequences(starts, rows),
    )
    return made, plan


def work_with_missing_targets(*, carried, replicates=2):
    """One series in which a third of the rows have no target, the first batch of the first replicate among them."""
    made = work("gru", 1, replicates, carried=carried)
    counted = np.random.default_rng(6).random(len(made.inputs)) < 0.7
    counted[:STEPS] = counted[60 : 60 + STEPS] = False
    counted[made.held_out.positions] = True
    nothing = np.zeros(len(counted), np.int32)
    return replace(made, sequences=Sequences(nothing > 0, nothing, nothing + len(counted), counted))


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
