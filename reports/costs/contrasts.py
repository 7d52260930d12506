"""How timed cases differ: in one thing, from themselves (A/A), and along an axis."""

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from reports.collect.grouping import ENGINE_PAIRS, USUAL, EnginePair, Setting
from reports.costs.timings import Blocks, Timing, Which, log_ratio, log_ratios, took_turns
from reports.statistics.intervals import FloatArray, Ratio, median, t_quantile
from reports.statistics.moderated import Common, Error, common, errors_of, moderated_ratios

EQUAL_PARAMETERS = 0.03
"""A GRU and an LSTM whose parameters differ by less are compared as equals: units are whole numbers."""


class Contrast(Struct, frozen=True):
    """Two timed cases that differ in `what` alone; every ratio is a / b, below 1 `a` is faster.

    `error` is that of the training ratio's logarithm, for what is computed from it.
    """

    what: str
    a: Timing
    b: Timing
    training: Ratio
    inference: Ratio
    error: Error

    @property
    def where(self) -> str:
        """What both have in common, as far as it varies."""
        other = f"{self.a.setting.cell_name} {self.a.setting.units} against " if self.other_units else ""
        regime = f" {self.b.regime}" if self.a.regime == self.b.regime else ""
        alike = self.a.setting.kernel == self.b.setting.kernel != "loop"
        return f"{other}{self.shown.label}{regime}{f' {self.b.setting.kernel}' if alike else ''}"

    @property
    def shown(self) -> Setting:
        """Setting of `b`; of two engines, which `what` names, without them."""
        return replace(self.b.setting, engine=USUAL["engine"]) if self.of_engines else self.b.setting

    @property
    def of_engines(self) -> bool:
        """Whether it is the same case by another engine."""
        return self.what in ENGINE_PAIRS

    @property
    def other_units(self) -> bool:
        """Whether the two differ in width as well."""
        return self.a.setting.units != self.b.setting.units


class Contrasts(Struct, frozen=True):
    """All ratios of a run, and how far pairs are spread in each kind."""

    found: list[Contrast]
    training: Common
    inference: Common

    def of(self, what: str) -> list[Contrast]:
        """Those of one kind."""
        return [one for one in self.found if one.what == what]

    def by(self, engine: str) -> "Contrasts":
        """Those within one engine."""
        return replace(self, found=[o for o in self.found if not o.of_engines and o.b.setting.engine == engine])

    @property
    def kinds(self) -> list[str]:
        """Kinds that were found, in order."""
        return list(dict.fromkeys(one.what for one in self.found))


def contrasts(measured: list[Timing]) -> Contrasts:
    """Find every pair that this report compares."""
    pairs = list(_pairs(measured))
    trained = [log_ratios(a.blocks, b.blocks) for _, a, b in pairs]
    passed = [log_ratios(a.passes, b.passes) for _, a, b in pairs]
    training, inference = common(trained), common(passed)
    errors = errors_of(trained, training)
    each = zip(
        pairs,
        moderated_ratios(trained, errors),
        moderated_ratios(passed, errors_of(passed, inference)),
        errors,
        strict=True,
    )
    found = [Contrast(*pair, updates, forward, error) for pair, updates, forward, error in each]
    return Contrasts(found, training, inference)


def _pairs(measured: list[Timing]) -> Iterator[tuple[str, Timing, Timing]]:
    """(what, a, b), kind by kind."""
    by_which: dict[Which, Timing] = {(one.setting, one.regime): one for one in measured}
    rules: list[tuple[str, Callable[[Setting, str], Which | None]]] = [
        ("stateful / stateless", lambda s, r: (s, "stateless") if r == "stateful" else None),
        ("unrolled / loop", _field("kernel", "unrolled", "loop")),
        ("XLA loop / loop", _field("kernel", "xla", "loop")),
        ("XLA unrolled / loop", _field("kernel", "xla_unrolled", "loop")),
        ("implementation 1 / 2", _field("kernel", "loop_implementation_1", "loop")),
        ("cuDNN / loop", _field("kernel", "cudnn", "loop")),
        ("native / loop", _field("kernel", "native", "loop")),
        ("native / cuDNN", _field("kernel", "native", "cudnn")),
        ("native compiled / native", _field("kernel", "native_compiled", "native")),
        ("GRU reset before / after", _field("cell", "gru_reset_before", "gru")),
        ("mixed bfloat16 / float32", _field("dtype", "mixed_bfloat16", "float32")),
        *((what, _by_engine(pair)) for what, pair in ENGINE_PAIRS.items()),
    ]
    for what, other in rules:
        for one in measured:
            key = other(one.setting, one.regime)
            if key is not None and key in by_which:
                yield what, one, by_which[key]
    for one in measured:
        if one.setting.kernel == "fit":
            what, kernel = _behind_fit(one)
            beside = by_which.get((replace(one.setting, kernel=kernel), one.regime))
            if beside is not None:
                yield what, one, beside
    yield from _equal_cells(measured)


