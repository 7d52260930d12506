"""What the suite asks of a framework: a few methods, so that a second one is one more package beside this file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from tasks.task import Loss

Array = npt.NDArray[Any]
Predicts = Literal["sliding", "carried", "positions"]
"""Ways of predicting: the last step of a sliding window from a zero state; a state carried along the held-out series;
every step of a window from a zero state, averaged."""

States = tuple[tuple[Array, ...], ...]
"""States before each row of a series: for each layer its h and, for an LSTM, its c, each of shape (rows, units)."""

Weights = list[Array]
"""One model's weights in Keras' order: kernel, recurrent kernel and bias of each layer, then the dense head's two."""


@dataclass(frozen=True)
class Network:
    """A stack of equal recurrent layers and a dense head, applied at every step.

    With ``loss="crossentropy"`` the outputs are the logits of labels, and targets the probabilities of these.
    """

    cell: str
    layers: int
    units: int
    inputs: int
    outputs: int
    dropout: float = 0.0
    dtype: str = "float32"
    loss: Loss = "mse"

    @property
    def weight_dtype(self) -> str:
        """What weights, optimiser and series are kept in: under a mixed policy only the arithmetic is narrower."""
        return self.dtype.replace("mixed_bfloat16", "float32")

    @property
    def weight_shapes(self) -> list[tuple[int, ...]]:
        """Shapes in Keras' order."""
        gates = {"lstm": 4, "gru": 3, "gru_reset_before": 3, "simple_rnn": 1}[self.cell]
        width = gates * self.units
        # Keras gives the cuDNN-compatible GRU two biases, one on each side of the reset gate.
        bias = (2, width) if self.cell == "gru" else (width,)
        shapes: list[tuple[int, ...]] = []
        for layer in range(self.layers):
            shapes += [(self.units if layer else self.inputs, width), (self.units, width), bias]
        return [*shapes, (self.units, self.outputs), (self.outputs,)]

    @property
    def parameters(self) -> int:
        """Number of trainable parameters."""
        return sum(int(np.prod(shape)) for shape in self.weight_shapes)


@dataclass(frozen=True)
class Layout:
    """The shapes of one compiled computation; cases that agree in network and layout share it.

    Attributes
    ----------
    steps
        Steps of a training window, burn-in included.
    batch_size
        Windows in one update.
    max_updates
        Most updates one call makes.
    replicates
        Models trained side by side.
    """

    steps: int
    batch_size: int
    max_updates: int
    replicates: int = 1


class Sequences(NamedTuple):
    """Boundaries within a series, and which rows have a target, for every row of it; each array of shape (rows,).

    Attributes
    ----------
    begins
        The state before this row is zero, whatever was before.
    first, end
        The first row of the sequence that it belongs to, and the row after its last.
    counted
        Whether it has a target: others have no loss.
    """

    begins: Any
    first: Any
    end: Any
    counted: Any


@dataclass(frozen=True)
class HeldOut:
    """What an evaluation scores.

    Attributes
    ----------
    start
        First held-out row: a carried state starts here, from zero.
    positions
        Rows whose targets are scored, shape (targets,).
    steps
        Steps of a sliding window that ends at a scored row.
    foreign
        For each of them the last row of another window, whose final state the sliding window begins from; None where
        it begins from zero.
    """

    start: int
    positions: Array
    steps: int
    foreign: Array | None = None

    def windows(self, sequences: Sequences | None) -> tuple[Array, Array]:
        """First row of each scored row's window, and at which step of it that row stands, both of shape (targets,).

        A window that would begin before its scored row's sequence does begins with that, and ends later instead; what
        comes after the scored row is not looked at.
        """
        ends = self.positions
        firsts = np.zeros_like(ends) if sequences is None else sequences.first[ends]
        first = np.maximum(firsts, ends - self.steps + 1)
        return first, ends - first


@dataclass(frozen=True)
class Feed:
    """How windows are fed: the part of a regime that the engine needs, as data, so that regimes share a computation.

    Attributes
    ----------
    step_weights
        Weight of each step's mean squared error in the loss, shape (steps,); they add up to 1.
    carried
        The state passes from update to update.
    hidden_only
        Of the states of a layer h alone does; c begins from zero in each window, in the carried way of predicting too.
    updates_old
        The state passes to the update that is so many later; 1 is the next.
    """

    step_weights: Array
    carried: bool
    hidden_only: bool = False
    updates_old: int = 1


@dataclass(frozen=True)
class Work:
    """All that a trainer needs to know.

    Attributes
    ----------
    inputs, targets
        The whole series, shapes (rows, features) and (rows, outputs).
    injected
        States that each window begins from, by its first row; None where the regime says what it begins from.
    sequences
        Where the series is several sequences: a window that begins where one does begins from a zero state, and rows of
        a window beyond the end of its sequence have no loss. None for one series whose rows all have a target.
    """

    network: Network
    layout: Layout
    feed: Feed
    inputs: Array
    targets: Array
    held_out: HeldOut
    injected: States | None = None
    sequences: Sequences | None = None


