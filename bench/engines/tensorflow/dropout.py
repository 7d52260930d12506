"""Dropout masks from a counter-based hash, so that every replicate has a stream of its own.

TensorFlow's stateless generators take one seed a call. A mask here must not depend on which replicates share a block,
so each element hashes (replicate's key, position in its window), and the whole block is one elementwise computation.
"""

import tensorflow as tf

from bench.engines.tensorflow.cells import Tensor


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
