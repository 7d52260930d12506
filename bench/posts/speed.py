"""What `unroll` and `implementation` change: not the outputs; seconds, as ratios within one run."""

import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bench.posts.carrying import attempt
from bench.posts.registry import Setting
from bench.posts.result import Arm, Check, Claim, Entry, values

ROWS, INPUTS = 32, 8
UPDATES = 20
"""Updates in one timed call: tens of milliseconds, far above the clock's resolution."""

CALL = "ms an update"


class Timed:
    """A training function of some updates in one graph, with its own model."""

    def __init__(self, steps: int, units: int, **options: Any) -> None:
        self._model = keras.Sequential(
            [keras.Input(batch_shape=(ROWS, steps, INPUTS)), keras.layers.LSTM(units, **options), keras.layers.Dense(1)]
        )
        optimizer = keras.optimizers.Adam()
        optimizer.build(self._model.trainable_variables)
        rng = np.random.default_rng(0)
        x, y = (
            tf.constant(rng.normal(size=(ROWS, steps, INPUTS)), "float32"),
            tf.constant(rng.normal(size=(ROWS, 1)), "float32"),
        )

        def call() -> None:
            for _ in tf.range(UPDATES):
                with tf.GradientTape() as tape:
                    loss = tf.reduce_mean((self._model(x, training=True) - y) ** 2)
                variables = self._model.trainable_variables
                optimizer.apply(tape.gradient(loss, variables), variables)

        self._call = tf.function(call, jit_compile=False)
        begin = time.perf_counter()
        self._call()
        self.first = time.perf_counter() - begin
        graph = self._call.get_concrete_function().graph.as_graph_def()
        self.nodes = len(graph.node) + sum(len(function.node_def) for function in graph.library.function)
        self.milliseconds: list[float] = []

    def round(self) -> None:
        """Time one call."""
        begin = time.perf_counter()
        self._call()
        self.milliseconds.append(1e3 * (time.perf_counter() - begin) / UPDATES)


Found = dict[tuple[int, int], dict[str, Timed]]
"""Size (steps, units) -> name of a variant -> what was timed."""


def compare(options: dict[str, dict[str, Any]], sizes: list[tuple[int, int]], rounds: int) -> Found:
    """Time the variants of each size in turns, so that a slow minute hits all of them."""
    found = {}
    for steps, units in sizes:
        timed = {name: Timed(steps, units, **option) for name, option in options.items()}
        for one in timed.values():
            one.round()
            one.milliseconds.clear()
        for _ in range(rounds):
            for one in timed.values():
                one.round()
        found[steps, units] = timed
    return found


def described(found: Found) -> list[Arm]:
    """What was timed, as arms whose figures have one value a round."""
    return [
        Arm(
            f"{name}, {_size(steps, units)}",
            "as published",
            f"LSTM({units}), L = {steps}, B = {ROWS}, {len(one.milliseconds)} rounds of {UPDATES} updates in turns, "
            "no XLA",
            {CALL: values(one.milliseconds)},
        )
        for (steps, units), timed in found.items()
        for name, one in timed.items()
    ]


def same_outputs(options: dict[str, dict[str, Any]], setting: Setting) -> Check:
    """Outputs of layers with the same weights and different options."""
    layers = [keras.layers.LSTM(16, **option) for option in options.values()]
    gaps = []
    for seed in setting.seeds:
        x = np.random.default_rng(seed).normal(size=(ROWS, 20, INPUTS)).astype("float32")
        outputs = []
        for layer in layers:
            layer.build(x.shape)
            layer.set_weights(layers[0].get_weights())
            outputs.append(np.array(layer(x)))
        gaps.append(float(np.abs(outputs[0] - outputs[1]).max()))
    return Check(
        f"the outputs are the same: {' and '.join(options)}",
        max(gaps) < 1e-5,
        f"largest difference over {len(gaps)} seeds: {max(gaps):.1e}",
    )


