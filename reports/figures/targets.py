"""Target sensitivity: how the ratio moves from an easy to a hard target."""

import math

from matplotlib.axes import Axes

from reports.claim.sensitivity import Sensitivity
from reports.figures.style import BLUE, FONT, VERMILLION, Drawing, log_ticks, small_multiples, tidy
from reports.statistics.verdict import MARGIN

MOST_PANELS = 6
EDGE = 16.0


def draw(found: list[Sensitivity], targets: dict[object, float]) -> Drawing | None:
    """Draw a panel a setting; `targets` holds each setting's declared target."""
    usable = [one for one in found if one.judgements]
    if not usable:
        return None
    shown = sorted(usable, key=_range, reverse=True)[:MOST_PANELS]
    shown.sort(key=lambda one: one.setting)
    figure, grid = small_multiples(
        len(shown), row=2.1, head=0.35, legend=0.3, left=(0.15, 0.085), hspace=0.6, wspace=0.1, sharey=True
    )
    for axes, one in zip(grid.flat, shown, strict=False):
        _panel(axes, one, targets.get(one.setting))
    for axes in grid[:, 0]:
        axes.set_ylabel("stateful / stateless", fontsize=FONT - 1)
    for axes in grid[-1]:
        axes.set_xlabel("target error (hard → easy)", fontsize=FONT - 1)
    caption = (
        "Ratio in updates at a dozen targets. Lines: 95 % intervals; grey band: margin; dashed: the declared "
        "target. A triangle at the edge: only one arm reached it (blue ▼ stateful, red ▲ stateless). "
        + (
            f"Shown are the {len(shown)} of {len(usable)} settings whose ratio moves most."
            if len(usable) > len(shown)
            else ""
        )
    )
    return Drawing("targets", figure, caption.strip())


def _range(one: Sensitivity) -> float:
    logs = [math.log(min(max(j.ratio.value, 1 / EDGE), EDGE)) for j in one.judgements if j.ratio.value > 0]
    return max(logs) - min(logs) if logs else 0.0


def _panel(axes: Axes, one: Sensitivity, declared: float | None) -> None:
    axes.axhspan(1 - MARGIN, 1 + MARGIN, color="#E8E8E8", lw=0)
    axes.axhline(1, color="#777777", lw=0.8)
    ratios = [(target, one_.ratio) for target, one_ in zip(one.targets, one.judgements, strict=True)]
    bounded = [(target, r) for target, r in ratios if r.method == "jackknife"]
    lows, highs = [max(r.low, 1 / EDGE) for _, r in bounded], [min(r.high, EDGE) for _, r in bounded]
    axes.vlines([target for target, _ in bounded], lows, highs, color="black", lw=1)
    formed = [(target, min(max(r.value, 1 / EDGE), EDGE)) for target, r in ratios if 0 < r.value < math.inf]
    axes.plot([target for target, _ in formed], [value for _, value in formed], "d-", color="black", ms=4, lw=0.8)
    for never, edge, marker, colour in ((0.0, 1 / EDGE, "v", BLUE), (math.inf, EDGE, "^", VERMILLION)):
        at = [target for target, r in ratios if r.value == never]
        axes.plot(at, [edge] * len(at), marker, color=colour, ms=6, ls="none", clip_on=False)
    if declared is not None:
        axes.axvline(declared, color="black", ls="--", lw=0.8)
    log_ticks(axes, "y", 1 / EDGE, EDGE)
    log_ticks(axes, "x", min(one.targets) / 1.1, max(one.targets) * 1.1)
    axes.set_title(one.setting.label, fontsize=FONT - 1)
    tidy(axes)
