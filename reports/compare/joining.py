"""Cases of several runs joined on what they have in common, and what the pairs say.

Across runs the replicate is the process, never the block: two processes of a case, one of each run, are one value.
Processes of one run that took turns are compared round by round.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

import msgspec
import numpy as np

from bench.case.cases import Case, Training
from bench.case.record import Record
from bench.case.trained import Scored
from reports.collect.grouping import Setting
from reports.collect.read import Run
from reports.collect.records import body, costs_of, measured_memory, timed
from reports.costs.timings import Blocks, log_ratios, ran_as_asked
from reports.formatting import listing
from reports.statistics.intervals import Costs, FloatArray, Ratio, running_time_ratio
from reports.statistics.moderated import common, moderated_ratio

MARGIN = 0.05
"""Seconds that differ by less are the same: two processes of a case differ by as much for no reason."""

UPDATES_MARGIN = 0.10
EVERY_SEED = "every seed, update for update"
MEMORY_SHARE, MEMORY_BYTES = 0.02, 4 * 2**20
TOLERANCE = 1e-9
"""Targets that another CPU computes differ in the last digits."""

AXES = ("machine", "engine", "configuration", "device", "version")
OF_CASE = ("engine", "configuration", "device")
"""Axes that are fields of a case: their columns may come from one run."""

LASTING = ("engine", "device", "dtype")
"""Fields of a case that a configuration may set."""


USUAL = {"engine": "tensorflow", "device": "cpu", "dtype": "float32"}


class CompareError(ValueError):
    """Runs that cannot be compared as asked; names them and the remedy."""


class Verdict(StrEnum):
    """What a column has beside the base; a closed list."""

    FASTER = "faster"
    SLOWER = "slower"
    LESS = "less"
    MORE = "more"
    FEWER = "fewer"
    SAME = "same"
    INCONCLUSIVE = "inconclusive"
    INCOMPARABLE = "incomparable"
    MISSING = "missing here"
    FAILED = "failed here"
    NO_BASE = "no base"


@dataclass(frozen=True)
class Named:
    """A run and the name of its column."""

    name: str
    run: Run


def of_configuration(run: Run, name: str) -> Run:
    """The part of a run that one configuration made, as a run without configurations."""
    records = tuple(
        msgspec.structs.replace(record, case=case, key=case.key, configuration=None)
        for record in run.records
        if record.case.configuration == name
        for case in [record.case.replace(configuration="", **USUAL)]
    )
    return replace(run, records=records)


def of_one_way(run: Run) -> Run:
    """The run, or the part of it that its first configuration made: what is formed within a run mixes no two ways."""
    there = {record.case.configuration for record in run.records}
    names = [one.name for one in run.configurations if one.name in there]
    return of_configuration(run, names[0]) if names else run


@dataclass(frozen=True)
class Measured:
    """A case in one column: the records of its processes, by repetition, all of one run."""

    run: str
    records: tuple[Record, ...]

    @property
    def good(self) -> list[Record]:
        """Those that ended well."""
        return [record for record in self.records if record.body]

    @property
    def seconds(self) -> float:
        """Median seconds per update over its processes; nan where there are none."""
        values = [float(np.median(timed(record).seconds_per_update)) for record in self.good]
        return float(np.median(values)) if values else math.nan

    @property
    def spread(self) -> float:
        """Its slowest process over its fastest, less one; nan for one."""
        values = [float(np.median(timed(record).seconds_per_update)) for record in self.good]
        return max(values) / min(values) - 1 if len(values) > 1 else math.nan

    @property
    def peak(self) -> float:
        """The allocator's median peak, in bytes; nan where it does not tell."""
        peaks = [measured_memory(record).allocator_peak_bytes for record in self.good]
        told = [peak for peak in peaks if peak is not None]
        return float(np.median(told)) if told else math.nan

    @property
    def updates(self) -> float:
        """Expected updates to target; infinite where no replicate reached it."""
        return float(self.costs.expected)

    @property
    def costs(self) -> Costs:
        """Updates to target of every evaluation seed."""
        arm = body(self.good[0])
        return costs_of(arm.evaluation, arm.hold)


@dataclass(frozen=True)
class Cell:
    """A column's figure in a row, and what it says beside the base.

    Attributes
    ----------
    value
        Seconds per update, bytes or updates to target; nan where there is none.
    spread
        Between processes, as a share; nan where it is not known.
    """

    column: str
    verdict: Verdict | None
    reason: str
    value: float = math.nan
    spread: float = math.nan
    ratio: Ratio | None = None


