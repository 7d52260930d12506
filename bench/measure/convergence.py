"""How much training a case needs: replicates over folds, seeds and learning rates, evaluated at growing intervals.

Replicates are trained in waves, all of a wave in step from their first update on, so that they are evaluated at the
same updates: as many side by side as a block has slots, one pack of them after another. Learning rates, seeds and draws
of the data are data, so nothing is compiled again.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median_low
from typing import Any

import numpy as np

from bench.case import trained
from bench.case.regimes import regime_of
from bench.case.stretches import relative_standard_error
from bench.engines.base import Array, Engine, Predicts
from bench.measure.batching import check_continuation
from bench.measure.initial_weights import initial_weights
from bench.measure.replicate import Replicate, Role, mean_errors, rounded, six_digits
from bench.measure.tuning import Tuning
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

PACK = 4
"""What a pack of replicates costs beside its slots, in slots: the part of an update that a larger block shares."""

WAYS: tuple[Predicts, ...] = ("sliding", "carried", "positions")


@dataclass
class Pack:
    """Replicates that are trained side by side.

    Attributes
    ----------
    slots
        The replicate in each slot, or None.
    models
        What the trainer made of them, kept here while another pack is in it.
    starts
        First rows of this epoch's windows, shape (updates, slots, batch_size).
    """

    slots: list[Replicate | None]
    models: list[Any] = field(default_factory=list)
    starts: Any = None


class Block:
    """One trainer, the packs of replicates that take turns in it, and the clock on them."""

    def __init__(self, workload: Workload, engine: Engine, slots: int) -> None:
        self._workload = workload
        self._predicts = regime_of(workload.case.regime).predicts
        sequences = workload.sequences
        self._begins = None if sequences is None else sequences.begins
        self._within = Pack([None] * slots)
        self.slots = slots
        self.disturbed = False
        self.seconds = {"prepare": 0.0, "compile": 0.0, "train": 0.0, "evaluate": 0.0}
        begin = time.perf_counter()
        self.trainer: Any = engine.trainer(workload.work(slots), workload.case.kernel)
        self.seconds["prepare"] = time.perf_counter() - begin
        self._call("compile", self._starts(self._within, 0)[:1], reset=True, evaluate=self._predicts)

    @property
    def together(self) -> int:
        """Most replicates that `run` takes: those of one pack where a trainer cannot hand out its models."""
        return max(self.slots, self._workload.models_held) if self._workload.case.kernel == "replicated" else self.slots

    def run(self, wave: Sequence[Replicate], races: Sequence[Tuning] = ()) -> None:
        """Train replicates in step from their first update on, always in as few packs as they fill.

        `races` may abandon some on the way.
        """
        packs = [self._place(part) for part in _parts(wave, self.slots)]
        looks = iter(self._workload.looks)
        look, done = next(looks), 0
        for epoch in range(self._workload.training.epochs):
            for pack in packs:
                pack.starts = self._starts(pack, epoch)
            at = 0
            while packs and at < self._workload.schedule.updates_per_epoch:
                count = min(self._workload.schedule.updates_per_epoch - at, look - done)
                due = done + count == look
                for pack in packs:
                    self._let_in(pack)
                    part = pack.starts[at : at + count]
                    progress = self._call("train", part, reset=at == 0, evaluate=self._predicts if due else None)
                    if due:
                        self._note(pack, look, progress)
                at, done = at + count, done + count
                if due:
                    look = next(looks, look)
                    packs = self._settle(packs, races)

    def timed(self) -> list[float]:
        """Steady-state seconds per update and replicate, one sample a compiled call; spoils the models in the slots."""
        starts = self._starts(self._within, 0)[: self._workload.updates_in_call]
        samples = []
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(TIMED_BLOCKS):
            begin = time.perf_counter()
            self._call("train", starts, reset=True)
            samples.append((time.perf_counter() - begin) / len(starts) / self.slots)
        self.disturbed = disturbed(time.perf_counter() - wall, time.process_time() - cpu)
        return samples

    def _place(self, part: Sequence[Replicate]) -> Pack:
        """Make a pack of fresh models."""
        pack = Pack([*part, *[None] * (self.slots - len(part))])
        self._let_in(pack)
        for slot, new in enumerate(part):
            weights = initial_weights(self._workload.network, new.weights_seed)
            first_row = new.draw * self._workload.rows_per_draw
            self.trainer.place(slot, weights, new.learning_rate, new.seed, first_row)
        return pack

    def _let_in(self, pack: Pack) -> None:
        """Let a pack's models into the trainer, and keep those of the one that was there and is not yet done."""
        if pack is self._within:
            return
        if any(self._within.slots):
            self._within.models = self.trainer.models
        if pack.models:
            self.trainer.models = pack.models
        self._within = pack

    def _note(self, pack: Pack, updates: int, progress: Any) -> None:
        # Of all slots at once: a mean of NumPy's costs as much for one.
        error, loss = progress.errors.mean(axis=1), np.ascontiguousarray(progress.loss.T).mean(axis=1)
        accuracy = None if progress.hits is None else progress.hits.mean(axis=1)
        for slot, replicate in enumerate(pack.slots):
            if replicate:
                hits = None if accuracy is None else float(accuracy[slot])
                replicate.note(updates, float(error[slot]), float(loss[slot]), hits)
                if replicate.role == "evaluation":
                    replicate.scores.note(progress.errors[slot])
                replicate.used_up = updates >= self._workload.budget

    def _settle(self, packs: list[Pack], races: Sequence[Tuning]) -> list[Pack]:
        """Score finished replicates the other ways, and free their slots; the packs that are left."""
        for race in races:
            race.abandon()
        for pack in packs:
            done = [s for s, replicate in enumerate(pack.slots) if replicate and self._finished(replicate)]
            if any(pack.slots[slot].role == "evaluation" for slot in done):  # type: ignore[union-attr]
                self._let_in(pack)
                nothing = pack.starts[:0]
                errors = {way: self._call("evaluate", nothing, reset=False, evaluate=way).errors for way in WAYS}
                for slot in done:
                    replicate = pack.slots[slot]
                    assert replicate is not None
                    replicate.otherwise = {way: rounded(errors[way][slot].mean()) for way in WAYS}
                    replicate.relative_standard_error = relative_standard_error(errors[self._predicts][slot])
            for slot in done:
                pack.slots[slot] = None
        return self._closer(packs)

    def _closer(self, packs: list[Pack]) -> list[Pack]:
        """Move replicates together where they fill fewer packs."""
        every = [replicate for pack in packs for replicate in pack.slots]
        parts = list(_parts([place for place, replicate in enumerate(every) if replicate], self.slots))
        if len(parts) in {0, len(packs)}:
            return packs if parts else []
        self._within.models = self.trainer.models
        models = [np.concatenate(arrays) for arrays in zip(*(pack.models for pack in packs), strict=True)]
        starts = np.concatenate([pack.starts for pack in packs], axis=1)
        closer = []
        for part in parts:
            filled = np.resize(part, self.slots)  # empty slots train a copy
            slots = [*(every[place] for place in part), *[None] * (self.slots - len(part))]
            closer.append(Pack(slots, [array[filled] for array in models], starts[:, filled]))
        self._within = Pack([None] * self.slots)
        return closer

    def _finished(self, replicate: Replicate) -> bool:
        if self._workload.training.stop == "budget" and replicate.role == "evaluation":
            return replicate.used_up or replicate.diverged
        return replicate.ended

    def _starts(self, pack: Pack, epoch: int) -> Array:
        """First rows of every slot's own windows of an epoch, shape (updates, slots, batch_size)."""
        schedule, rows = self._workload.schedule, self._workload.rows_per_draw
        own = [(one.seed, one.draw * rows) if one else (0, 0) for one in pack.slots]
        starts = np.stack([schedule.epoch(seed, epoch) + first_row for seed, first_row in own], axis=1)
        regime = regime_of(schedule.regime)
        if regime.continues:
            check_continuation(starts, schedule.steps, self._begins, regime.updates_old)
        return np.asarray(starts, np.int32)

    def _call(self, what: str, starts: Array, *, reset: bool, evaluate: Predicts | None = None) -> Any:
        begin = time.perf_counter()
        progress = self.trainer.train(starts, reset=reset, evaluate=evaluate)
        self.seconds[what] += time.perf_counter() - begin
        return progress


