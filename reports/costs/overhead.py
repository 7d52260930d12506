"""What the harness itself takes, what the machine did meanwhile, and what an update takes in energy."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from reports.costs.timings import Timing, middle

AT_SECONDS = 1e-3
"""From here on the harness may take a hundredth of an update."""

SHORT_SECONDS = 1e-4
"""Of updates below this, the least that the harness can tell is stated."""


@dataclass(frozen=True)
class Overhead:
    """The harness's own share of an update."""

    timing: Timing
    seconds: float

    @property
    def share(self) -> float:
        """Of the measured seconds an update."""
        return self.seconds / middle(self.timing.by_process)

    @property
    def long(self) -> bool:
        """Whether the update is long enough for the aim."""
        return middle(self.timing.by_process) >= AT_SECONDS

    @property
    def short(self) -> bool:
        """Whether the update is so short that the harness shows."""
        return middle(self.timing.by_process) < SHORT_SECONDS


@dataclass(frozen=True)
class Energy:
    """Joules of one update by what told them; what else ran on the machine is in them."""

    timing: Timing
    joules: dict[str, float]


@dataclass(frozen=True)
class Watched:
    """What the machine did while cases were timed, over all timed processes.

    Attributes
    ----------
    processes
        How many were watched.
    other_load
        Share of the cores that other programs took: median and most; None where not told.
    steal
        Most of the time that a host took away.
    frequency_mhz
        Least and most; None where the machine tells none.
    swapped
        Processes during which memory was swapped.
    slowed
        Processes during which cores or GPUs were slowed down for their heat or power; None where not told.
    """

    processes: int
    other_load: tuple[float, float] | None
    steal: float
    frequency_mhz: tuple[float, float] | None
    swapped: int
    slowed: int | None


def overheads(measured: list[Timing]) -> list[Overhead]:
    """Of every timed case that measured it."""
    return [Overhead(one, middle(one.overhead)) for one in measured if one.overhead]


def energies(measured: list[Timing]) -> list[Energy]:
    """Of every timed case where the machine told; the median over its processes."""
    found = []
    for one in measured:
        told: dict[str, list[float]] = {}
        for record in one.records:
            machine = record.body.get("machine") or {}
            joules = dict(machine.get("energy_joules") or {})
            for number, gpu in enumerate(machine.get("accelerators") or []):
                if gpu.get("energy_joules") is not None:
                    joules[f"GPU {number}"] = gpu["energy_joules"]
            for name, value in joules.items():
                told.setdefault(name, []).append(float(value) / machine["updates"])
        if told:
            found.append(Energy(one, {name: float(np.median(values)) for name, values in told.items()}))
    return found


def watched(measured: list[Timing]) -> Watched | None:
    """Over all timed processes; None where none was watched."""
    seen = [record.body["machine"] for one in measured for record in one.records if record.body.get("machine")]
    if not seen:
        return None
    loads = [one["other_load"] for one in seen if one.get("other_load") is not None]
    telling = [one for one in seen if one.get("throttled") is not None or one["accelerators"]]
    clocks = [one["frequency_mhz"] for one in seen if one.get("frequency_mhz")]
    return Watched(
        processes=len(seen),
        other_load=(float(np.median(loads)), max(loads)) if loads else None,
        steal=max(one.get("steal") or 0.0 for one in seen),
        frequency_mhz=(min(c["least"] for c in clocks), max(c["most"] for c in clocks)) if clocks else None,
        swapped=sum(bool(one.get("swapped_bytes")) for one in seen),
        slowed=sum(map(_slowed, telling)) if telling else None,
    )


def _slowed(one: dict[str, Any]) -> bool:
    return bool(one.get("throttled") or any(gpu["slowed_by"] for gpu in one["accelerators"]))
