"""What an experiment found, as plain data that a run writes and the page is made from; imports no framework."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

SCHEMA = 1
"""Goes up when a field changes its meaning or goes away."""

DIGITS = 6
"""Significant digits of a figure."""

FloatArray = npt.NDArray[np.float64]
Column = Literal["as published", "corrected"]
Kind = Literal["published", "compare", "level", "share", "near"]
About = Literal["post", "flaw", "remains", "floor"]


@dataclass(frozen=True)
class Arm:
    """One way of training, over all seeds.

    Attributes
    ----------
    name
        Unique within the entry.
    column
        Which of the two columns it is in.
    settings
        How it was trained, in words.
    figures
        Name of a figure -> one value per seed, in the order of the seeds. Shares and accuracies lie in 0..1.
    """

    name: str
    column: Column
    settings: str
    figures: Mapping[str, npt.NDArray[Any]]

    def __post_init__(self) -> None:
        rounded = {
            name: np.array([float(f"{value:.{DIGITS}g}") for value in np.ravel(found)])
            for name, found in self.figures.items()
        }
        object.__setattr__(self, "figures", rounded)


@dataclass(frozen=True)
class Claim:
    """A question to the seeds. What answers it is decided where the page is made, by the rules printed there.

    Attributes
    ----------
    kind
        ``published``: is `value` what one more seed of arm `a` could show?
        ``compare``: is `figure` of arm `a` below that of arm `b`, seed by seed?
        ``level``: is `figure` of arm `a` below the constant `value` (persistence, the best stateless model)?
        ``share``: is `figure`, 1 or 0 per seed, 1 in most seeds?
        ``near``: can the published `value` be told from the constant `other`, given the spread over seeds?
    about
        ``post``: the answer decides whether the post is reproduced. ``flaw``: it says what the flaw did. ``remains``:
        it says what is left of the post's sentence. ``floor``: it compares a figure with what needs no memory.
    question
        What is asked, in words.
    a, b
        Names of arms.
    yes, no, same
        What to say if the answer is yes, no, or that there is no difference; the question is repeated where empty.
    rounding
        Half a unit of the last digit that was published.
    """

    kind: Kind
    about: About
    question: str
    figure: str
    a: str
    b: str = ""
    yes: str = ""
    no: str = ""
    same: str = ""
    value: float | None = None
    other: float | None = None
    rounding: float = 0.0


def ask(
    kind: Kind,
    about: About,
    question: str,
    figure: str,
    a: Arm,
    b: Arm | None = None,
    *,
    otherwise: str = "",
    **more: Any,
) -> Claim:
    """Ask about arms; `otherwise` is what to say both if the answer is no and if there is no difference."""
    if otherwise:
        more |= {"no": otherwise, "same": otherwise}
    return Claim(kind, about, question, figure, a.name, b.name if b else "", **more)


def paragraphs(text: str) -> list[str]:
    """Split a text at empty lines and undo its line breaks."""
    return [" ".join(part.split()) for part in text.split("\n\n")]


@dataclass(frozen=True)
class Check:
    """A piece of behaviour, tried on today's Keras.

    Attributes
    ----------
    statement
        What the post says or shows.
    holds
        Whether Keras did so when it was tried.
    found
        What was seen, with its figures.
    now
        How it is written now, as code; empty if nothing changed.
    """

    statement: str
    holds: bool
    found: str
    now: str = ""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What an experiment found.

    Attributes
    ----------
    baselines
        Figure -> name of a prediction without a network -> its value.
    traces
        Curves for a figure of the page: name -> an array.
    notes
        What a reader must know: what was cut, chosen or mapped.
    """

    arms: list[Arm] = field(default_factory=list)
    baselines: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    traces: Mapping[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def arm(self, name: str) -> Arm:
        """Find an arm by name."""
        return next(arm for arm in self.arms if arm.name == name)


@dataclass(frozen=True, kw_only=True)
class Entry(Findings):
    """Everything one experiment found, with what was published, and where and when it ran.

    Attributes
    ----------
    published, flaw
        What was published, and what is wrong with the set-up.
    seeds
        One training each.
    fraction
        Share of the published epochs that was trained.
    measured
        When, on what, and how busy that was before.
    data
        ``LD2011_2014`` if electricity was given that file, else ``shipped``.
    """

    id: str
    post: str
    title: str
    published: str
    flaw: str
    seeds: list[int]
    fraction: float
    measured: Mapping[str, Any]
    data: str = "shipped"
    schema: int = SCHEMA

    def to_json(self) -> str:
        """Write it."""
        # Arrays, and NumPy's own booleans.
        return json.dumps(asdict(self), ensure_ascii=False, default=lambda found: found.tolist())

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "Entry":
        """Take what was read from JSON; fields of a later version are left aside."""
        parts = {
            name: [_known(kind, one) for one in stored[name]]
            for name, kind in (("arms", Arm), ("claims", Claim), ("checks", Check))
        }
        found: Entry = _known(cls, stored | parts)
        return found


def _known(kind: Any, stored: dict[str, Any]) -> Any:
    return kind(**{one.name: stored[one.name] for one in fields(kind) if one.name in stored})
