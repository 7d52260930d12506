"""What the difference is due to: the control arms, predicting otherwise than trained, and a longer window instead."""

from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from bench.case import regimes
from reports.claim.arms import Arm, Asked, Comparison, between_processes, compare
from reports.collect.grouping import Arms, Setting, arms_by_setting, by_engine, engine_by_engine
from reports.collect.read import Run
from reports.collect.records import body, floats, last_errors, lowest_error
from reports.formatting import count, listing, low_to_high
from reports.statistics.intervals import LEVEL, Ratio, geometric_ratio, geometric_ratios
from reports.statistics.verdict import FEWER, MORE, Judgement, fewer_and_more, holm


class Control(Struct, frozen=True):
    """A control arm beside the two that are compared; None where that arm is missing."""

    setting: Setting
    regime: str
    over_stateless: Comparison | None
    stateful_over_it: Comparison | None


@dataclass(frozen=True, slots=True)
class Share:
    """A control over all its settings: what it isolates, one sentence of what came out."""

    regime: str
    engine: str
    title: str
    sentence: str


class Otherwise(Struct, frozen=True):
    """A trained network predicting in another way than the one that decided; ratio of errors: there / as decided."""

    key: str
    setting: Setting
    regime: str
    predicts: str
    way: str
    ratio: Ratio

    @property
    def verdict(self) -> str:
        """Whether the other way has the lower error, by the interval."""
        return "lower" if self.ratio.high < 1 else "higher" if self.ratio.low > 1 else "inconclusive"


def controls(compared: list[Comparison]) -> list[Control]:
    """Every control arm that ran beside one of the two arms of its setting."""
    by_regimes = {(one.setting, *one.regimes): one for one in compared}
    settings = dict.fromkeys(one.setting for one in compared)
    ran = regimes.controls({name for one in compared for name in one.regimes})
    beside = [
        Control(
            setting,
            regime,
            by_regimes.get((setting, regime, "stateless")),
            by_regimes.get((setting, "stateful", regime)),
        )
        for setting in settings
        for regime in ran
    ]
    return [one for one in beside if one.over_stateless or one.stateful_over_it]


_ISOLATES = {
    "stateless-ordered": ("Order alone", "keeping the order without carrying"),
    "stateless-burnin": ("A warm state, not carried", "warming the state by a burn-in"),
    "stateless-sliding": ("Sliding windows", "training on sliding windows"),
    "stateful-h-only": ("The hidden state alone", "carrying h without c"),
    "stateful-stale": ("An older state and a burn-in", "a state of older weights with a burn-in from it"),
    "foreign-state": ("A warm start", "starting from the state after an unrelated stretch"),
    "noise-state": ("A start from noise", "starting from noise"),
}


def _isolates(regime: str) -> tuple[str, str]:
    """What a control isolates: a title and a phrase."""
    kind, _, number = regime.partition("@")
    title, what = _ISOLATES.get(kind, (regime, regime))
    unit = "steps" if regimes.NUMBERED.get(kind) == "burn_in_steps" else "updates old"
    return (f"{title} ({number} {unit})", what) if number else (title, what)


def shares(found: list[Control]) -> list[Share]:
    """Group the controls by regime and engine, each with its sentence."""
    groups = by_engine(found, lambda one: one.setting)
    return [
        Share(regime, engine, f"{title} ({engine})" if len(groups) > 1 else title, _share_sentence(what, rows))
        for regime in regimes.in_order({one.regime for one in found})
        for engine, group in groups.items()
        if (rows := [one for one in group if one.regime == regime])
        for title, what in [_isolates(regime)]
    ]


def _share_sentence(what: str, rows: list[Control]) -> str:
    itself = [one.over_stateless.updates.verdict for one in rows if one.over_stateless]
    beyond = [one.stateful_over_it.updates.verdict for one in rows if one.stateful_over_it]
    parts = []
    if itself:
        fewer, more = fewer_and_more(itself)
        parts.append(f"Against stateless, {what} took fewer updates in {fewer} and more in {more} of {len(itself)}")
    if beyond:
        fewer, more = fewer_and_more(beyond)
        parts.append(f"carrying the state took fewer than this control in {fewer} and more in {more} of {len(beyond)}")
    return f"{'; '.join(parts)}." if parts else "It ran beside neither arm."


