"""How much training a case needs: replicates over seeds and learning rates, scored at a cadence in processed targets.

Replicates wait in a queue and are trained in the slots of a block. One that is finished leaves its slot to the next in
the queue at the end of the epoch; learning rates and seeds are data, so nothing is compiled again.
"""

import math
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from bench.case import record
from bench.case.record import MOST_ERROR
from bench.case.regimes import REGIMES
from bench.engines.base import Array, Engine, Predicts, Trainer
from bench.measure.batching import check_continuation
from bench.measure.initial_weights import initial_weights
from bench.measure.paired import HalfScores, mean_errors, six_digits
from bench.measure.workload import Workload
from bench.warnings import Warn

FIRST_TUNING_SEED = 1_000_000
"""Tuning seeds count from here and evaluation seeds from 0, so that no seed has both roles."""

SEEDS_APART = 10_000
"""Repetition k of a case counts its seeds from here on, k times: an arm beside itself on other seeds."""

TIMED_BLOCKS = 5
"""Compiled calls without evaluation whose duration gives the steady-state seconds per update."""

LEAST_CPU_SHARE = 0.9
"""Share of the timed blocks' wall time that this process must have computed: it has a core of its own, so what is
missing went to other work."""

LEAST_TIMED_S = 0.02
"""Blocks shorter than this say nothing of who had the core."""

WAYS: tuple[Predicts, ...] = ("sliding", "carried", "positions")


@dataclass
class Replicate:
    """One training and what was found along it."""

    seed: int
    role: Literal["tuning", "evaluation"]
    learning_rate: float
    epochs: int = 0
    updates: list[int] = field(default_factory=list)
    error: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    updates_to_target: int | None = None
    diverged: bool = False
    otherwise: dict[Predicts, float | None] = field(default_factory=dict)
    relative_standard_error: float = math.nan
    scores: HalfScores = field(default_factory=HalfScores)

    def note(self, updates: int, error: float, loss: float, target: float) -> None:
        """Add one evaluation after `updates` more updates."""
        self.updates.append((self.updates[-1] if self.updates else 0) + updates)
        self.error.append(error)
        self.loss.append(loss)
        if not error <= MOST_ERROR:  # nan is not
            self.diverged = True
        elif error <= target and self.updates_to_target is None:
            self.updates_to_target = self.updates[-1]

    def to_record(self) -> record.Replicate:
        """The replicate as a record holds it."""
        reached = self.updates_to_target is not None
        return record.Replicate(
            seed=self.seed,
            role=self.role,
            learning_rate=self.learning_rate,
            updates=self.updates,
            error=[_rounded(value) for value in self.error],
            loss=[_rounded(value) for value in self.loss],
            reached=reached,
            updates_to_target=self.updates_to_target,
            censored_at=None if reached else self.updates[-1],
            diverged=self.diverged,
        )


