"""What a verdict hangs on: the target, the framework, the learning rate; and whether an error is too low to be true."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from bench.case.record import Record
from bench.case.regimes import CLAIM, regime_of
from bench.case.trained import Convergence, Replicate, Scored
from reports.claim.arms import Asked, Comparison, compare, first_by_interest
from reports.collect.grouping import Arms, Setting, arms_by_setting, in_order
from reports.collect.read import Run
from reports.collect.records import body, cost, costs_at, costs_of_all, fold_of, last_errors, lowest_error
from reports.costs.contrasts import Contrasts
from reports.formatting import count, listing, low_to_high, percent
from reports.statistics.components import Component, components, pooled
from reports.statistics.intervals import FloatArray, ladder, running_time_ratios
from reports.statistics.verdict import FEWER, FLOOR_ERRORS, MARGIN, MORE, Judgement, Pace, Verdict, judge, pace


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """Judgements at targets from easy to hard; `why_not` says why there are none."""

    setting: Setting
    targets: tuple[float, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    why_not: str = ""

    @property
    def reverses(self) -> bool:
        """Whether carrying state needs fewer updates at one target and more at another."""
        verdicts = {one.verdict for one in self.judgements}
        return bool(verdicts & FEWER and verdicts & MORE)


def sensitivity(comparison: Comparison) -> Sensitivity:
    """Ratio in updates at a dozen targets, log-spaced between the trivial error and the best of both arms.

    The best is the lower of the two arms' medians of each replicate's lowest error: what half of the
    trainings get to.
    """
    arms = (comparison.a.convergence, comparison.b.convergence)
    stops = {record.training.stop for record in (comparison.a.record, comparison.b.record)}
    if stops != {"budget"}:
        return Sensitivity(comparison.setting, why_not="training stopped at the target, so no curve shows the rest")
    if comparison.at_edge:
        return Sensitivity(comparison.setting, why_not="an arm's best learning rate is the smallest or largest tried")
    trivial = arms[0].trivial
    if trivial is None:
        return Sensitivity(comparison.setting, why_not="the task states no trivial error")
    shared = {one.seed for one in arms[0].evaluation} & {one.seed for one in arms[1].evaluation}
    lowest = [_median_of_lowest(arm, shared) for arm in arms]
    best = min((value for value in lowest if np.isfinite(value)), default=np.nan)
    if not 0 < best < trivial:
        return Sensitivity(comparison.setting, why_not="no arm got below the trivial error")
    targets = ladder(best, trivial).tolist()
    paired = [[one for one in arm.evaluation if one.seed in shared] for arm in arms]
    ours, theirs = (
        costs_at([(some, arm.hold, target) for target in targets]) for some, arm in zip(paired, arms, strict=True)
    )
    costs = list(zip(ours, theirs, strict=True))
    judgements = [judge(*both, of_updates=ratio) for both, ratio in zip(costs, running_time_ratios(costs), strict=True)]
    return Sensitivity(comparison.setting, tuple(targets), tuple(judgements))


MOST_SENSITIVITIES = 100
"""Settings whose verdict is sought at other targets too: each takes as long as a dozen comparisons."""


def sensitivities(compared: list[Comparison]) -> list[Sensitivity]:
    """`sensitivity` of the comparisons of most interest, in their order."""
    return [sensitivity(one) for one in first_by_interest(compared, MOST_SENSITIVITIES)]


def _median_of_lowest(arm: Convergence, seeds: set[int]) -> float:
    lowest = [low for one in arm.evaluation if one.seed in seeds and (low := lowest_error(one)) is not None]
    return float(np.median(lowest)) if lowest else float("nan")


class SameArm(Struct, frozen=True):
    """An arm by engine `a` and by engine `b`, paired by seed; the ratio is a / b in updates to target.

    Attributes
    ----------
    setting
        With the engine that a name without one means.
    reached, ended_alike
        Pairs of trainings of which one or both reached the target; those of which both did at the very same evaluation.
    rates
        Learning rate that each chose.
    """

    setting: Setting
    regime: str
    a: str
    b: str
    comparison: Comparison
    reached: int
    ended_alike: int
    rates: tuple[float, float]

    @property
    def verdict(self) -> Verdict:
        """That of the ratio; its words are of carrying state."""
        return self.comparison.updates.verdict

    @property
    def in_words(self) -> str:
        """The verdict in words that fit."""
        return {
            Verdict.FEWER: "fewer",
            Verdict.MORE: "more",
            Verdict.SAME: "same",
            Verdict.INCONCLUSIVE: "inconclusive",
            Verdict.ONLY_STATEFUL: f"only {self.a}",
            Verdict.ONLY_STATELESS: f"only {self.b}",
            Verdict.NEITHER: "neither",
            Verdict.RATE_NOT_FOUND: "rate not found",
        }[self.verdict]


def same_arms(run: Run) -> list[SameArm]:
    """Every arm that several engines trained to the same target: each other engine beside the first."""
    found: defaultdict[tuple[Setting, str], Arms] = defaultdict(dict)
    for setting, arms in arms_by_setting(run).items():
        for regime, record in arms.items():
            found[replace(setting, engine="tensorflow"), regime][setting.engine] = record
    asked, regimes = [], []
    for (setting, regime), by_name in found.items():
        first, *others = in_order(by_name)
        asked += [Asked(setting, by_name[other], by_name[first]) for other in others]
        regimes += [regime] * len(others)
    compared = zip(regimes, compare(asked), strict=True)
    return [_same_arm(regime, one) for regime, one in compared if one.same_target and one.a.n]


def _same_arm(regime: str, one: Comparison) -> SameArm:
    a, b = one.a, one.b
    alike = (a.cost == b.cost) & a.reached & b.reached
    reached = int((a.reached | b.reached).sum())
    rates = a.convergence.chosen_rate, b.convergence.chosen_rate
    engines = a.record.case.engine, b.record.case.engine
    return SameArm(one.setting, regime, *engines, one, reached, int(alike.sum()), rates)


def learning_in_short(found: list[SameArm], costs: Contrasts) -> str:
    """Whether the framework changes how many updates are needed, as far as it was measured; "" without any."""
    if not found:
        return ""
    parts = []
    for a, b in dict.fromkeys((one.a, one.b) for one in found):
        here = [one for one in found if (one.a, one.b) == (a, b)]
        counts = Counter(one.in_words for one in here)
        tally = listing([f"{words} in {n}" for words, n in counts.items()])
        ratios = [v for one in here if 0 < (v := one.comparison.updates.ratio.value) < float("inf")]
        reached, alike = sum(one.reached for one in here), sum(one.ended_alike for one in here)
        pairs = f"{count(reached, 'pair')} of trainings with equal seed of which at least one reached the target"
        told = f"{a} against {b}, {tally} of {len(here)}{f', × {low_to_high(ratios)}' if ratios else ''}"
        parts.append(f"{told}; of {pairs}, both did at the very same evaluation in {alike}.")
    return " ".join([*parts, _conclusion(found, costs)])


def _conclusion(found: list[SameArm], costs: Contrasts) -> str:
    verdicts = [one.verdict for one in found if one.verdict is not Verdict.NEITHER]
    if not verdicts:
        return "No arm reached its target, so that nothing can be said of how fast each learns."
    if any(verdict not in {Verdict.SAME, Verdict.INCONCLUSIVE} for verdict in verdicts):
        return "**So the framework changed how many updates were needed**; where, the table says."
    if Verdict.INCONCLUSIVE in verdicts:
        return "So no difference in learning was shown, but not excluded everywhere either."
    seconds = any(one.of_engines and pace(one.training) in {Pace.FASTER, Pace.SLOWER} for one in costs.found)
    if seconds:
        return f"**So the framework changed the seconds of an update, and not how many are needed**{_WITHIN}"
    return f"**So the framework did not change how many updates are needed**{_WITHIN}"


_WITHIN = (
    f" (by no more than {percent(MARGIN)}, in these arms, where they reached the target; trained in blocks, with equal "
    "seeds)."
)


class Rate(Struct, frozen=True):
    """One rate of the grid: expected updates to target over its tuning seeds (infinite without a success)."""

    rate: float
    reached: int
    n: int
    expected_updates: float


class Rates(Struct, frozen=True):
    """An arm's grid; `chosen` is the rate that its evaluation seeds were trained with."""

    setting: Setting
    regime: str
    chosen: float
    at_edge: bool
    grid: tuple[Rate, ...]

    @property
    def second_best(self) -> float:
        """Expected updates at the best other rate over those at the chosen one; nan where there is none of either."""
        ours = [one.expected_updates for one in self.grid if one.rate == self.chosen]
        others = [one.expected_updates for one in self.grid if one.rate != self.chosen]
        if not ours or not others or not np.isfinite(ours[0]):
            return float("nan")
        return min(others) / ours[0]


