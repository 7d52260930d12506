"""Which time cases take turns: those that are compared with each other, as far as they fit."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from bench.case.cases import Case

PASSES = 2
"""Repetitions are made in two passes over all cases, so that minutes lie between two processes of a case."""


def in_order(cases: Sequence[Case]) -> list[Case]:
    """Time cases in the order in which they run: pass by pass, and what is compared side by side.

    Within that the order is that in which they are named.
    """
    firsts: dict[Any, int] = {}
    for number, case in enumerate(cases):
        firsts.setdefault(_compared(case), number)
        firsts.setdefault(_network(case), number)
    return sorted(cases, key=lambda one: (one.repetition % PASSES, firsts[_compared(one)], firsts[_network(one)]))


def first(cases: Sequence[Case], most: int) -> list[Case]:
    """The cases at the head of the order, at most `most`, that take turns with each other.

    Two kernels, regimes or dtypes of one network are never parted, where that can be; so networks are taken whole.
    """
    taken: list[Case] = []
    if not cases:
        return taken
    group = next(groupby(cases, lambda one: (one.repetition % PASSES, _compared(one))))[1]
    for _, network in groupby(list(group), _network):
        together = list(network)
        if taken and len(taken) + len(together) > most:
            break
        taken += together
    return taken[:most]


def _compared(case: Case) -> tuple[Any, ...]:
    """What two cases have in common that a report compares."""
    return case.task, case.dial, case.device, case.layers, case.window, case.batch_size


def _network(case: Case) -> tuple[Any, ...]:
    return *_compared(case), case.cell, case.units
