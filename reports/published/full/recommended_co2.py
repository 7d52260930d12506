"""Predicts the series of co2 as statebench recommends: stateful LSTM with 16 units, window 26, batch size 8.

    python recommended_co2.py    trains, saves beside this file, and predicts what follows the last row

Later, with each row that is new:

    from recommended_co2 import Forecaster
    forecaster = Forecaster.load()    # stands after the last row
    forecaster.next([...])    # what follows it, in standard deviations
"""

import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
import keras
import numpy as np

if keras.backend.backend() != "tensorflow":
    raise ImportError(f"this is for Keras on tensorflow, and Keras runs on {keras.backend.backend()} already: import this first")

from tasks import create  # run this from statebench's folder

HERE = Path(__file__).resolve().with_suffix("")
WINDOW, BATCH_SIZE, UNITS, LAYERS, LEARNING_RATE, EPOCHS = 26, 8, 16, 1, 0.03, 60
PATIENCE = 20  # epochs without a lower held-out error after which training ends before EPOCHS
STATES = 2  # arrays of state in a layer


def recurrent(**options):
    return keras.layers.LSTM(UNITS, return_sequences=True, **options)


def stepping(features, outputs):
    """The network with its state as an input and an output, for any number of series and rows."""
    rows = keras.Input((None, features))
    before = [keras.Input((UNITS,)) for _ in range(LAYERS * STATES)]
    after, y = [], rows
    for layer in range(LAYERS):
        y, *state = recurrent(return_state=True)(y, initial_state=before[layer * STATES : (layer + 1) * STATES])
        after += state
    return keras.Model([rows, *before], [keras.layers.Dense(outputs)(y), *after])


def zero_state(series):
    return [np.zeros((series, UNITS), "float32") for _ in range(LAYERS * STATES)]


def training(features, outputs):
    model = keras.Sequential([keras.Input(batch_shape=(BATCH_SIZE, None, features))])
    for _ in range(LAYERS):
        model.add(recurrent(stateful=True))
    model.add(keras.layers.Dense(outputs))
    return model


LOSS = "mse"


def error_of(predicted, targets):
    return float(np.mean((predicted - targets) ** 2))


def epoch_starts(rng, train_rows):
    """First row of each window, (batches, BATCH_SIZE): row i of batch k + 1 continues row i of batch k."""
    offset = rng.integers(WINDOW)  # a new one each epoch, or windows would stand at the same hours for ever
    stream = (train_rows - offset) // BATCH_SIZE  # rows of each of the BATCH_SIZE contiguous streams
    batches = (train_rows - (WINDOW - 1)) // (WINDOW * BATCH_SIZE)
    return offset + stream * np.arange(BATCH_SIZE) + WINDOW * np.arange(batches)[:, None]


def train_epoch(model, stepper, starts, inputs, targets):
    """State passes from batch to batch; each epoch begins from a zero state."""
    seen = starts[..., None] + np.arange(WINDOW)
    for layer in model.layers:
        if getattr(layer, "stateful", False):
            layer.reset_state()
    rows = seen.reshape(-1, WINDOW)
    model.fit(inputs[rows], targets[rows], batch_size=BATCH_SIZE, shuffle=False, verbose=0)


def held_out(stepper, inputs, train_rows, scored):
    """Predictions of the scored rows, with a state carried along from the first row that is held out."""
    predicted, *_ = stepper.predict_on_batch([inputs[None, train_rows:], *zero_state(1)])
    return predicted[0, scored - train_rows]


