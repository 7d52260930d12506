"""A Python loop over updates; the state is an argument of each and a result, cut from the graph that made it.

Of Keras layers `replicated` is the same function of one model, mapped over a block of them by `torch.vmap`: each
operation then works on all models at once, and what it costs to start it is shared.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import torch
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

from bench.engines.base import Array, Predicts, Progress, Weights, Work, adam
from bench.engines.stack import KerasStack, Scoring, Series, at_rows, errors_of, mean_error

Tensor = Any


class TorchTrainer(ABC):
    """See `bench.engines.base.Trainer` for the methods; layers and optimiser are those of who inherits."""

    def __init__(self, work: Work, device: str) -> None:
        network, replicates = work.network, work.layout.replicates
        self.work = work
        self._device = device
        self._options = {"dtype": getattr(torch, network.dtype), "device": device}
        self._step_weights = self._tensor(work.feed.step_weights)
        self._series = Series.of(work, self._tensor, lambda rows: torch.as_tensor(rows, device=device))
        self._scoring = Scoring(work.held_out, work.sequences)
        self._first_rows = torch.zeros(replicates, dtype=torch.int64, device=device)
        self._states: list[Any] = []

    @abstractmethod
    def place(self, slot: int, weights: Weights, learning_rate: float, seed: int, first_row: int = 0) -> None:
        """Put a fresh model into a slot; PyTorch draws dropout from one stream for the whole block."""

    @abstractmethod
    def weights(self, slot: int) -> Weights:
        """Copy the weights of the model in a slot."""

    def train(self, starts: Array, *, reset: bool, evaluate: Predicts | None = None) -> Progress:
        """Make one update for each row of `starts`, then evaluate."""
        if reset:
            self._reset()
        # Once a call: a copy to a GPU in each update would wait for the one before.
        self._step_weights = self._tensor(self.work.feed.step_weights)
        # Keras puts what it makes on this device.
        with keras.device(self._device):
            losses = [self._update(rows) for rows in self._rows(starts)]
            loss = torch.stack(losses).cpu() if losses else torch.zeros(0, self.work.layout.replicates)
            figures = [None] if evaluate is None else self._evaluate(evaluate)
        self._wait()
        return Progress(loss.numpy(), *figures)

    @torch.no_grad()
    def infer(self, starts: Array) -> None:
        """Make one forward pass for each row of `starts`; see `bench.engines.base.Timed`."""
        steps = torch.arange(self.work.layout.steps, device=self._device)
        with keras.device(self._device):
            for rows in self._rows(starts):
                after = self._pass(self._series.inputs[rows[..., None] + steps], self._before(rows))
                self._states = [*self._states[1:], after]
        self._wait()

    def idle(self, starts: Array) -> None:
        """Go through the rows of `starts` as `train` does, and do nothing with them."""
        for _ in self._rows(starts):
            pass

    def one_update(self) -> None:
        """Make the forward and backward pass of an update, and leave the model as it is."""
        layout = self.work.layout
        with keras.device(self._device):
            self._gradient(torch.zeros(layout.replicates, layout.batch_size, dtype=torch.int64, device=self._device))

    @property
    @abstractmethod
    def _zeros(self) -> Any:
        """States at the beginning of an epoch."""

    @abstractmethod
    def _injected(self, starts: Tensor) -> Any:
        """States that a regime sets before these rows, (R, B); None where it sets none."""

    def _before(self, starts: Tensor) -> Any:
        """States that windows begin from; starts (R, B)."""
        injected = self._injected(starts)
        if injected is not None:
            return injected
        return self._series.continued(self._states[0], starts) if self.work.feed.carried else self._zeros

    def _reset(self) -> None:
        # The oldest first.
        self._states = [self._zeros] * self.work.feed.updates_old

    @abstractmethod
    def _update(self, starts: Tensor) -> Tensor:
        """One weight update of every replicate; starts (R, B). Returns the loss before it, (R,)."""

    @abstractmethod
    def _gradient(self, starts: Tensor) -> tuple[Tensor, Any, Any]:
        """Loss before the update, (R,), gradient of the weights, and states after it."""

    @abstractmethod
    def _pass(self, x: Tensor, states: Any) -> Any:
        """States after a forward pass; x (R, B, T, F)."""

    @abstractmethod
    def _evaluate(self, way: Predicts) -> list[Array]:
        """Errors and, of labels, hits, each (R, targets)."""

    def _windows(self, starts: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Inputs and targets of the windows that begin here, and which of them count."""
        return self._series.windows(starts, torch.arange(self.work.layout.steps, device=self._device))

    def _loss(self, predictions: Tensor, targets: Tensor, counted: Tensor | None) -> Tensor:
        """Mean error over the batch, weighted over steps: (..., B, T, O) -> (...)."""
        return mean_error(errors_of(self.work.network.loss, predictions, targets), self._step_weights, counted)

    def _found(self, every: Array, way: Predicts) -> Array:
        """What is predicted in a way of what windows found at each step, (R, targets, steps)."""
        return self._scoring.of(every, way, self._first_rows.cpu().numpy())

    def _wait(self) -> None:
        if self._device == "cuda":
            # The last loss is there before the last weights are.
            torch.cuda.synchronize()

    def _rows(self, starts: Array) -> Tensor:
        return torch.as_tensor(starts, device=self._device, dtype=torch.int64)

    def _tensor(self, array: Array) -> Tensor:
        return torch.as_tensor(np.asarray(array), **self._options)


