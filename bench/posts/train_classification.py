"""Three stacked LSTM layers on random data and random labels, stateless and stateful."""

from typing import Any, Literal

import keras
import numpy as np

from bench.engines.base import Array
from bench.posts.block import Block, in_order, lstm, shuffled
from bench.posts.check_state import forget, reset
from bench.posts.entry import Arm, Check, Claim, Column, Findings, ask
from bench.posts.experiments import Setting

STEPS, INPUTS, CLASSES, UNITS = 8, 16, 10, 32
LOSS, TRAIN, VALIDATION = "training loss", "training accuracy", "validation accuracy"
FAIR_EPOCHS = 200
BY_CHANCE = 1 / CLASSES
Labels = Literal["random", "summing", "learnable"]
MODEL = lstm(UNITS, layers=3, inputs=INPUTS, outputs=CLASSES)
SOFT_LABELS = (
    "The posts' targets are ten uniform numbers that add up to about 5, so the loss is no cross-entropy and cannot "
    "come near 0; the accuracy counts the largest of them as the class."
)


def stacked_classification(setting: Setting) -> Findings:
    """Without state."""
    post = by_fit("random labels, as in the post", setting, rows=1000, held=100, batch_size=64, stateful=False)
    fair = side_by_side(
        "labels that follow from the data, 50 epochs", "corrected", "learnable", setting,
        rows=960, held=64, batch_size=64, epochs=50, stateful=False,
    )  # fmt: skip
    claims = [
        _chance("validation accuracy below chance on random labels", VALIDATION, post,
                no="On random labels the validation accuracy is above chance.",
                yes="On random labels the validation accuracy is below chance."),
        ask("compare", "flaw", "random labels give a lower validation accuracy", VALIDATION, post, fair,
            yes="The network learns where there is something to learn: with labels that follow from the data it is "
            "above what random labels allow.",
            no="Even with labels that follow from the data it learnt nothing in 50 epochs."),
    ]  # fmt: skip
    return _findings([post, fair], claims, [gradient_of_soft_labels(setting)])


def stacked_classification_stateful(setting: Setting) -> Findings:
    """With state, and an epoch after another."""
    layout: dict[str, Any] = {"setting": setting, "rows": 320, "held": 96, "batch_size": 32}
    learnable = {**layout, "column": "corrected", "labels": "learnable", "epochs": FAIR_EPOCHS}
    five = by_fit("5 epochs, as in the post", stateful=True, **layout)
    long = side_by_side(
        "800 epochs with resets, as in the post", "as published", "random", epochs=800, stateful=True, **layout
    )
    summing = side_by_side(
        "800 epochs, targets that add up to 1", "corrected", "summing", epochs=800, stateful=True, **layout
    )
    mixed = side_by_side("stateless, shuffled", stateful=False, **learnable)
    ordered = side_by_side("stateless, in order", stateful=False, keep_order=True, **learnable)
    carried = side_by_side("stateful, reset after each epoch", stateful=True, **learnable)
    leaking = side_by_side("stateful, never reset, validation in between", stateful=True, leaking=True, **learnable)
    claims = [
        _chance("800 epochs: validation accuracy below chance", VALIDATION, long,
                no="After 800 epochs on random labels the validation accuracy is above chance.",
                yes="After 800 epochs on random labels the validation accuracy is below chance."),
        _chance("800 epochs: training accuracy below chance", TRAIN, long,
                no="What 800 epochs do reach is the training rows by heart.",
                yes="Even the training rows are not learnt."),
        ask("compare", "flaw", "targets that do not add up to 1 lower the training accuracy", TRAIN, long, summing,
            yes="With the same numbers divided by their sum the training rows are learnt: as published the gradient "
            "is not that of the loss, and nothing is.",
            no="Targets that do not add up to 1 do no harm."),
        ask("compare", "remains", "keeping the order of the rows lowers validation accuracy", VALIDATION, ordered,
            mixed,
            yes="Batches in the same order every time cost accuracy, without any state.",
            otherwise="The order of the batches alone costs no accuracy here."),
        ask("compare", "remains", "rows that do not continue each other: carrying state lowers validation accuracy",
            VALIDATION, carried, ordered,
            yes="Between rows that have nothing to do with each other, carried state is noise, and it costs accuracy.",
            otherwise="Carried state between unrelated rows costs no accuracy here."),
        ask("compare", "flaw", "state left behind by validation lowers validation accuracy further", VALIDATION,
            leaking, carried,
            yes="Never resetting, with validation in between, costs more.",
            otherwise="That validation leaves its state behind costs nothing more: any state is noise."),
    ]  # fmt: skip
    return _findings(
        [five, long, summing, mixed, ordered, carried, leaking], claims, [],
        "The post prints the square root of the loss as RMSE; the loss is a cross-entropy, so that number means "
        "nothing.",
        "The 800 epochs are trained in the replicated trainer, which a test holds to `fit`.",
    )  # fmt: skip


def _chance(question: str, figure: str, arm: Arm, *, yes: str, no: str) -> Claim:
    return ask("level", "remains", question, figure, arm, value=BY_CHANCE, yes=yes, no=no)


