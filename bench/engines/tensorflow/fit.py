"""Training by `model.fit` and predicting by `model.predict`: what a user of Keras waits for."""

from typing import Any

import numpy as np
import tensorflow as tf

from bench.engines.base import Array, Predicts, Progress, Work
from bench.engines.tensorflow.layers import LayerTrainer


class FitTrainer(LayerTrainer):
    """The same layers and optimiser behind Keras' own loops, with Keras' defaults for cuDNN and XLA.

    Windows are cut once where the same `starts` come again, so that what is timed is `fit` and not the cutting.
    """

    def __init__(self, work: Work) -> None:
        super().__init__(work, "fit")
        self.model.compile(optimizer=self.optimizer, loss="mse")
        self._cut: tuple[bytes, dict[str, Any]] = (b"", {})

    def train(self, starts: Array, *, reset: bool, evaluate: Predicts | None = None) -> Progress:
        """Make one call of `fit` that has one batch for each row of `starts`; the loss is its mean, at every update."""
        if reset:
            self.reset_state()
        loss = np.zeros((len(starts), 1))
        if len(starts):
            batch = self.work.layout.batch_size
            history = self.model.fit(**self._windows(starts), batch_size=batch, shuffle=False, epochs=1, verbose=0)
            loss += history.history["loss"][0]
        return Progress(loss, None if evaluate is None else self.score(evaluate))

    def infer(self, starts: Array) -> None:
        """Make one call of `predict` that has one batch for each row of `starts`."""
        if len(starts):
            self.model.predict(self._windows(starts)["x"], batch_size=self.work.layout.batch_size, verbose=0)

    def idle(self, starts: Array) -> None:
        """Do what is done beside calling `fit`: nearly nothing, since the windows are cut already."""
        self.reset_state()
        self._windows(starts)

    def concrete(self) -> Any:
        """Return Keras' own training function, traced as `fit` traces it."""
        nowhere = np.zeros((1, 1, self.work.layout.batch_size), np.int32)
        batch = [tf.constant(value) for value in self._windows(nowhere).values()]
        self.model.make_train_function()
        # Keras' function takes a list for one batch after another, and makes of each what it makes of a data set's.
        traced = tf.function(lambda *batch: self.model.train_function([batch]), autograph=False)
        return traced.get_concrete_function(*batch)

    def _windows(self, starts: Array) -> dict[str, Any]:
        """Arguments of `fit`: x (rows, steps, features), y, and the weight of each step where they differ."""
        which = np.asarray(starts).tobytes()
        if self._cut[0] == which:
            return self._cut[1]
        work, steps = self.work, self.work.layout.steps
        rows = np.asarray(starts)[:, 0].reshape(-1)[:, None] + np.arange(steps)
        dtype = work.network.weight_dtype
        cut = {"x": work.inputs[rows].astype(dtype), "y": work.targets[rows].astype(dtype)}
        weights = work.feed.step_weights
        if np.ptp(weights) > 0:
            # Keras divides by the number of steps, whatever their weights add up to.
            cut["sample_weight"] = np.broadcast_to(weights * steps, rows.shape).astype(dtype)
        self._cut = (which, cut)
        return cut
