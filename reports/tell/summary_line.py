"""What to do at a glance: one line per task, cell and batch size, over all widths."""

from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum

from reports.claim.arms import Comparison
from reports.formatting import listing, number
from reports.statistics.verdict import LESS, MORE, Verdict


class Do(StrEnum):
    """What follows at one window; a closed list."""

    CARRY = "carry state"
    SHUFFLE = "shuffle, do not carry"
    EITHER = "either does"
    DEPENDS = "it depends on the width"
    OPEN = "undecided"
    HARDER = "neither reaches the target"


@dataclass(frozen=True)
class Line:
    """`where` names task, cell and batch size; `what` is the advice; `declared`: a comparison in it was declared."""

    where: str
    what: str
    declared: bool


def glance(compared: list[Comparison]) -> list[Line]:
    """Build the lines, in order of the settings."""
    groups: defaultdict[tuple[str, str, int, str], list[Comparison]] = defaultdict(list)
    for one in compared:
        setting = one.setting
        layers = "" if setting.layers == 1 else f", {setting.layers} layers"
        cell = f"{setting.cell_name}{layers}{setting.aside}"
        groups[setting.task_name, cell, setting.batch_size, setting.kernel].append(one)
    several = {key[:2] for key in groups if sum(other[:2] == key[:2] for other in groups) > 1}
    lines = []
    for (task, cell, batch, _), here in groups.items():
        at_batch = f", batch size {batch}" if (task, cell) in several else ""
        lines.append(Line(f"{task}, {cell}{at_batch}", _sentence(here), any(one.declared for one in here)))
    return lines


def _sentence(here: list[Comparison]) -> str:
    windows = sorted({one.setting.window for one in here})
    advised = {w: _do([one.updates.verdict for one in here if one.setting.window == w]) for w in windows}
    declared = any(one.declared for one in here)
    parts = []
    for do in dict.fromkeys(advised.values()):
        at = [w for w in windows if advised[w] is do]
        used = [one for one in here if one.setting.window in at]
        parts.append(f"{_phrase(do, at, windows)}{_how_sure(do, used, some_declared=declared)}")
    return "; ".join(parts)


def _do(verdicts: list[Verdict]) -> Do:
    less, more = any(v in LESS for v in verdicts), any(v in MORE for v in verdicts)
    if less and more:
        return Do.DEPENDS
    if less or more:
        return Do.CARRY if less else Do.SHUFFLE
    if Verdict.SAME in verdicts:
        return Do.EITHER
    return Do.HARDER if set(verdicts) == {Verdict.NEITHER} else Do.OPEN


def _phrase(do: Do, at: list[int], windows: list[int]) -> str:
    # "from 12 on" only where it is the rest of the grid, and the grid has something before it.
    rest = windows[-len(at) :] == at and 1 < len(at) < len(windows)
    where = (
        f"from a window of {at[0]} on" if rest else f"at {'windows' if len(at) > 1 else 'a window'} of {listing(at)}"
    )
    bold = do in {Do.CARRY, Do.SHUFFLE}
    return f"**{do}** {where}" if bold else f"{do} {where}"


def _how_sure(do: Do, used: list[Comparison], *, some_declared: bool) -> str:
    if do not in {Do.CARRY, Do.SHUFFLE}:
        return ""
    found = [one for one in used if one.updates.verdict in (LESS if do is Do.CARRY else MORE)]
    ratios = [one.updates.ratio.value for one in found if one.updates.verdict in {Verdict.HOLDS, Verdict.REVERSED}]
    parts = []
    if ratios:
        low, high = number(min(ratios)), number(max(ratios))
        parts.append(f"updates × {low if low == high else f'{low} to {high}'}")
    only = len(found) - len(ratios)
    if only:
        arm = "stateful" if do is Do.CARRY else "stateless"
        parts.append(f"only {arm} got there{f' in {only}' if ratios else ''}")
    if len(found) < len(used):
        parts.append(f"no verdict in the other {len(used) - len(found)}")
    # A line without any declared comparison is marked as a whole.
    if some_declared and not any(one.declared for one in found):
        parts.append("exploratory")
    return f" ({', '.join(parts)})" if parts else ""
