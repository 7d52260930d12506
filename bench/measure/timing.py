"""What an update and a forward pass cost in steady state, one model at a time, with the kernel that was asked for."""

import math
import os
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from bench.case.costs import Inference, Timing, Watched, Whole
from bench.case.regimes import regime_of
from bench.engines.base import Engine, Timed, Trainer
from bench.machine.sensors import Sampler
from bench.measure.initial_weights import initial_weights
from bench.measure.interleave import Alone, Turns
from bench.measure.workload import Workload
from bench.warnings import Warn

BLOCK_S = 0.015
"""Least duration of a timed block on one core: hundreds of times the clock's cost, and tens of times the call's."""

BLOCK_OF_CORES_S = 0.03
"""The same on several cores: after a turn of others the kernel may put two threads on one of them, and takes
milliseconds to part them (docs/speed.md)."""

UNTIMED = 5
"""A block's steps divided by this come before it and are not timed: since the case's last turn others have had the
caches. Without them the ratio of two cases varies half as much again from one pair of processes to the next."""

LEAST_BLOCKS = 36
"""Many and short: what disturbs the machine lasts for whole blocks, and a median looks past them. With 12 the ratio of
two interleaved cases varied by 3 % from one pair of processes to the next, with 36 by 1.6 %; more blocks gain little
(six ratios, four pairs of processes each, docs/speed.md)."""

MOST_S = 4.0
"""Blocks are timed until two halves agree, but no longer than this."""

LONGEST_S = 4 * MOST_S
"""So long does a case make blocks beyond its own need, because others take turns with it."""

AGREE = 0.10
"""Halves whose medians differ by less than this have settled."""

MOST_UPDATES = 1024
"""Enough for a block of updates of 15 us. Each has a place in a call, used or not, and 4096 took 0.2 ms of it."""

MOST_WINDOWS = 2**15
"""Windows whose places a call gets, used or not: 128 KiB, so that handing them over is nothing beside a block."""

LEAST_IN_FIT = 100
"""Updates in one call of `fit`: what a call costs whatever it is given (tens of milliseconds) is nobody's update."""

LEAST_PASSES = 6
"""Blocks of forward passes: they are no part of a training, and get half its time."""

IDLE_BLOCKS = 5

OTHER_LOAD = 0.1
"""Share of all cores that other processes may take while a case is timed."""


@dataclass(frozen=True)
class Samples:
    """Durations of one kind of call.

    Attributes
    ----------
    first, one
        Seconds of the first call and of the one after it, each with one step.
    steps
        Steps in a timed block: updates or forward passes.
    seconds
        Seconds a step, one sample a block: the last ones, those before are warm-up.
    warm_up
        Blocks that were left out.
    """

    first: float
    one: float
    steps: int
    seconds: list[float]
    warm_up: int

    @property
    def settled(self) -> bool:
        """Whether the two halves agree."""
        return settled(self.seconds)

    def shared(self) -> dict[str, Any]:
        """The part of a record that training and inference share."""
        return {
            "first_call_seconds": self.first,
            "compile_seconds": max(0.0, self.first - self.one),
            "warm_up_blocks": self.warm_up,
            "settled": self.settled,
        }


