"""The live bar, on a terminal made for it and without one."""

import contextlib
import io
import os
import pty
import sys

from bench.run.progress import RED, Bar


class OnTerminal:
    """Standard output as a terminal has it."""

    def __init__(self, descriptor):
        self._descriptor = descriptor

    def isatty(self):
        return True

    def fileno(self):
        return self._descriptor


def test_without_a_terminal_lines_are_plain_and_there_is_no_bar(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    said = []
    bar = Bar(said.append)
    bar.start(0, 2)
    bar.ended("[1/2] a case: FAILED", RED, "about 3 s left")
    bar.stop()
    assert said == ["[1/2] a case: FAILED"]


def everything(reading: int) -> str:
    """All that a terminal was given. A read returns what is there so far; the end is EIO on Linux."""
    parts = []
    with contextlib.suppress(OSError):
        while part := os.read(reading, 65536):
            parts.append(part)
    os.close(reading)
    return b"".join(parts).decode()


def test_a_terminal_has_lines_above_a_bar_and_colour_for_what_failed_alone(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    reading, writing = pty.openpty()
    said = []
    with monkeypatch.context() as inside:
        inside.setattr(sys, "stdout", OnTerminal(writing))
        bar = Bar(said.append)
    bar.start(1, 3)
    bar.ended("[2/3] fine [case]", "", "about 3 s left")
    bar.ended("[3/3] bad case", RED, "")
    bar.stop()
    bar.stop()
    os.close(writing)
    text = everything(reading)
    assert said == []
    assert "\x1b[31m[3/3] bad case\x1b[0m" in text
    assert "[2/3] fine [case]\r\n" in text
    assert "3/3" in text
    assert "about 3 s left" in text
