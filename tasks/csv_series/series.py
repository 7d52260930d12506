"""A user's own series as a task, and the small file in a run's folder that it is rebuilt from."""

import hashlib
import json
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tasks.baselines import linear_error, linear_prediction, mean_squared_error, seasonal_naive_error, squared_errors
from tasks.task import CsvSeriesError, FloatArray, Series, Task, check_window

WAY = 0.9
"""How far from the trivial error to the autoregression's the target lies: nine tenths of what is to be had is learnt,
and a series that a line predicts exactly still has a target above zero."""


@dataclass(frozen=True)
class Prepared:
    """A series made ready, with what it was made from.

    Attributes
    ----------
    series
        Scaled with the training rows; the target's own column is the first of the inputs.
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
        rest = [self.series.train_rows, self.series.warm_up, self.period, self.lags, self.series.inputs.shape]
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
                series = Series(data["inputs"], data["targets"], int(data["train_rows"]), int(data["warm_up"]))
                return cls(series, int(data["period"]) or None, int(data["lags"]), json.loads(str(data["about"])))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise CsvSeriesError(f"{path} holds no prepared series ({error}).") from error


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
        self.unit = f"squared standard deviations of {about['column']} in training"  # type: ignore[misc]
        self.target_rule = (  # type: ignore[misc]
            f"nine tenths of the way from the error of the better trivial prediction (the last value, or the training "
            f"mean) to that of a linear autoregression over {prepared.lags} steps, on the same targets; the trivial "
            "error itself where the autoregression is no better"
        )

    def build(self) -> Series:
        """Return the prepared series."""
        return self.prepared.series

    @property
    def title(self) -> str:
        """Column and file."""
        return f"{self.prepared.about['column']} of {self.prepared.about['file']}"

    @property
    def description(self) -> str:
        """What is predicted from what."""
        about = self.prepared.about
        beside = f", seen beside {', '.join(about['inputs'])}" if about["inputs"] else ""
        span = f" from {about['first']} to {about['last']}" if about["first"] else ""
        return (
            f"{about['column']} of {about['file']}{span}, in standard deviations{beside}; the target is the value of "
            f"the next {about['step']}."
        )

    @property
    def trivial(self) -> float:
        """Error of the better of two predictions that learn nothing: the last value, and the training mean."""
        return self._trivial(np.asarray(self.series().scored_rows))

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
        return self.target_on(window, np.asarray(self.series().scored_rows))

    def target_on(self, window: int, rows: NDArray[np.integer]) -> float:
        """Return the target on these rows, both errors measured on them."""
        check_window(window)
        trivial = self._trivial(rows)
        return trivial - WAY * max(0.0, trivial - linear_error(self.series(), self.prepared.lags, rows))

    def simple_errors(self, rows: NDArray[np.integer]) -> dict[str, FloatArray]:
        """Return those of the last value, the training mean, the value a season ago and the linear autoregression."""
        series = self.series()
        targets = series.targets[rows]
        predicted = {"persistence": series.inputs[rows, :1], "training mean": np.zeros_like(targets)}
        if period := self.prepared.period:
            predicted[f"seasonal naive ({period})"] = series.inputs[rows + 1 - period, :1]
        predicted[self.autoregression] = linear_prediction(series, self.prepared.lags, rows)
        return {name: squared_errors(one, targets) for name, one in predicted.items()}

    @property
    def autoregression(self) -> str:
        """Name of the baseline that the target is set by."""
        return _autoregression(self.prepared.lags)

    def _trivial(self, rows: NDArray[np.integer]) -> float:
        series = self.series()
        targets = series.targets[rows]
        last = mean_squared_error(series.inputs[rows, :1], targets)
        return min(last, mean_squared_error(np.zeros_like(targets), targets))  # scaled to mean 0 in training

    @cached_property
    def _baselines(self) -> dict[str, float]:
        series = self.series()
        alone = Series(series.inputs[:, :1], series.targets, series.train_rows, series.warm_up)
        targets = series.targets[series.scored_rows.start :]
        errors = {
            "persistence": seasonal_naive_error(alone, 1),
            "training mean": mean_squared_error(np.zeros_like(targets), targets),
        }
        if period := self.prepared.period:
            errors[f"seasonal naive ({period})"] = seasonal_naive_error(alone, period)
        for lags in self.prepared.about["windows"]:
            if lags * series.inputs.shape[1] < series.train_rows // 2:
                errors[_autoregression(lags)] = linear_error(series, lags)
        errors.setdefault(self.autoregression, linear_error(series, self.prepared.lags))
        return errors


def _autoregression(lags: int) -> str:
    return f"linear autoregression ({lags} lag{'s' if lags > 1 else ''})"
