"""Three stacked LSTM layers on random data and random labels, stateless and stateful."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from bench.engines.base import Array
from bench.posts.block import Block, in_order, shuffled
from bench.posts.carrying import forget
from bench.posts.models import Lstm, lstm
from bench.posts.registry import Setting
from bench.posts.result import Arm, Check, Claim, Entry, no_or_same, values

STEPS, INPUTS, CLASSES, UNITS = 8, 16, 10, 32
LOSS, TRAIN, VALIDATION = "training loss", "training accuracy", "validation accuracy"
FAIR_EPOCHS = 200
BY_CHANCE = 1 / CLASSES
MODEL: Lstm = lstm(UNITS, layers=3, inputs=INPUTS, outputs=CLASSES)


def random_data(seed: int, rows: int, held: int) -> tuple[Array, Array, Array, Array]:
    """The posts' data: inputs and ten "labels" a row, all uniform in 0..1, which is no distribution over classes."""
    rng = np.random.default_rng([seed, 3])
    x, y = rng.random((rows + held, STEPS, INPUTS)), rng.random((rows + held, CLASSES))
    return x[:rows], y[:rows], x[rows:], y[rows:]


def summing_data(seed: int, rows: int, held: int) -> tuple[Array, Array, Array, Array]:
    """The posts' data with each row's ten numbers divided by their sum, as a softmax's target must be."""
    x, y, x_held, y_held = random_data(seed, rows, held)
    return x, y / y.sum(axis=1, keepdims=True), x_held, y_held / y_held.sum(axis=1, keepdims=True)


def learnable_data(seed: int, rows: int, held: int) -> tuple[Array, Array, Array, Array]:
    """The same inputs; the class is the input with the largest mean over the steps, among the first ten."""
    x, _, x_held, _ = random_data(seed, rows, held)
    labels = [np.eye(CLASSES)[part[..., :CLASSES].mean(axis=1).argmax(axis=1)] for part in (x, x_held)]
    return x, labels[0], x_held, labels[1]


def build(*, batch_size: int | None, stateful: bool) -> Any:
    """The post's network, written for Keras 3."""
    model = keras.Sequential([keras.Input(batch_shape=(batch_size, STEPS, INPUTS))])
    for layer in range(3):
        model.add(keras.layers.LSTM(UNITS, return_sequences=layer < 2, stateful=stateful))
    model.add(keras.layers.Dense(CLASSES, activation="softmax"))
    model.compile(loss="categorical_crossentropy", optimizer="rmsprop", metrics=["accuracy"])
    return model


def by_fit(name: str, setting: Setting, *, rows: int, held: int, batch_size: int, stateful: bool) -> Arm:
    """Five epochs of `fit` with validation, as in the post."""
    model = build(batch_size=batch_size if stateful else None, stateful=stateful)
    figures: dict[str, list[float]] = {LOSS: [], TRAIN: [], VALIDATION: []}
    for seed in setting.seeds:
        x, y, x_held, y_held = random_data(seed, rows, held)
        start_again(model, seed)
        keras.utils.set_random_seed(seed)
        history = model.fit(
            x, y, batch_size=batch_size, epochs=5, validation_data=(x_held, y_held), shuffle=not stateful, verbose=0
        ).history
        for figure, key in ((LOSS, "loss"), (TRAIN, "accuracy"), (VALIDATION, "val_accuracy")):
            figures[figure].append(float(history[key][-1]))
    order = "in order, state carried, also out of each validation pass" if stateful else "shuffled"
    settings = f"three LSTM({UNITS}), rmsprop, B = {batch_size}, {rows} rows, 5 epochs of one `fit`, {order}"
    return Arm(name, "as published", settings, {key: values(found) for key, found in figures.items()})


def start_again(model: Any, seed: int) -> None:
    """Put fresh weights, optimiser and state into a compiled model, so that it need not be compiled again."""
    model.set_weights(MODEL.initial(seed))
    forget(model.optimizer)
    for layer in model.layers:
        if getattr(layer, "stateful", False):
            layer.reset_state()


