"""What no one asked for but everyone should know: a control arm that beat both arms of the claim."""

from collections import Counter, defaultdict
from dataclasses import dataclass, replace

import numpy as np

from reports.claim.arms import Arm, Comparison
from reports.claim.controls import Control
from reports.collect.grouping import Setting
from reports.formatting import listing, number
from reports.statistics.intervals import LEVEL, Ratio, geometric_ratio
from reports.statistics.permutation import holm
from reports.statistics.verdict import LESS, MORE

NAMES = {
    "stateless-ordered": "order without state",
    "stateless-burnin": "a warm state without carrying (burn-in)",
    "stateless-sliding": "sliding windows",
}

MOST_NAMED = 6
"""Networks that a sentence names one by one; the table of the control has all."""


@dataclass(frozen=True)
class Finding:
    """A control that took fewer updates than both arms, over all settings where it did.

    Attributes
    ----------
    tried
        Settings in which the control ran beside both arms.
    over_stateless, over_stateful
        Control / arm in updates, one a setting; 0 where the arm never reached the target.
    declared
        Whether the comparisons that it rests on were declared before the run and survive Holm's correction.
    errors
        Control / better arm, ratio of the lowest errors over paired seeds, where curves ran to the budget.
    """

    regime: str
    declared: bool
    settings: tuple[Setting, ...]
    tried: int
    over_stateless: tuple[float, ...]
    over_stateful: tuple[float, ...]
    fewer_cell_steps: int
    steps_per_prediction: tuple[tuple[int, int], ...]
    errors: tuple[Ratio, ...]

    @property
    def where(self) -> str:
        """The settings, those that differ in the window alone together; of many, how many on each task."""
        windows: defaultdict[Setting, list[int]] = defaultdict(list)
        for setting in self.settings:
            windows[replace(setting, window=0)].append(setting.window)
        if len(windows) > MOST_NAMED:
            counts = Counter(setting.task_name for setting in self.settings)
            return f"on {listing([f'{task} in {n}' for task, n in counts.items()])}{self.settings[0].aside}"
        return "; ".join(
            f"{one.task_name}, {one.network}, B {one.batch_size} at L = {listing(sorted(at))}"
            for one, at in windows.items()
        )

    @property
    def sentence(self) -> str:
        """The finding in words."""
        text = (
            f"{NAMES.get(self.regime, self.regime)} beat both arms in {len(self.settings)} of {self.tried} settings "
            f"({self.where}): {_against('stateless', self.over_stateless)}, and "
            f"{_against('stateful', self.over_stateful)}; counted in cell steps, it still beat both in "
            f"{self.fewer_cell_steps}"
        )
        longer = [(ours, theirs) for ours, theirs in self.steps_per_prediction if ours > theirs]
        if longer:
            ours, theirs = (_span([float(n) for n in sorted(set(side))]) for side in zip(*longer, strict=True))
            text += f". It predicts from {ours} steps instead of {theirs}"
        lower = [one.value for one in self.errors if one.high < 1]
        if lower:
            text += f". Its lowest error was × {_span(lower)} that of the better arm in {len(lower)} of them"
        return f"{text[0].upper()}{text[1:]}."


def findings(controls: list[Control]) -> list[Finding]:
    """Every control that beat both arms somewhere, significantly; declared ones first.

    In a setting it beats both where both intervals lie beyond the margin and the larger of the two permutation p (so
    that both must be small: an intersection-union test) is at most 5 % after Holm: over the run's declared family where
    both comparisons were declared, else over the settings of that control; of one engine each.
    """
    groups: defaultdict[tuple[str, bool, str], list[tuple[Comparison, Comparison]]] = defaultdict(list)
    for one in controls:
        if one.over_stateless is not None and one.stateful_over_it is not None:
            pair = one.over_stateless, one.stateful_over_it
            declared = all(comparison.declared for comparison in pair)
            groups[one.regime, declared, one.setting.engine].append(pair)
    found = []
    for (regime, declared, _), both in groups.items():
        if declared:
            adjusted = np.array([max(first.p_holm, second.p_holm) for first, second in both])
        else:
            adjusted = holm(np.array([max(first.p, second.p) for first, second in both]))
        beats = [pair for pair, p in zip(both, adjusted, strict=True) if p <= 1 - LEVEL and _beats(*pair)]
        if beats:
            found.append(_finding(regime, beats, len(both), declared=declared))
    return sorted(found, key=lambda one: not one.declared)


def _beats(first: Comparison, second: Comparison) -> bool:
    same = first.same_target and second.same_target
    return same and first.updates.verdict in LESS and second.updates.verdict in MORE


def _finding(regime: str, beats: list[tuple[Comparison, Comparison]], tried: int, *, declared: bool) -> Finding:
    steps = [
        tuple(int(arm.convergence.fields.get("steps_per_prediction") or 0) for arm in (first.a, first.b))
        for first, _ in beats
    ]
    errors = [_lowest_errors(first.a, (first.b, second.a)) for first, second in beats]
    return Finding(
        regime=regime,
        declared=declared,
        settings=tuple(first.setting for first, _ in beats),
        tried=tried,
        over_stateless=tuple(first.updates.ratio.value for first, _ in beats),
        over_stateful=tuple(1 / second.updates.ratio.value for _, second in beats),
        fewer_cell_steps=sum(
            first.cell_steps.verdict in LESS and second.cell_steps.verdict in MORE for first, second in beats
        ),
        steps_per_prediction=tuple((ours, theirs) for ours, theirs in steps),
        errors=tuple(one for one in errors if one is not None),
    )


def _lowest_errors(control: Arm, arms: tuple[Arm, Arm]) -> Ratio | None:
    if any(arm.record.training.get("stop") != "budget" for arm in (control, *arms)):
        return None
    lowest = [
        {r.seed: float(np.nanmin(r.error)) for r in arm.convergence.evaluation if np.isfinite(r.error).any()}
        for arm in (control, *arms)
    ]
    seeds = sorted(set.intersection(*(set(one) for one in lowest)))
    ours, *theirs = (np.array([one[seed] for seed in seeds]) for one in lowest)
    ratios = [geometric_ratio(ours, other) for other in theirs]
    return max(ratios, key=lambda ratio: ratio.value) if seeds else None


def _against(arm: str, ratios: tuple[float, ...]) -> str:
    formed = [ratio for ratio in ratios if ratio > 0]
    never = len(ratios) - len(formed)
    if not formed:
        return f"{arm} never got there"
    return f"updates × {_span(formed)} against {arm}" + (f" (which never got there in {never})" if never else "")


def _span(values: list[float]) -> str:
    low, high = number(min(values)), number(max(values))
    return low if low == high else f"{low} to {high}"
