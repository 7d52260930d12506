"""Keras' old example of a stateful LSTM: the mean of the last `tsteps` values from a window of `lahead`."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bench.engines.base import Array
from bench.posts.block import Block, in_order, shuffled
from bench.posts.models import lstm
from bench.posts.registry import Setting
from bench.posts.result import Arm, Claim, Entry, values
from tasks.task import target_from_floor

LAHEAD, TSTEPS = (1, 2, 4, 8), (2, 4, 8)
DEFAULT = (1, 2)
"""`lahead` and `tsteps` of the example."""

LENGTH, TRAIN, EPOCHS, UNITS = 1000, 800, 10, 20
AMPLITUDE = 0.1
VARIANCE = AMPLITUDE**2 / 3
LEAD = max(*LAHEAD, *TSTEPS)
"""Values before the first row, so that all cells have the same rows."""


def stateless_floor(lahead: int, tsteps: int) -> float:
    """Best mean squared error without carried state: s^2 (N - L) / N^2 for L < N, else 0."""
    return VARIANCE * max(0, tsteps - lahead) / tsteps**2


def target(lahead: int, tsteps: int) -> float:
    """The error below which a model counts as converged, by the rule of the suite's tasks."""
    return target_from_floor(stateless_floor(lahead, tsteps), 0.0, VARIANCE / tsteps)


def table(values_: Array, lahead: int, tsteps: int, *, newest_first: bool) -> tuple[Array, Array]:
    """Windows (rows, lahead, 1) that end at each row, and the mean at each of their steps (rows, lahead, 1)."""
    means = np.convolve(values_, np.ones(tsteps) / tsteps)[: len(values_)]
    cut = np.lib.stride_tricks.sliding_window_view(np.stack([values_, means]), lahead, axis=1)
    x, y = cut[:, LEAD - lahead : LEAD - lahead + LENGTH]
    return (x[:, ::-1, None] if newest_first else x[..., None]), y[..., None]


def as_published(lahead: int, tsteps: int, *, carried: bool, setting: Setting) -> Array:
    """Test errors of the example as it stands, shape (R,): one series, every window re-read, in order in both arms."""
    # The example's own series: NumPy's old generator from seed 1986.
    drawn = np.random.RandomState(1986).uniform(-AMPLITUDE, AMPLITUDE, LENGTH + LEAD)
    x, y = table(drawn, lahead, tsteps, newest_first=True)
    block = Block(lstm(UNITS), x, y[:, -1], setting.seeds, carried=carried)
    block.fit(in_order(TRAIN) for _ in range(setting.epochs(EPOCHS)))
    block.reset()
    tested = np.arange(TRAIN, LENGTH)
    outputs = block.predict(tested[:, None] if carried else tested).reshape(len(tested), -1)
    return np.asarray(np.mean((outputs - y[tested, -1]) ** 2, axis=0))


def amount(lahead: int, *, carried: bool, setting: Setting) -> tuple[int, int]:
    """Updates in an epoch and epochs of a corrected arm: about as many updates as published."""
    count = TRAIN // lahead - 1 if carried else TRAIN
    return count, max(1, round(setting.epochs(EPOCHS) * TRAIN / count))


def corrected(lahead: int, tsteps: int, *, carried: bool, setting: Setting) -> Array:
    """Test errors with a series of its own for each seed, windows oldest first, and equal updates, shape (R,).

    Stateless windows slide and are shuffled; stateful ones continue each other, with a loss at every step.
    """
    seeds = setting.seeds
    tables = [
        table(
            np.random.default_rng([seed, 1986]).uniform(-AMPLITUDE, AMPLITUDE, LENGTH + LEAD),
            lahead,
            tsteps,
            newest_first=False,
        )
        for seed in seeds
    ]
    x, y = (np.concatenate(part) for part in zip(*tables, strict=True))
    own = LENGTH * np.arange(len(seeds))[:, None]
    # A window that ends at row r begins at r - lahead + 1; contiguous windows end every `lahead` rows.
    block = Block(lstm(UNITS), x, y, seeds, carried=carried, every_step=carried)
    count, epochs = amount(lahead, carried=carried, setting=setting)
    if carried:
        steps = lahead * np.arange(count)[:, None, None]
        offsets = [[np.random.default_rng([s, e]).integers(lahead) + lahead - 1 for s in seeds] for e in range(epochs)]
        block.fit(steps + np.array(offset)[:, None] + own for offset in offsets)
        block.reset()
        ends = np.arange(lahead - 1, LENGTH, lahead)
        outputs = block.predict(ends[:, None, None] + own, every_step=True)  # (P, lahead, R, 1, 1)
        stream = outputs.reshape(-1, len(seeds))
    else:
        block.fit(shuffled(TRAIN, 1, seeds, epoch) + own for epoch in range(epochs))
        stream = block.predict(np.arange(LENGTH)[:, None] + own.T)[..., 0]
    last = y[:, -1, 0].reshape(len(seeds), LENGTH).T
    return np.asarray(np.mean((stream[TRAIN:] - last[TRAIN : len(stream)]) ** 2, axis=0))


