"""Floating-point operations of one weight update, counted from the network's shape."""

from reports.collect.grouping import body
from reports.collect.records import Record

# (gates, bias vectors per gate), as Keras builds the cells; its GRU with reset_after has two biases.
_CELLS = {"lstm": (4, 1), "gru": (3, 2), "gru_reset_before": (3, 1), "simple_rnn": (1, 1)}
OUTPUTS = 1


def features(cell: str, layers: int, units: int, parameters: int) -> int | None:
    """Inputs of the first layer, from the number of parameters; None where no whole number of them fits.

    A layer of U units with F inputs, G gates and b biases per gate has G U (F + U + b) parameters, the layers above the
    first have F = U, and the dense head of one output has U + 1.
    """
    if cell not in _CELLS:
        return None
    gates, biases = _CELLS[cell]
    above = (layers - 1) * gates * units * (2 * units + biases)
    first = parameters - above - (units + 1) * OUTPUTS
    found, rest = divmod(first, gates * units)
    inputs = found - units - biases
    return inputs if rest == 0 and inputs >= 1 else None


def flops_per_update(record: Record) -> float | None:
    """Operations of one weight update of a convergence record; None where its shape is not known.

    Forward: a cell step of a layer multiplies its F inputs and U states with G gates of U units, 2 G U (F + U), and
    each target takes 2 U from the head; a multiplication and its addition count as two. Backward takes twice as much
    (the gradients by the inputs and by the weights), so an update is 3 x forward. What is done element by element
    (activations, biases, Adam) is left out: a share that falls as 1 / U.

    References
    ----------
    J. Kaplan et al., "Scaling laws for neural language models", arXiv:2001.08361 (2020), section 2.1 (backward = 2 x
    forward); the products from S. Hochreiter and J. Schmidhuber, Neural Computation 9 (1997) 1735-1780, and K. Cho et
    al., EMNLP (2014) 1724-1734.
    """
    case, convergence = record.case, body(record)
    inputs = features(case.cell, case.layers, case.units, convergence.parameters)
    targets = convergence.fields.get("targets_per_update")
    if inputs is None or targets is None:
        return None
    gates, units = _CELLS[case.cell][0], case.units
    steps = convergence.cell_steps_per_update / case.layers
    products = sum(2 * gates * units * (below + units) for below in (inputs, *[units] * (case.layers - 1)))
    return 3.0 * (steps * products + float(targets) * 2 * units * OUTPUTS)
