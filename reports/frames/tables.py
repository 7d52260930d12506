"""What each frame holds: its rows, and column by column the type, the meaning with its unit, and where it comes from.

A new column is a new line in one of the tables below; docs/frames.md is made from them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import msgspec
import numpy as np

from bench.case.record import Record, Seen
from bench.case.run_record import Invocation
from reports.claim.arms import Arm, Comparison, comparisons, self_comparisons
from reports.claim.controls import LongerWindow, Otherwise, longer_windows, predicted_otherwise
from reports.claim.robustness import SameArm, same_arms
from reports.collect.grouping import Setting
from reports.collect.read import Run
from reports.collect.records import (
    cost,
    costs_of_all,
    curve,
    floats,
    last_accuracy,
    last_error,
    lowest_error,
    target_of,
)
from reports.costs.contrasts import Contrasts, contrasts, judged
from reports.costs.roofline import MEMORY, OPERATION, PRODUCT, count
from reports.costs.timings import timings
from reports.statistics.intervals import Costs, Ratio, median, running_time_interval
from reports.statistics.verdict import Judgement
from tasks import dials
from tasks.dials import Dial


@dataclass(frozen=True)
class Source:
    """A run and what was judged of it; each is computed where it is asked for, unless a report has it already.

    `comparisons` are those of two regimes, with the same target and at least one paired seed.
    """

    name: str
    run: Run
    known: dict[str, Any]

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """Two regimes of one setting."""
        found = self.known.get("comparisons")
        return [one for one in comparisons(self.run) if one.same_target and one.a.n] if found is None else found

    @cached_property
    def a_a(self) -> list[Comparison]:
        """An arm with itself on other seeds."""
        found = self.known.get("a_a")
        return self_comparisons(self.run) if found is None else found

    @cached_property
    def longer_windows(self) -> list[LongerWindow]:
        """Carried state at a short window with a stateless network at a long one."""
        found = self.known.get("longer_windows")
        return longer_windows(self.run) if found is None else found

    @cached_property
    def otherwise(self) -> list[Otherwise]:
        """A trained network predicting in another way."""
        found = self.known.get("otherwise")
        return predicted_otherwise(self.run) if found is None else found

    @cached_property
    def same_arms(self) -> list[SameArm]:
        """An arm by two engines."""
        found = self.known.get("same_arms")
        return same_arms(self.run) if found is None else found

    @cached_property
    def contrasts(self) -> Contrasts:
        """Two timed cases."""
        found = self.known.get("contrasts")
        return contrasts(timings(self.run)) if found is None else found


class OfRecord(NamedTuple):
    """A record of a run; `part` is what a row is about."""

    source: Source
    record: Record
    part: Any = None


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes
    ----------
    dtype
        As pandas names it; ``category`` for text that repeats, ``Int64`` and ``boolean`` where a value may be missing.
    meaning
        What it is, with its unit.
    of
        Its value of a row; in a table whose rows come in series, an array or what all rows of the series share.
    """

    name: str
    dtype: str
    meaning: str
    of: Callable[[Any], Any]


@dataclass(frozen=True)
class Table:
    """One frame.

    Attributes
    ----------
    row
        What a row is.
    rows
        The rows of a run, or series of rows.
    length
        Number of rows of a series; None where each is one row.
    """

    name: str
    row: str
    rows: Callable[[Source], Iterator[Any]]
    columns: tuple[Column, ...]
    length: Callable[[Any], int] | None = None


RUN = Column(
    "run", "category", "name of the run; with its folder where two runs share a name", lambda row: row.source.name
)
KEY = Column("key", "category", "the record: `<kind>/<case id>`, unique in a run", lambda row: row.record.key)


def attributes(of: Callable[[Any], Any], columns: dict[str, tuple[str, str]]) -> tuple[Column, ...]:
    """Columns, by name with dtype and meaning, that are attributes of one thing; missing where that is None."""

    def value(name: str) -> Callable[[Any], Any]:
        def get(row: Any) -> Any:
            thing = of(row)
            return None if thing is None else getattr(thing, name)

        return get

    return tuple(Column(name, dtype, meaning, value(name)) for name, (dtype, meaning) in columns.items())