def _findings(arms: list[Arm], claims: list[Claim], checks: list[Check], *notes: str) -> Findings:
    known = {
        TRAIN: {"chance": BY_CHANCE},
        VALIDATION: {"chance, and the best any model can do on random labels": BY_CHANCE},
    }
    return Findings(arms=arms, baselines=known, claims=claims, checks=checks, notes=[SOFT_LABELS, *notes])


def draw(seed: int, rows: int, labels: Labels = "random") -> tuple[Array, Array]:
    """Inputs (rows, L, F), uniform in 0..1 as the posts draw them, and targets (rows, classes).

    ``random``: the posts' "labels", ten uniform numbers, which are no distribution over classes. ``summing``: the same,
    divided by their sum, as a softmax's target must be. ``learnable``: which of the first ten inputs has the largest
    mean over the steps, one-hot.
    """
    rng = np.random.default_rng([seed, 3])
    x, y = rng.random((rows, STEPS, INPUTS)), rng.random((rows, CLASSES))
    if labels == "summing":
        y /= y.sum(axis=1, keepdims=True)
    if labels == "learnable":
        y = np.eye(CLASSES)[x[..., :CLASSES].mean(axis=1).argmax(axis=1)]
    return x, y


def by_fit(name: str, setting: Setting, *, rows: int, held: int, batch_size: int, stateful: bool) -> Arm:
    """Five epochs of `fit` with validation, as in the post; its network, written for Keras 3."""
    model = keras.Sequential([keras.Input(batch_shape=(batch_size if stateful else None, STEPS, INPUTS))])
    for layer in range(3):
        model.add(keras.layers.LSTM(UNITS, return_sequences=layer < 2, stateful=stateful))
    model.add(keras.layers.Dense(CLASSES, activation="softmax"))
    model.compile(loss="categorical_crossentropy", optimizer="rmsprop", metrics=["accuracy"])
    histories = []
    for seed in setting.seeds:
        x, y = draw(seed, rows + held)
        # Fresh weights, optimiser and state, so that the model need not be compiled again.
        model.set_weights(MODEL.initial(seed))
        forget(model.optimizer)
        reset(model)
        keras.utils.set_random_seed(seed)
        fitted = model.fit(
            x[:rows], y[:rows], batch_size=batch_size, epochs=5, validation_data=(x[rows:], y[rows:]),
            shuffle=not stateful, verbose=0,
        )  # fmt: skip
        histories.append(fitted.history)
    keys = {LOSS: "loss", TRAIN: "accuracy", VALIDATION: "val_accuracy"}
    figures = {figure: np.array([history[key][-1] for history in histories]) for figure, key in keys.items()}
    order = "in order, state carried, also out of each validation pass" if stateful else "shuffled"
    settings = f"three LSTM({UNITS}), rmsprop, B = {batch_size}, {rows} rows, 5 epochs of one `fit`, {order}"
    return Arm(name, "as published", settings, figures)


def side_by_side(
    name: str, column: Column, labels: Labels, setting: Setting,
    *, rows: int, held: int, batch_size: int, epochs: int, stateful: bool, leaking: bool = False,
    keep_order: bool = False,
) -> Arm:  # fmt: skip
    """Train all seeds in one block, each on data of its own; scores training and validation rows after the last epoch.

    `leaking`: the state that a validation pass leaves behind goes into the next epoch, and nothing is reset.
    `keep_order`: batches are not shuffled; with carried state they never are.
    """
    seeds = setting.seeds
    x, y = (np.concatenate(part) for part in zip(*(draw(seed, rows + held, labels) for seed in seeds), strict=True))
    own = (rows + held) * np.arange(len(seeds))[:, None]
    block = Block(
        MODEL, x, y, seeds, batch_size=batch_size, carried=stateful, loss="cross-entropy", optimizer="rmsprop"
    )
    in_turn = in_order(rows, batch_size)[:, None] + own
    held_rows = rows + in_order(held, batch_size)[:, None] + own
    loss = np.zeros((0, len(seeds)))
    for epoch in range(setting.epochs(epochs)):
        order = in_turn if stateful or keep_order else shuffled(rows, batch_size, seeds, epoch) + own
        loss = block.fit([order], reset=not leaking)
        if leaking:
            block.predict(held_rows)
    figures = {LOSS: loss[-1]}
    for figure, batches in ((TRAIN, in_turn), (VALIDATION, held_rows)):
        if not leaking:
            block.reset()
        asked = batches.swapaxes(1, 2).reshape(-1, len(seeds))
        outputs = block.predict(batches if stateful else asked)
        figures[figure] = (outputs.argmax(axis=-1) == y[asked].argmax(axis=-1)).mean(axis=0)
    layout = "state carried from batch to batch" if stateful else "in order" if keep_order else "shuffled"
    layout += ", never reset, through validation too" if leaking else ", reset after each epoch" if stateful else ""
    settings = f"three LSTM({UNITS}), rmsprop, B = {batch_size}, {rows} rows, {epochs} epochs, {layout}"
    return Arm(name, column, settings, figures)


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
        "training descends the loss that is printed, also for targets that do not add up to 1", max(descends) < 1e-5,
        f"over {len(descends)} seeds the gradient differs from that of the loss by up to {max(descends):.2g}, and from "
        f"softmax − target by up to {max(instead):.1e}",
        "y = keras.utils.to_categorical(labels, 10)    # targets of a softmax add up to 1",
    )  # fmt: skip
