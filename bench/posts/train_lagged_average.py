"""Keras' old example of a stateful LSTM: the mean of the last `tsteps` values from a window of `lahead`."""

import numpy as np

from bench.engines.base import Array
from bench.posts.block import Block, continued, in_order, lstm, shuffled
from bench.posts.entry import Arm, Column, Findings, ask, paragraphs
from bench.posts.experiments import Setting
from tasks.task import target_from_floor

LAHEAD, TSTEPS = (1, 2, 4, 8), (2, 4, 8)
CELLS = [(lahead, tsteps) for lahead in LAHEAD for tsteps in TSTEPS]
DEFAULT = (1, 2)
"""`lahead` and `tsteps` of the example."""

LENGTH, TRAIN, EPOCHS, UNITS = 1000, 800, 10, 20
AMPLITUDE = 0.1
VARIANCE = AMPLITUDE**2 / 3
LEAD = max(*LAHEAD, *TSTEPS)
"""Values before the first row, so that all cells have the same rows."""

LAYOUTS: dict[tuple[Column, bool], str] = {
    ("as published", False): "the example's one series, windows newest first, in order",
    ("as published", True): "the same, state carried from window to window, reset after each epoch",
    ("corrected", False): "a series for each seed, windows oldest first, stride 1, shuffled",
    ("corrected", True): "a series for each seed, windows oldest first that continue each other, a loss at every step",
}
"""Column, and whether the state is carried -> how an arm is trained, in words."""


def lagged_average(setting: Setting) -> Findings:
    """Train four arms over all windows and reaches."""
    trained = {"as published": as_published, "corrected": corrected}
    errors = {
        (column, carried): {cell: trained[column](*cell, carried=carried, setting=setting) for cell in CELLS}
        for column, carried in LAYOUTS
    }
    plain, stateful, fair_plain, fair_stateful = (
        _arm(column, errors[column, carried], errors[column, not carried], carried=carried)
        for column, carried in LAYOUTS
    )
    converged, equal = _figure("converged", *DEFAULT), _figure("converged", 2, 2)
    updates = sorted({walk_and_updates(lahead, setting)[1] for lahead in LAHEAD})
    claims = [
        ask("share", "post", "lahead 1, tsteps 2: the stateful model converges", converged, stateful),
        ask("share", "post", "lahead 1, tsteps 2: the stateless model does not", _figure("not converged", *DEFAULT),
            plain),
        ask("share", "post", "lahead 2, tsteps 2: the stateless model converges too", equal, plain),
        ask("share", "post", "lahead 2, tsteps 2: the stateful model converges", equal, stateful),
        ask("share", "remains", "corrected, lahead 1, tsteps 2: the stateful model converges", converged, fair_stateful,
            yes="With a new series for each seed, carried state still finds the mean of two from one value at a time.",
            no="With a new series for each seed, the stateful model does not converge in 8000 updates."),
        ask("level", "remains", "corrected, lahead 1: stateless ends below the best without memory",
            _figure("test mse", *DEFAULT), fair_plain, value=stateless_floor(*DEFAULT),
            yes="The stateless arm is below the best that any model can do from one value: something is wrong.",
            no="The stateless arm stays at or above the best that any model can do from one value, as it must."),
    ]  # fmt: skip
    return Findings(
        arms=[plain, stateful, fair_plain, fair_stateful],
        baselines={
            _figure("test mse", *cell): {
                "best stateless model": stateless_floor(*cell), "predicting 0": VARIANCE / cell[1],
            }
            for cell in CELLS
        },
        claims=claims,
        traces={"lahead": LAHEAD, "tsteps": TSTEPS},
        notes=paragraphs(f"""\
            Converged: the test error is at most half the best error without memory where the window is too short
            (only memory gets there), else at most a quarter of the error of predicting 0.

            About: windows that continue each other make whole epochs, {updates[0]} to {updates[-1]} updates. Their
            loss at every step shows them lahead targets an update, where the others see one.

            All cells have the same rows; those of lahead {DEFAULT[0]}, tsteps {DEFAULT[1]} begin {LEAD - max(DEFAULT)}
            later in the series than the example's.

            lahead 2 to 8 and tsteps 4 and 8 are added: the example itself has lahead 1 and tsteps 2."""),
    )  # fmt: skip


def _figure(what: str, lahead: int, tsteps: int) -> str:
    return f"{what}, lahead {lahead}, tsteps {tsteps}"


