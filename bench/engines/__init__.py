"""Engines by name; importing this package imports no framework."""

from importlib import import_module

from bench.engines.base import Engine
from bench.errors import unknown

ENGINES: dict[str, str] = {"tensorflow": "bench.engines.tensorflow"}
"""Name of an engine -> the module whose `ENGINE` it is."""


def create(name: str) -> Engine:
    """Load an engine.

    Raises
    ------
    bench.errors.PlanError
        If there is no engine of this name.
    """
    if name not in ENGINES:
        raise unknown("engine", name, ENGINES)
    engine: Engine = import_module(ENGINES[name]).ENGINE
    return engine
