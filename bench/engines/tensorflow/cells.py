"""The recurrent cells of Keras, each as its forward equations, with a leading replicate axis.

A cell is written once. `ops` decides what its products and squashing functions do: in the forward pass they compute and
keep what the backward pass will need; in the backward pass they hand out what was kept, so that nothing is computed
twice (see `recurrence`). Gate order, biases and update rules are those of ``keras.layers.LSTM``, ``GRU`` and
``SimpleRNN``; R is replicates, B batch size, U units.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

Tensor = Any
State = tuple[Tensor, ...]

SIGMOID, TANH = 0.5, 1.0
"""A squashing function by its scale s: ``s tanh(s z) + 1 - s`` is the sigmoid at s = 1/2 and tanh at s = 1."""


@dataclass(frozen=True)
class Cell:
    """One kind of recurrent cell.

    Attributes
    ----------
    gates
        Columns of the kernels, in multiples of the units.
    blocks
        How the recurrent kernel's gates are split over the products that `step` makes, in order.
    states
        Number of state tensors; the first is the output.
    recurrent_bias
        The layer has a second bias, added to the recurrent product.
    beside
        Columns that `step` keeps for the backward pass beside its gates, in multiples of the units.
    step
        ``step(x, state, ops) -> state``: x (R, B, gates U) is the input's part with its bias, a state (R, B, U).
    """

    gates: int
    blocks: tuple[int, ...]
    states: int
    recurrent_bias: bool
    beside: int
    step: Callable[[Tensor, State, Any], State]


def _lstm(x: Tensor, state: State, ops: Any) -> State:
    h, c = state
    gates = ops.squash(x + ops.product(0, h), (SIGMOID, SIGMOID, TANH, SIGMOID))
    i, f, g, o = tf.split(gates, 4, axis=-1)
    c = f * c + i * g
    return o * ops.squash(c, (TANH,), gate=False), c


def _gru(x: Tensor, state: State, ops: Any) -> State:
    """GRU(reset_after=True): the reset gate acts on the recurrent product; the form that cuDNN has."""
    (h,) = state
    units = h.shape[-1]
    x, x_candidate = tf.split(x, [2 * units, units], axis=-1)
    product, candidate = tf.split(ops.product(0, h), [2 * units, units], axis=-1)
    z, r = tf.split(ops.squash(x + product, (SIGMOID, SIGMOID)), 2, axis=-1)
    candidate = ops.squash(x_candidate + r * ops.keep(candidate), (TANH,))
    return (z * h + (1 - z) * candidate,)


def _gru_reset_before(x: Tensor, state: State, ops: Any) -> State:
    """GRU(reset_after=False): the reset gate acts on the state before the recurrent product."""
    (h,) = state
    units = h.shape[-1]
    x, x_candidate = tf.split(x, [2 * units, units], axis=-1)
    z, r = tf.split(ops.squash(x + ops.product(0, h), (SIGMOID, SIGMOID)), 2, axis=-1)
    candidate = ops.squash(x_candidate + ops.product(1, r * h), (TANH,))
    return (z * h + (1 - z) * candidate,)


def _simple_rnn(x: Tensor, state: State, ops: Any) -> State:
    (h,) = state
    return (ops.squash(x + ops.product(0, h), (TANH,)),)


CELLS = {
    "lstm": Cell(gates=4, blocks=(4,), states=2, recurrent_bias=False, beside=1, step=_lstm),
    "gru": Cell(gates=3, blocks=(3,), states=1, recurrent_bias=True, beside=1, step=_gru),
    "gru_reset_before": Cell(gates=3, blocks=(2, 1), states=1, recurrent_bias=False, beside=0, step=_gru_reset_before),
    "simple_rnn": Cell(gates=1, blocks=(1,), states=1, recurrent_bias=False, beside=0, step=_simple_rnn),
}


def mix(x: Tensor) -> Tensor:
    """Mix the bits of uint32 numbers: the finaliser of MurmurHash3 (A. Appleby, public domain)."""
    x = _xor_shift(x, 16) * tf.constant(0x85EBCA6B, tf.uint32)
    x = _xor_shift(x, 13) * tf.constant(0xC2B2AE35, tf.uint32)
    return _xor_shift(x, 16)


def _xor_shift(x: Tensor, bits: int) -> Tensor:
    return tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, tf.constant(bits, tf.uint32)))


def keep_mask(keys: Tensor, shape: tuple[int, ...], rate: float, dtype: Tensor) -> Tensor:
    """Factors of inverted dropout: 0 with probability `rate`, else 1 / (1 - rate).

    Parameters
    ----------
    keys
        uint32, shape (R,): one a replicate, another one at each update and layer.
    shape
        (T, R, B, U).
    """
    steps, replicates, batch_size, units = shape
    position = tf.reshape(tf.range(steps * batch_size * units), (steps, 1, batch_size, units))
    bits = mix(mix(tf.reshape(keys, (1, replicates, 1, 1))) + tf.cast(position, tf.uint32))
    # The upper 24 bits are a whole number that float32 holds exactly.
    uniform = tf.cast(tf.bitwise.right_shift(bits, tf.constant(8, tf.uint32)), dtype) * (1.0 / (1 << 24))
    return tf.where(uniform >= rate, tf.constant(1.0 / (1.0 - rate), dtype), tf.constant(0.0, dtype))
