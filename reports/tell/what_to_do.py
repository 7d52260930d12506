"""What to do: what decides it, then setting by setting in a table, at a glance, and task by task in sentences."""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from msgspec.structs import replace

from reports.claim.arms import Comparison
from reports.collect.grouping import Setting, about_task
from reports.formatting import NOTHING, listing, low_to_high, number, several, span
from reports.statistics.verdict import BY_INTERVAL, FEWER, MORE, Verdict, fewer_and_more

BEYOND, WITHIN = "target reaches beyond the window", "window covers the target's reach"
REAL = "real series"


class Compared(Protocol):
    """A comparison, or the row of a frame that holds it."""

    @property
    def declared(self) -> bool:
        """Whether it was declared before the run."""

    @property
    def reach_in_windows(self) -> float | None:
        """Reach over window, D / L; None where the reach is not known."""


T = TypeVar("T", bound=Compared)


def deciding(compared: list[T]) -> list[T]:
    """Those that answer: the declared comparisons, or all of a run that declares none."""
    return [one for one in compared if one.declared] or compared


def by_kind(compared: Iterable[T]) -> dict[str, list[T]]:
    """Comparisons by how far the target reaches back; of a real series that is not known. Empty kinds are left out."""
    kinds: dict[str, list[T]] = {BEYOND: [], WITHIN: [], REAL: []}
    for one in compared:
        reach = one.reach_in_windows
        kinds[REAL if reach is None else BEYOND if reach > 1 else WITHIN].append(one)
    return {kind: here for kind, here in kinds.items() if here}


ADVICE = {
    Verdict.FEWER: "**carry** (fewer)",
    Verdict.ONLY_STATEFUL: "**carry** (only stateful)",
    Verdict.MORE: "**don't carry** (more)",
    Verdict.ONLY_STATELESS: "**don't carry** (only stateless)",
    Verdict.SAME: "same",
    Verdict.INCONCLUSIVE: "inconclusive",
    Verdict.NEITHER: "neither reached the target",
    Verdict.RATE_NOT_FOUND: "no verdict: best rate not found",
}
MOST_ROWS = 24
ALIKE = 2.0
"""Ratios that share a row differ by at most this factor: a wider range says nothing of any one of them."""


@dataclass(frozen=True)
class Row:
    """Comparisons with one verdict; `ratio` spans theirs, and its interval all of their intervals."""

    where: str
    advice: str
    ratio: str
    marks: str


@dataclass(frozen=True)
class Table:
    """Rows, what is the same in all of them, and how many more there are."""

    rows: list[Row]
    constant: str
    left_out: int


def what_to_do(compared: list[Comparison]) -> Table:
    """Of what decides: real series one by one; where the reach is known, windows with one verdict in one row."""
    here = deciding(compared)
    kinds = by_kind(here)
    real = kinds.pop(REAL, [])
    each = [[one] for one in sorted(real, key=_place)]
    groups = [
        *(each if len(each) <= MOST_ROWS else _same_cells(real)),
        *_same_windows(_same_cells(one for kind in kinds.values() for one in kind)),
    ]
    varies = [name for name in ("units", "batch_size") if len({getattr(one.setting, name) for one in here}) > 1]
    constant = [
        f"{getattr(here[0].setting, name)} units" if name == "units" else f"batch {here[0].setting.batch_size}"
        for name in ("units", "batch_size")
        if here and name not in varies
    ]
    rows = [_row(group, varies) for group in groups[:MOST_ROWS]]
    return Table(rows, ", ".join(constant), len(groups) - len(rows))


def _place(one: Comparison) -> tuple[str, int]:
    return one.setting.task_name, one.setting.window


def _same_cells(compared: Iterable[Comparison]) -> list[list[Comparison]]:
    """Groups that differ in the cell alone and have one verdict."""
    found: defaultdict[object, list[Comparison]] = defaultdict(list)
    for one in sorted(compared, key=_place):
        found[replace(one.setting, cell=""), one.updates.verdict].append(one)
    return [part for group in found.values() for part in _alike(group)]


