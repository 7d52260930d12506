"""Runs joined case by case: one frame with a row for each case and column, made from the frames of the runs.

Across runs the replicate is the process, never the block: two processes of a case, one of each run, are one value.
Processes of one run that took turns are compared round by round.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from bench.case.cases import Training
from reports.collect.grouping import SETTING, USUAL, Setting, dials_of
from reports.collect.read import Run
from reports.commands import ReportError
from reports.costs.timings import Blocks, log_ratios
from reports.formatting import listing
from reports.frames import Frames
from reports.frames.columns import Source
from reports.statistics.intervals import Costs, Ratio, running_time_ratio
from reports.statistics.moderated import common, moderated_ratio
from reports.statistics.verdict import MARGIN, SECONDS_MARGIN, by_margin, memory_margin, pace

EVERY_SEED = "every seed, update for update"
TOLERANCE = 1e-9
"""Targets that another CPU computes differ in the last digits."""

DATA_TOLERANCE = 1e-6
"""Of the trivial error: errors of least squares differ by more than the last digits."""

AXES = ("machine", "engine", "configuration", "device", "version")
OF_CASE = ("engine", "configuration", "device")
"""Axes that are fields of a case: their columns may come from one run."""

LASTING = ("engine", "device", "dtype")
"""Fields of a case that a configuration may set."""

KINDS = {"time": "s per update", "memory": "bytes", "convergence": "updates to target"}
"""Kinds of cases in the order of the page, and the unit of their figures."""

CASE = (
    "kind", "task", "dial", "cell", "regime", "layers", "units", "window", "batch_size", "kernel", "engine", "device",
    "dtype", "configuration",
)  # fmt: skip
FIELDS = ("column", "run", *CASE, "value", "unit", "spread", "ratio", "low", "high", "method", "verdict", "reason")
"""Columns of the joined frame."""

SAME = {
    "time": ("parameters", "cell_steps_per_update", "targets_per_update", "features"),
    "memory": ("parameters", "cell_steps_per_update", "features"),
    "convergence": (
        "parameters", "predicts", "steps_per_prediction", "target", "target_rule", "trivial", "scored",
        "updates_per_epoch", "targets_per_update", "cell_steps_per_update", "evaluate_every", "hold",
    ),
}  # fmt: skip
"""What defines a result of each kind, beside what it was trained with: where it differs, nothing is compared."""

TRAINED = {
    "time": ("burn_in", "dropout", "cores"),
    "memory": ("burn_in", "dropout"),
    # All but what a time case does beside its blocks.
    "convergence": tuple(
        one.name for one in fields(Training) if one.name not in ("cores", "inference", "whole_epochs")
    ),
}


class CompareError(ReportError):
    """Runs that cannot be compared as asked; names them and the remedy."""


class Verdict(StrEnum):
    """What a column has beside the base; a closed list."""

    BASE = "base"
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


SKIPPED = "skipped"
"""Outcome of a case that a run left out, and said why."""

TIMED = (Verdict.FASTER, Verdict.SLOWER, Verdict.SAME, Verdict.INCONCLUSIVE)
NOT_COMPARED = (Verdict.MISSING, Verdict.FAILED, Verdict.NO_BASE, Verdict.INCOMPARABLE)


@dataclass(frozen=True)
class Named:
    """A run and the name of its column."""

    name: str
    run: Run


@dataclass(frozen=True)
class Comparison:
    """Runs joined along an axis.

    Attributes
    ----------
    columns
        Names, the base first.
    cells
        The joined frame (`FIELDS`), in order of the cases, the base first; `value` is nan where there is none, `spread`
        where it is not known. Beside it `row`, the number of a case, `label`, its name, and `differ`, the names of
        what makes it incomparable.
    """

    by: str
    runs: tuple[Named, ...]
    columns: tuple[str, ...]
    cells: pd.DataFrame

    def of_kind(self, kind: str) -> pd.DataFrame:
        """Cells of one kind."""
        return self.cells[self.cells["kind"] == kind]

    def rows(self, kind: str) -> list[tuple[str, list[Any]]]:
        """Label and cells of every case of a kind, the base first."""
        found = self.of_kind(kind).groupby("row", sort=False)
        return [(part["label"].iloc[0], list(part.itertuples())) for _, part in found]

    @property
    def means(self) -> tuple[dict[str, float], int]:
        """Geometric mean of seconds / base over the cases that every column has, by column, and their number."""
        timed = self.of_kind("time")
        timed = timed[timed["column"] != self.columns[0]]
        whole = timed.groupby("row")["verdict"].transform(lambda column: column.isin(TIMED).all()).astype(bool)
        logs = {name: np.log(timed[whole & (timed["column"] == name)]["ratio"]) for name in self.columns[1:]}
        means = {name: math.exp(values.mean()) if len(values) else math.nan for name, values in logs.items()}
        return means, timed[whole]["row"].nunique()


def of_configuration(run: Run, name: str) -> Run:
    """The part of a run that one configuration made, as a run without configurations.

    What configurations replace of a case is what is usual; what they leave, as the engines of a run, stays.
    """
    replaced = {
        field: usual for field, usual in USUAL.items() if any(getattr(one, field, None) for one in run.configurations)
    }
    records = tuple(
        msgspec.structs.replace(record, case=case, key=case.key, configuration=None)
        for record in run.records
        if record.case.configuration == name
        for case in [record.case.replace(configuration="", **replaced)]
    )
    return replace(run, records=records)


def of_one_way(run: Run) -> Run:
    """The run, or the part of it that its first configuration made: what is formed within a run mixes no two ways."""
    there = {record.case.configuration for record in run.records}
    names = [one.name for one in run.configurations if one.name in there]
    return of_configuration(run, names[0]) if names else run


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
    # A column that is a run needs no name of it; others may hold cases of several.
    apart = by in OF_CASE and len(runs) > 1
    processes = _processes(runs, by)
    processes = processes.assign(
        **dict.fromkeys(changing, ""),
        of_run=processes["run"] if apart else "",
        # Repetitions of what is timed are processes of one case; of what is trained they are other seeds.
        repetition_of_case=processes["repetition"].where(processes["kind"] == "convergence", 0),
    )
    order = _order(list(dict.fromkeys(processes[processes["outcome"] != SKIPPED]["column"])), base, by)
    cells: list[Cell] = []
    for row, (key, part) in enumerate(processes.groupby(["of_run", *CASE, "repetition_of_case"], sort=False)):
        if (part["outcome"] == SKIPPED).all():
            continue
        case: dict[str, Any] = dict(zip(("run", *CASE), key, strict=False))
        about = case | {"row": row, "label": _label(case), "unit": KINDS[case["kind"]]}
        sides = dict(iter(part.groupby("column", sort=False)))
        ours, ours_good = _cell(about["kind"], sides.get(order[0]))
        cells.append(about | {"column": order[0], "verdict": Verdict.BASE, "reason": "base"} | ours)
        for column in order[1:]:
            cell, good = _cell(about["kind"], sides.get(column))
            beside = {} if good.empty else _beside(about["kind"], ours_good, good)
            cells.append(about | {"column": column} | beside | cell)
    _judge_times(cells, order)
    frame = pd.DataFrame(cells, columns=[*FIELDS, "row", "label", "differ"])
    frame["dial"] = frame["dial"].where(frame["dial"] != "", None)
    compared = frame[(frame["column"] != order[0]) & ~frame["verdict"].isin((Verdict.MISSING, Verdict.NO_BASE))]
    if compared.empty:
        raise CompareError(
            f"{listing(order)} have no case in common: compare runs of one preset, or of presets that share cases"
        )
    return Comparison(by, tuple(runs), tuple(order), frame)


def _processes(runs: Sequence[Named], by: str) -> pd.DataFrame:
    """A row for each record and each case that was skipped, in the order of cases.

    Beside the frame `cases`: `column`, `value` (seconds per update, bytes, expected updates) and `found`, what its
    ratio is formed from: `Blocks` of a time case, trainings of a convergence case.
    """
    frames = Frames(Source(one.name, one.run, {}) for one in runs)
    skipped = pd.DataFrame(
        [
            vars(refused.case) | {"run": one.name, "outcome": SKIPPED, "message": refused.reason}
            for one in runs
            for refused in one.run.refused
        ]
    )
    cases = frames.cases.astype(dict.fromkeys((*CASE, "run", "outcome", "message"), object))
    cases = pd.concat([cases, skipped.reindex(columns=cases.columns)]) if len(skipped) else cases
    cases = cases.fillna({"dial": "", "configuration": ""}).reset_index(drop=True)
    cases["column"] = _columns(cases, by, {one.name: one.run for one in runs})
    peaks = frames.memory.set_index(["run", "key"])["allocator_peak_bytes"].astype(float)
    which = pd.MultiIndex.from_frame(cases[["run", "key"]])
    value = {"time": cases["seconds_per_update"], "convergence": cases["expected_updates"]}
    cases["value"] = cases["kind"].map(dict.fromkeys(value)).astype(float)
    cases["value"] = peaks.reindex(which).to_numpy()
    for kind, values in value.items():
        cases.loc[cases["kind"] == kind, "value"] = values
    found = _blocks(frames.timings) | dict(iter(frames.replicates.groupby(["run", "key"], observed=True)))
    cases["found"] = pd.Series([found.get(one) for one in which], dtype=object)
    known = frames.baselines.astype({"task": object, "dial": object}).fillna({"dial": ""}).dropna(subset="error")
    errors = {
        one: dict(zip(part["baseline"], part["error"], strict=True))
        for one, part in known.groupby(["run", "task", "dial"], observed=True)
    }
    of_task = zip(cases["run"], cases["task"], cases["dial"], strict=True)
    cases["baselines"] = pd.Series([errors.get(one, {}) for one in of_task], dtype=object)
    place = pd.DataFrame(
        {
            "kind": cases["kind"].map({kind: number for number, kind in enumerate(KINDS)}),
            "setting": [setting_of(one).place for _, one in cases[list(CASE)].iterrows()],
        }
    )
    place = place.assign(regime=cases["regime"], repetition=cases["repetition"])
    return cases.loc[place.sort_values(list(place.columns), kind="stable").index]


def _blocks(timings: pd.DataFrame) -> dict[tuple[str, str], Any]:
    """Blocks of updates of each process, by run and key."""
    updates = timings[timings["what"] == "update"]
    return {
        # Groups of two runs may have one name, but their processes took no turns.
        (str(run), str(key)): Blocks(
            None if pd.isna(part["group"].iloc[0]) else f"{run}: {part['group'].iloc[0]}",
            int(part["round"].iloc[0]),
            part["seconds"].to_numpy(),
        )
        for (run, key), part in updates.groupby(["run", "key"], observed=True)
    }


def setting_of(case: Any) -> Setting:
    """The setting of a row of a frame; what its columns differ in counts as the usual."""
    dial = dials_of(case["dial"])
    usual = {name: case[name] or value for name, value in USUAL.items()}
    others = {name: case[name] for name in SETTING if name not in usual}
    return Setting(**others | usual | {"dial": dial})


def _label(case: Mapping[str, Any]) -> str:
    """What is the same in all columns."""
    setting = setting_of(case)
    kernel = "" if case["kind"] == "convergence" else f", {case['kernel']}"
    run = f" ({case['run']})" if case["run"] else ""
    return f"{setting.task_name}, {case['regime']}, {setting.short}{kernel}{run}"


def _changing(runs: Sequence[Named]) -> set[str]:
    """Fields of a case that differ between configurations because one of them sets them."""
    asked = [one for run in runs for one in run.run.configurations]
    return {"configuration"} | {name for name in LASTING for one in asked if getattr(one, name)}


def _columns(cases: pd.DataFrame, by: str, runs: Mapping[str, Run]) -> pd.Series:
    """The column that each case is in."""
    if by == "machine":
        return cases["run"]
    if by != "version":
        return cases[by].replace("", "usual")
    labels = {name: version_label(run, list(runs.values())) for name, run in runs.items()}
    for name, label in labels.items():
        first = next(one for one in labels if labels[one] == label)
        if first != name:
            raise CompareError(f"{first} and {name} are of one version ({label}): use BY=machine")
    return cases["run"].map(labels)


def version_label(run: Run, runs: Sequence[Run]) -> str:
    """Versions of a run, as far as they differ between the runs."""
    every = [other.versions for other in runs]
    names = sorted({name for one in every for name in one if len({other.get(name) for other in every}) > 1})
    git = run.invocations[0].git if run.invocations else None
    here = ", ".join(f"{name} {run.versions.get(name, 'none')}" for name in names)
    return here or f"commit {git.commit[:12] if git else 'unknown'}"


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


Cell = dict[str, Any]


def _cell(kind: str, here: pd.DataFrame | None) -> tuple[Cell, pd.DataFrame]:
    """A column's own figure, or why it has none; and its processes that ended well."""
    if here is None:
        return _empty(Verdict.MISSING, "no record"), pd.DataFrame()
    good = here[here["outcome"] == "ok"]
    if good.empty:
        outcome, message = here.iloc[0][["outcome", "message"]]
        if outcome == SKIPPED:
            return _empty(Verdict.MISSING, f"skipped: {message}"), good
        last = ("" if pd.isna(message) else message).strip().splitlines()[-1:]
        return _empty(Verdict.FAILED, ": ".join((outcome, *(line[:100] for line in last)))), good
    values = good["value"]
    spread = float(values.max() / values.min() - 1) if kind == "time" and len(values) > 1 else math.nan
    return {"value": float(values.median()), "spread": spread}, good


