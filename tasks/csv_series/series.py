"""A user's own series as a task, and the small file in a run's folder that it is rebuilt from."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from tasks.baselines import linear_prediction
from tasks.csv_series.about import About
from tasks.csv_series.request import SPLITS
from tasks.task import CsvSeriesError, FloatArray, Series, Task, check_window

TRIVIAL = ("persistence", "training mean", "marginal distribution")
"""Predictions that learn nothing."""
WAY = 0.9
"""How far from the trivial error to the autoregression's the target lies: nine tenths of what is to be had is learnt,
and a series that a line predicts exactly still has a target above zero."""


@dataclass(frozen=True)
class Prepared:
    """A series made ready, with what it was made from.

    Attributes
    ----------
    series
        Scaled with the training rows; the targets' own columns are the first of the inputs where their past is seen.
    period
        Steps of its season; None without one.
    lags
        Steps that the autoregression sees which the target is set by.
    about
        Where it comes from: name of the file, its sha256, columns, rows, times, scale, notes.
    """

    series: Series
    period: int | None
    lags: int
    about: dict[str, Any]

    @property
    def sha256(self) -> str:
        """Fingerprint of all that results depend on: numbers, split, period, lags."""
        rest: list[Any] = [self.series.train_rows, self.series.warm_up, self.period, self.lags]
        rest += [self.series.inputs.shape, *([self.series.starts] if self.series.starts else [])]
        rest += [] if self.series.counted is None else [np.flatnonzero(~self.series.counted).tolist()]
        digest = hashlib.sha256(json.dumps(rest).encode())
        for array in (self.series.inputs, self.series.targets):
            digest.update(array.tobytes())
        return digest.hexdigest()

    def save(self, path: Path) -> None:
        """Write it whole, or not at all."""
        draft = path.with_suffix(".npz.part")
        with draft.open("wb") as file:
            np.savez_compressed(
                file,
                inputs=self.series.inputs,
                targets=self.series.targets,
                train_rows=self.series.train_rows,
                warm_up=self.series.warm_up,
                starts=np.array(self.series.starts, np.int64),
                uncounted=[] if self.series.counted is None else np.flatnonzero(~self.series.counted),
                period=self.period or 0,
                lags=self.lags,
                about=json.dumps(self.about),
            )
        draft.replace(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read it again.

        Raises
        ------
        CsvSeriesError
            If the file is not one that `save` wrote.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
                starts = tuple(int(one) for one in data["starts"]) if "starts" in data else ()
                split = int(data["train_rows"]), int(data["warm_up"])
                counted = np.ones(len(data["inputs"]), bool)
                counted[np.asarray(data.get("uncounted", []), np.int64)] = False
                series = Series(data["inputs"], data["targets"], *split, starts, None if counted.all() else counted)
                about = msgspec.to_builtins(msgspec.json.decode(str(data["about"]), type=About))
                return cls(series, int(data["period"]) or None, int(data["lags"]), about)
        except Exception as error:
            raise CsvSeriesError(f"{path} holds no prepared series ({str(error) or type(error).__name__}).") from error


class CsvSeries(Task):
    """Next value of a user's own series.

    Its name ends with the first digits of its fingerprint, so that cases of different series never share an id.

    No floor or optimum is known: how far back the series depends on itself is what one would like to know.
    """

    reach = None
    optimum = None

    def __init__(self, prepared: Prepared) -> None:
        super().__init__()
        self.prepared = prepared
        about = prepared.about
        # Each series is a task of its own, so what other tasks say once for their class, this one says for itself.
        self.name = f"{about['slug']}_{prepared.sha256[:6]}"  # type: ignore[misc]
        # Labels and flags are not scaled, and series of several sequences have no common origin in time.
        plain = not (prepared.series.starts or about.get("labels") or prepared.series.counted is not None)
        plain = plain and about.get("split", "time") in SPLITS
        self.can_be_rolled = plain  # type: ignore[misc]
        labels = bool(about.get("labels"))
        self.loss = "crossentropy" if labels else "mse"
        self.unit = "nats" if labels else f"squared standard deviations of {about['column']} in training"  # type: ignore[misc]
        self.target_rule = (  # type: ignore[misc]
            f"nine tenths of the way from the error of the trivial prediction ({self.trivial_prediction}) "
            f"to that of a linear {self.line} over {prepared.lags} steps, on the same targets; the trivial error "
            f"itself where the {self.line} is no better"
        )

    @property
    def trivial_prediction(self) -> str:
        """What learns nothing here."""
        if self.loss == "crossentropy":
            return "the shares of the labels in training"
        seen = self.prepared.about.get("past", True)
        return "the last value or the training mean, the better one" if seen else "the training mean"

    def redrawn(self, draw: int) -> Self:
        """Return the same series, to be cut at another origin."""
        other = type(self)(self.prepared)
        other.draw = draw
        return other

    def build(self) -> Series:
        """Return the prepared series; at one of several origins what is cut there, scaled by what trains there."""
        whole = self.prepared.series
        if self.origins == 1:
            return whole
        cut, train_rows = self.rolled(len(whole.targets), whole.train_rows, whole.warm_up)
        inputs, targets = (_standardised(values[cut], train_rows) for values in (whole.inputs, whole.targets))
        if self.prepared.about.get("past", True):
            # What is to be predicted and its own past are one column: one scale for both.
            own = whole.targets.shape[1]
            inputs[:, :own] = _standardised(whole.inputs[cut, :own], train_rows, whole.targets[cut])
        return Series(inputs, targets, train_rows, whole.warm_up)

    @property
    def title(self) -> str:
        """Column and file."""
        return f"{self.prepared.about['column']} of {self.prepared.about['file']}"

    @property
    def description(self) -> str:
        """What is predicted from what."""
        about = self.prepared.about
        beside = f", seen beside {', '.join(about['inputs'])}" if about["inputs"] else ""
        if not about.get("past", True):
            beside = f", from {', '.join(about['inputs'])} alone"
        span = f" from {about['first']} to {about['last']}" if about["first"] else ""
        what = (", in standard deviations", "value") if self.loss == "mse" else ("", "label")
        return (
            f"{about['column']} of {about['file']}{span}{what[0]}{beside}; the target is the {what[1]} "
            f"{_when(about.get('ahead', 1), about['step'])}."
        )

    @property
    def trivial(self) -> float:
        """Error of the better of two predictions that learn nothing: the last value, and the training mean.

        Of labels that of their shares in training.
        """
        return self._trivial(self.series().scored)

    def stateless_floor(self, window: int) -> None:
        """Return None: unknown for a real series."""
        check_window(window)

    def baselines(self) -> dict[str, float]:
        """Errors on the scored rows: persistence, training mean, seasonal naive, linear autoregressions."""
        return dict(self._baselines)

    def target(self, window: int) -> float:
        """Return the target on all scored rows, the same for each window.

        Raises
        ------
        WindowError
            If the window is no positive whole number.
        """
        return self.target_on(window, self.series().scored)

    def target_on(self, window: int, rows: NDArray[np.integer]) -> float:
        """Return the target on these rows, both errors measured on them."""
        check_window(window)
        trivial = self._trivial(rows)
        line = float(self.errors(self._by_line(self.prepared.lags, rows), rows).mean())
        return trivial - WAY * max(0.0, trivial - line)

    def simple_errors(self, rows: NDArray[np.integer]) -> dict[str, FloatArray]:
        """Return those of the last value, the training mean, the value a season ago and the linear autoregression.

        Of labels those of their shares in training and the linear classifier.
        """
        return {name: self.errors(one, rows) for name, one in self._predictions(rows).items()}

    @property
    def autoregression(self) -> str:
        """Name of the baseline that the target is set by."""
        return self._linear(self.prepared.lags)

    def _predictions(self, rows: NDArray[np.integer]) -> dict[str, FloatArray]:
        """Simple predictions of the targets of these rows, each of shape (rows, outputs)."""
        series, about = self.series(), self.prepared.about
        ahead, outputs = about.get("ahead", 1), series.targets.shape[1]
        if self.loss == "crossentropy":
            # As if each label had come once more: none is impossible.
            counts = series.targets[series.trained].sum(axis=0) + 1
            shares = np.broadcast_to(counts / counts.sum(), (len(rows), outputs))
            line = self._by_line(self.prepared.lags, rows)
            return {"marginal distribution": np.asarray(shares), self.autoregression: line}
        found = {"training mean": np.zeros((len(rows), outputs))}  # scaled to mean 0 in training
        if about.get("past", True):
            found = {"persistence": series.inputs[rows, :outputs]} | found
            period = self.prepared.period
            # Of several series what lies a season back may be another one's.
            if period and period >= ahead and (not series.starts or series.warm_up >= period - ahead):
                found[f"seasonal naive ({period})"] = series.inputs[rows + ahead - period, :outputs]
        found[self.autoregression] = self._by_line(self.prepared.lags, rows)
        return found

    def _by_line(self, lags: int, rows: NDArray[np.integer]) -> FloatArray:
        return linear_prediction(self.series(), lags, rows, self.loss)

    def _trivial(self, rows: NDArray[np.integer]) -> float:
        """Error of the better of the last value, where it is seen, and the training mean."""
        predicted = self._predictions(rows)
        return min(float(self.errors(predicted[name], rows).mean()) for name in TRIVIAL if name in predicted)

    @cached_property
    def _baselines(self) -> dict[str, float]:
        series = self.series()
        rows = series.scored
        predicted = self._predictions(rows)
        own = predicted.pop(self.autoregression)
        for lags in self.prepared.about["windows"]:
            if lags * series.inputs.shape[1] < series.train_rows // 2:
                predicted[self._linear(lags)] = self._by_line(lags, rows)
        predicted.setdefault(self.autoregression, own)
        return {name: float(self.errors(one, rows).mean()) for name, one in predicted.items()}

    @property
    def line(self) -> str:
        """What kind of linear model the target is set by."""
        if self.loss == "crossentropy":
            return "classifier"
        return "autoregression" if self.prepared.about.get("past", True) else "regression"

    def _linear(self, lags: int) -> str:
        return f"linear {self.line} ({lags} lag{'s' if lags > 1 else ''})"


def _standardised(values: FloatArray, train_rows: int, by: FloatArray | None = None) -> FloatArray:
    """Scale by mean and deviation of the training rows, of these values or of others; a constant column stays."""
    training = (values if by is None else by)[:train_rows]
    deviation = training.std(axis=0)
    constant = deviation == 0
    return np.asarray((values - np.where(constant, 0, training.mean(axis=0))) / np.where(constant, 1, deviation))


def _when(ahead: int, step: str) -> str:
    return {0: "at the same time", 1: f"of the next {step}"}.get(ahead, f"{ahead} steps ahead (step: {step})")
