"""Regimes: how windows are cut from the training series, and what happens to the state between batches."""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal


@dataclass(frozen=True)
class Regime:
    """One way of feeding a recurrent layer.

    Attributes
    ----------
    why
        What the arm is there for.
    carried
        The state after an update is the state before a later one; it is reset at the start of each epoch.
    shuffled
        Windows come in a new random order each epoch. Where the state is carried as well, it is that of another,
        unrelated stretch, in training and in prediction.
    stride_one
        A window starts at every row (and only its last step has a loss) instead of every `window` rows.
    burn_in
        Each window is preceded by steps without loss that warm the state.
    burn_in_steps
        How many; None where the preset's `burn_in` says it in windows.
    predicts
        How a model trained this way would be used, and is therefore evaluated: from a window that slides over
        the held-out series, or with its state carried along it.
    misaligned
        The state is carried to a window that does not continue the one it comes from. Such an arm reproduces what
        others published; its records carry a warning, and it decides nothing.
    injected
        What the state before each window is set from: the task's data (`tasks.task.Task.state_before`), noise, or "".
    hidden_only
        Of the states of a layer h alone is carried; c, which an LSTM has, begins from zero in each window.
    updates_old
        Between which updates the state is carried: from one to the next, or to the one so many later.
    """

    why: str
    carried: bool = False
    shuffled: bool = True
    stride_one: bool = False
    burn_in: bool = False
    burn_in_steps: int | None = None
    predicts: Literal["sliding", "carried"] = "sliding"
    misaligned: bool = False
    injected: Literal["", "task", "noise"] = ""
    hidden_only: bool = False
    updates_old: int = 1

    @property
    def foreign(self) -> bool:
        """Whether the state before a window is that after another, unrelated stretch."""
        return self.carried and self.shuffled

    @property
    def continues(self) -> bool:
        """Whether the state before a window is to be that after the rows before it."""
        return self.carried and not self.shuffled and not self.misaligned

    @property
    def sets_state(self) -> bool:
        """Whether something must happen to the state between two batches that Keras' `fit` does not do."""
        return bool(self.injected) or self.hidden_only or self.updates_old > 1


REGIMES: dict[str, Regime] = {
    "stateless": Regime("Keras' default"),
    "stateless-ordered": Regime("control: the order alone", shuffled=False),
    "stateless-burnin": Regime("control: a warm state that is not carried", burn_in=True),
    "stateless-sliding": Regime("what people usually do; a window of compute for each target", stride_one=True),
    "stateful": Regime("the claim", carried=True, shuffled=False, predicts="carried"),
    "stateful-h-only": Regime(
        "control: what the cell state of an LSTM carries",
        carried=True,
        shuffled=False,
        predicts="carried",
        hidden_only=True,
    ),
    "stateful-stale": Regime(
        "control: a state of older weights and a burn-in from it, as in recurrent replay",
        carried=True,
        shuffled=False,
        burn_in=True,
        predicts="carried",
        updates_old=8,
    ),
    "foreign-state": Regime("control: a warm start, from the state after an unrelated stretch", carried=True),
    "noise-state": Regime("control: a start from noise", injected="noise"),
    "stateful-overlapping": Regime(
        "misaligned, reproduction only: stride 1 with carried state, as many tutorials have it",
        carried=True,
        shuffled=False,
        stride_one=True,
        # What the state has seen it reads again, so the window decides, and a zero state is the nearest way to use it.
        misaligned=True,
    ),
    "stateful-injected": Regime(
        "the state of each mini-batch is set from data, for each layer, h and c apart", injected="task"
    ),
}

NUMBERED = {"stateless-burnin": "burn_in_steps", "stateful-stale": "updates_old"}
"""What a number behind the name means: `stateless-burnin@32` has 32 steps of burn-in."""

PATTERN = "|".join(
    name + ("(@[1-9][0-9]{0,5})?" if name in NUMBERED else "")
    # Longest first, so that `stateless-ordered` is not read as `stateless`.
    for name in sorted(REGIMES, key=len, reverse=True)
)
"""A regular expression of every name."""

CLAIM = ("stateful", "stateless")
"""The two arms of the claim, the one that carries state first."""


def is_regime(name: str) -> bool:
    """Whether there is a regime of that name."""
    return re.fullmatch(PATTERN, name) is not None


@cache
def regime_of(name: str) -> Regime:
    """Return the regime of a name, with the number that the name may end with."""
    kind, at, number = name.partition("@")
    if not at:
        return REGIMES[kind]
    changes: dict[str, Any] = {NUMBERED[kind]: int(number)}
    return replace(REGIMES[kind], **changes)


def in_order(names: Collection[str]) -> list[str]:
    """Names of regimes as `REGIMES` has them, those with a number by its size."""
    place = {name: number for number, name in enumerate(REGIMES)}

    def key(name: str) -> tuple[int, int]:
        kind, _, number = name.partition("@")
        return place[kind], int(number or 0)

    return sorted(dict.fromkeys(names), key=key)


def controls(names: Collection[str]) -> list[str]:
    """Those of the regimes that tell what a difference of the claim's two arms is due to."""
    return [name for name in in_order(names) if name not in CLAIM and not regime_of(name).misaligned]


def pairs(names: Collection[str]) -> list[tuple[str, str]]:
    """Every comparison that a report forms of these regimes, first over second."""
    beside = (pair for name in controls(names) for pair in ((name, "stateless"), ("stateful", name)))
    return [pair for pair in (CLAIM, *beside) if set(pair) <= set(names)]
