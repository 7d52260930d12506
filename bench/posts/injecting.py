"""Setting the state of each mini-batch from data: what the post tried, what happens today, and how it is written."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bench.engines.base import Array
from bench.posts.carrying import attempt, state
from bench.posts.registry import Setting
from bench.posts.result import Check, Entry

ROWS, STEPS, INPUTS, UNITS, BATCHES = 10, 96, 2, 8, 6


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


def run(setting: Setting) -> Entry:
    """injected-state."""
    return Entry(
        id="injected-state",
        post="001",
        title="the state of each mini-batch is set from data",
        published="rebinding states[0] to a variable of the wrong shape passes silently; setting its value must fail "
        "on a "
        "wrong shape; h is states[0], c is states[1]",
        flaw="states of shape (2,) for 8 units; set inside a generator that runs ahead of the training; c is left as "
        "it was",
        seeds=list(setting.seeds),
        checks=[
            _rebinding(),
            _rebound_is_used(),
            _assigning(),
            _which_is_which(setting),
            _broadcast(),
            _generator(),
            _by_hand(setting),
            _second_layer(),
        ],
        notes=[
            (
                "The regime `stateful-injected` does this in a benchmark: states for every window from the task's "
                "data, "
                "for each "
                "layer, h and c apart, their shapes checked before the first training."
            )
        ],
    )


def _rebinding() -> Check:
    layer = build().layers[0]
    before = id(layer.states[0])

    def rebind() -> None:
        layer.states[0] = keras.Variable(np.ones((ROWS, 2), "float32"))

    error = attempt(rebind)
    return Check(
        "layer.states[0] = variable of shape (10, 2) passes silently, for 8 units",
        not error,
        error or f"no error; states[0] is {'another' if id(layer.states[0]) != before else 'the same'} variable of "
                 "shape "
        f"{tuple(layer.states[0].shape)}",
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
    layer.states[0] = keras.Variable(np.ones((ROWS, 2), "float32"))
    outputs: list[Array] = []
    error = attempt(lambda: outputs.append(model.predict(x, batch_size=ROWS, verbose=0)))
    same = bool(outputs) and bool(np.allclose(outputs[0], plain))
    return Check(
        "after it the model still runs",
        not error,
        error or f"predict ran; its outputs {'do not change' if same else 'change'}: the compiled function "
        f"{'still reads the variable it was traced with' if same else 'reads the new variable'}",
        "layer.states[0].assign(h)",
    )  # fmt: skip


def _assigning() -> Check:
    layer = build().layers[0]
    error = attempt(lambda: layer.states[0].assign(np.ones((ROWS, 2), "float32")))
    right = attempt(lambda: layer.states[0].assign(np.ones((ROWS, UNITS), "float32")))
    old = attempt(lambda: keras.backend.set_value(layer.states[0], np.ones((ROWS, UNITS))))
    return Check(
        "setting the value fails on a wrong shape and works with the right one",
        bool(error) and not right,
        f"(10, 2): {error or 'no error'}; (10, 8): {right or 'no error'}; K.set_value: {old or 'still there'}",
        "layer.states[0].assign(h)    # K.set_value is gone",
    )


def _which_is_which(setting: Setting) -> Check:
    inputs = keras.Input(batch_shape=(ROWS, STEPS, INPUTS))
    layer = keras.layers.LSTM(UNITS, return_state=True, stateful=True)
    model = keras.Model(inputs, layer(inputs))
    gaps = []
    for seed in setting.seeds:
        layer.reset_state()
        x = np.random.default_rng(seed).normal(size=(ROWS, STEPS, INPUTS)).astype("float32")
        _, h, c = model.predict(x, batch_size=ROWS, verbose=0)
        gaps.append(max(np.abs(np.array(layer.states[0]) - h).max(), np.abs(np.array(layer.states[1]) - c).max()))
    return Check(
        "h is states[0], c is states[1]",
        max(gaps) == 0,
        f"against return_state's h and c over {len(gaps)} seeds: largest difference {max(gaps):g}",
    )


def _broadcast() -> Check:
    layer = build().layers[0]
    error = attempt(lambda: layer.states[0].assign(np.ones(UNITS, "float32")))
    rows = np.ptp(np.array(layer.states[0]), axis=0).max()
    return Check(
        "one state for the whole batch, shape (8,), is refused as well",
        bool(error),
        error or f"no error; the value was broadcast, rows differ by {rows:g}",
    )


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
    y = np.full((ROWS, STEPS, INPUTS), 0.5, "float32")

    def batches() -> Iterator[tuple[Array, Array]]:
        for index in range(BATCHES):
            layer.states[0].assign(np.full((ROWS, UNITS), index + 1, "float32"))
            yield x, y

    error = attempt(lambda: model.fit(batches(), steps_per_epoch=BATCHES, epochs=1, verbose=0))
    right = sum(value == index + 1 for index, value in enumerate(layer.seen))
    return Check(
        "a state set inside the generator is there when its batch is trained",
        not error and right == BATCHES == len(layer.seen),
        error
        or f"updates that began from their own batch's state: {right} of {len(layer.seen)}; the generator is read "
        f"ahead of the training (states set: 1 to {BATCHES}; read by the updates, in this run: "
        f"{', '.join(f'{value:.3g}' for value in layer.seen)})",
        "for x, y, h, c in batches:\n"
        "    layer.states[0].assign(h)\n"
        "    layer.states[1].assign(c)\n"
        "    model.train_on_batch(x, y)",
    )  # fmt: skip


def _by_hand(setting: Setting) -> Check:
    """Assigned states equal those given as `initial_state` to a stateless layer."""
    inputs = keras.Input(batch_shape=(ROWS, STEPS, INPUTS))
    first = [keras.Input(batch_shape=(ROWS, UNITS)) for _ in range(2)]
    plain = keras.layers.LSTM(UNITS)
    given = keras.Model([inputs, *first], plain(inputs, initial_state=first))
    layer = keras.layers.LSTM(UNITS, stateful=True)
    stateful = keras.Model(inputs, layer(inputs))
    stateful.set_weights(given.get_weights())
    gaps = []
    for seed in setting.seeds:
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(ROWS, STEPS, INPUTS)).astype("float32")
        h, c = rng.normal(size=(2, ROWS, UNITS)).astype("float32")
        layer.states[0].assign(h)
        layer.states[1].assign(c)
        gaps.append(float(np.abs(np.array(stateful(x)) - np.array(given([x, h, c]))).max()))
    return Check(
        "states that are assigned before a batch are the states it begins from",
        max(gaps) < 1e-5,
        f"against initial_state=[h, c] over {len(gaps)} seeds: largest difference {max(gaps):.1e}",
        "LSTM(8)(x, initial_state=[h, c])    # the same without a stateful layer, gradients to h and c included",
    )


def _second_layer() -> Check:
    model = build()
    layer = model.layers[1]
    states = getattr(layer, "states", None)
    both = build(second_stateful=True)
    both.predict(np.ones((ROWS, STEPS, INPUTS), "float32"), batch_size=ROWS, verbose=0)
    return Check(
        "states of the second layer can be set the same way (layers[1])",
        bool(states),
        f"the post's second layer is stateless: its states are {states!r}; with stateful=True it has "
        f"{len(both.layers[1].states)}, largest value after one batch {np.abs(state(both.layers[1])).max():.2g}",
        "LSTM(8, return_sequences=True, stateful=True)    # in every layer whose state is to be set",
    )


RUNS: dict[str, Callable[[Setting], Entry]] = {"injected-state": run}