@dataclass(frozen=True)
class Row:
    """A case over all columns; the base first."""

    case: Case
    run: str
    cells: tuple[Cell, ...]

    @property
    def label(self) -> str:
        """What is the same in all columns."""
        setting = Setting.of(self.case)
        kernel = f", {self.case.kernel}" if self.case.kind != "convergence" else ""
        return (
            f"{setting.task_name}, {self.case.regime}, {named(setting)}{kernel}{f' ({self.run})' if self.run else ''}"
        )


def named(setting: Setting) -> str:
    """Sizes of a setting, as prose has them."""
    layers = "" if setting.layers == 1 else f"{setting.layers} layers of "
    unusual = [value for value in (setting.engine, setting.device, setting.dtype) if value]
    usual = {"tensorflow", "cpu", "float32"}
    rest = "".join(f", {value}" for value in unusual if value not in usual)
    return f"{setting.cell_name} {layers}{setting.units}, window {setting.window}, batch {setting.batch_size}{rest}"


@dataclass(frozen=True)
class Comparison:
    """Runs joined along an axis.

    Attributes
    ----------
    columns
        Names, the base first.
    rows
        In the order of cases.
    means
        Geometric mean of seconds / base over the cases that every column has, by column, and their number.
    """

    by: str
    runs: tuple[Named, ...]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    means: dict[str, float] = field(default_factory=dict)
    in_mean: int = 0

    def of_kind(self, kind: str) -> list[Row]:
        """Rows of one kind."""
        return [row for row in self.rows if row.case.kind == kind]


def join(runs: Sequence[Named], by: str = "machine", base: str | None = None) -> Comparison:
    """Join runs.

    Raises
    ------
    CompareError
        If the axis or the base is unknown, there is one column only, or no case is common.
    """
    if by not in AXES:
        raise CompareError(f"BY={by} is no axis; valid: {', '.join(AXES)}")
    changing = _changing(runs) if by == "configuration" else {by} & set(OF_CASE)
    found: defaultdict[tuple[str, Case], dict[str, Measured]] = defaultdict(dict)
    columns: dict[str, str] = {}
    for one in runs:
        for record in sorted(one.run.records, key=lambda record: record.case.repetition):
            column = _column(one, record.case, by, runs)
            if columns.setdefault(column, one.name) != one.name and by == "version":
                raise CompareError(f"{columns[column]} and {one.name} are of one version ({column}): use BY=machine")
            run = one.name if by in OF_CASE and len(runs) > 1 else ""
            # Repetitions of what is timed are processes of one case; of what is trained they are other seeds.
            repetition = record.case.repetition if record.case.kind == "convergence" else 0
            cells = found[run, record.case.replace(repetition=repetition, **dict.fromkeys(changing, ""))]
            so_far = cells[column].records if column in cells else ()
            cells[column] = Measured(one.name, (*so_far, record))
    order = _order(list(columns), base, by)
    skipped: dict[tuple[str, str, Case], str] = {}
    for one in runs:
        for refused in one.run.refused:
            run = one.name if by in OF_CASE and len(runs) > 1 else ""
            row = refused.case.replace(repetition=0, **dict.fromkeys(changing, ""))
            skipped[run, _column(one, refused.case, by, runs), row] = refused.reason
    every = sorted(found.items(), key=lambda item: (item[0][0], _place(item[0][1])))
    rows = _judged(every, order, skipped)
    if not any(cell.verdict not in (Verdict.MISSING, Verdict.NO_BASE) for row in rows for cell in row.cells[1:]):
        raise CompareError(
            f"{listing(order)} have no case in common: compare runs of one preset, or of presets that share cases"
        )
    means, count = _means(rows, order)
    return Comparison(by, tuple(runs), tuple(order), tuple(rows), means, count)


def _changing(runs: Sequence[Named]) -> set[str]:
    """Fields of a case that differ between configurations because one of them sets them."""
    asked = [one for run in runs for one in run.run.configurations]
    return {"configuration"} | {name for name in LASTING for one in asked if getattr(one, name)}


def _column(one: Named, case: Case, by: str, runs: Sequence[Named]) -> str:
    if by == "machine":
        return one.name
    if by == "version":
        return version_label(one.run, [other.run for other in runs])
    if by == "configuration":
        return case.configuration or "usual"
    return str(getattr(case, by))


def version_label(run: Run, runs: Sequence[Run]) -> str:
    """Versions of a run, as far as they differ between the runs."""
    every = [other.versions for other in runs]
    names = sorted({name for one in every for name in one if len({other.get(name) for other in every}) > 1})
    git = run.invocations[0].git if run.invocations else None
    here = ", ".join(f"{name} {run.versions.get(name, 'none')}" for name in names)
    return here or f"commit {git.commit[:12] if git else 'unknown'}"


