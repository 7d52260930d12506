"""Layers around and inside a recurrent network, as the third post shows them, against today's Keras."""

import time
import warnings
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bench.engines.base import Array
from bench.posts.check_state import attempt, forget, gap, normal, refused, runs
from bench.posts.entry import Arm, Check, Findings, ask
from bench.posts.experiments import Setting

ROWS, STEPS, FEATURES, UNITS = 4, 8, 3, 32
SKIPPED = (3, 5)
EXACT = 1e-6
NO_CUDNN = (
    "Not tried: that only reset_after=True can run on cuDNN. This machine has no GPU, and without one Keras refuses "
    "use_cudnn=True for both."
)

TIMED_ROWS, TIMED_INPUTS = 32, 8
UPDATES = 20
"""Updates in one timed call: tens of milliseconds, far above the clock's resolution."""

CALL = "ms an update"


def masking(setting: Setting) -> Findings:
    """Zeros that are skipped."""
    layer = keras.layers.LSTM(UNITS, return_sequences=True, return_state=True)
    masked = keras.layers.Masking(0.0)
    kept = [step for step in range(STEPS) if step not in SKIPPED]
    states, repeats, without = [], [], []
    for seed in setting.seeds:
        x = normal(seed, ROWS, STEPS, FEATURES)
        x[:, list(SKIPPED)] = 0
        outputs, h, c = (np.array(one) for one in layer(masked(x)))
        _, h_cut, c_cut = layer(x[:, kept])
        _, h_plain, _ = layer(x)
        states.append(max(gap(h, h_cut), gap(c, c_cut)))
        repeats.append(max(gap(outputs[:, step], outputs[:, step - 1]) for step in SKIPPED))
        without.append(gap(h, h_plain))
    partly = normal(0, ROWS, STEPS, FEATURES)
    partly[:, 3, 0] = 0
    seen = bool(np.array(masked.compute_mask(partly)).all())
    stateful = keras.Sequential(
        [keras.Input(batch_shape=(ROWS, STEPS, FEATURES)), masked, keras.layers.LSTM(UNITS, stateful=True)]
    )
    stateful.predict(normal(1, ROWS, STEPS, FEATURES), batch_size=ROWS, verbose=0)
    before = np.array(stateful.layers[-1].states[0])
    stateful.predict(np.zeros((ROWS, STEPS, FEATURES), "float32"), batch_size=ROWS, verbose=0)
    moved = gap(stateful.layers[-1].states[0], before)
    count = f"over {len(setting.seeds)} seeds"
    return Findings(checks=[
        Check("skipped steps do not change the state", max(states) < EXACT,
              f"against the sequence without them {count}: h and c differ by {max(states):.1e} at most"),
        Check("the output of a skipped step repeats the one before", max(repeats) < EXACT,
              f"largest difference {count}: {max(repeats):.1e}"),
        Check("without the Masking layer zeros do change the state", min(without) > EXACT,
              f"smallest of the largest differences {count}: {min(without):.2g}"),
        Check("a step is skipped only if all its features are zero", seen,
              f"one zero of three is {'not ' if seen else ''}masked"),
        Check("a batch of nothing but skipped steps leaves a carried state as it was", moved < EXACT,
              f"largest change {moved:.1e}"),
        _unaware(),
    ])  # fmt: skip