def run(setting: Setting) -> Entry:
    """lagged-average."""
    errors: dict[tuple[str, bool], dict[tuple[int, int], Array]] = {
        (column, carried): {
            (lahead, tsteps): train(lahead, tsteps, carried=carried, setting=setting)
            for lahead in LAHEAD
            for tsteps in TSTEPS
        }
        for column, train in (("as published", as_published), ("corrected", corrected))
        for carried in (False, True)
    }
    arms = []
    for (column, carried), cells in errors.items():
        name = f"{'stateful' if carried else 'stateless'}, {column}"
        figures: dict[str, list[float]] = {}
        for cell, found in cells.items():
            figures[_figure("test mse", *cell)] = values(found)
            figures[_figure("converged", *cell)] = values(found <= target(*cell))
        other = errors[column, not carried]
        if carried:
            figures["share of cells with lahead < tsteps where only stateful converges"] = values(
                _share([(cells[c] <= target(*c)) & (other[c] > target(*c)) for c in cells if c[0] < c[1]])
            )
            figures["share of cells with lahead >= tsteps where both converge"] = values(
                _share([(cells[c] <= target(*c)) & (other[c] <= target(*c)) for c in cells if c[0] >= c[1]])
            )
        layout = {
            ("as published", False): "the example's one series, windows newest first, in order",
            ("as published", True): "the same, state carried from window to window, reset after each epoch",
            ("corrected", False): "a series for each seed, windows oldest first, stride 1, shuffled",
            ("corrected", True): "a series for each seed, windows oldest first that continue each other, a loss at "
            "every step",
        }[column, carried]
        arms.append(Arm(name, column, f"LSTM({UNITS}), B = 1, about {EPOCHS * TRAIN} updates, {layout}", figures))  # type: ignore[arg-type]
    updates = sorted(math.prod(amount(lahead, carried=True, setting=setting)) for lahead in LAHEAD)
    converged = _figure("converged", *DEFAULT)
    claims = [
        Claim("share", "post", "lahead 1, tsteps 2: the stateful model converges", converged, arms[1].name),
        Claim(
            "share", "post", "lahead 1, tsteps 2: the stateless model does not", _add_failed(arms[0], DEFAULT),
            arms[0].name,
        ),
        Claim(
            "share", "post", "lahead 2, tsteps 2: the stateless model converges too", _figure("converged", 2, 2),
            arms[0].name,
        ),
        Claim(
            "share", "post", "lahead 2, tsteps 2: the stateful model converges", _figure("converged", 2, 2),
            arms[1].name,
        ),
        Claim(
            "share", "remains", "corrected, lahead 1, tsteps 2: the stateful model converges", converged, arms[3].name,
            yes="With a new series for each seed, carried state still finds the mean of two from one value at a time.",
            no="With a new series for each seed, the stateful model does not converge in 8000 updates.",
        ),
        Claim(
            "level", "remains", "corrected, lahead 1: stateless ends below the best without memory",
            _figure("test mse", *DEFAULT), arms[2].name, value=stateless_floor(*DEFAULT),
            yes="The stateless arm is below the best that any model can do from one value: something is wrong.",
            no="The stateless arm stays at or above the best that any model can do from one value, as it must.",
        ),
    ]  # fmt: skip
    baselines: dict[str, dict[str, float]] = {
        _figure("test mse", *cell): {
            "best stateless model": stateless_floor(*cell),
            "predicting 0": VARIANCE / cell[1],
        }
        for cell in ((lahead, tsteps) for lahead in LAHEAD for tsteps in TSTEPS)
    }
    return Entry(
        id="lagged-average",
        post="002, example 1",
        title="mean of the last tsteps values, from windows of lahead",
        published="with lahead < tsteps only the stateful model converges, with lahead >= tsteps both do",
        flaw="one seed; for lahead > 1 the windows run newest first, and each re-reads what the state has seen",
        seeds=list(setting.seeds),
        arms=arms,
        baselines=baselines,
        claims=claims,
        traces={"lahead": LAHEAD, "tsteps": TSTEPS},
        notes=[
            (
                "Converged: the test error is at most half the best error without memory where the window is too short "
                "(only memory gets there), else at most a quarter of the error of predicting 0."
            ),
            (
                f"About: windows that continue each other make whole epochs, {updates[0]} to {updates[-1]} updates. "
                "Their loss at every step shows them lahead targets an update, where the others see one."
            ),
            (
                f"All cells have the same rows; those of lahead {DEFAULT[0]}, tsteps {DEFAULT[1]} begin "
                f"{LEAD - max(DEFAULT)} later in the series than the example's."
            ),
            "lahead 2 to 8 and tsteps 4 and 8 are added: the example itself has lahead 1 and tsteps 2.",
        ],
    )


def _figure(what: str, lahead: int, tsteps: int) -> str:
    return f"{what}, lahead {lahead}, tsteps {tsteps}"


def _add_failed(arm: Arm, cell: tuple[int, int]) -> str:
    name = _figure("not converged", *cell)
    figures: Any = arm.figures
    figures[name] = [1 - value for value in arm.figures[_figure("converged", *cell)]]
    return name


def _share(cells: Sequence[Array]) -> Array:
    return np.asarray(np.mean(cells, axis=0))


RUNS: dict[str, Callable[[Setting], Entry]] = {"lagged-average": run}
