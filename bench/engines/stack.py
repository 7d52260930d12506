"""The network as a pure function of weights and state, made of real Keras layers, for backends that carry it by hand.

`stateful=True` keeps the state in variables of the layer. Inside a compiled training step of Keras' JAX backend nothing
writes them, so there the flag carries nothing; on PyTorch it mixes graphs of different updates. Here the state goes in
as `initial_state` and comes out by `return_state`, so that whoever calls decides what happens to it.

Import this after `bench.engines.backend.choose`.
"""

from abc import ABC, abstractmethod
from typing import Any

import keras
from keras.src.backend.common import dtypes

from bench.engines.base import HeldOut, Network

Tensor = Any
States = list[list[Tensor]]
"""For each layer its state tensors, each (B, U): hidden and cell state of an LSTM, the hidden state of the others."""

Series = tuple[Tensor, Tensor, States | None]
"""Inputs and targets, (rows, features) and (rows, outputs), and the states before each row that a regime sets."""


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

    def windows(self, weights: list[Tensor], series: Series, held_out: HeldOut, first_row: Tensor) -> list[Tensor]:
        """What is found at each step of the windows that end at a scored row: (targets, steps).

        From a zero or injected state, or from that after another window. `first_row`, a scalar, is where the model's
        own draw of the series begins.
        """
        inputs, targets, injected = series
        here = _from(first_row, held_out.windows(held_out.positions))
        states = self.zero_states(len(here)) if injected is None else at_rows(injected, here[:, 0])
        if held_out.foreign is not None:
            _, states, _ = self(weights, states, inputs[_from(first_row, held_out.windows(held_out.foreign))])
        predictions, _, _ = self(weights, states, inputs[here])
        return judged(self._loss, predictions, targets[here])

    def stream(self, weights: list[Tensor], series: Series, held_out: HeldOut, first_row: Tensor) -> list[Tensor]:
        """What is found at every scored row with the state carried along the held-out series: (targets,)."""
        rows = _from(first_row, held_out.stream)
        predictions, _, _ = self(weights, self.zero_states(1), series[0][rows])
        return [one[0, held_out.in_stream] for one in judged(self._loss, predictions, series[1][rows])]


def errors_of(loss: str, predictions: Tensor, targets: Tensor) -> Tensor:
    """Error of each prediction, (..., O) -> (...): squared, mean over outputs, or the cross-entropy of labels."""
    if loss == "crossentropy":
        return -(targets * keras.ops.log_softmax(predictions)).sum(-1)
    return ((predictions - targets) ** 2).mean(-1)


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
