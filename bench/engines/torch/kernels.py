"""Which recurrent kernel really runs, read from a trace of an update, never from a flag."""

from collections import Counter
from collections.abc import Callable

from torch.profiler import ProfilerActivity, profile

PRODUCTS = ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm")
CUDNN = ("aten::_cudnn_rnn", "aten::_cudnn_rnn_backward")
FUSED = ("aten::lstm", "aten::gru", "aten::mkldnn_rnn_layer")
"""PyTorch's own recurrent operations; on a GPU they call cuDNN's."""


def kernel_seen(update: Callable[[], None]) -> tuple[str, dict[str, int]]:
    """Trace an update; name its kernel and the counts of operations that it was read from."""
    with profile(activities=[ProfilerActivity.CPU]) as trace:
        update()
    # A GPU's kernels are started by operations of the same trace, so that these say enough.
    return named(Counter({one.key: one.count for one in trace.key_averages()}))


def named(counts: Counter[str]) -> tuple[str, dict[str, int]]:
    """Name a kernel by the operations of an update.

    A product for each step and layer is a loop, one for a whole block of models a replicated one. PyTorch's own fused
    operation without cuDNN beneath is neither.
    """
    evidence = {name: counts[name] for name in (*CUDNN, *FUSED, *PRODUCTS) if counts[name]}
    if all(counts[name] for name in CUDNN):
        return "cudnn", evidence
    if any(counts[name] for name in FUSED):
        return "fused", evidence
    batched = counts["aten::bmm"] + counts["aten::baddbmm"]
    return ("replicated" if batched > counts["aten::mm"] + counts["aten::addmm"] else "loop"), evidence