def _same_windows(groups: list[list[Comparison]]) -> list[list[Comparison]]:
    """Join groups that differ in the window alone."""
    found: defaultdict[object, list[Comparison]] = defaultdict(list)
    for group in groups:
        cells = frozenset(one.setting.cell for one in group)
        first = group[0]
        found[replace(first.setting, cell="", window=0), cells, first.updates.verdict] += group
    return [part for group in found.values() for part in _alike(group)]


def _alike(group: list[Comparison]) -> list[list[Comparison]]:
    """The group as one, or each of its windows and cells by itself where their ratios are far apart."""
    formed = [one.updates.ratio.value for one in group if 0 < one.updates.ratio.value < math.inf]
    return [group] if not formed or max(formed) <= ALIKE * min(formed) else [[one] for one in group]


def _row(group: list[Comparison], varies: list[str]) -> Row:
    setting = group[0].setting
    layers = "" if setting.layers == 1 else f"{setting.layers} × "
    cells = listing(list(dict.fromkeys(one.setting.cell_name for one in group)))
    units = f" {setting.units}" if "units" in varies else ""
    windows = sorted({one.setting.window for one in group})
    where = [
        setting.task_name,
        f"{layers}{cells}{units}",
        f"window{'s' if len(windows) > 1 else ''} {listing(windows)}",
        *([f"batch {setting.batch_size}"] if "batch_size" in varies else []),
    ]
    return Row(
        where=f"{', '.join(where)}{setting.aside}",
        advice=ADVICE[group[0].updates.verdict],
        ratio=_ratio(group),
        marks=", ".join(
            f"{words} in {n} of {len(group)}" if n < len(group) else words
            for words, n in (
                ("holds", sum(one.survives_holm for one in group)),
                ("at no rate tried", sum(one.at_edge and one.at_no_rate for one in group)),
            )
            if n
        ),
    )


def _ratio(group: list[Comparison]) -> str:
    ratios = [one.updates.ratio for one in group if one.updates.ratio.method != "none"]
    formed = [one.value for one in ratios if 0 < one.value < math.inf]
    low, high = min((one.low for one in ratios), default=0.0), max((one.high for one in ratios), default=math.inf)
    if formed:
        return several(formed, (low, high))
    if math.isfinite(high):
        return f"≤ {number(high)}"
    return f"≥ {number(low)}" if low > 0 else NOTHING


class Do(StrEnum):
    """What follows at one window; a closed list."""

    CARRY = "carry state"
    SHUFFLE = "do not carry state"
    EITHER = "the same"
    DEPENDS = "depends on the network"
    OPEN = "inconclusive"
    HARDER = "neither reaches the target"
    UNTUNED = "rate not found"


DECIDED = frozenset({Do.CARRY, Do.SHUFFLE})


@dataclass(frozen=True)
class SummaryLine:
    """`where` names task, cell and batch size; `what` is the advice; `declared`: a comparison in it was declared."""

    where: str
    what: str
    declared: bool


def summary_lines(compared: list[Comparison]) -> list[SummaryLine]:
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
        lines.append(SummaryLine(f"{task}, {cell}{at_batch}", line(here), any(one.declared for one in here)))
    return lines


def line(here: list[Comparison]) -> str:
    """Say what to do at each window, and how sure that is; what is decided first."""
    windows = sorted({one.setting.window for one in here})
    advised = {w: _do([one.updates.verdict for one in here if one.setting.window == w]) for w in windows}
    declared = any(one.declared for one in here)
    parts = []
    unit = "times the updates"
    for do in sorted(dict.fromkeys(advised.values()), key=lambda do: do not in DECIDED):
        at = [w for w in windows if advised[w] is do]
        used = [one for one in here if one.setting.window in at]
        sure = _how_sure(do, used, unit, some_declared=declared)
        parts.append(f"{_phrase(do, at, windows)}{sure}")
        # A line names the unit once.
        unit = "times" if unit in sure else unit
    return "; ".join(parts)


