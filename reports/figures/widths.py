"""The narrowest network that reaches the target: each arm's success over the width, and its interval."""

from matplotlib.axes import Axes

from reports.claim.width import WidthArm, WidthComparison
from reports.figures.style import FONT, REGIME_STYLES, Drawing, small_multiples, tidy
from reports.formatting import listing
from reports.statistics.intervals import clopper_pearson

MOST_PANELS = 6


def draw(found: list[WidthComparison]) -> Drawing | None:
    """Draw a panel a group: success rate with exact interval over units, (above, up to] as a bar beneath."""
    if not found:
        return None
    shown = found[:MOST_PANELS]
    figure, grid = small_multiples(
        len(shown), row=2.45, head=0.7, legend=0.75, panel=3.0, left=(0.13, 0.08), foot=0.48,
        hspace=0.62, wspace=0.12, sharey=True,
    )  # fmt: skip
    for axes, one in zip(grid.flat, shown, strict=False):
        _panel(axes, one)
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


def _panel(axes: Axes, one: WidthComparison) -> None:
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
