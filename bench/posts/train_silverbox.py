"""Silverbox: is a tuned burn-in better than carried state? One cell of a published table, as published and corrected.

The data are not shipped, since nothing says under which licence they may be: `read_silverbox` takes the user's file.
"""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np

import tasks
from bench.case.cases import Case, Training
from bench.engines import create
from bench.engines.base import Array
from bench.errors import PlanError
from bench.measure import convergence, workload
from bench.posts.block import Block, in_order, lstm, shuffled
from bench.posts.entry import Arm, Claim, Findings, ask, paragraphs
from bench.posts.experiments import Setting
from tasks.baselines import linear_error
from tasks.task import Series, Task, check_window

WINDOW, UNITS, BATCH, BURN_IN = 100, 8, 100, 94
PARTS = {"train": 20_000, "val": 10_000, "test": 10_000}
"""Rows of the file's parts, in its order."""

EPOCHS, RATE = 10, 0.004
"""The paper trains 400 epochs at a rate of 0.0001: a fortieth of the epochs here, at forty times the rate."""

UPDATES = EPOCHS * ((PARTS["train"] - WINDOW + 1) // BATCH)
"""Of every arm, the corrected ones included."""

PUBLISHED = {"zero state": 0.00291, "burn-in": 0.00142, "carried": 0.00222}
"""Scaled mean squared errors of the test part: the row of 100 steps."""

TEST = "test mse"
TUNED, REACHED = "test mse, tuned", "trainings that converge to the published best"


@dataclass(frozen=True)
class Scaled:
    """Inputs and outputs of all parts, scaled with the training part, shapes (rows, 1)."""

    u: Array
    y: Array


def read_silverbox(setting: Setting) -> Scaled:
    """Read a CSV file with the columns part, u and y, as the split of the paper's code has them.

    Raises
    ------
    PlanError
        Naming the line that is no row, or the part that has another length.
    """
    path = setting.silverbox
    assert path is not None, "asked for before the experiment is run"
    values: dict[str, list[tuple[float, float]]] = {part: [] for part in PARTS}
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        for row in rows:
            try:
                values[row["part"]].append((float(row["u"]), float(row["y"])))
            except (KeyError, TypeError, ValueError):
                raise PlanError(
                    f"SILVERBOX={path}, line {rows.line_num}: {row} is no row with part ({', '.join(PARTS)}), u and y"
                ) from None
    lengths = {part: len(found) for part, found in values.items()}
    if lengths != PARTS:
        raise PlanError(f"SILVERBOX={path} has {lengths} rows, and the paper's split has {PARTS}; give all of it")
    u, y = np.array([pair for part in PARTS for pair in values[part]]).T[..., None]
    known = slice(0, PARTS["train"])
    return Scaled((u - u[known].mean()) / u[known].std(), (y - y[known].mean()) / y[known].std())


def silverbox(setting: Setting) -> Findings:
    """Train the paper's arms on its windows, and beside them those that have but one of its differences."""
    data = read_silverbox(setting)
    arms = [
        as_published(data, name, setting, shuffle=shuffle, burn_in=burn_in, carried=carried)
        for name, shuffle, burn_in, carried in (
            ("zero state, shuffled", True, 0, False),
            (f"burn-in of {BURN_IN}, shuffled", True, BURN_IN, False),
            ("carried, in order", False, 0, True),
            ("zero state, in order", False, 0, False),
            (f"burn-in of {BURN_IN}, in order", False, BURN_IN, False),
        )
    ]
    known = {TEST: without_network(data)}
    return Findings(arms=arms, baselines=known, claims=_about_published(arms), notes=NOTES)


def silverbox_tuned(setting: Setting) -> Findings:
    """Train cases of the suite on the same data."""
    data = read_silverbox(setting)
    tasks.add(Silverbox(data))
    known = without_network(data)
    arms = [
        by_case(regime, setting)
        for regime in (
            "stateless", "stateless-ordered", "stateless-burnin@50", f"stateless-burnin@{BURN_IN}", "foreign-state",
            "stateful",
        )
    ]  # fmt: skip
    return Findings(arms=arms, baselines={TUNED: known}, claims=_about_tuned(arms, known), notes=TUNED_NOTES)


def without_network(data: Scaled) -> dict[str, float]:
    """Errors of predictions without a network on the test part."""
    task = Silverbox(data)
    return {f"linear in the last {WINDOW} inputs": linear_error(task.series(), WINDOW), "the mean": task.trivial}


def _about_published(arms: Sequence[Arm]) -> list[Claim]:
    zero, warm, carried, zero_in_order, warm_in_order = arms
    return [
        *(
            ask("published", "post", f"test mse {value:g} ({name})", TEST, arm, value=value, rounding=5e-6)
            for arm, (name, value) in zip((zero, warm, carried), PUBLISHED.items(), strict=True)
        ),
        ask("compare", "post", "carried state does better than a zero state", TEST, carried, zero),
        ask("compare", "post", "the burn-in does better than carried state", TEST, warm, carried),
        *(
            ask("compare", "flaw", f"{name}: shuffled windows do better than windows in order", TEST, one, other,
                yes=f"{name}: windows in order do worse than shuffled ones; the table has the carried arm alone in "
                "order.",
                otherwise=f"{name}: the order makes it no worse.")
            for name, one, other in (
                ("Zero state", zero, zero_in_order), (f"Burn-in of {BURN_IN}", warm, warm_in_order),
            )
        ),
        ask("compare", "remains", "in the same order, carried state does better than a zero state", TEST, carried,
            zero_in_order,
            yes="In the same order, carried state gave a lower error than a zero state.",
            no="In the same order, carried state gave a higher error than a zero state.",
            same="In the same order, carried and zero state gave the same error."),
        ask("compare", "remains", "in the same order, carried state does better than the burn-in", TEST, carried,
            warm_in_order,
            yes="In the same order, carried state gave a lower error than the burn-in.",
            no="In the same order, carried state gave a higher error than the burn-in.",
            same="In the same order, carried state and the burn-in gave the same error."),
    ]  # fmt: skip


def _about_tuned(arms: Sequence[Arm], known: Mapping[str, float]) -> list[Claim]:
    *others, stateful = arms
    (linear, error), _ = known.items()
    return [
        *(
            ask("compare", "post" if "burnin" in arm.name else "remains", f"{arm.name} does better than stateful",
                TUNED, arm, stateful,
                yes=f"{arm.name} gave a lower error than carried state.",
                no=f"Carried state gave a lower error than {arm.name}.",
                same=f"{arm.name} and carried state gave the same error.")
            for arm in others
        ),
        *(
            ask("level", "floor", f"{arm.name}: test mse below {linear}", TUNED, arm, value=error)
            for arm in (others[0], stateful)
        ),
    ]  # fmt: skip


NOTES = paragraphs("""\
    One of the paper's 21 cells: 100 steps, the shortest windows and the ones where a warm state gained most. Its rows
    of 200, 500 and 1,000 steps and its training by whole sequences (79,600 updates of 20,000 steps each) were not run.

    Scaled down: 10 epochs instead of 400, at a rate of 0.004 instead of 0.0001. The published figures are of longer
    trainings, so they may differ for that reason alone; what is compared here are arms of equal training. Weights are
    drawn as Keras draws them, not as PyTorch does.

    All arms are tested as the paper does, by one pass over the test part from a zero state.""")

TUNED_NOTES = paragraphs("""\
    Cases of the suite itself on the same data, with as many updates in every arm as `silverbox` has: contiguous windows
    of 100 steps at random offsets, 8 a batch, a loss at every step behind the burn-in, a rate of each arm's own that is
    chosen on other seeds from a grid that grows at its edges. Stateful trains 8 parallel streams of 2,500 rows.

    Tested by one pass with the state carried along, scored on 1,024 rows of the test part; the validation part before
    it warms the state. No arm without carried state was trained for that. The error is that of the last evaluation, not
    the best one. An update with a burn-in of 94 steps computes 194 for its 100 targets: equal updates are not equal
    costs.""")


def as_published(data: Scaled, name: str, setting: Setting, *, shuffle: bool, burn_in: int, carried: bool) -> Arm:
    """Windows at stride 1, 100 a batch, no loss on the first steps.

    In order a batch is the windows of 100 adjacent rows. The window that continues a row's stands in the same place of
    the next batch, since a window is as long as a batch.
    """
    view = np.lib.stride_tricks.sliding_window_view
    x, y = (np.moveaxis(view(one, WINDOW, axis=0), -1, 1) for one in (data.u, data.y))
    block = Block(
        lstm(UNITS), x, y, setting.seeds, batch_size=BATCH, carried=carried, loss_steps=WINDOW - burn_in,
        learning_rate=RATE,
    )  # fmt: skip
    count = PARTS["train"] - WINDOW + 1
    epochs = range(setting.epochs(EPOCHS))
    block.fit(shuffled(count, BATCH, setting.seeds, e) if shuffle else in_order(count, BATCH) for e in epochs)
    first = PARTS["train"] + PARTS["val"]
    block.reset()
    along = block.predict_stream(np.repeat(np.arange(first, len(data.y), WINDOW)[:, None], BATCH, axis=1))
    errors = np.mean((along - data.y[first:]) ** 2, axis=0)
    settings = (
        f"LSTM({UNITS}), L = {WINDOW}, stride 1, B = {BATCH}, rate {RATE:g}, {len(epochs)} epochs of {count // BATCH} "
        f"updates, {'shuffled' if shuffle else 'in order'}, a loss on the last {WINDOW - burn_in} steps"
        + (", state carried" if carried else "")
    )
    return Arm(name, "as published", settings, {TEST: errors})


class Silverbox(Task):
    """The output of an electronic oscillator from its input alone, no past of the output."""

    name: ClassVar[str] = "silverbox"
    unit: ClassVar[str] = "squared standard deviations of the output in training"
    target_rule: ClassVar[str] = "the published test error of the best burn-in at 100 steps"
    reach = None
    optimum = None

    def __init__(self, data: Scaled) -> None:
        super().__init__()
        self._data = data

    def build(self) -> Series:
        """The paper's split: the validation part warms up a carried state, the test part is scored."""
        return Series(self._data.u, self._data.y, PARTS["train"], PARTS["val"])

    @cached_property
    def trivial(self) -> float:
        """Error of predicting the training mean."""
        series = self.series()
        return float(np.mean(series.targets[series.scored] ** 2))

    def stateless_floor(self, window: int) -> None:
        """Return None: unknown for a real series."""
        check_window(window)

    def baselines(self) -> dict[str, float]:
        """Errors of the mean and of linear models of the last inputs."""
        linear = {f"linear ({n} inputs)": linear_error(self.series(), n) for n in (10, WINDOW)}
        return {"the mean": self.trivial} | linear

    def target(self, window: int) -> float:
        """Return the published error."""
        check_window(window)
        return PUBLISHED["burn-in"]


def by_case(regime: str, setting: Setting) -> Arm:
    """Train a case of the suite, its rate tuned, for as many updates as every arm here."""
    case = Case("convergence", Silverbox.name, None, "lstm", regime, 1, UNITS, WINDOW, 8)
    usual = Training(
        learning_rates=(0.003, 0.01, 0.03), evaluation_seeds=len(setting.seeds), scored_targets=1024, cadence=0.2
    )
    per_epoch = workload.build(case, usual).schedule.updates_per_epoch
    training = replace(usual, epochs=max(1, round(setting.fraction * UPDATES / per_epoch)))
    found, _, _ = convergence.measure(workload.build(case, training), create("tensorflow"))
    ended = [one for one in found.replicates if one.role == "evaluation"]
    rates = ", ".join(f"{rate:g}" for rate in sorted({one.learning_rate for one in ended}))
    settings = (
        f"LSTM({UNITS}), window {WINDOW}, batch 8, {training.epochs * per_epoch} updates, "
        f"rates {rates}{' (at the edge of those tried)' if found.rate_at_edge else ''}"
    )
    errors = [math.inf if error is None else error for error in found.evaluated_otherwise["carried"]]
    figures = {TUNED: np.array(errors), REACHED: np.array([one.reached for one in ended], float)}
    return Arm(regime, "corrected", settings, figures)
