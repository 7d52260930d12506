"""The cosine of the first post: stateless, stateful and stacked LSTM, and a perceptron, with free-running forecasts."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from bench.engines.base import Array
from bench.posts.block import Block, Model, Perceptron, continued, in_order, lstm, shuffled
from bench.posts.entry import Arm, Claim, Column, Findings, ask
from bench.posts.experiments import Setting
from tasks.cosine import PERIOD, STEP_ANGLE

PUBLISHED_VALUES = 1000
FORECAST_STEPS = 500
SCORED = slice(900, 1900)
"""Targets that the corrected arms are scored on: ten whole periods, after a warm-up of one."""

SERIES = (1 + np.cos(STEP_ANGLE * np.arange(SCORED.stop + PERIOD))) / 2
PERSISTENCE = float(np.mean(np.diff(SERIES[:PUBLISHED_VALUES]) ** 2))
LOSS, TEST, HELD_OUT, FORECAST = "training loss", "test mse", "mse over ten held-out periods", "mse of the forecast"
FLAT = "the mean, a flat line"
REPEATS = (
    f"The series repeats itself every {PERIOD} steps: each held-out window is a training window over again, so these "
    "errors say nothing of other series."
)
UNKNOWN_EPOCHS = "The notebook's epochs are not known: the post's 100 were taken, with the notebook's split."


def cosine_stateless(setting: Setting) -> Findings:
    """One stateless layer."""
    arms = Arms(setting)
    post = arms.windows("stateless, as in the post", Cosine(20, 30), drawn=True)
    source = arms.windows("stateless, as in the source notebook", Cosine(20, 100, dropout=0.3, train=670))
    plain = arms.windows("stateless, without dropout", Cosine(20, 30, dropout=0.0), "corrected", drawn=True)
    arms.continued("stateless, contiguous windows", Cosine(20, 30))
    return arms.findings([
        *_published(post, LOSS, 0.0012, 5e-5, "the post's predecessor"),
        *_published(source, TEST, 1.3e-4, 5e-6, "source notebook"),
        _below_persistence(post, "test mse of the post's arm"),
        ask("compare", "flaw", "dropout makes the test error larger", TEST, plain, post,
            yes="Dropout on the 32 outputs, not the length of training, sets the published figures.",
            no="Without dropout the error is no smaller."),
        ask("level", "remains", "the forecast beats a flat line", FORECAST, post, value=baselines()[FORECAST][FLAT],
            yes="Fed its own output for 500 steps, the post's network stays closer to the cosine than a flat line.",
            no="Fed its own output for 500 steps, the post's network is further from the cosine than a flat line."),
    ])  # fmt: skip


def cosine_stateful(setting: Setting) -> Findings:
    """One stateful layer."""
    arms = Arms(setting)
    source = Cosine(20, 200, dropout=0.3, train=670, carried=True)
    post = arms.windows("stateful, L = 40, as in the post", Cosine(40, 30, carried=True), drawn=True)
    other = arms.windows("stateless, L = 20, the post's other arm", Cosine(20, 30))
    before = arms.windows("stateful, L = 20, 30 epochs", Cosine(20, 30, carried=True))
    short = arms.windows("stateful, L = 20, 200 epochs", source)
    long = arms.windows("stateful, L = 40, 200 epochs", replace(source, window=40))
    fair = {
        (window, carried): arms.continued(
            f"{'stateful' if carried else 'stateless'}, L = {window}, matched", Cosine(window, 30, carried=carried),
            drawn=(window, carried) == (40, True),
        )
        for window in (20, 40) for carried in (False, True)
    }  # fmt: skip
    return arms.findings([
        *_published(before, LOSS, 0.0014, 5e-5, "predecessor, L = 20"),
        *_published(short, TEST, 4.9e-6, 5e-8, "source notebook, L = 20, 200 epochs"),
        *_published(long, TEST, 4.5e-4, 5e-6, "source notebook, L = 40, 200 epochs"),
        ask("compare", "remains", "as published, the stateful arm has the lower training loss", LOSS, post, other,
            yes="As published (L = 40 against 20), the stateful arm ends with the lower training loss.",
            no="As published (L = 40 against 20), the stateful arm ends with the higher training loss."),
        ask("compare", "flaw", "the longer window makes the test error larger", TEST, before, post,
            yes="Most of the difference between the two arms can come from L alone: L = 40 is worse than L = 20.",
            no="L = 40 is better than L = 20 with everything else equal, so L alone favoured the stateful arm."),
        *(
            ask("compare", "remains", f"at L = {window}, windows that continue each other and equal updates, stateful "
                "wins", HELD_OUT, fair[window, True], fair[window, False],
                yes=f"With the flaw removed, carrying state gave the lower error at L = {window}, for the same "
                "updates.",
                no=f"With the flaw removed, carrying state gave the higher error at L = {window}, for the same "
                "updates.")
            for window in (20, 40)
        ),
        _below_persistence(post, "test mse of the post's arm"),
    ], "The source notebook's dropout (.3) and split (67/33) are taken over from its stateless model.")  # fmt: skip


def cosine_stacked_stateful(setting: Setting) -> Findings:
    """Two stateful layers."""
    arms = Arms(setting)
    two = Cosine(40, 100, layers=2, carried=True, dropout=0.3)
    post = arms.windows("two layers, stateful, 100 epochs, as in the post", two, drawn=True)
    source = arms.windows("two layers, stateful, 100 epochs, the source notebook's split", replace(two, train=670))
    equal = arms.windows("two layers, stateful, 30 epochs", replace(two, epochs=30), "corrected")
    one = arms.windows("one layer, stateful, 30 epochs", replace(two, epochs=30, layers=1), "corrected")
    without = arms.continued("two layers, stateless, matched", replace(two, epochs=30, carried=False))
    fair = arms.continued("two layers, stateful, matched", replace(two, epochs=30))
    return arms.findings([
        *_published(source, TEST, 4.2e-4, 5e-6, "source notebook"),
        _below_persistence(post, "test mse of the post's arm"),
        ask("compare", "flaw", "100 epochs end lower than 30", TEST, post, equal,
            yes="More than three times the epochs lowered the error: the post compares unequal amounts of training.",
            no="100 epochs did not end lower than 30: the extra training bought nothing."),
        ask("compare", "remains", "a second layer lowers the error at equal epochs", TEST, equal, one,
            yes="At equal epochs the second layer lowered the error.",
            no="At equal epochs the second layer raised the error."),
        ask("compare", "remains", "with continuing windows and equal updates, stateful wins", HELD_OUT, fair, without,
            yes="With two layers, continuing windows and equal updates, carrying state gave the lower error.",
            no="With two layers, continuing windows and equal updates, carrying state gave the higher error."),
    ], f"{UNKNOWN_EPOCHS} Corrected arms make the updates of 30 epochs.")  # fmt: skip


def cosine_three_layers_stateful(setting: Setting) -> Findings:
    """Three stateful layers."""
    arms = Arms(setting)
    three = Cosine(40, 100, layers=3, carried=True, dropout=0.3, train=670)
    source = arms.windows("three layers, stateful, 100 epochs, the source notebook's split", three, drawn=True)
    return arms.findings([
        *_published(source, TEST, 4.1e-3, 5e-5, "source notebook"),
        ask("level", "remains", "three layers: test mse below persistence", TEST, source, value=PERSISTENCE,
            yes="Three layers do better than repeating the last value.",
            no="Three layers with carried state, after 100 epochs, do worse than repeating the last value."),
    ], f"{UNKNOWN_EPOCHS} No corrected arms: what carrying and depth do is asked with two layers.")  # fmt: skip


def cosine_mlp(setting: Setting) -> Findings:
    """A perceptron."""
    arms = Arms(setting)
    dense = Cosine(40, 100, hidden=(32, 16), dropout=0.3, train=670, batch_size=32)
    post = arms.windows("perceptron, as published", dense, drawn=True)
    plain = arms.windows("perceptron, without dropout", replace(dense, dropout=0.0), "corrected")
    return arms.findings(
        [
            *_published(post, TEST, 7.6e-3, 5e-5, "source notebook"),
            _below_persistence(post, "test mse as published"),
            ask("compare", "flaw", "dropout makes the test error larger", TEST, plain, post,
                yes="Dropout makes the perceptron look bad; without it the error is a fraction.",
                no="Without dropout the error is no smaller."),
            _below_persistence(plain, "test mse without dropout"),
        ],
        "The post names no layer sizes: 32 and 16 rectified units, dropout .3 behind each, B = 32 were taken.",
        "A remainder batch, which `fit` trains, is left out.",
    )  # fmt: skip


def _published(arm: Arm, figure: str, value: float, rounding: float, source: str) -> list[Claim]:
    against = f"published {figure} {value:g} against persistence"
    return [
        ask("published", "post", f"{figure} {value:g} ({source})", figure, arm, value=value, rounding=rounding),
        ask("near", "floor", against, figure, arm, value=value, other=PERSISTENCE),
    ]


def _below_persistence(arm: Arm, words: str) -> Claim:
    return ask(
        "level", "floor", f"{words} below persistence", TEST, arm, value=PERSISTENCE,
        yes=f"{words} is better than persistence", no=f"{words} is worse than repeating the last value",
    )  # fmt: skip


@dataclass(frozen=True)
class Cosine:
    """One arm, before it is trained; `hidden` are widths of a perceptron, which then takes the LSTM's place."""

    window: int
    epochs: int
    layers: int = 1
    carried: bool = False
    dropout: float = 0.2
    train: int = 800
    batch_size: int = 1
    units: int = 32
    hidden: tuple[int, ...] = ()

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


