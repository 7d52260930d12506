"""One training timed whole, from a model that was never called to its target, to hold a product of parts against."""

import time
from typing import Any

import numpy as np

from bench.case.regimes import REGIMES
from bench.engines.base import Engine
from bench.measure.initial_weights import initial_weights
from bench.measure.workload import Workload


def train_whole(workload: Workload, engine: Engine) -> dict[str, Any]:
    """Train a fresh model until it reaches the target or has used its epochs, in the process that timed the kernel.

    An epoch's updates are made in as many calls as evaluations fall into it, as a user who looks at the error would.
    `seconds` begins with the first call, so tracing and compiling are in it; evaluations are timed apart, because their
    number is the observer's choice and not the kernel's.

    Returns
    -------
    dict
        The record's ``whole`` part (docs/records.md).
    """
    training, schedule = workload.training, workload.schedule
    predicts = REGIMES[schedule.regime].predicts
    trainer = engine.trainer(workload.work(1), workload.case.kernel)
    trainer.place(0, initial_weights(workload.network, 0), training.learning_rates[0], 0)
    every = workload.updates_between_evaluations
    seconds = evaluating = 0.0
    updates = calls = 0
    error = float("inf")
    for epoch in range(training.whole_epochs):
        starts = schedule.epoch(0, epoch)[:, None]
        for first in range(0, len(starts), every):
            begin = time.perf_counter()
            trainer.train(starts[first : first + every], reset=first == 0)
            trained = time.perf_counter()
            progress = trainer.train(starts[:0], reset=False, evaluate=predicts)
            evaluating += time.perf_counter() - trained
            seconds += trained - begin
            calls += 1
            updates += len(starts[first : first + every])
            assert progress.squared_errors is not None
            error = float(np.mean(progress.squared_errors))
            if error <= workload.target:
                break
        else:
            continue
        break
    return {
        "seconds": seconds,
        "evaluate_seconds": evaluating,
        "updates": updates,
        "calls": calls,
        "reached": error <= workload.target,
        "error": error,
        "learning_rate": training.learning_rates[0],
    }
