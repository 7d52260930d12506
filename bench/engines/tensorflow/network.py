"""The stack of recurrent layers and its head as pure functions of weights with a leading replicate axis.

Weights are a flat list in Keras' order, each with R replicates in front: kernel (R, F, G U), recurrent kernel
(R, U, G U) and bias (R, G U) or (R, 2, G U) of every layer, then the head's kernel (R, U, O) and bias (R, O).
"""

from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from bench.engines.base import Network
from bench.engines.tensorflow.cells import CELLS, State, Tensor
from bench.engines.tensorflow.dropout import keep_mask
from bench.engines.tensorflow.recurrence import Forward, scan, split_kernel

States = tuple[State, ...]


def zero_states(network: Network, replicates: int, batch_size: int) -> States:
    """States of all layers before the first step, each (R, B, U)."""
    zeros = tf.zeros((replicates, batch_size, network.units), network.weight_dtype)
    return tuple((zeros,) * CELLS[network.cell].states for _ in range(network.layers))


def given_states(network: Network, states: Any) -> Any:
    """States before each row that a regime sets, each (rows, U), as tensors; None where it sets none."""
    return None if states is None else tf.nest.map_structure(lambda s: tf.constant(s, network.weight_dtype), states)


def forward(
    network: Network, weights: list[Tensor], x: Tensor, states: States, dropout_keys: Tensor
) -> tuple[Tensor, States]:
    """Outputs of a whole window, differentiable.

    Parameters
    ----------
    x
        Inputs, shape (T, R, B, F).
    states
        States before the window.
    dropout_keys
        One key a replicate, shape (R,), new at each update; unused where the network has no dropout.

    Returns
    -------
    predictions
        Shape (T, R, B, O).
    states
        States after the window.
    """
    cell = CELLS[network.cell]
    after = []
    for layer, (kernel, recurrent, bias, recurrent_bias) in enumerate(_layers(network, weights)):
        x = _project(x, kernel) + bias[None, :, None]
        x, state = scan(cell, x, recurrent, recurrent_bias, states[layer])
        after.append(state)
        if network.dropout:
            x *= keep_mask(dropout_keys + layer, x.shape, network.dropout, x.dtype)
    return _project(x, weights[-2]) + weights[-1][None, :, None], tuple(after)


def advance(network: Network, weights: list[Tensor], x: Tensor, states: States) -> tuple[Tensor, States]:
    """One step without dropout or gradient: x (B, F), the same for all replicates -> predictions (R, B, O)."""
    cell = CELLS[network.cell]
    after = []
    h = x[None]
    for layer, (kernel, recurrent, bias, recurrent_bias) in enumerate(_layers(network, weights)):
        part = tf.matmul(h, kernel) + bias[:, None]
        state = cell.step(part, states[layer], Forward(split_kernel(cell, recurrent), recurrent_bias))
        after.append(state)
        h = state[0]
    return tf.matmul(h, weights[-2]) + weights[-1][:, None], tuple(after)


def _layers(network: Network, weights: list[Tensor]) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor | None]]:
    for layer in range(network.layers):
        kernel, recurrent, bias = weights[3 * layer : 3 * layer + 3]
        if CELLS[network.cell].recurrent_bias:
            yield kernel, recurrent, bias[:, 0], bias[:, 1]
        else:
            yield kernel, recurrent, bias, None


def _project(x: Tensor, kernel: Tensor) -> Tensor:
    """Product of (T, R, B, F) with (R, F, J)."""
    if kernel.shape[1] == 1:
        # A single feature needs no product; XLA's would be slower than this.
        return x * kernel[None]
    if kernel.shape[2] == 1:
        return tf.reduce_sum(x * kernel[None, :, None, :, 0], axis=-1, keepdims=True)
    return tf.einsum("trbf,rfj->trbj", x, kernel)
