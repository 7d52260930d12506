"""The two figures of the posts' page: free-running forecasts of the cosine, and where the lagged average was learnt."""

import textwrap

import numpy as np
from matplotlib.collections import LineCollection

from bench.posts.entry import Entry
from reports.figures.style import BLUE, FONT, GREY, VERMILLION, Drawing, new_figure, small_multiples, tidy

SHOWN = (-0.4, 1.4)
"""What is drawn of the axis: a forecast that leaves it has left the cosine, which spans 0..1."""


def draw_forecast(entries: list[Entry]) -> Drawing | None:
    """One panel for each arm that has a forecast."""
    arms = [
        (entry, entry.arm(name), np.array(values))
        for entry in entries
        for name, values in entry.traces.get("forecast", {}).items()
    ]
    if not arms:
        return None
    arms.sort(key=lambda one: one[1].column)  # "as published" before "corrected"
    figure, grid = small_multiples(
        len(arms), row=1.9, head=0.75, legend=0.7, left=(0.12, 0.06), hspace=0.55, wspace=0.12, sharey=True
    )
    for axes, (entry, arm, values) in zip(grid.flat, arms, strict=False):
        steps = np.arange(1, len(values) + 1)
        colour = BLUE if "stateful" in arm.name else VERMILLION
        curves = [np.column_stack((steps, one)) for one in values.T]
        axes.add_collection(LineCollection(curves, colors=colour, linewidths=0.5, alpha=0.35))
        phase = 2 * np.pi * (steps - 1 + entry.traces["first"][arm.name]) / entry.traces["period"]
        axes.plot(steps, (1 + np.cos(phase)) / 2, color=GREY, lw=1.0, ls="--", label="cosine")
        axes.plot(steps, np.median(values, axis=1), color=colour, lw=1.8, label="median")
        axes.set_ylim(*SHOWN)
        axes.set_xlim(0, len(values))
        axes.set_title(f"{arm.column}\n{textwrap.fill(arm.name, 48)}", fontsize=FONT - 1.5)
        tidy(axes)
    for axes in grid[-1]:
        axes.set_xlabel("steps ahead", fontsize=FONT - 1)
    figure.legend(
        *grid.flat[0].get_legend_handles_labels(), loc="upper right", ncols=2, frameon=False, fontsize=FONT - 1
    )
    caption = (
        f"Forecasts over {len(arms[0][2])} steps, each fed its own output. Faint: every seed ({arms[0][2].shape[1]}). "
        f"Bold: their median. Dashed: the cosine. Cut off at {SHOWN[0]:g} and {SHOWN[1]:g}."
    )
    return Drawing("forecast", figure, caption)


def draw_lagged_average(entries: list[Entry]) -> Drawing | None:
    """One panel an arm; a cell shows how many seeds converged."""
    entry = next((one for one in entries if "lahead" in one.traces), None)
    if entry is None:
        return None
    lahead, tsteps = entry.traces["lahead"], entry.traces["tsteps"]
    figure = new_figure(9.3, 2.9)
    panels = figure.subplots(1, len(entry.arms), sharey=True)
    for axes, arm in zip(panels, entry.arms, strict=True):
        share = np.array([[arm.figures[f"converged, lahead {x}, tsteps {n}"].mean() for x in lahead] for n in tsteps])
        axes.imshow(share, cmap="Blues", vmin=0, vmax=1.8, origin="lower", aspect="auto")
        for (row, column), value in np.ndenumerate(share):
            axes.text(column, row, f"{value * len(entry.seeds):.0f}", ha="center", va="center", fontsize=FONT)
            if lahead[column] < tsteps[row]:
                axes.text(
                    column + 0.45, row - 0.46, "memory", ha="right", va="bottom", fontsize=FONT - 3, color="#555555"
                )
        axes.set_xticks(range(len(lahead)), [str(x) for x in lahead], fontsize=FONT - 1)
        axes.set_yticks(range(len(tsteps)), [str(x) for x in tsteps], fontsize=FONT - 1)
        axes.set_xlabel("lahead (window)", fontsize=FONT - 1)
        axes.set_title(arm.name, fontsize=FONT - 1)
    panels[0].set_ylabel("tsteps (reach)", fontsize=FONT - 1)
    figure.subplots_adjust(left=0.06, right=0.99, bottom=0.19, top=0.88, wspace=0.08)
    caption = (
        f"Seeds of {len(entry.seeds)} that converged. Cells marked memory: the window is shorter than the reach, so "
        "that only carried state can reach it."
    )
    return Drawing("lagged-average", figure, caption)
