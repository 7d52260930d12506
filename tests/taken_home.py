"""The code that a report leaves: loaded, and compared with the suite's own training and with itself.

``taken_home.py MODULE REGIME CELL ENGINE`` prints the backend and both differences, in a process whose backend it is.
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np

from bench import engines
from bench.engines.base import HeldOut, Layout, Network, Sequences, Work
from bench.measure.batching import Schedule, SequenceSchedule
from tasks.csv_series.prepare import arrange, lay_out
from tasks.csv_series.reading import read_values


def load(path):
    """The module in a file."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def off_the_suite(module, regime, cell, engine):
    """Difference of the weights after an epoch by its code from those by the suite's trainer of an engine."""
    read = read_values(module.REQUEST)
    laid = lay_out(read, module.REQUEST)
    inputs, targets = laid.inputs.astype("float32"), laid.targets.astype("float32")
    shape = inputs.shape[1], targets.shape[1]
    carried, rows = regime == "stateful", len(inputs)
    steps = module.WINDOW if carried else module.STEPS
    common = (regime, laid.train_rows, module.WINDOW, module.BATCH_SIZE, steps - module.WINDOW)
    counted = np.ones(rows, bool) if laid.counted is None else laid.counted
    masked = [counted] if module.REQUEST.fill == "mask" else []

    module.keras.utils.set_random_seed(1)
    model, stepper = module.training(*shape), module.stepping(*shape)
    model.compile(optimizer=module.keras.optimizers.Adam(module.LEARNING_RATE), loss=module.LOSS)
    weights = model.get_weights()
    if laid.starts:
        plan = module.schedule(laid.train_rows, laid.starts)
        assert isinstance(plan, SequenceSchedule)
        sequences = plan.sequences(np.array(laid.starts), rows)
        where, starts = (plan, sequences, 0), plan.epoch(1, 0)
        sequences = sequences._replace(counted=counted)
    else:
        plan, whole = Schedule(*common), np.zeros(rows, np.int32)
        sequences = Sequences(whole > 0, whole, whole + rows, counted)
        starts = module.epoch_starts(np.random.default_rng(1), laid.train_rows)
        where, starts = (starts,), starts.reshape(-1, module.BATCH_SIZE)
    module.train_epoch(model, stepper, *where, inputs, targets, *masked)

    loss = "crossentropy" if read.labels else "mse"
    work = Work(
        Network(cell, module.LAYERS, module.UNITS, *shape, loss=loss),
        Layout(steps, module.BATCH_SIZE, len(starts)),
        plan.feed(),
        inputs,
        targets,
        HeldOut(laid.train_rows, np.array([rows - 1]), steps),
        sequences=sequences,
    )
    trainer = engines.create(engine).trainer(work, "loop")
    trainer.place(0, weights, module.LEARNING_RATE, seed=0)
    trainer.train(starts[:, None].astype(np.int32), reset=True)
    ours, suites, before = (
        np.concatenate([one.ravel() for one in some]) for some in (model.get_weights(), trainer.weights(0), weights)
    )
    assert _difference(suites, before) > 0.01
    return _difference(ours, suites)


def _difference(found, expected):
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def off_at_once(module):
    """By how much predictions row by row differ from those at once, from the end of the file's last series on."""
    read = read_values(module.REQUEST)
    series = read.members[-1] if len(read.members) > 1 else ""
    new = arrange(read.values[read.blocks[-1]], read, module.REQUEST)[0][:6]
    one_by_one, at_once = module.Forecaster.load(), module.Forecaster.load()
    follow = "follow" if read.labels and module.REQUEST.past else "run"
    expected = getattr(at_once, follow)(new, series)
    found = np.concatenate([getattr(one_by_one, follow)(row[None], series) for row in new])
    assert found.shape == expected.shape
    assert len(np.unique(found.round(6), axis=0)) > 1
    return float(np.abs(found / expected - 1).max())


if __name__ == "__main__":
    path, regime_, cell_, engine_ = sys.argv[1:]
    home = load(path)
    home.EPOCHS = 1
    home.main()
    print(home.keras.backend.backend(), off_at_once(home), off_the_suite(home, regime_, cell_, engine_))  # noqa: T201 - read by who started this
