"""PyTorch as its own users write it: `nn.LSTM`, `nn.GRU` or `nn.RNN`, and `nn.Linear`; Keras has no part in it.

PyTorch lays weights out in another way than Keras:

- A kernel is transposed, (G U, F) for (F, G U).
- A GRU's gates come reset before update; its equations are those of Keras' `reset_after=True`.
- LSTM and RNN have a second bias, which does what the first does. With both trained, their sum would move twice as far
  in an update as Keras' one: the second is held at zero.
"""

from typing import Any

import numpy as np
import torch
from torch import nn

from bench.engines.base import BETA_1, BETA_2, EPSILON, POWER_1, POWER_2, Array, Network, Predicts, Weights, Work
from bench.engines.stack import judged
from bench.engines.torch.trainer import Tensor, TorchTrainer

LAYERS: dict[str, Any] = {"lstm": nn.LSTM, "gru": nn.GRU, "simple_rnn": nn.RNN}


class NativeTrainer(TorchTrainer):
    """One model of PyTorch's own layers, its forward and backward pass compiled or not."""

    def __init__(self, work: Work, kernel: str, device: str) -> None:
        super().__init__(work, device)
        network = work.network
        make = LAYERS[network.cell]
        shape = {"num_layers": network.layers, "batch_first": True, **self._options}
        between = network.dropout if network.layers > 1 else 0.0
        self._recurrent = make(network.inputs, network.units, dropout=between, **shape)
        self._dropout = nn.Dropout(network.dropout)
        self._head = nn.Linear(network.units, network.outputs, **self._options)
        self._modules = (self._recurrent, self._dropout, self._head)
        self._layout = Parameters(network, self._recurrent, self._head)
        trained = self._layout.trained
        self._moments = tuple([torch.zeros_like(weight) for weight in trained] for _ in range(2))
        self._step, self._rate = 0, 0.0
        # Of all layers in one tensor, as PyTorch's layers take them: h and, of an LSTM, c.
        given = work.injected
        self._given: list[Tensor] | None = (
            None if given is None else [self._tensor(np.stack(states)) for states in zip(*given, strict=True)]
        )
        self._reset()
        self._whole = self._loss_and_states
        if kernel == "native_compiled":
            # Without it, Dynamo leaves these layers to run as they are: nothing but the loss would be compiled.
            torch._dynamo.config.allow_rnn = True  # noqa: SLF001 - PyTorch documents no other name for it
            self._whole = torch.compile(self._loss_and_states, dynamic=False)

    @property
    def _zeros(self) -> Any:
        # PyTorch's layers make zeros where none are handed in; but another argument would be compiled anew.
        network = self.work.network
        shape = (network.layers, self.work.layout.batch_size, network.units)
        zeros = torch.zeros(shape, **self._options)
        return (zeros, zeros) if network.cell == "lstm" else (zeros,)

    def _injected(self, starts: Tensor) -> Any:
        if self._given is None:
            return None
        return tuple(state[:, starts[0]] for state in self._given)

    def place(self, slot: int, weights: Weights, learning_rate: float, seed: int, first_row: int = 0) -> None:
        """Put a fresh model into the one slot."""
        del slot
        if self.work.network.dropout:
            torch.manual_seed(seed)
        self._layout.take(weights)
        for array in (array for moments in self._moments for array in moments):
            array.zero_()
        self._step, self._rate = 0, learning_rate
        self._reset()
        self._first_rows[0] = first_row

    def weights(self, slot: int) -> Weights:
        """Copy the weights."""
        del slot
        return self._layout.give()

    def _update(self, starts: Tensor) -> Tensor:
        loss, gradient, after = self._gradient(starts)
        self._states = [*self._states[1:], after]
        self._step += 1
        self._adam(gradient)
        return loss

    def _gradient(self, starts: Tensor) -> tuple[Tensor, Any, Any]:
        x, y, counted = self._windows(starts[0])
        self._mode(training=True)
        loss, after = self._whole(x, y, counted, self._before(starts))
        gradient = torch.autograd.grad(loss, self._layout.trained)
        return loss.detach()[None], gradient, tuple(state.detach() for state in after)

    def _loss_and_states(self, x: Tensor, y: Tensor, counted: Tensor | None, states: Any) -> tuple[Tensor, Any]:
        predictions, after = self._predict(x, states)
        return self._loss(predictions, y, counted), after

    def _predict(self, x: Tensor, states: Any) -> tuple[Tensor, Any]:
        """Predictions and states after a window; x (B, T, F), states of all layers or None for zeros."""
        h, after = self._recurrent(x, states[0] if states is not None and len(states) == 1 else states)
        return self._head(self._dropout(h)), after if isinstance(after, tuple) else (after,)

    def _pass(self, x: Tensor, states: Any) -> Any:
        self._mode(training=False)
        return self._predict(x[0], states)[1]

    @torch.no_grad()
    def _evaluate(self, way: Predicts) -> list[Array]:
        self._mode(training=False)
        scoring = self._scoring
        if way == "carried":
            found = [
                [one[which, at] for one in self._judged(self._held_out(stream), None)]
                for stream, (_, which, at) in zip(scoring.streams, scoring.in_streams, strict=True)
            ]
            return [scoring.in_order(parts)[None] for parts in zip(*found, strict=True)]
        rows = self._held_out(scoring.rows)
        states = self._injected(rows[None, :, 0])
        if scoring.foreign is not None:
            before = self._held_out(scoring.foreign)
            _, states = self._predict(self._series.inputs[before], states)
        return [self._found(one[None], way) for one in self._judged(rows, states)]

    def _judged(self, rows: Tensor, states: Any) -> list[Array]:
        """What is found at each step of windows: rows (windows, steps)."""
        predictions, _ = self._predict(self._series.inputs[rows], states)
        return [one.cpu().numpy() for one in judged(self.work.network.loss, predictions, self._series.targets[rows])]

    def _held_out(self, rows: Array) -> Tensor:
        """Rows in the model's own draw of the series."""
        return self._rows(rows) + self._first_rows

    def _mode(self, *, training: bool) -> None:
        if self._recurrent.training != training:
            for module in self._modules:
                module.train(training)

    @torch.no_grad()
    def _adam(self, gradient: Any) -> None:
        """Update all weights in place, as `bench.engines.base.adam`: `torch.optim.Adam` adds its epsilon elsewhere."""
        first, second = self._moments
        alpha = self._rate * (1 - POWER_2**self._step) ** 0.5 / (1 - POWER_1**self._step)
        torch._foreach_lerp_(first, gradient, 1 - BETA_1)
        torch._foreach_lerp_(second, torch._foreach_mul(gradient, gradient), 1 - BETA_2)  # noqa: SLF001
        below = torch._foreach_sqrt(second)  # noqa: SLF001
        torch._foreach_add_(below, EPSILON)
        torch._foreach_addcdiv_(self._layout.trained, first, below, value=-alpha)