def renamed(form: str, columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """The same columns under other names; `form` has {} for the old one."""
    return tuple(replace(column, name=form.format(column.name)) for column in columns)


_TASK = {"task": ("category", "task")}


def _dial_of(of: Callable[[Any], Dial | None]) -> Column:
    """Column of a task's dial."""
    return Column(
        "dial",
        "category",
        "its dial as text, several with commas between; missing where it has none",
        lambda row: None if (dial := of(row)) is None else dials.write(dial),
    )


_NETWORK = {
    "cell": ("category", "recurrent cell"),
    "layers": ("int64", "recurrent layers"),
    "units": ("int64", "units of a layer"),
    "window": ("int64", "steps of a training window"),
    "batch_size": ("int64", "windows in a batch"),
    "kernel": ("category", "kernel asked for; `replicated` is the suite's own trainer"),
    "engine": ("category", "engine"),
    "device": ("category", "`cpu` or `gpu`"),
    "dtype": ("category", "number format of the network"),
}


def _records(kinds: tuple[str, ...]) -> Callable[[Source], Iterator[OfRecord]]:
    def rows(source: Source) -> Iterator[OfRecord]:
        for record in source.run.records:
            if record.case.kind in kinds and record.body is not None:
                yield OfRecord(source, record, record.body)

    return rows


def _evaluated(of: Callable[[Costs], Any]) -> Callable[[OfRecord], Any]:
    """A value made of the costs of all evaluation replicates; missing in other records."""

    def value(row: OfRecord) -> Any:
        found = row.record.convergence
        return None if found is None else of(costs_of_all(found))

    return value


def _seen(row: OfRecord) -> Seen | None:
    """What a configuration's process had; None where there was none, or it did not end well."""
    return None if row.record.configuration is None else row.record.configuration.seen


def _of_body(name: str) -> Callable[[OfRecord], Any]:
    """A field that not every kind of record has."""
    return lambda row: getattr(row.record.body, name, None)


def _median_seconds(row: OfRecord) -> float | None:
    found = row.record.convergence or row.record.time
    return None if found is None else median(np.array(found.seconds_per_update, dtype=float))


CASES = Table(
    "cases",
    "a record: one case of a run, whatever came of it",
    lambda source: (OfRecord(source, record) for record in source.run.records),
    (
        RUN,
        KEY,
        *attributes(
            lambda row: row.record.case,
            {"kind": ("category", "`convergence`, `time` or `memory`")}
            | {"regime": ("category", "how windows follow each other, and whether the state is carried")}
            | _TASK,
        ),
        _dial_of(lambda row: row.record.case.dial),
        *attributes(
            lambda row: row.record.case,
            _NETWORK
            | {
                "repetition": ("int64", "process of several with the same case, from 0"),
                "configuration": ("category", "way of running it; empty for the usual one"),
            },
        ),
        Column(
            "threads_seen",
            "Int64",
            "threads that the process of a configuration had, by its own account, as the next two",
            lambda row: (found := _seen(row)) and found.threads,
        ),
        Column(
            "cores_seen",
            "string",
            "cores that it could use, by number, with commas between",
            lambda row: (found := _seen(row)) and ",".join(map(str, found.cores)),
        ),
        Column(
            "flags_seen",
            "string",
            "what its framework says of itself, as in `onednn=True`",
            lambda row: (found := _seen(row)) and ",".join(f"{key}={one}" for key, one in found.flags.items()),
        ),
        Column(
            "reach",
            "Int64",
            "steps that the target reaches back; missing where that is not known, or without end",
            lambda row: reach if (reach := Setting.of(row.record.case).reach) != float("inf") else None,
        ),
        *attributes(
            lambda row: row.record,
            {
                "outcome": ("category", "`ok`, `failed`, `crashed`, `timed-out` or `out-of-memory`"),
                "message": ("string", "end of the error output; missing where it ended well"),
            },
        ),
        Column(
            "warnings",
            "string",
            "codes of its warnings, with commas between",
            lambda row: ",".join(row.record.warnings),
        ),
        Column("started", "datetime64[us, UTC]", "when it started", lambda row: row.record.started),
        *renamed(
            "{}_seconds",
            attributes(
                lambda row: row.record.seconds,
                {
                    "total": ("float64", "seconds from request to record, less the wait"),
                    "wait": ("float64", "seconds until it was its turn; of interleaved cases"),
                    "start": ("float64", "seconds: start of the process and imports"),
                    "prepare": ("float64", "seconds: data and tracing"),
                    "compile": ("float64", "seconds of the first call; of time cases beyond a steady one"),
                    "train": ("float64", "seconds: compiled training, with its evaluations"),
                    "evaluate": ("float64", "seconds: evaluation after training"),
                },
            ),
        ),
        *attributes(
            lambda row: row.record.body,
            {
                "kernel_seen": ("category", "kernel that ran, read from the graph"),
                "parameters": ("Int64", "trainable parameters"),
                "cell_steps_per_update": ("Int64", "cell steps of one update: batch size x steps of a window x layers"),
            },
        ),
        Column("features", "Int64", "inputs at a step; missing in convergence cases", _of_body("features")),
        Column(
            "targets_per_update",
            "Int64",
            "targets of one update; missing in memory cases",
            _of_body("targets_per_update"),
        ),
        Column(
            "settings",
            "string",
            "what it was trained with, as JSON (docs/records.md)",
            lambda row: msgspec.json.encode(row.record.training).decode(),
        ),
        Column(
            "seconds_per_update",
            "float64",
            "seconds of one update, median; of convergence cases of one replicate",
            _median_seconds,
        ),
        *attributes(
            lambda row: row.record.time,
            {
                "settled": ("boolean", "whether both halves of the samples agree; time cases"),
                "load": ("float64", "load average per core just before; time cases"),
            },
        ),
        *attributes(
            lambda row: row.record.convergence,
            {
                "predicts": (
                    "category",
                    "how the arm is evaluated: `sliding` or `carried`; as all below, of convergence cases",
                ),
                "data_sha256": ("category", "fingerprint of the data; missing in older records"),
                "updates_per_epoch": ("Int64", "weight updates in a pass over the training targets"),
                "steps_per_prediction": ("Int64", "steps that are computed for one prediction"),
                "target": ("float64", "error to reach, in the task's unit"),
                "loss": (
                    "category",
                    "what errors are counted in: `mse`, mean squared, or the `crossentropy` of labels, in nats",
                ),
                "majority": ("float64", "of labels: accuracy of always naming the one most frequent in training"),
                "hold": ("Int64", "evaluations in a row at which the target must be met"),
                "draws": ("Int64", "draws of the task's data that its folds were trained on"),
                "budget": ("Int64", "updates that a replicate may make; missing in older records"),
                "target_rule": ("category", "where the target comes from"),
                "trivial": ("float64", "error of predicting without a network, in the task's unit"),
                "optimum": ("float64", "least error that any predictor can have, in the task's unit"),
                "stateless_floor": ("float64", "least error for one that sees a window alone, in the task's unit"),
                "evaluate_every": ("Int64", "updates between evaluations, where they are equally far apart"),
                "chosen_rate": ("float64", "learning rate chosen on the tuning seeds"),
                "rate_at_edge": ("boolean", "whether it is the least or the largest of the grid"),
            },
        ),
        Column(
            "scored",
            "Int64",
            "targets that an evaluation scores",
            lambda row: (found := row.record.convergence) and found.scored.count,
        ),
        Column(
            "stop",
            "category",
            "when its trainings end: `budget`, or `target` once that is reached",
            lambda row: row.record.convergence and row.record.training.stop,
        ),
        Column(
            "rates_tried",
            "Int64",
            "learning rates that it was chosen from",
            lambda row: row.record.convergence and len(row.record.convergence.learning_rates),
        ),
        Column("replicates", "Int64", "evaluation replicates", _evaluated(lambda costs: costs.n)),
        Column("reached", "Int64", "how many of them reached the target", _evaluated(lambda costs: costs.hits)),
        Column(
            "expected_updates",
            "float64",
            "updates of all of them over the number that reached the target; inf for none",
            _evaluated(lambda costs: costs.expected),
        ),
        Column(
            "expected_updates_low",
            "float64",
            "lower 95 % limit of it, updates",
            _evaluated(lambda costs: running_time_interval(costs)[0]),
        ),
        Column(
            "expected_updates_high",
            "float64",
            "upper 95 % limit of it, updates",
            _evaluated(lambda costs: running_time_interval(costs)[1]),
        ),
    ),
)


def _replicates(source: Source) -> Iterator[OfRecord]:
    for record in source.run.records:
        if record.convergence is not None:
            for one in record.convergence.replicates:
                yield OfRecord(source, record, one)


_REPLICATE = {
    "seed": ("int64", "seed of initial weights and order"),
    "role": ("category", "`tuning`: chooses the learning rate; `evaluation`: decides"),
    "learning_rate": ("float64", "of Adam"),
    "fold": ("Int64", "repetition of tuning and evaluation; missing in records that know none"),
    "draw": ("int64", "draw of the task's data"),
}


REPLICATES = Table(
    "replicates",
    "one training of a convergence case",
    _replicates,
    (
        RUN,
        KEY,
        *attributes(
            lambda row: row.part,
            _REPLICATE
            | {
                "reached": ("bool", "whether the target was met at `hold` evaluations in a row"),
                "updates_to_target": ("Int64", "updates before the first of them; missing where there are none"),
                "censored_at": ("Int64", "updates spent where the target was not reached; else missing"),
                "abandoned": ("bool", "whether it was given up in tuning, since another rate had already needed less"),
                "diverged": ("bool", "whether it ended with an error that is not a number"),
            },
        ),
        Column(
            "cost",
            "float64",
            "updates that it counts with: the middle of the evaluations between which it reached the target, or all",
            lambda row: cost(row.part)[0],
        ),
        Column("cost_width", "float64", "updates between those two evaluations; else 0", lambda row: cost(row.part)[1]),
        Column(
            "best_error", "float64", "lowest error of its curve, in the task's unit", lambda row: lowest_error(row.part)
        ),
        Column(
            "last_error",
            "float64",
            "error at its last evaluation, in the task's unit",
            lambda row: last_error(row.part),
        ),
        Column(
            "last_accuracy",
            "float64",
            "of labels: share of the scored targets that it named rightly then; missing where targets are numbers",
            lambda row: last_accuracy(row.part),
        ),
        Column(
            "target",
            "float64",
            "error to reach, in the task's unit",
            lambda row: target_of(row.part, row.record.convergence),
        ),
    ),
)

CURVES = Table(
    "curves",
    "one evaluation of one training; of a published run, tuning trainings have their last one only",
    _replicates,
    (
        RUN,
        KEY,
        *attributes(lambda row: row.part, _REPLICATE),
        Column("updates", "int64", "weight updates made before it", lambda row: np.array(row.part.updates)),
        Column(
            "error",
            "float64",
            "mean error over the scored targets, in the task's unit",
            lambda row: curve(row.part)[1],
        ),
        Column(
            "loss",
            "float64",
            "mean training loss since the evaluation before; missing in published runs",
            lambda row: floats(row.part.loss) if row.part.loss else np.full(len(row.part.updates), np.nan),
        ),
    ),
    length=lambda row: len(row.part.updates),
)


class _Samples(NamedTuple):
    """Blocks of one kind; `first`: round of the first of them, None where rounds say nothing."""

    what: str
    first: int | None
    seconds: list[float]


def _blocks(source: Source) -> Iterator[OfRecord]:
    for record in source.run.records:
        timed = record.time
        if timed is None:
            continue
        yield OfRecord(source, record, _Samples("update", timed.warm_up_blocks, timed.seconds_per_update))
        if timed.inference is not None:
            passes = timed.inference
            yield OfRecord(source, record, _Samples("forward pass", passes.warm_up_blocks, passes.seconds_per_call))
        if timed.overhead_seconds_per_update:
            yield OfRecord(source, record, _Samples("overhead", None, timed.overhead_seconds_per_update))


def _rounds(row: OfRecord) -> Any:
    samples: _Samples = row.part
    if samples.first is None:
        return None
    return np.arange(samples.first, samples.first + len(samples.seconds))


TIMINGS = Table(
    "timings",
    "one timed block of a time case",
    _blocks,
    (
        RUN,
        KEY,
        Column(
            "what",
            "category",
            "`update`; `forward pass` of a batch; `overhead`: what the harness takes of an update",
            lambda row: row.part.what,
        ),
        Column(
            "round",
            "Int64",
            "number of the block, warm-up included; equal ones of a group are adjacent in time; missing for overhead",
            _rounds,
        ),
        Column(
            "group",
            "category",
            "name of the group of processes that took turns; missing where it was alone",
            lambda row: row.record.time.group,
        ),
        Column(
            "seconds",
            "float64",
            "seconds of one update, or of one forward pass, in this block",
            lambda row: np.array(row.part.seconds),
        ),
    ),
    length=lambda row: len(row.part.seconds),
)

MEMORY_PEAKS = Table(
    "memory",
    "a memory case",
    _records(("memory",)),
    (
        RUN,
        KEY,
        *attributes(
            lambda row: row.part,
            {
                "allocator_peak_bytes": ("Int64", "bytes: peak of the engine's allocator while training"),
                "compile_peak_bytes": ("Int64", "bytes: peak of the same during the first call"),
                "resident_peak_bytes": ("Int64", "bytes: peak resident memory of the process"),
                "resident_before_bytes": ("Int64", "bytes: resident with the framework imported, before the model"),
            },
        ),
        Column(
            "counted_bytes",
            "Int64",
            "bytes that must exist at once, counted from shapes; missing where those are not known",
            lambda row: (found := count(row.record)) and found.total,
        ),
        Column(
            "state_bytes",
            "Int64",
            "bytes of the carried state among them",
            lambda row: (found := count(row.record)) and found.state,
        ),
    ),
)


@dataclass(frozen=True)
class Judged:
    """One ratio a / b and its verdict."""

    source: Source
    compares: str
    setting: Setting
    regime: str | None
    keys: tuple[str, str]
    measure: str
    ratio: Ratio
    verdict: str
    seeds_to_decide: int | None = None
    comparison: Comparison | None = None
    target: float | None = None

    @property
    def of_updates(self) -> Comparison | None:
        """The comparison, in the row that counts updates: what is told once of all measures."""
        return self.comparison if self.measure == "updates" else None


def _measures(
    source: Source, compares: str, one: Comparison, regime: str | None = None, target: float | None = None
) -> Iterator[Judged]:
    """A row a measure."""
    every = {"updates": one.updates, "cell steps": one.cell_steps, "FLOPs": one.flops, "seconds": one.seconds}
    for measure, judgement in every.items():
        if judgement is not None:
            target = one.a.convergence.target if target is None else target
            yield _judged(source, compares, one, measure, judgement, regime, target)


def _judged(
    source: Source, compares: str, one: Comparison, measure: str, it: Judgement, regime: str | None, target: float
) -> Judged:
    return Judged(
        source,
        compares,
        one.setting,
        regime,
        one.keys,
        measure,
        it.ratio,
        str(it.verdict),
        it.seeds_needed,
        one,
        target,
    )


A_A, LONGER = "same arm, other seeds", "stateful / stateless at a longer window"


def _comparisons(source: Source) -> Iterator[Judged]:
    for one in source.comparisons:
        yield from _measures(source, " / ".join(one.regimes), one)
    for one in source.a_a:
        yield _judged(source, A_A, one, "updates", one.updates, one.regimes[0], one.a.convergence.target)
    for longer in source.longer_windows:
        yield from _measures(source, LONGER, longer.comparison, target=longer.target)
    for same in source.same_arms:
        yield from _measures(source, f"{same.a} / {same.b}", same.comparison, same.regime)
    for other in source.otherwise:
        keys = (other.key, other.key)
        compares, ratio = f"predicting {other.way} / {other.predicts}", other.ratio
        yield Judged(source, compares, other.setting, other.regime, keys, "error", ratio, other.verdict)
    for timed in source.contrasts.found:
        keys = timed.a.records[0].key, timed.b.records[0].key
        regime = timed.b.regime if timed.a.regime == timed.b.regime else None
        for measure, ratio in (
            ("seconds of an update", timed.training),
            ("seconds of a forward pass", timed.inference),
        ):
            if ratio.method != "none" or measure == "seconds of an update":
                yield Judged(source, timed.what, timed.b.setting, regime, keys, measure, ratio, judged(ratio))


def _arm(side: str, of: Callable[[Arm], Any]) -> Callable[[Judged], Any]:
    def value(row: Judged) -> Any:
        one = row.of_updates
        return None if one is None else of(getattr(one, side))

    return value


def _chance(part: str) -> Callable[[Judged], Any]:
    return lambda row: row.of_updates and getattr(row.of_updates.better_on_a_fresh_draw, part)


COMPARISONS = Table(
    "comparisons",
    "a ratio a / b in one measure, with its verdict; below 1, a is cheaper",
    _comparisons,
    (
        RUN,
        Column(
            "compares",
            "category",
            f"what a and b are: two regimes, kernels, engines, cells or ways of predicting; `{A_A}`: a check",
            lambda row: row.compares,
        ),
        Column(
            "key_a", "category", "record of a, the first of its processes where it was timed", lambda row: row.keys[0]
        ),
        Column("key_b", "category", "record of b", lambda row: row.keys[1]),
        *attributes(lambda row: row.setting, _TASK),
        _dial_of(lambda row: row.setting.dial or None),
        *attributes(lambda row: row.setting, _NETWORK),
        Column("regime", "category", "regime of both; missing where they differ in it", lambda row: row.regime),
        Column(
            "reach_in_windows",
            "float64",
            "reach over window, D / L; missing where the reach is not known",
            lambda row: row.setting.reach_in_windows,
        ),
        Column(
            "measure",
            "category",
            "`updates`, `cell steps`, `FLOPs`, `seconds` to the target; `seconds of an update` or `of a forward pass`; "
            "`error` after training",
            lambda row: row.measure,
        ),
        Column(
            "declared",
            "bool",
            "whether it was declared before the run; all others are exploratory",
            lambda row: row.comparison is not None and row.comparison.declared,
        ),
        Column("n", "int64", "paired seeds, or pairs of processes", lambda row: row.ratio.n),
        Column(
            "ratio",
            "float64",
            "a / b; 0 or inf where only one reached the target, missing where neither did",
            lambda row: row.ratio.value,
        ),
        Column("low", "float64", "lower 95 % limit of the ratio", lambda row: row.ratio.low),
        Column("high", "float64", "upper 95 % limit of it", lambda row: row.ratio.high),
        Column(
            "method",
            "category",
            "limits by: `jackknife`, `bound` (exact success rates), `moderated` (variances of all pairs) or `none`",
            lambda row: row.ratio.method,
        ),
        Column(
            "verdict",
            "category",
            "`fewer`, `more`, `same`, `inconclusive`, `only stateful`, `only stateless`, `neither`, `rate not found`; "
            "`faster`, `slower`; `lower`, `higher`",
            lambda row: row.verdict,
        ),
        Column(
            "p",
            "float64",
            "p of the claim that the ratio in updates lies beyond the margin; 1 where no difference is claimed",
            lambda row: row.of_updates and row.of_updates.p,
        ),
        Column(
            "p_holm",
            "float64",
            "p after Holm's correction over the declared comparisons",
            lambda row: row.of_updates and row.of_updates.p_holm,
        ),
        Column(
            "survives_holm",
            "boolean",
            "whether a declared difference remains after it",
            lambda row: row.of_updates and row.of_updates.survives_holm,
        ),
        Column(
            "seeds_to_decide",
            "Int64",
            "seeds per arm at which a new run would decide with a chance of 80 %; of inconclusive ones",
            lambda row: row.seeds_to_decide,
        ),
        Column(
            "evaluate_more_often",
            "boolean",
            "whether the distance of the evaluations alone keeps it open, so that no number of seeds decides it",
            lambda row: row.of_updates and row.of_updates.updates.look_oftener,
        ),
        Column("target", "float64", "error to reach, in the task's unit", lambda row: row.target),
        *(
            column
            for side in "ab"
            for column in (
                Column(
                    f"reached_{side}",
                    "Int64",
                    f"paired seeds of {side} that reached the target",
                    _arm(side, lambda arm: arm.hits),
                ),
                Column(
                    f"expected_{side}",
                    "float64",
                    f"expected updates to target of {side}; inf where none reached it",
                    _arm(side, lambda arm: arm.ert),
                ),
            )
        ),
        *(
            Column(f"a_needs_fewer{suffix}", "float64", meaning, _chance(part))
            for suffix, part, meaning in (
                (
                    "",
                    "value",
                    "chance that on a fresh draw of the data a fresh training of a needs fewer than one of b",
                ),
                ("_low", "low", "lower 95 % limit of that chance"),
                ("_high", "high", "upper 95 % limit of it"),
            )
        ),
    ),
)


class _Baseline(NamedTuple):
    source: Source
    task: str
    dial: Dial | None
    name: str
    error: float | None
    loss: str


def _baselines(source: Source) -> Iterator[_Baseline]:
    """Each once: all arms of a task state the same."""
    seen = set()
    for record in source.run.records:
        case, found = record.case, record.convergence
        if found is None or (case.task, case.dial) in seen:
            continue
        seen.add((case.task, case.dial))
        for name, error in ({"trivial": found.trivial, "optimum": found.optimum} | found.baselines).items():
            yield _Baseline(source, case.task, case.dial, name, error, found.loss)


BASELINES = Table(
    "baselines",
    "a predictor without a network, on a task",
    _baselines,
    (
        RUN,
        *attributes(lambda row: row, _TASK),
        _dial_of(lambda row: row.dial),
        Column(
            "baseline",
            "category",
            "its name; `trivial` and `optimum` are of the task's own definition",
            lambda row: row.name,
        ),
        Column(
            "error",
            "float64",
            "mean error over all held-out targets after the warm-up, in the task's unit",
            lambda row: row.error,
        ),
        Column("loss", "category", "what it is counted in: `mse` or `crossentropy`", lambda row: row.loss),
    ),
)


class _Invoked(NamedTuple):
    source: Source
    number: int
    invocation: Invocation | None


def _machines(source: Source) -> Iterator[_Invoked]:
    invocations = source.run.about.invocations if source.run.about else []
    for number, one in enumerate(invocations or [None]):
        yield _Invoked(source, number, one)


def _ceiling(name: str) -> Callable[[_Invoked], float | None]:
    def best(row: _Invoked) -> float | None:
        found = row.invocation and row.invocation.ceilings
        return found[name].best if found and name in found else None

    return best


def _version(package: str) -> Callable[[_Invoked], str | None]:
    def version(row: _Invoked) -> str | None:
        about = row.source.run.about
        return about.versions.get(package) if about else None

    return version


def _machine(row: _Invoked) -> Any:
    about = row.source.run.about
    return about and about.machine


def _git(row: _Invoked) -> Any:
    return row.invocation and row.invocation.git


MACHINES = Table(
    "machines",
    "one time that a run was started, and where",
    _machines,
    (
        RUN,
        Column("invocation", "int64", "its number within the run, from 0", lambda row: row.number),
        *attributes(
            lambda row: row.invocation,
            {
                "started": ("datetime64[us, UTC]", "when it started"),
                "finished": ("datetime64[us, UTC]", "when it ended; missing where it was killed"),
                "command": ("string", "what was typed"),
                "workers": ("Int64", "cases side by side"),
                "load_before": ("float64", "load average just before"),
                "wall_seconds": ("float64", "seconds that it took"),
                "cases_run": ("Int64", "cases that it ran"),
            },
        ),
        *attributes(
            _git,
            {
                "commit": ("category", "commit of the code"),
                "dirty": ("boolean", "whether the working tree differed from it"),
            },
        ),
        Column(
            "fingerprint",
            "category",
            "SHA-256 over what may not change within a run",
            lambda row: row.source.run.about and row.source.run.about.machine_sha256,
        ),
        *attributes(
            _machine,
            {
                "cpu": ("category", "model of the processor"),
                "cores": ("Int64", "physical cores"),
                "threads": ("Int64", "what the system counts as processors"),
                "memory_bytes": ("Int64", "bytes of main memory"),
                "system": ("category", "kernel and release"),
            },
        ),
        Column(
            "accelerators",
            "category",
            "GPUs, with commas between",
            lambda row: (found := _machine(row)) and ", ".join(found.accelerators),
        ),
        *(
            Column(f"{package}_version", "category", f"version of {package}; missing where absent", _version(package))
            for package in ("python", "numpy", "tensorflow", "keras", "jax", "torch", "statebench")
        ),
        *(
            Column(
                f"{dtype}_flops_per_second",
                "float64",
                f"best rate of a large matrix product in {dtype}, FLOP/s",
                _ceiling(PRODUCT.format(dtype)),
            )
            for dtype in ("float32", "float64", "bfloat16")
        ),
        Column("memory_bytes_per_second", "float64", "best rate of reading and writing memory, B/s", _ceiling(MEMORY)),
        Column(
            "operation_seconds", "float64", "seconds of the smallest operation in a graph, at best", _ceiling(OPERATION)
        ),
    ),
)

TABLES = {
    table.name: table for table in (CASES, REPLICATES, CURVES, TIMINGS, MEMORY_PEAKS, COMPARISONS, BASELINES, MACHINES)
}