def _equal_cells(measured: list[Timing]) -> Iterator[tuple[str, Timing, Timing]]:
    """Every LSTM beside the GRU that is nearest in parameters, all else equal; of several at once the narrowest."""
    grus: defaultdict[tuple[Setting, str], list[Timing]] = defaultdict(list)
    for one in measured:
        if one.setting.cell == "gru":
            grus[_as_lstm(one)].append(one)
    for some in grus.values():
        some.sort(key=_parameters)
    for lstm in measured:
        if lstm.setting.cell != "lstm":
            continue
        some = grus.get(_as_lstm(lstm), [])
        at = bisect_left(some, _parameters(lstm), key=_parameters)
        nearest = min(some[max(at - 1, 0) : at + 1], key=lambda gru: _off(gru, lstm), default=None)
        if nearest is not None and _off(nearest, lstm) <= EQUAL_PARAMETERS:
            yield "GRU / LSTM of as many parameters", nearest, lstm


def _parameters(one: Timing) -> int:
    return one.body.parameters


def _off(one: Timing, other: Timing) -> float:
    return abs(_parameters(one) / _parameters(other) - 1)


def _as_lstm(one: Timing) -> tuple[Setting, str]:
    """What a GRU and an LSTM must share to be compared: all but their width."""
    return replace(one.setting, cell="lstm", units=0), one.regime


def _behind_fit(one: Timing) -> tuple[str, str]:
    """What Keras chose for `fit`, as its graph tells: on a GPU cuDNN or XLA, to which the plain loop is no equal."""
    evidence = one.body.evidence
    if evidence.get("CudnnRNNV3"):
        return "fit / cuDNN", "cudnn"
    return ("fit / XLA loop", "xla") if evidence.get("XlaMustCompile") else ("fit / loop", "loop")


def _field(name: str, one: str, other: str) -> Callable[[Setting, str], Which | None]:
    def rule(setting: Setting, regime: str) -> Which | None:
        changes: dict[str, Any] = {name: other}
        return (replace(setting, **changes), regime) if getattr(setting, name) == one else None

    return rule


def _by_engine(pair: EnginePair) -> Callable[[Setting, str], Which | None]:
    def rule(setting: Setting, regime: str) -> Which | None:
        engine, kernel = pair.b
        here = (setting.engine, setting.kernel) == pair.a
        return (replace(setting, engine=engine, kernel=kernel), regime) if here else None

    return rule


AIM = 0.02
"""How far a case may be from itself, in the median, compared as two cases are."""


@dataclass(frozen=True, slots=True)
class SelfComparison:
    """Ratios of cases with themselves, each at least 1 (the larger over the smaller).

    Attributes
    ----------
    turns
        Of two processes of a case that took turns, block by block: what two cases that are compared differ by for no
        reason.
    passes
        Of two processes of a case that ran at different times: what figures that are not compared are uncertain by.
    blocks
        Of the even and the odd blocks of a process, one entry a process: what no repetition could take away.
    halves
        The later half of a process' blocks over its earlier half, one entry per process, above 1 or below: seconds may
        grow or shrink as the weights do (denormal numbers are slow).
    """

    turns: tuple[float, ...]
    passes: tuple[float, ...]
    blocks: tuple[float, ...]
    halves: tuple[float, ...]

    @property
    def later(self) -> tuple[float, float, float]:
        """Later over earlier half: median, and the limits of the middle nine tenths of the processes."""
        middle, low, high = (float(q) for q in np.quantile(self.halves, (0.5, 0.05, 0.95)))
        return middle, low, high

    @property
    def reached(self) -> bool:
        """Whether the aim was reached: it is for pairs that were formed as compared cases are."""
        return off(self.turns) <= AIM


def off(ratios: tuple[float, ...], share: float = 0.5) -> float:
    """How far a case is from itself in this share of the pairs, or less far; nan for none."""
    return float(np.quantile(ratios, share)) - 1 if ratios else math.nan


def self_comparison(measured: list[Timing]) -> SelfComparison:
    """Compare every case with itself."""
    turns: list[float] = []
    passes: list[float] = []
    blocks: list[float] = []
    halves: list[float] = []
    for one in measured:
        for a, b in combinations(one.blocks.values(), 2):
            (turns if took_turns(a, b) else passes).append(_apart(a, b))
        for process in one.blocks.values():
            if process.seconds.size > 3:
                even, odd = (Blocks(None, 0, process.seconds[start::2]) for start in (0, 1))
                blocks.append(_apart(even, odd))
                early, late = np.array_split(process.seconds, 2)
                halves.append(median(late) / median(early))
    return SelfComparison(tuple(turns), tuple(passes), tuple(blocks), tuple(halves))


def _apart(a: Blocks, b: Blocks) -> float:
    return math.exp(abs(log_ratio(a, b)))


SECONDS, FORWARD, COMPILE = "seconds per update", "seconds a forward pass", "compile seconds"
ALLOCATED, RESIDENT = "allocator's peak, training", "resident peak beyond the framework"

AXES = {"window": "window", "batch_size": "batch size", "units": "units"}
LEAST_POINTS = 3


class Growth(Struct, frozen=True):
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
            lines[setting.place_without(axis), regime][getattr(setting, axis)] = (setting, cost)
        for (_, regime), line in sorted(lines.items(), key=lambda item: item[0]):
            if len(line) >= LEAST_POINTS:
                x = np.array(sorted(line), dtype=float)
                y = np.array([line[int(value)][1] for value in x])
                found.append(Growth(quantity, axis, line[int(x[0])][0], regime, x, y, *exponent(x, y), _last(x, y)))
    return found


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
