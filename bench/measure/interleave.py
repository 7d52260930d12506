"""Interleaving timed cases that are compared: all are alive, one computes at a time, and their blocks alternate.

A machine that others share may be half as fast for a minute. Two cases timed one after the other then differ by a
factor of two for no reason of their own; timed block by block, A B A B, they share good minutes and bad ones.

Three parts in one file because they are one protocol: which cases form a group (`in_order`, `first_group`), what a
case's process does (`Turns`), and how the run passes the turn round (`Group`).
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import groupby, islice
from typing import Any, Generic, Protocol, TypeVar

from bench.case.cases import Case
from bench.measure.channel import Channel

PASSES = 2
"""Repetitions are made in two passes over all cases, so that minutes lie between two processes of a case."""

LOOK_S = 0.1
"""How often the process that computes is looked at for its limits while it says nothing."""


def in_order(cases: Sequence[Case]) -> list[Case]:
    """Time cases in the order in which they run: pass by pass, and what is compared side by side.

    Within that the order is that in which they are named. Those of one pass alone come last: their intervals rest on
    what the passes of the others show, which a run that is cut off then has.
    """
    firsts: dict[Any, int] = {}
    for number, case in enumerate(cases):
        firsts.setdefault(compared(case), number)
        firsts.setdefault(_network(case), number)
    again = {compared(case) for case in cases if case.repetition % PASSES}

    def place(one: Case) -> tuple[bool, int, int, int]:
        return compared(one) not in again, one.repetition % PASSES, firsts[compared(one)], firsts[_network(one)]

    return sorted(cases, key=place)


def first_group(cases: Iterable[Case], most: int) -> list[Case]:
    """The cases at the head of the order, at most `most`, that are interleaved with each other.

    Two kernels, regimes or dtypes of one network are never parted, where that can be; so networks are taken whole.
    One that is too large is cut, but never between two configurations of the same case.
    """
    taken: list[Case] = []
    # Of what may be the rest of a long plan no more is looked at than is needed.
    _, group = next(groupby(cases, lambda one: (one.repetition % PASSES, compared(one))), (None, iter(())))
    for _, network in groupby(group, _network):
        together = list(islice(network, most + 1))
        if taken and len(taken) + len(together) > most:
            break
        taken += together
    if len(taken) > most and taken[0].configuration:
        points = [point(case) for case in taken]
        most = next((n for n in range(most, 1, -1) if points[n - 1] != points[n]), most)
    return taken[:most]


def compared(case: Case) -> tuple[Any, ...]:
    """What two cases have in common that a report compares."""
    # Configurations are compared whatever their device.
    device = "" if case.configuration else case.device
    return case.task, case.dial, device, case.layers, case.window, case.batch_size


def point(case: Case) -> Case:
    """The case without what a configuration may change."""
    return case.replace(configuration="", device="", engine="", dtype="")


def _network(case: Case) -> tuple[Any, ...]:
    return *compared(case), case.cell, case.units


class Turns(Protocol):
    """What a timed case asks between its blocks.

    Attributes
    ----------
    waited
        Seconds so far in which others computed.
    """

    waited: float

    def begin(self) -> None:
        """Wait, with all prepared that is not timed, until nobody else computes; the second time there is no wait."""

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
    """Every turn is this case's: no other case is timed meanwhile."""

    waited = 0.0

    def begin(self) -> None:
        """Nobody computes."""

    def turn(self, *, enough: bool) -> bool:
        """Go on until there is enough."""
        return not enough

    def leave(self) -> None:
        """Nobody is left behind."""


class Signal(Enum):
    """What a process tells its `Group`."""

    READY = "has imported and built what it needs, waits to begin"
    MORE = "waits for its turn, needs more blocks"
    ENOUGH = "waits for its turn, has enough blocks"
    LEFT = "goes on, makes no more blocks"