def rates(run: Run) -> list[Rates]:
    """The tuning of every arm that was tuned over two rates or more."""
    found = [_rates_of(record) for record in run.of_kind("convergence")]
    return sorted((one for one in found if len(one.grid) > 1), key=lambda one: (one.setting.place, one.regime))


def _rates_of(record: Record) -> Rates:
    convergence = body(record)
    tuning: defaultdict[float, list[Replicate]] = defaultdict(list)
    for one in convergence.replicates:
        if one.role == "tuning":
            tuning[one.learning_rate].append(one)
    return Rates(
        setting=Setting.of(record.case),
        regime=record.case.regime,
        chosen=convergence.chosen_rate,
        at_edge=convergence.rate_at_edge,
        grid=tuple(_rate_at(rate, replicates) for rate, replicates in sorted(tuning.items())),
    )


def _rate_at(rate: float, replicates: list[Replicate]) -> Rate:
    hits = sum(one.reached for one in replicates)
    spent = sum(cost(one)[0] for one in replicates)
    return Rate(rate, hits, len(replicates), spent / hits if hits else math.inf)


def median_second_best(found: Iterable[Rates]) -> float:
    """Median over arms of `Rates.second_best`, a rate without a success counted as infinite; nan without arms."""
    ratios = [one.second_best for one in found if not np.isnan(one.second_best)]
    return float(np.median(ratios)) if ratios else float("nan")