def gains_by_carrying(found: list[Otherwise]) -> str:
    """Say what stateless-trained networks gain by merely predicting with carried state; "" where not evaluated."""
    return engine_by_engine(found, lambda one: one.setting, _gains_by_carrying)


def _gains_by_carrying(found: list[Otherwise]) -> str:
    here = [one.verdict for one in found if (one.regime, one.way) == ("stateless", "carried")]
    if not here:
        return ""
    counts = Counter(here)
    better, worse = counts["lower"], counts["higher"]
    ways = [f"lowered the error in {better}", f"raised it in {worse}", f"did neither in {len(here) - better - worse}"]
    return f"Predicting with carried state from a network that was trained stateless {listing(ways)} of {len(here)}."


def predicted_otherwise(run: Run) -> list[Otherwise]:
    """Errors after training by each other way of predicting, of the two arms that are compared."""
    about, pairs = [], []
    for setting, arms in arms_by_setting(run).items():
        for regime in ("stateless", "stateful"):
            if regime not in arms:
                continue
            convergence = body(arms[regime])
            ways = {way: floats(values) for way, values in convergence.evaluated_otherwise.items()}
            decided = ways.pop(convergence.predicts, None)
            if decided is None:
                decided = last_errors(convergence)
            for way, errors in ways.items():
                if errors.shape != decided.shape or not np.isfinite(errors).any():
                    continue
                about.append((arms[regime].key, setting, regime, convergence.predicts, way))
                pairs.append((errors, decided))
    return [Otherwise(*one, ratio) for one, ratio in zip(about, geometric_ratios(pairs), strict=True)]


NAMES = {
    "stateless-ordered": "order without state",
    "stateless-burnin": "a burn-in before each window, with nothing carried,",
    "stateless-sliding": "sliding windows",
    "stateful-h-only": "carrying h without c",
    "stateful-stale": "an older state with a burn-in",
    "foreign-state": "a start from the state after an unrelated stretch",
    "noise-state": "a start from noise",
}

