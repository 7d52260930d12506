"""Each framework at its best beside Keras on each: what was fastest of all that was timed, setting by setting."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from reports.collect.grouping import USUAL, Setting, by_engine
from reports.costs.timings import Timing, log_ratios, middle
from reports.statistics.intervals import Ratio
from reports.statistics.moderated import Common, moderated_ratio

WITHOUT_KERAS = ("native", "native_compiled")
"""Kernels that Keras has no part in."""

LIBRARIES = {
    "aten::_cudnn_rnn": "cuDNN",
    "aten::miopen_rnn": "MIOpen",
    "aten::mkldnn_rnn_layer": "oneDNN",
    "CompiledFunction": "TorchInductor",
}
"""What ran PyTorch's own layers, by what stands in a trace of an update."""


@dataclass(frozen=True, slots=True)
class Best:
    """One engine in one setting.

    Attributes
    ----------
    fastest
        Of its kernels, by the median.
    keras
        The fastest of those that are Keras'; None where none was timed.
    behind
        Seconds of `fastest` over those of the fastest of all engines; None where it is that one.
    saved
        Seconds of `fastest` over those of `keras`; None where they are one.
    """

    fastest: Timing
    keras: Timing | None
    behind: Ratio | None
    saved: Ratio | None

    @property
    def engine(self) -> str:
        """Its name."""
        return self.fastest.setting.engine

    @property
    def name(self) -> str:
        """Engine, kernel and, of PyTorch's own layers, what ran them."""
        return f"{self.engine} {self.fastest.setting.kernel}{ran_by(self.fastest)}"

    @property
    def seconds(self) -> float:
        """Of an update."""
        return middle(self.fastest.by_process)


@dataclass(frozen=True, slots=True)
class Bests:
    """All engines in one setting and regime, the fastest first; `where` names what they share."""

    setting: Setting
    regime: str
    engines: tuple[Best, ...]

    @property
    def where(self) -> str:
        """Setting and regime, without engine and kernel."""
        return f"{self.setting.label} {self.regime}"


def ran_by(one: Timing) -> str:
    """What ran PyTorch's own layers, in brackets; "" for any other kernel."""
    if one.setting.engine != "torch" or one.setting.kernel not in WITHOUT_KERAS:
        return ""
    return f" ({next((name for op, name in LIBRARIES.items() if one.body.evidence.get(op)), 'a loop in C++')})"


def bests(measured: Iterable[Timing], shared: Common) -> list[Bests]:
    """Every setting and regime that several engines timed.

    Parameters
    ----------
    shared
        How far the pairs of the run are spread, which every ratio's interval rests on.
    """
    alike: defaultdict[tuple[Setting, str], list[Timing]] = defaultdict(list)
    for one in measured:
        alike[replace(one.setting, engine=USUAL["engine"], kernel=""), one.regime].append(one)
    return [
        Bests(setting, regime, _engines(here, shared))
        for (setting, regime), here in alike.items()
        if len({one.setting.engine for one in here}) > 1
    ]


def _engines(here: list[Timing], shared: Common) -> tuple[Best, ...]:
    first = _fastest(here)

    def over(one: Timing, other: Timing | None) -> Ratio | None:
        return None if other in (None, one) else moderated_ratio(log_ratios(one.blocks, other.blocks), shared)

    found = []
    for own in by_engine(here, lambda one: one.setting).values():
        fastest = _fastest(own)
        with_keras = [one for one in own if one.setting.kernel not in WITHOUT_KERAS]
        keras = _fastest(with_keras) if with_keras else None
        found.append(Best(fastest, keras, over(fastest, first), over(fastest, keras)))
    return tuple(sorted(found, key=lambda one: one.seconds))


def _fastest(some: Sequence[Timing]) -> Timing:
    return min(some, key=lambda one: middle(one.by_process))
