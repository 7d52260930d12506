"""States that are set from a task's data before each window: for every layer, h and c apart, their shapes checked."""

import numpy as np

from bench.engines.base import Network, States
from bench.errors import PlanError
from tasks.base import Task

STATES: dict[str, tuple[str, ...]] = {
    "lstm": ("h", "c"),
    "gru": ("h",),
    "gru_reset_before": ("h",),
    "simple_rnn": ("h",),
}
"""The states of each cell, in the order in which Keras keeps them."""


def states(task: Task, network: Network) -> States:
    """Ask a task for the states before each row of its series.

    Raises
    ------
    PlanError
        If a state does not have shape (rows, units), or is not finite, naming the layer and the state.
    """
    rows = len(task.series().inputs)
    expected = (rows, network.units)
    found = []
    for layer in range(network.layers):
        own = []
        for name in STATES[network.cell]:
            state = np.asarray(task.state_before(layer, name, network.units))
            which = f"state {name} of layer {layer} that task {task.name!r} gives"
            if state.shape != expected:
                raise PlanError(
                    f"{which} has shape {state.shape}; it must be {expected}: one row for each row of the series, one "
                    f"column for each of {network.units} units"
                )
            if not np.isfinite(state).all():
                row = int(np.argwhere(~np.isfinite(state))[0][0])
                raise PlanError(f"{which} is not finite in row {row}; fill what is missing")
            own.append(state)
        found.append(tuple(own))
    return tuple(found)
