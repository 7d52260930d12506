"""Free-running forecasts of the cosine, as the posts draw them: every replicate faint behind the median."""

import textwrap

import numpy as np
from matplotlib.collections import LineCollection

from reports.figures.style import BLUE, FONT, GREY, VERMILLION, Drawing, small_multiples, tidy
from reports.posts.read import Entry

SHOWN = (-0.4, 1.4)
"""What is drawn of the axis: a forecast that leaves it has left the cosine, which spans 0..1."""


def draw(entries: list[Entry]) -> Drawing | None:
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
        f"Forecasts over {len(arms[0][2])} steps, each fed its own output. Faint: every seed "
        f"({arms[0][2].shape[1]}). Bold: "
        f"their median. Dashed: the cosine. Cut off at {SHOWN[0]:g} and {SHOWN[1]:g}."
    )
    return Drawing("forecast", figure, caption)
