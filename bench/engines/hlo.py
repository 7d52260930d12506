"""Which recurrent kernel really runs, read from the text of a program that XLA compiled, never from a flag."""

import re
from collections import Counter

COMPUTATION = re.compile(r"(ENTRY )?%?([\w.\-]+) .*\{$")
CALLED = re.compile(r"(?:body|condition|to_apply|calls|true_computation|false_computation)=%?([\w.\-]+)")
BRANCHES = re.compile(r"(?:branch_computations|called_computations)=\{([^}]*)\}")
CUDNN = re.compile(r'custom_call_target="(cudnn_rnn(?:_bwd)?)[^"]*"')
"""XLA's name for cuDNN's recurrent layers, forward and backward."""

FLOATS = re.compile(r"\b(?:f64|f32|bf16|f16)\[.* while\(")
"""A loop that passes real numbers on. One that draws random bits passes integers alone, and is no recurrent loop."""

PRODUCT = re.compile(r' dot\(|custom_call_target="__(?:cublas|onednn)\$')
NATIVE_STEP = "native_step"
"""In the names of all operations of a step that no Keras layer made; compilers keep them."""

OPERATION = re.compile(r" = .*?[\]})] ([a-z][\w\-]*)\(")
FREE = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "while", "conditional", "call", "after-all"}
"""Instructions that hand on what is there; loops are counted by what they hold."""

STEP_OPS, UPDATE_OPS = "ops a step", "ops an update"
"""Instructions inside recurrent loops, which run at every step of the window, and those of an update outside of them.
A fusion is one, whatever it holds."""

BATCHED = re.compile(r'lhs_batch_dims=\{\d|"lhs_batch_dimensions":\["')
"""A product by XLA itself or by a library, and what shows that it has a batch dimension."""


def count_ops(text: str) -> Counter[str]:
    """Count in a program what tells kernels apart: loops, matrix products, cuDNN's calls.

    Loops over real numbers that stand inside another loop are also counted as ``"nested loops"``, products with a
    batch dimension also as ``"batched dots"``, and what a step without Keras holds as ``"native ops"``. What an update
    and a step have to start is counted as `UPDATE_OPS` and `STEP_OPS`.
    """
    lines: dict[str, list[str]] = {}
    entry = name = ""
    for line in text.splitlines():
        if not line.startswith(" ") and (match := COMPUTATION.match(line)):
            name = match[2]
            lines[name] = []
            entry = name if match[1] else entry
        elif name:
            lines[name].append(line)
    counts: Counter[str] = Counter()

    def visit(computation: str, depth: int, *, starts: bool) -> None:
        for line in lines.get(computation, ()):
            operation = next(iter(OPERATION.findall(line)), "")
            if starts and depth and operation and operation not in FREE:
                counts[STEP_OPS if depth > 1 else UPDATE_OPS] += 1
            is_loop = " while(" in line
            counts["while"] += is_loop
            # Not products alone: XLA makes none of them where a batch is of one window.
            counts["native ops"] += depth > 1 and NATIVE_STEP in line
            counts["nested loops"] += depth > 0 and FLOATS.search(line) is not None
            if PRODUCT.search(line):
                counts["dot"] += 1
                counts["batched dots"] += BATCHED.search(line) is not None
            if call := CUDNN.search(line):
                counts[call[1]] += 1
            branches = [name.strip(" %") for group in BRANCHES.findall(line) for name in group.split(",")]
            for called in [*CALLED.findall(line), *branches]:
                # What stands in a fusion, or says how to reduce, is not started by itself.
                visit(called, depth + is_loop, starts=starts and operation in ("while", "conditional", "call"))

    visit(entry, 0, starts=True)
    return counts


def kernel_seen(text: str, replicates: int) -> tuple[str, dict[str, int]]:
    """Name the kernel of a training program and the counts that it was read from.

    The program's own loop over updates is the outermost one. A recurrent loop stands inside it; without one, and
    without cuDNN's calls, the steps were unrolled into it.

    Parameters
    ----------
    replicates
        Models that the program trains. Of one model's products XLA makes batched ones by itself, on a GPU where a sum
        is long enough to be split.
    """
    counts = count_ops(text)
    evidence = {name: count for name, count in sorted(counts.items()) if count}
    if counts["cudnn_rnn"] and counts["cudnn_rnn_bwd"]:
        return "cudnn", evidence
    if counts["nested loops"]:
        plain = "native" if counts["native ops"] else "loop"
        return "replicated" if counts["batched dots"] and replicates > 1 else plain, evidence
    return "unrolled", evidence