def measure(workload: Workload, engine: Engine) -> tuple[trained.Convergence, dict[str, float], list[Warn]]:
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
    folds = range(min(training.folds, training.evaluation_seeds))

    def replicate(number: int, fold: int, rate: float, role: Role) -> Replicate:
        draw = workload.draw_of(fold)
        seed = first_seed + number + (FIRST_TUNING_SEED if role == "tuning" else 0)
        new = Replicate(seed, role, rate, fold, draw, workload.targets[draw], training.hold)
        if role == "evaluation":
            # Of a fold's replicates, `orders` after one another begin from the weights of the first.
            new.weights_seed = seed - number // len(folds) % training.orders * len(folds)
        return new

    block = Block(workload, engine, slots_for(workload, len(folds)))
    tunings = [Tuning(training.learning_rates, training.further_rates) for _ in folds]
    wanted = {fold: list(training.learning_rates) for fold in folds}
    while wanted:
        waves: list[list[Replicate]] = [[]]
        for fold, rates in wanted.items():
            numbers = range(fold * training.tuning_seeds, (fold + 1) * training.tuning_seeds)
            new = [replicate(number, fold, rate, "tuning") for rate in rates for number in numbers]
            tunings[fold].enter(new)
            # A fold's rates race side by side, so they go into one wave wherever they fit.
            if waves[-1] and len(waves[-1]) + len(new) > block.together:
                waves.append([])
            waves[-1] += new
        for wave in waves:
            for part in _parts(wave, block.together):
                block.run(part, tunings)
        wanted = {fold: [rate] for fold in folds if (rate := tunings[fold].next_rate) is not None}
    evaluation = [
        replicate(number, fold, tunings[fold].chosen, "evaluation")
        for number in range(training.evaluation_seeds)
        for fold in [number % len(folds)]
    ]
    for part in _parts(evaluation, block.together):
        block.run(part)
    samples = block.timed()
    kernel, evidence = engine.kernel_seen(block.trainer)

    simple = _simple_errors(workload)
    at_edge = any(one.at_edge for one in tunings)
    checks = {
        Warn.RATE_AT_EDGE: at_edge,
        Warn.NO_RATE_REACHES: not any(one.reached for one in tunings),
        Warn.DIVERGED: any(r.diverged for r in evaluation),
        # On a GPU the process waits for it, and need not compute.
        Warn.BUSY_MACHINE: block.disturbed and workload.case.device == "cpu",
        Warn.OTHER_KERNEL: kernel != workload.case.kernel,
        Warn.MISALIGNED: regime_of(workload.case.regime).misaligned,
    }
    result = trained.Convergence(
        parameters=workload.network.parameters,
        outputs=workload.network.outputs,
        predicts=regime_of(workload.case.regime).predicts,
        steps_per_prediction=1 if regime_of(workload.case.regime).predicts == "carried" else schedule.steps,
        target=workload.target,
        target_rule=task.target_rule,
        hold=training.hold,
        loss=task.loss,
        majority=task.majority(workload.positions),
        trivial=workload.trivial,
        optimum=task.optimum,
        stateless_floor=workload.stateless_floor,
        baselines=workload.baselines,
        draws=len(workload.draws),
        data_sha256=workload.data_sha256,
        scored=trained.Scored(
            count=len(workload.positions),
            of=len(task.series().scored),
            relative_standard_error=_median_of_numbers([r.relative_standard_error for r in evaluation]),
            squared_errors=_scored_errors(workload, evaluation) if simple else None,
            simple=simple,
        ),
        updates_per_epoch=schedule.updates_per_epoch,
        targets_per_update=schedule.batch_size * schedule.targets_per_window,
        cell_steps_per_update=schedule.batch_size * schedule.steps * workload.case.layers,
        budget=workload.budget,
        learning_rates=list(training.learning_rates),
        tuning=[
            trained.Tuning(
                fold=fold,
                draw=workload.draw_of(fold),
                rates=one.tried,
                chosen_rate=one.chosen,
                reached=one.reached,
                at_edge=one.at_edge,
            )
            for fold, one in enumerate(tunings)
        ],
        chosen_rate=median_low(one.chosen for one in tunings),
        rate_at_edge=at_edge,
        replicates=[
            *(one.to_record() for tuning in tunings for one in tuning.replicates),
            *(one.to_record() for one in evaluation),
        ],
        seconds_per_update=samples,
        kernel_seen=kernel,
        evidence=evidence,
        replicates_in_block=block.slots,
        evaluated_otherwise={way: [r.otherwise[way] for r in evaluation] for way in WAYS},
    )
    return result, block.seconds, [code for code, found in checks.items() if found]


