"""Which recurrent kernel really runs, read from the traced graph and its function library, never from a flag."""

from collections import Counter
from typing import Any

from bench.engines.base import Network

CUDNN_OPS = ("CudnnRNNV3", "CudnnRNNBackpropV3")
LOOP_OPS = ("While", "StatelessWhile")

FORWARD = "forward MatMul in recurrent loops"
"""MatMuls of the forward pass that stand in a recurrent loop: those of a gradient have a transposed factor."""

NESTED = "nested loops"
"""Loops inside the loop over updates."""

STEP_OPS, UPDATE_OPS = "ops a step", "ops an update"
"""Ops inside recurrent loops, which run at every step of the window, and those of an update outside of them."""

FREE = {"Const", "Placeholder", "Identity", "NoOp", "_Arg", "_Retval", "StopGradient", "Shape", "ReadVariableOp"}
"""Ops that hand on what is there, or that TensorFlow works out while it compiles."""


def count_ops(concrete: Any, *, outer_loops: int = 1) -> tuple[Counter[str], bool]:
    """Count the ops of a concrete function by nesting, and say whether XLA must compile it.

    Parameters
    ----------
    outer_loops
        How many loops stand around an update: 1 where the function repeats updates, 0 where it makes one.

    Returns
    -------
    counts
        Ops of the graph and of all functions that it reaches; loops inside the outer ones are also counted as `NESTED`,
        forward MatMuls inside those as `FORWARD`, and what an update and a step have to start as `UPDATE_OPS` and
        `STEP_OPS`.
    xla
        Whether the function, or one that it calls, carries XLA's must-compile attribute.
    """
    definition = concrete.graph.as_graph_def()
    library = {function.signature.name: function.node_def for function in definition.library.function}
    counts: Counter[str] = Counter()

    def visit(nodes: Any, depth: int) -> None:
        for node in nodes:
            counts[node.op] += 1
            is_loop = node.op in LOOP_OPS
            counts[NESTED] += is_loop and depth >= outer_loops
            counts[FORWARD] += (
                node.op == "MatMul"
                and depth > outer_loops
                and not (node.attr["transpose_a"].b or node.attr["transpose_b"].b)
            )
            if node.op not in FREE and depth >= outer_loops:
                counts[STEP_OPS if depth > outer_loops else UPDATE_OPS] += 1
            for attribute in node.attr.values():
                for name in [attribute.func.name, *(f.name for f in attribute.list.func)]:
                    if name in library:
                        visit(library[name], depth + is_loop)

    visit(definition.node, 0)
    functions = (concrete.function_def, *definition.library.function)
    return counts, any(function.attr["_XlaMustCompile"].b for function in functions)


def kernel_seen(concrete: Any, network: Network) -> tuple[str, dict[str, int]]:
    """Name the kernel of a training function and the counts that it was read from.

    The function's own loop over updates is the outermost one. A recurrent loop stands inside it; without one, and
    without cuDNN's ops, the steps were unrolled into it.
    """
    counts, xla = count_ops(concrete)
    evidence = _evidence(counts, xla=xla)
    if all(counts[op] for op in CUDNN_OPS):
        return "cudnn", evidence
    if counts["BatchMatMulV2"] and counts[NESTED]:
        return "replicated", evidence
    if not counts[NESTED]:
        return "xla_unrolled" if xla else "unrolled", evidence
    if xla:
        return "xla", evidence
    return "loop_implementation_1" if _product_a_gate(counts, network) else "loop", evidence


def kernel_of_fit(concrete: Any, network: Network) -> tuple[str, dict[str, int]]:
    """Name what runs behind `fit`: "fit" where it is Keras' default for this machine, which `evidence` tells.

    On a CPU that is a loop without XLA; on a GPU cuDNN where the cell has it, else a loop, under XLA or not.
    """
    counts, xla = count_ops(concrete, outer_loops=0)
    loop = counts[NESTED] and not _product_a_gate(counts, network)
    return ("fit" if loop or counts[CUDNN_OPS[0]] else "unrolled"), _evidence(counts, xla=xla)


def _product_a_gate(counts: Counter[str], network: Network) -> bool:
    """Whether a step multiplies for every gate by itself: `implementation=1`.

    Inputs and state are multiplied at every step. In one product for all gates that makes 2 a layer, 3 for a GRU that
    resets before its product; in a product a gate it makes 2 for every gate.
    """
    gates = network.weight_shapes[0][1] // network.units
    return gates > 1 and counts[FORWARD] >= 2 * gates * network.layers


def _evidence(counts: Counter[str], *, xla: bool) -> dict[str, int]:
    names = (*CUDNN_OPS, *LOOP_OPS, NESTED, "MatMul", FORWARD, "BatchMatMulV2", STEP_OPS, UPDATE_OPS)
    return {name: counts[name] for name in names if counts[name]} | {"XlaMustCompile": int(xla)}
