"""The network as a pure function of weights and state, made of real Keras layers, for backends that carry it by hand.

`stateful=True` keeps the state in variables of the layer. Inside a compiled training step of Keras' JAX backend nothing
writes them, so there the flag carries nothing; on PyTorch it mixes graphs of different updates. Here the state goes in
as `initial_state` and comes out by `return_state`, so that whoever calls decides what happens to it.

Import this after `bench.engines.backend.choose`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras.src.backend.common import dtypes

from bench.engines.base import Array, HeldOut, Network, Predicts, Sequences, Work

Tensor = Any
States = list[list[Tensor]]
"""For each layer its state tensors, each (B, U): hidden and cell state of an LSTM, the hidden state of the others."""


class Series(NamedTuple):
    """A series as tensors; a tuple, so that backends map over it.

    Attributes
    ----------
    inputs, targets
        Shapes (rows, features) and (rows, outputs).
    injected
        States before each row that a regime sets; None where it sets none.
    sequences
        Boundaries, and which rows have a target; None for one series whose rows all have one.
    """

    inputs: Tensor
    targets: Tensor
    injected: States | None
    sequences: Sequences | None

    @classmethod
    def of(cls, work: Work, number: Callable[[Array], Tensor], whole: Callable[[Array], Tensor]) -> "Series":
        """Of tensors that are made from numbers by `number`, and from rows and answers by `whole`."""
        injected = None if work.injected is None else [[number(state) for state in layer] for layer in work.injected]
        found = work.sequences
        sequences = None if found is None else Sequences(*map(whole, found))
        return cls(number(work.inputs), number(work.targets), injected, sequences)

    def windows(self, starts: Tensor, steps: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Inputs and targets of the windows that begin at these rows, (..., B) -> (..., B, T, columns).

        And which of them count, (..., B, T): those that have a target and are of the sequence that their window begins
        in. None where all do.
        """
        rows = starts[..., None] + steps
        if self.sequences is None:
            return self.inputs[rows], self.targets[rows], None
        there = rows.clip(max=len(self.inputs) - 1)  # a window may end beyond the last row of all
        counted = (rows < self.sequences.end[starts][..., None]) & self.sequences.counted[there]
        return self.inputs[there], self.targets[there], counted

    def continued(self, states: Any, starts: Tensor) -> Any:
        """States before these rows that were carried there, each (..., B, U): zero where a sequence begins."""
        if self.sequences is None:
            return states
        goes_on = ~self.sequences.begins[starts][..., None]
        return keras.tree.map_structure(lambda state: state * goes_on, states)


class Scoring:
    """Where an evaluation looks: known before anything is trained, so that programs have it as constants.

    Attributes
    ----------
    rows
        Rows of the window of each scored row, shape (targets, steps); beyond it that row again.
    at
        At which step of its window it stands, shape (targets,); see `HeldOut.windows`.
    foreign
        Rows of the windows that others begin from the final state of, (targets, steps), or None.
    streams
        Rows that a state is carried along from zero, each of shape (sequences, rows): the held-out series, or its
        sequences of about one length.
    in_streams
        For each of `streams` which scored rows it holds, and their places in it: three arrays.
    """

    def __init__(self, held_out: HeldOut, sequences: Sequences | None) -> None:
        self._sequences = sequences
        positions = held_out.positions
        first, self.at = held_out.windows(sequences)
        steps = np.arange(held_out.steps)
        self.rows = np.minimum(first[:, None] + steps, positions[:, None])
        foreign = held_out.foreign
        self.foreign = None if foreign is None else foreign[:, None] + steps + 1 - held_out.steps
        firsts = np.zeros_like(positions) if sequences is None else sequences.first[positions]
        begins = np.maximum(firsts, held_out.start)
        self.streams, self.in_streams = [], []
        sizes = _sizes(begins, positions)
        for size in np.unique(sizes):
            (here,) = np.nonzero(sizes == size)
            starts, which = np.unique(begins[here], return_inverse=True)
            ends = np.array([positions[here][which == i].max() for i in range(len(starts))])
            along = np.arange((ends - starts).max() + 1)
            self.streams.append(np.minimum(starts[:, None] + along, ends[:, None]))
            self.in_streams.append((here, which, positions[here] - begins[here]))

    def of(self, found: Array, way: Predicts, first_rows: Array) -> Array:
        """What is predicted in a way of what windows found, (R, targets, steps) -> (R, targets).

        `first_rows`, shape (R,), is where each model's own draw of the series begins.
        """
        if way == "sliding":
            return found[:, np.arange(len(self.at)), self.at]
        if self._sequences is None:
            return np.asarray(found.mean(-1))
        seen = self._sequences.counted[self.rows + first_rows[:, None, None]] & (
            np.arange(found.shape[-1]) <= self.at[:, None]
        )
        return np.asarray((found * seen).sum(-1, dtype=found.dtype) / seen.sum(-1, dtype=found.dtype))

    def in_order(self, parts: tuple[Any, ...], join: Callable[[tuple[Any, ...]], Any] = np.concatenate) -> Any:
        """What was found in each of `streams` in the order of the scored rows, shape (targets,)."""
        if len(parts) == 1:
            return parts[0]
        return join(parts)[np.argsort(np.concatenate([scored for scored, *_ in self.in_streams]))]


