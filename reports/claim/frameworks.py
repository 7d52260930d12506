"""The same arm trained by several engines: whether it needs as many updates by each."""

from collections import Counter, defaultdict
from dataclasses import dataclass, replace

from reports.claim.arms import Comparison, compare
from reports.collect.engines import in_order
from reports.collect.grouping import Arms, Setting, arms_by_setting, body
from reports.collect.read import Run
from reports.costs.contrasts import Contrasts
from reports.formatting import count, listing, number, percent
from reports.statistics.verdict import MARGIN, Verdict


@dataclass(frozen=True)
class SameArm:
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
            Verdict.HOLDS: "fewer",
            Verdict.REVERSED: "more",
            Verdict.SAME: "as many",
            Verdict.UNDECIDED: "undecided",
            Verdict.ONLY_STATEFUL: f"only {self.a} reaches it",
            Verdict.ONLY_STATELESS: f"only {self.b} reaches it",
            Verdict.NEITHER: "neither reaches it",
        }[self.verdict]


def same_arms(run: Run) -> list[SameArm]:
    """Every arm that several engines trained to the same target: each other engine beside the first."""
    found: defaultdict[tuple[Setting, str], Arms] = defaultdict(dict)
    for setting, arms in arms_by_setting(run).items():
        for regime, record in arms.items():
            found[replace(setting, engine="tensorflow"), regime][setting.engine] = record
    rows = []
    for (setting, regime), by_name in found.items():
        first, *others = in_order(by_name)
        for other in others:
            one = compare(setting, by_name[other], by_name[first])
            if one.same_target and one.a.n:
                alike = (one.a.cost == one.b.cost) & one.a.reached & one.b.reached
                reached = int((one.a.reached | one.b.reached).sum())
                rates = [float(body(by_name[name]).fields.get("chosen_rate") or "nan") for name in (other, first)]
                two = rates[0], rates[1]
                rows.append(SameArm(setting, regime, other, first, one, reached, int(alike.sum()), two))
    return rows


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
        ends = " to ".join(dict.fromkeys(number(end) for end in (min(ratios), max(ratios)))) if ratios else ""
        reached, alike = sum(one.reached for one in here), sum(one.ended_alike for one in here)
        pairs = f"{count(reached, 'pair')} of trainings with equal seed of which at least one got there"
        told = f"{a} against {b}, {tally} of {len(here)}{f', × {ends}' if ends else ''}"
        parts.append(f"{told}; of {pairs}, both did at the very same evaluation in {alike}.")
    return " ".join([*parts, _conclusion(found, costs)])


def _conclusion(found: list[SameArm], costs: Contrasts) -> str:
    verdicts = [one.verdict for one in found if one.verdict is not Verdict.NEITHER]
    if not verdicts:
        return "No arm reached its target, so that nothing can be said of how fast each learns."
    if any(verdict not in {Verdict.SAME, Verdict.UNDECIDED} for verdict in verdicts):
        return "**So the framework changed how many updates were needed**; where, the table says."
    if Verdict.UNDECIDED in verdicts:
        return "So no difference in learning was shown, but not excluded everywhere either."
    seconds = any(
        one.of_engines and one.training.method != "none" and not one.training.low <= 1 <= one.training.high
        for one in costs.found
    )
    if seconds:
        return f"**So the framework changed the seconds of an update, and not how many are needed**{_WITHIN}"
    return f"**So the framework did not change how many updates are needed**{_WITHIN}"


_WITHIN = (
    f" (by no more than {percent(MARGIN)}, in these arms, where they reached the target; trained in blocks, with equal "
    "seeds)."
)
