"""How every program here ends: with what was asked for, or with a sentence and an exit code, never with a traceback."""

import sys
from collections.abc import Callable

from bench.errors import MOST_SAID, PlanError, printable

REFUSED, CANNOT_WRITE = 2, 3
"""Exit codes, as those of ``python -m bench``."""


class ReportError(RuntimeError):
    """What was asked for cannot be read or told; names what is wrong and the remedy."""


def answered(program: Callable[[], None]) -> int:
    """Run a program and return its exit code: 0, 2 for what cannot be read or told, 3 where files cannot be written."""
    try:
        program()
    except (ReportError, PlanError) as error:
        return _said(str(error), REFUSED)
    except BrokenPipeError:
        return 0  # a reader who closes the pipe early has read enough
    except OSError as error:
        return _said(f"cannot read or write: {error}. What was there before stays.", CANNOT_WRITE)
    return 0


def _said(why: str, code: int) -> int:
    print(f"error: {printable(why, MOST_SAID)}", file=sys.stderr)
    return code
