"""Taking turns: of the timed cases that are alive together one computes at a time, and their blocks alternate.

A machine that others share may be half as fast for a minute. Two cases timed one after the other then differ by a
factor of two for no reason of their own; timed block by block in turn, A B A B, they share good minutes and bad ones.
"""

import time
from enum import Enum
from multiprocessing.connection import Connection
from typing import Protocol


class Baton(Protocol):
    """What a timed case holds while it computes.

    Attributes
    ----------
    waited
        Seconds so far in which it was not held.
    """

    waited: float

    def turn(self, *, enough: bool) -> bool:
        """Let the others make their block, and wait.

        Parameters
        ----------
        enough
            This case needs no further block.

        Returns
        -------
        bool
            Whether to make another block: so long as any of the cases has not enough, all of them go on, so that the
            last blocks of one have a neighbour in every other.
        """

    def leave(self) -> None:
        """Make no further block though others do, and go on computing."""


class Alone:
    """Held for ever: no other case is timed meanwhile."""

    waited = 0.0

    def turn(self, *, enough: bool) -> bool:
        """Go on until there is enough."""
        return not enough

    def leave(self) -> None:
        """Nobody is left behind."""


class Said(Enum):
    """What a process tells `bench.run.turns`."""

    MORE = "waits for its turn, needs more blocks"
    ENOUGH = "waits for its turn, has enough blocks"
    LEFT = "goes on, makes no more blocks"


class Shared:
    """Held by one of several processes; `bench.run.turns` passes it on."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.waited = 0.0

    def turn(self, *, enough: bool) -> bool:
        """Say whether there is enough, and sleep until it comes back."""
        begin = time.perf_counter()
        self._connection.send(Said.ENOUGH if enough else Said.MORE)
        again: bool = self._connection.recv()
        self.waited += time.perf_counter() - begin
        return again

    def leave(self) -> None:
        """Say so, and keep it until the next turn."""
        self._connection.send(Said.LEFT)
