"""Which recurrent kernel really runs, read from the traced graph and its function library, never from a flag."""

from collections import Counter
from typing import Any

CUDNN_OPS = ("CudnnRNNV3", "CudnnRNNBackpropV3")
LOOP_OPS = ("While", "StatelessWhile")


def count_ops(concrete: Any) -> tuple[Counter[str], bool]:
    """Count the ops of a concrete function by nesting, and say whether XLA must compile it.

    Returns
    -------
    counts
        Ops of the graph and of all functions that it reaches; loops that stand inside another loop are also counted
        as ``"nested loops"``.
    xla
        Whether the function carries XLA's must-compile attribute.
    """
    definition = concrete.graph.as_graph_def()
    library = {function.signature.name: function.node_def for function in definition.library.function}
    counts: Counter[str] = Counter()

    def visit(nodes: Any, depth: int) -> None:
        for node in nodes:
            counts[node.op] += 1
            is_loop = node.op in LOOP_OPS
            if is_loop and depth:
                counts["nested loops"] += 1
            for attribute in node.attr.values():
                for name in [attribute.func.name, *(f.name for f in attribute.list.func)]:
                    if name in library:
                        visit(library[name], depth + is_loop)

    visit(definition.node, 0)
    return counts, bool(concrete.function_def.attr["_XlaMustCompile"].b)


def kernel_seen(concrete: Any) -> tuple[str, dict[str, int]]:
    """Name the kernel of a training function and the counts that it was read from.

    The function's own loop over updates is the outermost one. A recurrent loop stands inside it; without one, and
    without cuDNN's ops, the steps were unrolled into it.
    """
    counts, xla = count_ops(concrete)
    names = (*CUDNN_OPS, *LOOP_OPS, "nested loops", "MatMul", "BatchMatMulV2")
    evidence = {name: counts[name] for name in names if counts[name]} | {"XlaMustCompile": int(xla)}
    if all(counts[op] for op in CUDNN_OPS):
        return "cudnn", evidence
    if counts["BatchMatMulV2"] and counts["nested loops"]:
        return "replicated", evidence
    if counts["nested loops"]:
        return "xla" if xla else "loop", evidence
    return "unrolled", evidence