class Block:
    """The slots of one trainer, and the clock on them."""

    def __init__(self, workload: Workload, engine: Engine, replicates: int) -> None:
        self._workload = workload
        self._slots: list[Replicate | None] = [None] * replicates
        self._predicts = REGIMES[workload.case.regime].predicts
        self._target = workload.target
        sequences = workload.sequences
        self._begins = None if sequences is None else sequences.begins
        self.disturbed = False
        self.seconds = {"prepare": 0.0, "compile": 0.0, "train": 0.0, "evaluate": 0.0}
        begin = time.perf_counter()
        self.trainer: Trainer = engine.trainer(workload.work(replicates), workload.case.kernel)
        self.seconds["prepare"] = time.perf_counter() - begin
        self._call("compile", self._starts(0)[:1], reset=True, evaluate=self._predicts)

    def run(self, replicates: list[Replicate]) -> None:
        """Train all of them, as many at a time as there are slots."""
        queue = deque(replicates)
        while self._fill(queue):
            self._epoch()
            self._settle()

    def timed(self) -> list[float]:
        """Steady-state seconds per update and replicate, one sample a compiled call; spoils the models in the slots."""
        starts = self._starts(0)[: self._workload.updates_between_evaluations]
        samples = []
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(TIMED_BLOCKS):
            begin = time.perf_counter()
            self._call("train", starts, reset=True)
            samples.append((time.perf_counter() - begin) / len(starts) / len(self._slots))
        self.disturbed = disturbed(time.perf_counter() - wall, time.process_time() - cpu)
        return samples

    def _fill(self, queue: deque[Replicate]) -> bool:
        for slot, replicate in enumerate(self._slots):
            if replicate is None and queue:
                new = queue.popleft()
                weights = initial_weights(self._workload.network, new.seed)
                self.trainer.place(slot, weights, new.learning_rate, new.seed)
                self._slots[slot] = new
        return any(self._slots)

    def _epoch(self) -> None:
        epochs = [replicate.epochs if replicate else 0 for replicate in self._slots]
        starts = self._starts(*epochs)
        every = self._workload.updates_between_evaluations
        for first in range(0, len(starts), every):
            part = starts[first : first + every]
            progress = self._call("train", part, reset=first == 0, evaluate=self._predicts)
            for slot, replicate in enumerate(self._slots):
                if replicate and not self._finished(replicate):
                    error = float(progress.squared_errors[slot].mean())
                    replicate.note(len(part), error, float(progress.loss[:, slot].mean()), self._target)
                    replicate.scores.note(progress.squared_errors[slot])
            self._settle()
        for replicate in self._slots:
            if replicate:
                replicate.epochs += 1

    def _settle(self) -> None:
        """Score finished replicates the other ways and free their slots."""
        done = [s for s, replicate in enumerate(self._slots) if replicate and self._finished(replicate)]
        if any(self._slots[slot].role == "evaluation" for slot in done):  # type: ignore[union-attr]
            nothing = self._starts(0)[:0]
            errors = {way: self._call("evaluate", nothing, reset=False, evaluate=way).squared_errors for way in WAYS}
            for slot in done:
                replicate = self._slots[slot]
                assert replicate is not None
                replicate.otherwise = {way: _rounded(errors[way][slot].mean()) for way in WAYS}
                replicate.relative_standard_error = _relative_standard_error(errors[self._predicts][slot])
        for slot in done:
            self._slots[slot] = None

    def _finished(self, replicate: Replicate) -> bool:
        training = self._workload.training
        early = training.stop == "target" and replicate.updates_to_target is not None
        return early or replicate.diverged or replicate.epochs >= training.epochs

    def _starts(self, *epochs: int) -> Array:
        """First rows of every slot's own next epoch, shape (updates, replicates, batch_size)."""
        schedule = self._workload.schedule
        seeds = [replicate.seed if replicate else 0 for replicate in self._slots]
        own = list(epochs) if len(epochs) == len(seeds) else [epochs[0]] * len(seeds)
        starts = np.stack([schedule.epoch(s, e) for s, e in zip(seeds, own, strict=True)], axis=1)
        regime = REGIMES[schedule.regime]
        if regime.carried and not regime.misaligned:
            check_continuation(starts, schedule.window, self._begins)
        return starts

    def _call(self, what: str, starts: Array, *, reset: bool, evaluate: Predicts | None = None) -> Any:
        begin = time.perf_counter()
        progress = self.trainer.train(starts, reset=reset, evaluate=evaluate)
        self.seconds[what] += time.perf_counter() - begin
        return progress


