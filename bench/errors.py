"""Errors that a user can mend: each names the wrong value, the valid ones and the remedy."""

from collections.abc import Iterable
from difflib import get_close_matches


class PlanError(ValueError):
    """What was asked for cannot be run; nothing was trained."""


class RunFolderError(RuntimeError):
    """A results folder cannot be used for this run."""


def unknown(what: str, name: object, valid: Iterable[str], where: str = "") -> PlanError:
    """Build the error for a name that does not exist, with the nearest valid one and all of them."""
    valid = sorted(valid)
    near = get_close_matches(str(name), valid, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    place = f" in {where}" if where else ""
    return PlanError(f"unknown {what} {str(name)!r}{place}.{hint} Valid: {', '.join(valid)}.")
