"""A round: fresh processes of the two sides, base, head, head, base, all alive, their blocks taking turns."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for
from pathlib import Path
from typing import Any

import numpy as np

from bench.gate.deciding import Floats
from bench.measure.channel import GarbageError
from bench.measure.interleave import Group, Signal
from bench.run import configured
from bench.run.configured import Order

LIMIT_S = 900.0
"""Of a process, its waiting included: beyond it something hangs."""

ORDERS = (("base", "head", "head", "base"), ("head", "base", "base", "head"))
"""Rounds alternate between the two, so that no side is first more often."""


class RoundError(RuntimeError):
    """A process ended without an answer."""


class Measuring:
    """A process that measures the gate's cases one after another (`bench.measure.interleave.Process`)."""

    def __init__(self, number: int, side: str, order: Order, log: Path) -> None:
        self.told: Signal | None = None
        self._number, self._side, self._log = number, side, log
        self._begin = time.perf_counter()
        self._channel, self._process = configured.start(order, log, several=True)

    def poll(self) -> dict[str, Any] | None:
        """Hear what it says; what it found once it has ended.

        Raises
        ------
        RoundError
            If it ended, or hung, without an answer.
        """
        alive = self._process.is_alive()  # before it is heard: it can say the last and end while this looks
        try:
            message = self._channel.look()
        except GarbageError as error:
            self.kill()
            raise RoundError(f"a process of {self._side} wrote {error}") from error
        if isinstance(message, str):
            self.told = Signal[message]
            return None
        if message is not None:
            self._process.join(timeout=5)
            self.kill()
            if message["outcome"] != "ok":
                raise RoundError(f"a process of {self._side} failed: {message['message']}")
            answer: dict[str, Any] = {"number": self._number, "side": self._side} | message
            return answer
        if not alive:
            last = self._log.read_text(encoding="utf-8", errors="replace").strip()[-1000:]
            raise RoundError(f"a process of {self._side} ended with {self._process.exitcode}; error output:\n{last}")
        if time.perf_counter() - self._begin > LIMIT_S:
            raise RoundError(f"a process of {self._side} took more than {LIMIT_S:g} s")
        return None

    def wait(self, seconds: float) -> None:
        """Sleep until it says something or has ended, but no longer than this."""
        if not self._channel.waiting:
            ended = [self._process.sentinel]
            wait_for(ended if self._channel.ended else [self._channel.connection, *ended], seconds)

    def grant(self, *, again: bool) -> None:
        """Give it its turn, and say whether for another block."""
        self.told = None
        # One that has died meanwhile is found by `poll`.
        with suppress(OSError):
            self._channel.send(again)

    def kill(self) -> None:
        """End it."""
        if self._process.is_alive():
            self._process.kill()
        self._process.join()
        self._channel.connection.close()


@dataclass(frozen=True)
class Process:
    """What a process found: by key its seconds per update, block by block, and the round of the first block."""

    side: str
    blocks: dict[str, tuple[int, Floats]]
    failures: dict[str, str]
    kernels: dict[str, str]
    configuration: dict[str, Any]


def measure(orders: Sequence[tuple[str, Order]], logs: Path) -> list[Process]:
    """Run one process for each order, all taking turns; what each found, in the same sequence.

    Raises
    ------
    RoundError
        If a process ended without an answer.
    """
    logs.mkdir(parents=True, exist_ok=True)

    def begin(number: int) -> Measuring:
        side, order = orders[number]
        return Measuring(number, side, order, logs / f"{number}-{side}.log")

    # A group knows jobs only to start them: here their numbers.
    group: Group[int, dict[str, Any]] = Group(range(len(orders)), begin)
    found: dict[int, Process] = {}
    try:
        while not group.over:
            answer = group.step()
            if answer is not None:
                found[answer["number"]] = _read(answer)
    finally:
        group.stop()
    return [found[number] for number in range(len(orders))]


def alone(side: str, order: Order, logs: Path) -> dict[str, Any]:
    """What a process found that measures one job and takes no turns.

    Raises
    ------
    RoundError
        If it ended without an answer.
    """
    logs.mkdir(parents=True, exist_ok=True)
    process = Measuring(0, side, order, logs / f"{side}.log")
    try:
        while (answer := process.poll()) is None:
            process.wait(0.1)
    finally:
        process.kill()
    found: dict[str, Any] = answer["found"][0]
    return found


def _read(answer: dict[str, Any]) -> Process:
    good = [one for one in answer["found"] if one["outcome"] == "ok"]
    return Process(
        answer["side"],
        {
            one["key"]: (one["time"]["warm_up_blocks"], np.array(one["time"]["seconds_per_update"], dtype=float))
            for one in good
        },
        {one["key"]: one["message"] for one in answer["found"] if one["outcome"] != "ok"},
        {one["key"]: one["time"]["kernel_seen"] for one in good if "kernel_seen" in one["time"]},
        answer["configuration"],
    )


def log_ratio(a: Process, b: Process, key: str) -> float:
    """Logarithm of a / b of a case: the median over the rounds of blocks that both kept."""
    (first_a, one), (first_b, other) = a.blocks[key], b.blocks[key]
    start = max(first_a, first_b)
    stop = min(first_a + one.size, first_b + other.size)
    if stop <= start:
        return float(np.log(np.median(one) / np.median(other)))
    return float(np.median(np.log(one[start - first_a : stop - first_a] / other[start - first_b : stop - first_b])))


def pairs(found: Sequence[Process], key: str) -> list[float]:
    """log(head / base) of a round's two pairs: its first two processes, and its last two."""
    logs = []
    for pair in (found[:2], found[2:]):
        base, head = sorted(pair, key=lambda one: one.side)
        logs.append(log_ratio(head, base, key))
    return logs


def of_base(found: Sequence[Process], keys: Sequence[str]) -> float:
    """log(base / base) of a round, earlier over later: the median over its cases."""
    first, second = (one for one in found if one.side == "base")
    return float(np.median([log_ratio(first, second, key) for key in keys]))
