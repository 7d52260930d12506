"""Which recurrent kernel really runs, read from a trace of an update, never from a flag."""

from collections import Counter
from collections.abc import Callable

from torch.profiler import ProfilerActivity, profile

PRODUCTS = ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm")
CUDNN = ("aten::_cudnn_rnn", "aten::_cudnn_rnn_backward")
LIBRARIES = (*CUDNN, "aten::miopen_rnn", "aten::miopen_rnn_backward", "aten::mkldnn_rnn_layer",
             "aten::mkldnn_rnn_layer_backward")  # fmt: skip
"""What runs a whole layer: cuDNN, MIOpen on AMD's GPUs, oneDNN on a CPU."""

LAYERS = ("aten::lstm", "aten::gru", "aten::rnn_tanh")
"""PyTorch's own recurrent layers, whatever runs them: where it is no library, a loop in C++ over its operations."""

COMPILED = ("CompiledFunction", "CompiledFunctionBackward")
"""What `torch.compile` made of a forward and a backward pass."""


def kernel_seen(update: Callable[[], None], *, native: bool) -> tuple[str, dict[str, int]]:
    """Trace an update; name its kernel and the counts of operations that it was read from."""
    with profile(activities=[ProfilerActivity.CPU]) as trace:
        update()
    # A GPU's kernels are started by operations of the same trace, so that these say enough.
    return named(Counter({one.key: one.count for one in trace.key_averages()}), native=native)


def named(counts: Counter[str], *, native: bool) -> tuple[str, dict[str, int]]:
    """Name a kernel by the operations of an update.

    A product for each step and layer is a loop, one for a whole block of models a replicated one. A layer of PyTorch's
    own is native, whichever library runs it, and compiled where nothing of it is left; Keras calls the same layers for
    cuDNN, which they must then have reached.

    Parameters
    ----------
    native
        Whether the model was made of PyTorch's layers and not of Keras'.
    """
    evidence = {name: counts[name] for name in (*COMPILED, *LAYERS, *LIBRARIES, *PRODUCTS) if counts[name]}
    layers = any(counts[name] for name in LAYERS)
    if native and (layers or all(counts[name] for name in COMPILED)):
        return "native" if layers else "native_compiled", evidence
    if all(counts[name] for name in CUDNN):
        return "cudnn", evidence
    if layers or any(counts[name] for name in LIBRARIES):
        return "fused", evidence
    batched = counts["aten::bmm"] + counts["aten::baddbmm"]
    return ("replicated" if batched > counts["aten::mm"] + counts["aten::addmm"] else "loop"), evidence