def unroll(setting: Setting) -> Entry:
    """Unroll."""
    options: dict[str, dict[str, Any]] = {"loop": {"unroll": False}, "unrolled": {"unroll": True}}
    sizes = [(10, 32), (40, 32), (160, 32)] if setting.fraction == 1 else [(4, 8)]
    timed = compare(options, sizes, len(setting.seeds))
    arms = described(timed)
    claims = [
        Claim(
            "compare", "post", f"unrolling speeds up, {_size(*size)}", CALL, f"unrolled, {_size(*size)}",
            b=f"loop, {_size(*size)}",
        )
        for size in sizes
    ]  # fmt: skip
    growth = "; ".join(
        f"L = {steps}: {one['loop'].nodes} and {one['unrolled'].nodes} operations, first call "
        f"{one['loop'].first:.2g} and "
        f"{one['unrolled'].first:.2g} s"
        for (steps, _), one in timed.items()
    )
    longest = timed[sizes[-1]]
    checks = [
        same_outputs(options, setting),
        Check(
            "unrolling is only suitable for short sequences: the graph and the first call grow with the length",
            longest["unrolled"].nodes > longest["loop"].nodes and longest["unrolled"].first > longest["loop"].first,
            f"loop and unrolled: {growth}",
        ),
        _unknown_length(),
    ]
    return _entry(
        "unroll", 'unrolling "can speed up an RNN, tends to be memory-intensive, is only suitable for short sequences"',
        setting, arms, claims, checks, "Memory is measured by the `memory` cases of `make bench`, each in its own "
                                       "process.",
    )  # fmt: skip


def _unknown_length() -> Check:
    model = keras.Sequential([keras.Input((None, INPUTS)), keras.layers.LSTM(4, unroll=True)])
    symbolic = keras.Sequential([keras.Input((None, INPUTS)), keras.layers.LSTM(4, unroll=True)])
    traced = tf.function(symbolic.call, input_signature=[tf.TensorSpec((2, None, INPUTS))])
    error = attempt(lambda: traced(tf.ones((2, 5, INPUTS))))
    known = attempt(lambda: model.predict(np.ones((2, 5, INPUTS)), verbose=0))
    return Check(
        "unrolling needs a known length",
        bool(error),
        f"traced for any length: {error or 'no error'}; built for any length and given one: {known or 'no error'}",
    )


def implementation(setting: Setting) -> Entry:
    """Implementation."""
    options: dict[str, dict[str, Any]] = {
        "implementation 1": {"implementation": 1},
        "implementation 2": {"implementation": 2},
    }
    sizes = [(20, 32), (20, 128)] if setting.fraction == 1 else [(4, 8)]
    arms = described(compare(options, sizes, len(setting.seeds)))
    claims = [
        Claim(
            "compare", "post", f"the two differ in time, {_size(*size)}: 2 is faster", CALL,
            f"implementation 2, {_size(*size)}", b=f"implementation 1, {_size(*size)}",
        )
        for size in sizes
    ]  # fmt: skip
    default = keras.layers.LSTM(4).cell.implementation
    kept = keras.layers.LSTM(4, implementation=1).get_config().get("implementation")
    checks = [
        same_outputs(options, setting),
        Check("implementation=1 is the default", default == 1, f"the default is {default}"),
        Check("it is part of the layer's configuration", kept == 1, f"get_config() holds {kept!r}"),
    ]
    return _entry(
        "implementation", 'implementation 1 and 2 "have different performance on different hardware"',
        setting, arms, claims, checks, "One machine is one hardware: another one may give the other answer.",
    )  # fmt: skip


def _size(steps: int, units: int) -> str:
    return f"L = {steps}, {units} units"


def _entry(
    name: str, published: str, setting: Setting, arms: list[Arm], claims: list[Claim], checks: list[Check], note: str
) -> Entry:
    return Entry(
        id=name, post="003", title=f"the layer's option {name}", published=published, flaw="claims without figures",
        seeds=list(setting.seeds), arms=arms, claims=claims, checks=checks, notes=[note],
    )  # fmt: skip


RUNS: dict[str, Callable[[Setting], Entry]] = {"unroll": unroll, "implementation": implementation}
