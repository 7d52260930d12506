"""Figures of the claim: the map of verdicts, updates to target, and the narrowest width."""

import math
from collections import Counter
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle

from reports.claim.arms import Arm, Comparison, WidthArm, WidthComparison
from reports.figures.style import (
    FONT,
    REGIME_STYLES,
    VERDICT_STYLES,
    Drawing,
    log_ticks,
    new_figure,
    small_multiples,
    tidy,
)
from reports.formatting import listing, mark, number
from reports.statistics.intervals import clopper_pearson
from reports.statistics.verdict import MARGIN, Verdict

MOST_ROWS = 24
CELL_WIDTH, CELL_HEIGHT = 0.62, 0.44  # inches: a ratio and a word at 7.5 points fit

Row = tuple[str, str, int, int]  # task, cell and what is unusual, layers, units
Column = tuple[float, int]  # D / L or L, then batch size


def draw_map(compared: list[Comparison]) -> Drawing | None:
    """Draw a panel for tasks that know their reach (columns D / L) and one for the others (columns L)."""
    shown, rule = _choose_networks(compared)
    if not shown:
        return None
    panels = [
        ("D / L = reach over window", [one for one in shown if one.setting.reach is not None], True),
        ("window L (steps)", [one for one in shown if one.setting.reach is None], False),
    ]
    panels = [panel for panel in panels if panel[1]]
    sizes = [(len(_rows(found)), len(_columns(found, known=known))) for _, found, known in panels]
    left, right, gap, legend = 1.95, 0.15, 0.85, 0.6
    width = max(6.2, left + right + CELL_WIDTH * max(columns for _, columns in sizes))
    height = legend + sum(rows * CELL_HEIGHT + gap for rows, _ in sizes)
    figure = new_figure(width, height)
    top = height
    for (label, found, known), (rows, columns) in zip(panels, sizes, strict=True):
        top -= 0.3
        box = (left / width, (top - rows * CELL_HEIGHT) / height)
        axes = figure.add_axes((*box, columns * CELL_WIDTH / width, rows * CELL_HEIGHT / height))
        _map_panel(axes, found, known=known, label=label)
        top -= rows * CELL_HEIGHT + gap - 0.3
    seen = {one.updates.verdict for one in shown}
    figure.legend(
        handles=[
            Patch(facecolor=colour, hatch=hatch, edgecolor="#555555", label=_meaning(verdict))
            for verdict, (colour, hatch, _) in VERDICT_STYLES.items()
            if verdict in seen
        ],
        loc="lower center",
        ncol=3 if width > 7.5 else 2,
        fontsize=FONT - 1.5,
        frameon=False,
    )
    caption = (
        "Where carrying state takes fewer updates. The number is stateful / stateless in updates to target (expected "
        "running time): below 1, carried state needs fewer. Columns are grouped by batch size B; what was "
        f"not run is left grey. {_frames(shown)}{rule}"
    )
    return Drawing("map", figure, caption)


def _frames(shown: list[Comparison]) -> str:
    if not any(one.declared for one in shown):
        return "All of it is exploratory (in italics): the run declared no comparison."
    return "Framed: declared before the run; in italics without a frame: exploratory."


def _choose_networks(compared: list[Comparison]) -> tuple[list[Comparison], str]:
    if len({_row(one) for one in compared}) <= MOST_ROWS:
        return compared, ""
    most: dict[tuple[str, str], tuple[int, int]] = {}
    for task, cell in {_row(one)[:2] for one in compared}:
        counts = Counter(_row(one)[2:] for one in compared if _row(one)[:2] == (task, cell))
        most[task, cell] = max(counts, key=lambda network: (counts[network], network))
    shown = [one for one in compared if most[_row(one)[:2]] == _row(one)[2:]]
    return shown, " Of each task and cell, the network with the most settings is shown; the table has all."


