"""From a case to what an engine needs: the series, the schedule, the network, the scored targets."""

from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

import numpy as np

import tasks
from bench.case.cases import Case, Training, burn_in_steps
from bench.case.regimes import REGIMES
from bench.engines.base import Array, HeldOut, Layout, Network, Sequences, Work
from bench.errors import PlanError
from bench.measure import initial_weights
from bench.measure.batching import Schedule
from bench.measure.sequences import SequenceSchedule

BLOCK_BYTES = 256 * 2**20
"""Most memory that the replicates of a block may take together."""

MOST_REPLICATES = 16
"""Beyond this the time per replicate no longer falls (`make speed` prints the curve), and a block holds up its slots
until the slowest replicate is done."""


@dataclass(frozen=True)
class Workload:
    """A case made concrete."""

    case: Case
    training: Training
    task: tasks.Task
    schedule: Schedule
    network: Network
    positions: Array

    @cached_property
    def target(self) -> float:
        """The error to reach on the targets that are scored."""
        return self.task.target_on(self.case.window, self.positions)

    @property
    def updates_between_evaluations(self) -> int:
        """Updates after which every arm has processed about the same number of targets."""
        return max(1, round(self.schedule.updates_per_epoch / self.training.evaluations_per_epoch))

    def work(self, replicates: int, max_updates: int | None = None) -> Work:
        """What the engine gets, for a block of replicates."""
        series = self.task.series()
        return Work(
            network=self.network,
            layout=Layout(
                steps=self.schedule.steps,
                batch_size=self.case.batch_size,
                max_updates=max_updates or self.updates_between_evaluations,
                replicates=replicates,
            ),
            feed=self.schedule.feed(),
            inputs=series.inputs,
            targets=series.targets,
            injected=initial_weights.injected_states(self.task, self.network)
            if REGIMES[self.case.regime].injected
            else None,
            held_out=HeldOut(
                start=series.train_rows,
                positions=self.positions,
                # Used as it was trained: a net that had a burn-in gets one for every prediction too.
                steps=self.schedule.steps,
            ),
            sequences=self.sequences,
        )

    @cached_property
    def sequences(self) -> Sequences | None:
        """Boundaries within the series; None for one series."""
        series = self.task.series()
        if not isinstance(self.schedule, SequenceSchedule):
            return None
        return self.schedule.sequences(np.array(series.starts), len(series.inputs))

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
    task = _task(case.task, case.dial)
    series = task.series()
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
    )
    if REGIMES[case.regime].injected:
        initial_weights.injected_states(task, network)
    return Workload(case, training, task, schedule, network, scored_positions(series, training.scored_targets))


def _schedule(case: Case, series: tasks.Series, burn_in: int) -> Schedule:
    common = (case.regime, series.train_rows, case.window, case.batch_size, burn_in)
    if not series.starts:
        return Schedule(*common)
    if case.engine != "tensorflow" or case.kernel == "fit":
        what = "kernel fit" if case.kernel == "fit" else case.engine
        raise PlanError(
            f"{case.task} is a series of several sequences, which {what} cannot train: there a state is not set row by "
            "row. Use ENGINE=tensorflow and another kernel than fit"
        )
    return SequenceSchedule(*common, starts=tuple(first for first in series.starts if first < series.train_rows))


@cache
def _task(name: str, dial: int | None) -> tasks.Task:
    """One instance for all cases, since it keeps its series."""
    return tasks.create(name, dial)


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
