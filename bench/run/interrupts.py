"""Signals that end a run: turned into one KeyboardInterrupt, held back where something is half done, never waited for.

`make` passes on SIGTERM alone. Told to end by SIGINT or SIGHUP it waits for what it has started, and killed it says
nothing at all, so the run looks at it from time to time. Which process it is the Makefile says in MAKE_PID: make may be
killed while Python starts.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE_S = 4.0
"""So long may closing take after the first signal; whatever is not written then is left as it is on disk."""

LOOK_S = 0.25
LAST_LINE = "interrupted; the same command continues"


class Interrupts:
    """What this process was told.

    Attributes
    ----------
    number
        The signal that ended it; None so far.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._holding = 0

    def install(self) -> None:
        """Take the signals of this process, and watch the `make` that started it, if one did."""
        for one in ENDING:
            # What is ignored on purpose, as under nohup, stays ignored.
            if signal.getsignal(one) is not signal.SIG_IGN:
                signal.signal(one, self._told)
        signal.signal(signal.SIGALRM, self._too_late)
        if make := os.environ.pop("MAKE_PID", ""):
            threading.Thread(target=self._watch, args=(int(make),), daemon=True).start()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Finish what is inside before a signal that arrives meanwhile takes effect."""
        self._holding += 1
        try:
            yield
        finally:
            self._holding -= 1
        if self.number is not None and not self._holding and not self._raised:
            self._interrupt()

    _raised = False

    def _told(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.number is None:
            self.number = number
            signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)
            if not self._holding:
                self._interrupt()

    def _interrupt(self) -> None:
        self._raised = True
        raise KeyboardInterrupt

    def _too_late(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        os.write(2, f"\n{LAST_LINE}\n".encode())
        # Cases end with this process, as `bench.run.worker.end_with_parent` arranges.
        os._exit(128 + (self.number or signal.SIGALRM))

    def _watch(self, make: int) -> None:
        while self.number is None:
            if os.getppid() != make or _ending(make):
                os.kill(os.getpid(), signal.SIGTERM)
                return
            time.sleep(LOOK_S)


def _ending(pid: int) -> bool:
    """Whether make is inside its handler of a signal that ends it: Linux blocks the signal for so long."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return True
    blocked = next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigBlk:")), 0)
    return any(blocked >> (one - 1) & 1 for one in ENDING)


INTERRUPTS = Interrupts()
"""This process'."""


def flush() -> None:
    """Write out what was printed, so that lines of several processes stand in order."""
    sys.stdout.flush()
    sys.stderr.flush()
