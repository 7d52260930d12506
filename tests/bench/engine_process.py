"""Train small works with an engine in a process of its own, and write what it found.

``engine_process.py ENGINE FILE``, and with a DEVICE behind it for the few that compare a GPU with a CPU.
Keras has one backend a process, so that engines are compared by files.
"""

import gc
import re
import sys
from collections import Counter
from dataclasses import replace
from functools import partial
from itertools import product
from types import SimpleNamespace

import numpy as np
from small_works import (
    BATCH,
    RATES,
    STEPS,
    UPDATES,
    random_weights,
    work,
    work_of_sequences,
    work_with_missing_targets,
)

from bench import engines
from bench.case.cases import Case
from bench.engines import hlo
from bench.engines.base import Feed
from bench.measure import initial_weights

CELLS = ("lstm", "gru", "gru_reset_before", "simple_rnn")
DEPTHS = (1, 2)
LABELS = 3
WAYS = ("sliding", "positions", "carried")
FEEDS = {
    f"{state} {loss}": Feed(weights, state == "carried")
    for state in ("carried", "zeroed")
    for loss, weights in (("every", np.full(STEPS, 1 / STEPS)), ("last", np.eye(STEPS)[-1]))
}
STARTS = (STEPS * np.arange(UPDATES)[:, None, None] + np.array([[0, 60], [3, 71]])).astype(np.int32)
"""Each replicate walks along two streams of its own, shape (updates, replicates, batch)."""
LAYER_KERNELS = ((1, "lstm"), (1, "gru"))
"""Depths and cells that are also trained with the kernels for one model, which differ in the layer."""


def tested(engine, kernel, cell, depth):
    """Whether a kernel is trained here: every one that has weights or equations of its own on every network."""
    case = Case("time", "cosine", None, cell, "stateful", depth, 3, STEPS, BATCH, kernel, engine.name, dtype="float64")
    if engines.lacks(case):
        return False
    if kernel == "native_compiled":  # tens of seconds to compile
        return (depth, cell) == (1, "gru")
    return kernel in ("replicated", "native") or (depth, cell) in LAYER_KERNELS


def learn(trainer, network, replicates, seed=0, starts=STARTS):
    """Train in two calls, an evaluation and other models between; losses, weights, errors of each way of predicting."""
    for slot in range(replicates):
        trainer.place(slot, random_weights(network, slot), RATES[slot], seed + slot)
    starts, half = starts[:, :replicates], len(starts) // 2
    first = trainer.train(starts[:half], reset=True, evaluate="carried")
    if replicates > 1:
        # The models leave the trainer, others come and go, and they return.
        models = trainer.models
        trainer.place(1, random_weights(network, 9), 0.5, seed)
        trainer.train(starts[:2], reset=True)
        trainer.models = models
    second = trainer.train(starts[half:], reset=False)
    found = {"losses": np.concatenate([first.loss, second.loss])}
    for slot in range(replicates):
        for i, weight in enumerate(trainer.weights(slot)):
            found[f"weight {slot} {i}"] = weight
    for way in WAYS:
        progress = trainer.train(starts[:0], reset=False, evaluate=way)
        found[way] = progress.errors
        if progress.hits is not None:
            found[f"{way} hits"] = progress.hits
    return found


def parity(engine, kernel, cell, depth, dtype="float64", labels=0):
    """Results under every feed, by name, from one trainer."""
    replicates = len(RATES) if kernel == "replicated" else 1
    asked = work(cell, depth, replicates, dtype, labels=labels)
    trainer, found = engine.trainer(asked, kernel), {}
    for name, feed in FEEDS.items():
        trainer.work = replace(asked, feed=feed)
        results = learn(trainer, asked.network, replicates)
        found |= {f"{cell} {depth} {kernel} {name} {what}": value for what, value in results.items()}
    found[f"{cell} {depth} {kernel} seen"] = np.array(engine.kernel_seen(trainer)[0])
    return found


def state_arms(replicates):
    """Works whose state is carried to a later update and predicts from another stretch, or is set from data."""
    plain = work("lstm", 2, replicates)
    foreign = np.roll(plain.held_out.positions, 5)
    older = replace(
        plain, feed=Feed(np.full(STEPS, 1 / STEPS), carried=True, updates_old=2),
        held_out=replace(plain.held_out, foreign=foreign),
    )  # fmt: skip
    noise = initial_weights.noise_states(len(plain.inputs), plain.network)
    return {"older": older, "noise": replace(plain, injected=noise)}


def bounded_arms(replicates):
    """Works of several sequences, which begin from zero where they do, and of a series that lacks some targets.

    By name, each with the first rows of its windows.
    """
    found = {}
    for regime in ("stateful", "stateless"):
        made, plan = work_of_sequences("lstm", 2, regime, replicates=replicates, max_updates=20)
        found[regime] = made, np.stack([plan.epoch(seed, 0) for seed in range(len(RATES))], axis=1)
    return found | {"missing": (work_with_missing_targets(carried=True, replicates=replicates), STARTS)}


