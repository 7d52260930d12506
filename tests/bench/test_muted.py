"""What libraries print while a framework starts."""

import os

import pytest

from bench.engines.backend import muted


def test_what_a_library_writes_is_not_seen_and_what_comes_after_is(capfd):
    with muted():
        os.write(2, b"notice")
    os.write(2, b"error")
    assert capfd.readouterr().err == "error"


def test_where_the_start_fails_it_is_seen_after_all(capfd):
    def start():
        with muted():
            os.write(2, b"no such symbol")
            raise ImportError("broken")

    with pytest.raises(ImportError):
        start()
    assert capfd.readouterr().err == "no such symbol"
