"""Time to target: each arm's expected running time, the ratio, and how often each arm got there."""

import math
from typing import Any

from matplotlib.axes import Axes

from reports.claim.arms import Arm, Comparison
from reports.figures.style import FONT, REGIME_STYLES, Drawing, log_ticks, new_figure, tidy
from reports.statistics.verdict import MARGIN

MOST_ROWS = 24
ROW_HEIGHT = 0.3
WIDEST = 16.0  # ratios beyond are drawn as arrows at the edge


def draw(compared: list[Comparison]) -> Drawing | None:
    """Draw a row a setting; left both arms in updates, right their ratio with the margin as a band."""
    shown, rule = _choose(compared)
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


def _choose(compared: list[Comparison]) -> tuple[list[Comparison], str]:
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
