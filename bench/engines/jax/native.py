"""JAX as its own users write a recurrent layer: a few lines of a cell inside `jax.lax.scan`; Keras has no part in it.

Equations and weights are Keras': gates in the order of its kernels, the GRU with its reset gate after the product
(`reset_after=True`) or before it.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bench.engines.base import Network
from bench.engines.hlo import NATIVE_STEP
from bench.engines.stack import Stack, States

Tensor = Any


def lstm(z: Tensor, state: list[Tensor], recurrent: Tensor, _bias: Tensor) -> list[Tensor]:
    """One step: z (B, 4 U) is the input's part, bias included; state h and c, each (B, U)."""
    h, c = state
    i, f, candidate, o = jnp.split(z + h @ recurrent, 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(candidate)
    return [jax.nn.sigmoid(o) * jnp.tanh(c), c]


def gru(z: Tensor, state: list[Tensor], recurrent: Tensor, bias: Tensor) -> list[Tensor]:
    """One step with the reset gate after the product, which has a bias of its own, (3 U,)."""
    (h,) = state
    inputs, hidden = jnp.split(z, 3, axis=-1), jnp.split(h @ recurrent + bias, 3, axis=-1)
    update, reset = (jax.nn.sigmoid(x + y) for x, y in zip(inputs[:2], hidden[:2], strict=True))
    return [update * h + (1 - update) * jnp.tanh(inputs[2] + reset * hidden[2])]


def gru_reset_before(z: Tensor, state: list[Tensor], recurrent: Tensor, _bias: Tensor) -> list[Tensor]:
    """One step with the reset gate before the product."""
    (h,) = state
    units = h.shape[-1]
    gates = jax.nn.sigmoid(z[..., : 2 * units] + h @ recurrent[:, : 2 * units])
    update, reset = jnp.split(gates, 2, axis=-1)
    return [update * h + (1 - update) * jnp.tanh(z[..., 2 * units :] + (reset * h) @ recurrent[:, 2 * units :])]


def simple_rnn(z: Tensor, state: list[Tensor], recurrent: Tensor, _bias: Tensor) -> list[Tensor]:
    """One step."""
    return [jnp.tanh(z + state[0] @ recurrent)]


Step = Callable[[Tensor, list[Tensor], Tensor, Tensor], list[Tensor]]
STEPS: dict[str, Step] = {"lstm": lstm, "gru": gru, "gru_reset_before": gru_reset_before, "simple_rnn": simple_rnn}


class ScanStack(Stack):
    """The stack made of scans; seeds are a key and a number of draws, both of which decide what is dropped."""

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self._network = network
        self._step = STEPS[network.cell]
        self.seeds = [np.zeros(2, np.uint32)] * network.layers if network.dropout else None

    def __call__(
        self, weights: list[Tensor], states: States, x: Tensor, seeds: list[Tensor] | None = None
    ) -> tuple[Tensor, States, list[Tensor]]:
        """Scan layer after layer, the steps in front."""
        after, drawn = [], []
        h = jnp.swapaxes(x, 0, 1)
        for i, state in enumerate(states):
            kernel, recurrent, bias = weights[3 * i : 3 * i + 3]
            # Keras' GRU with reset_after has a bias on either side, (2, 3 U).
            own, other = bias if bias.ndim == 2 else (bias, bias)
            state, h = self._layer(h @ kernel + own, list(state), recurrent, other)  # noqa: PLW2901
            after.append(state)
            if seeds is not None:
                h = self._drop(h, seeds[i])
                drawn.append(seeds[i] + np.array([0, 1], np.uint32))
        return jnp.swapaxes(h @ weights[-2] + weights[-1], 0, 1), after, drawn

    def zero_states(self, batch_size: int) -> States:
        """States before the first step."""
        network = self._network
        zeros = jnp.zeros((batch_size, network.units), network.dtype)
        return [[zeros] * (2 if network.cell == "lstm" else 1) for _ in range(network.layers)]

    def _layer(self, z: Tensor, state: Any, recurrent: Tensor, bias: Tensor) -> tuple[Any, Tensor]:
        def step(state: Any, z: Tensor) -> tuple[Any, Tensor]:
            with jax.named_scope(NATIVE_STEP):
                state = self._step(z, state, recurrent, bias)
            return state, state[0]

        found: tuple[Any, Tensor] = jax.lax.scan(step, state, z)
        return found

    def _drop(self, h: Tensor, seed: Tensor) -> Tensor:
        kept = 1 - self._network.dropout
        key = jax.random.fold_in(jax.random.key(seed[0]), seed[1])
        return jnp.where(jax.random.bernoulli(key, kept, h.shape), h / kept, 0)
