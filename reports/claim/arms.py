"""Less training and a smaller network: two arms of a setting, paired by seed, and the narrowest width of each."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Self

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from bench.case.record import Record
from bench.case.regimes import CLAIM, pairs
from bench.case.trained import Convergence, Replicate
from bench.warnings import Warn
from reports.collect.grouping import USUAL, Setting, arms_by_setting, by_engine, in_order
from reports.collect.read import Run
from reports.collect.records import (
    body,
    budget_of,
    costs_at,
    costs_of,
    costs_of_all,
    fold_of,
    last_accuracy,
    last_error,
    lowest_error,
    measured_memory,
    median_seconds_per_update,
    target_of,
)
from reports.costs.roofline import count, flops_per_update
from reports.statistics.intervals import (
    LEVEL,
    BoolArray,
    Chance,
    Costs,
    FloatArray,
    Ratio,
    chance_of_less,
    clopper_pearson,
    relative_variance_of_median,
    restarted,
    restricted_mean,
    running_time_interval,
    running_time_intervals,
    running_time_ratios,
)
from reports.statistics.verdict import (
    DIFFERENT,
    MARGIN,
    Judgement,
    Verdict,
    WidthInterval,
    compare_widths,
    holm,
    judge,
    width_interval,
)

UNTIMED = {Warn.BUSY_MACHINE, Warn.OTHER_MACHINE}
"""Warnings of records whose seconds are compared with nothing."""


class Arm(Struct, frozen=True, dict=True):
    """One arm over the paired seeds.

    Attributes
    ----------
    costs
        Updates to the target, up to the smaller budget of both arms.
    restarted
        The same where a training counts as given up and started anew once it has spent its arm's `Costs.restart`.
    replicates
        In the order of `costs`.
    """

    record: Record
    costs: Costs
    restarted: Costs
    replicates: tuple[Replicate, ...]

    @property
    def convergence(self) -> Convergence:
        """What was measured."""
        return body(self.record)

    @property
    def cost(self) -> FloatArray:
        """Updates to the target, or all that were spent, shape (n,)."""
        return self.costs.cost

    @property
    def reached(self) -> BoolArray:
        """Which reached the target and held it, shape (n,)."""
        return self.costs.reached

    @property
    def n(self) -> int:
        """Number of replicates."""
        return self.costs.n

    @property
    def hits(self) -> int:
        """How many reached the target."""
        return self.costs.hits

    @property
    def success(self) -> tuple[float, float]:
        """Exact interval of the success rate."""
        return clopper_pearson(self.hits, self.n)

    @property
    def still_there(self) -> int | None:
        """How many are at the target at the end of the budget; None where training stopped once it was reached."""
        if self.record.training.stop != "budget":
            return None
        return sum(last_error(one) <= target_of(one, self.convergence) for one in self.replicates)

    @property
    def lasting(self) -> int:
        """How many reached the target and, where that is known, did not lose it by the end of the budget."""
        if self.still_there is None:
            return self.hits
        at_end = [last_error(one) <= target_of(one, self.convergence) for one in self.replicates]
        return int(np.sum(self.reached & np.array(at_end, dtype=bool)))

    @property
    def best_error(self) -> float:
        """Median over replicates of the lowest error, over the target; not a number without any."""
        found = [(lowest_error(one), target_of(one, self.convergence)) for one in self.replicates]
        return _median([lowest / target for lowest, target in found if lowest is not None])

    @property
    def accuracy(self) -> float:
        """Of labels: median over replicates of the accuracy at the last evaluation; not a number for numbers."""
        return _median([last_accuracy(one) for one in self.replicates])

    @property
    def last_error(self) -> float:
        """Median over replicates of the last error, over the target; not a number without any."""
        return _median([last_error(one) / target_of(one, self.convergence) for one in self.replicates])

    @property
    def ert(self) -> float:
        """Expected running time in updates."""
        return self.restarted.expected

    @cached_property
    def ert_interval(self) -> tuple[float, float]:
        """Interval of the expected running time, updates."""
        return running_time_interval(self.costs)

    @property
    def budget(self) -> float:
        """Updates that a replicate could make."""
        return budget_of(self.convergence)

    @property
    def restricted_mean(self) -> float:
        """Mean of min(cost, budget) in updates."""
        return restricted_mean(self.cost, self.budget)

    @property
    def coarse(self) -> bool:
        """Whether two arms as coarse as this could never be shown to need the same, whatever the number of seeds."""
        return _coarse(self.restarted.rounding_variance)

    @property
    def rate_found(self) -> bool:
        """Whether the best learning rate lies within what was tried, in every fold."""
        return not self.convergence.rate_at_edge

    @property
    def learns(self) -> bool:
        """Whether any training reached the target at any of the rates tried, those of the tuning included."""
        return self.hits > 0 or any(one.reached for one in self.convergence.replicates)


def _coarse(rounding_variance: float) -> bool:
    return 2 * math.sqrt(2 * rounding_variance) > MARGIN


def _median(values: list[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.median(finite)) if finite else float("nan")


class Comparison(Struct, frozen=True, dict=True):
    """Arm `a` against arm `b`; every ratio is a / b.

    `declared`: named before the run as one that it is to decide; all others are exploratory, and their `p_holm` is nan.
    `processes`: what processes that do equal work differ by; None where no two in the run do.
    """

    setting: Setting
    a: Arm
    b: Arm
    unpaired: int
    in_updates: Ratio
    declared: bool = False
    p_holm: float = float("nan")
    processes: "BetweenProcesses | None" = None

    @property
    def regimes(self) -> tuple[str, str]:
        """Regimes of the two arms."""
        return self.a.record.case.regime, self.b.record.case.regime

    @property
    def keys(self) -> tuple[str, str]:
        """Keys of the two records."""
        return self.a.record.key, self.b.record.key

    @property
    def reach_in_windows(self) -> float | None:
        """Reach of the target over the window, D / L; None where it is not known."""
        return self.setting.reach_in_windows

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

        None where not measured, or where that was on another machine, or on a core that had other work meanwhile, or
        where nothing in the run shows by what processes differ.
        """
        if self.processes is None or any(UNTIMED & set(arm.record.warnings) for arm in (self.a, self.b)):
            return None
        arms = self.a.convergence, self.b.convergence
        a, b = map(median_seconds_per_update, arms)
        variances = [relative_variance_of_median(np.array(arm.seconds_per_update)) for arm in arms]
        return self._judge(a, b, sum(variances) + 2 * self.processes.variance, self.processes.degrees)

    @property
    def p(self) -> float:
        """Of the claim that is made in updates: 1 where no difference is claimed."""
        return self.updates.p

    @cached_property
    def better_on_a_fresh_draw(self) -> Chance:
        """Chance that on a fresh draw of the data a fresh training of `a` takes fewer updates than one of `b`."""
        return chance_of_less(self.a.costs, self.b.costs)

    def _judge(
        self, unit_a: float = 1.0, unit_b: float = 1.0, variance: float = 0.0, degrees: float = math.inf
    ) -> Judgement:
        if unit_a == unit_b and not variance and "updates" in vars(self):
            return self.updates
        judged = judge(
            self.a.costs,
            self.b.costs,
            unit=unit_a / unit_b,
            extra_variance=variance,
            extra_degrees=degrees,
            of_updates=self.in_updates,
        )
        # Where nothing is learnt at any rate, which one is called the best is up to chance.
        open_rate = self.at_edge and not self.at_no_rate
        return Judgement(Verdict.RATE_NOT_FOUND, judged.ratio, 1.0) if open_rate else judged

    @property
    def at_edge(self) -> bool:
        """Whether an arm's best learning rate is the smallest or largest tried, in any fold."""
        return not (self.a.rate_found and self.b.rate_found)

    @property
    def at_no_rate(self) -> bool:
        """Whether neither arm reached the target at any of the rates tried, in tuning or after it."""
        return not (self.a.learns or self.b.learns)

    def as_declared(self, p_holm: float) -> Self:
        """Return the same as one that was declared before the run."""
        other = replace(self, declared=True, p_holm=p_holm)
        # Has been judged, since the correction is made of it.
        vars(other)["updates"] = self.updates
        return other

    @property
    def coarse(self) -> list[Arm]:
        """The arms that are; none where both together are not, which is known already."""
        if self.in_updates.method == "jackknife" and not _coarse(self.in_updates.fixed_variance):
            return []
        return [arm for arm in (self.a, self.b) if arm.coarse]

    @property
    def same_target(self) -> bool:
        """Whether both arms were asked for the same error, as often in a row."""
        a, b = self.a.convergence, self.b.convergence
        return (a.target, a.hold) == (b.target, b.hold)

    @property
    def disagree(self) -> bool:
        """Whether the cost that is counted changes the verdict."""
        verdicts = {one.verdict for one in (self.updates, self.cell_steps, self.flops, self.seconds) if one is not None}
        return len(verdicts) > 1


