"""Ratios of timed cases that differ in one thing, process by process, with intervals that rest on all of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from reports.collect.engine_pairs import ENGINE_PAIRS, EnginePair
from reports.collect.grouping import USUAL, Setting
from reports.costs.blocks import Blocks, log_ratios
from reports.costs.timings import Timing, Which
from reports.statistics.intervals import Ratio
from reports.statistics.moderated import Common, Error, common, error_of, moderated_ratio
from reports.statistics.running_time import FloatArray

EQUAL_PARAMETERS = 0.03
"""A GRU and an LSTM whose parameters differ by less are compared as equals: units are whole numbers."""

NO_RATIO = Ratio(float("nan"), 0.0, float("inf"), float("nan"), "none", 0)


@dataclass(frozen=True)
class Contrast:
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
        other = f"{self.a.setting.cell_name} u{self.a.setting.units} against " if self.other_units else ""
        regime = f" {self.b.regime}" if self.a.regime == self.b.regime else ""
        return f"{other}{self.shown.label}{regime}"

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


@dataclass(frozen=True)
class Contrasts:
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
    training = common(_logs(a, b, _training) for _, a, b in pairs)
    inference = common(_logs(a, b, _inference) for _, a, b in pairs)
    found = [
        Contrast(
            what,
            a,
            b,
            moderated_ratio(_logs(a, b, _training), training),
            moderated_ratio(_logs(a, b, _inference), inference) if a.inference and b.inference else NO_RATIO,
            error_of(_logs(a, b, _training), training),
        )
        for what, a, b in pairs
    ]
    return Contrasts(found, training, inference)


def _training(one: Timing) -> dict[int, Blocks]:
    return one.blocks


def _inference(one: Timing) -> dict[int, Blocks]:
    return one.passes


def _logs(a: Timing, b: Timing, read: Callable[[Timing], dict[int, Blocks]]) -> FloatArray:
    return log_ratios(read(a), read(b))


def _pairs(measured: list[Timing]) -> Iterator[tuple[str, Timing, Timing]]:
    """(what, a, b), kind by kind."""
    by_which: dict[Which, Timing] = {(one.setting, one.regime): one for one in measured}
    rules: list[tuple[str, Callable[[Setting, str], Which | None]]] = [
        ("stateful / stateless", lambda s, r: (s, "stateless") if r == "stateful" else None),
        ("unrolled / loop", _kernel("unrolled", "loop")),
        ("XLA loop / loop", _kernel("xla", "loop")),
        ("XLA unrolled / loop", _kernel("xla_unrolled", "loop")),
        ("implementation 1 / 2", _kernel("loop_implementation_1", "loop")),
        ("cuDNN / loop", _kernel("cudnn", "loop")),
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
    for lstm in measured:
        for gru in measured:
            if lstm.setting.cell == "lstm" and gru.setting.cell == "gru" and _equals(lstm, gru):
                yield "GRU / LSTM of as many parameters", gru, lstm


def _behind_fit(one: Timing) -> tuple[str, str]:
    """What Keras chose for `fit`, as its graph tells: on a GPU cuDNN or XLA, to which the plain loop is no equal."""
    evidence = one.body.get("evidence") or {}
    if evidence.get("CudnnRNNV3"):
        return "fit / cuDNN", "cudnn"
    return ("fit / XLA loop", "xla") if evidence.get("XlaMustCompile") else ("fit / loop", "loop")


def _kernel(one: str, other: str) -> Callable[[Setting, str], Which | None]:
    return _field("kernel", one, other)


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


def _equals(lstm: Timing, gru: Timing) -> bool:
    same = replace(gru.setting, cell="lstm", units=lstm.setting.units) == lstm.setting and gru.regime == lstm.regime
    parameters = [one.body.get("parameters") for one in (gru, lstm)]
    return bool(same and all(parameters)) and abs(parameters[0] / parameters[1] - 1) <= EQUAL_PARAMETERS  # type: ignore[operator]
