"""Frames of what a run recorded: cases, trainings, curves, timed blocks, memory, baselines and machines."""

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
import numpy as np

from bench.case.record import Seen
from bench.case.run_record import Invocation
from reports.collect.grouping import Setting
from reports.collect.records import (
    cost,
    costs_of_all,
    floats,
    last_accuracy,
    last_error,
    lowest_error,
    target_of,
)
from reports.costs.roofline import MEMORY as BANDWIDTH
from reports.costs.roofline import OPERATION, PRODUCT, count
from reports.frames.columns import (
    KEY,
    NETWORK,
    RUN,
    TASK,
    Column,
    OfRecord,
    Source,
    Table,
    attributes,
    dial_of,
    renamed,
)
from reports.statistics.intervals import Costs, median, running_time_interval
from tasks.dials import Dial

_CASE, _PART = attrgetter("record.case"), attrgetter("part")


def _records(kinds: tuple[str, ...]) -> Callable[[Source], Iterator[OfRecord]]:
    def rows(source: Source) -> Iterator[OfRecord]:
        for record in source.records:
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
    lambda source: (OfRecord(source, record) for record in source.records),
    (
        RUN,
        KEY,
        *attributes(
            _CASE,
            {"kind": ("category", "`convergence`, `time` or `memory`")}
            | {"regime": ("category", "how windows follow each other, and whether the state is carried")}
            | TASK,
        ),
        dial_of(_CASE),
        *attributes(
            _CASE,
            NETWORK
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
                    "compile": ("float64", "seconds of the first call"),
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
    for record in source.records:
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
            _PART,
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
        *attributes(_PART, _REPLICATE),
        Column("updates", "int64", "weight updates made before it", lambda row: np.array(row.part.updates)),
        Column(
            "error",
            "float64",
            "mean error over the scored targets, in the task's unit",
            lambda row: floats(row.part.error),
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
    for record in source.records:
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

MEMORY = Table(
    "memory",
    "a memory case",
    _records(("memory",)),
    (
        RUN,
        KEY,
        *attributes(
            _PART,
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
    for record in source.records:
        case, found = record.case, record.convergence
        if found is None or (case.task, case.dial) in seen:
            continue
        seen.add((case.task, case.dial))
        for name, error in ({"trivial": found.trivial, "optimum": found.optimum} | found.baselines).items():
            yield _Baseline(source, case.task, case.dial, name, error, found.loss)


def _itself(row: _Baseline) -> _Baseline:
    return row


BASELINES = Table(
    "baselines",
    "a predictor without a network, on a task",
    _baselines,
    (
        RUN,
        *attributes(_itself, TASK),
        dial_of(_itself),
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
        Column(
            "memory_bytes_per_second", "float64", "best rate of reading and writing memory, B/s", _ceiling(BANDWIDTH)
        ),
        Column(
            "operation_seconds", "float64", "seconds of the smallest operation in a graph, at best", _ceiling(OPERATION)
        ),
    ),
)
