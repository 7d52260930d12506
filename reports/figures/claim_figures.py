"""Figures of the claim: the map of verdicts, updates to target, and the narrowest width."""

import math
import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import islice
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from msgspec.structs import replace

from reports.collect.grouping import SETTING, Setting
from reports.figures.style import (
    FONT,
    VERDICT_STYLES,
    Drawing,
    label_margin,
    log_ticks,
    new_figure,
    regime_style,
    small_multiples,
    tidy,
)
from reports.formatting import number
from reports.frames import Frames, plain, setting
from reports.statistics.intervals import clopper_pearson
from reports.statistics.verdict import MARGIN, Verdict
from reports.tell.what_to_do import by_kind, deciding

MOST_ROWS = 24
MOST_IN_A_LINE = 30
"""Characters of a bar's label that the space beside it holds."""

COUNTED = (
    Verdict.FEWER,
    Verdict.ONLY_STATEFUL,
    Verdict.SAME,
    Verdict.INCONCLUSIVE,
    Verdict.NEITHER,
    Verdict.RATE_NOT_FOUND,
    Verdict.ONLY_STATELESS,
    Verdict.MORE,
)
"""From left to right: what speaks for carrying state, what for neither, what against it."""


def draw_verdicts(frames: Frames) -> Drawing | None:
    """Draw a bar for each kind of setting, its comparisons stacked by verdict."""
    here = deciding(frames.claim)
    kinds = by_kind(here)
    if not kinds:
        return None
    height = 0.75 + 0.42 * len(kinds)
    figure = new_figure(7.5, height)
    axes = figure.add_axes((0.36, 0.52 / height, 0.62, (height - 0.62) / height))
    for row, of_kind in enumerate(kinds.values()):
        left = 0
        for verdict in COUNTED:
            n = sum(one.verdict == verdict for one in of_kind)
            if n:
                colour, hatch, _ = VERDICT_STYLES[verdict]
                axes.barh(row, n, left=left, height=0.72, color=colour, hatch=hatch, edgecolor="#555555", lw=0.6)
                backing = {"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 0.8} if hatch else None
                axes.text(left + n / 2, row, str(n), ha="center", va="center", fontsize=FONT, bbox=backing)
            left += n
    labels = [textwrap.fill(f"{kind} ({len(of_kind)})", MOST_IN_A_LINE) for kind, of_kind in kinds.items()]
    axes.set_yticks(range(len(kinds)), labels)
    axes.set_ylim(len(kinds) - 0.5, -0.5)
    axes.set_xlim(0, 1.005 * max(map(len, kinds.values())))
    axes.set_xticks([])
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(length=0, labelsize=FONT)
    _verdict_legend(figure, here, len(COUNTED))
    kind = "declared" if here[0].declared else "exploratory"
    return Drawing("verdicts", figure, f"Updates that stateful needs, of {kind} comparisons, by kind of setting.")


def _verdict_legend(figure: Figure, shown: list[Any], columns: int) -> None:
    seen = {one.verdict for one in shown}
    figure.legend(
        handles=[
            Patch(facecolor=VERDICT_STYLES[one][0], hatch=VERDICT_STYLES[one][1], edgecolor="#555555", label=str(one))
            for one in COUNTED
            if one in seen
        ],
        loc="lower center",
        ncol=columns,
        fontsize=FONT - 1,
        frameon=False,
    )


CELL_WIDTH, CELL_HEIGHT = 0.62, 0.4  # inches: a window and a ratio at 8 points fit


def draw_map(frames: Frames) -> Drawing | None:
    """Draw a panel for each batch size; a row is a network on a task, a cell one of its windows."""
    shown, rule = _choose_networks(frames.claim)
    if not shown:
        return None
    panels = {
        batch: _networks(one for one in shown if one.batch_size == batch)
        for batch in sorted({one.batch_size for one in shown})
    }
    labels = [_row_label(row) for panel in panels.values() for row in panel.values()]
    longest = max(len(row) for panel in panels.values() for row in panel.values())
    left, head, legend = 0.35 + 0.072 * max(map(len, labels)), 0.34, 0.55
    width = max(6.0, left + CELL_WIDTH * longest + 0.1)
    height = legend + sum(head + len(panel) * CELL_HEIGHT for panel in panels.values())
    figure = new_figure(width, height)
    top = height
    for batch, panel in panels.items():
        tall = len(panel) * CELL_HEIGHT
        top -= head + tall
        axes = figure.add_axes((left / width, top / height, longest * CELL_WIDTH / width, tall / height))
        _map_panel(axes, panel, longest)
        axes.set_title(f"batch size {batch}", fontsize=FONT + 1, loc="left", weight="bold", pad=3)
    _verdict_legend(figure, shown, 4)
    caption = (
        "Every comparison. In a cell: the window L and stateful / stateless in updates to target, below 1 where "
        "stateful needs fewer. D, after a task's name: how many steps back its target depends on. "
        f"{_framed(shown)}{rule}"
    )
    return Drawing("map", figure, caption)


def _framed(shown: list[Any]) -> str:
    if not any(one.declared for one in shown):
        return "All of it is exploratory (in italics): none of these was declared before the run."
    return "Framed: declared before the run; in italics without a frame: exploratory."


def _choose_networks(compared: list[Any]) -> tuple[list[Any], str]:
    if len(_networks(compared)) <= MOST_ROWS:
        return compared, ""
    most: dict[tuple[str, str], Setting] = {}
    for task, cell in dict.fromkeys((one.setting.task_name, one.cell) for one in compared):
        here = [one for one in compared if (one.setting.task_name, one.cell) == (task, cell)]
        counts = Counter(_network(one, batch=False) for one in here)
        most[task, cell] = max(counts, key=lambda network: (counts[network], network))
    shown = [one for one in compared if most[one.setting.task_name, one.cell] == _network(one, batch=False)]
    return shown, " Of each task and cell, the network with the most settings is shown; details.md has all."


def _network(one: Any, *, batch: bool = True) -> Setting:
    # Kernels share a row.
    network: Setting = replace(one.setting, window=0, kernel="")
    return network if batch else replace(network, batch_size=0)


def _networks(compared: Iterable[Any]) -> dict[Setting, dict[int, Any]]:
    """Comparisons by network and window, both in order; of several kernels the first."""
    found: defaultdict[Setting, dict[int, Any]] = defaultdict(dict)
    for one in sorted(compared, key=lambda one: one.window):
        found[_network(one)].setdefault(one.window, one)
    return dict(sorted(found.items()))


def _map_panel(axes: Axes, panel: dict[Setting, dict[int, Any]], columns: int) -> None:
    for row, by_window in enumerate(panel.values()):
        for column, (window, one) in enumerate(by_window.items()):
            _map_cell(axes, row, column, window, one)
    axes.set_xlim(0, columns)
    axes.set_ylim(len(panel), 0)
    axes.set_xticks([])
    axes.set_yticks([row + 0.5 for row in range(len(panel))], [_row_label(row) for row in panel.values()])
    axes.tick_params(length=0, labelsize=FONT)
    axes.spines[:].set_visible(False)


def _map_cell(axes: Axes, row: int, column: int, window: int, one: Any) -> None:
    colour, hatch, _ = VERDICT_STYLES[one.verdict]
    axes.add_patch(
        Rectangle((column + 0.03, row + 0.06), 0.94, 0.88, facecolor=colour, hatch=hatch, edgecolor="#999999", lw=0.6)
    )
    if one.declared:
        axes.add_patch(Rectangle((column + 0.03, row + 0.06), 0.94, 0.88, fill=False, edgecolor="black", lw=1.4))
    formed = one.ratio is not None and one.method != "none" and 0 < one.ratio < math.inf
    backing = {"facecolor": "white", "alpha": 0.9, "edgecolor": "none", "pad": 0.6} if hatch else None
    style = "normal" if one.declared else "italic"
    text = f"L {window}\n{number(one.ratio)}" if formed else f"L {window}"
    axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=FONT - 1, bbox=backing, style=style)


