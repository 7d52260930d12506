"""The cosine of the first post: stateless, stateful and stacked LSTM, and a perceptron, with free-running forecasts."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bench.posts.cosine_arms import (
    FORECAST,
    HELD_OUT,
    LOSS,
    PERSISTENCE,
    TEST,
    Cosine,
    as_published,
    baselines,
    continued,
    no_traces,
)
from bench.posts.registry import Setting
from bench.posts.result import Arm, Claim, Entry
from tasks.cosine import PERIOD

REPEATS = (
    f"The series repeats itself every {PERIOD} steps: each held-out window is a training window over again, so these "
    "errors say nothing of other series."
)
UNKNOWN_EPOCHS = "The notebook's epochs are not known: the post's 100 were taken, with the notebook's split."


def _published(arm: str, figure: str, value: float, rounding: float, source: str) -> list[Claim]:
    return [
        Claim("published", "post", f"{figure} {value:g} ({source})", figure, arm, value=value, rounding=rounding),
        Claim(
            "near",
            "floor",
            f"published {figure} {value:g} against persistence",
            figure,
            arm,
            value=value,
            other=PERSISTENCE,
        ),
    ]


def _level(arm: str, figure: str, words: str) -> Claim:
    return Claim(
        "level",
        "floor",
        f"{words} below persistence",
        figure,
        arm,
        value=PERSISTENCE,
        yes=f"{words} is better than persistence",
        no=f"{words} is worse than repeating the last value",
    )


def stateless(setting: Setting) -> Entry:
    """cosine-stateless."""
    traces = no_traces()
    post, source = "stateless, as in the post", "stateless, as in the source notebook"
    plain = "stateless, without dropout"
    arms = [
        as_published(Cosine(20, 30), post, setting, traces),
        as_published(Cosine(20, 100, dropout=0.3, train=670), source, setting),
        as_published(Cosine(20, 30, dropout=0.0), plain, setting, traces, column="corrected"),
        continued(Cosine(20, 30), "stateless, contiguous windows", setting),
    ]
    claims = [
        *_published(post, LOSS, 0.0012, 5e-5, "the post's predecessor"),
        *_published(source, TEST, 1.3e-4, 5e-6, "source notebook"),
        _level(post, TEST, "test mse of the post's arm"),
        Claim(
            "compare", "flaw", "dropout makes the test error larger", TEST, plain, b=post,
            yes="Dropout on the 32 outputs, not the length of training, sets the published figures.",
            no="Without dropout the error is no smaller.",
        ),
        Claim(
            "level", "remains", "the forecast beats a flat line", FORECAST, post,
            value=baselines()[FORECAST]["the mean, a flat line"],
            yes="Fed its own output for 500 steps, the post's network stays closer to the cosine than a flat line.",
            no="Fed its own output for 500 steps, the post's network is further from the cosine than a flat line.",
        ),
    ]  # fmt: skip
    return _entry(
        "cosine-stateless", "000", "stateless LSTM on a cosine", setting, arms, claims, traces,
        "training loss 0.0012 after 5 min 08 s (the post's predecessor); test mse 1.3e-4 (source notebook: 100 epochs, "
        "dropout .3, split 67/33)",
        "two lags predict a cosine exactly, and persistence is better than the published training loss, though dropout "
        "raises that: a sanity check",
    )  # fmt: skip


def stateful(setting: Setting) -> Entry:
    """cosine-stateful."""
    traces = no_traces()
    post, other = "stateful, L = 40, as in the post", "stateless, L = 20, the post's other arm"
    before, short, long = "stateful, L = 20, 30 epochs", "stateful, L = 20, 200 epochs", "stateful, L = 40, 200 epochs"
    fair = {(w, c): f"{'stateful' if c else 'stateless'}, L = {w}, matched" for w in (20, 40) for c in (False, True)}
    source = Cosine(20, 200, dropout=0.3, train=670, carried=True)
    arms = [
        as_published(Cosine(40, 30, carried=True), post, setting, traces),
        as_published(Cosine(20, 30), other, setting),
        as_published(Cosine(20, 30, carried=True), before, setting),
        as_published(source, short, setting),
        as_published(replace(source, window=40), long, setting),
        *(
            continued(Cosine(w, 30, carried=c), name, setting, traces if (w, c) == (40, True) else None)
            for (w, c), name in fair.items()
        ),
    ]
    claims = [
        *_published(before, LOSS, 0.0014, 5e-5, "predecessor, L = 20"),
        *_published(short, TEST, 4.9e-6, 5e-8, "source notebook, L = 20, 200 epochs"),
        *_published(long, TEST, 4.5e-4, 5e-6, "source notebook, L = 40, 200 epochs"),
        Claim(
            "compare", "remains", "as published, the stateful arm has the lower training loss", LOSS, post, b=other,
            yes="As published (L = 40 against 20), the stateful arm ends with the lower training loss.",
            no="As published (L = 40 against 20), the stateful arm ends with the higher training loss.",
        ),
        Claim(
            "compare", "flaw", "the longer window makes the test error larger", TEST, before, b=post,
            yes="Most of the difference between the two arms can come from L alone: L = 40 is worse than L = 20.",
            no="L = 40 is better than L = 20 with everything else equal, so L alone favoured the stateful arm.",
        ),
        *(
            Claim(
                "compare", "remains", f"at L = {w}, windows that continue each other and equal updates, stateful wins",
                HELD_OUT, fair[w, True], b=fair[w, False],
                yes=f"With the flaw removed, carrying state gave the lower error at L = {w}, for the same updates.",
                no=f"With the flaw removed, carrying state gave the higher error at L = {w}, for the same updates.",
            )
            for w in (20, 40)
        ),
        _level(post, TEST, "test mse of the post's arm"),
    ]  # fmt: skip
    return _entry(
        "cosine-stateful", "000", "stateful LSTM on a cosine", setting, arms, claims, traces,
        "training loss 0.0014 after 4 min 29 s (predecessor, L = 20); test mse 4.9e-6 at L = 20 and 4.5e-4 at L = 40, "
        "200 epochs each (source notebook)",
        "L differs from the stateless arm; windows at stride 1 are no continuation: each reads L - 1 values again that "
        "the state has seen",
        ["The source notebook's dropout (.3) and split (67/33) are taken over from its stateless model."],
    )  # fmt: skip


def stacked(setting: Setting) -> Entry:
    """cosine-stacked-stateful."""
    traces = no_traces()
    post = "two layers, stateful, 100 epochs, as in the post"
    source = "two layers, stateful, 100 epochs, the source notebook's split"
    equal = "two layers, stateful, 30 epochs"
    one = "one layer, stateful, 30 epochs"
    fair = {c: f"two layers, {'stateful' if c else 'stateless'}, matched" for c in (False, True)}
    two = Cosine(40, 100, layers=2, carried=True, dropout=0.3)
    arms = [
        as_published(two, post, setting, traces),
        as_published(replace(two, train=670), source, setting),
        as_published(replace(two, epochs=30), equal, setting, column="corrected"),
        as_published(replace(two, epochs=30, layers=1), one, setting, column="corrected"),
        *(continued(replace(two, epochs=30, carried=c), name, setting) for c, name in fair.items()),
    ]
    claims = [
        *_published(source, TEST, 4.2e-4, 5e-6, "source notebook"),
        _level(post, TEST, "test mse of the post's arm"),
        Claim(
            "compare", "flaw", "100 epochs end lower than 30", TEST, post, b=equal,
            yes="More than three times the epochs lowered the error: the post compares unequal amounts of training.",
            no="100 epochs did not end lower than 30: the extra training bought nothing.",
        ),
        Claim(
            "compare", "remains", "a second layer lowers the error at equal epochs", TEST, equal, b=one,
            yes="At equal epochs the second layer lowered the error.",
            no="At equal epochs the second layer raised the error.",
        ),
        Claim(
            "compare", "remains", "with continuing windows and equal updates, stateful wins", HELD_OUT, fair[True],
            b=fair[False],
            yes="With two layers, continuing windows and equal updates, carrying state gave the lower error.",
            no="With two layers, continuing windows and equal updates, carrying state gave the higher error.",
        ),
    ]  # fmt: skip
    return _entry(
        "cosine-stacked-stateful", "000", "two stateful LSTM layers on a cosine", setting, arms, claims, traces,
        "53 min 04 s (predecessor); test mse 4.2e-4 (source notebook)",
        "as for one layer, and more than three times the epochs",
        [f"{UNKNOWN_EPOCHS} Corrected arms make the updates of 30 epochs."],
    )  # fmt: skip


def three_layers(setting: Setting) -> Entry:
    """cosine-three-layers-stateful."""
    traces = no_traces()
    source = "three layers, stateful, 100 epochs, the source notebook's split"
    arms = [as_published(Cosine(40, 100, layers=3, carried=True, dropout=0.3, train=670), source, setting, traces)]
    claims = [
        *_published(source, TEST, 4.1e-3, 5e-5, "source notebook"),
        Claim(
            "level", "remains", "three layers: test mse below persistence", TEST, source, value=PERSISTENCE,
            yes="Three layers do better than repeating the last value.",
            no="Three layers with carried state, after 100 epochs, do worse than repeating the last value.",
        ),
    ]  # fmt: skip
    return _entry(
        "cosine-three-layers-stateful", "000", "three stateful LSTM layers on a cosine", setting, arms, claims, traces,
        "test mse 4.1e-3 (source notebook)",
        "as for two layers",
        [f"{UNKNOWN_EPOCHS} No corrected arms: what carrying and depth do is asked with two layers."],
    )  # fmt: skip


def perceptron(setting: Setting) -> Entry:
    """cosine-mlp."""
    traces = no_traces()
    post, plain = "perceptron, as published", "perceptron, without dropout"
    source = Cosine(40, 100, hidden=(32, 16), dropout=0.3, train=670, batch_size=32)
    arms = [
        as_published(source, post, setting, traces),
        as_published(replace(source, dropout=0.0), plain, setting, column="corrected"),
    ]
    claims = [
        *_published(post, TEST, 7.6e-3, 5e-5, "source notebook"),
        _level(post, TEST, "test mse as published"),
        Claim(
            "compare", "flaw", "dropout makes the test error larger", TEST, plain, b=post,
            yes="Dropout makes the perceptron look bad; without it the error is a fraction.",
            no="Without dropout the error is no smaller.",
        ),
        _level(plain, TEST, "test mse without dropout"),
    ]  # fmt: skip
    return _entry(
        "cosine-mlp", "002, example 3", "perceptron on a cosine", setting, arms, claims, traces,
        "test mse 7.6e-3 in 2 s (source notebook: L = 40, 100 epochs)",
        "fifteen times worse than persistence",
        [
            "The post names no layer sizes: 32 and 16 rectified units, dropout .3 behind each, B = 32 were taken.",
            "A remainder batch, which `fit` trains, is left out.",
        ],
    )  # fmt: skip


def _entry(
    name: str, post: str, title: str, setting: Setting, arms: list[Arm], claims: list[Claim],
    traces: dict[str, Any], published: str, flaw: str, notes: list[str] | None = None,
) -> Entry:  # fmt: skip
    return Entry(
        id=name, post=post, title=title, published=published, flaw=flaw, seeds=list(setting.seeds), arms=arms,
        baselines=baselines(), claims=claims, traces=traces, notes=[*(notes or []), REPEATS],
    )  # fmt: skip


RUNS: dict[str, Callable[[Setting], Entry]] = {
    "cosine-stateless": stateless,
    "cosine-stateful": stateful,
    "cosine-stacked-stateful": stacked,
    "cosine-three-layers-stateful": three_layers,
    "cosine-mlp": perceptron,
}
