"""When the state of a stateful layer moves, and when it is reset: the posts' statements against today's Keras."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np

from bench.engines.base import Array
from bench.posts.entry import Check, Findings
from bench.posts.experiments import Setting

ROWS, CHUNK, INPUTS, UNITS = 32, 10, 16, 32
EXACT = 1e-5
"""States and outputs that differ by less are the same."""

COLOURS = re.compile(r"\x1b\[[0-9;]*m")

Batch = tuple[Array, Array]


def state(layer: Any) -> Array:
    """All states of a layer in one vector."""
    return np.concatenate([np.ravel(one) for one in layer.states])


def put(layer: Any, states: Iterable[Array]) -> None:
    """Set all states of a layer."""
    for variable, value in zip(layer.states, states, strict=True):
        variable.assign(value)


def reset(model: Any) -> None:
    """Set all states of a model to zero."""
    for layer in model.layers:
        if getattr(layer, "stateful", False):
            layer.reset_state()


def forget(optimizer: Any) -> None:
    """Put an optimiser back to its first update, so that its model need not be compiled again."""
    for variable in optimizer.variables:
        if variable is not optimizer._learning_rate:  # noqa: SLF001 - Keras lists the rate among the variables
            variable.assign(np.zeros(variable.shape))


def normal(seed: int, *shape: int) -> Array:
    """Standard normal numbers, float32."""
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def gap(one: Any, other: Any) -> float:
    """Largest difference."""
    return float(np.abs(np.asarray(one) - np.asarray(other)).max())


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


def runs(statement: str, what: Callable[[], Any], now: str = "") -> Check:
    """Check that a call raises nothing."""
    error = attempt(what)
    return Check(statement, not error, error or "it ran", now)


def refused(statement: str, what: Callable[[], Any], now: str = "") -> Check:
    """Check that a call raises an error."""
    error = attempt(what)
    return Check(statement, bool(error), error or "it ran without an error", now)


def two_chunk_continuation(setting: Setting) -> Findings:
    """Two chunks of one sequence, and what moves or resets the state between them."""
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
    half = ROWS // 2
    checks = [
        _moves(model, layer, first),
        _chunks_move(model, layer, first, second),
        _continues(model, layer, setting),
        _validation_moves(model, layer, first, second),
        runs(
            "model.reset_states() resets all layers", lambda: model.reset_states(),  # noqa: PLW0108 - looking it up is what fails
            'for layer in model.layers:\n    if getattr(layer, "stateful", False):\n        layer.reset_state()',
        ),
        _reset_layer(layer),
        runs(
            "the layer takes batch_input_shape",
            lambda: keras.layers.LSTM(UNITS, batch_input_shape=(ROWS, CHUNK, INPUTS), stateful=True),
            "keras.Sequential([keras.Input(batch_shape=(32, 10, 16)), keras.layers.LSTM(32, stateful=True)])",
        ),
        refused(
            "predicting at another batch size than trained is refused",
            lambda: model.predict(np.ones((half, CHUNK, INPUTS)), batch_size=half, verbose=0),
            "twin = build(batch_size=1); twin.set_weights(model.get_weights())",
        ),
    ]  # fmt: skip
    return Findings(checks=checks)


def _moves(model: Any, layer: Any, batch: Batch) -> Check:
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
        moved[name] = gap(state(layer), 0)
    found = ", ".join(f"{name} {size:.2g}" for name, size in moved.items())
    found = f"largest state value after one call from a zero state: {found}"
    return Check("fit, predict and train_on_batch update the state", min(moved.values()) > 0, found)


def _chunks_move(model: Any, layer: Any, first: Batch, second: Batch) -> Check:
    layer.reset_state()
    model.train_on_batch(*first)
    between, weights = [one.numpy() for one in layer.states], model.get_weights()
    model.train_on_batch(*second)
    after = state(layer)
    # An update runs forward before it changes the weights: the same weights from either state tell which one it was.
    model.set_weights(weights)
    put(layer, between)
    model.predict(second[0], batch_size=ROWS, verbose=0)
    from_first = gap(state(layer), after)
    layer.reset_state()
    model.predict(second[0], batch_size=ROWS, verbose=0)
    from_zero = gap(state(layer), after)
    return Check(
        "the second chunk begins from the state after the first", from_first < EXACT < from_zero,
        f"the state after the second chunk differs by {from_first:.1e} from a run that begins there, by "
        f"{from_zero:.2g} from one that begins at zero",
    )  # fmt: skip


def _continues(model: Any, layer: Any, setting: Setting) -> Check:
    whole = keras.Sequential(
        [keras.Input((2 * CHUNK, INPUTS)), keras.layers.LSTM(UNITS), keras.layers.Dense(INPUTS, activation="softmax")]
    )
    shapes = [w.shape for w in model.get_weights()]
    gaps = []
    for seed in setting.seeds:
        keras.utils.set_random_seed(seed)
        weights = [0.3 * np.random.default_rng([seed, i]).normal(size=shape) for i, shape in enumerate(shapes)]
        model.set_weights(weights)
        whole.set_weights(weights)
        x = normal(seed, ROWS, 2 * CHUNK, INPUTS)
        layer.reset_state()
        model.predict(x[:, :CHUNK], batch_size=ROWS, verbose=0)
        after = model.predict(x[:, CHUNK:], batch_size=ROWS, verbose=0)
        gaps.append(gap(after, whole.predict(x, batch_size=ROWS, verbose=0)))
    return Check(
        "two chunks of 10 with the state carried equal 20 steps at once", max(gaps) < EXACT,
        f"largest difference of the outputs over {len(gaps)} seeds: {max(gaps):.1e} (forward; no gradient passes "
        "between the chunks)",
    )  # fmt: skip


def _validation_moves(model: Any, layer: Any, first: Batch, second: Batch) -> Check:
    weights = model.get_weights()

    def train(**options: Any) -> Array:
        layer.reset_state()
        model.set_weights(weights)
        forget(model.optimizer)
        model.fit(*first, batch_size=ROWS, epochs=1, shuffle=False, verbose=0, **options)
        return state(layer)

    trained = train()
    model.predict(second[0], batch_size=ROWS, verbose=0)
    expected = state(layer)
    # The same update again, with a validation pass behind it.
    found = train(validation_data=second)
    change, off = gap(found, trained), gap(found, expected)
    return Check(
        "a validation pass begins from the training state and leaves its own behind", off < EXACT < change,
        f"with validation_data the state after the same epoch differs by up to {change:.2g}, and by {off:.1e} from "
        "predicting the validation rows after it",
        "saved = [s.numpy() for s in layer.states]; layer.reset_state(); model.evaluate(...)\n"
        "for s, value in zip(layer.states, saved): s.assign(value)",
    )  # fmt: skip


def _reset_layer(layer: Any) -> Check:
    put(layer, [np.ones(one.shape) for one in layer.states])
    error = attempt(lambda: layer.reset_states())  # noqa: PLW0108 - looking it up may fail
    left = gap(state(layer), 0)
    return Check(
        "layer.reset_states() resets one layer", not error and left == 0,
        error or f"largest state value before 1, afterwards {left:g}",
        "layer.reset_state()    # reset_states() is kept as another name",
    )  # fmt: skip


def two_branch(setting: Setting) -> Findings:
    """Two stateful encoders and one head."""
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
            reset(model)
            losses.append(float(model.train_on_batch(x, y)))
        fell.append(losses[-1] < losses[0])
        seconds = []
        for other in x:
            reset(model)
            model([other, x[1]])
            seconds.append(state(encoders[1]))
        cross.append(gap(*seconds))
    checks = [
        Check(
            "two stateful encoders, concatenated, one dense head", tuple(merged.shape) == (ROWS, 2 * UNITS),
            f"built; the concatenation has shape {tuple(merged.shape)}",
            "keras.Model([a, b], Dense(1)(Concatenate()([LSTM(32, stateful=True)(a), LSTM(32, stateful=True)(b)])))",
        ),
        Check("it trains", all(fell), f"the training loss fell within 30 updates in {sum(fell)} of {len(fell)} seeds"),
        Check(
            "each encoder keeps a state of its own", max(cross) == 0,
            f"another first input changed the second encoder's state by {max(cross):g} at most, over {len(cross)} "
            "seeds",
        ),
        refused(
            "all inputs must have the same batch size",
            lambda: model.predict([x[0], x[1][: ROWS // 2]], batch_size=ROWS, verbose=0),
        ),
    ]  # fmt: skip
    return Findings(checks=checks)