def measure(
    workload: Workload, engine: Engine, turns: Turns | None = None
) -> tuple[Timing, dict[str, float], list[Warn]]:
    """Time a case; the record's ``time`` part, where the time went, and warnings (docs/records.md).

    Parameters
    ----------
    turns
        With which it takes turns with other cases, block by block; None where it is alone.
    """
    turns = turns or Alone()
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    begin = time.perf_counter()
    most = min(MOST_UPDATES, max(LEAST_BLOCKS, MOST_WINDOWS // workload.case.batch_size))
    trainer = engine.trainer(workload.work(1, most), workload.case.kernel)
    trainer.place(0, initial_weights(workload.network, 0), workload.training.learning_rates[0], 0)
    starts = workload.starts_of(most)
    prepare = time.perf_counter() - begin
    turns.begin()
    begin = time.perf_counter()

    def update(updates: int) -> None:
        # To reset the state takes a tenth of a millisecond, once in an epoch: it is no update's.
        trainer.train(starts[:updates], reset=False)

    least = LEAST_IN_FIT if workload.case.kernel == "fit" else 1
    machine = Sampler()
    training = sample(update, most, turns, least_steps=least, watch=machine)
    overhead = _overhead(trainer, starts[: training.steps])
    inference = _inference(trainer, starts, most, turns, least) if workload.training.inference else None
    kernel, evidence = engine.kernel_seen(trainer)
    watched = machine.found()
    whole = train_whole(workload, engine) if workload.training.whole_epochs else None
    checks = {
        Warn.UNSETTLED: not training.settled,
        # Not the load average: most of it is what this run did a minute ago.
        Warn.BUSY_MACHINE: (watched["other_load"] or 0.0) > OTHER_LOAD,
        Warn.OTHER_KERNEL: kernel != workload.case.kernel,
        Warn.MISALIGNED: regime_of(workload.case.regime).misaligned,
        Warn.SLOWED: bool(watched["throttled"] or watched["swapped_bytes"] or _slowed(watched["accelerators"])),
    }
    result = Timing(
        parameters=workload.network.parameters,
        outputs=workload.network.outputs,
        **training.shared(),
        updates_per_block=training.steps,
        seconds_per_update=training.seconds,
        overhead_seconds_per_update=overhead,
        cell_steps_per_update=workload.schedule.batch_size * workload.schedule.steps * workload.case.layers,
        targets_per_update=workload.schedule.batch_size * workload.schedule.targets_per_window,
        features=workload.network.inputs,
        kernel_seen=kernel,
        evidence=evidence,
        load=load,
        machine=msgspec.convert(
            watched | {"updates": (training.warm_up + len(training.seconds)) * training.steps}, Watched
        ),
        inference=inference,
        whole=whole,
    )
    seconds = {
        "prepare": prepare,
        "compile": training.first,
        "train": time.perf_counter() - begin - training.first - turns.waited,
        "evaluate": 0.0,
    }
    return result, seconds, [code for code, found in checks.items() if found]


def sample(
    call: Callable[[int], None],
    most: int,
    turns: Turns,
    least_blocks: int = LEAST_BLOCKS,
    *,
    least_steps: int = 1,
    watch: AbstractContextManager[Any] | None = None,
) -> Samples:
    """Time a call that makes as many steps as it is told, at most `most`.

    In blocks of at least `least_steps`, long enough for the clock, until `least_blocks` in a row have settled, and on
    until those of the cases have that it takes turns with; the last ones are kept. Blocks that are longer than they
    have to be begin with steps that are not timed.

    Parameters
    ----------
    watch
        Entered for each block.
    """

    def timed(steps: int) -> float:
        begin = time.perf_counter()
        call(steps)
        return time.perf_counter() - begin

    def unhindered(steps: int) -> float:
        # The quicker of two, unless the first is long whatever held it up.
        once = timed(steps)
        return once if once > 10 * block_s else min(once, timed(steps))

    block_s = BLOCK_S if len(os.sched_getaffinity(0)) == 1 else BLOCK_OF_CORES_S
    first = timed(1)
    one = timed(1)
    steps = min(most, least_steps)
    blocks: list[float] = []
    enough = False
    # Enough once is enough: of a dozen cases that take turns, something may always disturb one.
    while turns.turn(enough=(enough := enough or _enough(blocks, least_blocks))):
        # In its own turn: before it others still import, and a block that was slow for that would stay too short.
        while not blocks and (block := unhindered(steps)) < block_s and steps < most:
            # Grow towards the block's duration, at most eightfold at a time: early blocks are slower than later ones.
            steps = min(most, max(steps + 1, min(8 * steps, int(1.2 * block_s / block * steps))))
        # None where the least steps are a block already: that is long beside what the caches cost.
        if steps > least_steps and (untimed := steps // UNTIMED):
            call(untimed)
        with watch or nullcontext():
            blocks.append(timed(steps))
        if sum(blocks) > LONGEST_S and len(blocks) >= 2:
            turns.leave()
            break
    kept = [seconds / steps for seconds in blocks[-least_blocks:]]
    return Samples(first, one, steps, kept, len(blocks) - len(kept))


def _enough(blocks: list[float], least: int) -> bool:
    """Whether the last blocks have settled, or the time for them is over."""
    return (len(blocks) >= least and settled(blocks[-least:])) or (sum(blocks) > MOST_S and len(blocks) >= 2)


def settled(samples: list[float]) -> bool:
    """Whether the medians of the first and second half agree."""
    half = len(samples) // 2
    if half == 0:
        return False
    early, late = statistics.median(samples[:half]), statistics.median(samples[half:])
    return abs(early - late) <= AGREE * min(early, late)


def _inference(trainer: Trainer, starts: Any, most: int, turns: Turns, least: int) -> Inference | None:
    """Time forward passes of the same batch; None where the trainer makes none by itself."""
    if not isinstance(trainer, Timed):
        return None
    passes = sample(
        lambda calls: trainer.infer(np.asarray(starts[:calls])), most, turns, LEAST_PASSES, least_steps=least
    )
    return Inference(**passes.shared(), calls_per_block=passes.steps, seconds_per_call=passes.seconds)


def _overhead(trainer: Trainer, starts: Any) -> list[float] | None:
    """Seconds per update that are the harness's own: the same block with nothing in it; None where it cannot idle."""
    if not isinstance(trainer, Timed):
        return None

    def idle() -> float:
        begin = time.perf_counter()
        trainer.idle(starts)
        return time.perf_counter() - begin

    idle()  # compiles
    return [idle() / len(starts) for _ in range(IDLE_BLOCKS)]


def _slowed(accelerators: list[dict[str, Any]]) -> bool:
    return any(one["slowed_by"] for one in accelerators)


def train_whole(workload: Workload, engine: Engine) -> Whole:
    """Train a fresh model until it reaches the target or has used its epochs, in the process that timed the kernel.

    An epoch's updates are made in one call, after which the error is looked at, as most users would.
    `seconds` begins with the first call, so tracing and compiling are in it; evaluations are timed apart, because their
    number is the observer's choice and not the kernel's.
    """
    training, schedule = workload.training, workload.schedule
    predicts = regime_of(schedule.regime).predicts
    trainer = engine.trainer(workload.work(1, schedule.updates_per_epoch), workload.case.kernel)
    trainer.place(0, initial_weights(workload.network, 0), training.learning_rates[0], 0)
    every = schedule.updates_per_epoch
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
            assert progress.errors is not None
            error = float(np.mean(progress.errors))
            if error <= workload.target:
                break
        else:
            continue
        break
    return Whole(
        seconds=seconds,
        evaluate_seconds=evaluating,
        updates=updates,
        calls=calls,
        reached=error <= workload.target,
        error=error if math.isfinite(error) else None,
        learning_rate=training.learning_rates[0],
    )
