"""What NVIDIA's management library tells of the GPUs: load, clocks, power, heat, why they slowed down, energy.

The package `nvidia-ml-py` is optional (extra `nvml`); without it, or without a GPU, nothing is said.
"""

import statistics
from contextlib import suppress
from typing import Any

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
