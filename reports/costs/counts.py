"""What an update needs at least, counted from shapes: operations, bytes that are kept, bytes that are moved."""

from dataclasses import dataclass

from bench.case.cases import Case
from reports.collect.grouping import CELL_NAMES
from reports.collect.records import Record
from reports.costs.flops import features

GATES = {"lstm": 4, "gru": 3, "gru_reset_before": 3, "simple_rnn": 1}
KEPT = {"lstm": 7, "gru": 5, "gru_reset_before": 5, "simple_rnn": 1}
"""Values a unit and step that the backward pass needs: an LSTM's four gates, its cell state, that state's tanh and its
output; a GRU's three gates, the product that its reset gate multiplies or makes, and its output; of a simple cell its
output. The state before a step is the output of the one before it, and not counted again."""

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
        What the forward pass must keep for the backward pass, and the gradient of the last layer's output: the head
        gives it for all steps at once.
    of_steps
        Gradients of one layer's two matrices at every step, which an unrolled graph keeps until it adds them up; 0 for
        a loop, which adds each to a sum.
    batch
        Windows of inputs and targets.
    copies
        Slices of the weights that a loop keeps from every step: Keras cuts them inside the step for a product a gate
        (`implementation=1`) and for a GRU that resets before its product, whose gates have no product in common.
    state
        State carried from batch to batch: B x units x layers values, twice that for an LSTM.
    flops
        Multiplications and additions of all matrix products that a gradient needs, forward and backward: none for the
        gradient of the inputs or of the state that a window begins from.
    """

    weights: int
    gradients: int
    optimiser: int
    activations: int
    batch: int
    state: int
    flops: float
    of_steps: int = 0
    copies: int = 0

    @property
    def total(self) -> int:
        """Bytes that must exist at once; the state is the last activation of each row.

        Of an unrolled graph either all activations, before the backward pass, or the gradients of all steps after it:
        each step of it gives some of the former free and takes some of the latter.
        """
        model = self.weights + self.gradients + self.optimiser
        return model + max(self.activations + self.copies, self.of_steps) + self.batch

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
    rows, units = case.batch_size * steps, case.units
    # For each layer a product with what enters it and one with the state, (rows, b) and (rows, units) by as many gates.
    width = GATES[case.cell] * units
    enters = sum(b * width for b in _below(case, inputs))
    state, head = case.layers * units * width, units
    forward = rows * (enters + state + head)
    of_weights = forward
    # A GRU that resets before its product needs the product's gradient at the first step too: for the reset gate.
    reset = case.layers * units * units if case.cell == "gru_reset_before" else 0
    of_inputs = rows * (enters - inputs * width + head) + (rows - case.batch_size) * state + case.batch_size * reset
    # One layer's: by the time that a layer below needs room, those of the layer above are added up.
    largest, own = max(_below(case, inputs)) * width, units * width
    before = case.cell == "gru_reset_before"
    # The gradient of each of its two slices is as large as the whole.
    gradients_of_a_step = largest + own * (2 if before else 1)
    # TensorFlow's own: PyTorch adds gradients up as they come and cuts without copying, and of JAX all is XLA's.
    kernel = case.kernel if case.engine == "tensorflow" else ""
    of_steps = narrow * steps * gradients_of_a_step if kernel == "unrolled" else 0
    sliced = enters + state if kernel == "loop_implementation_1" else 0
    if before and kernel in ("loop", "fit"):
        sliced = state
    return Count(
        weights=size * parameters,
        gradients=size * parameters,
        optimiser=2 * size * parameters,
        activations=narrow * rows * units * (case.layers * KEPT[case.cell] + 1),
        batch=size * rows * (inputs + 1),
        state=narrow * case.batch_size * units * case.layers * STATES.get(case.cell, 1),
        flops=2.0 * (forward + of_weights + of_inputs),
        of_steps=of_steps,
        copies=narrow * steps * sliced,
    )


def _below(case: Case, inputs: int) -> tuple[int, ...]:
    """Width of what enters each layer."""
    return (inputs, *[case.units] * (case.layers - 1))