def _do(verdicts: list[Verdict]) -> Do:
    fewer, more = fewer_and_more(verdicts)
    if fewer and more:
        return Do.DEPENDS
    if fewer or more:
        return Do.CARRY if fewer else Do.SHUFFLE
    if Verdict.SAME in verdicts:
        return Do.EITHER
    alone = {Verdict.NEITHER: Do.HARDER, Verdict.RATE_NOT_FOUND: Do.UNTUNED}
    return alone.get(verdicts[0], Do.OPEN) if len(set(verdicts)) == 1 else Do.OPEN


def _phrase(do: Do, at: list[int], windows: list[int]) -> str:
    # "from 12 on" only where it is the rest of the grid, and the grid has something before it.
    rest = windows[-len(at) :] == at and 1 < len(at) < len(windows)
    where = f"from window {at[0]} on" if rest else f"at {_windows(at)}"
    return f"**{do}** {where}" if do in DECIDED else f"{do} {where}"


def _windows(at: list[int]) -> str:
    return f"{'windows' if len(at) > 1 else 'window'} {listing(at)}"


def _how_sure(do: Do, used: list[Comparison], unit: str, *, some_declared: bool) -> str:
    """Ratios, the other verdicts at these windows, and how many differences hold; "" where nothing is decided."""
    if do not in DECIDED:
        return ""
    found = [one for one in used if one.updates.verdict in (FEWER if do is Do.CARRY else MORE)]
    by_interval = [one for one in found if one.updates.verdict in BY_INTERVAL]
    ratios = [one.updates.ratio for one in by_interval]
    parts = []
    if len(ratios) == 1:
        parts.append(f"{number(ratios[0].value)} {span(ratios[0].low, ratios[0].high)} {unit}")
    elif len(ratios) == 2:
        parts.append(f"{' and '.join(_named(one, used) for one in by_interval)} {unit}")
    elif ratios:
        limits = low_to_high(limit for one in ratios for limit in (one.low, one.high))
        parts.append(f"{limits} {unit}")
    only = len(found) - len(ratios)
    if only:
        arm = "stateful" if do is Do.CARRY else "stateless"
        parts.append(f"only {arm} reached the target{f' in {only}' if ratios else ''}")
    declared = [one for one in found if one.declared]
    # A line without any declared comparison is marked as a whole.
    if declared:
        hold, of = held(declared)
        some = (
            f"{hold} of {of} {'holds' if hold == 1 else 'hold'}"
            if 0 < hold < of
            else "all hold"
            if hold
            else "all hints"
        )
        parts.append(some if of > 1 else "holds" if hold else "a hint")
    elif some_declared:
        parts.append("exploratory")
    others = [one for one in used if one not in found]
    cells, other_cells = ({one.setting.cell_name for one in some} for some in (found, others))
    if others and not cells & other_cells:
        verdicts = listing(list(dict.fromkeys(one.updates.verdict for one in others)))
        return f" ({listing(sorted(cells))}: {', '.join(parts)}; {listing(sorted(other_cells))}: {verdicts})"
    where = f"in {len(found)} of {len(used)}: " if others else ""
    return f" ({where}{', '.join(parts)})"


def _named(one: Comparison, used: list[Comparison]) -> str:
    """A ratio with the cell, and where windows differ the window, that it is of."""
    several = len({other.setting.window for other in used}) > 1
    where = f", window {one.setting.window}:" if several else ""
    found = one.updates.ratio
    return f"{one.setting.cell_name}{where} {number(found.value)} {span(found.low, found.high)}"


def held(found: Iterable[Comparison]) -> tuple[int, int]:
    """Of differences, how many hold after Holm's correction, and how many there are."""
    hold = [one.survives_holm for one in found]
    return sum(hold), len(hold)


