"""Engines kept apart: what a run says of one framework is counted without the others."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from bench.engines import ENGINES
from reports.collect.grouping import Setting
from reports.collect.read import Run

T = TypeVar("T")


def in_order(names: Iterable[str]) -> list[str]:
    """Each name once, in the order of `bench.engines.ENGINES`; those of other packages at the end."""
    known = list(ENGINES)
    return sorted(set(names), key=lambda name: (known.index(name) if name in known else len(known), name))


def engines_of(run: Run) -> list[str]:
    """Engines of a run's records."""
    return in_order(record.case.engine for record in run.records)


def by_engine(things: Iterable[T], setting: Callable[[T], Setting]) -> dict[str, list[T]]:
    """Things by the engine of their setting, in order."""
    things = list(things)
    return {
        engine: [one for one in things if setting(one).engine == engine]
        for engine in in_order(setting(one).engine for one in things)
    }


def engine_by_engine(things: Sequence[T], setting: Callable[[T], Setting], say: Callable[[list[T]], str]) -> str:
    """What is to be said of things: once for each engine, and with its name where there are several."""
    return said({engine: say(some) for engine, some in by_engine(things, setting).items()}) or say([])


def said(by_name: dict[str, str]) -> str:
    """Join what is said of each engine, named where there are several; "" for what says nothing."""
    if len(by_name) == 1:
        return next(iter(by_name.values()))
    return " ".join(f"On {engine}: {text}" for engine, text in by_name.items() if text)
