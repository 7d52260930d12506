"""What an update needs at least, counted from shapes, and how far it is from what the machine can do.

References
----------
S. Williams, A. Waterman and D. Patterson, "Roofline: an insightful visual performance model for multicore
architectures", Communications of the ACM 52 (2009) 65-76.
"""

import math
import statistics
from dataclasses import dataclass

from msgspec import Struct

from bench.case.cases import Case
from bench.case.record import Record
from bench.case.run_record import Ceiling
from bench.case.trained import Convergence
from reports.collect.grouping import CELL_NAMES, USUAL
from reports.collect.read import Run
from reports.collect.records import body
from reports.costs.timings import Timing, middle

GATES = {"lstm": 4, "gru": 3, "gru_reset_before": 3, "simple_rnn": 1}
BIASES = {"lstm": 1, "gru": 2, "gru_reset_before": 1, "simple_rnn": 1}
"""Bias vectors of a gate, as Keras builds the cells: its GRU with reset_after has two."""

KEPT = {"lstm": 7, "gru": 5, "gru_reset_before": 5, "simple_rnn": 1}
"""Values a unit and step that the backward pass needs: an LSTM's four gates, its cell state, that state's tanh and its
output; a GRU's three gates, the product that its reset gate multiplies or makes, and its output; of a simple cell its
output. The state before a step is the output of the one before it, and not counted again."""

assert set(GATES) == set(BIASES) == set(KEPT) == set(CELL_NAMES)

BYTES = {"float32": 4, "float64": 8, "mixed_bfloat16": 4}
ACTIVATION_BYTES = BYTES | {"mixed_bfloat16": 2}
STATES = {"lstm": 2}


def features(cell: str, layers: int, units: int, parameters: int, outputs: int = 1) -> int | None:
    """Inputs of the first layer, from the number of parameters; None where no whole number of them fits.

    A layer of U units with F inputs, G gates and b biases per gate has G U (F + U + b) parameters, the layers above the
    first have F = U, and the dense head of O outputs has (U + 1) O.
    """
    if cell not in GATES:
        return None
    gates, biases = GATES[cell], BIASES[cell]
    above = (layers - 1) * gates * units * (2 * units + biases)
    first = parameters - above - (units + 1) * outputs
    found, rest = divmod(first, gates * units)
    inputs = found - units - biases
    return inputs if rest == 0 and inputs >= 1 else None


def flops_per_update(record: Record) -> float | None:
    """Operations of one weight update of a convergence record; None where its shape is not known.

    Forward: a cell step of a layer multiplies its F inputs and U states with G gates of U units, 2 G U (F + U), and
    each target takes 2 U from the head for each output; a multiplication and its addition count as two. Backward takes
    twice as much (the gradients by the inputs and by the weights), so an update is 3 x forward. What is done element by
    element (activations, biases, Adam) is left out: a share that falls as 1 / U.

    References
    ----------
    J. Kaplan et al., "Scaling laws for neural language models", arXiv:2001.08361 (2020), section 2.1 (backward = 2 x
    forward); the products from S. Hochreiter and J. Schmidhuber, Neural Computation 9 (1997) 1735-1780, and K. Cho et
    al., EMNLP (2014) 1724-1734.
    """
    case, convergence = record.case, body(record)
    outputs = convergence.outputs
    inputs = features(case.cell, case.layers, case.units, convergence.parameters, outputs)
    if inputs is None:
        return None
    gates, units = GATES[case.cell], case.units
    steps = convergence.cell_steps_per_update / case.layers
    products = sum(2 * gates * units * (below + units) for below in _below(case, inputs))
    return 3.0 * (steps * products + float(convergence.targets_per_update) * 2 * units * outputs)


class Count(Struct, frozen=True):
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
    case, found = record.case, record.body
    if case.cell not in GATES or case.dtype not in BYTES or found is None:
        return None
    told = None if isinstance(found, Convergence) else found.features
    inputs = told or features(case.cell, case.layers, case.units, found.parameters, found.outputs)
    # Steps of a window as it is processed, a burn-in included.
    steps = found.cell_steps_per_update // (case.batch_size * case.layers)
    return None if inputs is None else _count(case, found.parameters, inputs, found.outputs, steps)


def _count(case: Case, parameters: int, inputs: int, outputs: int, steps: int) -> Count:
    size, narrow = BYTES[case.dtype], ACTIVATION_BYTES[case.dtype]
    rows, units = case.batch_size * steps, case.units
    # For each layer a product with what enters it and one with the state, (rows, b) and (rows, units) by as many gates.
    width = GATES[case.cell] * units
    enters = sum(b * width for b in _below(case, inputs))
    state, head = case.layers * units * width, units * outputs
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
        batch=size * rows * (inputs + outputs),
        state=narrow * case.batch_size * units * case.layers * STATES.get(case.cell, 1),
        flops=2.0 * (forward + of_weights + of_inputs),
        of_steps=of_steps,
        copies=narrow * steps * sliced,
    )


