"""Less training and a smaller network: two arms of a setting, paired by seed, and the narrowest width of each."""

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from bench.case.record import Convergence, Record, Replicate
from bench.case.regimes import REGIMES
from bench.warnings import Warn
from reports.collect.grouping import USUAL, Setting, arms_by_setting, by_engine, in_order
from reports.collect.read import Run
from reports.collect.records import body, costs_of, curve, measured_memory, median_seconds_per_update
from reports.costs.roofline import count, flops_per_update
from reports.statistics.intervals import (
    LEVEL,
    BoolArray,
    FloatArray,
    clopper_pearson,
    cost_arrays,
    expected_running_time,
    relative_variance_of_median,
    restricted_mean,
    rounding_variance,
    running_time_interval,
)
from reports.statistics.verdict import (
    DIFFERENT,
    Judgement,
    Verdict,
    WidthInterval,
    compare_widths,
    holm,
    judge,
    sign_flip_p,
    width_interval,
)

CLAIM = ("stateful", "stateless")
CONTROLS = tuple(name for name, regime in REGIMES.items() if name not in CLAIM and not regime.misaligned)
_PAIRS = (CLAIM, *(pair for name in CONTROLS for pair in ((name, "stateless"), ("stateful", name))))


@dataclass(frozen=True)
class Arm:
    """One arm over the paired seeds; `cost` in updates, shape (n,), as `reached`."""

    record: Record
    cost: FloatArray
    reached: BoolArray

    @property
    def convergence(self) -> Convergence:
        """What was measured."""
        return body(self.record)

    @property
    def n(self) -> int:
        """Number of replicates."""
        return self.cost.size

    @property
    def hits(self) -> int:
        """How many reached the target."""
        return int(self.reached.sum())

    @property
    def success(self) -> tuple[float, float]:
        """Exact interval of the success rate."""
        return clopper_pearson(self.hits, self.n)

    @property
    def rounding_variance(self) -> float:
        """Variance of the log of `ert` because evaluations are apart."""
        return rounding_variance(self.cost, self.reached, self.convergence.evaluate_every)

    @property
    def ert(self) -> float:
        """Expected running time in updates."""
        return expected_running_time(self.cost, self.reached)

    @property
    def ert_interval(self) -> tuple[float, float]:
        """Interval of the expected running time, updates."""
        return running_time_interval(self.cost, self.reached, self.rounding_variance)

    @property
    def budget(self) -> float:
        """Updates that a censored replicate spent, or the most that any spent."""
        spent = [one.updates[-1] for one in self.convergence.evaluation]
        return float(max([*spent, *self.cost]))

    @property
    def restricted_mean(self) -> float:
        """Mean of min(cost, budget) in updates."""
        return restricted_mean(self.cost, self.budget)

    @property
    def coarse(self) -> bool:
        """Whether one evaluation is more than the margin of 10 % of the time to target."""
        return self.hits > 0 and self.ert < 10 * self.convergence.evaluate_every