class KerasTrainer(TorchTrainer):
    """Keras layers, called with all that they depend on."""

    def __init__(self, work: Work, kernel: str, device: str) -> None:
        super().__init__(work, device)
        network, layout = work.network, work.layout
        self._replicated = kernel == "replicated"
        self._sizes = [int(np.prod(shape)) for shape in network.weight_shapes]
        # Left to itself, Keras takes cuDNN on a GPU and, on a CPU, its own quickest loop.
        use_cudnn = True if kernel == "cudnn" else "auto" if device == "cpu" else False
        with keras.device(device):
            self._stack = KerasStack(network, unroll=False, use_cudnn=use_cudnn)
            zeros = self._stack.zero_states(layout.batch_size)
        self._rates = torch.zeros(layout.replicates, 1, **self._options)
        self._step = torch.zeros_like(self._rates)
        # All weights of a model in one row, so that Adam is a dozen operations and not a dozen for each.
        self._weights = torch.zeros(layout.replicates, network.parameters, **self._options)
        self._moments = (torch.zeros_like(self._weights), torch.zeros_like(self._weights))
        self._no_states = [[self._tensor(np.zeros((layout.replicates, *s.shape))) for s in layer] for layer in zeros]
        self._reset()

    @property
    def _zeros(self) -> Any:
        return self._no_states

    def _injected(self, starts: Tensor) -> Any:
        injected = self._series.injected
        return None if injected is None else at_rows(injected, starts)

    def place(self, slot: int, weights: Weights, learning_rate: float, seed: int, first_row: int = 0) -> None:
        """Put a fresh model into a slot."""
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

    def _update(self, starts: Tensor) -> Tensor:
        loss, gradient, after = self._gradient(starts)
        self._states = [*self._states[1:], after]
        self._step += 1
        self._weights, self._moments = adam(self._weights, gradient, self._moments, self._step, self._rates)
        return loss

    def _gradient(self, starts: Tensor) -> tuple[Tensor, Tensor, Any]:
        x, y, counted = self._windows(starts)
        weights = self._weights.requires_grad_()
        predictions, after = self._each(self._forward)(weights, self._before(starts), x)
        loss = self._loss(predictions, y, counted)
        # The replicates share no weight, so the gradient of a sum of losses is each replicate's own.
        (gradient,) = torch.autograd.grad(loss.sum(), weights)
        weights.requires_grad_(False)
        return loss.detach(), gradient, [[state.detach() for state in layer] for layer in after]

    def _forward(self, weights: Tensor, states: Any, x: Tensor) -> tuple[Tensor, Any]:
        seeds = self._stack.seeds if self.work.network.dropout else None
        predictions, after, _ = self._stack(self._unpacked(weights), states, x, seeds)
        return predictions, after

    def _pass(self, x: Tensor, states: Any) -> Any:
        forward = self._each(lambda weights, states, x: self._stack(self._unpacked(weights), states, x)[:2])
        return forward(self._weights, states, x)[1]

    @torch.no_grad()
    def _evaluate(self, way: Predicts) -> list[Array]:
        score = self._stack.stream if way == "carried" else self._stack.windows
        each = self._each(lambda weights, first: score(self._unpacked(weights), self._series, self._scoring, first))
        every = [one.cpu().numpy() for one in each(self._weights, self._first_rows)]
        return every if way == "carried" else [self._found(one, way) for one in every]

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
