"""The networks of the posts as pure functions of weights with a leading replicate axis."""

import itertools
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from bench.engines.base import Network, Weights
from bench.engines.tensorflow import network as stack
from bench.engines.tensorflow.cells import Tensor, keep_mask
from bench.measure.initial_weights import initial_weights


class Model(Protocol):
    """What a `bench.posts.block.Block` trains."""

    def initial(self, seed: int) -> Weights:
        """Weights of one model, drawn as Keras draws them."""

    def states(self, replicates: int, batch_size: int) -> Any:
        """State before the first step."""

    def outputs(self, weights: list[Tensor], x: Tensor, states: Any, keys: Tensor, *, training: bool) -> Any:
        """Outputs (T, R, B, O) of windows x (T, R, B, F), and the state after them; `keys` (R,) draw the dropout."""


@dataclass(frozen=True)
class Lstm:
    """LSTM layers, each with a dropout layer behind it, and a dense head."""

    network: Network

    def initial(self, seed: int) -> Weights:
        """Weights in Keras' order."""
        return initial_weights(self.network, seed)

    def states(self, replicates: int, batch_size: int) -> Any:
        """Zeros."""
        return stack.zero_states(self.network, replicates, batch_size)

    def outputs(self, weights: list[Tensor], x: Tensor, states: Any, keys: Tensor, *, training: bool) -> Any:
        """See `Model.outputs`."""
        network = self.network if training else replace(self.network, dropout=0.0)
        return stack.forward(network, weights, x, states, keys)


def lstm(units: int, *, layers: int = 1, inputs: int = 1, outputs: int = 1, dropout: float = 0.0) -> Lstm:
    """Describe a stack of LSTM layers."""
    return Lstm(Network("lstm", layers, units, inputs, outputs, dropout))


@dataclass(frozen=True)
class Perceptron:
    """Dense layers with rectified outputs and dropout, and a linear head, on a whole window as one vector."""

    inputs: int
    hidden: tuple[int, ...]
    dropout: float = 0.0

    def initial(self, seed: int) -> Weights:
        """Kernels Glorot-uniform and biases zero, as Keras draws them."""
        rng = np.random.default_rng([seed, 0x57A7E])
        sizes = (self.inputs, *self.hidden, 1)
        weights: Weights = []
        for into, out in itertools.pairwise(sizes):
            limit = np.sqrt(6.0 / (into + out))
            weights += [rng.uniform(-limit, limit, (into, out)).astype("float32"), np.zeros(out, "float32")]
        return weights

    def states(self, replicates: int, batch_size: int) -> Any:
        """Return none: a perceptron keeps nothing."""
        del replicates, batch_size
        return ()

    def outputs(self, weights: list[Tensor], x: Tensor, states: Any, keys: Tensor, *, training: bool) -> Any:
        """See `Model.outputs`; T is 1."""
        h = tf.transpose(x[..., 0], (1, 2, 0))
        layers = list(zip(weights[::2], weights[1::2], strict=True))
        for index, (kernel, bias) in enumerate(layers[:-1]):
            h = tf.nn.relu(tf.matmul(h, kernel) + bias[:, None])
            if training and self.dropout:
                h *= keep_mask(keys + index, (1, *h.shape), self.dropout, h.dtype)[0]
        kernel, bias = layers[-1]
        return (tf.matmul(h, kernel) + bias[:, None])[None], states
