"""Setting the state of each mini-batch from data: what the post tried, what happens today, and how it is written."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bench.engines.base import Array
from bench.posts.check_state import EXACT, attempt, gap, normal, put, refused, state
from bench.posts.entry import Check, Findings
from bench.posts.experiments import Setting

ROWS, STEPS, INPUTS, UNITS, BATCHES = 10, 96, 2, 8, 6


def injected_state(setting: Setting) -> Findings:
    """Try what the post does, in its network."""
    checks = [
        _rebinding(),
        _rebound_is_used(),
        _assigning(),
        _which_is_which(setting),
        refused(
            "one state for the whole batch, shape (8,), is refused as well",
            lambda: build().layers[0].states[0].assign(np.ones(UNITS, "float32")),
        ),
        _generator(),
        _by_hand(setting),
        _second_layer(),
    ]
    note = (
        "The regime `stateful-injected` does this in a benchmark: states for every window from the task's data, for "
        "each layer, h and c apart, their shapes checked before the first training."
    )
    return Findings(checks=checks, notes=[note])


def build(first: Any = None, *, second_stateful: bool = False) -> Any:
    """The post's network; its second layer is stateless."""
    model = keras.Sequential(
        [
            keras.Input(batch_shape=(ROWS, STEPS, INPUTS)),
            first or keras.layers.LSTM(UNITS, return_sequences=True, stateful=True),
            keras.layers.LSTM(UNITS, return_sequences=True, stateful=second_stateful),
            keras.layers.Dropout(0.2),
            keras.layers.TimeDistributed(keras.layers.Dense(INPUTS, activation="softmax")),
        ]
    )
    model.compile(loss="mean_squared_error", optimizer="adam", metrics=["accuracy"])
    return model


def _rebind(layer: Any) -> None:
    layer.states[0] = keras.Variable(np.ones((ROWS, 2), "float32"))


def _rebinding() -> Check:
    layer = build().layers[0]
    before = layer.states[0]
    error = attempt(lambda: _rebind(layer))
    which, shape = "the same" if layer.states[0] is before else "another", tuple(layer.states[0].shape)
    return Check(
        "layer.states[0] = variable of shape (10, 2) passes silently, for 8 units", not error,
        error or f"no error; states[0] is {which} variable of shape {shape}",
    )  # fmt: skip


def _rebound_is_used() -> Check:
    """Whether a rebound state has any effect on a model that has been compiled."""
    model = build()
    layer = model.layers[0]
    x = np.zeros((ROWS, STEPS, INPUTS), "float32")
    model.predict(x, batch_size=ROWS, verbose=0)
    layer.reset_state()
    plain = model.predict(x, batch_size=ROWS, verbose=0)
    layer.reset_state()
    _rebind(layer)
    outputs: list[Array] = []
    error = attempt(lambda: outputs.append(model.predict(x, batch_size=ROWS, verbose=0)))
    same = bool(outputs) and bool(np.allclose(outputs[0], plain))
    seen = (
        "do not change: the compiled function still reads the variable it was traced with"
        if same
        else "change: the compiled function reads the new variable"
    )
    return Check(
        "after it the model still runs", not error,
        error or f"predict ran; its outputs {seen}",
        "layer.states[0].assign(h)",
    )  # fmt: skip


def _assigning() -> Check:
    layer = build().layers[0]
    wrong = attempt(lambda: layer.states[0].assign(np.ones((ROWS, 2), "float32")))
    right = attempt(lambda: layer.states[0].assign(np.ones((ROWS, UNITS), "float32")))
    old = attempt(lambda: keras.backend.set_value(layer.states[0], np.ones((ROWS, UNITS))))
    return Check(
        "setting the value fails on a wrong shape and works with the right one", bool(wrong) and not right,
        f"(10, 2): {wrong or 'no error'}; (10, 8): {right or 'no error'}; K.set_value: {old or 'still there'}",
        "layer.states[0].assign(h)    # K.set_value is gone",
    )  # fmt: skip


