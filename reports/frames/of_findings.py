"""Frames of what was made of the records: comparisons, widths, other targets, and what things cost."""

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
from msgspec import Struct

from bench.case.record import Record
from bench.case.run_record import Ceiling
from reports.claim.arms import Arm, Comparison, WidthArm
from reports.collect.grouping import Setting
from reports.costs.roofline import PRODUCT, Ceilings
from reports.costs.timings import middle
from reports.frames.columns import KEY, NETWORK, RUN, TASK, Column, Source, Table, attributes, dial_of
from reports.statistics.intervals import Ratio
from reports.statistics.verdict import Judgement, pace


class Judged(Struct, frozen=True, gc=False):
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


def _setting(of: Callable[[Any], Setting], *, without: tuple[str, ...] = ()) -> tuple[Column, ...]:
    """Columns of a setting."""
    network = {name: about for name, about in NETWORK.items() if name not in without}
    return (*attributes(of, TASK), dial_of(of), *attributes(of, network))


_SETTING: Callable[[Any], Setting] = attrgetter("setting")
_RATIO: Callable[[Any], Ratio] = attrgetter("ratio")
_OF_UPDATES: Callable[[Any], Comparison | None] = attrgetter("of_updates")

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
                yield Judged(source, timed.what, timed.b.setting, regime, keys, measure, ratio, pace(ratio))


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
        *_setting(_SETTING),
        Column("regime", "category", "regime of both; missing where they differ in it", lambda row: row.regime),
        *attributes(
            _SETTING,
            {"reach_in_windows": ("float64", "reach over window, D / L; missing where the reach is not known")},
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
        *attributes(_RATIO, {"n": ("int64", "paired seeds, or pairs of processes")}),
        Column(
            "ratio",
            "float64",
            "a / b; 0 or inf where only one reached the target, missing where neither did",
            lambda ratio: ratio.value,
            _RATIO,
        ),
        *attributes(
            _RATIO,
            {
                "low": ("float64", "lower 95 % limit of the ratio"),
                "high": ("float64", "upper 95 % limit of it"),
                "method": (
                    "category",
                    (
                        "limits by: `jackknife`, `bound` (exact success rates), `moderated` (variances of all pairs) "
                        "or `none`"
                    ),
                ),
            },
        ),
        Column(
            "verdict",
            "category",
            "`fewer`, `more`, `same`, `inconclusive`, `only stateful`, `only stateless`, `neither`, `rate not found`; "
            "`faster`, `slower`, `one process, no interval`; `lower`, `higher`",
            lambda row: row.verdict,
        ),
        *attributes(
            _OF_UPDATES,
            {
                "p": (
                    "float64",
                    "p of the claim that the ratio in updates lies beyond the margin; 1 where no difference is claimed",
                ),
                "p_holm": ("float64", "p after Holm's correction over the declared comparisons"),
                "survives_holm": ("boolean", "whether a declared difference remains after it"),
            },
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
            lambda comparison: comparison.updates.look_oftener,
            _OF_UPDATES,
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
                    attrgetter(f"{side}.hits"),
                    _OF_UPDATES,
                ),
                Column(
                    f"expected_{side}",
                    "float64",
                    f"expected updates to target of {side}; inf where none reached it",
                    attrgetter(f"{side}.ert"),
                    _OF_UPDATES,
                ),
            )
        ),
        *(
            Column(
                f"a_needs_fewer{suffix}", "float64", meaning, attrgetter(f"better_on_a_fresh_draw.{part}"), _OF_UPDATES
            )
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


class OfArm(NamedTuple):
    """An arm of a comparison of trainings."""

    source: Source
    compares: str
    one: Comparison
    side: str

    @property
    def arm(self) -> Arm:
        """The arm."""
        found: Arm = getattr(self.one, self.side)
        return found

    @property
    def record(self) -> Record:
        """Its record."""
        return self.arm.record


def _arms(source: Source) -> Iterator[OfArm]:
    every = [
        *((" / ".join(one.regimes), one) for one in source.comparisons),
        *((A_A, one) for one in source.a_a),
        *((LONGER, one.comparison) for one in source.longer_windows),
        *((f"{one.a} / {one.b}", one.comparison) for one in source.same_arms),
    ]
    for compares, one in every:
        for side in "ab":
            row = OfArm(source, compares, one, side)
            if source.wants(row.record):
                yield row


_OF_ARM = (
    RUN,
    Column("compares", "category", "as in `comparisons`, whose row it belongs to", lambda row: row.compares),
    Column("key_a", "category", "record of a", lambda row: row.one.keys[0]),
    Column("key_b", "category", "record of b", lambda row: row.one.keys[1]),
    Column("side", "category", "`a` or `b`", lambda row: row.side),
    KEY,
    Column("regime", "category", "its regime", lambda row: row.record.case.regime),
)

ARMS = Table(
    "arms",
    "an arm of a comparison in updates to target, over the seeds that both have, up to the smaller of both budgets",
    _arms,
    (
        *_OF_ARM,
        Column("n", "int64", "paired seeds", lambda row: row.arm.n),
        Column("reached", "int64", "how many of them reached the target", lambda row: row.arm.hits),
        Column(
            "expected",
            "float64",
            "expected updates to target, a training that takes long being restarted; inf where none reached it",
            lambda row: row.arm.ert,
        ),
        Column("low", "float64", "lower 95 % limit of it, updates", lambda row: row.arm.ert_interval[0]),
        Column("high", "float64", "upper 95 % limit of it, updates", lambda row: row.arm.ert_interval[1]),
        Column("spent", "float64", "updates that all of them spent", lambda row: row.arm.cost.sum()),
    ),
)

PAIRED_TRAININGS = Table(
    "paired_trainings",
    "a training of such an arm, as the comparison counts it",
    _arms,
    (
        *_OF_ARM,
        Column("seed", "int64", "its seed", lambda row: np.array([one.seed for one in row.arm.replicates])),
        Column("reached", "bool", "whether it reached the target", lambda row: row.arm.reached),
        Column(
            "cost",
            "float64",
            "updates to the target, the middle of the evaluations between which it was reached, or all that it spent",
            lambda row: row.arm.cost,
        ),
    ),
    length=lambda row: row.arm.n,
)


def _share(limit: str) -> Callable[[Any], Any]:
    return lambda row: row.it.shares.get(limit)


def _peak(name: str) -> Callable[[Any], Any]:
    return lambda row: row.it.peak.get(name)


class Found(NamedTuple):
    """One finding of a run; `part` is what a row is of it where it has several."""

    source: Source
    it: Any
    part: Any = None


def _of_timing(row: Found) -> Setting:
    found: Setting = row.it.timing.setting
    return found


_REGIME = Column("regime", "category", "regime", lambda row: row.it.timing.regime)
_KEY = Column(
    "key",
    "category",
    "record, the first of its processes where there are several",
    lambda row: row.it.timing.records[0].key,
)


def _of_it(name: str) -> Callable[[Found], Any]:
    return lambda row: getattr(row.it, name)


def _found(name: str) -> Callable[[Source], Iterator[Found]]:
    """Rows of findings on costs."""
    return lambda source: (Found(source, one) for one in getattr(source.costs, name))


def _rows_of(limits: Ceilings | None) -> tuple[Ceiling, ...]:
    return () if limits is None else limits.rows


def _widths(source: Source) -> Iterator[Found]:
    for one in source.widths:
        yield Found(source, one, "stateful")
        yield Found(source, one, "stateless")


def _arm_over_widths(row: Found) -> WidthArm:
    arm: WidthArm = getattr(row.it, row.part)
    return arm


def _of_interval(name: str) -> Callable[[Found], Any]:
    return lambda row: getattr(_arm_over_widths(row).interval, name)


WIDTHS = Table(
    "widths",
    "a width of an arm, of settings that differ in the units alone; what is of the arm repeats",
    _widths,
    (
        RUN,
        *_setting(lambda row: row.it.setting, without=("units",)),
        Column("regime", "category", "`stateful` or `stateless`", lambda row: row.part),
        Column("units", "int64", "units of a layer", lambda row: np.array([*_arm_over_widths(row).counts])),
        Column(
            "reached",
            "int64",
            "trainings that reached the target",
            lambda row: np.array([hits for hits, _ in _arm_over_widths(row).counts.values()]),
        ),
        Column("of", "int64", "trainings", lambda row: np.array([n for _, n in _arm_over_widths(row).counts.values()])),
        Column(
            "above", "Int64", "the narrowest width that suffices is above this; missing: unknown", _of_interval("above")
        ),
        Column("up_to", "Int64", "and at most this; missing: unknown", _of_interval("up_to")),
        Column(
            "verdict",
            "category",
            "stateful against stateless: `fewer` where its width is smaller",
            lambda row: str(row.it.verdict),
        ),
        *attributes(
            _arm_over_widths,
            {
                "parameters": ("Int64", "trainable parameters at the width `up_to`"),
                "seconds_per_update": ("float64", "median seconds of an update there, of one training"),
                "counted_bytes": ("Int64", "bytes that must exist at once there"),
                "memory_bytes": ("Int64", "bytes of the allocator's peak there; missing where not measured"),
            },
        ),
    ),
    length=lambda row: len(_arm_over_widths(row).counts),
)


TARGETS = Table(
    "targets",
    "a ratio stateful / stateless in updates to another target than the declared one, easiest first; of the 100 "
    "comparisons of most interest",
    lambda source: (
        Found(source, one, step) for one in source.sensitivity for step in zip(one.targets, one.judgements, strict=True)
    ),
    (
        RUN,
        *_setting(lambda row: row.it.setting),
        Column("target", "float64", "error to reach, in the task's unit", lambda row: row.part[0]),
        Column("n", "int64", "paired seeds", lambda row: row.part[1].ratio.n),
        Column("ratio", "float64", "stateful / stateless in updates", lambda row: row.part[1].ratio.value),
        Column("low", "float64", "lower 95 % limit of it", lambda row: row.part[1].ratio.low),
        Column("high", "float64", "upper 95 % limit of it", lambda row: row.part[1].ratio.high),
        Column("method", "category", "limits by: as in `comparisons`", lambda row: row.part[1].ratio.method),
        Column("verdict", "category", "as in `comparisons`", lambda row: str(row.part[1].verdict)),
    ),
)

TO_TARGET = Table(
    "to_target",
    "a timed case whose setting was trained to its target too: updates x seconds per update, compilation included",
    _found("to_target"),
    (
        RUN,
        _KEY,
        *_setting(_of_timing),
        _REGIME,
        Column("reached", "int64", "trainings that reached the target", lambda row: row.it.reached),
        Column("n", "int64", "trainings", lambda row: row.it.n),
        Column(
            "updates", "float64", "expected updates to target; inf where none reached it", lambda row: row.it.updates
        ),
        Column("seconds_per_update", "float64", "median over processes", lambda row: row.it.timing.median),
        Column(
            "compile_seconds",
            "float64",
            "seconds of the first call beyond a steady one",
            lambda row: row.it.timing.compile_seconds,
        ),
        Column("seconds", "float64", "expected seconds to target", lambda row: row.it.seconds),
        Column("low", "float64", "lower 95 % limit of them", lambda row: row.it.low),
        Column("high", "float64", "upper 95 % limit of them", lambda row: row.it.high),
    ),
)


def _common_regime(row: Found) -> str | None:
    a, b = row.it.contrast.a.regime, row.it.contrast.b.regime
    return str(b) if a == b else None


SECONDS = Table(
    "seconds",
    "a timed setting and regime over its processes; processes that ran another kernel than asked for are left out",
    _found("timings"),
    (
        RUN,
        Column("key", "category", "record, the first of its processes", lambda row: row.it.records[0].key),
        *_setting(lambda row: row.it.setting),
        Column("regime", "category", "regime", lambda row: row.it.regime),
        Column("seconds", "float64", "seconds of an update: the median of its processes' medians", _of_it("median")),
        Column("low", "float64", "lower quartile of all blocks' seconds of an update", _of_it("low")),
        Column("high", "float64", "upper quartile of them", _of_it("high")),
        Column("samples", "int64", "timed blocks", _of_it("samples")),
        Column(
            "forward_pass_seconds",
            "float64",
            "seconds of a forward pass of a batch, likewise; missing where not timed",
            lambda row: middle(row.it.inference),
        ),
        Column(
            "compile_seconds",
            "float64",
            "seconds of the first call beyond a steady one, median over its processes",
            _of_it("compile_seconds"),
        ),
        Column("processes", "int64", "processes", lambda row: len(row.it.records)),
    ),
)

PAYBACKS = Table(
    "paybacks",
    "a kernel beside the plain loop: after how many updates it breaks even",
    _found("paybacks"),
    (
        RUN,
        Column("compares", "category", "both kernels", lambda row: row.it.contrast.what),
        Column("key_a", "category", "record of the kernel", lambda row: row.it.contrast.a.records[0].key),
        Column("key_b", "category", "record of the loop", lambda row: row.it.contrast.b.records[0].key),
        *_setting(lambda row: row.it.contrast.b.setting),
        Column("regime", "category", "regime of both; missing where they differ in it", _common_regime),
        Column("updates", "float64", "updates; inf where it never breaks even", lambda row: row.it.updates),
        Column("low", "float64", "lower 95 % limit", lambda row: row.it.low),
        Column("high", "float64", "upper 95 % limit", lambda row: row.it.high),
    ),
)

GROWTH = Table(
    "growth",
    "a point of a cost along an axis, all else equal; what is of the line repeats",
    _found("growths"),
    (
        RUN,
        Column("quantity", "category", "what is measured, with its unit", lambda row: row.it.quantity),
        Column("axis", "category", "what grows: a column of `cases`", lambda row: row.it.axis),
        *_setting(lambda row: row.it.setting),
        Column("regime", "category", "regime", lambda row: row.it.regime),
        Column("at", "float64", "place on the axis; the setting is that of the first", lambda row: row.it.x),
        Column("value", "float64", "the cost there", lambda row: row.it.y),
        Column("exponent", "float64", "least-squares slope of log cost over log size", lambda row: row.it.exponent),
        Column("low", "float64", "lower 95 % limit of it", lambda row: row.it.low),
        Column("high", "float64", "upper 95 % limit of it", lambda row: row.it.high),
        Column("last_exponent", "float64", "the same between the two largest alone", lambda row: row.it.last),
    ),
    length=lambda row: row.it.x.size,
)

ROOFLINE = Table(
    "roofline",
    "a timed case beside what this machine reached at best in this run",
    _found("points"),
    (
        RUN,
        _KEY,
        *_setting(_of_timing),
        _REGIME,
        Column("flops_per_second", "float64", "matrix products alone, FLOP/s", lambda row: row.it.flops_per_second),
        Column(
            "flops_per_byte", "float64", "operations for each byte that must be moved", lambda row: row.it.intensity
        ),
        *(
            Column(f"{limit}_share", "float64", meaning, _share(limit))
            for limit, meaning in (
                ("arithmetic", "seconds that arithmetic alone would take, as a share of those measured"),
                ("memory", "the same of moving every array once in each of its roles"),
                ("dispatch", "the same of starting the traced graph's operations; missing where they are fused"),
            )
        ),
        Column("bottleneck", "category", "the largest of them where it is half or more", lambda row: row.it.bottleneck),
    ),
)

CEILINGS = Table(
    "ceilings",
    "an operation whose rate is a limit of this machine, as measured in the run",
    lambda source: (Found(source, source.costs.ceilings, row) for row in _rows_of(source.costs.ceilings)),
    (
        RUN,
        Column("ceiling", "category", "the operation", lambda row: row.part.name),
        Column(
            "dtype",
            "category",
            "number format of a matrix product; missing of other operations",
            lambda row: next((dtype for dtype in row.it.products if row.part.name == PRODUCT.format(dtype)), None),
        ),
        Column("unit", "category", "of the next two: `FLOP/s`, `B/s` or `s`", lambda row: row.part.unit),
        Column("best", "float64", "best block over all invocations", lambda row: row.part.best),
        Column("median", "float64", "middle block, median over the invocations", lambda row: row.part.median),
        Column(
            "engine", "category", "framework that they were measured with; missing where not told", _of_it("engine")
        ),
    ),
)

WHOLE_TRAININGS = Table(
    "whole_trainings",
    "a training that was timed from the first call to the last",
    _found("whole_trainings"),
    (
        RUN,
        _KEY,
        *_setting(_of_timing),
        _REGIME,
        Column("repetition", "int64", "process of several with the same case, from 0", lambda row: row.it.repetition),
        Column("updates", "int64", "updates that it made", lambda row: row.it.updates),
        Column("reached", "bool", "whether it reached the target", lambda row: row.it.reached),
        Column("seconds", "float64", "seconds, without the evaluations", lambda row: row.it.seconds),
        Column(
            "product",
            "float64",
            "updates x seconds per update + compilation of the same process",
            lambda row: row.it.product,
        ),
        Column("evaluate_seconds", "float64", "seconds of the evaluations, in neither", lambda row: row.it.evaluating),
    ),
)

ENERGY = Table(
    "energy",
    "joules of an update of a timed case by what told them, other programs and idling included",
    lambda source: (Found(source, one, part) for one in source.costs.energies for part in one.joules.items()),
    (
        RUN,
        _KEY,
        *_setting(_of_timing),
        _REGIME,
        Column("sensor", "category", "what told them", lambda row: row.part[0]),
        Column("joules", "float64", "joules of an update", lambda row: row.part[1]),
    ),
)

_ALLOCATOR = "of the framework's allocator"

MEMORY_PEAKS = Table(
    "memory_peaks",
    "a memory case over its processes, the largest of them, beside a count of what must exist at once",
    _found("memories"),
    (
        RUN,
        *_setting(lambda row: row.it.setting),
        Column("regime", "category", "regime", lambda row: row.it.regime),
        *(
            Column(name, "Int64", f"bytes: {meaning}", _peak(name))
            for name, meaning in (
                ("allocator_peak_bytes", f"peak {_ALLOCATOR}, training"),
                ("compile_peak_bytes", f"peak {_ALLOCATOR}, first call"),
                ("resident_peak_bytes", "resident peak of the whole process"),
                ("resident_before_bytes", "resident before there was a model"),
            )
        ),
        Column(
            "counted_bytes", "Int64", "bytes that must exist at once", lambda row: row.it.count and row.it.count.total
        ),
        Column(
            "over_counted",
            "float64",
            "the allocator's peak in training over what was counted; missing where less than 1 MiB was",
            lambda row: row.it.over_count,
        ),
        Column("doubtful", "bool", "whether that cannot be right", lambda row: row.it.doubtful),
        Column("processes", "int64", "processes", lambda row: row.it.processes),
    ),
)

STATE_MEMORY = Table(
    "state_memory",
    "a memory case with carried state (a) beside the same without (b)",
    _found("states"),
    (
        RUN,
        *_setting(lambda row: row.it.a.setting),
        Column("counted_bytes", "Int64", "bytes of the state", lambda row: row.it.a.count and row.it.a.count.state),
        Column("bytes_a", "Int64", f"peak {_ALLOCATOR} in training", lambda row: row.it.a.allocated),
        Column("bytes_b", "Int64", "the same without carried state", lambda row: row.it.b.allocated),
        Column("ratio", "float64", "a / b; one process each, so without an interval", lambda row: row.it.ratio),
    ),
)