Cells = dict[tuple[int, int], Array]
"""`lahead` and `tsteps` -> test errors, shape (R,)."""


def _arm(column: Column, errors: Cells, other: Cells, *, carried: bool) -> Arm:
    """Describe an arm; `other` are the errors with the state carried if here it is not, and the reverse."""
    figures: dict[str, Array] = {}
    for cell, found in errors.items():
        figures[_figure("test mse", *cell)] = found
        figures[_figure("converged", *cell)] = found <= target(*cell)
    if carried:
        hits = {c: (errors[c] <= target(*c), other[c] <= target(*c)) for c in CELLS}
        figures["share of cells with lahead < tsteps where only stateful converges"] = np.mean(
            [ours & ~theirs for (lahead, tsteps), (ours, theirs) in hits.items() if lahead < tsteps], axis=0
        )
        figures["share of cells with lahead >= tsteps where both converge"] = np.mean(
            [ours & theirs for (lahead, tsteps), (ours, theirs) in hits.items() if lahead >= tsteps], axis=0
        )
    elif column == "as published":
        figures[_figure("not converged", *DEFAULT)] = errors[DEFAULT] > target(*DEFAULT)
    settings = f"LSTM({UNITS}), B = 1, about {EPOCHS * TRAIN} updates, {LAYOUTS[column, carried]}"
    return Arm(f"{'stateful' if carried else 'stateless'}, {column}", column, settings, figures)


def stateless_floor(lahead: int, tsteps: int) -> float:
    """Best mean squared error without carried state: s^2 (N - L) / N^2 for L < N, else 0."""
    return VARIANCE * max(0, tsteps - lahead) / tsteps**2


def target(lahead: int, tsteps: int) -> float:
    """The error below which a model counts as converged, by the rule of the suite's tasks."""
    return target_from_floor(stateless_floor(lahead, tsteps), 0.0, VARIANCE / tsteps)


def table(values: Array, lahead: int, tsteps: int, *, newest_first: bool) -> tuple[Array, Array]:
    """Windows (rows, lahead, 1) that end at each row, and the mean at each of their steps (rows, lahead, 1)."""
    means = np.convolve(values, np.ones(tsteps) / tsteps)[: len(values)]
    cut = np.lib.stride_tricks.sliding_window_view(np.stack([values, means]), lahead, axis=1)
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
    outputs = block.predict(tested[:, None] if carried else tested)[..., 0]
    return np.asarray(np.mean((outputs - y[tested, -1]) ** 2, axis=0))


def walk_and_updates(lahead: int, setting: Setting) -> tuple[Array, int]:
    """Contiguous windows by the rows they end at, and the updates of whole epochs of them: about those published."""
    # A window that ends at row r begins at r - lahead + 1.
    walk = lahead * np.arange(TRAIN // lahead - 1)[:, None] + lahead - 1
    return walk, len(walk) * max(1, round(setting.epochs(EPOCHS) * TRAIN / len(walk)))


def corrected(lahead: int, tsteps: int, *, carried: bool, setting: Setting) -> Array:
    """Test errors with a series of its own for each seed, windows oldest first, and equal updates, shape (R,).

    Stateless windows slide and are shuffled; stateful ones continue each other, with a loss at every step.
    """
    seeds = setting.seeds
    drawn = [np.random.default_rng([seed, 1986]).uniform(-AMPLITUDE, AMPLITUDE, LENGTH + LEAD) for seed in seeds]
    tables = [table(values, lahead, tsteps, newest_first=False) for values in drawn]
    x, y = (np.concatenate(part) for part in zip(*tables, strict=True))
    own = LENGTH * np.arange(len(seeds))[:, None]
    block = Block(lstm(UNITS), x, y, seeds, carried=carried, loss_steps=None if carried else 1)
    if carried:
        walk, updates = walk_and_updates(lahead, setting)
        block.fit(order + own for order in continued(walk, lahead, seeds, updates, shuffle=False))
        block.reset()
        outputs = block.predict_stream(np.arange(lahead - 1, LENGTH, lahead)[:, None, None] + own)
    else:
        block.fit(shuffled(TRAIN, 1, seeds, epoch) + own for epoch in range(setting.epochs(EPOCHS)))
        outputs = block.predict(np.arange(LENGTH)[:, None] + own.T)[..., 0]
    last = y[:, -1, 0].reshape(len(seeds), LENGTH).T
    return np.asarray(np.mean((outputs[TRAIN:] - last[TRAIN : len(outputs)]) ** 2, axis=0))
