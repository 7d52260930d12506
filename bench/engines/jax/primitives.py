"""The few operations whose rate is a ceiling for all others, compiled once and repeated without Python in between.

As `bench.engines.tensorflow.primitives`, whose names these are.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Repeat = Callable[[int], None]
"""Makes an operation as often as it is told, and waits."""

CHAIN = 100
"""Operations that stand one after the other in one program, so that calling it is nothing beside them."""

SMALL = np.full((2, 2), 0.5, np.float32)


def product(dtype: str, size: int) -> Repeat:
    """Product of two square matrices (size, size): 2 size^3 operations."""
    jax.config.update("jax_enable_x64", dtype == "float64")
    values = np.random.default_rng(0).normal(size=(size, size)) / np.sqrt(size)
    factor = jnp.asarray(values, dtype)
    return _repeated(lambda x: factor @ x, factor)


def copy(size: int) -> Repeat:
    """One pass over an array of `size` bytes: reads it and writes as much."""
    return _repeated(lambda x: x + 1.0, jnp.ones(size // 4, jnp.float32), in_place=True)


def graph_op(_size: int = 0) -> Repeat:
    """The smallest operation inside a program, `CHAIN` of them, each waiting for the last."""
    return partial(_calls, chained(), SMALL)


def chained() -> Any:
    """The compiled program of `graph_op`: small products, since of anything simpler XLA makes one kernel."""

    def chain(x: jax.Array) -> jax.Array:
        for _ in range(CHAIN):
            x = x @ SMALL
        return x

    return jax.jit(chain).lower(SMALL).compile()


def eager_op(_size: int = 0) -> Repeat:
    """The smallest operation called from Python."""
    return partial(_calls, jnp.tanh, jnp.float32(0.5))


def host_to_device(size: int) -> Repeat:
    """Handing an array of `size` bytes from NumPy to the device."""
    array = np.ones(size // 4, np.float32)
    # On a CPU JAX would use NumPy's own memory, and hand nothing over.
    put = partial(jnp.array, copy=True) if jax.default_backend() == "cpu" else jax.device_put

    def repeat(times: int) -> None:
        for _ in range(times):
            put(array).block_until_ready()

    return repeat


def _repeated(operation: Callable[[jax.Array], jax.Array], start: jax.Array, *, in_place: bool = False) -> Repeat:
    """Loop over an operation; `in_place` goes on with the last result, so that nothing is allocated beside it."""

    def loop(times: jax.Array, x: jax.Array) -> jax.Array:
        found: jax.Array = jax.lax.fori_loop(0, times, lambda _, x: operation(x), x)
        return found

    # Now, since how wide numbers may be is a setting of the moment.
    program = jax.jit(loop, donate_argnums=(1,) if in_place else ()).lower(np.int32(0), start).compile()
    last = start

    def repeat(times: int) -> None:
        nonlocal last
        last = program(np.int32(times), last if in_place else start)
        last.block_until_ready()

    return repeat


def _calls(function: Callable[[Any], jax.Array], x: Any, times: int) -> None:
    for _ in range(times):
        y = function(x)
    if times:
        y.block_until_ready()