def _warned(what: Any) -> tuple[str, str]:
    """The error and the first warning of a call; empty where there is none."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        error = attempt(what)
    return error, " ".join(str(caught[0].message).split()) if caught else ""


def _unaware() -> Check:
    inputs = keras.Input((STEPS, FEATURES))
    error, warned = _warned(lambda: keras.layers.Conv1D(2, 2)(keras.layers.Masking(0.0)(inputs)))
    seen = f"Conv1D behind Masking raises nothing; it warns: {warned[:160] or 'nothing'}"
    return Check("a layer that knows no mask raises an exception", bool(error), error or seen)


def return_state(setting: Setting) -> Findings:
    """What the options return, of LSTM and GRU."""
    inputs = normal(0, ROWS, STEPS, FEATURES)
    checks = []
    for name, make, states in (("LSTM", keras.layers.LSTM, 2), ("GRU", keras.layers.GRU, 1)):
        shapes, right = [], []
        for sequences in (False, True):
            for with_state in (False, True):
                found = make(UNITS, return_sequences=sequences, return_state=with_state)(inputs)
                each = [tuple(one.shape) for one in (found if with_state else [found])]
                shapes.append(f"{_yes(sequences)}/{_yes(with_state)}: {', '.join(map(str, each))}")
                output = (ROWS, STEPS, UNITS) if sequences else (ROWS, UNITS)
                right.append(each == [output, *[(ROWS, UNITS)] * (states * with_state)])
        checks.append(Check(
            f"{name}: {states} state{'s' if states > 1 else ''} of shape (B, units), in all four combinations",
            all(right), f"sequences/state: {'; '.join(shapes)}",
        ))  # fmt: skip
        gaps = []
        for seed in setting.seeds:
            x = normal(seed, ROWS, STEPS, FEATURES)
            layer = make(UNITS, return_sequences=True, return_state=True)
            sequence, h, *_ = layer(x)
            layer.return_sequences = False
            output, h_again, *_ = layer(x)
            gaps.append(max(gap(output, h_again), gap(sequence[:, -1], h)))
        checks.append(Check(
            f"{name}: without sequences the output equals the hidden state; with them, its last step does",
            max(gaps) == 0, f"largest difference over {len(gaps)} seeds: {max(gaps):g}",
        ))  # fmt: skip
    size = keras.layers.LSTM(8).cell.state_size
    checks.append(Check("cell.state_size of an LSTM is [8, 8]", list(size) == [8, 8], f"it is {size!r}"))
    return Findings(checks=checks)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def reset_after(setting: Setting) -> Findings:
    """Two forms of the GRU."""
    layers = {after: keras.layers.GRU(UNITS, reset_after=after) for after in (False, True)}
    for layer in layers.values():
        layer.build((ROWS, STEPS, FEATURES))
    shapes = {after: tuple(layer.get_weights()[2].shape) for after, layer in layers.items()}
    gaps, own = [], []
    for seed in setting.seeds:
        rng = np.random.default_rng(seed)
        kernel, recurrent = rng.normal(size=(FEATURES, 3 * UNITS)), 0.2 * rng.normal(size=(UNITS, 3 * UNITS))
        x = normal(seed, ROWS, STEPS, FEATURES)
        outputs = {}
        for after, layer in layers.items():
            layer.set_weights([kernel, recurrent, np.zeros(shapes[after])])
            outputs[after] = np.array(layer(x))
            own.append(gap(outputs[after], _gru(x, kernel, recurrent, reset_after=after)))
        gaps.append(gap(outputs[True], outputs[False]))
    default = keras.layers.GRU(UNITS).reset_after
    count = f"over {len(setting.seeds)} seeds"
    checks = [
        Check("False applies the reset gate before the recurrent product, True after it", max(own) < 1e-5,
              f"against the equations in NumPy {count}: largest difference {max(own):.1e}"),
        Check("the two are different functions of the same weights", min(gaps) > 1e-3,
              f"outputs differ by {min(gaps):.2g} to {max(gaps):.2g} {count}, with biases of zero"),
        Check("reset_after=False is the default", default is False, f"the default is {default}",
              "keras.layers.GRU(32, reset_after=False)    # for weights of an old model"),
        Check("their weights can be exchanged", shapes[False] == shapes[True],
              f"the bias has shape {shapes[False]} without and {shapes[True]} with reset_after"),
    ]  # fmt: skip
    if has_gpu():
        return Findings(checks=[*checks, _on_cudnn(x)])
    return Findings(checks=checks, notes=[NO_CUDNN])


def has_gpu() -> bool:
    """Whether the framework sees a GPU."""
    return bool(keras.distribution.list_devices("gpu"))


def _on_cudnn(x: Array) -> Check:
    before = attempt(lambda: keras.layers.GRU(UNITS, reset_after=False, use_cudnn=True)(x))
    after = attempt(lambda: keras.layers.GRU(UNITS, reset_after=True, use_cudnn=True)(x))
    found = f"with use_cudnn=True: reset_after=False {before or 'runs'}, True {after or 'runs'}"
    return Check("only True can run on cuDNN", bool(before) and not after, found)


def _gru(x: Array, kernel: Array, recurrent: Array, *, reset_after: bool) -> Array:
    """The GRU without biases: K. Cho et al., EMNLP 2014 (reset before), and cuDNN's variant (after)."""
    h = np.zeros((len(x), UNITS))
    u_z, u_r, u_h = np.split(recurrent, 3, axis=1)
    for step in np.moveaxis(x, 1, 0):
        x_z, x_r, x_h = np.split(step @ kernel, 3, axis=1)
        z, r = 1 / (1 + np.exp(-(x_z + h @ u_z))), 1 / (1 + np.exp(-(x_r + h @ u_r)))
        candidate = np.tanh(x_h + (r * (h @ u_h) if reset_after else (r * h) @ u_h))
        h = z * h + (1 - z) * candidate
    return h


