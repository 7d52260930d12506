"""Which records belong together: the arms of one setting, and what is known of its task."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

from bench.cases import Case
from reports.read import Run
from reports.records import Convergence, Record

CELL_NAMES = {
    "lstm": "LSTM",
    "gru": "GRU",
    "gru_reset_before": "GRU (reset before)",
    "simple_rnn": "SimpleRNN",
}


@dataclass(frozen=True, order=True)
class Setting:
    """All of a case but its kind, regime and repetition: what two arms must share to be compared."""

    task: str
    dial: int
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
        """Build the setting of a case; no dial is -1, so that settings can be sorted."""
        return cls(
            case.task,
            -1 if case.dial is None else case.dial,
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

    @property
    def task_name(self) -> str:
        """Task with its dial."""
        return self.task if self.dial < 0 else f"{self.task}@{self.dial}"

    @property
    def cell_name(self) -> str:
        """Cell as practitioners write it."""
        return CELL_NAMES.get(self.cell, self.cell)

    @property
    def network(self) -> str:
        """Cell, layers and units."""
        layers = "" if self.layers == 1 else f"{self.layers} layers × "
        return f"{self.cell_name}, {layers}{self.units} units"

    @property
    def label(self) -> str:
        """All that usually varies, in one line."""
        layers = "" if self.layers == 1 else f" l{self.layers}"
        return f"{self.task_name} {self.cell_name}{layers} u{self.units} L{self.window} B{self.batch_size}"

    @property
    def unusual(self) -> str:
        """What `label` leaves out where it is not the usual (a CPU, TensorFlow, float32), with a space before each."""
        usual = ((self.device, "cpu"), (self.engine, "tensorflow"), (self.dtype, "float32"))
        return "".join(f" {value}" for value, default in usual if value != default)

    @property
    def reach(self) -> int | None:
        """How far back the target reaches, in steps; None where that is not known here."""
        reach = about_task(self.task, self.dial).get("reach")
        return None if reach is None else int(reach)

    @property
    def reach_in_windows(self) -> float | None:
        """Reach over window, D / L."""
        return None if self.reach is None else self.reach / self.window


@cache
def about_task(name: str, dial: int) -> dict[str, Any]:
    """Title, description, unit and reach of a task; {} where this machine does not know it.

    Any failure of a task is no reason to go without a report: it then speaks of windows instead of D / L.
    """
    try:
        import tasks  # noqa: PLC0415  (costs an import of pandas; only where there is a task to ask about)

        task = tasks.create(name, None if dial < 0 else dial)
        return {field: getattr(task, field, None) for field in ("title", "description", "unit", "reach")}
    except Exception:  # noqa: BLE001
        return {}


def case_name(case: dict[str, Any] | str) -> str:
    """Short name of a case that run.json describes, its repetition left out."""
    if isinstance(case, str):
        return case
    known = Case.from_dict(case)
    return f"{known.kind} {Setting.of(known).label} {known.regime} {known.kernel}{Setting.of(known).unusual}"


Arms = dict[str, Record]


def arms_by_setting(run: Run, repetition: int = 0) -> dict[Setting, Arms]:
    """Convergence records by setting and regime, settings in order."""
    found: defaultdict[Setting, Arms] = defaultdict(dict)
    for record in run.of_kind("convergence"):
        if record.case.repetition == repetition:
            found[Setting.of(record.case)][record.case.regime] = record
    return dict(sorted(found.items()))


def body(record: Record) -> Convergence:
    """Return the convergence part of a record that has one."""
    assert record.convergence is not None, record.key
    return record.convergence
