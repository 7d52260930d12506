"""What an update needs at least, counted from shapes: operations, bytes that are kept, bytes that are moved."""

from dataclasses import dataclass

from bench.cases import Case
from reports.flops import features
from reports.records import Record
from reports.settings import CELL_NAMES

GATES = {"lstm": 4, "gru": 3, "gru_reset_before": 3, "simple_rnn": 1}
KEPT = {"lstm": 7, "gru": 6, "gru_reset_before": 6, "simple_rnn": 2}
"""Values a unit and step that the backward pass needs: an LSTM's four gates, its cell state, that state's tanh and its
output; a GRU's three gates, the product that its reset gate multiplies, the state before and the output; a simple
cell's state before and its output."""

BYTES = {"float32": 4, "float64": 8, "mixed_bfloat16": 4}
ACTIVATION_BYTES = BYTES | {"mixed_bfloat16": 2}
STATES = {"lstm": 2}

assert set(GATES) == set(KEPT) == set(CELL_NAMES)


@dataclass(frozen=True)
class Count:
    """Bytes of each part while one update is made, and its operations.

    Attributes
    ----------
    weights, gradients, optimiser
        One copy of the parameters, their gradient, Adam's two moments.
    activations
        What the forward pass must keep for the backward pass.
    batch
        Windows of inputs and targets.
    state
        State carried from batch to batch: B x units x layers values, twice that for an LSTM.
    flops
        Multiplications and additions of all matrix products, forward and backward.
    """

    weights: int
    gradients: int
    optimiser: int
    activations: int
    batch: int
    state: int
    flops: float

    @property
    def total(self) -> int:
        """Bytes that must exist at once; the state is the last activation of each row."""
        return self.weights + self.gradients + self.optimiser + self.activations + self.batch

    @property
    def moved(self) -> int:
        """Least bytes between memory and processor in an update: every array once in each role that it has.

        Weights are read forward and backward and by the optimiser and written once, gradients written and read, moments
        read and written, activations written and read, the batch read.
        """
        return 4 * self.weights + 2 * self.gradients + 2 * self.optimiser + 2 * self.activations + self.batch


def count(record: Record) -> Count | None:
    """Count for a time or memory record; None where its shape is not known."""
    case, parameters = record.case, record.body.get("parameters")
    if case.cell not in GATES or case.dtype not in BYTES or parameters is None:
        return None
    inputs = record.body.get("features") or features(case.cell, case.layers, case.units, int(parameters))
    return None if inputs is None else _count(case, int(parameters), int(inputs), _steps(record))


def _steps(record: Record) -> int:
    """Steps of a window as it is processed, a burn-in included."""
    cell_steps, case = record.body.get("cell_steps_per_update"), record.case
    return int(cell_steps) // (case.batch_size * case.layers) if cell_steps else case.window


def _count(case: Case, parameters: int, inputs: int, steps: int) -> Count:
    size, narrow = BYTES[case.dtype], ACTIVATION_BYTES[case.dtype]
    rows = case.batch_size * steps
    products = sum(2 * GATES[case.cell] * case.units * (b + case.units) for b in _below(case, inputs))
    return Count(
        weights=size * parameters,
        gradients=size * parameters,
        optimiser=2 * size * parameters,
        activations=narrow * rows * case.units * case.layers * KEPT[case.cell],
        batch=size * rows * (inputs + 1),
        state=narrow * case.batch_size * case.units * case.layers * STATES.get(case.cell, 1),
        flops=3.0 * rows * (products + 2 * case.units),
    )


def _below(case: Case, inputs: int) -> tuple[int, ...]:
    """Width of what enters each layer."""
    return (inputs, *[case.units] * (case.layers - 1))