def _beside(kind: str, base: pd.DataFrame, good: pd.DataFrame) -> Cell:
    """What a figure says beside the base; of times, for now, the log ratios that will decide it."""
    if base.empty:
        return {"verdict": Verdict.NO_BASE, "reason": "the base has no result"}
    if differ := _differences(kind, base.iloc[0], good.iloc[0]):
        return {"verdict": Verdict.INCOMPARABLE, "reason": f"other {listing(differ)}", "differ": differ}
    if kind == "time":
        one, other = (dict(zip(side["repetition"], side["found"], strict=True)) for side in (good, base))
        return {"logs": log_ratios(one, other)}
    if kind == "memory":
        return _memory_verdict(*(float(side["value"].median()) for side in (good, base)))
    at_edge = any(side["rate_at_edge"].iloc[0] for side in (good, base))
    return _updates_verdict(good["found"].iloc[0], base["found"].iloc[0], at_edge=at_edge)


def _empty(verdict: Verdict, reason: str) -> Cell:
    return {"verdict": verdict, "reason": reason, "value": math.nan, "spread": math.nan}


def _judge_times(cells: Sequence[Cell], order: Sequence[str]) -> None:
    """Fill in ratios and verdicts of times. Pairs that took turns vary less: a column's variances are its own."""
    for name in order[1:]:
        here = [cell for cell in cells if cell["column"] == name and "logs" in cell]
        known = common(cell["logs"] for cell in here)
        for cell in here:
            ratio = moderated_ratio(cell.pop("logs"), known)
            verdict, reason = _time_verdict(ratio)
            cell |= _of_ratio(ratio) | {"verdict": verdict, "reason": reason}  # noqa: PLW2901 - it is the cell's own


