"""The answer to the claim in two short sentences, and where it changes, computed from the verdicts."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from reports.claim.arms import Comparison, WidthComparison
from reports.collect.grouping import Setting, by_engine, engine_by_engine
from reports.formatting import count, listing
from reports.statistics.verdict import FEWER, MORE, Verdict, fewer_and_more


def headline(compared: list[Comparison], widths: list[WidthComparison]) -> list[str]:
    """Two sentences: less training, and a smaller network; of LSTM, the claim's cell, where the run has any.

    Of a run with several engines a paragraph each: the same settings by another engine are no further evidence.
    """
    engines = by_engine(compared, lambda one: one.setting)
    if len(engines) < 2:
        return _of_one_engine(compared, widths)
    return [
        f"On {engine}: {' '.join(_of_one_engine(here, [one for one in widths if one.setting.engine == engine]))}"
        for engine, here in engines.items()
    ]


def _of_one_engine(compared: list[Comparison], widths: list[WidthComparison]) -> list[str]:
    if not compared:
        return [
            "**Whether carrying state takes fewer updates cannot be said from this run**: no setting has both arms.",
            "What was measured is below.",
        ]
    return [_training(compared), _network(widths)]


def deciding(compared: list[Comparison]) -> list[Comparison]:
    """Those that answer: the declared comparisons, or all of a run that declares none."""
    return [one for one in compared if one.declared] or compared


def claimed(compared: list[Comparison]) -> list[Comparison]:
    """Those that the headline counts: of what decides, the claim's cell, an LSTM, where the run has any."""
    family = deciding(compared)
    return [one for one in family if one.setting.cell == "lstm"] or family


def _training(compared: list[Comparison]) -> str:
    here = claimed(compared)
    lstm = here[0].setting.cell == "lstm"
    fewer, more, same = (
        [one for one in here if one.updates.verdict in verdicts] for verdicts in (FEWER, MORE, {Verdict.SAME})
    )
    open_ = len(here) - len(fewer) - len(more) - len(same)
    declared = here[0].declared
    kind = "declared" if declared else "exploratory"
    cell = "LSTM" if lstm else "net"
    parts = [f"a stateful {cell} took fewer updates in {len(fewer)}", *([f"more in {len(more)}"] if more else [])]
    parts += [f"the same in {len(same)}"] if same else []
    parts += [f"{open_} inconclusive or neither"] if open_ else []
    none = "" if declared else " (the run declared none)"
    answer = f"**Less training: {_answer(len(fewer), len(more), len(here))}.**"
    return f"{answer} Of {count(len(here), f'{kind} comparison')}{none}, {listing(parts)}{_after_holm(fewer, more)}."


def _after_holm(fewer: list[Comparison], more: list[Comparison]) -> str:
    found = [here for here in (fewer, more) if here]
    if not any(one.declared for here in found for one in here):
        return ""
    remain = [f"{sum(one.survives_holm for one in here)} of {len(here)}" for here in found]
    return f"; after Holm's correction {listing(remain)} remain"


def _answer(fewer: int, more: int, of: int) -> str:
    """One answer for all comparisons; one-sided only where most of them, not merely those decided, say so."""
    if fewer and more:
        return "it depends"
    if not fewer and not more:
        return "not shown"
    if 2 * max(fewer, more) <= of:
        return "not settled"
    return "yes" if fewer else "no, more"


def _network(widths: list[WidthComparison]) -> str:
    if not widths:
        return "**Smaller network: not tested.** No setting was run at two widths."
    lstm = [one for one in widths if one.setting.cell == "lstm"]
    here = lstm or widths
    verdicts = Counter(one.verdict for one in here)
    fewer, more = fewer_and_more(verdicts.elements())
    answer = _answer(fewer, more, len(here))
    parts = [
        f"{verb} in {n}"
        for verb, n in (("a narrower one sufficed", fewer), ("a wider one was needed", more))
        if n or verb.startswith("a narrower")
    ]
    parts += [f"the same width sufficed in {verdicts[Verdict.SAME]}"] if verdicts[Verdict.SAME] else []
    unknown = verdicts[Verdict.INCONCLUSIVE] + verdicts[Verdict.NEITHER]
    parts += [f"{unknown} inconclusive"] if unknown else []
    cell = "LSTM " if lstm else ""
    bold = f"**Smaller network: {'no, wider' if answer == 'no, more' else answer}.**"
    return f"{bold} Of {count(len(here), f'{cell}width grid')}, {listing(parts)}."