@dataclass(frozen=True)
class Comparison:
    """Arm `a` against arm `b`; every ratio is a / b.

    `declared`: named before the run as one that it is to decide; all others are exploratory, and their `p_holm` is nan.
    """

    setting: Setting
    a: Arm
    b: Arm
    unpaired: int
    declared: bool = False
    p_holm: float = float("nan")

    @property
    def regimes(self) -> tuple[str, str]:
        """Regimes of the two arms."""
        return self.a.record.case.regime, self.b.record.case.regime

    @property
    def keys(self) -> tuple[str, str]:
        """Keys of the two records."""
        return self.a.record.key, self.b.record.key

    @property
    def of_the_claim(self) -> bool:
        """Whether it is stateful against stateless."""
        return self.regimes == CLAIM

    @property
    def survives_holm(self) -> bool:
        """Whether a difference that was found also stands as one claim among the declared family."""
        return self.declared and self.updates.verdict in DIFFERENT and self.p_holm <= 1 - LEVEL

    @cached_property
    def updates(self) -> Judgement:
        """Verdict in weight updates."""
        return self._judge()

    @cached_property
    def cell_steps(self) -> Judgement:
        """Verdict in processed cell steps."""
        return self._judge(self.a.convergence.cell_steps_per_update, self.b.convergence.cell_steps_per_update)

    @cached_property
    def flops(self) -> Judgement | None:
        """Verdict in floating-point operations; None where they cannot be counted."""
        a, b = flops_per_update(self.a.record), flops_per_update(self.b.record)
        return None if a is None or b is None else self._judge(a, b)

    @cached_property
    def seconds(self) -> Judgement | None:
        """Verdict in seconds: updates x the arm's own median seconds per update.

        None where not measured, or where the machine had other work meanwhile: seconds of a core that was shared.
        """
        if any(Warn.BUSY_MACHINE in arm.record.warnings for arm in (self.a, self.b)):
            return None
        arms = self.a.convergence, self.b.convergence
        a, b = map(median_seconds_per_update, arms)
        variances = [relative_variance_of_median(np.array(arm.seconds_per_update)) for arm in arms]
        return self._judge(a, b, sum(variances))

    @cached_property
    def p(self) -> float:
        """Paired permutation test of the ratio in updates."""
        return sign_flip_p(self.a.cost, self.a.reached, self.b.cost, self.b.reached)

    def _judge(self, unit_a: float = 1.0, unit_b: float = 1.0, variance_of_units: float = 0.0) -> Judgement:
        variance = self.a.rounding_variance + self.b.rounding_variance + variance_of_units
        costs = (self.a.cost * unit_a, self.a.reached), (self.b.cost * unit_b, self.b.reached)
        return judge(*costs, extra_variance=variance)

    @property
    def same_target(self) -> bool:
        """Whether both arms were asked for the same error."""
        return self.a.convergence.target == self.b.convergence.target

    @property
    def disagree(self) -> bool:
        """Whether the cost that is counted changes the verdict."""
        verdicts = {one.verdict for one in (self.updates, self.cell_steps, self.flops, self.seconds) if one is not None}
        return len(verdicts) > 1


def compare(
    setting: Setting, first: Record, second: Record, *, by_position: bool = False, target: float | None = None
) -> Comparison:
    """Compare two convergence records.

    Parameters
    ----------
    by_position
        Pair the k-th replicates instead of equal seeds: for an arm against itself on other seeds. Of one record the
        even replicates are compared with the odd ones.
    target
        Count up to this error, from the curves, instead of each arm's declared one.
    """
    ours, theirs = body(first).evaluation, body(second).evaluation
    if first is second and by_position:
        ours, theirs = ours[0::2], theirs[1::2]
    if by_position:
        pairs = list(zip(ours, theirs, strict=False))
    else:
        by_seed = {one.seed: one for one in theirs}
        pairs = [(one, by_seed[one.seed]) for one in ours if one.seed in by_seed]
    a, b = (_arm(record, [pair[side] for pair in pairs], target) for side, record in enumerate((first, second)))
    return Comparison(
        setting=setting,
        a=a,
        b=b,
        unpaired=len(ours) + len(theirs) - 2 * len(pairs),
    )


def _arm(record: Record, replicates: list[Replicate], target: float | None) -> Arm:
    if target is not None:
        return Arm(record, *cost_arrays(list(map(curve, replicates)), target))
    return Arm(record, *costs_of(replicates))


def comparisons(run: Run) -> list[Comparison]:
    """Every two arms of a setting that are worth comparing; Holm over the declared family, of each engine apart.

    The same question by another engine is the same question again, not one more: what an engine's verdicts are does not
    depend on which others ran beside it.

    Those are stateful against stateless, and each control arm beside both: control against stateless, stateful
    against control. A declared comparison that has no usable records counts with p = 1: the family was fixed before
    the run, and what failed may not make the others' correction milder.
    """
    family = set(run.family)
    found = [
        compare(setting, arms[first], arms[second])
        for setting, arms in arms_by_setting(run).items()
        for first, second in _PAIRS
        if {first, second} <= arms.keys()
    ]
    sizes = families(run)
    adjusted: dict[tuple[str, str], float] = {}
    for engine, here in by_engine(found, lambda one: one.setting).items():
        declared = [one for one in here if one.keys in family]
        p = [one.p if one.same_target else 1.0 for one in declared]
        p += [1.0] * (sizes.get(engine, 0) - len(p))
        adjusted |= zip((one.keys for one in declared), holm(np.array(p)).tolist(), strict=False)
    return [replace(one, declared=True, p_holm=adjusted[one.keys]) if one.keys in adjusted else one for one in found]