def _of_ratio(ratio: Ratio) -> Cell:
    return {"ratio": ratio.value, "low": ratio.low, "high": ratio.high, "method": ratio.method}


def ratio_of(cell: Any) -> Ratio | None:
    """The ratio of a row of a frame that has its limits; None where there is none."""
    if pd.isna(cell.method):
        return None
    return Ratio(cell.ratio, cell.low, cell.high, math.nan, cell.method, 0)


TOO_FEW = "too few processes for an interval"
"""Why seconds have no verdict though both sides were timed."""


def _time_verdict(ratio: Ratio) -> tuple[Verdict, str]:
    if ratio.method == "none" or not math.isfinite(ratio.high) or ratio.low <= 0:
        return Verdict.INCONCLUSIVE, TOO_FEW
    verdict = Verdict(pace(ratio))
    return verdict, f"interval {_WHERE.get(verdict, 'beyond')} {SECONDS_MARGIN:.0%}"


_WHERE = {Verdict.SAME: "within", Verdict.INCONCLUSIVE: "crosses"}
"""Where an interval lies that shows no difference."""


def _memory_verdict(value: float, base: float) -> Cell:
    limit = memory_margin(base)
    verdict = Verdict.SAME if abs(value - base) <= limit else Verdict.MORE if value > base else Verdict.LESS
    return {"verdict": verdict, "reason": f"limit {limit / 2**20:.1f} MiB"}