def dropout(engine):
    """Losses of a network with dropout: of two seeds, and of the first again."""
    asked = work("lstm", 2, 2, dropout=0.5)
    trainer = engine.trainer(asked, "replicated")
    found = {f"dropout {i}": learn(trainer, asked.network, 2, seed)["losses"] for i, seed in enumerate((1, 5, 1))}
    return found | {"dropout replicated seen": np.array(engine.kernel_seen(trainer)[0])}


def passes(engine, kernel):
    """States after updates with a rate of 0 and after forward passes of the same windows, and what these change."""
    asked = work("lstm", 2, 1)
    trainer, found = engine.trainer(asked, kernel), {}
    for name in ("carried every", "zeroed every"):
        trainer.work = replace(asked, feed=FEEDS[name])
        trainer.place(0, random_weights(asked.network, 0), 0.0, 0)
        for what in ("trained", "inferred"):
            trainer.train(STARTS[:0, :1], reset=True)
            trainer.idle(STARTS[:3, :1])
            if what == "trained":
                trainer.train(STARTS[:3, :1], reset=False)
            else:
                trainer.infer(STARTS[:3, :1])
            (states,) = trainer._states
            # Native states of PyTorch are one tensor for all layers.
            flat = [np.asarray(state) for layer in states for state in layer]
            found[f"passes {kernel} {name} {what}"] = np.stack(flat)
            found[f"passes {kernel} {name} {what} weights"] = np.concatenate([w.ravel() for w in trainer.weights(0)])
    return found


def memory(engine):
    """Peaks of training with batches of 64 and of 128, in bytes, and the same again."""
    found = {}
    for kernel in ("loop", "native"):
        peaks = []
        for batch_size in (64, 128, 128):
            engine.reset_memory_peak()
            trainer = engine.trainer(work("gru", 1, 1, "float32", batch_size=batch_size, steps=32), kernel)
            trainer.place(0, random_weights(trainer.work.network, 0), RATES[0], 0)
            starts = np.zeros((UPDATES, 1, batch_size), np.int32)
            trainer.train(starts[:1], reset=True)
            first = engine.memory_peak()
            engine.reset_memory_peak()
            trainer.train(starts, reset=True)
            peaks.append((first, engine.memory_peak()))
            del trainer
            gc.collect()
        found[f"memory {kernel}"] = np.array(peaks)
    return found


def flag():
    """State of a layer with `stateful=True` after a batch of Keras' own training."""
    import keras  # noqa: PLC0415

    layer = keras.layers.SimpleRNN(3, stateful=True)
    model = keras.Sequential([keras.Input(batch_shape=(BATCH, STEPS, 1)), layer])
    model.compile(loss="mse")
    model.train_on_batch(np.ones((BATCH, STEPS, 1)), np.ones((BATCH, 3)))
    return {"stateful flag": keras.ops.convert_to_numpy(layer.states[0])}


def cudnn_on_jax(engine):
    """Names of kernels in programs lowered for a GPU that is not there, where Keras believes in one."""
    # Here, since Keras' backend is chosen by the engine.
    import jax  # noqa: PLC0415
    from jax.experimental import rnn  # noqa: PLC0415
    from jax.interpreters import mlir  # noqa: PLC0415
    from jaxlib import gpu_rnn  # noqa: PLC0415

    sys.modules["keras.src.backend.jax.rnn"]._is_gpu_available = lambda: True
    gpu_rnn.compute_rnn_workspace_reserve_space_sizes = lambda *_: (16, 16)
    library = SimpleNamespace(build_rnn_descriptor=lambda *_: "")
    for primitive, rule in ((rnn.rnn_fwd_p, gpu_rnn._rnn_fwd_lowering), (rnn.rnn_bwd_p, gpu_rnn._rnn_bwd_lowering)):
        mlir.register_lowering(primitive, partial(rule, library, "cu"), platform="cuda")
    found = {}
    asked = (("lstm", "cudnn"), ("lstm", "loop"), ("lstm", "unrolled"), ("gru", "loop"), ("lstm", "native"))
    for cell, kernel in asked:
        trainer = engine.trainer(work(cell, 2, 1, "float32"), kernel)
        traced = jax.jit(trainer._segment).trace(*trainer._arguments(np.zeros((0, 1, BATCH))))
        # Not `as_hlo_text`, which leaves names out.
        text = traced.lower(lowering_platforms=("cuda",)).compiler_ir("hlo").get_hlo_module().to_string()
        found[f"lowered {cell} {kernel}"] = np.array(hlo.kernel_seen(text, 1)[0])
    return found | ceilings_on_jax(engine)