def train(inputs, targets, train_rows, scored):
    """Train for EPOCHS at most; returns the network of the epoch with the least held-out error, and that error."""
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)
    shape = inputs.shape[1], targets.shape[1]
    model, stepper = training(*shape), stepping(*shape)
    model.compile(optimizer=keras.optimizers.Adam(LEARNING_RATE), loss=LOSS)
    least, best, at = np.inf, model.get_weights(), 0
    for epoch in range(1, EPOCHS + 1):
        train_epoch(model, stepper, epoch_starts(rng, train_rows), inputs, targets)
        stepper.set_weights(model.get_weights())
        error = error_of(held_out(stepper, inputs, train_rows, scored), targets[scored])
        print(f"epoch {epoch}: held-out error {error:.4g}")
        if error < least:
            least, best, at = error, model.get_weights(), epoch
        elif epoch - at >= PATIENCE:
            break
    print(f"kept: epoch {at}")
    stepper.set_weights(best)
    return stepper, least


class Forecaster:
    """Predicts what follows the last row that it has seen.

    `scales` holds for each series mean and deviation of what is seen, then of what is predicted; `kept` what is remembered
    of its rows so far: the state of the network; `last_rows` which was its last. One series is named ''.
    """

    def __init__(self, stepper, scales, kept=None, last_rows=None):
        self.stepper, self.scales, self.kept, self.last_rows = stepper, scales, kept or {}, last_rows or {}

    def next(self, row, series="", name=""):
        """Take the next row of a series and predict what follows it."""
        return self.run(np.asarray([row], float), series, name)[-1]

    def run(self, rows, series="", name=""):
        """Take rows of shape (rows, columns) at once; returns what is predicted after each."""
        mean, deviation, target_mean, target_deviation = self.scales[series]
        if rows.shape[1:] != mean.shape or not np.isfinite(rows).all():
            raise ValueError("a row is [...], all finite numbers")
        rows = ((rows - mean) / deviation).astype("float32")
        before = self.kept.get(series) or zero_state(1)
        predicted, *self.kept[series] = self.stepper.predict_on_batch([rows[None], *before])
        predicted = predicted[0]
        self.last_rows[series] = name
        return np.asarray(predicted) * target_deviation + target_mean

    def save(self):
        self.stepper.save(f"{HERE}.keras")
        names = list(self.scales)
        arrays = {f"scale_{i}_{j}": one for i, name in enumerate(names) for j, one in enumerate(self.scales[name])}
        for i, name in enumerate(names):
            arrays |= {f"kept_{i}_{j}": one for j, one in enumerate(self.kept[name])}
        np.savez(f"{HERE}.npz", names=names, last_rows=[self.last_rows[name] for name in names], **arrays)

    @classmethod
    def load(cls):
        with np.load(f"{HERE}.npz") as saved:
            names = [str(name) for name in saved["names"]]
            scales = {name: [saved[f"scale_{i}_{j}"] for j in range(4)] for i, name in enumerate(names)}
            kept = {name: [saved[f"kept_{i}_{j}"] for j in range(LAYERS * STATES)] for i, name in enumerate(names)}
            last_rows = dict(zip(names, map(str, saved["last_rows"]), strict=True))
        return cls(keras.saving.load_model(f"{HERE}.keras"), scales, kept, last_rows)


def main():
    series = create("co2").series()
    inputs, targets, train_rows = series.inputs.astype("float32"), series.targets.astype("float32"), series.train_rows
    held = series.scored
    ones, zeros = np.ones(inputs.shape[1]), np.zeros(inputs.shape[1])
    scales, rows_of = {"": (zeros, ones, np.zeros(targets.shape[1]), np.ones(targets.shape[1]))}, {"": series.inputs}
    last_rows = {"": f"row {len(inputs)}"}
    scored = held[np.linspace(0, len(held) - 1, min(256, len(held))).round().astype(int)]
    stepper, _ = train(inputs, targets, train_rows, scored)
    forecaster = Forecaster(stepper, scales)
    for name, rows in rows_of.items():
        predicted = forecaster.run(rows, name, last_rows[name])[-1]
        of = f"{name}: " if name else ""
        print(f"{of}{last_rows[name]} was the last row; what follows it: {', '.join(f'{value:.6g}' for value in predicted)}")
    forecaster.save()


if __name__ == "__main__":
    main()
