"""What the machine did while something was timed: other load, clocks, throttling, swap, energy.

Read from the operating system at a low rate by a thread that sleeps in between; what a machine does not tell is left
out, never estimated.
"""

import statistics
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

PERIOD_S = 0.25
"""A sample takes about a tenth of a millisecond, so that sampling costs less than a thousandth of a core."""

LEAST_S = 0.5
"""Shorter than this, the kernel's ticks of 10 ms say nothing of the load."""

POWERCAP = Path("/sys/class/powercap")
THROTTLES = "/sys/devices/system/cpu"

ENERGY = "energy of "


class Sampler:
    """Watches the machine from entering to leaving a ``with``; entered again, it adds to what it saw before.

    Parameters
    ----------
    powercap
        Folder of the kernel's energy counters (RAPL).
    cpus
        Folder of the kernel's counts of thermal throttling.
    period
        Seconds between samples.
    """

    def __init__(self, *, powercap: Path = POWERCAP, cpus: Path = Path(THROTTLES), period: float = PERIOD_S) -> None:
        self._powercap, self._cpus, self._period = powercap, cpus, period
        self._process = psutil.Process()
        self._gpu = AcceleratorSensors()
        self._samples: dict[str, list[float]] = {}
        self._passed: dict[str, float] = {}
        self._untold: set[str] = set()
        self._seconds = 0.0

    def __enter__(self) -> Self:
        self._begin = time.perf_counter()
        self._before = self._counters()
        self._gpu.begin()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=(self._stop,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._seconds += time.perf_counter() - self._begin
        self._gpu.end()
        after = self._counters()
        # What was not told once, on either side, would leave a stretch out of its sum.
        self._untold |= self._before.keys() ^ after.keys()
        for name in self._before.keys() & after.keys():
            value, wraps_at = after[name]
            passed = value - self._before[name][0]
            self._passed[name] = self._passed.get(name, 0.0) + (passed if passed >= 0 else passed + wraps_at)
        self._sample()

    def found(self) -> dict[str, Any]:
        """What was seen (docs/records.md, `machine` of a time record); None for what this machine does not tell."""
        passed = {name: value for name, value in self._passed.items() if name not in self._untold}
        cores = psutil.cpu_count() or 1
        busy, own, all_time = (passed[name] for name in ("busy", "own", "all"))
        energy = {name.removeprefix(ENERGY): value for name, value in passed.items() if name.startswith(ENERGY)}
        return {
            "seconds": self._seconds,
            "own_cores": own / self._seconds,
            # Counted by the kernel in ticks of 10 ms: too coarse for a moment, and a little below zero at times.
            "other_load": None if self._seconds < LEAST_S else max(0.0, busy - own) / (self._seconds * cores),
            "steal": passed["steal"] / all_time if all_time else 0.0,
            "swapped_bytes": int(passed["swapped"]),
            "throttled": int(passed["throttled"]) if "throttled" in passed else None,
            "frequency_mhz": _spread(self._samples.get("frequency", [])),
            "energy_joules": energy or None,
            "accelerators": self._gpu.found(),
        }

    def _watch(self, stop: threading.Event) -> None:
        while not stop.wait(self._period):
            self._sample()

    def _sample(self) -> None:
        frequency = psutil.cpu_freq()
        if frequency is not None and frequency.current:
            self._samples.setdefault("frequency", []).append(float(frequency.current))
        self._gpu.sample()

    def _counters(self) -> dict[str, tuple[float, float]]:
        """What has been counted since the start of the machine or the process, and where a counter begins anew."""
        cpu, own, swap = psutil.cpu_times(), self._process.cpu_times(), psutil.swap_memory()
        steal = float(getattr(cpu, "steal", 0.0))
        idle = float(cpu.idle + getattr(cpu, "iowait", 0.0))
        total = float(sum(cpu) - getattr(cpu, "guest", 0.0) - getattr(cpu, "guest_nice", 0.0))
        throttled = throttle_count(self._cpus)
        plain = {
            "busy": total - idle - steal,
            "own": float(own.user + own.system),
            "all": total,
            "steal": steal,
            "swapped": float(swap.sin + swap.sout),
        } | ({} if throttled is None else {"throttled": float(throttled)})
        energy = {ENERGY + name: counter for name, counter in energy_counters(self._powercap).items()}
        return {name: (value, 0.0) for name, value in plain.items()} | energy


def energy_counters(folder: Path = POWERCAP) -> dict[str, tuple[float, float]]:
    """Energy of each processor package: joules so far, and where the counter wraps; {} where the kernel tells none.

    Only packages: their parts (cores, memory controller) are inside them and must not be added.
    """
    found = {}
    for zone in sorted(folder.glob("*:[0-9]*")):
        try:
            name = (zone / "name").read_text(encoding="ascii").strip()
            if zone.name.count(":") != 1 or not name.startswith("package"):
                continue
            joules, most = (
                float((zone / file).read_text(encoding="ascii")) * 1e-6 for file in ("energy_uj", "max_energy_range_uj")
            )
        except (OSError, ValueError):
            # Since 2020 the counters may be read by root alone (CVE-2020-8694).
            continue
        found[name] = (joules, most)
    return found


def throttle_count(folder: Path) -> int | None:
    """Times that a core was slowed down for its heat since the start of the machine; None where not counted."""
    counts = []
    for file in folder.glob("cpu[0-9]*/thermal_throttle/core_throttle_count"):
        try:
            counts.append(int(file.read_text(encoding="ascii")))
        except (OSError, ValueError):
            continue
    return sum(counts) if counts else None


def _spread(values: list[float]) -> dict[str, float] | None:
    """Least, middle and most."""
    if not values:
        return None
    return {"least": min(values), "median": statistics.median(values), "most": max(values)}


SLOWED = {
    0x0000000000000004: "power cap",
    0x0000000000000008: "hardware slowdown",
    0x0000000000000020: "heat (software)",
    0x0000000000000040: "heat (hardware)",
    0x0000000000000080: "power brake",
}
"""Bits of nvmlDeviceGetCurrentClocksThrottleReasons that mean slower than asked for; idle and set clocks are none."""


def load() -> Any | None:
    """NVIDIA's library, ready to use; None where there is none."""
    try:
        import pynvml  # noqa: PLC0415 - optional
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


def accelerator_bytes(library: Any | None = None) -> list[int]:
    """Memory of each GPU, in bytes; [] where NVIDIA's library tells none."""
    nvml = load() if library is None else library
    if nvml is None:
        return []
    devices = map(nvml.nvmlDeviceGetHandleByIndex, range(nvml.nvmlDeviceGetCount()))
    return [int(nvml.nvmlDeviceGetMemoryInfo(device).total) for device in devices]


class AcceleratorSensors:
    """Samples of every GPU of this machine.

    Parameters
    ----------
    library
        Stands in for NVIDIA's; found by `load` if None.
    """

    def __init__(self, library: Any | None = None) -> None:
        self._nvml: Any = load() if library is None else library
        count = self._nvml.nvmlDeviceGetCount() if self._nvml else 0
        self._devices = [self._nvml.nvmlDeviceGetHandleByIndex(i) for i in range(count)] if self._nvml else []
        self._samples: list[dict[str, list[float]]] = [{} for _ in self._devices]
        self._reasons = [0 for _ in self._devices]
        self._before: list[float | None] = [None for _ in self._devices]
        self._energy: list[float | None] = [0.0 for _ in self._devices]

    def begin(self) -> None:
        """Note the energy counters."""
        self._before = [self._joules(device) for device in self._devices]

    def end(self) -> None:
        """Add what was used since `begin`; from a device that does not tell once, nothing."""
        after = [self._joules(device) for device in self._devices]
        self._energy = [
            None if so_far is None or before is None or now is None else so_far + now - before
            for so_far, before, now in zip(self._energy, self._before, after, strict=True)
        ]

    def sample(self) -> None:
        """Read every GPU once; what one does not tell is left out."""
        nvml = self._nvml
        for number, device in enumerate(self._devices):
            readings: dict[str, Any] = {
                "load": lambda device=device: nvml.nvmlDeviceGetUtilizationRates(device).gpu / 100,
                "clock_mhz": lambda device=device: nvml.nvmlDeviceGetClockInfo(device, nvml.NVML_CLOCK_SM),
                "watts": lambda device=device: nvml.nvmlDeviceGetPowerUsage(device) / 1000,
                "celsius": lambda device=device: nvml.nvmlDeviceGetTemperature(device, nvml.NVML_TEMPERATURE_GPU),
            }
            for name, reading in readings.items():
                with suppress(nvml.NVMLError):
                    value = float(reading())
                    self._samples[number].setdefault(name, []).append(value)
            with suppress(nvml.NVMLError):
                self._reasons[number] |= nvml.nvmlDeviceGetCurrentClocksThrottleReasons(device)

    def found(self) -> list[dict[str, Any]]:
        """One entry a GPU: medians, why it slowed down at any time, joules between each `begin` and `end`, or None."""
        return [
            {name: statistics.median(values) for name, values in samples.items()}
            | {
                "slowed_by": [text for bit, text in SLOWED.items() if reasons & bit],
                "energy_joules": energy,
            }
            for samples, reasons, energy in zip(self._samples, self._reasons, self._energy, strict=True)
        ]

    def _joules(self, device: Any) -> float | None:
        try:
            return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(device)) / 1000
        except self._nvml.NVMLError:
            return None