MOST_NAMED = 6
"""Networks that a sentence names one by one; the table of the control has all."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A control that took fewer updates than both arms, over all settings where it did.

    Attributes
    ----------
    tried
        Settings in which the control ran beside both arms.
    over_stateless, over_stateful
        Control / arm in updates, one a setting; 0 where the arm never reached the target.
    declared
        Whether the comparisons that it rests on were declared before the run and remain after Holm's correction.
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
            f"{one.task_name}, {one.network}, batch {one.batch_size}, window{'s'[: len(at) - 1]} {listing(sorted(at))}"
            for one, at in windows.items()
        )

    @property
    def _longer(self) -> str:
        """Steps of a prediction where they are more than stateless needs; "" where they are not."""
        longer = [(ours, theirs) for ours, theirs in self.steps_per_prediction if ours > theirs]
        return " steps instead of ".join(low_to_high(side) for side in zip(*longer, strict=True))

    @property
    def sentence(self) -> str:
        """The finding in words."""
        kind = self.regime.partition("@")[0]
        against = " and ".join(
            _against(*one) for one in (("stateless", self.over_stateless), ("stateful", self.over_stateful))
        )
        text = (
            f"{NAMES.get(kind, kind)} needed fewer updates than stateless and than stateful in "
            f"{len(self.settings)} of {self.tried} settings ({self.where}): {against}; counted in cell steps, it still "
            f"did in {self.fewer_cell_steps}"
        )
        if self._longer:
            text += f". It predicts from {self._longer}"
        lower = [one.value for one in self.errors if one.high < 1]
        if lower:
            below = low_to_high((100 * (1 - value) for value in lower), lambda value: f"{value:.0f}")
            text += f". Its lowest error was {below} % below the better of both in {len(lower)} of them"
        return f"{text[0].upper()}{text[1:]}."

    @property
    def in_short(self) -> str:
        """What it beat, where, and what it needs for it."""
        kind = self.regime.partition("@")[0]
        name = NAMES.get(kind, kind)
        longer = f"; each prediction then goes through {self._longer}" if self._longer else ""
        return (
            f"**{name[0].upper()}{name[1:]} took fewer updates than both networks** in {len(self.settings)} of "
            f"{self.tried} settings declared "
            f"({self.where}): {_against('stateless', self.over_stateless)}{longer}."
        )


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
    return same and first.updates.verdict in FEWER and second.updates.verdict in MORE


def _finding(regime: str, beats: list[tuple[Comparison, Comparison]], tried: int, *, declared: bool) -> Finding:
    steps = [tuple(arm.convergence.steps_per_prediction for arm in (first.a, first.b)) for first, _ in beats]
    errors = [_lowest_errors(first.a, (first.b, second.a)) for first, second in beats]
    return Finding(
        regime=regime,
        declared=declared,
        settings=tuple(first.setting for first, _ in beats),
        tried=tried,
        over_stateless=tuple(first.updates.ratio.value for first, _ in beats),
        over_stateful=tuple(1 / second.updates.ratio.value for _, second in beats),
        fewer_cell_steps=sum(
            first.cell_steps.verdict in FEWER and second.cell_steps.verdict in MORE for first, second in beats
        ),
        steps_per_prediction=tuple((ours, theirs) for ours, theirs in steps),
        errors=tuple(one for one in errors if one is not None),
    )


def _lowest_errors(control: Arm, arms: tuple[Arm, Arm]) -> Ratio | None:
    if any(arm.record.training.stop != "budget" for arm in (control, *arms)):
        return None
    lowest = [
        {r.seed: low for r in arm.convergence.evaluation if (low := lowest_error(r)) is not None}
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
        return f"{arm} never reached the target"
    return f"{low_to_high(formed)} times the updates of {arm}" + (
        f" (which never reached the target in {never})" if never else ""
    )


class LongerWindow(Struct, frozen=True):
    """Carried state at a short window beside a stateless network at a long one, up to the same error.

    Attributes
    ----------
    long_window
        The narrowest window of the run that covers the dependency; the widest of the run where that is unknown.
    covers
        Whether it is known to cover it.
    target
        The laxer of both arms' declared targets, so that both arms' curves reach that far.
    comparison
        Carried at the short window (a) over stateless at the long one (b).
    """

    setting: Setting
    long_window: int
    covers: bool
    target: float
    comparison: Comparison

    @property
    def steps_per_prediction(self) -> tuple[int, int]:
        """Steps that one prediction costs: carried, and from the long window."""
        arms = self.comparison.a, self.comparison.b
        carried, long = (arm.convergence.steps_per_prediction for arm in arms)
        return carried, long


def longer_windows(run: Run) -> list[LongerWindow]:
    """Find every stateful arm whose window is too short, beside the stateless arm whose window is not."""
    networks: defaultdict[Setting, dict[int, Arms]] = defaultdict(dict)
    for setting, arms in arms_by_setting(run).items():
        networks[replace(setting, window=0)][setting.window] = arms
    asked, about = [], []
    for network, by_window in networks.items():
        stateless = [window for window, arms in by_window.items() if "stateless" in arms]
        covering = [window for window in stateless if network.reach is None or window >= network.reach]
        if not covering:
            continue
        long = max(covering) if network.reach is None else min(covering)
        for window, arms in by_window.items():
            if "stateful" in arms and window < long:
                first, second = arms["stateful"], by_window[long]["stateless"]
                target = max(body(first).target, body(second).target)
                setting = replace(network, window=window)
                asked.append(Asked(setting, first, second, target=target))
                about.append((setting, long, network.reach is not None, target))
    found = zip(about, compare(asked, between_processes(run)), strict=True)
    return [LongerWindow(*one, comparison) for one, comparison in found if comparison.a.n]


def longer_windows_in_short(found: list[LongerWindow]) -> str:
    """One sentence over all of them, for each engine; "" without any."""
    return engine_by_engine(found, lambda one: one.setting, _longer_windows_in_short)


def _longer_windows_in_short(found: list[LongerWindow]) -> str:
    if not found:
        return ""
    parts = []
    for what, judged in (
        ("updates", [one.comparison.updates for one in found]),
        ("cell steps", [one.comparison.cell_steps for one in found]),
        ("seconds", [one.comparison.seconds for one in found]),
    ):
        verdicts = [one.verdict for one in judged if isinstance(one, Judgement)]
        if verdicts:
            fewer, more = fewer_and_more(verdicts)
            parts.append(f"fewer {what} in {fewer} and more in {more} of {len(verdicts)}")
    return (
        f"In {count(len(found), 'setting')}, a short window with carried state took {listing(parts)}, "
        "beside a stateless network with a long window and the same error to reach."
    )