def _row(one: Comparison) -> Row:
    setting = one.setting
    return setting.task_name, f"{setting.cell_name}{setting.aside}", setting.layers, setting.units


def _column(one: Comparison, *, known: bool) -> Column:
    across = one.setting.reach_in_windows if known else float(one.setting.window)
    return float(f"{across or 0.0:.3g}"), one.setting.batch_size


def _rows(found: list[Comparison]) -> list[Row]:
    return sorted({_row(one) for one in found})


def _columns(found: list[Comparison], *, known: bool) -> list[Column]:
    return sorted({_column(one, known=known) for one in found}, key=lambda column: (column[1], column[0]))


def _map_panel(axes: Axes, found: list[Comparison], *, known: bool, label: str) -> None:
    rows, columns = _rows(found), _columns(found, known=known)
    drawn: dict[tuple[int, int], Comparison] = {}
    for one in found:
        # Kernels share a cell of the map: the first stands there, the table has all.
        drawn.setdefault((rows.index(_row(one)), columns.index(_column(one, known=known))), one)
    for (row, column), one in drawn.items():
        verdict = one.updates.verdict
        colour, hatch, word = VERDICT_STYLES[verdict]
        axes.add_patch(Rectangle((column, row), 1, 1, facecolor=colour, hatch=hatch, edgecolor="#777777", lw=0.6))
        if one.declared:
            inner = Rectangle((column + 0.035, row + 0.05), 0.93, 0.9, fill=False, edgecolor="black", lw=1.6)
            axes.add_patch(inner)
        bounded = verdict in {Verdict.FEWER, Verdict.MORE, Verdict.SAME, Verdict.INCONCLUSIVE}
        formed = bounded and 0 < one.updates.ratio.value < math.inf
        text = f"{number(one.updates.ratio.value)}\n{word}" if formed else word
        backing = {"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 0.8} if hatch else None
        style = "normal" if one.declared else "italic"
        axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=FONT - 2, bbox=backing, style=style)
    axes.set_facecolor("#F1F1F1")
    axes.set_xlim(0, len(columns))
    axes.set_ylim(len(rows), 0)
    axes.set_xticks([c + 0.5 for c in range(len(columns))], [mark(across) for across, _ in columns])
    axes.set_yticks([r + 0.5 for r in range(len(rows))], [_row_label(row) for row in rows])
    axes.tick_params(length=0, labelsize=FONT - 1)
    axes.set_xlabel(label, fontsize=FONT)
    for size in dict.fromkeys(batch for _, batch in columns):
        first = min(i for i, column in enumerate(columns) if column[1] == size)
        count = sum(column[1] == size for column in columns)
        axes.text(first + count / 2, -0.12, f"B = {size}", ha="center", va="bottom", fontsize=FONT, weight="bold")
        axes.axvline(first, color="black", lw=1.2 if first else 0.8)


def _row_label(row: Row) -> str:
    task, cell, layers, units = row
    return f"{task}\n{cell}, {'' if layers == 1 else f'{layers} × '}{units} units"


def _meaning(verdict: Verdict) -> str:
    return {
        Verdict.FEWER: "fewer: stateful needs fewer updates",
        Verdict.ONLY_STATEFUL: "only stateful reaches the target",
        Verdict.MORE: "more: stateful needs more updates",
        Verdict.ONLY_STATELESS: "only stateless reaches the target",
        Verdict.SAME: "same, within 10 %",
        Verdict.INCONCLUSIVE: "?: inconclusive with these seeds",
        Verdict.NEITHER: "neither reaches the target",
        Verdict.RATE_NOT_FOUND: "an arm's best learning rate lies at the edge of those tried",
    }[verdict]


ROW_HEIGHT = 0.3
WIDEST = 16.0  # ratios beyond are drawn as arrows at the edge