def _which_is_which(setting: Setting) -> Check:
    inputs = keras.Input(batch_shape=(ROWS, STEPS, INPUTS))
    layer = keras.layers.LSTM(UNITS, return_state=True, stateful=True)
    model = keras.Model(inputs, layer(inputs))
    gaps = []
    for seed in setting.seeds:
        layer.reset_state()
        _, h, c = model.predict(normal(seed, ROWS, STEPS, INPUTS), batch_size=ROWS, verbose=0)
        gaps.append(max(gap(layer.states[0], h), gap(layer.states[1], c)))
    found = f"against return_state's h and c over {len(gaps)} seeds: largest difference {max(gaps):g}"
    return Check("h is states[0], c is states[1]", max(gaps) == 0, found)


class Watched(keras.layers.LSTM):  # type: ignore[misc]
    """An LSTM that notes the first value of h that each of its updates begins from."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.seen: list[float] = []

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        """Note the state inside the graph, where the update reads it, and run."""
        tf.py_function(lambda h: self.seen.append(float(h)), [self.states[0][0, 0]], [])
        return super().call(sequences, initial_state=initial_state, mask=mask, training=training)


def _generator() -> Check:
    """Which state each update really begins from, when a generator sets it."""
    layer = Watched(UNITS, return_sequences=True, stateful=True)
    model = build(layer)
    x = np.zeros((ROWS, STEPS, INPUTS), "float32")

    def batches() -> Iterator[tuple[Array, Array]]:
        for index in range(BATCHES):
            layer.states[0].assign(np.full((ROWS, UNITS), index + 1, "float32"))
            yield x, x + np.float32(0.5)

    error = attempt(lambda: model.fit(batches(), steps_per_epoch=BATCHES, epochs=1, verbose=0))
    right = sum(value == index + 1 for index, value in enumerate(layer.seen))
    seen = (
        f"updates that began from their own batch's state: {right} of {len(layer.seen)}; the generator is read ahead "
        f"of the training (states set: 1 to {BATCHES}; read by the updates, in this run: "
        f"{', '.join(f'{value:.3g}' for value in layer.seen)})"
    )
    return Check(
        "a state set inside the generator is there when its batch is trained",
        not error and right == BATCHES == len(layer.seen),
        error or seen,
        "for x, y, h, c in batches:\n"
        "    layer.states[0].assign(h)\n"
        "    layer.states[1].assign(c)\n"
        "    model.train_on_batch(x, y)",
    )


def _by_hand(setting: Setting) -> Check:
    """Assigned states equal those given as `initial_state` to a stateless layer."""
    inputs = keras.Input(batch_shape=(ROWS, STEPS, INPUTS))
    first = [keras.Input(batch_shape=(ROWS, UNITS)) for _ in range(2)]
    given = keras.Model([inputs, *first], keras.layers.LSTM(UNITS)(inputs, initial_state=first))
    layer = keras.layers.LSTM(UNITS, stateful=True)
    stateful = keras.Model(inputs, layer(inputs))
    stateful.set_weights(given.get_weights())
    gaps = []
    for seed in setting.seeds:
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(ROWS, STEPS, INPUTS)).astype("float32")
        h, c = rng.normal(size=(2, ROWS, UNITS)).astype("float32")
        put(layer, (h, c))
        gaps.append(gap(stateful(x), given([x, h, c])))
    return Check(
        "states that are assigned before a batch are the states it begins from", max(gaps) < EXACT,
        f"against initial_state=[h, c] over {len(gaps)} seeds: largest difference {max(gaps):.1e}",
        "LSTM(8)(x, initial_state=[h, c])    # the same without a stateful layer, gradients to h and c included",
    )  # fmt: skip


def _second_layer() -> Check:
    states = getattr(build().layers[1], "states", None)
    both = build(second_stateful=True)
    both.predict(np.ones((ROWS, STEPS, INPUTS), "float32"), batch_size=ROWS, verbose=0)
    return Check(
        "states of the second layer can be set the same way (layers[1])", bool(states),
        f"the post's second layer is stateless: its states are {states!r}; with stateful=True it has "
        f"{len(both.layers[1].states)}, largest value after one batch {gap(state(both.layers[1]), 0):.2g}",
        "LSTM(8, return_sequences=True, stateful=True)    # in every layer whose state is to be set",
    )  # fmt: skip
