"""Where carrying state turns from paying to costing: by reach over window, and by window on each task."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from reports.claim.arms import Comparison
from reports.collect.engines import engine_by_engine
from reports.collect.grouping import Setting
from reports.formatting import listing
from reports.statistics.verdict import LESS, MORE
from reports.tell.headline import deciding


@dataclass(frozen=True)
class Turn:
    """One network on one task over its windows.

    Attributes
    ----------
    network
        Its setting, with window 0.
    pays, costs, neither
        Windows at which carried state takes fewer updates, more, or without a verdict that tells them apart.
    """

    network: Setting
    pays: tuple[int, ...]
    costs: tuple[int, ...]
    neither: tuple[int, ...]

    @property
    def between(self) -> tuple[int, int] | None:
        """The two windows between which the verdict turns, once; None where it does not or goes back and forth."""
        if not self.pays or not self.costs:
            return None
        if max(self.pays) < min(self.costs):
            return max(self.pays), min(self.costs)
        if max(self.costs) < min(self.pays):
            return max(self.costs), min(self.pays)
        return None

    @property
    def in_words(self) -> str:
        """What the windows say."""
        if self.between:
            low, high = self.between
            first = "pays" if low in self.pays else "costs"
            return f"{first} up to {low}, {'costs' if first == 'pays' else 'pays'} from {high} on"
        if self.pays and self.costs:
            return "back and forth"
        if not self.pays and not self.costs:
            return "nowhere told apart"
        verb = "pays" if self.pays else "costs"
        return f"{verb}, or is not told apart" if self.neither else f"{verb} at every window"


def turns(compared: list[Comparison]) -> list[Turn]:
    """Every network whose deciding comparisons span two windows or more, in order of the settings."""
    networks: defaultdict[Setting, list[Comparison]] = defaultdict(list)
    for one in deciding(compared):
        networks[replace(one.setting, window=0)].append(one)
    found = []
    for network, here in sorted(networks.items()):
        windows = {one.setting.window: one.updates.verdict for one in here}
        if len(windows) > 1:
            pays, costs = (tuple(sorted(w for w, v in windows.items() if v in group)) for group in (LESS, MORE))
            found.append(Turn(network, pays, costs, tuple(sorted(set(windows) - {*pays, *costs}))))
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
    text = f"Where it turns over: {'; '.join(parts)}."
    if turning:
        text += f" It turned with the window on {listing([f'{_name(one)} ({one.in_words})' for one in turning])}."
    return text


def _share(here: Iterable[Comparison]) -> str:
    verdicts = [one.updates.verdict for one in here]
    pays, costs = sum(v in LESS for v in verdicts), sum(v in MORE for v in verdicts)
    return f"paid in {pays} and cost in {costs} of {len(verdicts)}"


def _name(turn: Turn) -> str:
    network = turn.network
    return f"{network.task_name}, {network.network}, B {network.batch_size}"
