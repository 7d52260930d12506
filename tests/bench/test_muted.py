"""What libraries print, and what they import, while a framework starts."""

import os
import sys
from importlib import import_module

import pytest

from bench.engines.backend import muted, without_optional


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


def test_what_keras_could_do_without_is_hidden_while_it_is_imported_and_no_longer(monkeypatch):
    monkeypatch.delitem(sys.modules, "matplotlib", raising=False)
    monkeypatch.setitem(sys.modules, "pandas", sys)
    with without_optional():
        with pytest.raises(ModuleNotFoundError):
            import_module("matplotlib")
        assert import_module("pandas") is sys
    assert import_module("matplotlib").__file__
