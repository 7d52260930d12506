"""The suite's own trainer: a block of replicates in one compiled computation."""

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import gettempdir

import numpy as np

from bench import engines
from bench.engines.base import Feed, HeldOut, Layout, Network, Work
from bench.measure.initial_weights import initial_weights
from bench.speed.setting import Setting, series, starts


def contender(setting: Setting, replicates: int, updates: int) -> Callable[[], None]:
    """Return a function that makes `updates` updates of every replicate."""
    engine = engines.create("tensorflow")
    one_core = len(os.sched_getaffinity(0)) == 1
    # A new folder for each process, so that nothing compiled by another is taken over.
    cache = Path(gettempdir()) / f"statebench-speed-{os.getpid()}"
    engine.configure(threads=1 if one_core else None, device="cpu", cache=cache, short_loops=True)
    inputs, targets = series()
    network = Network(setting.cell, setting.layers, setting.units, 1, 1)
    work = Work(
        network,
        Layout(setting.window, setting.batch_size, updates, replicates),
        Feed(np.eye(setting.window)[-1], carried=setting.stateful),
        inputs,
        targets,
        HeldOut(start=800, positions=np.arange(900, 990, 3), steps=setting.window),
    )
    trainer = engine.trainer(work, "replicated")
    for slot in range(replicates):
        trainer.place(slot, initial_weights(network, slot), 1e-3, slot)
    rows = np.stack([starts(setting, updates, seed) for seed in range(replicates)], axis=1)

    def epoch() -> None:
        trainer.train(rows, reset=True)

    return epoch