def families(run: Run) -> dict[str, int]:
    """How many comparisons were declared before the run, by engine."""
    engine = {case.key: case.engine for case in (*run.plan, *(record.case for record in run.records))}
    counts = Counter(engine.get(first, USUAL["engine"]) for first, _ in run.family)
    return {name: counts[name] for name in in_order(counts)}


def self_comparisons(run: Run) -> list[Comparison]:
    """A/A: every arm against itself on other seeds, where a verdict can only be false.

    Where the run repeated an arm on other seeds, the repetition; else the odd-numbered evaluation replicates
    against the even-numbered ones, which has half the pairs.
    """
    repeated = {
        (setting, regime): record
        for repetition in sorted({r.case.repetition for r in run.records} - {0})
        for setting, arms in arms_by_setting(run, repetition).items()
        for regime, record in arms.items()
    }
    found = []
    for setting, arms in arms_by_setting(run).items():
        for regime, record in arms.items():
            other = repeated.get((setting, regime), record)
            if other is not record or len(body(record).evaluation) > 1:
                found.append(compare(setting, record, other, by_position=True))
    return found


@dataclass(frozen=True)
class WidthArm:
    """One regime over the widths: (hits, replicates) by width, the interval, the cost at its upper end.

    `memory_bytes` is the allocator's peak where it was measured, `counted_bytes` what must exist at once.
    """

    interval: WidthInterval
    counts: dict[int, tuple[int, int]]
    parameters: int | None
    memory_bytes: int | None
    counted_bytes: int | None
    seconds_per_update: float | None


@dataclass(frozen=True)
class WidthComparison:
    """Both arms over the widths that both have; `setting.units` is 0."""

    setting: Setting
    stateful: WidthArm
    stateless: WidthArm
    verdict: Verdict


def width_comparisons(run: Run) -> list[WidthComparison]:
    """Compare every group of settings that differ in units only, two of them or more with both arms."""
    groups: defaultdict[Setting, dict[int, dict[str, Record]]] = defaultdict(dict)
    for setting, arms in arms_by_setting(run).items():
        if {"stateful", "stateless"} <= arms.keys():
            groups[replace(setting, units=0)][setting.units] = arms
    found = []
    for setting, by_units in groups.items():
        if len(by_units) < 2:
            continue
        stateful, stateless = (
            _width_arm(run, setting, {units: arms[regime] for units, arms in by_units.items()})
            for regime in ("stateful", "stateless")
        )
        verdict = compare_widths(stateful.interval, stateless.interval)
        found.append(WidthComparison(setting, stateful, stateless, verdict))
    return found


def _width_arm(run: Run, setting: Setting, by_units: dict[int, Record]) -> WidthArm:
    counts = {
        units: (sum(one.reached for one in body(record).evaluation), len(body(record).evaluation))
        for units, record in sorted(by_units.items())
    }
    interval = width_interval(list(counts), [hits for hits, _ in counts.values()], [n for _, n in counts.values()])
    at = by_units.get(interval.up_to or -1)
    counted = count(at) if at else None
    return WidthArm(
        interval=interval,
        counts=counts,
        parameters=body(at).parameters if at else None,
        memory_bytes=_memory_at_width(run, setting, at) if at else None,
        counted_bytes=counted.total if counted else None,
        seconds_per_update=median_seconds_per_update(body(at)) if at else None,
    )


def _memory_at_width(run: Run, setting: Setting, record: Record) -> int | None:
    """Allocator's peak at that width: of the same kernel, else of the first kernel measured."""
    wanted = replace(setting, units=record.case.units)
    same = [
        one
        for one in run.of_kind("memory")
        if one.case.regime == record.case.regime and replace(Setting.of(one.case), kernel=wanted.kernel) == wanted
    ]
    same.sort(key=lambda one: one.case.kernel != wanted.kernel)
    return measured_memory(same[0]).allocator_peak_bytes if same else None