def side_by_side(
    name: str, column: Any, data: Callable[[int, int, int], tuple[Array, Array, Array, Array]], setting: Setting,
    *, rows: int, held: int, batch_size: int, epochs: int, stateful: bool, leaking: bool = False,
    keep_order: bool = False,
) -> Arm:  # fmt: skip
    """Train all seeds in one block, each on data of its own; scores training and validation rows after the last epoch.

    `leaking`: the state that a validation pass leaves behind goes into the next epoch, and nothing is reset.
    `keep_order`: batches are not shuffled; with carried state they never are.
    """
    seeds = setting.seeds
    each = [data(seed, rows, held) for seed in seeds]
    x = np.concatenate([np.concatenate([one[0], one[2]]) for one in each])
    y = np.concatenate([np.concatenate([one[1], one[3]]) for one in each])
    own = (rows + held) * np.arange(len(seeds))[:, None]
    block = Block(
        MODEL, x, y, seeds, batch_size=batch_size, carried=stateful, loss="cross-entropy", optimizer="rmsprop"
    )
    held_rows = rows + in_order(held, batch_size)[:, None] + own
    loss = np.zeros((0, len(seeds)))
    for epoch in range(setting.epochs(epochs)):
        fixed = stateful or keep_order
        order = in_order(rows, batch_size)[:, None] if fixed else shuffled(rows, batch_size, seeds, epoch)
        loss = block.fit([order + own], reset=not leaking)
        if leaking:
            block.predict(held_rows)
    shares = {}
    for figure, batches in ((TRAIN, in_order(rows, batch_size)[:, None] + own), (VALIDATION, held_rows)):
        if stateful and not leaking:
            block.reset()
        asked = batches if stateful else batches.swapaxes(1, 2).reshape(-1, len(seeds))
        right = block.predict(asked).argmax(axis=-1) == y[asked].argmax(axis=-1)
        shares[figure] = right.mean(axis=(0, 2)) if stateful else right.mean(axis=0)
    layout = "state carried from batch to batch" if stateful else "in order" if keep_order else "shuffled"
    layout += ", never reset, through validation too" if leaking else ", reset after each epoch" if stateful else ""
    settings = f"three LSTM({UNITS}), rmsprop, B = {batch_size}, {rows} rows, {epochs} epochs, {layout}"
    return Arm(name, column, settings, {LOSS: values(loss[-1]), **{k: values(v) for k, v in shares.items()}})


def stateless(setting: Setting) -> Entry:
    """stacked-classification."""
    post, fair = "random labels, as in the post", "labels that follow from the data, 50 epochs"
    arms = [
        by_fit(post, setting, rows=1000, held=100, batch_size=64, stateful=False),
        side_by_side(
            fair, "corrected", learnable_data, setting, rows=960, held=64, batch_size=64, epochs=50, stateful=False
        ),
    ]
    claims = [
        Claim(
            "level", "remains", "validation accuracy below chance on random labels", VALIDATION, post, value=BY_CHANCE,
            no="On random labels the validation accuracy is above chance.",
            yes="On random labels the validation accuracy is below chance.",
        ),
        Claim(
            "compare", "flaw", "random labels give a lower validation accuracy", VALIDATION, post, b=fair,
            yes="The network learns where there is something to learn: with labels that follow from the data it is "
                "above "
            "what random labels allow.",
            no="Even with labels that follow from the data it learnt nothing in 50 epochs.",
        ),
    ]  # fmt: skip
    return _entry(
        "stacked-classification", "three LSTM layers on random labels", setting, arms, claims,
        "random labels: nothing can be learnt that holds for other rows, and ten numbers in 0..1 are no label",
        [SOFT_LABELS],
        [gradient_of_soft_labels(setting)],
    )  # fmt: skip


