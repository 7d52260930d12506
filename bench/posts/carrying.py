"""When the state of a stateful layer moves, and when it is reset: the posts' statements against today's Keras."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np

from bench.engines.base import Array
from bench.posts.registry import Setting
from bench.posts.result import Check, Entry

ROWS, CHUNK, INPUTS, UNITS = 32, 10, 16, 32
EXACT = 1e-5
"""States that differ by less are the same."""

COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def state(layer: Any) -> Array:
    """All states of a layer in one vector."""
    return np.concatenate([np.ravel(one) for one in layer.states])


def put(layer: Any, states: Iterable[Array]) -> None:
    """Set all states of a layer."""
    for variable, value in zip(layer.states, states, strict=True):
        variable.assign(value)


def forget(optimizer: Any) -> None:
    """Put an optimiser back to its first update, so that its model need not be compiled again."""
    for variable in optimizer.variables:
        if variable is not optimizer._learning_rate:  # noqa: SLF001 - Keras lists the rate among the variables
            variable.assign(np.zeros(variable.shape))


def attempt(what: Callable[[], Any]) -> str:
    """The error that a call raises, on one line; empty if it raises none."""
    try:
        what()
    except Exception as error:  # noqa: BLE001 - which error Keras raises is the finding
        text = " ".join(_reason(str(error)).split())
        return f"{type(error).__name__}: {text[:160]}{'…' if len(text) > 160 else ''}"
    return ""


def _reason(message: str) -> str:
    """What a long error says is wrong: before a graph node's name, behind Keras' words on the call, or all of it."""
    lines = [line for line in COLOURS.sub("", message).splitlines() if line.strip()]
    if node := next((i for i, line in enumerate(lines) if "[[{{node" in line), 0):
        return lines[node - 1]
    if calls := [i for i, line in enumerate(lines[:-1]) if "Exception encountered when calling" in line]:
        return lines[calls[-1] + 1]
    return "\n".join(lines)


def two_chunks(setting: Setting) -> Entry:
    """two-chunk-continuation."""
    model = keras.Sequential(
        [
            keras.Input(batch_shape=(ROWS, CHUNK, INPUTS)),
            keras.layers.LSTM(UNITS, stateful=True),
            keras.layers.Dense(INPUTS, activation="softmax"),
        ]
    )
    model.compile(optimizer="rmsprop", loss="categorical_crossentropy")
    layer = model.layers[0]
    x = np.ones((ROWS, 2 * CHUNK + 1, INPUTS), "float32")
    first, second = (x[:, :CHUNK], x[:, CHUNK]), (x[:, CHUNK : 2 * CHUNK], x[:, 2 * CHUNK])
    return _entry(
        "two-chunk-continuation",
        "train on steps 0..9, then on 10..19",
        "the state changes after every fit, predict and train_on_batch; the model and one layer can be reset",
        setting,
        [
            _moves(model, layer, first),
            _chunks_move(model, layer, first, second),
            _continues(model, layer, setting),
            _validation_moves(model, layer, first, second),
            _reset_model(model),
            _reset_layer(layer),
            _old_constructor(),
            _wrong_batch(model),
        ],
    )


def _moves(model: Any, layer: Any, batch: tuple[Array, Array]) -> Check:
    x, y = batch
    calls: dict[str, Callable[[], Any]] = {
        "fit": lambda: model.fit(x, y, batch_size=ROWS, verbose=0),
        "train_on_batch": lambda: model.train_on_batch(x, y),
        "predict": lambda: model.predict(x, batch_size=ROWS, verbose=0),
        "evaluate": lambda: model.evaluate(x, y, batch_size=ROWS, verbose=0),
        "calling the model": lambda: model(x),
    }
    moved = {}
    for name, call in calls.items():
        layer.reset_state()
        call()
        moved[name] = float(np.abs(state(layer)).max())
    found = ", ".join(f"{name} {size:.2g}" for name, size in moved.items())
    return Check(
        "fit, predict and train_on_batch update the state",
        all(size > 0 for size in moved.values()),
        f"largest state value after one call from a zero state: {found}",
    )


def _chunks_move(model: Any, layer: Any, first: tuple[Array, Array], second: tuple[Array, Array]) -> Check:
    layer.reset_state()
    model.train_on_batch(*first)
    between, weights = [one.numpy() for one in layer.states], model.get_weights()
    model.train_on_batch(*second)
    after = state(layer)
    # An update runs forward before it changes the weights: the same weights from either state tell which one it was.
    model.set_weights(weights)
    put(layer, between)
    model.predict(second[0], batch_size=ROWS, verbose=0)
    from_first = float(np.abs(state(layer) - after).max())
    layer.reset_state()
    model.predict(second[0], batch_size=ROWS, verbose=0)
    from_zero = float(np.abs(state(layer) - after).max())
    return Check(
        "the second chunk begins from the state after the first",
        from_first < EXACT < from_zero,
        f"the state after the second chunk differs by {from_first:.1e} from a run that begins there, by "
        f"{from_zero:.2g} from one that begins at zero",
    )


def _continues(model: Any, layer: Any, setting: Setting) -> Check:
    whole = keras.Sequential(
        [keras.Input((2 * CHUNK, INPUTS)), keras.layers.LSTM(UNITS), keras.layers.Dense(INPUTS, activation="softmax")]
    )
    gaps = []
    for seed in setting.seeds:
        keras.utils.set_random_seed(seed)
        weights = [
            0.3 * np.random.default_rng([seed, i]).normal(size=w.shape) for i, w in enumerate(model.get_weights())
        ]
        model.set_weights(weights)
        whole.set_weights(weights)
        x = np.random.default_rng(seed).normal(size=(ROWS, 2 * CHUNK, INPUTS)).astype("float32")
        layer.reset_state()
        model.predict(x[:, :CHUNK], batch_size=ROWS, verbose=0)
        after = model.predict(x[:, CHUNK:], batch_size=ROWS, verbose=0)
        gaps.append(float(np.abs(after - whole.predict(x, batch_size=ROWS, verbose=0)).max()))
    return Check(
        "two chunks of 10 with the state carried equal 20 steps at once",
        max(gaps) < 1e-5,
        f"largest difference of the outputs over {len(gaps)} seeds: {max(gaps):.1e} (forward; no gradient passes "
        "between "
        "the chunks)",
    )


def _validation_moves(model: Any, layer: Any, first: tuple[Array, Array], second: tuple[Array, Array]) -> Check:
    layer.reset_state()
    weights = model.get_weights()
    forget(model.optimizer)
    model.fit(*first, batch_size=ROWS, epochs=1, shuffle=False, verbose=0)
    trained = state(layer)
    model.predict(second[0], batch_size=ROWS, verbose=0)
    expected = state(layer)
    # The same update again, with a validation pass behind it.
    layer.reset_state()
    model.set_weights(weights)
    forget(model.optimizer)
    model.fit(*first, batch_size=ROWS, epochs=1, shuffle=False, validation_data=second, verbose=0)
    change = float(np.abs(state(layer) - trained).max())
    gap = float(np.abs(state(layer) - expected).max())
    return Check(
        "a validation pass begins from the training state and leaves its own behind",
        gap < EXACT < change,
        f"with validation_data the state after the same epoch differs by up to {change:.2g}, and by {gap:.1e} from "
        "predicting the validation rows after it",
        "saved = [s.numpy() for s in layer.states]; layer.reset_state(); model.evaluate(...)\n"
        "for s, value in zip(layer.states, saved): s.assign(value)",
    )


def _reset_model(model: Any) -> Check:
    error = attempt(lambda: model.reset_states())  # noqa: PLW0108 - looking it up is what fails
    return Check(
        "model.reset_states() resets all layers",
        not error,
        error or "it ran",
        'for layer in model.layers:\n    if getattr(layer, "stateful", False):\n        layer.reset_state()',
    )


def _reset_layer(layer: Any) -> Check:
    put(layer, [np.ones((ROWS, UNITS))] * 2)
    error = attempt(lambda: layer.reset_states())  # noqa: PLW0108 - the same
    left = float(np.abs(state(layer)).max())
    return Check(
        "layer.reset_states() resets one layer",
        not error and left == 0,
        error or f"largest state value before 1, afterwards {left:g}",
        "layer.reset_state()    # reset_states() is kept as another name",
    )


def _old_constructor() -> Check:
    error = attempt(lambda: keras.layers.LSTM(UNITS, batch_input_shape=(ROWS, CHUNK, INPUTS), stateful=True))
    return Check(
        "the layer takes batch_input_shape",
        not error,
        error or "it was taken",
        "keras.Sequential([keras.Input(batch_shape=(32, 10, 16)), keras.layers.LSTM(32, stateful=True)])",
    )


def _wrong_batch(model: Any) -> Check:
    error = attempt(lambda: model.predict(np.ones((ROWS // 2, CHUNK, INPUTS)), batch_size=ROWS // 2, verbose=0))
    return Check(
        "predicting at another batch size than trained is refused",
        bool(error),
        error or "it ran without an error",
        "twin = build(batch_size=1); twin.set_weights(model.get_weights())",
    )


def two_branch(setting: Setting) -> Entry:
    """two-branch."""
    inputs = [keras.Input(batch_shape=(ROWS, CHUNK, INPUTS)) for _ in range(2)]
    encoders = [keras.layers.LSTM(UNITS, stateful=True) for _ in range(2)]
    merged = keras.layers.Concatenate()([encode(x) for encode, x in zip(encoders, inputs, strict=True)])
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(merged))
    model.compile(optimizer="rmsprop", loss="binary_crossentropy")
    initial = model.get_weights()
    fell, cross = [], []
    for seed in setting.seeds:
        rng = np.random.default_rng(seed)
        model.set_weights([w if w.ndim < 2 else 0.2 * rng.normal(size=w.shape) for w in initial])
        forget(model.optimizer)
        x = [rng.normal(size=(ROWS, CHUNK, INPUTS)).astype("float32") for _ in range(2)]
        # Which of the two rows has the larger mean: neither branch knows it alone.
        y = (x[0].mean(axis=(1, 2)) > x[1].mean(axis=(1, 2)))[:, None].astype("float32")
        losses = []
        for _ in range(30):
            for encode in encoders:
                encode.reset_state()
            losses.append(float(model.train_on_batch(x, y)))
        fell.append(losses[-1] < losses[0])
        for encode in encoders:
            encode.reset_state()
        model([x[0], x[1]])
        alone = state(encoders[1])
        for encode in encoders:
            encode.reset_state()
        model([x[1], x[1]])
        cross.append(float(np.abs(state(encoders[1]) - alone).max()))
    other = attempt(lambda: model.predict([x[0], x[1][: ROWS // 2]], batch_size=ROWS, verbose=0))
    checks = [
        Check(
            "two stateful encoders, concatenated, one dense head",
            tuple(merged.shape) == (ROWS, 2 * UNITS),
            f"built; the concatenation has shape {tuple(merged.shape)}",
            "keras.Model([a, b], Dense(1)(Concatenate()([LSTM(32, stateful=True)(a), LSTM(32, stateful=True)(b)])))",
        ),
        Check(
            "it trains",
            all(fell),
            f"the training loss fell within 30 updates in {sum(fell)} of {len(fell)} seeds",
        ),
        Check(
            "each encoder keeps a state of its own",
            max(cross) == 0,
            f"another first input changed the second encoder's state by {max(cross):g} at most, over {len(cross)} "
            "seeds",
        ),
        Check(
            "all inputs must have the same batch size",
            bool(other),
            other or "it ran without an error",
        ),
    ]
    return _entry("two-branch", "two stateful encoders and one head", "no figure: only described", setting, checks)


def _entry(name: str, title: str, published: str, setting: Setting, checks: list[Check]) -> Entry:
    return Entry(
        id=name, post="003", title=title, published=published, flaw="", seeds=list(setting.seeds), checks=checks
    )


RUNS: dict[str, Callable[[Setting], Entry]] = {"two-chunk-continuation": two_chunks, "two-branch": two_branch}