def draw_time_to_target(compared: list[Comparison]) -> Drawing | None:
    """Draw a row a setting; left both arms in updates, right their ratio with the margin as a band."""
    shown, rule = _choose_comparisons(compared)
    if not shown:
        return None
    height = 1.35 + ROW_HEIGHT * len(shown)
    figure = new_figure(9.0, height)
    box = {"bottom": 0.55 / height, "top": 1 - 0.7 / height}
    left, right = figure.subplots(1, 2, sharey=True)
    figure.subplots_adjust(left=0.285, right=0.87, wspace=0.06, **box)
    _arms(left, shown)
    _ratios(right, shown)
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


def _choose_comparisons(compared: list[Comparison]) -> tuple[list[Comparison], str]:
    if len(compared) <= MOST_ROWS:
        return compared, ""
    # What was declared first, then the widest networks: there an arm fails least for want of units.
    first = sorted(compared, key=lambda one: (not one.declared, -one.setting.units))[:MOST_ROWS]
    shown = [one for one in compared if one in first]
    rule = f" Of {len(compared)} comparisons {MOST_ROWS} are shown, the declared first; the table has all."
    return shown, rule


def _arms(axes: Axes, shown: list[Comparison]) -> None:
    finite = [v for one in shown for arm in (one.a, one.b) for v in (_place(arm), *arm.ert_interval)]
    finite = [v for v in finite if math.isfinite(v) and v > 0] or [1.0]
    low, high = min(finite), max(finite) * 1.15
    for offset, name in ((-0.16, "stateful"), (0.16, "stateless")):
        colour, marker = REGIME_STYLES[name]
        arms = [one.a if name == "stateful" else one.b for one in shown]
        rows = [row + offset for row in range(len(arms))]
        ends = [[min(max(v, low / 2), high * 2) for v in arm.ert_interval] for arm in arms]
        axes.hlines(rows, [first for first, _ in ends], [last for _, last in ends], color=colour, lw=1.4)
        places = [max(_place(arm), low) for arm in arms]
        axes.plot(places, rows, marker, color=colour, ms=5, ls="none", label=name)
        never = [row for row, arm in enumerate(arms) if not arm.hits]
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


def _place(arm: Arm) -> float:
    return arm.ert if arm.hits else float(arm.cost.sum())


def _ratios(axes: Axes, shown: list[Comparison]) -> None:
    ratios = [one.updates.ratio for one in shown]
    values = [min(max(v, 1 / WIDEST), WIDEST) for r in ratios for v in (r.value, r.low, r.high) if 0 < v < math.inf]
    low, high = min([0.4, *values]), max([2.5, *values])
    axes.axvspan(1 - MARGIN, 1 + MARGIN, color="#E3E3E3", lw=0)
    axes.axvline(1, color="#777777", lw=0.8)
    formed = [(row, r) for row, r in enumerate(ratios) if r.method != "none" and not math.isnan(r.value)]
    axes.hlines(
        [row for row, _ in formed],
        [max(r.low, low / 2) for _, r in formed],
        [min(r.high, high * 2) for _, r in formed],
        color="black",
        lw=1.4,
    )
    for marker, below, above in (("<", 0.0, low), ("d", low, high), (">", high, math.inf)):
        rows = [row for row, r in enumerate(ratios) if _between(r.value, below, above)]
        places = [min(max(ratios[row].value, low), high) for row in rows]
        axes.plot(places, rows, marker, color="black", ms=5, ls="none")
    beside: dict[str, Any] = {
        "transform": axes.get_yaxis_transform(),
        "va": "center",
        "ha": "center",
    }
    for place, name in ((1.09, "stateful"), (1.27, "stateless")):
        # One text of as many lines would be quicker, but its lines would not meet the rows.
        for row, one in enumerate(shown):
            arm = one.a if name == "stateful" else one.b
            axes.text(place, row, f"{arm.hits}/{arm.n}", fontsize=FONT - 1.5, **beside)
        axes.text(place, -0.85, f"{name}\nreached", **beside | {"va": "bottom", "fontsize": FONT - 2})
    tidy(axes)
    log_ticks(axes, "x", low, high)
    axes.tick_params(axis="y", left=False, labelleft=False)
    axes.set_xlabel("stateful / stateless", fontsize=FONT)
    axes.grid(axis="x", color="#E5E5E5", lw=0.6)


