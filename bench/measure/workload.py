"""From a case to what an engine needs: the series, the schedule, the network, the scored targets."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

import numpy as np

import tasks
from bench.case.cases import Case, Training, burn_in_steps
from bench.case.regimes import regime_of
from bench.engines.base import Array, HeldOut, Layout, Network, Sequences, States, Work
from bench.errors import PlanError
from bench.measure import initial_weights
from bench.measure.batching import Schedule, SequenceSchedule, look_times
from tasks.dials import Dial

BLOCK_BYTES = 256 * 2**20
"""Most memory that the replicates of a block may take together."""

MOST_REPLICATES = 16
"""Beyond this the time per replicate no longer falls (`make speed` prints the curve), and a block holds up its slots
until the slowest replicate is done."""


@dataclass(frozen=True)
class Workload:
    """A case made concrete.

    Attributes
    ----------
    draws
        The task with each fold's own data; one where it cannot be drawn anew, or where the data do not matter.
    positions
        Rows of a draw whose targets are scored.
    """

    case: Case
    training: Training
    draws: tuple[tasks.Task, ...]
    schedule: Schedule
    network: Network
    positions: Array

    @property
    def task(self) -> tasks.Task:
        """The task with the data of the first fold."""
        return self.draws[0]

    def draw_of(self, fold: int) -> int:
        """Which draw of the data a fold has."""
        return fold % len(self.draws)

    @cached_property
    def targets(self) -> tuple[float, ...]:
        """The error to reach on the targets that are scored, of each draw."""
        return tuple(task.target_on(self.case.window, self.positions) for task in self.draws)

    @cached_property
    def stateless_floor(self) -> float | None:
        """Best error without carried state on the targets that are scored, mean over the draws; None where unknown."""
        floors = [task.floor_on(self.schedule.steps, self.positions) for task in self.draws]
        known = [floor for floor in floors if floor is not None]
        return float(np.mean(known)) if known else None

    @cached_property
    def data_sha256(self) -> str:
        """Fingerprint of all data that the case trains and is scored on."""
        return fingerprint(self.draws)

    @property
    def trivial(self) -> float:
        """Error of the trivial prediction; of a real series cut at several origins the mean over them."""
        return float(np.mean([one.trivial for one in self._of_baselines]))

    @property
    def baselines(self) -> dict[str, float]:
        """Errors of simple predictions by name, as `trivial`."""
        each = [one.baselines() for one in self._of_baselines]
        return {name: float(np.mean([one[name] for one in each])) for name in each[0]}

    @property
    def _of_baselines(self) -> tuple[tasks.Task, ...]:
        # What a synthetic task states holds for all its draws.
        return self.draws if self.draws[0].origins > 1 else self.draws[:1]

    @property
    def target(self) -> float:
        """Their mean: what a figure or a sentence names."""
        return float(np.mean(self.targets))

    @property
    def rows_per_draw(self) -> int:
        """Rows from one draw of the series to the next."""
        return len(self.task.series().inputs)

    @property
    def budget(self) -> int:
        """Updates that a replicate may make."""
        return self.training.epochs * self.schedule.updates_per_epoch

    @cached_property
    def looks(self) -> tuple[int, ...]:
        """Updates after which a replicate is evaluated; the last is the budget."""
        return look_times(self.budget, self.training.cadence)

    @property
    def updates_in_call(self) -> int:
        """Most updates between two evaluations of an epoch: what one compiled call must have room for."""
        longest = int(np.diff(self.looks, prepend=0).max())
        return min(longest, self.schedule.updates_per_epoch)

    def work(self, replicates: int, max_updates: int | None = None) -> Work:
        """What the engine gets, for a block of replicates."""
        series = self.task.series()
        every = [task.series() for task in self.draws]
        return Work(
            network=self.network,
            layout=Layout(
                steps=self.schedule.steps,
                batch_size=self.case.batch_size,
                max_updates=max_updates or self.updates_in_call,
                replicates=replicates,
            ),
            feed=self.schedule.feed(),
            inputs=np.concatenate([one.inputs for one in every]),
            targets=np.concatenate([one.targets for one in every]),
            injected=self._injected(),
            held_out=HeldOut(
                start=series.train_rows,
                positions=self.positions,
                # Used as it was trained: a net that had a burn-in gets one for every prediction too.
                steps=self.schedule.steps,
                # As far away as can be.
                foreign=np.roll(self.positions, len(self.positions) // 2)
                if regime_of(self.case.regime).foreign
                else None,
            ),
            sequences=self.sequences,
        )

    def _injected(self) -> States | None:
        """States that windows begin from, where the regime sets them."""
        source = regime_of(self.case.regime).injected
        if source == "noise":
            return initial_weights.noise_states(len(self.draws) * self.rows_per_draw, self.network)
        return initial_weights.injected_states(self.draws, self.network) if source else None

    @cached_property
    def sequences(self) -> Sequences | None:
        """Boundaries within the series of all draws, and rows without a target; None where there are neither."""
        every = [task.series() for task in self.draws]
        if not isinstance(self.schedule, SequenceSchedule) and all(one.counted is None for one in every):
            return None
        parts = []
        for draw, series in enumerate(every):
            rows, first_row = self.rows_per_draw, draw * self.rows_per_draw
            if isinstance(self.schedule, SequenceSchedule):
                found = self.schedule.sequences(np.array(series.starts), rows)
            else:
                whole = np.zeros(rows, np.int32)
                found = Sequences(whole > 0, whole, whole + rows, np.ones(rows, bool))
            counted = found.counted if series.counted is None else series.counted
            parts.append(Sequences(found.begins, found.first + first_row, found.end + first_row, counted))
        return Sequences(*map(np.concatenate, zip(*parts, strict=True)))

    def starts_of(self, updates: int) -> Array:
        """First rows of windows for a case whose cost alone is measured, shape (updates, 1, batch_size), int32.

        At random places, so that windows overlap where the series is shorter than a batch of them.
        """
        first = np.random.default_rng(0).integers(
            self.schedule.rows - self.schedule.steps + 1, size=(updates, 1, self.case.batch_size)
        )
        return np.asarray(first, np.int32)

    def replicates_in_block(self, wanted: int) -> int:
        """How many replicates to train side by side: as many as wanted, within the memory bound."""
        return max(1, min(wanted, MOST_REPLICATES, BLOCK_BYTES // self.bytes_per_replicate))

    @property
    def models_held(self) -> int:
        """How many models there may be in all, those included that wait for their turn: weights and two moments."""
        return BLOCK_BYTES // (3 * self.weight_bytes)

    @property
    def weight_bytes(self) -> int:
        """Memory that the weights of one model take."""
        return self.network.parameters * int(np.dtype(self.network.weight_dtype).itemsize)

    @property
    def bytes_per_replicate(self) -> int:
        """Memory that one more replicate takes in a block, counted from the arrays that exist at once."""
        network = self.network
        # Weights, two moments, gradients.
        model = 4 * network.parameters
        # Per step, row and layer: the inputs' part, gates and their gradient (4 units each), states, kept values.
        activations = 18 * network.units * network.layers * self.schedule.steps * self.case.batch_size
        # A window's evaluation holds the gates and states of all scored targets.
        scored = 8 * network.units * network.layers * len(self.positions)
        return int(np.dtype(network.weight_dtype).itemsize) * (model + activations + scored)


def build(case: Case, training: Training) -> Workload:
    """Make a case concrete.

    Raises
    ------
    bench.errors.PlanError
        If the case cannot be run on its task's series.
    """
    # What an update costs depends on no value of the series.
    folds = training.folds if case.kind == "convergence" else 1
    draws = draws_of(case, min(training.draws or folds, folds), asked=training.draws)
    series = draws[0].series()
    schedule = _schedule(case, series, burn_in_steps(case, training))
    # What an update costs depends on shapes alone: such a case needs room for a window, not for a whole batch of them.
    (schedule if case.kind == "convergence" or training.whole_epochs else replace(schedule, batch_size=1)).check()
    network = Network(
        cell=case.cell,
        layers=case.layers,
        units=case.units,
        inputs=series.inputs.shape[1],
        outputs=series.targets.shape[1],
        dropout=training.dropout,
        dtype=case.dtype,
        loss=draws[0].loss,
    )
    if regime_of(case.regime).injected == "task":
        initial_weights.injected_states(draws, network)
    return Workload(case, training, draws, schedule, network, scored_positions(series, training.scored_targets))


def draws_of(case: Case, count: int, *, asked: int) -> tuple[tasks.Task, ...]:
    """A case's task with each draw of its data; one where it has but one and no more were asked for.

    Raises
    ------
    bench.errors.PlanError
        If more are asked for of a task that can neither be drawn anew nor cut at several origins.
    """
    first = task_of(case.task, case.dial)
    if first.can_be_redrawn:
        return tuple(task_of(case.task, case.dial, draw) for draw in range(count))
    if asked < 2:
        return (first,)
    if not first.can_be_rolled:
        raise PlanError(
            f"draws {asked}: task {case.task!r} can neither be drawn anew nor cut at several origins; set draws to 0"
        )
    return tuple(task_of(case.task, case.dial, draw, count) for draw in range(count))


def task_of(name: str, dial: Dial | None, draw: int = 0, origins: int = 1) -> tasks.Task:
    """One instance for all cases, since it keeps its series."""
    return _task_of(name, dial, draw, origins)


def _schedule(case: Case, series: tasks.Series, burn_in: int) -> Schedule:
    common = (case.regime, series.train_rows, case.window, case.batch_size, burn_in)
    if (series.starts or series.counted is not None) and case.kernel == "fit":
        what = "is a series of several sequences" if series.starts else "has rows without a target"
        raise PlanError(
            f"{case.task} {what}, which kernel fit cannot train: Keras' own loop sets no state row by row and gives "
            "every row of a window a loss. Use another kernel"
        )
    if not series.starts:
        return Schedule(*common)
    return SequenceSchedule(*common, starts=tuple(first for first in series.starts if first < series.train_rows))


@cache
def _task_of(name: str, dial: Dial | None, draw: int, origins: int) -> tasks.Task:
    if origins > 1:
        return task_of(name, dial).at_origin(draw, origins)
    return task_of(name, dial).redrawn(draw) if draw else tasks.create(name, dial)


def fingerprint(draws: Iterable[tasks.Task]) -> str:
    """SHA-256 of what tasks give: inputs, targets and how they are split."""
    digest = hashlib.sha256()
    for series in (task.series() for task in draws):
        digest.update(f"{series.inputs.shape}{series.targets.shape}{series.train_rows},{series.warm_up}".encode())
        digest.update(series.inputs.tobytes())
        digest.update(series.targets.tobytes())
        if series.counted is not None:
            digest.update(series.counted.tobytes())
    return digest.hexdigest()


def scored_positions(series: Any, count: int) -> Array:
    """Rows of the held-out targets that count, evenly spaced over those after the warm-up, shape (targets,)."""
    return _evenly(series.scored.tobytes(), count)


@cache
def _evenly(scored: bytes, count: int) -> Array:
    """Kept, since the cases of a plan differ in little else than what has no part in this."""
    rows = np.frombuffer(scored, np.int64)
    chosen: Array = rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)]
    chosen.setflags(write=False)
    return chosen
