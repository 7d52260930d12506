"""One compiled program makes many updates; the state is an argument of it and a result.

`replicated` is the same function of one model, mapped over a block of them by `jax.vmap`.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bench.engines.base import Array, Network, Predicts, Progress, Weights, Work, adam
from bench.engines.jax.native import ScanStack
from bench.engines.stack import KerasStack, Scoring, Series, Stack, at_rows, errors_of, mean_error

Tensor = Any

LAYER_STRIDE = 1 << 24
"""Dropout counters of two layers lie this far apart: more updates than any case makes."""


class JaxTrainer:
    """See `bench.engines.base.Trainer` for the methods."""

    def __init__(self, work: Work, kernel: str) -> None:
        network, layout = work.network, work.layout
        if kernel != "replicated" and layout.replicates != 1:
            raise ValueError(f"kernel {kernel!r} trains one model at a time, not {layout.replicates}")
        # JAX makes float32 of float64 otherwise; dtypes are named everywhere, so that nothing else changes.
        jax.config.update("jax_enable_x64", network.dtype == "float64")
        self.work = work
        self._stack, self._loop = _stacks(network, kernel)
        self._series = Series.of(work, lambda array: jnp.asarray(array, network.dtype), jnp.asarray)
        self._scoring = Scoring(work.held_out, work.sequences)
        self._rates = np.zeros(layout.replicates, network.dtype)
        self._first_rows = np.zeros(layout.replicates, np.int32)
        zeros = [np.zeros((layout.replicates, *shape), network.dtype) for shape in network.weight_shapes]
        self._weights, self._first, self._second = zeros, list(zeros), list(zeros)
        self._step = np.zeros(layout.replicates, network.dtype)
        zero = [
            [np.zeros((layout.replicates, *state.shape), network.dtype) for state in layer]
            for layer in self._loop.zero_states(layout.batch_size)
        ]
        # The oldest first.
        self._zeros = [zero] * work.feed.updates_old
        self._states: Any = self._zeros
        dropouts = network.layers if network.dropout else 0
        self._seeds: list[Any] = [np.zeros((layout.replicates, 2), np.uint32)] * dropouts
        each: Callable[..., Any] = jax.vmap if kernel == "replicated" else _the_one
        self._update_each = each(self._update, in_axes=(0, 0, 0, None, None, None))
        self._pass_each = each(self._pass, in_axes=(0, 0, 0, None, None))
        self._inferring, self._idling = jax.jit(self._passes), jax.jit(self._nothing)
        self._score = jax.jit(each(self._figures, in_axes=(0, 0, None, None)))
        self._program: Any = None

    def place(self, slot: int, weights: Weights, learning_rate: float, seed: int, first_row: int = 0) -> None:
        """Put a fresh model into a slot."""
        for i, weight in enumerate(weights):
            self._weights[i] = _with_slot(self._weights[i], slot, weight)
            self._first[i] = _with_slot(self._first[i], slot, 0)
            self._second[i] = _with_slot(self._second[i], slot, 0)
        self._step = _with_slot(self._step, slot, 0)
        self._states = jax.tree.map(lambda state: _with_slot(state, slot, 0), self._states)
        for i, seeds in enumerate(self._seeds):
            self._seeds[i] = _with_slot(seeds, slot, np.array([seed, i * LAYER_STRIDE], np.uint32))
        self._rates[slot] = learning_rate
        self._first_rows[slot] = first_row

    def weights(self, slot: int) -> Weights:
        """Copy the weights of the model in a slot."""
        return [np.array(weight)[slot] for weight in self._weights]

    @property
    def models(self) -> list[Any]:
        """See `bench.engines.base.Packed`."""
        return [np.array(leaf) for leaf in jax.tree.leaves(self._model())]

    @models.setter
    def models(self, models: list[Any]) -> None:
        model, self._rates, self._first_rows = jax.tree.unflatten(jax.tree.structure(self._model()), models)
        self._weights, self._first, self._second, self._step, self._states, self._seeds = model

    def _model(self) -> tuple[Any, ...]:
        model = (self._weights, self._first, self._second, self._step, self._states, self._seeds)
        return model, self._rates, self._first_rows

    def train(self, starts: Array, *, reset: bool, evaluate: Predicts | None = None) -> Progress:
        """Make one update for each row of `starts`, then evaluate."""
        if reset:
            self._states = self._zeros
        model, losses = self.program()(*self._arguments(starts))
        self._weights, self._first, self._second, self._step, self._states, self._seeds = jax.block_until_ready(model)
        loss = np.asarray(losses)[: len(starts)]
        return Progress(loss, None) if evaluate is None else Progress(loss, *self._evaluate(evaluate))

    def infer(self, starts: Array) -> None:
        """Make one forward pass for each row of `starts`; see `bench.engines.base.Timed`."""
        (weights, *_, states, _), _, padded, calls, _, *carried_and_series = self._arguments(starts)
        self._states, _ = jax.block_until_ready(self._inferring(weights, states, padded, calls, *carried_and_series))

    def idle(self, starts: Array) -> None:
        """Go through the rows of `starts` as `train` does, and do nothing with them."""
        _, _, padded, times, *_ = self._arguments(starts)
        np.asarray(self._idling(padded, times))

    def program(self) -> Any:
        """Return the compiled training program; compiling it first where that has not been done yet."""
        if self._program is None:
            layout = self.work.layout
            nothing = np.zeros((0, layout.replicates, layout.batch_size), np.int32)
            # Ahead of time, so that what is looked at (`as_text`) is the very program that runs.
            self._program = jax.jit(self._segment).lower(*self._arguments(nothing)).compile()
        return self._program

    def planned_bytes(self) -> int:
        """Bytes that the training program takes by XLA's plan: arguments, results and temporary buffers."""
        plan = self.program().memory_analysis()
        taken = plan.argument_size_in_bytes + plan.output_size_in_bytes + plan.temp_size_in_bytes
        return int(taken - plan.alias_size_in_bytes)

    def _arguments(self, starts: Array) -> tuple[Any, ...]:
        layout, feed = self.work.layout, self.work.feed
        padded = np.zeros((layout.max_updates, layout.replicates, layout.batch_size), np.int32)
        padded[: len(starts)] = starts
        model = (self._weights, self._first, self._second, self._step, self._states, self._seeds)
        # Data, not constants: tasks and regimes of the same shapes share what is compiled.
        step_weights = np.asarray(feed.step_weights, self.work.network.dtype)
        return (model, self._rates, padded, np.int32(len(starts)), step_weights, np.bool_(feed.carried), self._series)

    def _segment(
        self, model: Any, rates: Tensor, starts: Tensor, updates: Tensor, *feed_and_series: Any
    ) -> tuple[Any, Tensor]:
        """Make `updates` updates of every replicate; starts (U, R, B). Returns the models and the losses, (U, R)."""
        losses = jnp.zeros(starts.shape[:2], self.work.network.dtype)

        def body(i: Tensor, so_far: Any) -> Any:
            model, losses = so_far
            model, loss = self._update_each(model, rates, starts[i], *feed_and_series)
            return model, losses.at[i].set(loss)

        result: tuple[Any, Tensor] = jax.lax.fori_loop(0, updates, body, (model, losses))
        return result

    def _update(
        self, model: Any, rate: Tensor, starts: Tensor, step_weights: Tensor, carried: Tensor, series: Series
    ) -> tuple[Any, Tensor]:
        """One weight update of one model; starts (B,). Returns the model and the loss before it."""
        network = self.work.network
        weights, first, second, step, (oldest, *younger), seeds = model
        x, y, counted = series.windows(starts, jnp.arange(self.work.layout.steps))
        before = _before(oldest, starts, carried, series)

        def loss_of(weights: list[Tensor]) -> tuple[Tensor, Any]:
            predictions, *rest = self._stack(weights, before, x, seeds or None)
            return mean_error(errors_of(network.loss, predictions, y), step_weights, counted), rest

        (loss, (after, drawn)), gradients = jax.value_and_grad(loss_of, has_aux=True)(weights)
        step = step + 1
        updated = [adam(w, g, (m, v), step, rate) for w, g, m, v in zip(weights, gradients, first, second, strict=True)]
        weights, moments = zip(*updated, strict=True)
        first, second = zip(*moments, strict=True)
        return (list(weights), list(first), list(second), step, [*younger, after], drawn), loss

    def _passes(self, weights: Any, states: Any, starts: Tensor, calls: Tensor, *rest: Any) -> tuple[Any, Tensor]:
        """Make `calls` forward passes; starts (U, R, B). Returns the states and a sum of each pass, (U, R)."""
        sums = jnp.zeros(starts.shape[:2], self.work.network.dtype)

        def body(i: Tensor, so_far: Any) -> Any:
            states, sums = so_far
            states, total = self._pass_each(weights, states, starts[i], *rest)
            return states, sums.at[i].set(total)

        result: tuple[Any, Tensor] = jax.lax.fori_loop(0, calls, body, (states, sums))
        return result

    def _pass(self, weights: Any, states: Any, starts: Tensor, carried: Tensor, series: Series) -> tuple[Any, Tensor]:
        """One forward pass of one model; the sum of the predictions, so that nothing of it can be left out."""
        x = series.inputs[starts[:, None] + jnp.arange(self.work.layout.steps)]
        oldest, *younger = states
        predictions, after, _ = self._stack(weights, _before(oldest, starts, carried, series), x)
        return [*younger, after], predictions.sum()

    def _nothing(self, starts: Tensor, times: Tensor) -> Tensor:
        """Loop over the rows as `_segment` does, with nothing in it."""
        found = jnp.zeros(starts.shape[:2], starts.dtype)
        result: Tensor = jax.lax.fori_loop(0, times, lambda i, found: found.at[i].set(starts[i, :, 0]), found)
        return result

    def _evaluate(self, way: Predicts) -> list[Array]:
        found = self._score(self._weights, self._first_rows, way != "carried", self._series)
        if way == "carried":
            return [np.asarray(one)[..., 0] for one in found]
        # Windows come back with all their steps, so that two ways share a compilation.
        return [self._scoring.of(np.asarray(one), way, self._first_rows) for one in found]

    def _figures(self, weights: list[Tensor], first_row: Tensor, windows: Tensor, series: Series) -> list[Tensor]:
        """What is found of one model, each (targets, steps); of a carried state it is the same at every step."""
        where = (series, self._scoring, first_row)
        shape = self._scoring.rows.shape
        return jax.lax.cond(
            windows,
            lambda: self._loop.windows(weights, *where),
            lambda: [jnp.broadcast_to(one[:, None], shape) for one in self._loop.stream(weights, *where)],
        )


