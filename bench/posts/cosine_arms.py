"""How the cosine's arms are trained: with the posts' windows, and with windows that continue each other."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from bench.engines.base import Array
from bench.posts.block import Block, in_order, shuffled
from bench.posts.models import Model, Perceptron, lstm
from bench.posts.registry import Setting
from bench.posts.result import Arm, Column, trace, values
from tasks.cosine import PERIOD, STEP_ANGLE

PUBLISHED_VALUES = 1000
FORECAST_STEPS = 500
SCORED = slice(900, 1900)
"""Targets that the corrected arms are scored on: ten whole periods, after a warm-up of one."""

SERIES = (1 + np.cos(STEP_ANGLE * np.arange(SCORED.stop + PERIOD))) / 2
PERSISTENCE = float(np.mean(np.diff(SERIES[:PUBLISHED_VALUES]) ** 2))
LOSS, TEST, HELD_OUT, FORECAST = "training loss", "test mse", "mse over ten held-out periods", "mse of the forecast"


@dataclass(frozen=True)
class Cosine:
    """One arm, before it is trained."""

    window: int
    epochs: int
    layers: int = 1
    carried: bool = False
    dropout: float = 0.2
    train: int = 800
    batch_size: int = 1
    units: int = 32
    hidden: tuple[int, ...] = ()
    """Widths of a perceptron's layers, which then takes the LSTM's place."""

    def model(self) -> Model:
        """The network."""
        if self.hidden:
            return Perceptron(self.window, self.hidden, self.dropout)
        return lstm(self.units, layers=self.layers, dropout=self.dropout)

    @property
    def words(self) -> str:
        """The settings, for people."""
        size = f"LSTM({self.units})" + (f" × {self.layers}" if self.layers > 1 else "")
        if self.hidden:
            size = f"dense {' and '.join(map(str, self.hidden))}"
        return f"L = {self.window}, {size}, dropout {self.dropout:g}, B = {self.batch_size}"


def windows(length: int, ahead: slice = slice(None)) -> tuple[Array, Array]:
    """Stride-1 windows of the whole series and the value after each step, both (N, L, 1)."""
    cut = np.lib.stride_tricks.sliding_window_view(SERIES[ahead], length + 1)
    return cut[:, :-1, None], cut[:, 1:, None]


def as_published(
    arm: Cosine,
    name: str,
    setting: Setting,
    traces: dict[str, Any] | None = None,
    *,
    column: Column = "as published",
) -> Arm:
    """Train stride-1 windows with a loss at the last step: shuffled if stateless, else in order with carried state."""
    x, y = windows(arm.window)
    block = Block(arm.model(), x, y[:, -1], setting.seeds, batch_size=arm.batch_size, carried=arm.carried)
    count = arm.train - arm.window
    epochs = range(setting.epochs(arm.epochs))
    if arm.carried:
        loss = block.fit(in_order(count, arm.batch_size) for _ in epochs)
        block.reset()
    else:
        loss = block.fit(shuffled(count, arm.batch_size, setting.seeds, epoch) for epoch in epochs)
    free = block.forecast(SERIES[arm.train - arm.window : arm.train, None], FORECAST_STEPS)
    _keep(traces, name, free, arm)
    # evaluate() of a stateful model begins from the state that predict() left; the notebook resets before it.
    block.reset()
    tested = np.arange(arm.train, PUBLISHED_VALUES - arm.window)
    outputs = block.predict(tested[:, None] if arm.carried else tested)
    errors = (outputs.reshape(len(tested), -1) - SERIES[tested + arm.window, None]) ** 2
    layout = "in order, state carried, reset after each epoch" if arm.carried else "shuffled"
    return Arm(
        name,
        column,
        f"{arm.words}, {arm.epochs} epochs of {count} stride-1 windows of the first {arm.train} values, {layout}",
        {
            LOSS: values(loss[-1]),
            TEST: values(errors.mean(axis=0)),
            FORECAST: values(np.mean((free - _truth(arm.train)) ** 2, axis=0)),
        },
    )


def continued(arm: Cosine, name: str, setting: Setting, traces: dict[str, Any] | None = None) -> Arm:
    """Train contiguous windows with a loss at every step, at a random offset in each epoch; predict as one would."""
    x, y = windows(arm.window)
    block = Block(arm.model(), x, y, setting.seeds, carried=arm.carried, every_step=True)
    published = setting.epochs(arm.epochs) * (arm.train - arm.window)
    count = (arm.train - arm.window) // arm.window
    epochs = max(1, round(published / count))
    block.fit(_offset_order(arm, count, setting.seeds, epoch) for epoch in range(epochs))
    block.reset()
    if arm.carried:
        free, outputs = _carried(block, arm)
    else:
        free = block.forecast(SERIES[arm.train - arm.window : arm.train, None], FORECAST_STEPS)
        starts = np.arange(SCORED.start, SCORED.stop) - arm.window
        outputs = block.predict(starts)[:, :, 0]
    _keep(traces, name, free, arm)
    return Arm(
        name,
        "corrected",
        f"{arm.words}, contiguous windows at random offsets, a loss at every step, {epochs * count} updates, "
        + ("row continued, predicting with the state carried" if arm.carried else "shuffled, predicting by window"),
        {
            HELD_OUT: values(np.mean((outputs - SERIES[SCORED, None]) ** 2, axis=0)),
            FORECAST: values(np.mean((free - _truth(arm.train)) ** 2, axis=0)),
        },
    )


def no_traces() -> dict[str, Any]:
    """Where arms keep their forecasts, and how many values lie before each."""
    return {"forecast": {}, "first": {}, "period": PERIOD}


def _keep(traces: dict[str, Any] | None, name: str, free: Array, arm: Cosine) -> None:
    if traces is not None:
        traces["forecast"][name] = trace(free)
        traces["first"][name] = arm.train


def _offset_order(arm: Cosine, count: int, seeds: tuple[int, ...], epoch: int) -> Array:
    """First rows of contiguous windows, shape (U, R, 1); arms of one seed share the offset."""
    orders = []
    for seed in seeds:
        rng = np.random.default_rng([seed, epoch])
        starts = int(rng.integers(arm.window)) + arm.window * np.arange(count)
        orders.append(starts if arm.carried else rng.permutation(starts))
    return np.stack(orders, axis=1)[:, :, None]


def _carried(block: Block, arm: Cosine) -> tuple[Array, Array]:
    """Run the state along the training series, then forecast from it; run it on along the truth, then score."""
    last = arm.train - 1
    first = last % arm.window
    block.predict(np.arange(first, last, arm.window)[:, None])
    free = block.forecast(SERIES[last : arm.train, None], FORECAST_STEPS)
    block.reset()
    starts = np.arange(first, SCORED.stop - 1, arm.window)
    outputs = block.predict(starts[:, None], every_step=True)  # (P, L, R, 1, 1)
    stream = outputs.reshape(-1, outputs.shape[2])
    begin = SCORED.start - 1 - first  # the output at step t predicts the value at t + 1
    needed = SCORED.stop - SCORED.start
    return free, stream[begin : begin + needed]


def _truth(train: int) -> Array:
    angles = STEP_ANGLE * (train + np.arange(FORECAST_STEPS))
    return ((1 + np.cos(angles)) / 2)[:, None]


@cache
def baselines() -> dict[str, dict[str, float]]:
    """Errors of predictions without a network."""
    flat = float(np.var(_truth(800)))
    two_lags = 2 * np.cos(STEP_ANGLE) * (SERIES[1:-1] - 0.5) - (SERIES[:-2] - 0.5) + 0.5
    exact = float(np.mean((two_lags - SERIES[2:]) ** 2))
    one_step = {"persistence": PERSISTENCE, "best stateless model (two lags, exact)": exact}
    held = float(np.mean((_truth(800) - SERIES[799]) ** 2))
    return {
        LOSS: one_step,
        TEST: one_step,
        HELD_OUT: one_step,
        FORECAST: {"the mean, a flat line": flat, "persistence, the last value held": held},
    }