def _sizes(begins: Array, positions: Array) -> Array:
    """For each scored row a number that rows of sequences of about one length share: the bits of its largest place.

    What is filled up is then less than what there is.
    """
    largest = {first: (positions[begins == first] - first).max() for first in np.unique(begins)}
    return np.array([int(largest[first]).bit_length() for first in begins])


class Stack(ABC):
    """Recurrent layers, dropout after each, and a dense head; called with all that it depends on.

    Attributes
    ----------
    seeds
        State of the generator of each layer's dropout; None where the network has none.
    """

    seeds: list[Tensor] | None

    def __init__(self, network: Network) -> None:
        self._loss = network.loss

    @abstractmethod
    def __call__(
        self, weights: list[Tensor], states: States, x: Tensor, seeds: list[Tensor] | None = None
    ) -> tuple[Tensor, States, list[Tensor]]:
        """Outputs of a whole window.

        Parameters
        ----------
        weights
            In Keras' order.
        states
            Before the window.
        x
            Inputs, shape (B, T, F).
        seeds
            As the attribute; None for no dropout.

        Returns
        -------
        predictions
            Shape (B, T, O).
        states, seeds
            After the window.
        """

    @abstractmethod
    def zero_states(self, batch_size: int) -> States:
        """States before the first step."""

    def windows(self, weights: list[Tensor], series: Series, scoring: Scoring, first_row: Tensor) -> list[Tensor]:
        """What is found at each step of the windows of scored rows: (targets, steps).

        From a zero or injected state, or from that after another window. `first_row`, a scalar, is where the model's
        own draw of the series begins.
        """
        here = _from(first_row, scoring.rows)
        injected = series.injected
        states = self.zero_states(len(here)) if injected is None else at_rows(injected, here[:, 0])
        if scoring.foreign is not None:
            _, states, _ = self(weights, states, series.inputs[_from(first_row, scoring.foreign)])
        predictions, _, _ = self(weights, states, series.inputs[here])
        return judged(self._loss, predictions, series.targets[here])

    def stream(self, weights: list[Tensor], series: Series, scoring: Scoring, first_row: Tensor) -> list[Tensor]:
        """What is found at every scored row with the state carried along its held-out sequence: (targets,)."""
        parts = []
        for stream, (_, which, at) in zip(scoring.streams, scoring.in_streams, strict=True):
            rows = _from(first_row, stream)
            predictions, _, _ = self(weights, self.zero_states(len(stream)), series.inputs[rows])
            parts.append([one[which, at] for one in judged(self._loss, predictions, series.targets[rows])])
        return [scoring.in_order(one, keras.ops.concatenate) for one in zip(*parts, strict=True)]


def errors_of(loss: str, predictions: Tensor, targets: Tensor) -> Tensor:
    """Error of each prediction, (..., O) -> (...): squared, mean over outputs, or the cross-entropy of labels."""
    if loss == "crossentropy":
        return -(targets * keras.ops.log_softmax(predictions)).sum(-1)
    return ((predictions - targets) ** 2).mean(-1)


