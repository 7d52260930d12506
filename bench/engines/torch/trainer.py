"""A Python loop over updates; the state is an argument of each and a result, cut from the graph that made it.

`replicated` is the same function of one model, mapped over a block of them by `torch.vmap`: each operation then works
on all models at once, and what it costs to start it is shared.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

from bench.engines.base import Array, Predicts, Progress, Weights, Work, adam
from bench.engines.stack import Stack, at_rows

Tensor = Any


class TorchTrainer:
    """See `bench.engines.base.Trainer` for the methods."""

    def __init__(self, work: Work, kernel: str, device: str) -> None:
        network, layout = work.network, work.layout
        if kernel != "replicated" and layout.replicates != 1:
            raise ValueError(f"kernel {kernel!r} trains one model at a time, not {layout.replicates}")
        self.work = work
        self._replicated = kernel == "replicated"
        self._device = device
        self._options = {"dtype": getattr(torch, network.dtype), "device": device}
        self._sizes = [int(np.prod(shape)) for shape in network.weight_shapes]
        # Left to itself, Keras takes cuDNN on a GPU and, on a CPU, its own quickest loop.
        use_cudnn = True if kernel == "cudnn" else "auto" if device == "cpu" else False
        with keras.device(device):
            self._stack = Stack(network, unroll=False, use_cudnn=use_cudnn)
            zeros = self._stack.zero_states(layout.batch_size)
        self._step_weights = self._tensor(work.feed.step_weights)
        self._inputs = self._tensor(work.inputs)
        self._targets = self._tensor(work.targets)
        injected = None if work.injected is None else [[self._tensor(s) for s in layer] for layer in work.injected]
        self._series = self._inputs, self._targets, injected
        self._rates = torch.zeros(layout.replicates, 1, **self._options)
        self._first_rows = torch.zeros(layout.replicates, dtype=torch.int64, device=device)
        self._step = torch.zeros_like(self._rates)
        # All weights of a model in one row, so that Adam is a dozen operations and not a dozen for each.
        self._weights = torch.zeros(layout.replicates, network.parameters, **self._options)
        self._moments = (torch.zeros_like(self._weights), torch.zeros_like(self._weights))
        self._zeros = [[self._tensor(np.zeros((layout.replicates, *s.shape))) for s in layer] for layer in zeros]
        # The oldest first.
        self._states = [self._zeros] * work.feed.updates_old

    def place(self, slot: int, weights: Weights, learning_rate: float, seed: int, first_row: int = 0) -> None:
        """Put a fresh model into a slot; PyTorch draws dropout from one stream for the whole block."""
        if self.work.network.dropout:
            torch.manual_seed(seed)
        self._weights[slot] = self._tensor(np.concatenate([weight.reshape(-1) for weight in weights]))
        for array in (*self._moments, self._step):
            array[slot] = 0
        self._states = [[[state.clone() for state in layer] for layer in states] for states in self._states]
        for state in (state for states in self._states for layer in states for state in layer):
            state[slot] = 0
        self._rates[slot] = learning_rate
        self._first_rows[slot] = first_row

    def weights(self, slot: int) -> Weights:
        """Copy the weights of the model in a slot."""
        return [weight.cpu().numpy().copy() for weight in self._unpacked(self._weights[slot])]

    @property
    def models(self) -> list[Any]:
        """See `bench.engines.base.Packed`."""
        return [leaf.cpu().numpy().copy() for leaf in tree_flatten(self._model())[0]]

    @models.setter
    def models(self, models: list[Any]) -> None:
        _, structure = tree_flatten(self._model())
        own = [torch.as_tensor(model, device=self._device).clone() for model in models]
        self._weights, self._moments, self._step, self._states, self._rates, self._first_rows = tree_unflatten(
            own, structure
        )

    def _model(self) -> tuple[Any, ...]:
        return self._weights, self._moments, self._step, self._states, self._rates, self._first_rows

    def train(self, starts: Array, *, reset: bool, evaluate: Predicts | None = None) -> Progress:
        """Make one update for each row of `starts`, then evaluate."""
        if reset:
            self._states = [self._zeros] * self.work.feed.updates_old
        # Once a call: a copy to a GPU in each update would wait for the one before.
        self._step_weights = self._tensor(self.work.feed.step_weights)
        # Keras puts what it makes on this device.
        with keras.device(self._device):
            losses = [self._update(rows) for rows in self._rows(starts)]
            loss = torch.stack(losses).cpu() if losses else torch.zeros(0, len(self._weights))
            figures = [None] if evaluate is None else self._evaluate(evaluate)
        if self._device == "cuda":
            # The last loss is there before the last weights are.
            torch.cuda.synchronize()
        return Progress(loss.numpy(), *figures)

    @torch.no_grad()
    def infer(self, starts: Array) -> None:
        """Make one forward pass for each row of `starts`; see `bench.engines.base.Timed`."""
        steps = torch.arange(self.work.layout.steps, device=self._device)
        forward = self._each(lambda weights, states, x: self._stack(self._unpacked(weights), states, x)[:2])
        with keras.device(self._device):
            for rows in self._rows(starts):
                _, after = forward(self._weights, self._before(rows), self._inputs[rows[..., None] + steps])
                self._states = [*self._states[1:], after]
        if self._device == "cuda":
            torch.cuda.synchronize()

    def idle(self, starts: Array) -> None:
        """Go through the rows of `starts` as `train` does, and do nothing with them."""
        for _ in self._rows(starts):
            pass

    def one_update(self) -> None:
        """Make the forward and backward pass of an update, and leave the model as it is."""
        layout = self.work.layout
        with keras.device(self._device):
            self._gradient(torch.zeros(layout.replicates, layout.batch_size, dtype=torch.int64, device=self._device))

    def _update(self, starts: Tensor) -> Tensor:
        """One weight update of every replicate; starts (R, B). Returns the loss before it, (R,)."""
        loss, gradient, after = self._gradient(starts)
        self._states = [*self._states[1:], after]
        self._step += 1
        self._weights, self._moments = adam(self._weights, gradient, self._moments, self._step, self._rates)
        return loss

    def _gradient(self, starts: Tensor) -> tuple[Tensor, Tensor, Any]:
        rows = starts[..., None] + torch.arange(self.work.layout.steps, device=starts.device)
        weights = self._weights.requires_grad_()
        predictions, after = self._each(self._forward)(weights, self._before(starts), self._inputs[rows])
        errors = self._stack.errors(predictions, self._targets[rows])
        loss = (errors.mean(1) * self._step_weights).sum(-1)
        # The replicates share no weight, so the gradient of a sum of losses is each replicate's own.
        (gradient,) = torch.autograd.grad(loss.sum(), weights)
        weights.requires_grad_(False)
        return loss.detach(), gradient, [[state.detach() for state in layer] for layer in after]

    def _before(self, starts: Tensor) -> Any:
        """States that windows begin from; starts (R, B)."""
        injected = self._series[2]
        if injected is not None:
            return at_rows(injected, starts)
        return self._states[0] if self.work.feed.carried else self._zeros

    def _forward(self, weights: Tensor, states: Any, x: Tensor) -> tuple[Tensor, Any]:
        seeds = self._stack.seeds if self.work.network.dropout else None
        predictions, after, _ = self._stack(self._unpacked(weights), states, x, seeds)
        return predictions, after

    @torch.no_grad()
    def _evaluate(self, way: Predicts) -> list[Array]:
        score = self._stack.stream if way == "carried" else self._stack.windows
        each = self._each(
            lambda weights, first: score(self._unpacked(weights), self._series, self.work.held_out, first)
        )
        every = [one.cpu().numpy() for one in each(self._weights, self._first_rows)]
        return [{"carried": one, "sliding": one[..., -1], "positions": one.mean(-1)}[way] for one in every]

    def _each(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Make a function of one model one of the block: mapped, or called on the only one."""
        if self._replicated:
            return torch.vmap(function, randomness="different")

        def call(*arguments: Any) -> Any:
            own = tree_map(lambda array: array[0], arguments)
            return tree_map(lambda array: array[None], function(*own))

        return call

    def _unpacked(self, weights: Tensor) -> list[Tensor]:
        """One model's weights, (parameters,), in Keras' order and shapes."""
        shapes = self.work.network.weight_shapes
        return [part.view(shape) for part, shape in zip(weights.split(self._sizes), shapes, strict=True)]

    def _rows(self, starts: Array) -> Tensor:
        return torch.as_tensor(starts, device=self._device, dtype=torch.int64)

    def _tensor(self, array: Array) -> Tensor:
        return torch.as_tensor(np.asarray(array), **self._options)


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
