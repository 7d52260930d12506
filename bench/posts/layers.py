"""Layers around and inside a recurrent network, as the third post shows them, against today's Keras."""

import warnings
from collections.abc import Callable

import keras
import numpy as np

from bench.engines.base import Array
from bench.posts.carrying import attempt, forget
from bench.posts.registry import Setting
from bench.posts.result import Check, Entry

ROWS, STEPS, FEATURES, UNITS = 4, 8, 3, 32
SKIPPED = (3, 5)
EXACT = 1e-6


def random_rows(seed: int, *shape: int) -> Array:
    """Standard normal numbers, float32."""
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def masking(setting: Setting) -> Entry:
    """Masking."""
    layer = keras.layers.LSTM(UNITS, return_sequences=True, return_state=True)
    masked = keras.layers.Masking(0.0)
    kept = [step for step in range(STEPS) if step not in SKIPPED]
    states, repeats, without = [], [], []
    for seed in setting.seeds:
        x = random_rows(seed, ROWS, STEPS, FEATURES)
        x[:, list(SKIPPED)] = 0
        outputs, h, c = (np.array(one) for one in layer(masked(x)))
        _, h_cut, c_cut = (np.array(one) for one in layer(x[:, kept]))
        _, h_plain, _ = (np.array(one) for one in layer(x))
        states.append(max(np.abs(h - h_cut).max(), np.abs(c - c_cut).max()))
        repeats.append(max(np.abs(outputs[:, s] - outputs[:, s - 1]).max() for s in SKIPPED))
        without.append(np.abs(h - h_plain).max())
    partly = random_rows(0, ROWS, STEPS, FEATURES)
    partly[:, 3, 0] = 0
    seen = np.array(masked.compute_mask(partly)).all()
    stateful = keras.Sequential(
        [keras.Input(batch_shape=(ROWS, STEPS, FEATURES)), masked, keras.layers.LSTM(UNITS, stateful=True)]
    )
    stateful.predict(random_rows(1, ROWS, STEPS, FEATURES), batch_size=ROWS, verbose=0)
    before = np.array(stateful.layers[-1].states[0])
    stateful.predict(np.zeros((ROWS, STEPS, FEATURES), "float32"), batch_size=ROWS, verbose=0)
    moved = float(np.abs(np.array(stateful.layers[-1].states[0]) - before).max())
    unaware, said = _unaware()
    count = len(setting.seeds)
    return _entry(
        "masking", "Masking(0.) before LSTM(32), steps 3 and 5 set to zero", "skipped steps do not change the state",
        setting,
        [
            Check(
                "skipped steps do not change the state", max(states) < EXACT,
                f"against the sequence without them over {count} seeds: h and c differ by {max(states):.1e} at most",
            ),
            Check(
                "the output of a skipped step repeats the one before", max(repeats) < EXACT,
                f"largest difference over {count} seeds: {max(repeats):.1e}",
            ),
            Check(
                "without the Masking layer zeros do change the state", min(without) > EXACT,
                f"smallest of the largest differences over {count} seeds: {min(without):.2g}",
            ),
            Check("a step is skipped only if all its features are zero", bool(seen), "one zero of three is not masked"
                  if seen else "one zero of three is masked"),
            Check(
                "a batch of nothing but skipped steps leaves a carried state as it was", moved < EXACT,
                f"largest change {moved:.1e}",
            ),
            Check("a layer that knows no mask raises an exception", bool(unaware), said),
        ],
    )  # fmt: skip


