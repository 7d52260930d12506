"""Initial weights as Keras draws them, from NumPy, so that a seed means the same in every engine and process."""

from collections.abc import Sequence

import numpy as np

from bench.engines.base import Array, Network, States, Weights
from bench.errors import PlanError
from tasks.task import Task


def initial_weights(network: Network, seed: int) -> Weights:
    """Weights of one model in Keras' order.

    Kernels are Glorot-uniform (X. Glorot and Y. Bengio, AISTATS 2010), recurrent kernels orthogonal (A. M. Saxe et
    al., ICLR 2014), biases zero but for the LSTM's forget gate, whose bias is one (R. Jozefowicz et al., ICML 2015):
    the defaults of Keras' layers.
    """
    rng = np.random.default_rng([seed, 0x57A7E])
    weights: Weights = []
    for index, shape in enumerate(network.weight_shapes):
        head = index >= 3 * network.layers
        part = (0 if len(shape) == 2 else 2) if head else index % 3
        if part == 0:
            weights.append(_glorot_uniform(rng, shape))
        elif part == 1:
            weights.append(_orthogonal(rng, shape))
        else:
            bias = np.zeros(shape)
            if network.cell == "lstm" and not head:
                bias[network.units : 2 * network.units] = 1.0
            weights.append(bias)
    return [weight.astype(network.weight_dtype) for weight in weights]


def _glorot_uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    limit = np.sqrt(6.0 / sum(shape))
    return rng.uniform(-limit, limit, shape)


def _orthogonal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    rows, columns = shape
    q, r = np.linalg.qr(rng.standard_normal((max(shape), min(shape))))
    # Without the sign, LAPACK's convention would favour some rotations.
    q = q * np.sign(np.diag(r))
    return q.T if rows < columns else q


STATES: dict[str, tuple[str, ...]] = {
    "lstm": ("h", "c"),
    "gru": ("h",),
    "gru_reset_before": ("h",),
    "simple_rnn": ("h",),
}
"""The states of each cell, in the order in which Keras keeps them."""


def injected_states(draws: Sequence[Task], network: Network) -> States:
    """Ask a task for the states before each row of its series, its draws one after another.

    Raises
    ------
    PlanError
        If a state does not have shape (rows, units), or is not finite, naming the layer and the state.
    """
    return tuple(
        tuple(
            np.concatenate([_injected_state(task, layer, name, network.units) for task in draws])
            for name in STATES[network.cell]
        )
        for layer in range(network.layers)
    )


def noise_states(rows: int, network: Network) -> States:
    """States without information: uniform over (-1, 1), the range of h, for each row, c too; always the same."""
    rng = np.random.default_rng(0x9015E)
    return tuple(
        tuple(rng.uniform(-1, 1, (rows, network.units)).astype(network.weight_dtype) for _ in STATES[network.cell])
        for _ in range(network.layers)
    )


def _injected_state(task: Task, layer: int, name: str, units: int) -> Array:
    expected = (len(task.series().inputs), units)
    state = np.asarray(task.state_before(layer, name, units))
    which = f"state {name} of layer {layer} that task {task.name!r} gives"
    if state.shape != expected:
        raise PlanError(
            f"{which} has shape {state.shape}; it must be {expected}: one row for each row of the series, one "
            f"column for each of {units} units"
        )
    if not np.isfinite(state).all():
        row = int(np.argwhere(~np.isfinite(state))[0][0])
        raise PlanError(f"{which} is not finite in row {row}; fill what is missing")
    return state