def know_intervals(found: Iterable[Comparison]) -> None:
    """Form `Arm.ert_interval` of all their arms at once: one by one, as each is asked for, takes ten times as long."""
    arms = [arm for one in found for arm in (one.a, one.b)]
    for arm, limits in zip(arms, running_time_intervals([arm.costs for arm in arms]), strict=True):
        vars(arm)["ert_interval"] = limits


def first_by_interest(found: Sequence[Comparison], most: int) -> list[Comparison]:
    """At most so many, in their order: those declared first, then what was decided, then the farthest from 1."""
    if len(found) <= most:
        return list(found)

    def interest(one: Comparison) -> tuple[bool, bool, float]:
        value = one.updates.ratio.value
        far = abs(math.log(value)) if 0 < value < math.inf else 0.0 if math.isnan(value) else math.inf
        return not one.declared, one.updates.verdict not in DIFFERENT, -far

    places = sorted(range(len(found)), key=lambda place: interest(found[place]))[:most]
    return [found[place] for place in sorted(places)]


Replicates = tuple[Replicate, ...]


class Asked(Struct, frozen=True):
    """Two convergence records to compare.

    Attributes
    ----------
    by_position
        Pair the k-th replicates instead of equal seeds: for an arm against itself on other seeds. Of one record
        every other fold is compared with the rest.
    target
        Count up to this error, from the curves, instead of each arm's declared one.
    """

    setting: Setting
    first: Record
    second: Record
    by_position: bool = False
    target: float | None = None

    @property
    def sides(self) -> tuple[list[Replicate], list[Replicate]]:
        """Evaluation replicates of both that are to be paired."""
        ours, theirs = (body(record).evaluation for record in (self.first, self.second))
        if self.first is not self.second or not self.by_position:
            return ours, theirs
        folds = sorted({fold_of(one) for one in ours})
        half = len(folds) // 2 * 2
        first, second = (
            [one for fold in some for one in theirs if fold_of(one) == fold]
            for some in (folds[0:half:2], folds[1:half:2])
        )
        return first, second

    @property
    def paired(self) -> tuple[Replicates, Replicates, int]:
        """Replicates of both, each with its partner, and how many have none."""
        ours, theirs = self.sides
        if self.by_position:
            pairs = list(zip(ours, theirs, strict=False))
        else:
            by_seed = {one.seed: one for one in theirs}
            pairs = [(one, by_seed[one.seed]) for one in ours if one.seed in by_seed]
        first, second = (tuple(pair[side] for pair in pairs) for side in (0, 1))
        return first, second, len(ours) + len(theirs) - 2 * len(pairs)

    def counted(self, first: Replicates, second: Replicates, unpaired: int) -> tuple[Costs, Costs]:
        """Updates that both took to their declared targets."""
        if unpaired or self.by_position:
            return costs_of(first), costs_of(second)
        # Where every replicate has its partner, what is known of the arm by itself is what is compared.
        return costs_of_all(body(self.first)), costs_of_all(body(self.second))

    def arms(self, sides: tuple[Replicates, Replicates], costs: tuple[Costs, Costs]) -> tuple[Arm, Arm]:
        """Both arms, up to the smaller of their budgets."""
        budget = min(budget_of(body(record)) for record in (self.first, self.second))
        a, b = (one.up_to(budget) for one in costs)
        if self.by_position:
            # Folds of two runs of one arm have nothing in common but their order.
            b = replace(b, group=a.group)
        until = restarted(a, b)
        return Arm(self.first, a, until[0], sides[0]), Arm(self.second, b, until[1], sides[1])