def measure(workload: Workload, engine: Engine) -> tuple[record.Convergence, dict[str, float], list[Warn]]:
    """Train a case's replicates.

    Returns
    -------
    result
        The record's ``convergence`` part (docs/records.md).
    seconds
        Where the time went.
    warnings
        What a reader must know.
    """
    training, schedule, task = workload.training, workload.schedule, workload.task
    first_seed = SEEDS_APART * workload.case.repetition
    tuning = [
        Replicate(FIRST_TUNING_SEED + first_seed + seed, "tuning", rate)
        for rate in training.learning_rates
        for seed in range(training.tuning_seeds)
    ]
    wanted = max(len(tuning), training.evaluation_seeds)
    block = Block(workload, engine, 1 if workload.case.kernel != "replicated" else workload.replicates_in_block(wanted))
    block.run(tuning)
    rate = choose_rate(tuning)
    evaluation = [Replicate(first_seed + seed, "evaluation", rate) for seed in range(training.evaluation_seeds)]
    block.run(evaluation)
    samples = block.timed()
    kernel, evidence = engine.kernel_seen(block.trainer)

    simple = task.simple_errors(workload.positions)
    grid = training.learning_rates
    at_edge = len(grid) > 1 and rate in {min(grid), max(grid)}
    checks = {
        Warn.RATE_AT_EDGE: at_edge,
        Warn.NO_RATE_REACHES: bool(tuning) and all(r.updates_to_target is None for r in tuning),
        Warn.DIVERGED: any(r.diverged for r in evaluation),
        # On a GPU the process waits for it, and need not compute.
        Warn.BUSY_MACHINE: block.disturbed and workload.case.device == "cpu",
        Warn.OTHER_KERNEL: kernel != workload.case.kernel,
        Warn.MISALIGNED: REGIMES[workload.case.regime].misaligned,
    }
    result = record.Convergence(
        parameters=workload.network.parameters,
        predicts=REGIMES[workload.case.regime].predicts,
        steps_per_prediction=1 if REGIMES[workload.case.regime].predicts == "carried" else schedule.steps,
        target=workload.target,
        target_rule=task.target_rule,
        trivial=task.trivial,
        optimum=task.optimum,
        stateless_floor=task.stateless_floor(schedule.steps),
        baselines=task.baselines(),
        scored=record.Scored(
            count=len(workload.positions),
            of=len(task.series().scored),
            relative_standard_error=_median_of_numbers([r.relative_standard_error for r in evaluation]),
            squared_errors=mean_errors(one.scores for one in evaluation) if simple else None,
            simple={name: six_digits(errors) for name, errors in simple.items()},
        ),
        updates_per_epoch=schedule.updates_per_epoch,
        targets_per_update=schedule.batch_size * schedule.targets_per_window,
        cell_steps_per_update=schedule.batch_size * schedule.steps * workload.case.layers,
        evaluate_every=workload.updates_between_evaluations,
        learning_rates=list(grid),
        chosen_rate=rate,
        rate_at_edge=at_edge,
        replicates=[replicate.to_record() for replicate in tuning + evaluation],
        seconds_per_update=samples,
        kernel_seen=kernel,
        evidence=evidence,
        replicates_in_block=len(block._slots),  # noqa: SLF001
        evaluated_otherwise={way: [r.otherwise[way] for r in evaluation] for way in WAYS},
    )
    return result, block.seconds, [code for code, found in checks.items() if found]


def disturbed(wall: float, cpu: float) -> bool:
    """Whether other work had the core while the blocks were timed, from their seconds on the wall and on the CPU."""
    return wall >= LEAST_TIMED_S and cpu < LEAST_CPU_SHARE * wall


def choose_rate(tuning: list[Replicate]) -> float:
    """The learning rate with the least expected updates to target on the tuning seeds.

    Expected updates are all updates spent at a rate, failed runs included, over its successes. Where no rate
    reaches the target, the one with the lowest median of best errors is taken.
    """
    by_rate: dict[float, list[Replicate]] = {}
    for replicate in tuning:
        by_rate.setdefault(replicate.learning_rate, []).append(replicate)

    def merit(rate: float) -> tuple[float, float]:
        runs = by_rate[rate]
        successes = sum(run.updates_to_target is not None for run in runs)
        spent = sum(run.updates_to_target or run.updates[-1] for run in runs)
        best = [min((e for e in run.error if math.isfinite(e)), default=math.inf) for run in runs]
        return (spent / successes if successes else math.inf), float(np.median(best))

    return min(by_rate, key=merit)


def _relative_standard_error(squared_errors: Array) -> float:
    """Standard error of the mean over the mean, as if targets were independent; not a number where the mean is none."""
    mean = float(squared_errors.mean())
    if mean == 0:
        return 0.0
    return float(squared_errors.std(ddof=1) / math.sqrt(len(squared_errors)) / mean)


def _median_of_numbers(values: list[float]) -> float | None:
    """Median of those that are finite: a replicate that diverged says nothing about the others."""
    finite = [value for value in values if math.isfinite(value)]
    return float(np.median(finite)) if finite else None


def _rounded(value: Any) -> float | None:
    """Six digits, since more would only make the records larger; None for what is no number, which JSON has not."""
    return float(f"{float(value):.6g}") if value <= MOST_ERROR else None