def _before(states: Any, starts: Tensor, carried: Tensor, series: Series) -> Any:
    """States that windows begin from."""
    if series.injected is not None:
        return at_rows(series.injected, starts)
    kept = jax.tree.map(lambda state: jnp.where(carried, state, 0), states)
    return series.continued(kept, starts)


def _stacks(network: Network, kernel: str) -> tuple[Stack, Stack]:
    """What is trained, and the same as a loop, which is evaluated: it is quickest to compile."""
    if kernel == "native":
        stack = ScanStack(network)
        return stack, stack
    # Left to itself, Keras takes cuDNN for an LSTM on a GPU, and for a GRU a quicker scan than its general one.
    loop = False if network.cell == "lstm" else "auto"
    use_cudnn = {"cudnn": True, "unrolled": False}.get(kernel, loop)
    return (
        KerasStack(network, unroll=kernel == "unrolled", use_cudnn=use_cudnn),
        KerasStack(network, unroll=False, use_cudnn=loop),
    )


def _the_one(function: Callable[..., Any], in_axes: tuple[int | None, ...]) -> Callable[..., Any]:
    """Call a function of one model on a block of one, as `jax.vmap` would, but without an axis in the program."""

    def call(*arguments: Any) -> Any:
        own = [
            argument if axis is None else jax.tree.map(lambda array: array[0], argument)
            for argument, axis in zip(arguments, in_axes, strict=True)
        ]
        return jax.tree.map(lambda array: array[None], function(*own))

    return call


def _with_slot(array: Any, slot: int, value: Any) -> Array:
    copy = np.array(array)
    copy[slot] = value
    return copy