def slots_for(workload: Workload, folds: int) -> int:
    """How many replicates a block trains side by side: as many as get through tuning and evaluation soonest.

    What a pack costs is taken as its slots and `PACK`, the part that does not grow with them.
    """
    training = workload.training
    if workload.case.kernel != "replicated":
        return 1
    waves = (len(training.learning_rates) * training.tuning_seeds * folds, training.evaluation_seeds)
    most = workload.replicates_in_block(max(waves))
    return min(
        range(1, most + 1), key=lambda slots: (sum(math.ceil(n / slots) for n in waves) * (slots + PACK), -slots)
    )


def _parts(whole: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    yield from (whole[first : first + size] for first in range(0, len(whole), size))


def disturbed(wall: float, cpu: float) -> bool:
    """Whether other work had the core while the blocks were timed, from their seconds on the wall and on the CPU."""
    return wall >= LEAST_TIMED_S and cpu < LEAST_CPU_SHARE * wall


def _simple_errors(workload: Workload) -> dict[str, list[float]]:
    """Errors of simple predictions at each scored target, by name, of one draw after another."""
    each = [task.simple_errors(workload.positions) for task in workload.draws]
    return {name: six_digits(np.concatenate([one[name] for one in each])) for name in each[0]}


def _scored_errors(workload: Workload, evaluation: Sequence[Replicate]) -> list[float] | None:
    """An arm's errors at the same targets; None where no replicate of a draw has any."""
    each = [mean_errors(one.scores for one in evaluation if one.draw == draw) for draw in range(len(workload.draws))]
    known = [one for one in each if one is not None]
    return [error for one in known for error in one] if len(known) == len(each) else None


def _median_of_numbers(values: list[float]) -> float | None:
    """Median of those that are finite: a replicate that diverged says nothing about the others."""
    finite = [value for value in values if math.isfinite(value)]
    return float(np.median(finite)) if finite else None
