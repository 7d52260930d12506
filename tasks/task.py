"""What every task states: its series, its known errors, and the target that follows from them."""

import inspect
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Integral, Real
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from tasks import dials
from tasks.dials import Dial


class TaskError(ValueError):
    """Any mistake in naming, setting up or using a task."""


class UnknownTaskError(TaskError):
    """No task has this name."""


class DuplicateTaskError(TaskError):
    """Two tasks claim one name."""


class InvalidTaskError(TaskError):
    """A class offered as a task is none, or cannot be loaded."""


class DialError(TaskError):
    """The dial does not fit the task."""


class WindowError(TaskError):
    """The window is no positive whole number, or longer than the data allow."""


class SeriesError(TaskError):
    """The arrays of a series do not fit together."""


class CsvSeriesError(TaskError):
    """A user's file, or what was asked of it, does not make a series."""


FloatArray = NDArray[np.float64]
Loss = Literal["mse", "crossentropy"]
"""What training lessens and errors are counted in: the mean squared error of numbers, or the cross-entropy of labels in
nats."""

# Half the way from the floor to the optimum: below what any model reaches without carried state, so that
# only memory reaches it, and far enough above the optimum for a small network to arrive.
MEMORY_SHARE = 0.5
# Where the window already covers the dependency nothing separates the arms but speed. A quarter of the
# trivial error is well below what a model that ignores the past reaches, and not yet fine tuning.
LEARNT_FRACTION = 0.25
# A floor this close to the optimum, as a share of the trivial error, leaves nothing between them to aim at.
NEGLIGIBLE_SHARE = 0.01
LEAST_PROBABILITY = 1e-12
"""Of a label in a stated prediction: what was thought impossible and came costs 28 nats, and not without end."""
# A longer reach would leave fewer than four stretches of independent data in the 4096 training rows.
MAX_DIAL = 1024
LEAST_REAL_DIAL = 1e-6