class Parameters:
    """The parameters of PyTorch's layers, in Keras' order and shapes outside.

    Attributes
    ----------
    trained
        Those that an update changes.
    """

    def __init__(self, network: Network, recurrent: nn.Module, head: nn.Linear) -> None:
        self._head = head
        self._swapped = network.cell == "gru"
        self._layers = [
            [getattr(recurrent, f"{name}_l{layer}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
            for layer in range(network.layers)
        ]
        self.trained: list[nn.Parameter] = []
        for kernel, recurrent_kernel, bias, second in self._layers:
            self.trained += [kernel, recurrent_kernel, bias]
            if self._swapped:
                self.trained.append(second)
            else:
                second.requires_grad_(requires_grad=False)
        self.trained += [head.weight, head.bias]

    @torch.no_grad()
    def take(self, weights: Weights) -> None:
        """Copy weights of Keras' into the parameters."""
        given = iter(weights)
        for kernel, recurrent_kernel, bias, second in self._layers:
            for parameter in (kernel, recurrent_kernel):
                parameter.copy_(self._gates(next(given).T, parameter))
            both = next(given)
            both = both if self._swapped else np.stack([both, np.zeros_like(both)])
            for parameter, values in zip((bias, second), both, strict=True):
                parameter.copy_(self._gates(values, parameter))
        self._head.weight.copy_(torch.as_tensor(next(given).T.copy()))
        self._head.bias.copy_(torch.as_tensor(next(given)))

    def give(self) -> Weights:
        """Copy the parameters out, as Keras has its weights."""
        found: Weights = []
        for kernel, recurrent_kernel, bias, second in self._layers:
            one, other, first_bias, second_bias = (
                self._swap(parameter.detach().cpu().numpy()) for parameter in (kernel, recurrent_kernel, bias, second)
            )
            found += [one.T.copy(), other.T.copy()]
            found.append(np.stack([first_bias, second_bias]) if self._swapped else first_bias.copy())
        head = [parameter.detach().cpu().numpy() for parameter in (self._head.weight, self._head.bias)]
        return [*found, head[0].T.copy(), head[1].copy()]

    def _gates(self, values: Array, parameter: Tensor) -> Tensor:
        return torch.as_tensor(self._swap(np.ascontiguousarray(values)), dtype=parameter.dtype)

    def _swap(self, values: Array) -> Array:
        """Change a GRU's first two gates for each other, in either direction."""
        if not self._swapped:
            return values
        update, reset, new = np.split(values, 3)
        return np.concatenate([reset, update, new])