def _unaware() -> tuple[str, str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        inputs = keras.Input((STEPS, FEATURES))
        error = attempt(lambda: keras.layers.Conv1D(2, 2)(keras.layers.Masking(0.0)(inputs)))
    warned = " ".join(str(caught[0].message).split())[:160] if caught else "nothing"
    return error, error or f"Conv1D behind Masking raises nothing; it warns: {warned}"


def return_state(setting: Setting) -> Entry:
    """return-state."""
    inputs = random_rows(0, ROWS, STEPS, FEATURES)
    checks = []
    for name, make, states in (("LSTM", keras.layers.LSTM, 2), ("GRU", keras.layers.GRU, 1)):
        shapes, gaps = [], []
        for sequences in (False, True):
            for state in (False, True):
                layer = make(UNITS, return_sequences=sequences, return_state=state)
                found = layer(inputs)
                found = list(found) if isinstance(found, (tuple, list)) else [found]
                shapes.append(f"{_flag(sequences)}/{_flag(state)}: {', '.join(str(tuple(one.shape)) for one in found)}")
                expected = [(ROWS, STEPS, UNITS) if sequences else (ROWS, UNITS), *[(ROWS, UNITS)] * (states * state)]
                gaps.append([tuple(one.shape) for one in found] == expected)
        checks.append(
            Check(
                f"{name}: {states} state{'s' if states > 1 else ''} of shape (B, units), in all four combinations",
                all(gaps),
                f"sequences/state: {'; '.join(shapes)}",
            )
        )
        last, steps = [], []
        for seed in setting.seeds:
            x = random_rows(seed, ROWS, STEPS, FEATURES)
            layer = make(UNITS, return_sequences=True, return_state=True)
            sequence, h, *_ = (np.array(one) for one in layer(x))
            layer.return_sequences = False
            output, h_again, *_ = (np.array(one) for one in layer(x))
            last.append(np.abs(output - h_again).max())
            steps.append(np.abs(sequence[:, -1] - h).max())
        checks.append(
            Check(
                f"{name}: without sequences the output equals the hidden state; with them, its last step does",
                max(*last, *steps) == 0,
                f"largest difference over {len(last)} seeds: {max(*last, *steps):g}",
            )
        )
    size = keras.layers.LSTM(8).cell.state_size
    checks.append(Check("cell.state_size of an LSTM is [8, 8]", list(size) == [8, 8], f"it is {size!r}"))
    return _entry(
        "return-state", "the options return_sequences and return_state",
        "without sequences, output equals the hidden state",
        setting,
        checks, "003, 001",
    )  # fmt: skip


def _flag(value: bool) -> str:
    return "yes" if value else "no"


def reset_after(setting: Setting) -> Entry:
    """reset-after."""
    layers = {after: keras.layers.GRU(UNITS, reset_after=after) for after in (False, True)}
    for layer in layers.values():
        layer.build((ROWS, STEPS, FEATURES))
    shapes = {after: tuple(layer.get_weights()[2].shape) for after, layer in layers.items()}
    gaps, own = [], []
    for seed in setting.seeds:
        rng = np.random.default_rng(seed)
        kernel, recurrent = rng.normal(size=(FEATURES, 3 * UNITS)), 0.2 * rng.normal(size=(UNITS, 3 * UNITS))
        x = random_rows(seed, ROWS, STEPS, FEATURES)
        outputs = {}
        for after, layer in layers.items():
            layer.set_weights([kernel, recurrent, np.zeros(shapes[after])])
            outputs[after] = np.array(layer(x))
            own.append(np.abs(outputs[after] - _gru(x, kernel, recurrent, reset_after=after)).max())
        gaps.append(np.abs(outputs[True] - outputs[False]).max())
    default = keras.layers.GRU(UNITS).reset_after
    count = len(setting.seeds)
    return _entry(
        "reset-after", "GRU with reset_after False and True", "no figure; reset_after=False is the default", setting,
        [
            Check(
                "False applies the reset gate before the recurrent product, True after it", max(own) < 1e-5,
                f"against the equations in NumPy over {count} seeds: largest difference {max(own):.1e}",
            ),
            Check(
                "the two are different functions of the same weights", min(gaps) > 1e-3,
                f"outputs differ by {min(gaps):.2g} to {max(gaps):.2g} over {count} seeds, with biases of zero",
            ),
            Check(
                "reset_after=False is the default", default is False, f"the default is {default}",
                "keras.layers.GRU(32, reset_after=False)    # for weights of an old model",
            ),
            Check(
                "their weights can be exchanged", shapes[False] == shapes[True],
                f"the bias has shape {shapes[False]} without and {shapes[True]} with reset_after",
            ),
            *([_on_cudnn(x)] if has_gpu() else []),
        ],
        notes=[] if has_gpu() else [NO_CUDNN],
    )  # fmt: skip


NO_CUDNN = (
    "Not tried: that only reset_after=True can run on cuDNN. This machine has no GPU, and without one Keras refuses "
    "use_cudnn=True for both."
)


def has_gpu() -> bool:
    """Whether the framework sees a GPU."""
    return bool(keras.distribution.list_devices("gpu"))


def _on_cudnn(x: Array) -> Check:
    without = attempt(lambda: keras.layers.GRU(UNITS, reset_after=False, use_cudnn=True)(x))
    with_it = attempt(lambda: keras.layers.GRU(UNITS, reset_after=True, use_cudnn=True)(x))
    return Check(
        "only True can run on cuDNN", bool(without) and not with_it,
        f"with use_cudnn=True: reset_after=False {without or 'runs'}, True {with_it or 'runs'}",
    )  # fmt: skip


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


def embedding(setting: Setting) -> Entry:
    """embedding-classification."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        error = attempt(lambda: keras.layers.Embedding(1000, 64, input_length=10))
    model = keras.Sequential([keras.layers.Embedding(1000, 64)])
    tokens = np.random.default_rng(0).integers(1000, size=(32, 10))
    shape = tuple(model.predict(tokens, verbose=0).shape)
    beyond = attempt(lambda: model.predict(np.full((1, 10), 1000), verbose=0))
    fell, inside = _classify(setting)
    gone = attempt(lambda: model.predict_classes(tokens))
    warned = " ".join(str(caught[0].message).split()) if caught else ""
    return _entry(
        "embedding-classification", "Embedding, LSTM(128), Dropout .5, sigmoid", "output shape (32, 10, 64)", setting,
        [
            Check("the embedding of (32, 10) tokens has shape (32, 10, 64)", shape == (32, 10, 64), f"{shape}"),
            Check(
                "Embedding takes input_length without a warning", not error and not warned,
                error or warned or "it was taken",
                "keras.layers.Embedding(1000, 64)    # the length follows from the input",
            ),
            Check(
                "a token beyond input_dim - 1 is an error", bool(beyond),
                beyond or "no error on this device",
            ),
            Check(
                "Embedding(256) + LSTM(128) + Dropout .5 + sigmoid, rmsprop, B = 16 trains", all(fell),
                f"the loss fell from the first to the third epoch in {sum(fell)} of {len(fell)} seeds, on 160 "
                "made-up rows "
                f"that can be learnt; outputs in 0..1: {_flag(all(inside))}",
            ),
            Check(
                "model.predict_classes gives the classes", not gone, gone or "it ran",
                "(model.predict(x) > 0.5).astype(int)",
            ),
        ],
    )  # fmt: skip


def _classify(setting: Setting) -> tuple[list[bool], list[bool]]:
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
    return fell, inside


def _entry(
    name: str, title: str, published: str, setting: Setting, checks: list[Check], post: str = "003",
    notes: list[str] | None = None,
) -> Entry:  # fmt: skip
    return Entry(
        id=name, post=post, title=title, published=published, flaw="", seeds=list(setting.seeds), checks=checks,
        notes=notes or [],
    )  # fmt: skip


RUNS: dict[str, Callable[[Setting], Entry]] = {
    "embedding-classification": embedding,
    "masking": masking,
    "return-state": return_state,
    "reset-after": reset_after,
}