LEVELS = ("draw", "rate", "weights", "order")
"""What updates may scatter by: the draw of the data, the tuning of a fold, initial weights, the order of the data."""


LEAST_REACHED = 0.9
"""Share of an arm's trainings that must have reached the target: those left out would have scattered the most."""


@dataclass(frozen=True, slots=True)
class Split:
    """What the logarithm of the updates to target scatters by on a task, mean over arms.

    Attributes
    ----------
    what
        An arm's updates, or the ratio of the two arms with equal seeds.
    arms
        Arms, or pairs of them, whose trainings all but a few reached the target.
    reached, trainings
        Over these arms: trainings (or pairs) that are in it, and all.
    counts
        Draws, folds, initial weights and trainings of an arm.
    """

    task: str
    what: str
    arms: int
    reached: int
    trainings: int
    counts: tuple[int, ...]
    parts: list[Component]

    def of(self, level: str) -> Component | str:
        """What a level adds, or why that is not known."""
        for part in self.parts:
            if level == part.levels[0]:
                return part
            if level in part.levels:
                return f"with the {part.levels[0]}"
        return "only one"


class _Design(Struct, frozen=True):
    """Logarithms of an arm's updates, shape (n,), and what varied between them, shape (levels, n), outermost first."""

    logs: FloatArray
    labels: NDArray[np.integer]
    trainings: int

    @classmethod
    def of(cls, convergence: Convergence) -> Self | None:
        """None where too few trainings reached the target."""
        replicates = convergence.evaluation
        costs = costs_of_all(convergence)
        if not replicates or costs.hits < LEAST_REACHED * costs.n:
            return None
        rows = [
            (one.draw, fold_of(one), one.seed if one.weights_seed is None else one.weights_seed, one.seed)
            for one in replicates
        ]
        return cls(np.log(costs.cost[costs.reached]), np.array(rows).T[:, costs.reached], costs.n)

    def over(self, other: Self) -> Self:
        """The logarithms of the ratio, of trainings with equal seeds."""
        _, ours, theirs = np.intersect1d(self.labels[-1], other.labels[-1], return_indices=True)
        return replace(self, logs=self.logs[ours] - other.logs[theirs], labels=self.labels[:, ours])

    @property
    def levels(self) -> int:
        """How many of the levels vary without the others: cheap to know, where splitting is not."""
        nodes = [len(set(zip(*self.labels[: depth + 1].tolist(), strict=True))) for depth in range(len(self.labels))]
        return len({count for count in nodes if count > 1})

    @property
    def parts(self) -> list[Component]:
        return components(self.logs, dict(zip(LEVELS, self.labels, strict=True)))

    @property
    def counts(self) -> tuple[int, ...]:
        return tuple(len(np.unique(labels)) for labels in self.labels)


