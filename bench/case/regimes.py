"""Regimes: how windows are cut from the training series, and what happens to the state between batches."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Regime:
    """One way of feeding a recurrent layer.

    Attributes
    ----------
    carried
        The state after batch k is the state before batch k + 1; it is reset at the start of each epoch.
    shuffled
        Windows come in a new random order each epoch.
    stride_one
        A window starts at every row (and only its last step has a loss) instead of every `window` rows.
    burn_in
        Each window is preceded by steps without loss that warm the state.
    predicts
        How a model trained this way would be used, and is therefore evaluated: from a window that slides over
        the held-out series, or with its state carried along it.
    why
        What the arm is there for.
    misaligned
        The state is carried to a window that does not continue the one it comes from. Such an arm reproduces what
        others published; its records carry a warning, and it decides nothing.
    injected
        The state before each window is set from the task's data (`tasks.task.Task.state_before`).
    """

    carried: bool
    shuffled: bool
    stride_one: bool
    burn_in: bool
    predicts: Literal["sliding", "carried"]
    why: str
    misaligned: bool = False
    injected: bool = False


REGIMES: dict[str, Regime] = {
    "stateless": Regime(
        carried=False,
        shuffled=True,
        stride_one=False,
        burn_in=False,
        predicts="sliding",
        why="Keras' default",
    ),
    "stateless-ordered": Regime(
        carried=False,
        shuffled=False,
        stride_one=False,
        burn_in=False,
        predicts="sliding",
        why="control: the order alone",
    ),
    "stateless-burnin": Regime(
        carried=False,
        shuffled=True,
        stride_one=False,
        burn_in=True,
        predicts="sliding",
        why="control: a warm state that is not carried",
    ),
    "stateless-sliding": Regime(
        carried=False,
        shuffled=True,
        stride_one=True,
        burn_in=False,
        predicts="sliding",
        why="what people usually do; a window of compute for each target",
    ),
    "stateful": Regime(
        carried=True, shuffled=False, stride_one=False, burn_in=False, predicts="carried", why="the claim"
    ),
    "stateful-overlapping": Regime(
        carried=True,
        shuffled=False,
        stride_one=True,
        burn_in=False,
        # What the state has seen it reads again, so the window decides, and a zero state is the nearest way to use it.
        predicts="sliding",
        why="misaligned, reproduction only: stride 1 with carried state, as many tutorials have it",
        misaligned=True,
    ),
    "stateful-injected": Regime(
        carried=False,
        shuffled=True,
        stride_one=False,
        burn_in=False,
        predicts="sliding",
        why="the state of each mini-batch is set from data, for each layer, h and c apart",
        injected=True,
    ),
}

CLAIM = ("stateful", "stateless")
"""The two arms of the claim, the one that carries state first."""

CONTROLS = tuple(name for name, regime in REGIMES.items() if name not in CLAIM and not regime.misaligned)
"""Regimes that tell what a difference of the two is due to."""

PAIRS = (CLAIM, *(pair for name in CONTROLS for pair in ((name, "stateless"), ("stateful", name))))
"""Every comparison that a report forms, first over second."""