def _below(case: Case, inputs: int) -> tuple[int, ...]:
    """Width of what enters each layer."""
    return (inputs, *[case.units] * (case.layers - 1))


PRODUCT, MEMORY, OPERATION = "matrix product, {}", "memory, read and written", "smallest operation in a graph"
NARROW = {"mixed_bfloat16": "bfloat16"}
UNKNOWN = "not known"
EXPLAINS = 0.5
"""A limit that accounts for half of an update's time bottleneck it; where none does, none is named."""


@dataclass(frozen=True, slots=True)
class Ceilings:
    """The best that this machine reached in this run.

    Attributes
    ----------
    products
        Operations a second of a large matrix product, by dtype.
    bandwidth
        Bytes a second, read and written.
    operation
        Seconds that the smallest operation takes inside a graph.
    cores
        Cores that may start operations side by side.
    rows
        Name, unit, best and median, as measured.
    engine
        What they were measured with, whatever engine a case has; None in records that do not tell.
    """

    products: dict[str, float]
    bandwidth: float
    operation: float
    cores: int
    rows: tuple[Ceiling, ...]
    engine: str | None = None

    def usual(self, dtype: str) -> float:
        """Usual rate of a large product over its best; nan where neither was measured."""
        found = [row.median / row.best for row in self.rows if row.name == PRODUCT.format(dtype)]
        return float(found[0]) if found else math.nan


@dataclass(frozen=True, slots=True)
class Point:
    """One timed case on the roofline.

    Attributes
    ----------
    flops_per_second
        Achieved.
    intensity
        Operations a byte that must be moved at least.
    shares
        Least seconds by each limit (arithmetic, memory, dispatch) over the measured ones; dispatch is missing where a
        compiler has fused the operations away. Counts are of what must be done, so a share can only be too low; that of
        dispatch counts the operations of the traced graph, some of which a graph optimiser removes, and can exceed 1.
    """

    timing: Timing
    count: Count
    flops_per_second: float
    intensity: float
    shares: dict[str, float]

    @property
    def bottleneck(self) -> str:
        """The limit that is nearest, where it explains half of the time; not known where operations are not counted."""
        name = max(self.shares, key=lambda one: self.shares[one])
        if self.shares[name] >= EXPLAINS:
            return name
        return "none of them" if "dispatch" in self.shares else UNKNOWN


def ceilings(run: Run) -> Ceilings | None:
    """The best of each over the invocations of a run that timed; None where none measured them."""
    told = [one for one in run.invocations if one.ceilings]
    if not told:
        return None
    measured = [one.ceilings or {} for one in told]
    rows = []
    for name in dict.fromkeys(name for one in measured for name in one):
        every = [one[name] for one in measured if name in one]
        best = min if every[0].unit == "s" else max
        usual = statistics.median(one.median for one in every)
        rows.append(Ceiling(name=name, unit=every[0].unit, best=best(one.best for one in every), median=usual))
    by_name = {row.name: row.best for row in rows}
    return Ceilings(
        products={
            d: by_name[PRODUCT.format(d)] for d in ("float32", "float64", "bfloat16") if PRODUCT.format(d) in by_name
        },
        bandwidth=by_name.get(MEMORY, math.nan),
        operation=by_name.get(OPERATION, math.nan),
        cores=len(run.machine.affinity) if run.machine else 1,
        rows=tuple(rows),
        engine=told[0].ceilings_engine,
    )


def points(measured: list[Timing], limits: Ceilings | None) -> list[Point]:
    """Every timed case whose operations can be counted, on the device that the ceilings are of.

    Ceilings are of all cores, and say nothing of a case that keeps to some.
    """
    if limits is None:
        return []
    here = [one for one in measured if not one.records[0].training.cores]
    return [point for one in here if (point := _point(one, limits)) is not None]


def _point(one: Timing, limits: Ceilings) -> Point | None:
    counted = count(one.records[0])
    peak = limits.products.get(NARROW.get(one.setting.dtype, one.setting.dtype))
    if counted is None or peak is None or math.isnan(limits.bandwidth):
        return None
    seconds = middle(one.by_process)
    shares = {
        "arithmetic": counted.flops / peak / seconds,
        "memory": counted.moved / limits.bandwidth / seconds,
    }
    # What another framework takes to start an operation says nothing of this one.
    started = _operations(one) if one.setting.engine == (limits.engine or USUAL["engine"]) else None
    if started is not None and math.isfinite(limits.operation):
        shares["dispatch"] = started * limits.operation / limits.cores / seconds
    return Point(one, counted, counted.flops / seconds, counted.flops / counted.moved, shares)


def _operations(one: Timing) -> float | None:
    """Operations that an update must start one by one; None where a compiler made few kernels of them."""
    evidence = one.body.evidence
    if evidence.get("XlaMustCompile") or "ops an update" not in evidence or one.setting.kernel == "cudnn":
        return None
    steps = one.body.cell_steps_per_update / (one.setting.batch_size * one.setting.layers)
    return float(evidence["ops an update"] + evidence.get("ops a step", 0) * steps)