def _row_label(row: dict[int, Any]) -> str:
    window, first = next(iter(row.items()))
    reach = None if first.reach_in_windows is None else first.reach_in_windows * window
    depends = "" if reach is None else f" (D {reach if math.isinf(reach) else round(reach)})"
    return f"{first.setting.task_name}{depends}, {first.setting.network}"


ROW_HEIGHT = 0.3
WIDEST = 16.0  # ratios beyond are drawn as arrows at the edge


def draw_time_to_target(frames: Frames) -> Drawing | None:
    """Draw a row a setting; left both arms in updates, right their ratio with the margin as a band."""
    shown, rule = _choose_comparisons(frames.claim)
    if not shown:
        return None
    made = frames.part("arms", _OF_ARM, {key for one in shown for key in (one.key_a, one.key_b)})
    arms = {(row.compares, row.key_a, row.key_b, row.side): row for row in plain(made)}
    pairs = [{side: arms[one.compares, one.key_a, one.key_b, side] for side in "ab"} for one in shown]
    height = 1.35 + ROW_HEIGHT * len(shown)
    figure = new_figure(9.0, height)
    box = {"bottom": 0.55 / height, "top": 1 - 0.7 / height}
    left, right = figure.subplots(1, 2, sharey=True)
    labels = [one.setting.label for one in shown]
    figure.subplots_adjust(left=label_margin(labels, 9.0), right=0.845, wspace=0.06, **box)
    _arms(left, shown, pairs)
    _ratios(right, shown, pairs)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncol=3, fontsize=FONT - 0.5, frameon=False)
    caption = (
        "Updates to target. Left: expected running time of each arm (all updates spent, failed trainings "
        "included, over the successes); an open marker with an arrow is an arm without a success, placed at "
        "all updates it spent. Right: stateful / stateless (an arrow: off the scale); the band is the margin "
        "of 10 %; beside it, how many replicates of each arm reached the target. Lines are 95 % "
        f"intervals; names in italics are exploratory.{rule}"
    )
    return Drawing("time-to-target", figure, caption)