def _between(value: float, below: float, above: float) -> bool:
    # Half open, so that each value has one marker; nan has none.
    return below <= value < above or value == above == math.inf


MOST_PANELS = 6


def draw_widths(found: list[WidthComparison]) -> Drawing | None:
    """Draw a panel a group: success rate with exact interval over units, (above, up to] as a bar beneath."""
    if not found:
        return None
    shown = found[:MOST_PANELS]
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
    more = "" if len(shown) == len(found) else f" The first {MOST_PANELS} of {len(found)} groups; the table has all."
    caption = (
        "Narrowest network that reaches the target. Points: share of replicates that reached it, with exact "
        "95 % intervals. The bars beneath: the interval in which the narrowest sufficient width lies (an "
        f"arrow where the grid does not bound it); where the two do not overlap, the widths differ.{more}"
    )
    return Drawing("widths", figure, caption)


def _widths_panel(axes: Axes, one: WidthComparison) -> None:
    widths = sorted(set(one.stateful.counts) | set(one.stateless.counts))
    at = {width: place for place, width in enumerate(widths)}
    axes.axhline(0.5, color="#BBBBBB", lw=0.8, ls=":")
    axes.axhline(0, color="#BBBBBB", lw=0.6)
    for shift, beneath, name in ((-0.08, -0.13, "stateful"), (0.08, -0.27, "stateless")):
        arm = one.stateful if name == "stateful" else one.stateless
        colour, marker = REGIME_STYLES[name]
        places = [at[width] + shift for width in arm.counts]
        shares = [hits / n if n else float("nan") for hits, n in arm.counts.values()]
        limits = [clopper_pearson(hits, n) for hits, n in arm.counts.values()]
        axes.plot(places, shares, marker, ls="-", lw=0.8, color=colour, ms=5, label=name)
        axes.vlines(places, [low for low, _ in limits], [high for _, high in limits], color=colour, lw=1.2)
        _bar(axes, arm, at, beneath, colour)
    axes.set_xlim(-0.6, len(widths) - 0.4)
    axes.set_ylim(-0.36, 1.05)
    axes.set_yticks([0, 0.5, 1], ["0", "½", "1"])
    axes.set_xticks(range(len(widths)), [str(width) for width in widths])
    axes.set_xlabel("units", fontsize=FONT - 1)
    setting = one.setting
    network = f"{setting.task_name} {setting.cell_name}{setting.aside}"
    title = f"{network}\nL {setting.window}, B {setting.batch_size}: {one.verdict}"
    axes.set_title(title, fontsize=FONT - 1)
    tidy(axes)


def _bar(axes: Axes, arm: WidthArm, at: dict[int, int], height: float, colour: str) -> None:
    interval = arm.interval
    low = -0.5 if interval.above is None else at[interval.above]
    high = len(at) - 0.5 if interval.up_to is None else at[interval.up_to]
    axes.plot([low, high], [height, height], color=colour, lw=4, solid_capstyle="butt")
    if interval.above is None:
        axes.plot([low], [height], "<", color=colour, ms=6, clip_on=False)
    if interval.up_to is None:
        axes.plot([high], [height], ">", color=colour, ms=6, clip_on=False)


def interval_text(arm: WidthArm) -> str:
    """Say an interval of widths in words."""
    interval = arm.interval
    if interval.up_to is None and interval.above is None:
        return f"undetermined on {listing(interval.grid)}"
    if interval.up_to is None:
        return f"> {interval.above}"
    return f"≤ {interval.up_to}" if interval.above is None else f"({interval.above}, {interval.up_to}]"