@dataclass(frozen=True)
class Series:
    """One stream of inputs and targets, split in time.

    Parameters
    ----------
    inputs : array, shape (rows, features)
        What is seen, scaled with the training rows alone.
    targets : array, shape (rows, outputs)
        ``targets[i]`` is to be predicted once ``inputs[0..i]`` were seen.
    train_rows : int
        Rows ``[0, train_rows)`` are for training; the rest is held out.
    warm_up : int
        The first ``warm_up`` held-out rows count for nobody: they warm up a carried state.
    starts : tuple of int
        First rows of sequences that have nothing to do with each other, in order, 0 and ``train_rows`` among them; ()
        for one series. ``warm_up`` is then of each held-out sequence.
    counted : array of bool, shape (rows,), optional
        Rows that have a target; what stands in `targets` elsewhere is neither trained on nor scored. Default: all.

    Raises
    ------
    SeriesError
        If the arrays are not 2-D, finite and equally long, or no row is left to train on or to score.

    Notes
    -----
    Both arrays are copied to float64 and made read-only, because a task hands out the same series each time.
    """

    inputs: FloatArray
    targets: FloatArray
    train_rows: int
    warm_up: int
    starts: tuple[int, ...] = ()
    counted: NDArray[np.bool_] | None = None
    linear_maps: dict[tuple[int, Loss], FloatArray] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Coefficients of those fitted on the training rows, by lags and loss: every window of a plan asks for the same."""

    def __post_init__(self) -> None:
        for label in ("inputs", "targets"):
            object.__setattr__(self, label, _checked(label, getattr(self, label)))
        rows = len(self.inputs)
        if self.counted is not None and (self.counted.shape != (rows,) or self.counted.dtype != bool):
            raise SeriesError(
                f"counted has shape {self.counted.shape} of {self.counted.dtype}; give {rows} values True or False."
            )
        if len(self.targets) != rows:
            raise SeriesError(
                f"{rows} rows of inputs but {len(self.targets)} of targets; give each input row its target."
            )
        if self.train_rows < 1 or self.warm_up < 0:
            raise SeriesError(
                f"train_rows={self.train_rows} and warm_up={self.warm_up}; "
                "train_rows must be at least 1 and warm_up at least 0."
            )
        if self.starts:
            self._check_starts()
        if not len(self.scored) or not len(self.trained):
            raise SeriesError(
                f"train_rows={self.train_rows} and warm_up={self.warm_up} leave no row of {rows} to score, or none to "
                "train on; make the series longer or the two smaller."
            )

    def _check_starts(self) -> None:
        starts = list(self.starts)
        if starts != sorted(set(starts)) or starts[0] != 0 or starts[-1] >= len(self.inputs):
            raise SeriesError(
                f"starts={self.starts[:6]} must begin with 0, rise, and end before row {len(self.inputs)}; give the "
                "first row of each sequence."
            )
        if self.train_rows not in starts:
            raise SeriesError(
                f"train_rows={self.train_rows} is no start of a sequence, so one would be trained on and scored; begin "
                "a sequence with the held-out rows."
            )

    @property
    def place(self) -> NDArray[np.int64]:
        """Rows since the beginning of its sequence for every row, shape (rows,)."""
        rows = np.arange(len(self.inputs))
        firsts = np.array(self.starts or (0,))
        return np.asarray(rows - firsts[np.searchsorted(firsts, rows, side="right") - 1])

    @property
    def scored(self) -> NDArray[np.int64]:
        """The held-out rows that every arm is scored on, shape (n,)."""
        rows = np.arange(self.train_rows, len(self.inputs))
        warm = self.place[self.train_rows :] if self.starts else rows - self.train_rows
        return rows[(warm >= self.warm_up) & self._has_target(rows)]

    @property
    def trained(self) -> NDArray[np.int64]:
        """The training rows that have a target, shape (n,)."""
        rows = np.arange(self.train_rows)
        return rows[self._has_target(rows)]

    def _has_target(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.ones(len(rows), bool) if self.counted is None else self.counted[rows]

    @property
    def scored_rows(self) -> range:
        """The same where they follow one another: of one series.

        Raises
        ------
        SeriesError
            If it is several sequences, or rows have no target.
        """
        if self.starts or self.counted is not None:
            raise SeriesError("the scored rows do not follow one another; use `scored`.")
        return range(self.train_rows + self.warm_up, len(self.inputs))


def _checked(label: str, values: FloatArray) -> FloatArray:
    """Copy ``values`` as a read-only 2-D float64 array of finite numbers."""
    array = np.array(values, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] == 0:
        raise SeriesError(f"{label} has shape {array.shape}; it must be (rows, columns), e.g. values[:, None].")
    bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if bad.size:
        raise SeriesError(f"{label} row {bad[0]} is {array[bad[0]]}; fill or drop what is not finite.")
    array.setflags(write=False)
    return array


def errors_of(loss: Loss, predicted: FloatArray, targets: FloatArray) -> FloatArray:
    """Return the error of each prediction, shapes (rows, outputs) -> (rows,).

    Parameters
    ----------
    loss
        "mse": squared, mean over outputs. "crossentropy": minus the logarithm of the probability that was given to the
        label that came, in nats.
    predicted
        Numbers, or probabilities of labels.

    Raises
    ------
    ValueError
        If the shapes differ: broadcasting would give a plausible wrong number.
    """
    if predicted.shape != targets.shape:
        raise ValueError(f"shapes {predicted.shape} and {targets.shape} differ; give arrays of equal shape.")
    if loss == "crossentropy":
        return np.asarray(-(targets * np.log(np.maximum(predicted, LEAST_PROBABILITY))).sum(axis=1))
    return np.asarray(((predicted - targets) ** 2).mean(axis=1))


def check_window(window: int) -> int:
    """Return ``window`` as an int, or raise `WindowError` if it is no positive whole number of steps."""
    if isinstance(window, bool) or not isinstance(window, Integral) or window < 1:
        raise WindowError(f"window {window!r} is not valid; give a whole number of steps from 1 upward.")
    return int(window)


def target_from_floor(floor: float, optimum: float, trivial: float) -> float:
    """Turn known errors into the error to reach.

    Parameters
    ----------
    floor : float
        Best mean error without carried state at the window in question.
    optimum, trivial : float
        Best error of any model, and the error of the trivial prediction; the same unit as ``floor``.

    Returns
    -------
    float
        ``floor - 0.5 (floor - optimum)`` where the floor lies above the optimum by more than a hundredth of the
        way to the trivial error: only memory reaches it. Otherwise ``optimum + 0.25 (trivial - optimum)``: a quarter
        of the trivial error if the optimum is 0.
    """
    if floor - optimum > NEGLIGIBLE_SHARE * (trivial - optimum):
        return floor - MEMORY_SHARE * (floor - optimum)
    return optimum + LEARNT_FRACTION * (trivial - optimum)


class Task(ABC):
    """Something to learn, at one setting of its dial or dials.

    A subclass names itself, builds its series and states its errors; it is found by itself when its module
    lies in this package, or when an installed package lists it under the entry-point group
    ``statebench.tasks``.

    Parameters
    ----------
    dial : int, float or tuple of them, optional
        How hard it is, usually how far back the target reaches, in the task's own count (``dial_name``); of several
        dials a tuple in the order of their names. Default: ``default_dial``.

    Raises
    ------
    DialError
        If the task has no dial, or the dial is not a whole number from 1 to `MAX_DIAL`; or, where the default is a real
        number, a real one from `LEAST_REAL_DIAL` on; or not as many as the task has.
    """

    name: ClassVar[str]
    """Lower case letters, digits and underscores: it becomes part of case ids."""
    dial_name: ClassVar[str | tuple[str, ...] | None] = None
    default_dial: ClassVar[Dial | None] = None
    """A whole number allows whole numbers only, a real one (``0.5``) real ones; of several dials each has its own."""
    unit: ClassVar[str]
    """What the errors are counted in."""
    loss: Loss = "mse"
    """What training lessens and all errors are counted in. With ``"crossentropy"`` targets are labels, each a column of
    0 and 1, and predictions their probabilities."""
    can_be_redrawn: ClassVar[bool] = False
    """Whether `build` draws other data of the same law for another ``draw``; a real series has but one."""
    can_be_rolled: ClassVar[bool] = False
    """Whether `build` can cut a real series at several origins (`rolled`), and then does at the ``draw``-th."""
    target_rule: ClassVar[str] = (
        "half-way from the best error without carried state to the optimum where the window is too short "
        "(floor - 0.5 (floor - optimum)); otherwise a quarter of the trivial error"
    )
    """One sentence that states how `target` follows from the known errors."""

    def __init__(self, dial: Dial | None = None, draw: int = 0) -> None:
        self.dial = self._check_dial(dial)
        self.draw = draw
        self.origins = 1

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self.dial is None else dials.write(self.dial)})"

    @property
    def whole_dial(self) -> int:
        """The dial of a task whose only one is a whole number."""
        assert isinstance(self.dial, int)
        return self.dial

    @classmethod
    def read_dial(cls, text: str) -> Dial:
        """Read a dial from text: a number, or several with commas between, in their order or by name (``p=0.5``).

        What is not named keeps its default.

        Raises
        ------
        DialError
            Naming the part that is no number, or no name of a dial.
        """
        parts = [part.rpartition("=") for part in text.split(",")]
        given: dict[str, dials.Number] = {}
        for place, (name, equals, value) in enumerate(parts):
            if equals and name not in dict(cls._defaults()):
                raise DialError(f"task {cls.name!r} has no dial {name!r}; {cls._valid_dials()}.")
            if name in given:
                raise DialError(f"dials {text!r} of task {cls.name!r}: dial {name!r} is named twice.")
            try:
                given[name or str(place)] = dials.number(value)
            except ValueError as error:
                raise DialError(f"dial of task {cls.name!r}: {error}; {cls._valid_dials()}.") from error
        named = [bool(equals) for _, equals, _ in parts]
        if any(named) and not all(named):
            raise DialError(f"dials {text!r} of task {cls.name!r}: name all that you give, or none.")
        found = tuple((dict(cls._defaults()) | given if any(named) else given).values())
        return found if len(found) > 1 else found[0]

    @classmethod
    def _defaults(cls) -> list[tuple[str, dials.Number]]:
        """Each dial by name, with its default."""
        if cls.dial_name is None or cls.default_dial is None:
            return []
        names = cls.dial_name if isinstance(cls.dial_name, tuple) else (cls.dial_name,)
        return list(zip(names, dials.each(cls.default_dial), strict=True))

    @classmethod
    def _valid_dials(cls) -> str:
        """What is valid, for a message."""
        if cls.default_dial is None:
            return "leave the dial out"
        parts = [
            f"{name} is a whole number from 1 to {MAX_DIAL} (default {value})"
            if isinstance(value, int)
            else f"{name} is a number from {LEAST_REAL_DIAL:g} to {MAX_DIAL} (default {value})"
            for name, value in cls._defaults()
        ]
        return f"write {cls.name}@{dials.write(cls.default_dial)}: {', '.join(parts)}"

    @classmethod
    def _check_dial(cls, dial: Dial | None) -> Dial | None:
        if dial is None:
            return cls.default_dial
        defaults = cls._defaults()
        if not defaults:
            raise DialError(f"task {cls.name!r} has no dial but was given {dial!r}; {cls._valid_dials()}.")
        given = dials.each(dial)
        if len(given) != len(defaults):
            raise DialError(
                f"dial {dial!r} of task {cls.name!r} is {len(given)} of {len(defaults)}; {cls._valid_dials()}."
            )
        found = tuple(cls._checked(*one, value) for one, value in zip(defaults, given, strict=True))
        return found if len(found) > 1 else found[0]

    @classmethod
    def _checked(cls, name: str, default: dials.Number, value: dials.Number) -> dials.Number:
        whole = isinstance(default, int)
        fits = isinstance(value, Integral if whole else Real) and not isinstance(value, bool)
        if not fits or not (1 if whole else LEAST_REAL_DIAL) <= value <= MAX_DIAL:
            raise DialError(f"dial {name}={value!r} of task {cls.name!r} is not valid; {cls._valid_dials()}.")
        return int(value) if whole else float(value)

    def redrawn(self, draw: int) -> Self:
        """Return the same task at the same dial with another draw of its data."""
        return type(self)(self.dial, draw)

    def at_origin(self, origin: int, origins: int) -> Self:
        """Return the same real series cut at one of several origins."""
        other = self.redrawn(origin)
        other.origins = origins
        return other

    def rolled(self, values: int, train_values: int, warm_up: int) -> tuple[slice, int]:
        """Cut a series of so many values at this task's origin (rolling-origin evaluation with a window of one length).

        The stretches that are scored follow one another without overlap, up to the end of the series; each has its
        training values and its warm-up before it, training and scored values in the proportion of the whole series.

        Parameters
        ----------
        values, train_values, warm_up : int
            Of the series as it is cut at one origin alone.

        Returns
        -------
        cut : slice
            The values to use.
        train_values : int
            How many of them are for training.
        """
        whole = values - train_values - warm_up
        scored = (values - warm_up) * whole // (train_values + self.origins * whole)
        first = (self.draw if self.origins > 1 else 0) * scored
        train = values - warm_up - self.origins * scored
        return slice(first, first + train + warm_up + scored), train

    @abstractmethod
    def build(self) -> Series:
        """Make the series: the same at every call, from a fixed data seed (and ``draw``) or a file."""

    def series(self) -> Series:
        """Return the series, built once."""
        return self._series

    @cached_property
    def _series(self) -> Series:
        return self.build()

    @property
    def title(self) -> str:
        """A name for people: the task's own name in words, unless it says otherwise."""
        return self.name.replace("_", " ")

    @property
    def description(self) -> str:
        """One sentence for the report: the first line of the class' docstring, unless it says otherwise."""
        return (inspect.getdoc(type(self)) or self.title).partition("\n")[0]

    @property
    @abstractmethod
    def reach(self) -> float | None:
        """The narrowest window, in steps, that covers the dependency; infinite where none does; None when unknown."""

    @property
    @abstractmethod
    def trivial(self) -> float:
        """Mean error of the trivial prediction; of the population where that can be derived."""

    @property
    @abstractmethod
    def optimum(self) -> float | None:
        """Best mean error that any model can reach; None when unknown."""

    @abstractmethod
    def stateless_floor(self, window: int) -> float | None:
        """Return the best error without carried state, loss at the window's last step; None when unknown.

        Raises
        ------
        WindowError
            If the window is no positive whole number.
        """

    def stateless_prediction(self, window: int) -> FloatArray | None:
        """Return the best prediction of every row without carried state, shape (rows, outputs); None when unknown.

        Its error on the rows that are scored is their floor. The formula of `stateless_floor` is the mean over all
        data of the same law, and a few hundred rows may lie far from it, where targets are rare or change slowly.
        """
        del window
        return None

    def floor_on(self, window: int, rows: NDArray[np.integer]) -> float | None:
        """Return the best error without carried state on these rows: measured where the best prediction is known.

        Else it is `stateless_floor`, the mean over all data.
        """
        predicted = self.stateless_prediction(check_window(window))
        if predicted is None:
            return self.stateless_floor(window)
        return float(self.errors(predicted[rows], rows).mean())

    def errors(self, predicted: FloatArray, rows: NDArray[np.integer]) -> FloatArray:
        """Return the error of predictions of these rows' targets, shape (rows, outputs) -> (rows,)."""
        return errors_of(self.loss, predicted, self.series().targets[rows])

    def majority(self, rows: NDArray[np.integer]) -> float | None:
        """Return the accuracy of always naming the label most frequent in training; None where targets are numbers."""
        if self.loss != "crossentropy":
            return None
        series = self.series()
        return float(series.targets[rows, series.targets[series.trained].sum(axis=0).argmax()].mean())

    @abstractmethod
    def baselines(self) -> dict[str, float]:
        """Mean errors of named simple predictions, measured on the scored rows."""

    def target_on(self, window: int, rows: NDArray[np.integer]) -> float:
        """Return the error to reach where only some of the scored rows are scored.

        Where the best prediction without carried state is known, the target follows from its error on these rows.
        Else it is the same on all. A task whose target is an error measured on its rows measures it on these: a small
        subset is easier or harder than the whole by more than arms differ.

        Parameters
        ----------
        window : int
            Steps of a window.
        rows : array of int, shape (n,)
            The rows that are scored.
        """
        floor = self.floor_on(window, rows)
        if floor is None or self.optimum is None or self.stateless_prediction(window) is None:
            return self.target(window)
        return target_from_floor(floor, self.optimum, self.trivial)

    def simple_errors(self, rows: NDArray[np.integer]) -> dict[str, FloatArray]:
        """Return the errors of predictions that a network must beat to be worth its training.

        Empty here: of a task whose optimum is known it is known what can be learnt. A real series names trivial
        predictions and a linear autoregression, whose name begins with "linear".

        Parameters
        ----------
        rows : array of int, shape (n,)
            The rows that are scored.

        Returns
        -------
        dict of array, shape (n,)
        """
        del rows
        return {}

    def state_before(self, layer: int, name: str, units: int) -> FloatArray:
        """Return the state that a recurrent layer is to have before each row, where states are set from data.

        Here h holds the last ``units`` inputs before the row, the latest first, in every layer, and c is 0. A task
        that knows something better overrides this.

        Parameters
        ----------
        layer : int
            Counted from 0.
        name : str
            ``"h"``, or ``"c"`` for the cell state of an LSTM.
        units : int
            Width of the layer.

        Returns
        -------
        array, shape (rows, units)
        """
        del layer
        inputs = self.series().inputs
        before = np.zeros((len(inputs), units))
        if name == "h":
            features = inputs.shape[1]
            for column in range(units):
                lag, feature = divmod(column, features)
                before[lag + 1 :, column] = inputs[: -lag - 1, feature]
        return before

    def target(self, window: int) -> float:
        """Return the mean error to reach at ``window``, by `target_rule`.

        Raises
        ------
        WindowError
            If the window is no positive whole number.
        TaskError
            If floor or optimum are unknown and the task states no rule of its own.
        """
        floor = self.stateless_floor(check_window(window))
        if floor is None or self.optimum is None:
            raise TaskError(
                f"task {self.name!r} knows no floor or no optimum, so no target follows from them; "
                "override target() and target_rule, for example with a baseline's error."
            )
        return target_from_floor(floor, self.optimum, self.trivial)
