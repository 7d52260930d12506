"""What an experiment found, as plain data: a report is made from this alone."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

SCHEMA = 1
"""Goes up when a field changes its meaning or goes away."""

Column = Literal["as published", "corrected"]


@dataclass(frozen=True)
class Arm:
    """One way of training, over all seeds.

    Attributes
    ----------
    name
        Unique within the entry.
    column
        Which of the two columns it stands in.
    settings
        How it was trained, in words.
    figures
        Name of a figure -> one value a seed, in the order of the seeds. Shares and accuracies lie in 0..1.
    """

    name: str
    column: Column
    settings: str
    figures: Mapping[str, list[float]]


@dataclass(frozen=True)
class Claim:
    """A question to the seeds. What answers it is decided where the report is made, by the rules printed there.

    Attributes
    ----------
    kind
        ``published``: is `value` what one more seed of arm `a` could show?
        ``compare``: is `figure` of arm `a` below that of arm `b`, seed by seed?
        ``level``: is `figure` of arm `a` below the constant `value` (persistence, the best stateless model)?
        ``share``: is `figure`, 1 or 0 a seed, 1 in most seeds?
        ``near``: can the published `value` be told from the constant `other`, given the spread over seeds?
    question
        What is asked, in words.
    about
        ``post``: the answer decides whether the post is reproduced. ``flaw``: it says what the flaw did. ``remains``:
        it says what is left of the post's sentence. ``floor``: it holds a figure against what needs no memory.
    yes, no, same
        What to say if the answer is yes, no, or that there is no difference; the question is repeated where empty.
    rounding
        Half a unit of the last digit that was published.
    """

    kind: Literal["published", "compare", "level", "share", "near"]
    about: Literal["post", "flaw", "remains", "floor"]
    question: str
    figure: str
    a: str
    yes: str = ""
    no: str = ""
    same: str = ""
    b: str = ""
    value: float | None = None
    other: float | None = None
    rounding: float = 0.0


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

    def __post_init__(self) -> None:
        # NumPy's own booleans are no JSON.
        object.__setattr__(self, "holds", bool(self.holds))


@dataclass(frozen=True)
class Entry:
    """Everything one id found.

    Attributes
    ----------
    published, flaw
        What was published, and what is wrong with the set-up.
    baselines
        Figure -> name of a prediction without a network -> its value.
    traces
        Curves for a figure of the page: name -> an array as nested lists.
    notes
        What a reader must know: what was cut, chosen or mapped.
    """

    id: str
    post: str
    title: str
    published: str
    flaw: str
    seeds: list[int]
    arms: list[Arm] = field(default_factory=list)
    baselines: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    traces: Mapping[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The entry as JSON holds it."""
        return asdict(self)


def no_or_same(text: str) -> dict[str, Any]:
    """One sentence for a claim that is not so, whether reversed or without a difference."""
    return {"no": text, "same": text}


def values(array: Any, digits: int = 6) -> list[float]:
    """Figures of all seeds, rounded to so many significant digits."""
    return [float(f"{value:.{digits}g}") for value in np.asarray(array, float).ravel()]


def trace(array: Any, digits: int = 4) -> Any:
    """Curves rounded to so many decimals, as nested lists."""
    return np.asarray(array, float).round(digits).tolist()
