"""The map: where in (task, cell, D / L or L, batch size) carrying state pays."""

import math
from collections import Counter

from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle

from reports.claim.arms import Comparison
from reports.figures.style import FONT, VERDICT_STYLES, Drawing, new_figure
from reports.formatting import mark, number
from reports.statistics.verdict import Verdict

MOST_ROWS = 24
CELL_WIDTH, CELL_HEIGHT = 0.62, 0.44  # inches: a ratio and a word at 7.5 points fit

Row = tuple[str, str, int, int]  # task, cell and what is unusual, layers, units
Column = tuple[float, int]  # D / L or L, then batch size


def draw(compared: list[Comparison]) -> Drawing | None:
    """Draw a panel for tasks that know their reach (columns D / L) and one for the others (columns L)."""
    shown, rule = _choose(compared)
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
        _panel(axes, found, known=known, label=label)
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
        "Where carrying state pays. The number is stateful / stateless in updates to target (expected "
        "running time): below 1, carried state needs fewer. Columns are grouped by batch size B; what was "
        f"not run is left grey. {_frames(shown)}{rule}"
    )
    return Drawing("map", figure, caption)


def _frames(shown: list[Comparison]) -> str:
    if not any(one.declared for one in shown):
        return "All of it is exploratory (in italics): the run declared no comparison."
    return "Framed: declared before the run; in italics without a frame: exploratory."


def _choose(compared: list[Comparison]) -> tuple[list[Comparison], str]:
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


def _panel(axes: Axes, found: list[Comparison], *, known: bool, label: str) -> None:
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
        bounded = verdict in {Verdict.HOLDS, Verdict.REVERSED, Verdict.SAME, Verdict.UNDECIDED}
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
        Verdict.HOLDS: "pays: carrying state needs less",
        Verdict.ONLY_STATEFUL: "only stateful reaches the target",
        Verdict.REVERSED: "costs: carrying state needs more",
        Verdict.ONLY_STATELESS: "only stateless reaches the target",
        Verdict.SAME: "same, within 10 %",
        Verdict.UNDECIDED: "?: undecided with these seeds",
        Verdict.NEITHER: "neither reaches the target",
    }[verdict]
