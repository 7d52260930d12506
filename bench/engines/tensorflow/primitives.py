"""The few operations whose rate is a ceiling for all others, compiled once and repeated without Python in between."""

from collections.abc import Callable
from functools import partial

import numpy as np
import tensorflow as tf

Repeat = Callable[[int], None]
"""Makes an operation as often as it is told, and waits."""

CHAIN = 100
"""Operations that stand one after the other in one graph, so that calling it is nothing beside them."""


def product(dtype: str, size: int) -> Repeat:
    """Product of two square matrices (size, size): 2 size^3 operations."""
    values = np.random.default_rng(0).normal(size=(size, size)) / np.sqrt(size)
    factor = tf.constant(values, tf.as_dtype(dtype))
    return _repeated(lambda x: tf.matmul(factor, x), factor)


def copy(size: int) -> Repeat:
    """One pass over an array of `size` bytes: reads it and writes as much."""
    array = tf.ones(size // 4, tf.float32)
    return _repeated(lambda x: x + 1.0, array)


def graph_op(_size: int = 0) -> Repeat:
    """The smallest operation inside a graph, `CHAIN` of them, each waiting for the last."""

    def chain(x: tf.Tensor) -> tf.Tensor:
        for _ in range(CHAIN):
            x = tf.tanh(x)
        return x

    return partial(_calls, tf.function(chain, jit_compile=False, autograph=False), tf.constant(0.5))


def eager_op(_size: int = 0) -> Repeat:
    """The smallest operation called from Python."""
    return partial(_calls, tf.tanh, tf.constant(0.5))


def host_to_device(size: int) -> Repeat:
    """Handing an array of `size` bytes from NumPy to the device."""
    array = np.ones(size // 4, np.float32)

    def repeat(times: int) -> None:
        for _ in range(times):
            # Adding nothing would be left out; a slice that is read back proves that the array has arrived.
            tf.identity(tf.constant(array))[:1].numpy()

    return repeat


def _repeated(operation: Callable[[tf.Tensor], tf.Tensor], start: tf.Tensor) -> Repeat:
    @tf.function(jit_compile=False, autograph=False)
    def loop(times: tf.Tensor) -> tf.Tensor:
        _, x = tf.while_loop(lambda i, _: i < times, lambda i, x: (i + 1, operation(x)), (tf.constant(0), start))
        return tf.reshape(x, [-1])[:1]

    def repeat(times: int) -> None:
        loop(tf.constant(times)).numpy()

    return repeat


def _calls(function: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor, times: int) -> None:
    for _ in range(times):
        y = function(x)
    if times:
        y.numpy()
