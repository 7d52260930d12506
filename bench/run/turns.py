"""Time cases that are compared, alive together: each computes only while it holds the baton."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from bench.measure.interleave import Said
from bench.plan.planning import Job
from bench.run.worker import Worker

LOOK_S = 0.1
"""How often the process that computes is looked at for its limits while it says nothing."""


@dataclass
class Member:
    """A case that takes turns.

    Attributes
    ----------
    sampled
        Samplings that it has finished: its updates, its forward passes.
    blocks
        Blocks that it has made in the present one.
    """

    worker: Worker
    sampled: int = 0
    blocks: int = -1
    enough: bool = False

    def next_sampling(self) -> None:
        """Count from -1, since to ask for the first block is no block."""
        self.sampled, self.blocks, self.enough = self.sampled + 1, -1, False


class Turns:
    """Starts cases one after another, then passes the baton round until all have ended.

    A case computes from its start until it asks for its first turn, so that compiling too has the machine to itself.
    Then the baton goes to whoever is furthest behind, which makes rounds of one block each; a sampling ends for all in
    the same round.
    """

    def __init__(self, jobs: Iterable[Job], start: Callable[[Job], Worker]) -> None:
        self._waiting = deque(jobs)
        self._start = start
        self._members: list[Member] = []
        self._holder: Member | None = None

    @property
    def over(self) -> bool:
        """Whether every case has ended."""
        return not (self._waiting or self._members)

    def step(self) -> dict[str, Any] | None:
        """Pass the baton on where nobody holds it, and wait a moment; the record of a case that has ended, or None."""
        if self._holder is None:
            self._holder = self._next()
        worker = self._holder.worker
        worker.wait(LOOK_S)
        record = worker.poll()
        if record is not None:
            self._members.remove(self._holder)
            self._holder = None
        elif worker.said is Said.LEFT:
            worker.said = None
            self._holder.next_sampling()
        elif worker.said is not None:
            self._holder.blocks += 1
            self._holder.enough = worker.said is Said.ENOUGH
            self._holder = None
        return record

    def stop(self) -> None:
        """End every process."""
        for member in self._members:
            member.worker.kill()
        self._members.clear()
        self._waiting.clear()

    def _next(self) -> Member:
        if self._waiting:
            self._members.append(Member(self._start(self._waiting.popleft())))
            return self._members[-1]
        member = min(self._members, key=lambda one: (one.sampled, one.blocks))
        beside = [one for one in self._members if one.sampled == member.sampled]
        done = all(one.enough and one.blocks == member.blocks for one in beside)
        if done:
            member.next_sampling()
        member.worker.grant(again=not done)
        return member