def costs(trainings: pd.DataFrame) -> Costs:
    """Updates to target of rows of the frame `replicates`: a cost lies in the middle of two evaluations."""
    cost, hit = (np.asarray(trainings[name].astype(float)) for name in ("cost", "updates_to_target"))
    return Costs(
        cost,
        trainings["reached"].to_numpy(bool),
        np.where(np.isfinite(hit), 2 * (hit - cost), 0.0),
        trainings["fold"].fillna(trainings["seed"]).to_numpy(int),
    )


def _updates_verdict(here: pd.DataFrame, base: pd.DataFrame, *, at_edge: bool) -> Cell:
    """Verdict on two arms' trainings, rows of the frame `replicates`; none where a better rate may decide."""
    drawn = ["seed", "role", "learning_rate", "reached", "updates_to_target", "censored_at"]
    if here[drawn].reset_index(drop=True).equals(base[drawn].reset_index(drop=True)):
        return {"verdict": Verdict.SAME, "reason": EVERY_SEED}
    one, other = (side[side["role"] == "evaluation"] for side in (here, base))
    if list(one["seed"]) != list(other["seed"]):
        return {"verdict": Verdict.INCOMPARABLE, "reason": "other seeds", "differ": ["seeds"]}
    ratio = running_time_ratio(costs(one), costs(other))
    if ratio.method == "none":
        return _of_ratio(ratio) | {"verdict": Verdict.INCONCLUSIVE, "reason": "too few seeds reached the target"}
    if at_edge:
        reason = "learning rate not found: one column's best is the smallest or largest tried"
        return _of_ratio(ratio) | {"verdict": Verdict.INCONCLUSIVE, "reason": reason}
    verdict = Verdict(by_margin(ratio))
    where = _WHERE.get(verdict, "beyond")
    return _of_ratio(ratio) | {"verdict": verdict, "reason": f"interval {where} {MARGIN:.0%}"}