@dataclass(frozen=True)
class Turn:
    """One network on one task over its windows.

    Attributes
    ----------
    network
        Its setting, with window 0.
    fewer, more, other
        Windows at which carried state takes fewer updates, more, or has another verdict.
    """

    network: Setting
    fewer: tuple[int, ...]
    more: tuple[int, ...]
    other: tuple[int, ...]

    @property
    def between(self) -> tuple[int, int] | None:
        """The two windows between which the verdict changes, once; None where it does not or goes back and forth."""
        if not self.fewer or not self.more:
            return None
        if max(self.fewer) < min(self.more):
            return max(self.fewer), min(self.more)
        if max(self.more) < min(self.fewer):
            return max(self.more), min(self.fewer)
        return None

    @property
    def in_words(self) -> str:
        """What the windows say."""
        if self.between:
            low, high = self.between
            first, then = ("fewer", "more") if low in self.fewer else ("more", "fewer")
            return f"{first} up to {low}, {then} from {high} on"
        if self.fewer and self.more:
            return "back and forth"
        if not self.fewer and not self.more:
            return "no difference shown at any window"
        word = "fewer" if self.fewer else "more"
        return f"{word}, or no difference shown" if self.other else f"{word} at every window"


def turns(compared: list[Comparison]) -> list[Turn]:
    """Every network whose deciding comparisons span two windows or more, in order of the settings."""
    networks: defaultdict[Setting, list[Comparison]] = defaultdict(list)
    for one in deciding(compared):
        networks[replace(one.setting, window=0)].append(one)
    found = []
    for network, here in sorted(networks.items()):
        windows = {one.setting.window: one.updates.verdict for one in here}
        if len(windows) > 1:
            fewer, more = (tuple(sorted(w for w, v in windows.items() if v in group)) for group in (FEWER, MORE))
            found.append(Turn(network, fewer, more, tuple(sorted(set(windows) - {*fewer, *more}))))
    return found


def turning_point(compared: list[Comparison]) -> str:
    """Say what reach over window and the window itself decide, engine by engine; "" without any comparison."""
    return engine_by_engine(compared, lambda one: one.setting, _turning_point)


def _turning_point(compared: list[Comparison]) -> str:
    known = [(one.setting.reach_in_windows, one) for one in deciding(compared)]
    parts = []
    for where, inside in (
        (
            "where the target reaches back beyond the window (D/L > 1) carried state",
            [o for r, o in known if r and r > 1],
        ),
        ("where the window covers it (D/L ≤ 1) it", [one for r, one in known if r and r <= 1]),
        ("where the reach is not known (real series) it", [one for r, one in known if r is None]),
    ):
        parts += [f"{where} {_share(inside)}"] if inside else []
    if not parts:
        return ""
    turning = [one for one in turns(compared) if one.between]
    text = f"Where the verdict changes: {'; '.join(parts)}."
    if turning:
        text += f" It changed with the window on {listing([f'{_name(one)} ({one.in_words})' for one in turning])}."
    return text


def _share(here: Iterable[Comparison]) -> str:
    verdicts = [one.updates.verdict for one in here]
    fewer, more = fewer_and_more(verdicts)
    return f"took fewer updates in {fewer} and more in {more} of {len(verdicts)}"


def _name(turn: Turn) -> str:
    network = turn.network
    return f"{network.task_name}, {network.network}, B {network.batch_size}"
