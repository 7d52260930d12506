"""JAX by hand: a scan over steps inside a scan over updates, mapped over replicates."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bench.speed.setting import Setting, windows


def _lstm(z: Any, state: Any, recurrent: Any) -> Any:
    h, c = state
    i, f, g, o = jnp.split(z + h @ recurrent, 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def _gru(x: Any, state: Any, recurrent: Any) -> Any:
    (h,) = state
    xz, xr, xh = jnp.split(x, 3, axis=-1)
    hz, hr, hh = jnp.split(h @ recurrent, 3, axis=-1)
    z, r = jax.nn.sigmoid(xz + hz), jax.nn.sigmoid(xr + hr)
    return (z * h + (1 - z) * jnp.tanh(xh + r * hh),)


def jax_vmap(setting: Setting, replicates: int, updates: int) -> Callable[[], None]:
    """Return a function that makes `updates` updates of every replicate."""
    step, gates, tensors = {"lstm": (_lstm, 4, 2), "gru": (_gru, 3, 1)}[setting.cell]
    units, batch = setting.units, setting.batch_size
    zeros = tuple((jnp.zeros((batch, units)),) * tensors for _ in range(setting.layers))

    def initial(key: Any) -> Any:
        draw = jax.nn.initializers.glorot_uniform()
        keys = jax.random.split(key, 2 * setting.layers + 1)
        stack = [
            (draw(keys[2 * i], (units if i else 1, gates * units)), draw(keys[2 * i + 1], (units, gates * units)),
             jnp.zeros(gates * units))
            for i in range(setting.layers)
        ]  # fmt: skip
        return stack, draw(keys[-1], (units, 1)), jnp.zeros(1)

    def loss(weights: Any, states: Any, x: Any, y: Any) -> Any:
        stack, head, offset = weights
        sequence, after = jnp.swapaxes(x, 0, 1), []
        for (kernel, recurrent, bias), state in zip(stack, states, strict=True):

            def body(state: Any, z: Any, recurrent: Any = recurrent) -> Any:
                state = step(z, state, recurrent)
                return state, state[0]

            state, sequence = jax.lax.scan(body, state, sequence @ kernel + bias)  # noqa: PLW2901
            after.append(state)
        return jnp.mean((sequence[-1] @ head + offset - y) ** 2), tuple(after)

    def epoch_of_one(weights: Any, moments: Any, x: Any, y: Any) -> Any:
        def update(carry: Any, batch: Any) -> Any:
            weights, first, second, count, states = carry
            start = states if setting.stateful else zeros
            (value, after), gradient = jax.value_and_grad(loss, has_aux=True)(weights, start, *batch)
            count += 1
            first = jax.tree.map(lambda m, g: m + 0.1 * (g - m), first, gradient)
            second = jax.tree.map(lambda v, g: v + 0.001 * (g * g - v), second, gradient)
            rate = 1e-3 * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
            weights = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-7), weights, first, second)
            return (weights, first, second, count, after), value

        (weights, *moments, _), losses = jax.lax.scan(update, (weights, *moments, zeros), (x, y))
        return weights, moments, losses.mean()

    weights = jax.vmap(initial)(jax.random.split(jax.random.PRNGKey(0), replicates))
    nothing = jax.tree.map(jnp.zeros_like, weights)
    model = [weights, [nothing, nothing, jnp.zeros(replicates)]]
    run = jax.jit(jax.vmap(epoch_of_one))
    # Every replicate has its own order, as in the suite.
    parts = [windows(setting, updates, seed) for seed in range(replicates)]
    x, y = (jnp.asarray(np.stack(arrays)) for arrays in zip(*parts, strict=True))

    def epoch() -> None:
        *model[:], value = run(*model, x, y)
        value.block_until_ready()

    return epoch