def _place(case: Case) -> tuple[Any, ...]:
    kinds = ("time", "memory", "convergence")
    return (kinds.index(case.kind), Setting.of(case.replace(engine=case.engine or "tensorflow")), case.regime)


def _order(columns: list[str], base: str | None, by: str) -> list[str]:
    if base is not None and base not in columns:
        raise CompareError(f"BASE={base} is no column; valid: {', '.join(columns)}")
    if len(columns) < 2:
        raise CompareError(
            f"BY={by} gives one column only ({', '.join(columns)}): name another run, or another axis "
            f"({', '.join(AXES)})"
        )
    first = base if base is not None else columns[0]
    return [first, *(name for name in columns if name != first)]


def _judged(
    every: list[tuple[tuple[str, Case], dict[str, Measured]]],
    order: list[str],
    skipped: dict[tuple[str, str, Case], str],
) -> list[Row]:
    base = order[0]
    logs: dict[tuple[int, str], FloatArray] = {}
    for number, ((_, case), measured) in enumerate(every):
        for name in order[1:]:
            one, other = measured.get(name), measured.get(base)
            if case.kind == "time" and one is not None and other is not None and one.good and other.good:
                logs[number, name] = log_ratios(_blocks(one), _blocks(other))
    # Pairs that took turns vary less than others: each column's variances are its own.
    known = {name: common(values for (_, column), values in logs.items() if column == name) for name in order[1:]}
    found = []
    for number, ((run, case), measured) in enumerate(every):
        cells = [_base_cell(case, base, measured.get(base))]
        for name in order[1:]:
            ratio = moderated_ratio(logs[number, name], known[name]) if (number, name) in logs else None
            cells.append(_cell(case, name, measured.get(base), measured.get(name), ratio))
        why = [skipped.get((run, cell.column, case)) for cell in cells]
        found.append(
            Row(
                case,
                run,
                tuple(
                    replace(cell, reason=f"skipped: {reason}") if cell.verdict is Verdict.MISSING and reason else cell
                    for cell, reason in zip(cells, why, strict=True)
                ),
            )
        )
    return found


def _blocks(one: Measured) -> dict[int, Blocks]:
    blocks = {}
    for record in one.good:
        found = Blocks.of_updates(record)
        # Groups of two runs may have one name, but their processes took no turns.
        group = None if found.group is None else f"{one.run}: {found.group}"
        blocks[record.case.repetition] = replace(found, group=group)
    return blocks


def _base_cell(case: Case, name: str, one: Measured | None) -> Cell:
    """A column's own figure, compared with nothing."""
    if one is None:
        return Cell(name, Verdict.MISSING, "no record")
    if not one.good:
        return Cell(name, Verdict.FAILED, _failure(one))
    return Cell(name, None, "base", _value(case, one), one.spread if case.kind == "time" else math.nan)


def _cell(case: Case, name: str, base: Measured | None, one: Measured | None, ratio: Ratio | None) -> Cell:
    if one is None or not one.good:
        return _base_cell(case, name, one)
    value, spread = _value(case, one), one.spread if case.kind == "time" else math.nan
    if base is None or not base.good:
        return Cell(name, Verdict.NO_BASE, "the base has no result", value, spread)
    if differ := _differences(case, base.good[0], one.good[0]):
        return Cell(name, Verdict.INCOMPARABLE, f"other {listing(differ)}", value, spread)
    if case.kind == "time":
        assert ratio is not None
        return Cell(name, *_time_verdict(ratio), value, spread, ratio)
    if case.kind == "memory":
        limit = max(MEMORY_SHARE * base.peak, MEMORY_BYTES)
        verdict = (
            Verdict.SAME if abs(value - base.peak) <= limit else Verdict.MORE if value > base.peak else Verdict.LESS
        )
        return Cell(name, verdict, f"limit {limit / 2**20:.1f} MiB", value)
    return _updates_cell(name, base, one, value)


def _time_verdict(ratio: Ratio) -> tuple[Verdict, str]:
    if ratio.method == "none" or not math.isfinite(ratio.high) or ratio.low <= 0:
        return Verdict.INCONCLUSIVE, "too few processes for an interval"
    if ratio.high < 1 / (1 + MARGIN):
        return Verdict.FASTER, f"interval beyond {MARGIN:.0%}"
    if ratio.low > 1 + MARGIN:
        return Verdict.SLOWER, f"interval beyond {MARGIN:.0%}"
    if ratio.low >= 1 / (1 + MARGIN) and ratio.high <= 1 + MARGIN:
        return Verdict.SAME, f"interval within {MARGIN:.0%}"
    return Verdict.INCONCLUSIVE, f"interval crosses {MARGIN:.0%}"