def splits(run: Run) -> list[Split]:
    """Split the variance on every task that has an arm which varies on two levels or more."""
    found: defaultdict[tuple[str, str, tuple[tuple[str, ...], ...]], list[tuple[_Design, list[Component]]]]
    found = defaultdict(list)
    for setting, arms in arms_by_setting(run).items():
        designs = {name: design for name, record in arms.items() if (design := _Design.of(body(record)))}
        every = [("updates", design) for design in designs.values()]
        # Of some of an arm's trainings no more levels vary than of all.
        if set(CLAIM) <= designs.keys() and designs[CLAIM[0]].levels > 1:
            every.append((" / ".join(CLAIM), designs[CLAIM[0]].over(designs[CLAIM[1]])))
        for what, design in every:
            if design.levels > 1:
                parts = design.parts
                found[setting.task_name, what, tuple(part.levels for part in parts)].append((design, parts))
    return [
        Split(
            task,
            what,
            len(alike),
            sum(design.logs.size for design, _ in alike),
            sum(design.trainings for design, _ in alike),
            max(design.counts for design, _ in alike),
            pooled([parts for _, parts in alike]),
        )
        for (task, what, _), alike in sorted(found.items())
    ]


class FloorCheck(Struct, frozen=True):
    """A record beside its floor; `margin` is the relative allowance below it."""

    key: str
    error: float
    floor: float
    margin: float

    @property
    def below(self) -> bool:
        """Whether the error is not possible, were all as stated."""
        return self.error < self.floor * (1 - self.margin)


def floor_checks(run: Run) -> list[FloorCheck]:
    """Check the median over the evaluation replicates of the last error of every arm whose floor is known.

    That is the stateless floor of an arm that predicts from its window, and the optimum of one that carries its state.

    A floor may be an expectation over all targets, while the error is a mean over the scored ones. So 4 of its relative
    standard errors are allowed for; how often a sound result falls below that is simulated (docs/simulations.md). The
    last error is not chosen by its size, as the lowest would be; the median is not moved by single replicates that
    diverged. Where the record states no standard
    error, that of normal errors is used, sqrt(2 / targets). No check where 4 of them leave nothing to see.
    """
    found = []
    for record in run.of_kind("convergence"):
        convergence = body(record)
        regime = regime_of(record.case.regime)
        floor = convergence.optimum if regime.predicts == "carried" else convergence.stateless_floor
        last = last_errors(convergence)
        last = last[np.isfinite(last)]
        # What is injected tells of rows before the window.
        if regime.injected == "task" or not floor or not last.size:
            continue
        margin = FLOOR_ERRORS * _relative_standard_error(convergence.scored)
        if margin < 1:
            found.append(FloorCheck(record.key, float(np.median(last)), floor, margin))
    return found


def _relative_standard_error(scored: Scored) -> float:
    stated = scored.relative_standard_error
    return math.sqrt(2 / scored.count) if stated is None else stated