class Arms:
    """The arms of one experiment as they are trained, with the forecasts that the page draws."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._arms: list[Arm] = []
        self.traces: dict[str, Any] = {"forecast": {}, "first": {}, "period": PERIOD}

    def findings(self, claims: list[Claim], *notes: str) -> Findings:
        """What the experiment found."""
        return Findings(
            arms=self._arms, baselines=baselines(), claims=claims, traces=self.traces, notes=[*notes, REPEATS]
        )

    def windows(self, name: str, arm: Cosine, column: Column = "as published", *, drawn: bool = False) -> Arm:
        """Train stride-1 windows with a loss at the last step: shuffled if stateless, else in order, state carried."""
        seeds, (x, y) = self._setting.seeds, cut(arm.window)
        block = Block(arm.model(), x, y[:, -1], seeds, batch_size=arm.batch_size, carried=arm.carried)
        count = arm.train - arm.window
        loss = block.fit(
            in_order(count, arm.batch_size) if arm.carried else shuffled(count, arm.batch_size, seeds, epoch)
            for epoch in range(self._setting.epochs(arm.epochs))
        )
        block.reset()
        free = block.forecast(SERIES[count : arm.train, None], FORECAST_STEPS)
        # evaluate() of a stateful model begins from the state that predict() left; the notebook resets before it.
        block.reset()
        tested = np.arange(arm.train, PUBLISHED_VALUES - arm.window)
        outputs = block.predict(tested[:, None] if arm.carried else tested)[..., 0]
        errors = np.mean((outputs - SERIES[tested + arm.window, None]) ** 2, axis=0)
        layout = "in order, state carried, reset after each epoch" if arm.carried else "shuffled"
        words = f"{arm.epochs} epochs of {count} stride-1 windows of the first {arm.train} values, {layout}"
        return self._add(arm, name, column, words, {LOSS: loss[-1], TEST: errors}, free, drawn=drawn)

    def continued(self, name: str, arm: Cosine, *, drawn: bool = False) -> Arm:
        """Train contiguous windows with a loss at every step, at an offset per epoch; predict as one would."""
        seeds, (x, y) = self._setting.seeds, cut(arm.window)
        block = Block(arm.model(), x, y, seeds, carried=arm.carried, loss_steps=None)
        count = arm.train - arm.window
        walk = arm.window * np.arange(count // arm.window)[:, None]
        updates = self._setting.epochs(arm.epochs) * count
        orders = continued(walk, arm.window, seeds, updates, shuffle=not arm.carried)
        block.fit(orders)
        block.reset()
        if arm.carried:
            free, outputs = _along(block, arm)
            layout = "row continued, predicting with the state carried"
        else:
            free = block.forecast(SERIES[count : arm.train, None], FORECAST_STEPS)
            outputs = block.predict(np.arange(SCORED.start, SCORED.stop) - arm.window)[..., 0]
            layout = "shuffled, predicting by window"
        made = f"{len(orders) * len(walk)} updates"
        words = f"contiguous windows at random offsets, a loss at every step, {made}, {layout}"
        errors = np.mean((outputs - SERIES[SCORED, None]) ** 2, axis=0)
        return self._add(arm, name, "corrected", words, {HELD_OUT: errors}, free, drawn=drawn)

    def _add(
        self, arm: Cosine, name: str, column: Column, words: str, figures: dict[str, Array], free: Array, *, drawn: bool
    ) -> Arm:
        if drawn:
            self.traces["forecast"][name] = np.asarray(free, float).round(4)
            self.traces["first"][name] = arm.train
        missed = np.mean((free - _truth(arm.train)) ** 2, axis=0)
        self._arms.append(Arm(name, column, f"{arm.words}, {words}", {**figures, FORECAST: missed}))
        return self._arms[-1]


def cut(length: int) -> tuple[Array, Array]:
    """Stride-1 windows of the whole series and the value after each step, both (N, L, 1)."""
    both = np.lib.stride_tricks.sliding_window_view(SERIES, length + 1)
    return both[:, :-1, None], both[:, 1:, None]


def _along(block: Block, arm: Cosine) -> tuple[Array, Array]:
    """Run the state along the training series, then forecast from it; run it on along the truth, then score."""
    last = arm.train - 1
    first = last % arm.window
    block.predict(np.arange(first, last, arm.window)[:, None])
    free = block.forecast(SERIES[last : arm.train, None], FORECAST_STEPS)
    block.reset()
    stream = block.predict_stream(np.arange(first, SCORED.stop - 1, arm.window)[:, None])
    begin = SCORED.start - 1 - first  # the output at step t predicts the value at t + 1
    return free, stream[begin : begin + SCORED.stop - SCORED.start]


def _truth(train: int) -> Array:
    angles = STEP_ANGLE * (train + np.arange(FORECAST_STEPS))
    return ((1 + np.cos(angles)) / 2)[:, None]


@cache
def baselines() -> dict[str, dict[str, float]]:
    """Errors of predictions without a network."""
    two_lags = 2 * np.cos(STEP_ANGLE) * (SERIES[1:-1] - 0.5) - (SERIES[:-2] - 0.5) + 0.5
    exact = float(np.mean((two_lags - SERIES[2:]) ** 2))
    one_step = {"persistence": PERSISTENCE, "best stateless model (two lags, exact)": exact}
    held = float(np.mean((_truth(800) - SERIES[799]) ** 2))
    ahead = {FLAT: float(np.var(_truth(800))), "persistence, the last value held": held}
    return {LOSS: one_step, TEST: one_step, HELD_OUT: one_step, FORECAST: ahead}