def _differences(kind: str, a: pd.Series, b: pd.Series) -> list[str]:
    """Names of what defines the result and differs; the kernel where another ran than was asked for."""
    trained = (json.loads(a["settings"]), json.loads(b["settings"]))
    differ = [name for name in SAME[kind] if not _equal(a[name], b[name])]
    if kind == "convergence" and _other_data(a, b):
        differ.append("data")
    # What an older version did not record yet is null, and says nothing of a difference.
    differ += [n for n in TRAINED[kind] if n not in differ and not _equal(*(one.get(n) for one in trained))]
    if kind != "convergence" and not all(side["kernel_seen"] == side["kernel"] for side in (a, b)):
        differ.append(f"kernel ({b['kernel_seen']} beside {a['kernel_seen']})")
    return differ


def _other_data(a: pd.Series, b: pd.Series) -> bool:
    """Whether two arms saw other data.

    A fingerprint differs already where another CPU scales the same file, in the last digits. So where it does, errors
    of predictions without a network decide.
    """
    if a["data_sha256"] == b["data_sha256"]:
        return False
    known = [(a["baselines"][name], b["baselines"][name]) for name in a["baselines"].keys() & b["baselines"].keys()]
    return any(abs(one - other) > DATA_TOLERANCE * a["trivial"] for one, other in known)


def _equal(a: Any, b: Any) -> bool:
    if any(one is None or one is pd.NA or one != one for one in (a, b)):  # noqa: PLR0124 - nan is not itself
        return True
    return math.isclose(a, b, rel_tol=TOLERANCE) if isinstance(a, float) else bool(a == b)