def mean_error(errors: Tensor, step_weights: Tensor, counted: Tensor | None) -> Tensor:
    """Mean error of a batch, weighted over steps: (..., B, T) -> (...).

    `counted` says which of them count, or is None for all. A batch without any teaches nothing.
    """
    if counted is None:
        return (errors.mean(-2) * step_weights).sum(-1)
    weights = step_weights * counted
    total = weights.sum((-2, -1))
    return (errors * weights).sum((-2, -1)) / (total + (total == 0))


def judged(loss: str, predictions: Tensor, targets: Tensor) -> list[Tensor]:
    """Errors of predictions, and of labels whether the most probable one is right, 1 or 0."""
    errors = errors_of(loss, predictions, targets)
    if loss != "crossentropy":
        return [errors]
    right = keras.ops.argmax(predictions, -1) == keras.ops.argmax(targets, -1)
    return [errors, keras.ops.cast(right, keras.config.floatx())]


class KerasStack(Stack):
    """The stack made of Keras layers.

    Parameters
    ----------
    unroll, use_cudnn
        As in Keras' layers.
    """

    def __init__(self, network: Network, *, unroll: bool, use_cudnn: bool | str) -> None:
        _keep_precision(network.dtype)
        super().__init__(network)
        options = {
            "return_sequences": True,
            "return_state": True,
            "unroll": unroll,
            "dtype": network.dtype,
            # Weights are handed in: to draw and orthogonalise a layer's own would be compiled for nothing.
            "kernel_initializer": "zeros",
            "recurrent_initializer": "zeros",
        }
        gated = {"use_cudnn": use_cudnn}
        make = {
            "lstm": lambda: keras.layers.LSTM(network.units, **options, **gated),
            "gru": lambda: keras.layers.GRU(network.units, reset_after=True, **options, **gated),
            "gru_reset_before": lambda: keras.layers.GRU(network.units, reset_after=False, **options, **gated),
            "simple_rnn": lambda: keras.layers.SimpleRNN(network.units, **options),
        }[network.cell]
        self._layers = [make() for _ in range(network.layers)]
        self._dropout = keras.layers.Dropout(network.dropout, dtype=network.dtype)
        self._head = keras.layers.Dense(network.outputs, kernel_initializer="zeros", dtype=network.dtype)
        for i, layer in enumerate(self._layers):
            layer.build((None, None, network.units if i else network.inputs))
        self._dropout.build((None, None, network.units))
        self._head.build((None, None, network.units))
        self.seeds = [_values(self._dropout)[0]] * network.layers if network.dropout else None

    def __call__(
        self, weights: list[Tensor], states: States, x: Tensor, seeds: list[Tensor] | None = None
    ) -> tuple[Tensor, States, list[Tensor]]:
        """Call Keras' layers one after the other; seeds are as `keras.random.SeedGenerator` holds them."""
        after, drawn = [], []
        for i, layer in enumerate(self._layers):
            (x, *state), _ = layer.stateless_call(
                weights[3 * i : 3 * i + 3], _values(layer), x, initial_state=list(states[i])
            )
            after.append(list(state))
            if seeds is not None:
                x, (seed,) = self._dropout.stateless_call([], [seeds[i]], x, training=True)
                drawn.append(seed)
        predictions, _ = self._head.stateless_call(weights[-2:], [], x)
        return predictions, after, drawn

    def zero_states(self, batch_size: int) -> States:
        """States before the first step."""
        return [list(layer.get_initial_state(batch_size)) for layer in self._layers]


def at_rows(states: States, rows: Tensor) -> States:
    """States before these rows."""
    return [[state[rows] for state in layer] for layer in states]


def _from(first_row: Tensor, rows: Any) -> Tensor:
    return first_row + keras.ops.convert_to_tensor(rows, "int32")


def _keep_precision(dtype: str) -> None:
    """Let float64 be float64: on these backends Keras' operations make float32 of it on the way, in every layer."""
    keras.config.set_floatx(dtype)
    if dtype == "float64":
        dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"


def _values(layer: keras.Layer) -> list[Tensor]:
    """The rest of a layer's variables: seeds of dropout inside the cell, which is never drawn from here."""
    return [variable.value for variable in layer.non_trainable_variables]