_SAYS = {
    Verdict.FEWER: "carry state at {windows} ({ratios} times as many updates)",
    Verdict.ONLY_STATEFUL: "carry state at {windows}, where only the stateful arm reached the target",
    Verdict.MORE: "do not carry state at {windows} ({ratios} times as many updates)",
    Verdict.ONLY_STATELESS: "do not carry state at {windows}, where only the stateless arm reached it",
    Verdict.SAME: "the same number of updates at {windows}",
    Verdict.INCONCLUSIVE: "inconclusive at {windows}{seeds}",
    Verdict.NEITHER: "at {windows} neither arm reached the target",
    Verdict.RATE_NOT_FOUND: "at {windows} an arm's best learning rate lies at the edge of those tried",
}


@dataclass(frozen=True)
class Advice:
    """A task and one sentence per network and batch size."""

    task: str
    about: str
    sentences: list[str]


def advice(compared: list[Comparison]) -> list[Advice]:
    """Advice for every task that has a comparison."""
    by_task: defaultdict[tuple[str, tuple[float, ...]], list[Comparison]] = defaultdict(list)
    for one in compared:
        by_task[one.setting.task, one.setting.dial].append(one)
    return [
        Advice(here[0].setting.task_name, _about(name, dial), _sentences(here))
        for (name, dial), here in by_task.items()
    ]


def _about(name: str, dial: tuple[float, ...]) -> str:
    known = about_task(name, dial)
    if not known:
        return "This machine does not know the task; its windows are given as they are."
    reach = known.get("reach")
    text = str(known.get("description") or known.get("title") or "").strip().rstrip(".")
    told = f"{text}." if text else ""
    steps = "back without end" if reach == math.inf else f"{reach} steps back"
    return f"{told} Its target reaches {steps}." if reach is not None else told


def _sentences(here: list[Comparison]) -> list[str]:
    by_network: defaultdict[Setting, list[Comparison]] = defaultdict(list)
    for one in here:
        by_network[replace(one.setting, window=0)].append(one)
    # Widths with the same verdict at the same windows share a sentence.
    alike: defaultdict[tuple[Setting, frozenset[tuple[int, Verdict]]], list[Comparison]] = defaultdict(list)
    for network, found in by_network.items():
        pattern = frozenset((one.setting.window, one.updates.verdict) for one in found)
        alike[replace(network, units=0), pattern] += found
    return [f"With {_network(found)}: {_by_verdict(found)}." for found in alike.values()]


def _network(found: list[Comparison]) -> str:
    setting = found[0].setting
    layers = "" if setting.layers == 1 else f"{setting.layers} layers of "
    units = listing(sorted({one.setting.units for one in found}))
    unusual = [*setting.unusual, *([setting.kernel] if setting.kernel != "replicated" else [])]
    aside = f" ({', '.join(unusual)})" if unusual else ""
    return f"{setting.cell_name}, {layers}{units} units and batch size {setting.batch_size}{aside}"


def _by_verdict(group: list[Comparison]) -> str:
    parts = []
    for verdict, phrase in _SAYS.items():
        found = [one for one in group if one.updates.verdict is verdict]
        if not found:
            continue
        windows = _windows(sorted({one.setting.window for one in found}))
        ratios = low_to_high(one.updates.ratio.value for one in found)
        parts.append(phrase.format(windows=windows, ratios=ratios, seeds=_seeds(found)))
    return "; ".join(parts)


def _seeds(found: list[Comparison]) -> str:
    needed = [one.updates.seeds_needed for one in found]
    known = [float(n) for n in needed if n is not None]
    if any(one.updates.look_oftener for one in found):
        return " (evaluate more often: the distance of the evaluations alone keeps it open)"
    if not known:
        return ""
    return f" ({'about ' if len(known) == len(needed) else 'at least '}{low_to_high(known)} seeds would decide it)"