_OF_ARM = ("compares", "key_a", "key_b", "side", "n", "reached", "expected", "low", "high", "spent")


def _choose_comparisons(compared: list[Any]) -> tuple[list[Any], str]:
    if len(compared) <= MOST_ROWS:
        return compared, ""
    # What was declared first, then the widest networks: there an arm fails least for want of units.
    order = sorted(range(len(compared)), key=lambda place: (not compared[place].declared, -compared[place].units))
    shown = [compared[place] for place in sorted(order[:MOST_ROWS])]
    rule = f" Of {len(compared)} comparisons {MOST_ROWS} are shown, the declared first; the table has all."
    return shown, rule


def _arms(axes: Axes, shown: list[Any], pairs: list[dict[str, Any]]) -> None:
    finite = [v for pair in pairs for arm in pair.values() for v in (_place(arm), arm.low, arm.high)]
    finite = [v for v in finite if math.isfinite(v) and v > 0] or [1.0]
    low, high = min(finite), max(finite) * 1.15
    for offset, side, name in ((-0.16, "a", "stateful"), (0.16, "b", "stateless")):
        colour, marker = regime_style(name)
        arms = [pair[side] for pair in pairs]
        rows = [row + offset for row in range(len(arms))]
        ends = [[min(max(v, low / 2), high * 2) for v in (arm.low, arm.high)] for arm in arms]
        axes.hlines(rows, [first for first, _ in ends], [last for _, last in ends], color=colour, lw=1.4)
        places = [max(_place(arm), low) for arm in arms]
        axes.plot(places, rows, marker, color=colour, ms=5, ls="none", label=name)
        never = [row for row, arm in enumerate(arms) if not arm.reached]
        at = [places[row] for row in never]
        axes.plot(at, [rows[row] for row in never], marker, color=colour, mfc="white", ms=5, ls="none")
        axes.plot([high] * len(never), [rows[row] for row in never], ">", color=colour, ms=5, clip_on=False)
    tidy(axes)
    log_ticks(axes, "x", low / 1.15, high)
    axes.set_yticks(range(len(shown)), [one.setting.label for one in shown])
    for tick, one in zip(axes.get_yticklabels(), shown, strict=True):
        tick.set_fontstyle("normal" if one.declared else "italic")
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlabel("expected updates to target", fontsize=FONT)
    axes.grid(axis="x", color="#E5E5E5", lw=0.6)


def _place(arm: Any) -> float:
    return float(arm.expected if arm.reached else arm.spent)


def _ratios(axes: Axes, shown: list[Any], pairs: list[dict[str, Any]]) -> None:
    limits = [v for one in shown for v in (one.ratio, one.low, one.high) if v is not None]
    values = [min(max(v, 1 / WIDEST), WIDEST) for v in limits if 0 < v < math.inf]
    low, high = min([0.4, *values]), max([2.5, *values])
    axes.axvspan(1 - MARGIN, 1 + MARGIN, color="#E3E3E3", lw=0)
    axes.axvline(1, color="#777777", lw=0.8)
    formed = [(row, one) for row, one in enumerate(shown) if one.method != "none" and one.ratio is not None]
    axes.hlines(
        [row for row, _ in formed],
        [max(r.low, low / 2) for _, r in formed],
        [min(r.high, high * 2) for _, r in formed],
        color="black",
        lw=1.4,
    )
    for marker, below, above in (("<", 0.0, low), ("d", low, high), (">", high, math.inf)):
        rows = [row for row, one in enumerate(shown) if one.ratio is not None and _between(one.ratio, below, above)]
        places = [min(max(shown[row].ratio, low), high) for row in rows]
        axes.plot(places, rows, marker, color="black", ms=5, ls="none")
    beside: dict[str, Any] = {
        "transform": axes.get_yaxis_transform(),
        "va": "center",
        "ha": "center",
    }
    for place, side, name in ((1.12, "a", "stateful"), (1.37, "b", "stateless")):
        # One text of as many lines would be quicker, but its lines would not meet the rows.
        for row, pair in enumerate(pairs):
            axes.text(place, row, f"{pair[side].reached}/{pair[side].n}", fontsize=FONT - 1.5, **beside)
        axes.text(place, -0.85, f"{name}\nreached", **beside | {"va": "bottom", "fontsize": FONT - 2})
    tidy(axes)
    log_ticks(axes, "x", low, high)
    axes.tick_params(axis="y", left=False, labelleft=False)
    axes.set_xlabel("stateful / stateless", fontsize=FONT)
    axes.grid(axis="x", color="#E5E5E5", lw=0.6)


