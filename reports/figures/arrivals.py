"""How many trainings had reached the target by when: the empirical distribution of updates to target, arm by arm."""

from collections import defaultdict

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from reports.claim.arms import Arm, Comparison
from reports.collect.grouping import Setting
from reports.collect.records import FloatArray
from reports.figures.style import FONT, REGIME_STYLES, Drawing, log_ticks, small_multiples, tidy
from reports.statistics.running_time import ecdf
from reports.tell.headline import claimed

MOST_PANELS = 15
WIDTHS, THIN = {"stateful": 3.2, "stateless": 1.8}, 1.1
"""Drawn from wide to narrow, so that lines that fall together are all seen."""

RULE = (
    "Of {of} settings that the headline counts, {shown} are shown: of each task the middle one of its windows (the "
    "shorter of two), there the widest network and the smallest batch."
)


def draw(judged: list[Comparison]) -> Drawing | None:
    """Draw a panel a setting, a line an arm; of a task's settings one, chosen without regard to what came out."""
    settled = claimed([one for one in judged if one.of_the_claim])
    shown = choose(settled)
    if not shown:
        return None
    figure, grid = small_multiples(
        len(shown), row=1.95, head=0.85, legend=0.85, left=(0.16, 0.075), hspace=0.75, wspace=0.16, sharey=True
    )
    drawn: set[str] = set()
    for axes, one in zip(grid.flat, shown, strict=False):
        by_regime = arms(judged, one.setting)
        drawn |= by_regime.keys()
        _panel(axes, by_regime)
        axes.set_title(f"{one.setting.label}\n{one.updates.verdict}", fontsize=FONT - 1)
    for axes in grid[:, 0]:
        axes.set_ylabel("share there", fontsize=FONT - 1)
    for axes in grid.flat[max(0, len(shown) - grid.shape[1]) : len(shown)]:
        axes.set_xlabel("weight updates", fontsize=FONT - 1)
    handles = [
        Line2D([], [], color=colour, marker=marker, ms=5, lw=WIDTHS.get(regime, THIN), label=regime)
        for regime, (colour, marker) in REGIME_STYLES.items()
        if regime in drawn
    ]
    figure.legend(handles=handles, loc="upper center", ncol=5, fontsize=FONT - 0.5, frameon=False)
    rule = "" if len(shown) == len(settled) else f" {RULE.format(of=len(settled), shown=len(shown))}"
    caption = (
        "Share of the trainings that had reached the target by an update (empirical distribution). A line that levels "
        "off below 1 and ends in an open marker is an arm of which some never got there: it is drawn up to the most "
        f"updates that one of them spent; what would have come later is not known.{rule}"
    )
    return Drawing("arrivals", figure, caption)


def choose(settled: list[Comparison]) -> list[Comparison]:
    """All settings where there are few; else one of each task, by its place in the grid alone."""
    if len(settled) <= MOST_PANELS:
        return settled
    by_task: defaultdict[tuple[str, str], list[Comparison]] = defaultdict(list)
    for one in settled:
        by_task[one.setting.task_name, one.setting.engine].append(one)
    chosen = []
    for here in by_task.values():
        windows = sorted({one.setting.window for one in here})
        middle = windows[(len(windows) - 1) // 2]
        at_it = [one for one in here if one.setting.window == middle]
        chosen.append(min(at_it, key=lambda one: (-one.setting.units, one.setting.batch_size, one.setting)))
    return chosen[:MOST_PANELS]


def arms(judged: list[Comparison], setting: Setting) -> dict[str, Arm]:
    """Every arm of a setting, control arms included, by regime."""
    found: dict[str, Arm] = {}
    for one in judged:
        if one.setting == setting:
            for arm in (one.a, one.b):
                found.setdefault(arm.record.case.regime, arm)
    return found


def _panel(axes: Axes, by_regime: dict[str, Arm]) -> None:
    curves = {regime: steps(by_regime[regime]) for regime in REGIME_STYLES if regime in by_regime}
    # Where no training made an update there is nothing to place; the panel stays, empty.
    x = [float(v) for cost, _ in curves.values() for v in cost if v > 0] or [1.0]
    low, high = min(x) / 1.3, max(x) * 1.15
    for regime, (cost, share) in curves.items():
        colour, marker = REGIME_STYLES[regime]
        all_there = by_regime[regime].hits == by_regime[regime].n
        axes.plot(
            [low, *cost], [0, *share], drawstyle="steps-post", color=colour, lw=WIDTHS.get(regime, THIN), marker=marker,
            ms=5, markerfacecolor=colour if all_there else "white", markevery=[cost.size], label=regime, clip_on=False,
        )  # fmt: skip
    tidy(axes)
    axes.grid(color="#E5E5E5", lw=0.6)
    log_ticks(axes, "x", low, high)
    axes.set_ylim(-0.04, 1.04)
    axes.set_yticks([0, 0.5, 1])


def steps(arm: Arm) -> tuple[FloatArray, FloatArray]:
    """Corners of an arm's line, shape (k,) each: where the share steps up, and where it is cut off below 1."""
    cost, share = ecdf(arm.cost, arm.reached)
    if arm.hits == arm.n:
        return cost, share
    end = max([float(arm.cost[~arm.reached].max()), *cost])
    return np.append(cost, end), np.append(share, share[-1] if share.size else 0.0)
