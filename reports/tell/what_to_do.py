"""What to do, setting by setting: a verdict with its ratio and what it rests on, alike ones in one row."""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from reports.claim.arms import Comparison
from reports.formatting import NOTHING, listing, number, several
from reports.statistics.verdict import Verdict
from reports.tell.headline import REAL, by_kind, deciding

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
