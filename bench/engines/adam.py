"""Adam as Keras' TensorFlow backend computes it: its constants, and an update in plain arithmetic."""

from typing import Any

import numpy as np

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7
"""Keras' defaults."""

POWER_1, POWER_2 = float(np.float32(BETA_1)), float(np.float32(BETA_2))
"""The bases of the bias correction. On TensorFlow Keras rounds them to float32 whatever the dtype of the weights, which
in float64 changes an update by 1e-5; on JAX and PyTorch it does not. Every engine here rounds, so that all train alike;
in float32 there is no difference."""


def adam(weight: Any, gradient: Any, moments: tuple[Any, Any], step: Any, rate: Any) -> tuple[Any, tuple[Any, Any]]:
    """Update one array of weights.

    Parameters
    ----------
    weight, gradient
        Of the same shape.
    moments
        First and second moment, shaped like the weights.
    step, rate
        Updates made, this one included, and learning rate; they broadcast against the weights.
    """
    # D. P. Kingma and J. Ba, Adam, ICLR 2015, end of section 2: the order of computation that Keras uses as well.
    alpha = rate * (1 - POWER_2**step) ** 0.5 / (1 - POWER_1**step)
    first = moments[0] + (gradient - moments[0]) * (1 - BETA_1)
    second = moments[1] + (gradient * gradient - moments[1]) * (1 - BETA_2)
    return weight - first * alpha / (second**0.5 + EPSILON), (first, second)
