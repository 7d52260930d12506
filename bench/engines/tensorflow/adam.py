"""Adam with one learning rate and one step count for each replicate; the update of ``keras.optimizers.Adam``."""

import tensorflow as tf

from bench.engines.adam import BETA_1, BETA_2, EPSILON, POWER_1, POWER_2
from bench.engines.tensorflow.cells import Tensor

Moments = tuple[list[Tensor], list[Tensor]]


def adam(
    weights: list[Tensor], gradients: list[Tensor], moments: Moments, step: Tensor, rates: Tensor
) -> tuple[list[Tensor], Moments]:
    """Make one update.

    Parameters
    ----------
    weights, gradients
        Each (R, ...).
    moments
        First and second moments, shaped like the weights.
    step
        Updates made, this one included, shape (R,).
    rates
        Learning rates, shape (R,).
    """
    # D. P. Kingma and J. Ba, Adam, ICLR 2015, end of section 2: the order of computation that Keras uses as well.
    alpha = rates * tf.sqrt(1 - POWER_2**step) / (1 - POWER_1**step)
    first = [m + (g - m) * (1 - BETA_1) for m, g in zip(moments[0], gradients, strict=True)]
    second = [v + (g * g - v) * (1 - BETA_2) for v, g in zip(moments[1], gradients, strict=True)]
    updated = [
        w - m * tf.reshape(alpha, [-1] + [1] * (len(w.shape) - 1)) / (tf.sqrt(v) + EPSILON)
        for w, m, v in zip(weights, first, second, strict=True)
    ]
    return updated, (first, second)
