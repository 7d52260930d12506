"""What would make figures measured on this machine unreliable: its steadiness, and each finding with its remedy."""

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

SPREAD = 0.05
DRIFT = 0.03
STALLS = 0.02
STEAL = 0.005
BUSY = 0.1
LEAST_CORES = 2
LEAST_BYTES = 4 * 2**30


@dataclass(frozen=True)
class Finding:
    """one reason why figures may be unreliable."""

    what: str
    remedy: str


def findings(machine: dict[str, Any], watched: dict[str, Any], steadiness: dict[str, Any]) -> list[Finding]:
    """List the reasons, the gravest first.

    Parameters
    ----------
    machine
        Fingerprint (`bench.machine.host.fingerprint`), with what `bench.machine.host.facts` read.
    watched
        What `bench.machine.sensors.Sampler` saw while the steadiness was measured.
    steadiness
        `bench.machine.checks.Steadiness.to_dict`.
    """
    return [*_of_now(watched, steadiness), *_of_the_machine(machine, watched)]


def _of_now(watched: dict[str, Any], steadiness: dict[str, Any]) -> Iterator[Finding]:
    if steadiness["spread"] > SPREAD:
        yield Finding(
            f"equal pieces of work differ: their middle half spans {steadiness['spread']:.1%} of the median",
            "close other programs, or measure when the machine is quiet; compare ratios, not seconds",
        )
    if abs(steadiness["drift"]) > DRIFT:
        word = "slower" if steadiness["drift"] > 0 else "faster"
        yield Finding(
            f"the machine became {abs(steadiness['drift']):.1%} {word} within the measurement",
            "let it run warm before measuring; on a laptop, plug it in and let it cool",
        )
    if steadiness["stalls"] > STALLS:
        yield Finding(
            f"{steadiness['stalls']:.1%} of the pieces took half as long again",
            "look for programs that wake up now and then; medians bear some of it, means do not",
        )
    if (watched.get("other_load") or 0.0) > BUSY:
        yield Finding(
            f"other programs take {watched['other_load']:.0%} of the cores",
            "close them, or wait until they are done",
        )
    if (watched.get("steal") or 0.0) > STEAL:
        yield Finding(
            f"the host took away {watched['steal']:.1%} of this virtual machine's time",
            "use a machine with cores of its own; nothing inside the virtual one helps",
        )
    if watched.get("swapped_bytes"):
        yield Finding("memory was swapped to disk while measuring", "close what takes memory, or add some")
    if watched.get("throttled"):
        yield Finding(
            "cores were slowed down for their heat", "cool the machine, or limit its clock to what it can keep"
        )
    for number, gpu in enumerate(watched.get("accelerators") or []):
        if gpu["slowed_by"]:
            yield Finding(
                f"GPU {number} was slowed down by {', '.join(gpu['slowed_by'])}",
                "cool it, or raise its power limit if you may",
            )


def _of_the_machine(machine: dict[str, Any], watched: dict[str, Any]) -> Iterator[Finding]:
    quota, cores = machine.get("quota_cores"), len(machine.get("affinity") or [])
    if quota is not None and quota < cores:
        yield Finding(
            f"this container sees {cores} cores, but is stopped when it has used the time of {quota:g}",
            "give it whole cores (a cpuset) instead of a quota",
        )
    if cores < LEAST_CORES:
        yield Finding(
            f"{cores} core may be used, so whatever else runs takes its time from what is measured",
            f"allow this process at least {LEAST_CORES} cores",
        )
    if min(machine.get("quota_bytes") or machine["memory_bytes"], machine["memory_bytes"]) < LEAST_BYTES:
        yield Finding("less than 4 GiB of memory: long windows and XLA's compiler may not fit", "allow more memory")
    if machine.get("governor") not in (None, "performance"):
        yield Finding(
            f"the clock follows the load (governor {machine['governor']})",
            "as root: echo performance | tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
        )
    if machine.get("turbo"):
        yield Finding(
            "the clock may rise above its base and fall back as the chip warms up",
            "as root: echo 1 > /sys/devices/system/cpu/intel_pstate/no_turbo, or echo 0 > .../cpufreq/boost",
        )
    if machine.get("hyperthreads"):
        yield Finding(
            "two threads share a core, so a core's speed depends on its neighbour",
            "bind the run to one thread of each core with taskset",
        )
    if machine.get("virtual_machine"):
        yield Finding(
            "this is a virtual machine: neighbours share its caches and memory, and its clock is not told truly",
            "repeat the run at another time; trust ratios of interleaved cases",
        )
    if machine.get("accelerators") and not watched.get("accelerators"):
        yield Finding(
            "there is a GPU, but nothing tells its clocks, power and heat",
            "pip install nvidia-ml-py (the extra `nvml`)",
        )


SECONDS = 30.0
PIECE_S = 0.01
"""Duration of a piece: a hundred times what a scheduler's tick or an interrupt takes."""


@dataclass(frozen=True)
class Steadiness:
    """Pieces of equal work.

    Attributes
    ----------
    seconds
        Duration of each piece, shape (pieces,).
    """

    seconds: tuple[float, ...]

    @property
    def spread(self) -> float:
        """Middle half of the durations over their median."""
        low, middle, high = statistics.quantiles(self.seconds, n=4)
        return (high - low) / middle

    @property
    def drift(self) -> float:
        """Median of the last third over that of the first, less one: positive where the machine slowed down."""
        third = len(self.seconds) // 3
        return statistics.median(self.seconds[-third:]) / statistics.median(self.seconds[:third]) - 1

    @property
    def stalls(self) -> float:
        """Share of the pieces that took half as long again as the median."""
        limit = 1.5 * statistics.median(self.seconds)
        return sum(one > limit for one in self.seconds) / len(self.seconds)

    def to_dict(self) -> dict[str, Any]:
        """Summary, as profile.json holds it."""
        return {
            "pieces": len(self.seconds),
            "median_seconds": statistics.median(self.seconds),
            "spread": self.spread,
            "drift": self.drift,
            "stalls": self.stalls,
        }


def watch(seconds: float = SECONDS) -> Steadiness:
    """Time pieces on one core: an array that fits the first cache, so that memory and threads play no part."""
    values = np.linspace(0.0, 1.0, 2048)
    found = np.empty_like(values)

    def piece(repetitions: int) -> float:
        begin = time.perf_counter()
        for _ in range(repetitions):
            np.sin(values, out=found)
        return time.perf_counter() - begin

    repetitions = 1
    while (taken := piece(repetitions)) < PIECE_S:
        repetitions = max(repetitions + 1, min(8 * repetitions, int(1.2 * PIECE_S / taken * repetitions)))
    end = time.perf_counter() + seconds
    durations: list[float] = []
    while time.perf_counter() < end or len(durations) < 6:
        durations.append(piece(repetitions))
    return Steadiness(tuple(durations))
