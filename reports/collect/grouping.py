"""Which records belong together: the arms of one setting, what each engine ran, and which engines' cases compare."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Self, TypeVar

from msgspec import Struct

from bench.case.cases import Case
from bench.case.record import Record
from bench.engines import ENGINES
from reports.collect.read import Run
from tasks import dials

CELL_NAMES = {
    "lstm": "LSTM",
    "gru": "GRU",
    "gru_reset_before": "GRU (reset before)",
    "simple_rnn": "SimpleRNN",
}

USUAL = {"engine": "tensorflow", "device": "cpu", "dtype": "float32"}
"""What a name that says nothing of it means."""


_PLACES = {name: place for place, name in enumerate(ENGINES)}


class Setting(Struct, frozen=True, gc=False):
    """All of a case but its kind, regime and repetition: what two arms must share to be compared.

    In order by their fields, engines as `bench.engines.ENGINES` has them.
    """

    task: str
    dial: tuple[float, ...]
    cell: str
    layers: int
    units: int
    window: int
    batch_size: int
    kernel: str
    engine: str
    device: str
    dtype: str

    @classmethod
    def of(cls, case: Case) -> Self:
        """Build the setting of a case; its dials are a tuple, empty for none, so that settings can be sorted."""
        return cls(
            case.task,
            () if case.dial is None else dials.each(case.dial),
            case.cell,
            case.layers,
            case.units,
            case.window,
            case.batch_size,
            case.kernel,
            case.engine,
            case.device,
            case.dtype,
        )

    def __lt__(self, other: "Setting") -> bool:
        return self.place < other.place

    @property
    def place(self) -> tuple[Any, ...]:
        """What settings are in order by."""
        known = _PLACES.get(self.engine, len(_PLACES))
        # Field by field, as a report sorts settings more often than anything.
        return (
            self.task,
            self.dial,
            self.cell,
            self.layers,
            self.units,
            self.window,
            self.batch_size,
            self.kernel,
            (known, self.engine),
            self.device,
            self.dtype,
        )

    def place_without(self, axis: str) -> tuple[Any, ...]:
        """The same of all settings that differ in one number alone: it counts as 0."""
        return tuple(0 if name == axis else value for name, value in zip(SETTING, self.place, strict=True))

    @property
    def task_name(self) -> str:
        """Task with its dial; a user's own series by its column, without the fingerprint that keeps cases apart."""
        return _task_name(self.task, self.dial)

    @property
    def cell_name(self) -> str:
        """Cell as practitioners write it."""
        return CELL_NAMES.get(self.cell, self.cell)

    @property
    def unusual(self) -> tuple[str, ...]:
        """Engine, device and dtype, each where it is not what a name without it means."""
        return tuple(value for name, usual in USUAL.items() if (value := getattr(self, name)) != usual)

    @property
    def aside(self) -> str:
        """The same behind a name: " (jax, gpu)"; "" where all is usual."""
        return f" ({', '.join(self.unusual)})" if self.unusual else ""

    @property
    def network(self) -> str:
        """Cell, layers and units, and what is unusual."""
        layers = "" if self.layers == 1 else f"{self.layers} × "
        return f"{layers}{self.cell_name} {self.units}{self.aside}"

    @property
    def short(self) -> str:
        """All that usually varies but the task, and what is unusual."""
        layers = "" if self.layers == 1 else f"{self.layers} × "
        return f"{layers}{self.cell_name} {self.units}, window {self.window}, batch {self.batch_size}{self.aside}"

    def along(self, axis: str) -> str:
        """What stays as it is where `axis` (window, batch_size or units) grows."""
        layers = "" if self.layers == 1 else f"{self.layers} × "
        units = "" if axis == "units" else f" {self.units}"
        sizes = {"window": f"window {self.window}", "batch_size": f"batch {self.batch_size}"}
        rest = [text for name, text in sizes.items() if name != axis]
        return f"{', '.join([f'{layers}{self.cell_name}{units}', *rest])}{self.aside}"

    @property
    def label(self) -> str:
        """All that usually varies, and what is unusual, in one line: the name of a row or a panel."""
        return f"{self.task_name}, {self.short}"

    @property
    def reach(self) -> float | None:
        """How far back the target reaches, in steps; infinite where no window covers it, None if not known."""
        reach = about_task(self.task, self.dial).get("reach")
        return reach if reach is None or math.isinf(reach) else int(reach)

    @property
    def reach_in_windows(self) -> float | None:
        """Reach over window, D / L."""
        return None if self.reach is None else self.reach / self.window


@cache
def _task_name(task: str, dial: tuple[float, ...]) -> str:
    own = about_task(task, dial).get("prepared")
    return own.about["slug"] if own else f"{task}@{dials.write(dial)}" if dial else task


