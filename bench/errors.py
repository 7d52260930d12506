"""Errors that a user can mend: each names the wrong value, the valid ones and the remedy."""

from collections.abc import Iterable
from difflib import get_close_matches
from unicodedata import category

MOST_SHOWN = 80
"""Characters of a wrong value that a message repeats."""

MOST_LISTED = 40
"""Valid names that a message lists."""

MOST_SAID = 3000
"""Characters of a message: a terminal's page. Lists of what is wrong may be as long as a plan."""


class PlanError(ValueError):
    """What was asked for cannot be run; nothing was trained."""


class RunFolderError(RuntimeError):
    """A results folder cannot be used for this run."""


class ClusterLostError(RuntimeError):
    """The scheduler of a cluster has gone away; what came back is written."""


def unknown(what: str, name: object, valid: Iterable[str], where: str = "") -> PlanError:
    """Build the error for a name that does not exist, with the nearest valid one and all of them."""
    valid = sorted(valid)
    text = name if isinstance(name, str) else shown(name)
    near = get_close_matches(text[:MOST_SHOWN], valid, n=1, cutoff=0.5)
    # What has a further word is no misspelling: Keras' recurrent_dropout is another thing than dropout.
    near = [one for one in near if not set(one.split("_")) < set(text.split("_"))]
    hint = f" Did you mean {near[0]!r}?" if near else ""
    place = f" in {where}" if where else ""
    left = f" and {len(valid) - MOST_LISTED:,} more" if len(valid) > MOST_LISTED else ""
    listed = ", ".join(valid[:MOST_LISTED]) + left
    return PlanError(f"unknown {what} {shown(text)}{place}.{hint} Valid: {listed}.")


def shown(value: object) -> str:
    """A wrong value as a message repeats it: short, whatever it is."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a whole number of more digits than Python writes, lists in lists in lists
        text = f"a {type(value).__name__} too large to write"
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 1]}…"


def printable(text: str, most: int | None = None) -> str:
    """Text for a terminal: control characters are written out, since some of them are commands to it.

    Parameters
    ----------
    most
        Cut what is longer than so many characters, and say so.
    """
    if most is not None and len(text) > most:
        text = f"{text[:most]}… ({len(text) - most:,} more characters)"
    if text.isprintable():
        return text
    # Python counts all spaces but one (category Zs) as not printable.
    return "".join(
        one if one.isprintable() or one in "\n\t" or category(one) == "Zs" else repr(one)[1:-1] for one in text
    )