def _updates_cell(name: str, base: Measured, one: Measured, value: float) -> Cell:
    a, b = (body(side.good[0]) for side in (one, base))
    if [(r.seed, r.role, r.learning_rate, r.reached, r.spent) for r in a.replicates] == [
        (r.seed, r.role, r.learning_rate, r.reached, r.spent) for r in b.replicates
    ]:
        return Cell(name, Verdict.SAME, EVERY_SEED, value)
    if one.costs.n != base.costs.n:
        return Cell(name, Verdict.INCOMPARABLE, "other number of seeds", value)
    ratio = running_time_ratio(one.costs, base.costs)
    if ratio.method == "none":
        return Cell(name, Verdict.INCONCLUSIVE, "too few seeds reached the target", value, ratio=ratio)
    if ratio.high < 1 - UPDATES_MARGIN or ratio.low > 1 + UPDATES_MARGIN:
        verdict = Verdict.FEWER if ratio.high < 1 else Verdict.MORE
        return Cell(name, verdict, f"interval beyond {UPDATES_MARGIN:.0%}", value, ratio=ratio)
    within = ratio.low >= 1 - UPDATES_MARGIN and ratio.high <= 1 + UPDATES_MARGIN
    where = "within" if within else "crosses"
    verdict = Verdict.SAME if within else Verdict.INCONCLUSIVE
    return Cell(name, verdict, f"interval {where} {UPDATES_MARGIN:.0%}", value, ratio=ratio)


def _value(case: Case, one: Measured) -> float:
    return {"time": lambda: one.seconds, "memory": lambda: one.peak, "convergence": lambda: one.updates}[case.kind]()


def _failure(one: Measured) -> str:
    record = one.records[0]
    lines = (record.message or "").strip().splitlines()
    return f"{record.outcome}: {lines[-1][:100]}" if lines else record.outcome


_SAME = {
    "time": ("parameters", "cell_steps_per_update", "targets_per_update", "features"),
    "memory": ("parameters", "cell_steps_per_update", "features"),
    "convergence": (
        "parameters",
        "predicts",
        "steps_per_prediction",
        "target",
        "target_rule",
        "trivial",
        "scored",
        "updates_per_epoch",
        "targets_per_update",
        "cell_steps_per_update",
        "evaluate_every",
        "hold",
        "learning_rates",
    ),
}
"""What defines a result of each kind: where it differs, nothing is compared."""

_TRAINING = {
    "time": ("burn_in", "dropout"),
    "memory": ("burn_in", "dropout"),
    # All but what a time case does beside its blocks.
    "convergence": tuple(one.name for one in fields(Training) if one.name not in ("inference", "whole_epochs")),
}


def _differences(case: Case, a: Record, b: Record) -> list[str]:
    """Names of what defines the result and differs; the kernel where another ran than was asked for."""
    differ = [name for name in _SAME[case.kind] if not _equal(_of(a, name), _of(b, name))]
    differ += [n for n in _TRAINING[case.kind] if not _equal(getattr(a.training, n), getattr(b.training, n))]
    if case.kind != "convergence" and not (ran_as_asked(a) and ran_as_asked(b)):
        differ.append(f"kernel ({_of(b, 'kernel_seen')} beside {_of(a, 'kernel_seen')})")
    return list(dict.fromkeys(differ))


def _of(record: Record, name: str) -> Any:
    return getattr(record.body, name)


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=TOLERANCE)
    if isinstance(a, Scored) and isinstance(b, Scored):
        return (a.count, a.of) == (b.count, b.of)
    # What an older version did not record yet says nothing of a difference.
    return a is None or b is None or a == b


def _means(rows: Sequence[Row], order: Sequence[str]) -> tuple[dict[str, float], int]:
    judged = {Verdict.FASTER, Verdict.SLOWER, Verdict.SAME, Verdict.INCONCLUSIVE}
    whole = [row for row in rows if row.case.kind == "time" and all(cell.verdict in judged for cell in row.cells[1:])]
    means = {}
    for place, name in enumerate(order[1:], 1):
        logs = [math.log(row.cells[place].ratio.value) for row in whole if row.cells[place].ratio is not None]  # type: ignore[union-attr]
        means[name] = math.exp(float(np.mean(logs))) if logs else math.nan
    return means, len(whole)
