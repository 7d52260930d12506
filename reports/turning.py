"""Where carrying state turns from paying to costing: by reach over window, or by window where that is unknown."""

from collections.abc import Iterable

from reports.compare import Comparison
from reports.headline import deciding
from reports.statistics.verdict import LESS, MORE
from reports.words import listing


def turning_point(compared: list[Comparison]) -> str:
    """One sentence on the comparisons that decide; "" without any."""
    here = deciding(compared)
    known = [(one.setting.reach_in_windows, one) for one in here]
    parts = []
    for where, inside in (
        ("where the target reaches back beyond the window (D/L > 1)", [one for r, one in known if r and r > 1]),
        ("where the window covers it (D/L ≤ 1)", [one for r, one in known if r and r <= 1]),
    ):
        parts += [f"{where} carried state {_share(inside)}"] if inside else []
    unknown = [one for r, one in known if r is None]
    for task in dict.fromkeys(one.setting.task_name for one in unknown):
        windows = sorted({one.setting.window for one in unknown if one.setting.task_name == task})
        each = [
            f"{_share(one for one in unknown if (one.setting.task_name, one.setting.window) == (task, w))} at L = {w}"
            for w in windows
        ]
        parts.append(f"on {task} it {listing(each)}")
    return f"Where it turns over: {'; '.join(parts)}." if parts else ""


def _share(here: Iterable[Comparison]) -> str:
    verdicts = [one.updates.verdict for one in here]
    pays, costs = sum(v in LESS for v in verdicts), sum(v in MORE for v in verdicts)
    return f"paid in {pays} and cost in {costs} of {len(verdicts)}"