@dataclass(frozen=True)
class Progress:
    """What one call of `Trainer.train` found.

    Attributes
    ----------
    loss
        Training loss of each update, shape (updates, replicates).
    errors
        Error of each scored target, shape (replicates, targets): squared, mean over outputs, or the cross-entropy. None
        without evaluation.
    hits
        Of labels: 1 where the most probable one is right, else 0, of the same shape; None without labels.
    """

    loss: Array
    errors: Array | None
    hits: Array | None = None


class Trainer(Protocol):
    """Trains a block of replicates of one network on one series."""

    def place(self, slot: int, weights: Weights, learning_rate: float, seed: int, first_row: int = 0) -> None:
        """Put a fresh model into a slot: weights, optimiser at step 0, zero state, its own dropout stream.

        Several draws of a task lie one after another in one series; `first_row` is where the model's own begins, and is
        added to every row of `HeldOut`.
        """

    def weights(self, slot: int) -> Weights:
        """The weights of the model in a slot."""

    def train(self, starts: Array, *, reset: bool, evaluate: Predicts | None = None) -> Progress:
        """Make one update for each row of `starts`, then evaluate.

        Parameters
        ----------
        starts
            First row of each window, shape (updates, replicates, batch_size); no updates is allowed.
        reset
            Begin from a zero state (a new epoch); otherwise from the state of the last call.
        evaluate
            The way of predicting to score, or None. Evaluation starts from a state of its own and leaves weights and
            training state alone.
        """


class Packed(Trainer, Protocol):
    """A trainer of kernel `replicated`, whose models can leave it and come back."""

    models: list[Any]
    """All that makes the models what they are, arrays with the slots in front. Others may be set in their place, or the
    same in another order; what was read stays as it is."""


@runtime_checkable
class Timed(Protocol):
    """A trainer that can also be timed predicting and idling; a time case of one that cannot lacks those figures."""

    def infer(self, starts: Array) -> None:
        """Make one forward pass for each row of `starts`, shape (calls, 1, batch_size), and wait until all are done.

        Outputs at every step, no dropout; the state is carried from pass to pass where the feed says so.
        """

    def idle(self, starts: Array) -> None:
        """Go through the same rows as `train`, in the same loop, without training: what the harness itself takes."""


class Engine(Protocol):
    """One framework."""

    name: str
    kernels: tuple[str, ...]

    def versions(self) -> dict[str, str]:
        """Versions of the framework and what it stands on."""

    def accelerators(self) -> list[str]:
        """Names of the GPUs that the framework can use."""

    def configure(self, *, threads: int | None, device: str, cache: Path | None, short_loops: bool) -> None:
        """Prepare this process; must come before the first computation.

        Parameters
        ----------
        threads
            Threads to use; None for the framework's own default.
        device
            "cpu" or "gpu".
        cache
            Folder through which processes share what they have compiled; None to compile everything here.
        short_loops
            Compile as `bench.engines.backend.SHORT_LOOPS` says; else with the framework's own defaults, as a user's
            program would.
        """

    def trainer(self, work: Work, kernel: str) -> Trainer:
        """Build a trainer; nothing is compiled before its first call."""

    def kernel_seen(self, trainer: Trainer) -> tuple[str, dict[str, int]]:
        """The kernel that really runs and the op counts it was read from."""

    def reset_memory_peak(self) -> None:
        """Start a new measurement of the allocator's peak."""

    def memory_peak(self) -> int:
        """Peak of the allocator since the last reset, in bytes."""


@runtime_checkable
class Primitives(Protocol):
    """An engine that also brings the operations that the machine's ceilings are measured with.

    A run with an engine that does not has no ceilings, and its report no share of them.
    """

    def primitives(self) -> Any:
        """A module with the functions of `bench.engines.tensorflow.primitives`, and its `CHAIN`."""


BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7
"""Keras' defaults."""

POWER_1, POWER_2 = float(np.float32(BETA_1)), float(np.float32(BETA_2))
"""The bases of the bias correction. On TensorFlow Keras rounds them to float32 whatever the dtype of the weights, which
in float64 changes an update by 1e-5; on JAX and PyTorch it does not. Every engine here rounds, so that all train alike;
in float32 there is no difference."""


def adam(weight: Any, gradient: Any, moments: tuple[Any, Any], step: Any, rate: Any) -> tuple[Any, tuple[Any, Any]]:
    """Update one array of weights.

    Parameters
    ----------
    weight, gradient
        Of the same shape.
    moments
        First and second moment, shaped like the weights.
    step, rate
        Updates made, this one included, and learning rate; they broadcast against the weights.
    """
    # D. P. Kingma and J. Ba, Adam, ICLR 2015, end of section 2: the order of computation that Keras uses as well.
    alpha = rate * (1 - POWER_2**step) ** 0.5 / (1 - POWER_1**step)
    first = moments[0] + (gradient - moments[0]) * (1 - BETA_1)
    second = moments[1] + (gradient * gradient - moments[1]) * (1 - BETA_2)
    return weight - first * alpha / (second**0.5 + EPSILON), (first, second)