def embedding_classification(setting: Setting) -> Findings:
    """Shapes of an embedding, and the post's classifier."""
    error, warned = _warned(lambda: keras.layers.Embedding(1000, 64, input_length=10))
    model = keras.Sequential([keras.layers.Embedding(1000, 64)])
    tokens = np.random.default_rng(0).integers(1000, size=(32, 10))
    shape = tuple(model.predict(tokens, verbose=0).shape)
    return Findings(checks=[
        Check("the embedding of (32, 10) tokens has shape (32, 10, 64)", shape == (32, 10, 64), f"{shape}"),
        Check("Embedding takes input_length without a warning", not error and not warned,
              error or warned or "it was taken",
              "keras.layers.Embedding(1000, 64)    # the length follows from the input"),
        refused("a token beyond input_dim - 1 is an error", lambda: model.predict(np.full((1, 10), 1000), verbose=0)),
        _classifier(setting),
        runs("model.predict_classes gives the classes", lambda: model.predict_classes(tokens),
             "(model.predict(x) > 0.5).astype(int)"),
    ])  # fmt: skip


def _classifier(setting: Setting) -> Check:
    """Train the post's classifier on rows whose class is whether token 1 is among them."""
    model = keras.Sequential(
        [
            keras.Input((10,)),
            keras.layers.Embedding(50, 256),
            keras.layers.LSTM(128),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(loss="binary_crossentropy", optimizer="rmsprop", metrics=["accuracy"])
    initial = [(w.shape, w.std()) for w in model.get_weights()]
    fell, inside = [], []
    for seed in setting.seeds:
        keras.utils.set_random_seed(seed)
        forget(model.optimizer)
        rng = np.random.default_rng(seed)
        model.set_weights(
            [np.zeros(shape) if len(shape) < 2 else rng.normal(scale=s, size=shape) for shape, s in initial]
        )
        x = rng.integers(2, 50, size=(160, 10))
        y = rng.integers(0, 2, size=160)
        x[y == 1, rng.integers(10)] = 1
        losses = model.fit(x, y, batch_size=16, epochs=3, verbose=0).history["loss"]
        fell.append(losses[-1] < losses[0])
        outputs = model.predict(x, verbose=0)
        inside.append(bool((outputs >= 0).all() and (outputs <= 1).all()))
    return Check(
        "Embedding(256) + LSTM(128) + Dropout .5 + sigmoid, rmsprop, B = 16 trains",
        all(fell),
        f"the loss fell from the first to the third epoch in {sum(fell)} of {len(fell)} seeds, on 160 made-up rows "
        f"that can be learnt; outputs in 0..1: {_yes(all(inside))}",
    )


class Timed:
    """A training function of some updates in one graph, with its own model."""

    def __init__(self, steps: int, units: int, **options: Any) -> None:
        rng = np.random.default_rng(0)
        x = tf.constant(rng.normal(size=(TIMED_ROWS, steps, TIMED_INPUTS)), "float32")
        y = tf.constant(rng.normal(size=(TIMED_ROWS, 1)), "float32")
        model = keras.Sequential(
            [keras.Input(batch_shape=x.shape), keras.layers.LSTM(units, **options), keras.layers.Dense(1)]
        )
        optimizer = keras.optimizers.Adam()
        variables = model.trainable_variables
        optimizer.build(variables)

        def call() -> None:
            for _ in tf.range(UPDATES):
                with tf.GradientTape() as tape:
                    loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
                optimizer.apply(tape.gradient(loss, variables), variables)

        self._call = tf.function(call, jit_compile=False)
        self.first = self.seconds()
        graph = self._call.get_concrete_function().graph.as_graph_def()
        self.nodes = len(graph.node) + sum(len(function.node_def) for function in graph.library.function)

    def seconds(self) -> float:
        """Time one call."""
        begin = time.perf_counter()
        self._call()
        return time.perf_counter() - begin


class Comparison:
    """Variants of a layer, in outputs and time; times of one size are taken in turns, so that all see a slow minute."""

    def __init__(self, options: dict[str, dict[str, Any]], sizes: list[tuple[int, int]], setting: Setting) -> None:
        self._options = options
        self._setting = setting
        self.sizes = sizes if setting.fraction == 1 else [(4, 8)]
        self.timed: dict[tuple[int, int], dict[str, Timed]] = {}
        self.arms: list[Arm] = []
        rounds = len(setting.seeds)
        for steps, units in self.sizes:
            timed = {name: Timed(steps, units, **option) for name, option in options.items()}
            # The first round warms up.
            turns = np.array([[one.seconds() for one in timed.values()] for _ in range(rounds + 1)])[1:]
            layer, how = f"LSTM({units}), L = {steps}", f"{rounds} rounds of {UPDATES} updates in turns, no XLA"
            for name, taken in zip(options, turns.T, strict=True):
                self.arms.append(Arm(
                    f"{name}, {_size(steps, units)}", "as published", f"{layer}, B = {TIMED_ROWS}, {how}",
                    {CALL: 1e3 * taken / UPDATES},
                ))  # fmt: skip
            self.timed[steps, units] = timed

    def findings(self, question: str, checks: list[Check], note: str) -> Findings:
        """Ask at each size whether the second variant is faster."""
        pairs = zip(self.sizes, self.arms[::2], self.arms[1::2], strict=True)
        claims = [ask("compare", "post", question.format(_size(*size)), CALL, b, a) for size, a, b in pairs]
        return Findings(arms=self.arms, claims=claims, checks=[self._same_outputs(), *checks], notes=[note])

    def _same_outputs(self) -> Check:
        layers = [keras.layers.LSTM(16, **option) for option in self._options.values()]
        gaps = []
        for seed in self._setting.seeds:
            x = normal(seed, TIMED_ROWS, 20, TIMED_INPUTS)
            for layer in layers:
                layer.build(x.shape)
                layer.set_weights(layers[0].get_weights())
            gaps.append(gap(*(layer(x) for layer in layers)))
        found = f"largest difference over {len(gaps)} seeds: {max(gaps):.1e}"
        return Check(f"the outputs are the same: {' and '.join(self._options)}", max(gaps) < 1e-5, found)


def _size(steps: int, units: int) -> str:
    return f"L = {steps}, {units} units"


def unroll(setting: Setting) -> Findings:
    """Unrolled against the loop."""
    options = {"loop": {"unroll": False}, "unrolled": {"unroll": True}}
    compared = Comparison(options, [(10, 32), (40, 32), (160, 32)], setting)
    growth = "; ".join(
        f"L = {steps}: {one['loop'].nodes} and {one['unrolled'].nodes} operations, first call {one['loop'].first:.2g} "
        f"and {one['unrolled'].first:.2g} s"
        for (steps, _), one in compared.timed.items()
    )
    longest = compared.timed[compared.sizes[-1]]
    checks = [
        Check(
            "unrolling is only suitable for short sequences: the graph and the first call grow with the length",
            longest["unrolled"].nodes > longest["loop"].nodes and longest["unrolled"].first > longest["loop"].first,
            f"loop and unrolled: {growth}",
        ),
        _unknown_length(),
    ]
    note = "Memory is measured by the `memory` cases of `make bench`, each in its own process."
    return compared.findings("unrolling speeds up, {}", checks, note)


def _unknown_length() -> Check:
    model, symbolic = (
        keras.Sequential([keras.Input((None, TIMED_INPUTS)), keras.layers.LSTM(4, unroll=True)]) for _ in range(2)
    )
    traced = tf.function(symbolic.call, input_signature=[tf.TensorSpec((2, None, TIMED_INPUTS))])
    error = attempt(lambda: traced(tf.ones((2, 5, TIMED_INPUTS))))
    known = attempt(lambda: model.predict(np.ones((2, 5, TIMED_INPUTS)), verbose=0))
    found = f"traced for any length: {error or 'no error'}; built for any length and given one: {known or 'no error'}"
    return Check("unrolling needs a known length", bool(error), found)


def implementation(setting: Setting) -> Findings:
    """Two implementations of one layer."""
    options = {f"implementation {number}": {"implementation": number} for number in (1, 2)}
    compared = Comparison(options, [(20, 32), (20, 128)], setting)
    default = keras.layers.LSTM(4).cell.implementation
    kept = keras.layers.LSTM(4, implementation=1).get_config().get("implementation")
    checks = [
        Check("implementation=1 is the default", default == 1, f"the default is {default}"),
        Check("it is part of the layer's configuration", kept == 1, f"get_config() holds {kept!r}"),
    ]
    note = "One machine is one hardware: another one may give the other answer."
    return compared.findings("the two differ in time, {}: 2 is faster", checks, note)