def stateful(setting: Setting) -> Entry:
    """stacked-classification-stateful."""
    five, long = "5 epochs, as in the post", "800 epochs with resets, as in the post"
    summing = "800 epochs, targets that add up to 1"
    fair = ("stateless, in order", "stateful, reset after each epoch", "stateful, never reset, validation in between")
    mixed = "stateless, shuffled"
    layout: dict[str, Any] = {"rows": 320, "held": 96, "batch_size": 32}
    arms = [
        by_fit(five, setting, stateful=True, **layout),
        side_by_side(long, "as published", random_data, setting, epochs=800, stateful=True, **layout),
        side_by_side(summing, "corrected", summing_data, setting, epochs=800, stateful=True, **layout),
        side_by_side(mixed, "corrected", learnable_data, setting, epochs=FAIR_EPOCHS, stateful=False, **layout),
        *(
            side_by_side(
                name, "corrected", learnable_data, setting, epochs=FAIR_EPOCHS, stateful=carried, leaking=leaking,
                keep_order=True, **layout,
            )
            for name, carried, leaking in zip(fair, (False, True, True), (False, False, True), strict=True)
        ),
    ]  # fmt: skip
    claims = [
        Claim(
            "level", "remains", "800 epochs: validation accuracy below chance", VALIDATION, long, value=BY_CHANCE,
            no="After 800 epochs on random labels the validation accuracy is above chance.",
            yes="After 800 epochs on random labels the validation accuracy is below chance.",
        ),
        Claim(
            "level", "remains", "800 epochs: training accuracy below chance", TRAIN, long, value=BY_CHANCE,
            no="What 800 epochs do reach is the training rows by heart.",
            yes="Even the training rows are not learnt.",
        ),
        Claim(
            "compare", "flaw", "targets that do not add up to 1 lower the training accuracy", TRAIN, long, b=summing,
            yes="With the same numbers divided by their sum the training rows are learnt: as published the gradient "
                "is not "
            "that of the loss, and nothing is.",
            no="Targets that do not add up to 1 do no harm.",
        ),
        Claim(
            "compare", "remains", "keeping the order of the rows lowers validation accuracy", VALIDATION, fair[0],
            b=mixed,
            yes="Batches in the same order every time cost accuracy, without any state.",
            **no_or_same("The order of the batches alone costs no accuracy here."),
        ),
        Claim(
            "compare", "remains", "rows that do not continue each other: carrying state lowers validation accuracy",
            VALIDATION, fair[1], b=fair[0],
            yes="Between rows that have nothing to do with each other, carried state is noise, and it costs accuracy.",
            **no_or_same("Carried state between unrelated rows costs no accuracy here."),
        ),
        Claim(
            "compare", "flaw", "state left behind by validation lowers validation accuracy further", VALIDATION,
            fair[2], b=fair[1],
            yes="Never resetting, with validation in between, costs more.",
            **no_or_same("That validation leaves its state behind costs nothing more: any state is noise."),
        ),
    ]  # fmt: skip
    return _entry(
        "stacked-classification-stateful", "the same, stateful", setting, arms, claims,
        "random labels; validation moves the state",
        [
            SOFT_LABELS,
            ("The post prints the square root of the loss as RMSE; the loss is a cross-entropy, so that number means "
            "nothing."),
            "The 800 epochs are trained in the replicated trainer, which a test holds to `fit`.",
        ],
    )  # fmt: skip


SOFT_LABELS = (
    "The posts' targets are ten uniform numbers that add up to about 5, so the loss is no cross-entropy and cannot "
    "come "
    "near 0; the accuracy counts the largest of them as the class."
)


def gradient_of_soft_labels(setting: Setting) -> Check:
    """Whether `fit` descends the loss that it prints, where targets do not add up to 1."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(CLASSES, activation="softmax")])
    model.compile(loss="categorical_crossentropy", optimizer=keras.optimizers.SGD(1.0))
    descends, instead = [], []
    for seed in setting.seeds:
        y = np.random.default_rng(seed).random((1, CLASSES))
        model.set_weights([np.zeros((1, CLASSES)), np.zeros(CLASSES)])
        model.train_on_batch(np.zeros((1, 1)), y)
        gradient, even = -model.get_weights()[1], 1 / CLASSES
        descends.append(np.abs(gradient - (y.sum() * even - y[0])).max())
        instead.append(np.abs(gradient - (even - y[0])).max())
    return Check(
        "training descends the loss that is printed, also for targets that do not add up to 1",
        max(descends) < 1e-5,
        f"over {len(descends)} seeds the gradient differs from that of the loss by up to {max(descends):.2g}, and from "
        f"softmax − target by up to {max(instead):.1e}",
        "y = keras.utils.to_categorical(labels, 10)    # targets of a softmax add up to 1",
    )


def _entry(
    name: str,
    title: str,
    setting: Setting,
    arms: list[Arm],
    claims: list[Claim],
    flaw: str,
    notes: list[str],
    checks: list[Check] | None = None,
) -> Entry:
    return Entry(
        id=name, post="003", title=title, published="no figure", flaw=flaw, seeds=list(setting.seeds), arms=arms,
        baselines={
            TRAIN: {"chance": BY_CHANCE},
            VALIDATION: {"chance, and the best any model can do on random labels": BY_CHANCE},
        },
        claims=claims, notes=notes, checks=checks or [],
    )  # fmt: skip


RUNS: dict[str, Callable[[Setting], Entry]] = {
    "stacked-classification": stateless,
    "stacked-classification-stateful": stateful,
}