def _between(value: float, below: float, above: float) -> bool:
    # Half open, so that each value has one marker.
    return below <= value < above or value == above == math.inf


MOST_PANELS = 6


def draw_widths(frames: Frames) -> Drawing | None:
    """Draw a panel a group of two arms: success rate over units, with (above, up to] as a bar beneath."""
    group = [name for name in SETTING if name != "units"]
    found = frames.widths.groupby(group, observed=True, dropna=False, sort=False)
    shown = [plain(here) for _, here in islice(found, MOST_PANELS)]
    if not shown:
        return None
    figure, grid = small_multiples(
        len(shown), row=2.45, head=0.7, legend=0.75, panel=3.0, left=(0.13, 0.08), foot=0.48,
        hspace=0.62, wspace=0.12, sharey=True,
    )  # fmt: skip
    for axes, one in zip(grid.flat, shown, strict=False):
        _widths_panel(axes, one)
    for axes in grid[:, 0]:
        axes.set_ylabel("share that reached", fontsize=FONT - 1)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncol=2, fontsize=FONT, frameon=False)
    more = (
        "" if len(shown) == found.ngroups else f" The first {MOST_PANELS} of {found.ngroups} groups; the table has all."
    )
    caption = (
        "Narrowest network that reaches the target. Points: share of replicates that reached it, with exact "
        "95 % intervals. The bars beneath: the interval in which the narrowest sufficient width lies (an "
        f"arrow where the grid does not bound it); where the two do not overlap, the widths differ.{more}"
    )
    return Drawing("widths", figure, caption)


def _widths_panel(axes: Axes, rows: list[Any]) -> None:
    widths = sorted({row.units for row in rows})
    at = {width: place for place, width in enumerate(widths)}
    axes.axhline(0.5, color="#BBBBBB", lw=0.8, ls=":")
    axes.axhline(0, color="#BBBBBB", lw=0.6)
    for shift, beneath, name in ((-0.08, -0.13, "stateful"), (0.08, -0.27, "stateless")):
        arm = [row for row in rows if row.regime == name]
        colour, marker = regime_style(name)
        places = [at[row.units] + shift for row in arm]
        shares = [row.reached / row.of if row.of else float("nan") for row in arm]
        limits = [clopper_pearson(row.reached, row.of) for row in arm]
        axes.plot(places, shares, marker, ls="-", lw=0.8, color=colour, ms=5, label=name)
        axes.vlines(places, [low for low, _ in limits], [high for _, high in limits], color=colour, lw=1.2)
        _bar(axes, arm[0].above, arm[0].up_to, at, beneath, colour)
    axes.set_xlim(-0.6, len(widths) - 0.4)
    axes.set_ylim(-0.36, 1.05)
    axes.set_yticks([0, 0.5, 1], ["0", "½", "1"])
    axes.set_xticks(range(len(widths)), [str(width) for width in widths])
    axes.set_xlabel("units", fontsize=FONT - 1)
    where = setting(rows[0])
    network = f"{where.task_name} {where.cell_name}{where.aside}"
    title = f"{network}\nL {where.window}, B {where.batch_size}: {rows[0].verdict}"
    axes.set_title(title, fontsize=FONT - 1)
    tidy(axes)


def _bar(axes: Axes, above: int | None, up_to: int | None, at: dict[int, int], height: float, colour: str) -> None:
    low = -0.5 if above is None else at[above]
    high = len(at) - 0.5 if up_to is None else at[up_to]
    axes.plot([low, high], [height, height], color=colour, lw=4, solid_capstyle="butt")
    if above is None:
        axes.plot([low], [height], "<", color=colour, ms=6, clip_on=False)
    if up_to is None:
        axes.plot([high], [height], ">", color=colour, ms=6, clip_on=False)
