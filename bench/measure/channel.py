"""What a case's process and the run tell each other: JSON values, one a line, over a pipe.

Not pickles in frames, as `multiprocessing` sends them: a process that writes something else there, whatever it is, must
neither run code in the process that watches nor keep it waiting for the rest of a frame.
"""

import json
import os
from collections import deque
from multiprocessing.connection import Connection
from typing import Any

MOST_BYTES = 2**28
"""Of a line: a hundred times the largest record of the presets that come with the suite."""

PIECE = 2**18
AT_ONCE = 2**24
"""Bytes that one look reads at most, so that others are looked at too."""


class GarbageError(ValueError):
    """What arrived is no JSON value in a line of its own."""


class Channel:
    """One end of a pipe.

    Attributes
    ----------
    ended
        Whether the other end is closed and all that came is read.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.ended = False
        self._begun = bytearray()
        self._values: deque[Any] = deque()

    def send(self, value: Any) -> None:
        """Write a value, whole."""
        left = memoryview(json.dumps(value).encode() + b"\n")
        while left:
            left = left[os.write(self.connection.fileno(), left) :]

    def receive(self) -> Any:
        """Wait for a value.

        Raises
        ------
        EOFError
            If the other end is closed.
        """
        while not self._values:
            if self.ended:
                raise EOFError
            self._read()
        return self._values.popleft()

    def look(self) -> Any:
        """Return the next value that has arrived whole, without waiting; None where there is none.

        Raises
        ------
        GarbageError
            Showing what arrived instead.
        """
        if not self._values and not self.ended:
            os.set_blocking(self.connection.fileno(), False)
            try:
                for _ in range(AT_ONCE // PIECE):
                    self._read()
                    if self.ended or self._values:
                        break
            except BlockingIOError:
                pass
        return self._values.popleft() if self._values else None

    @property
    def waiting(self) -> bool:
        """Whether `look` has a value without reading."""
        return bool(self._values)

    def _read(self) -> None:
        try:
            piece = os.read(self.connection.fileno(), PIECE)
        except ConnectionResetError:
            piece = b""
        if not piece:
            self.ended = True
            return
        *lines, rest = piece.split(b"\n")
        for line in lines:
            whole, self._begun = bytes(self._begun + line), bytearray()
            try:
                self._values.append(json.loads(whole))
            except (ValueError, RecursionError) as error:
                raise GarbageError(_shown(whole)) from error
        self._begun += rest
        if len(self._begun) > MOST_BYTES:
            raise GarbageError(_shown(bytes(self._begun)))


def _shown(raw: bytes) -> str:
    return f"{len(raw):,} bytes that are no message, beginning with {raw[:60]!r}"