def ceilings_on_jax(engine):
    """Kernels in the program of the smallest operation; every operation runs."""
    primitives = engine.primitives()
    for repeat in (
        *(primitives.product(dtype, 8) for dtype in ("float32", "float64", "bfloat16")),
        primitives.copy(64),
        primitives.host_to_device(64),
        primitives.graph_op(),
        primitives.eager_op(),
    ):
        for times in (1, 3):
            repeat(times)
    _, _, entry = primitives.chained().as_text().partition("ENTRY ")
    return {"chain": np.array([len(re.findall(r" (?:dot|custom-call)\(", entry)), primitives.CHAIN])}


def named_on_torch(engine):
    """Names that traces of a GPU would get, by what they hold."""
    named = sys.modules["bench.engines.torch.seen_kernel"].named
    cudnn = {"aten::lstm": 1, "aten::_cudnn_rnn": 1, "aten::_cudnn_rnn_backward": 1, "aten::mm": 2}
    compiled = {"CompiledFunction": 1, "CompiledFunctionBackward": 1, "aten::mm": 9}
    traces = {
        "Keras cudnn": (cudnn, False),
        "Keras fused": ({"aten::lstm": 1, "aten::mkldnn_rnn_layer": 1, "aten::mm": 2}, False),
        "Keras loop": ({"aten::mm": 9, "aten::bmm": 1}, False),
        "own native": (cudnn, True),
        "MIOpen native": ({"aten::gru": 1, "aten::miopen_rnn": 1, "aten::miopen_rnn_backward": 1}, True),
        "own native_compiled": (compiled, True),
        # The layer was left to run as it is, and the loss alone compiled: that is no compiled layer.
        "broken native": (compiled | {"aten::gru": 1}, True),
        # No layer of PyTorch's and nothing compiled: a model of its layers that ran something else.
        "lost loop": ({"aten::mm": 9}, True),
    }
    found = {f"named {name}": np.array(named(Counter(counts), native=own)[0]) for name, (counts, own) in traces.items()}
    trainer = engine.trainer(work("lstm", 1, 1, "float32"), "native")
    learn(trainer, trainer.work.network, 1)
    return found | {"library": np.array(sorted(engine.kernel_seen(trainer)[1]))}


def networks(engine, kernels):
    """Every cell and depth by every kernel that is tested with it."""
    found = {}
    for cell, depth, kernel in product(CELLS, DEPTHS, kernels):
        if tested(engine, kernel, cell, depth):
            found |= parity(engine, kernel, cell, depth)
    return found


def on_device(name, file, device):
    """Two networks by every kernel that the device has, and what it was seen to be."""
    engine = engines.create(name)
    engine.configure(threads=None, device=device, cache=None, short_loops=False)
    found = {"accelerators": np.array(engine.accelerators())}
    for (cell, depth), kernel in product((("lstm", 2), ("gru", 1)), ("replicated", "loop", "native", "cudnn")):
        case = Case("time", "cosine", None, cell, "stateful", depth, 3, STEPS, BATCH, kernel, name, dtype="float64")
        if not engines.lacks(case) and (kernel != "cudnn" or device == "gpu"):
            found |= parity(engine, kernel, cell, depth)
        elif kernel == "cudnn" and cell == "lstm" and device == "gpu":  # JAX's, in float32 alone
            found |= parity(engine, kernel, cell, depth, "float32")
    np.savez(file, **found)


def main(name, file):
    engine = engines.create(name)
    engine.configure(threads=1, device="cpu", cache=None, short_loops=False)
    kernels = [kernel for kernel in engine.kernels if kernel != "cudnn"]
    found = networks(engine, kernels)
    for kernel, replicates in (("replicated", len(RATES)), ("native", 1)):
        for arm, asked in state_arms(replicates).items():
            results = learn(engine.trainer(asked, kernel), asked.network, replicates)
            found |= {f"state {arm} {kernel} {what}": value for what, value in results.items()}
        for arm, (asked, starts) in bounded_arms(replicates).items():
            results = learn(engine.trainer(asked, kernel), asked.network, replicates, starts=starts)
            found |= {f"bounded {arm} {kernel} {what}": value for what, value in results.items()}
    found |= dropout(engine)
    for kernel in ("loop", "native"):
        found |= {f"float32 {key}": value for key, value in parity(engine, kernel, "lstm", 1, "float32").items()}
    for kernel in ("replicated", "loop", "native"):
        found |= {f"labels {key}": value for key, value in parity(engine, kernel, "gru", 1, labels=LABELS).items()}
    for kernel in kernels:
        if kernel not in ("replicated", "native_compiled"):
            found |= passes(engine, kernel)
    found |= memory(engine)
    found |= flag()
    found |= {"jax": cudnn_on_jax, "torch": named_on_torch}[name](engine)
    np.savez(file, **found)


if __name__ == "__main__":
    (on_device if len(sys.argv) > 3 else main)(*sys.argv[1:])