def compare(asked: Sequence[Asked], processes: "BetweenProcesses | None" = None) -> list[Comparison]:
    """Compare records two by two, all at once: one pair by itself takes ten times as long."""
    paired = [one.paired for one in asked]
    other = [
        (side, body(record).hold, one.target)
        for one, sides in zip(asked, paired, strict=True)
        if one.target is not None
        for side, record in zip(sides[:2], (one.first, one.second), strict=True)
    ]
    from_curves = iter(costs_at(other))
    arms = [
        one.arms(
            (first, second),
            one.counted(first, second, unpaired) if one.target is None else (next(from_curves), next(from_curves)),
        )
        for one, (first, second, unpaired) in zip(asked, paired, strict=True)
    ]
    ratios = running_time_ratios([(a.costs, b.costs) for a, b in arms], [(a.restarted, b.restarted) for a, b in arms])
    return [
        Comparison(one.setting, a, b, unpaired, ratio, processes=processes)
        for one, (_, _, unpaired), (a, b), ratio in zip(asked, paired, arms, ratios, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class BetweenProcesses:
    """Variance of log seconds per update between processes that do equal work, and the degrees it is estimated with."""

    variance: float
    degrees: int


@lru_cache(maxsize=4)
def between_processes(run: Run) -> BetweenProcesses | None:
    """What processes that do equal work differ by; None where no two do.

    Equal work are the arms of one setting that process as many cell steps; what their medians differ by is due to the
    process that each was timed in, which no number of blocks within it shows.
    """
    squares, degrees = 0.0, 0
    for arms in arms_by_setting(run).values():
        equal: defaultdict[float, list[float]] = defaultdict(list)
        for record in arms.values():
            if not UNTIMED & set(record.warnings):
                logs = equal[body(record).cell_steps_per_update]
                logs.append(float(np.log(median_seconds_per_update(body(record)))))
        for logs in equal.values():
            squares += float(np.sum((np.array(logs) - np.mean(logs)) ** 2)) if logs else 0.0
            degrees += max(len(logs) - 1, 0)
    return BetweenProcesses(squares / degrees, degrees) if degrees else None


def comparisons(run: Run) -> list[Comparison]:
    """Every two arms of a setting that are worth comparing; Holm over the declared family, of each engine apart.

    The same question by another engine is the same question again, not one more: what an engine's verdicts are does not
    depend on which others ran beside it.

    Those are stateful against stateless, and each control arm beside both: control against stateless, stateful
    against control. A declared comparison that has no usable records counts with p = 1: the family was fixed before
    the run, and what failed may not make the others' correction milder.
    """
    family = set(run.family)
    asked = [
        Asked(setting, arms[first], arms[second])
        for setting, arms in arms_by_setting(run).items()
        for first, second in pairs(arms.keys())
    ]
    found = compare(asked, between_processes(run))
    sizes = families(run)
    adjusted: dict[tuple[str, str], float] = {}
    for engine, here in by_engine(found, lambda one: one.setting).items():
        declared = [one for one in here if one.keys in family]
        p = [one.p if one.same_target else 1.0 for one in declared]
        p += [1.0] * (sizes.get(engine, 0) - len(p))
        adjusted |= zip((one.keys for one in declared), map(float, holm(np.array(p))), strict=False)
    return [one.as_declared(adjusted[one.keys]) if one.keys in adjusted else one for one in found]


def families(run: Run) -> dict[str, int]:
    """How many comparisons were declared before the run, by engine."""
    case = run.planned | {record.key: record.case for record in run.records}
    counts = Counter(case[first].engine if first in case else USUAL["engine"] for first, _ in run.family)
    return {name: counts[name] for name in in_order(counts)}


MOST_A_A = 2000
"""Comparisons of an arm with itself: so many know the rate of false calls to a per cent."""


def repeated_arms(run: Run) -> list[tuple[Setting, Record, Record]]:
    """Every arm that can be compared with itself: its setting, its record, and that of its repetition, or its own."""
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
                found.append((setting, record, other))
    return found


def self_comparisons(run: Run) -> list[Comparison]:
    """A/A: every arm against itself on other seeds, where a verdict can only be false.

    Where the run repeated an arm on other seeds, the repetition; else every other fold against the rest, which has
    half the pairs. Of more arms than `MOST_A_A` every k-th.
    """
    found = repeated_arms(run)
    chosen = found[:: -(-len(found) // MOST_A_A) or 1]
    return compare([Asked(*one, by_position=True) for one in chosen])


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class WidthComparison:
    """Both arms over the widths that both have; `setting.units` is 0."""

    setting: Setting
    stateful: WidthArm
    stateless: WidthArm
    verdict: Verdict


Peaks = dict[tuple[Setting, str], dict[str, int | None]]
"""Allocator's peak by setting without its kernel, regime and kernel."""


def width_comparisons(run: Run) -> list[WidthComparison]:
    """Compare every group of settings that differ in units only, two of them or more with both arms."""
    peaks = _allocator_peaks(run)
    groups: defaultdict[Setting, dict[int, dict[str, Record]]] = defaultdict(dict)
    for setting, arms in arms_by_setting(run).items():
        if {"stateful", "stateless"} <= arms.keys():
            groups[replace(setting, units=0)][setting.units] = arms
    found = []
    for setting, by_units in groups.items():
        if len(by_units) < 2:
            continue
        both = [arms[regime] for arms in by_units.values() for regime in CLAIM]
        # A width that was trained for longer would reach the target more often for that alone.
        budget = min(budget_of(body(record)) for record in both)
        stateful, stateless = (
            _width_arm(peaks, setting, {units: arms[regime] for units, arms in by_units.items()}, budget)
            for regime in CLAIM
        )
        verdict = compare_widths(stateful.interval, stateless.interval)
        learnt = any(one.reached for record in both for one in body(record).replicates)
        if learnt and any(body(record).rate_at_edge for record in both):
            verdict = Verdict.RATE_NOT_FOUND
        found.append(WidthComparison(setting, stateful, stateless, verdict))
    return found


def _width_arm(peaks: Peaks, setting: Setting, by_units: dict[int, Record], budget: float) -> WidthArm:
    costs = {units: costs_of_all(body(record)).up_to(budget) for units, record in sorted(by_units.items())}
    counts = {units: (one.hits, one.n) for units, one in costs.items()}
    interval = width_interval(list(counts), [hits for hits, _ in counts.values()], [n for _, n in counts.values()])
    at = by_units.get(interval.up_to or -1)
    counted = count(at) if at else None
    return WidthArm(
        interval=interval,
        counts=counts,
        parameters=body(at).parameters if at else None,
        memory_bytes=_peak_at_width(peaks, setting, at) if at else None,
        counted_bytes=counted.total if counted else None,
        seconds_per_update=median_seconds_per_update(body(at)) if at else None,
    )


def _allocator_peaks(run: Run) -> Peaks:
    found: defaultdict[tuple[Setting, str], dict[str, int | None]] = defaultdict(dict)
    for one in run.of_kind("memory"):
        where = replace(Setting.of(one.case), kernel=""), one.case.regime
        found[where].setdefault(one.case.kernel, measured_memory(one).allocator_peak_bytes)
    return found


def _peak_at_width(peaks: Peaks, setting: Setting, record: Record) -> int | None:
    """Allocator's peak at that width: of the same kernel, else of the first kernel measured."""
    here = peaks.get((replace(setting, units=record.case.units, kernel=""), record.case.regime), {})
    return here.get(setting.kernel, next(iter(here.values()), None))
