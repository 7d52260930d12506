"""Instead of carrying: what a stateless network costs whose window is as long as the dependency."""

from collections import defaultdict
from dataclasses import dataclass, replace

from reports.claim.arms import Comparison, compare
from reports.collect.engines import engine_by_engine
from reports.collect.grouping import Arms, Setting, arms_by_setting, body
from reports.collect.read import Run
from reports.formatting import count, listing
from reports.statistics.verdict import LESS, MORE, Judgement


@dataclass(frozen=True)
class Instead:
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
        carried, long = (int(arm.convergence.fields["steps_per_prediction"]) for arm in arms)
        return carried, long


def instead(run: Run) -> list[Instead]:
    """Find every stateful arm whose window is too short, beside the stateless arm whose window is not."""
    networks: defaultdict[Setting, dict[int, Arms]] = defaultdict(dict)
    for setting, arms in arms_by_setting(run).items():
        networks[replace(setting, window=0)][setting.window] = arms
    found = []
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
                comparison = compare(setting, first, second, target=target)
                if comparison.a.n:
                    found.append(Instead(setting, long, network.reach is not None, target, comparison))
    return found


def in_short(found: list[Instead]) -> str:
    """One sentence over all of them, for each engine; "" without any."""
    return engine_by_engine(found, lambda one: one.setting, _in_short)


def _in_short(found: list[Instead]) -> str:
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
            less, more = sum(v in LESS for v in verdicts), sum(v in MORE for v in verdicts)
            parts.append(f"fewer {what} in {less} and more in {more} of {len(verdicts)}")
    return (
        f"In {count(len(found), 'setting')}, a short window with carried state took {listing(parts)}, "
        "beside a stateless network with a long window and the same error to reach."
    )