@cache
def about_task(name: str, dial: tuple[float, ...]) -> dict[str, Any]:
    """What a task says of itself, and a user's own series; {} where this machine does not know it.

    Any failure of a task is no reason to go without a report: it then speaks of windows instead of D / L.
    """
    try:
        import tasks  # noqa: PLC0415  (costs an import of pandas; only where there is a task to ask about)

        task = tasks.create(name, (dial if len(dial) > 1 else dial[0]) if dial else None)
        said = ("title", "description", "unit", "reach", "prepared", "can_be_redrawn")
        return {field: getattr(task, field, None) for field in said}
    except Exception:  # noqa: BLE001
        return {}


@cache
def dials_of(text: str | None) -> tuple[float, ...]:
    """A setting's dials from a frame's text; empty where that is missing."""
    if not isinstance(text, str) or not text:
        return ()
    return dials.each(dials.read(text))


def case_name(case: Case) -> str:
    """Short name of a case that run.json describes, its repetition left out."""
    return f"{case.kind} {Setting.of(case).label} {case.regime} {case.kernel}"


SETTING = list(Setting.__struct_fields__)
"""What makes a setting, and its columns in frames."""

Arms = dict[str, Record]


@lru_cache(maxsize=4)
def arms_by_setting(run: Run, repetition: int = 0) -> dict[Setting, Arms]:
    """Convergence records by setting and regime, settings in order; to be read only, since much of a report asks."""
    found: defaultdict[Setting, Arms] = defaultdict(dict)
    for record in run.of_kind("convergence"):
        if record.case.repetition == repetition:
            found[Setting.of(record.case)][record.case.regime] = record
    return dict(sorted(found.items(), key=lambda item: item[0].place))


T = TypeVar("T")


def in_order(names: Iterable[str]) -> list[str]:
    """Each name once, in the order of `bench.engines.ENGINES`; those of other packages at the end."""
    known = list(ENGINES)
    return sorted(set(names), key=lambda name: (known.index(name) if name in known else len(known), name))


def engines_of(run: Run) -> list[str]:
    """Engines of a run's records."""
    return in_order(record.case.engine for record in run.records)


def by_engine(things: Iterable[T], setting: Callable[[T], Setting]) -> dict[str, list[T]]:
    """Things by the engine of their setting, in order."""
    things = list(things)
    return {
        engine: [one for one in things if setting(one).engine == engine]
        for engine in in_order(setting(one).engine for one in things)
    }


def engine_by_engine(things: Sequence[T], setting: Callable[[T], Setting], say: Callable[[list[T]], str]) -> str:
    """What is to be said of things: once for each engine, and with its name where there are several."""
    return said({engine: say(some) for engine, some in by_engine(things, setting).items()}) or say([])


def said(by_name: dict[str, str]) -> str:
    """Join what is said of each engine, named where there are several; "" for what says nothing."""
    if len(by_name) == 1:
        return next(iter(by_name.values()))
    return " ".join(f"On {engine}: {text}" for engine, text in by_name.items() if text)


Ran = tuple[str, str]
"""Engine and kernel."""


@dataclass(frozen=True, slots=True)
class EnginePair:
    """A case by one engine (`a`) and the same by another (`b`); `compares`: what else is different, or alike."""

    a: Ran
    b: Ran
    compares: str

    @property
    def what(self) -> str:
        """Name of the ratio."""
        return f"{' '.join(self.a)} / {' '.join(self.b)}"


OWN = "each as its own users write it (TensorFlow's layers are Keras')"
XLA = "both compiled by XLA"
XLA_OR_GRAPH = "compiled by XLA against a graph"
LIBRARY = "the same library"
EAGER_OR_GRAPH = "Keras' loop started step by step by Python, against a graph"
EAGER_OR_XLA = "Keras' loop started step by step by Python, against one compiled program"

ENGINE_PAIRS: dict[str, EnginePair] = {
    pair.what: pair
    for pair in (
        EnginePair(("jax", "native"), ("tensorflow", "xla"), OWN),
        EnginePair(("torch", "native"), ("tensorflow", "xla"), OWN),
        EnginePair(("torch", "native"), ("jax", "native"), OWN),
        EnginePair(("torch", "native_compiled"), ("jax", "native"), OWN),
        EnginePair(("jax", "loop"), ("tensorflow", "xla"), XLA),
        EnginePair(("jax", "unrolled"), ("tensorflow", "xla_unrolled"), XLA),
        EnginePair(("jax", "cudnn"), ("tensorflow", "cudnn"), LIBRARY),
        EnginePair(("jax", "loop"), ("tensorflow", "loop"), XLA_OR_GRAPH),
        EnginePair(("jax", "unrolled"), ("tensorflow", "unrolled"), XLA_OR_GRAPH),
        EnginePair(("torch", "loop"), ("tensorflow", "loop"), EAGER_OR_GRAPH),
        EnginePair(("torch", "cudnn"), ("tensorflow", "cudnn"), LIBRARY),
        EnginePair(("torch", "loop"), ("jax", "loop"), EAGER_OR_XLA),
        EnginePair(("torch", "cudnn"), ("jax", "cudnn"), LIBRARY),
    )
}
"""By name: each as it is used without Keras, then Keras on each, what was compiled alike first (docs/engines.md)."""
