"""What an update costs in steady state, one model at a time, with the kernel that was asked for."""

import os
import statistics
import time
from typing import Any

import numpy as np

from bench.engines.base import Engine
from bench.initial_weights import initial_weights
from bench.regimes import REGIMES
from bench.warnings import Warn
from bench.workload import Workload

BLOCK_S = 0.1
"""Least duration of a timed block: a thousand times the clock's and the call's own cost."""

LEAST_BLOCKS = 10
MOST_S = 4.0
"""Blocks are timed until two halves agree, but no longer than this."""

AGREE = 0.10
"""Halves whose medians differ by less than this have settled."""

MOST_UPDATES = 4096
BUSY_LOAD = 0.5
"""Load average per core above which the machine had other work."""


def measure(workload: Workload, engine: Engine) -> tuple[dict[str, Any], dict[str, float], list[Warn]]:
    """Time a case; the record's ``time`` part, where the time went, and warnings (docs/records.md)."""
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    begin = time.perf_counter()
    trainer = engine.trainer(workload.work(1, MOST_UPDATES), workload.case.kernel)
    trainer.place(0, initial_weights(workload.network, 0), workload.training.learning_rates[0], 0)
    starts = np.resize(workload.schedule.epoch(0, 0), (MOST_UPDATES, workload.case.batch_size))[:, None]
    prepare = time.perf_counter() - begin

    def timed(updates: int) -> float:
        begin = time.perf_counter()
        trainer.train(starts[:updates], reset=True)
        return time.perf_counter() - begin

    first = timed(1)
    one = timed(1)
    updates = 1
    while (block := timed(updates)) < BLOCK_S and updates < MOST_UPDATES:
        # Grow towards the block's duration, at most eightfold at a time: early blocks are slower than later ones.
        updates = min(MOST_UPDATES, max(updates + 1, min(8 * updates, int(1.2 * BLOCK_S / block * updates))))
    samples: list[float] = []
    began = time.perf_counter()
    while True:
        samples.append(timed(updates) / updates)
        enough = len(samples) >= LEAST_BLOCKS and settled(samples)
        if enough or (time.perf_counter() - began > MOST_S and len(samples) >= 2):
            break
    kernel, evidence = engine.kernel_seen(trainer)
    checks = {
        Warn.UNSETTLED: not settled(samples),
        Warn.BUSY_MACHINE: load > BUSY_LOAD,
        Warn.OTHER_KERNEL: kernel != workload.case.kernel,
        Warn.MISALIGNED: REGIMES[workload.case.regime].misaligned,
    }
    result = {
        "parameters": workload.network.parameters,
        "first_call_seconds": first,
        "compile_seconds": max(0.0, first - one),
        "updates_per_block": updates,
        "seconds_per_update": samples,
        "cell_steps_per_update": workload.schedule.batch_size * workload.schedule.steps * workload.case.layers,
        "targets_per_update": workload.schedule.batch_size * workload.schedule.targets_per_window,
        "kernel_seen": kernel,
        "evidence": evidence,
        "settled": settled(samples),
        "load": load,
    }
    seconds = {
        "prepare": prepare,
        "compile": first,
        "train": time.perf_counter() - begin - prepare - first,
        "evaluate": 0.0,
    }
    return result, seconds, [code for code, found in checks.items() if found]


def settled(samples: list[float]) -> bool:
    """Whether the medians of the first and second half agree."""
    half = len(samples) // 2
    if half == 0:
        return False
    early, late = statistics.median(samples[:half]), statistics.median(samples[half:])
    return abs(early - late) <= AGREE * min(early, late)
