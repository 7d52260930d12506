"""How a cost grows along an axis: the exponent of a power law, and how far a power law is from the truth."""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reports.collect.grouping import Setting
from reports.statistics.intervals import t_quantile
from reports.statistics.running_time import FloatArray

SECONDS, FORWARD, COMPILE = "seconds an update", "seconds a forward pass", "compile seconds"
ALLOCATED, RESIDENT = "allocator's peak, training", "resident peak beyond the framework"

AXES = {"window": "window", "batch_size": "batch size", "units": "units"}
LEAST_POINTS = 3


@dataclass(frozen=True)
class Growth:
    """One cost along one axis, all else equal.

    Attributes
    ----------
    setting
        Of the first point.
    x, y
        The axis and the cost, shape (points,), ascending in x.
    exponent, low, high
        Least-squares slope of log y over log x, and its interval: it also holds how far the points are from any power
        law, since it rests on their distance from the line.
    last
        Exponent between the last two points: where the axis goes to.
    """

    quantity: str
    axis: str
    setting: Setting
    regime: str
    x: FloatArray
    y: FloatArray
    exponent: float
    low: float
    high: float
    last: float

    @property
    def where(self) -> str:
        """What stays as it is along the axis."""
        setting = self.setting
        layers = "" if setting.layers == 1 else f" l{setting.layers}"
        sizes = {"units": f"u{setting.units}", "window": f"L{setting.window}", "batch_size": f"B{setting.batch_size}"}
        rest = " ".join(text for axis, text in sizes.items() if axis != self.axis)
        return " ".join([f"{setting.cell_name}{layers}", rest, *setting.unusual])


def longest(every: Iterable[Growth], axis: str, quantities: tuple[str, ...]) -> dict[tuple[str, str, str], Growth]:
    """Longest float32 line of each engine, kernel and quantity on an axis, which a run may cross at several places."""
    here = [one for one in every if one.axis == axis and one.quantity in quantities and one.setting.dtype == "float32"]
    found: dict[tuple[str, str, str], Growth] = {}
    for one in sorted(here, key=lambda one: -one.x.size):
        found.setdefault((one.setting.engine, one.setting.kernel, one.quantity), one)
    return found


def growths(quantity: str, points: Iterable[tuple[Setting, str, float]]) -> list[Growth]:
    """Every axis with at least three points that differ in nothing else.

    Parameters
    ----------
    points
        (setting, regime, cost); costs that are no positive number are left out.
    """
    kept = [(setting, regime, cost) for setting, regime, cost in points if math.isfinite(cost) and cost > 0]
    found = []
    for axis in AXES:
        lines: defaultdict[tuple[Any, str], dict[int, tuple[Setting, float]]] = defaultdict(dict)
        for setting, regime, cost in kept:
            lines[_without(setting, axis), regime][getattr(setting, axis)] = (setting, cost)
        for (_, regime), line in sorted(lines.items()):
            if len(line) >= LEAST_POINTS:
                x = np.array(sorted(line), dtype=float)
                y = np.array([line[int(value)][1] for value in x])
                found.append(Growth(quantity, axis, line[int(x[0])][0], regime, x, y, *exponent(x, y), _last(x, y)))
    return found


def _without(setting: Setting, axis: str) -> Setting:
    changes: dict[str, Any] = {axis: 0}
    return replace(setting, **changes)


def exponent(x: FloatArray, y: FloatArray) -> tuple[float, float, float]:
    """Least-squares slope of log y over log x, shape (n,) each, n >= 3, and its t interval with n - 2 degrees."""
    log_x, log_y = np.log(x), np.log(y)
    across = log_x - log_x.mean()
    slope = float(across @ log_y / (across @ across))
    rest = log_y - log_y.mean() - slope * across
    error = math.sqrt(float(rest @ rest) / (x.size - 2) / float(across @ across))
    half = t_quantile(x.size - 2) * error
    return slope, slope - half, slope + half


def _last(x: FloatArray, y: FloatArray) -> float:
    return float(np.log(y[-1] / y[-2]) / np.log(x[-1] / x[-2]))
