"""Where the lagged average was learnt, over window and reach, in four arms."""

import numpy as np

from reports.figures.style import FONT, Drawing, new_figure
from reports.posts.read import Entry


def draw(entries: list[Entry]) -> Drawing | None:
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
        "that "
        "only carried state can get there."
    )
    return Drawing("lagged-average", figure, caption)