class Interleaved:
    """Turns taken with other processes; their `Group` says whose it is."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._begun = False
        self.waited = 0.0

    def begin(self) -> None:
        """Say so, and sleep until it may."""
        # Not counted as waited for a turn: nothing is timed yet.
        if not self._begun:
            self._begun = True
            self._channel.send(Signal.READY.name)
            self._channel.receive()

    def turn(self, *, enough: bool) -> bool:
        """Say whether there is enough, and sleep until the turn comes back."""
        begin = time.perf_counter()
        self._channel.send(Signal.ENOUGH.name if enough else Signal.MORE.name)
        again: bool = self._channel.receive()
        self.waited += time.perf_counter() - begin
        return again

    def leave(self) -> None:
        """Say so, and go on until the next turn."""
        self._channel.send(Signal.LEFT.name)


Found = TypeVar("Found", covariant=True)  # noqa: PLC0105 - as short as what it is of
"""What a process has found once it has ended: in a run a record."""


class Process(Protocol[Found]):
    """A case's process as its `Group` needs it; `bench.run.worker.Worker` is one.

    Attributes
    ----------
    told
        What it told last.
    """

    told: Signal | None

    def poll(self) -> Found | None:
        """Hear what it says; its record once it has ended."""

    def wait(self, seconds: float) -> None:
        """Sleep until it says something or has ended, but no longer than this."""

    def grant(self, *, again: bool) -> None:
        """Give it its turn, and say whether for another block."""

    def kill(self) -> None:
        """End it."""


@dataclass
class Member:
    """A case of a group.

    Attributes
    ----------
    sampled
        Samplings that it has finished: its updates, its forward passes.
    blocks
        Blocks that it has made in the present one.
    """

    process: Process[Any]
    sampled: int = 0
    blocks: int = -1
    enough: bool = False

    def next_sampling(self) -> None:
        """Count from -1, since to ask for the first block is no block."""
        self.sampled, self.blocks, self.enough = self.sampled + 1, -1, False


What = TypeVar("What")
"""Of what a group is made: in a run jobs, each with a process of its own."""


class Group(Generic[What, Found]):
    """Starts cases, lets each compile in turn, then gives each its turn until all have ended.

    What no measurement contains, importing and building, several do at once, before the first computes. From then on a
    case that compiles or makes a block has the machine to itself. The turn goes to whoever is furthest behind, which
    makes rounds of one block each; a sampling ends for all in the same round.

    Parameters
    ----------
    at_once
        How many prepare at once, which keeps a core of each busy.
    """

    def __init__(self, jobs: Iterable[What], start: Callable[[What], Process[Found]], at_once: int = 1) -> None:
        self._waiting = deque(jobs)
        self._start = start
        self._at_once = at_once
        self._members: list[Member] = []
        self._preparing: list[Member] = []
        self._computing: Member | None = None

    @property
    def over(self) -> bool:
        """Whether every case has ended."""
        return not (self._waiting or self._members)

    def step(self) -> Found | None:
        """Give a turn where nobody computes, and wait a moment; the record of a case that has ended, or None."""
        while self._waiting and len(self._preparing) < self._at_once:
            self._members.append(Member(self._start(self._waiting.popleft())))
            self._preparing.append(self._members[-1])
        if self._preparing:
            self._preparing[0].process.wait(LOOK_S / len(self._preparing))
            ended = self._heard(self._preparing)
            self._preparing = [one for one in self._preparing if one in self._members and one.process.told is None]
            return ended
        if self._computing is None:
            self._computing = self._next()
        process = self._computing.process
        if process.told is None:
            process.wait(LOOK_S)
        if (record := self._heard([self._computing])) is not None:
            self._computing = None
            return record
        if process.told is Signal.LEFT:
            process.told = None
            self._computing.next_sampling()
        elif process.told is not None:
            self._computing.blocks += 1
            self._computing.enough = process.told is Signal.ENOUGH
            self._computing = None
        return None

    def stop(self) -> None:
        """End every process."""
        for member in self._members:
            member.process.kill()
        self._members.clear()
        self._preparing.clear()
        self._waiting.clear()

    def _heard(self, members: Iterable[Member]) -> Found | None:
        """Hear what they say; the record of the first that has ended, which is a member no more."""
        for member in members:
            record: Found | None = member.process.poll()
            if record is not None:
                self._members.remove(member)
                return record
        return None

    def _next(self) -> Member:
        member = min(self._members, key=lambda one: (one.sampled, one.blocks))
        if member.process.told is Signal.READY:
            member.process.grant(again=True)
            return member
        beside = [one for one in self._members if one.sampled == member.sampled]
        done = all(one.enough and one.blocks == member.blocks for one in beside)
        if done:
            member.next_sampling()
        member.process.grant(again=not done)
        return member
