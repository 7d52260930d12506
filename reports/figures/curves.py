"""Learning curves: every replicate, their median, and what the error is to be measured against."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from reports.claim.arms import Comparison
from reports.collect.records import Convergence, FloatArray
from reports.figures.style import FONT, REGIME_STYLES, Drawing, log_ticks, small_multiples, tidy
from reports.tell.headline import deciding

if TYPE_CHECKING:
    from matplotlib.artist import Artist

MOST_PANELS = 6
_LEVELS = (("target", "black", "-"), ("stateless_floor", "#D55E00", "--"), ("trivial", "#8A8A8A", ":"))


def draw(compared: list[Comparison]) -> Drawing | None:
    """Draw small multiples of the settings that matter."""
    shown, rule = choose(deciding(compared))
    if not shown:
        return None
    figure, grid = small_multiples(
        len(shown), row=2.3, head=0.75, legend=0.85, left=(0.14, 0.085), hspace=0.55, wspace=0.28
    )
    for axes, one in zip(grid.flat, shown, strict=False):
        _panel(axes, one)
    for axes in grid[:, 0]:
        axes.set_ylabel("mean squared error", fontsize=FONT - 1)
    for axes in grid[-1]:
        axes.set_xlabel("weight updates", fontsize=FONT - 1)
    _legend(grid.flat, figure)
    caption = (
        "Learning curves. Faint: every evaluation replicate. Bold: their median, with a marker at its first, "
        f"middle and last evaluation. Grey: the two named baselines nearest to the target. {rule}"
    )
    return Drawing("curves", figure, caption)


def choose(compared: list[Comparison]) -> tuple[list[Comparison], str]:
    """Per task the settings with the lowest and the highest ratio; then those farthest from 1, up to six."""

    def log_ratio(one: Comparison) -> float:
        value = one.updates.ratio.value
        return 0.0 if math.isnan(value) else -math.inf if value == 0 else math.log(value)

    if len(compared) <= MOST_PANELS:
        return compared, "All settings that decide are shown."
    ranked = sorted(compared, key=log_ratio)
    extremes: dict[object, Comparison] = {}
    for one in (*_first_of_each_task(ranked), *_first_of_each_task(ranked[::-1])):
        extremes.setdefault(one.setting, one)
    for one in sorted(compared, key=lambda one: -abs(log_ratio(one))):
        extremes.setdefault(one.setting, one)
    chosen = sorted([*extremes.values()][:MOST_PANELS], key=lambda one: one.setting)
    rule = (
        f"Shown are {len(chosen)} of {len(compared)} that decide: of each task the one with the lowest ratio in "
        "updates, then the one with the highest, then the farthest from 1, as far as there is room."
    )
    return chosen, rule


def _first_of_each_task(ranked: list[Comparison]) -> list[Comparison]:
    first: dict[str, Comparison] = {}
    for one in ranked:
        first.setdefault(one.setting.task_name, one)
    return list(first.values())


def _panel(axes: Axes, one: Comparison) -> None:
    everything: list[float] = [one.a.convergence.target]
    for name, arm in (("stateless", one.b), ("stateful", one.a)):
        colour, marker = REGIME_STYLES[name]
        curves = [np.column_stack((r.updates, r.error)) for r in arm.convergence.evaluation if r.updates.size]
        if not curves:
            continue
        axes.add_collection(LineCollection(curves, colors=colour, linewidths=0.5, alpha=0.3))
        updates, median = median_curve(arm.convergence)
        marks = sorted({0, updates.size // 2, updates.size - 1})
        axes.plot(updates, median, color=colour, lw=1.8, marker=marker, ms=4.5, markevery=marks, label=name)
        # Wild first evaluations would squeeze the rest into a line.
        errors = np.concatenate([curve[:, 1] for curve in curves])
        errors = errors[np.isfinite(errors) & (errors > 0)]
        everything += [float(q) for q in np.quantile(errors, (0.0, 0.995))] if errors.size else []
    reachable = min(everything) / 10  # an exact optimum such as 1e-30 would squeeze all else into a line
    for name, colour, style in _LEVELS:
        level = one.a.convergence.target if name == "target" else one.b.convergence.level(name)
        if level is not None and level > reachable:
            axes.axhline(level, color=colour, ls=style, lw=1.0, label=name.replace("_", " "))
            everything.append(level)
    positive = [value for value in everything if value > 0]
    low, high = min(positive) / 1.15, max(positive) * 1.15
    log_ticks(axes, "y", low, high)
    for side, (name, level) in zip(("bottom", "top"), _baselines_near_target(one, low, high), strict=False):
        axes.axhline(level, color="#BBBBBB", lw=0.8)
        at = axes.get_yaxis_transform()
        axes.text(0.99, level, name, transform=at, ha="right", va=side, fontsize=FONT - 2.5, color="#555555")
    every = (r.updates for arm in (one.a, one.b) for r in arm.convergence.evaluation)
    axes.set_xlim(0, max((updates[-1] for updates in every if updates.size), default=1.0))
    axes.set_title(f"{one.setting.label}\n{one.updates.verdict}", fontsize=FONT - 1)
    tidy(axes)


def _baselines_near_target(one: Comparison, low: float, high: float) -> list[tuple[str, float]]:
    # At most two, the upper one first: a real series has a dozen.
    named = one.b.convergence.fields.get("baselines") or {}
    shown = {name: float(level) for name, level in named.items() if level is not None and low < level < high}
    target, trivial = one.a.convergence.target, one.b.convergence.level("trivial") or math.inf
    # Those that fall together with another line would only hide it.
    others = [(n, v) for n, v in shown.items() if min(abs(math.log(v / x)) for x in (target, trivial)) > 0.08]
    nearest = sorted(others, key=lambda item: abs(math.log(item[1] / target)))[:2]
    return sorted(nearest, key=lambda item: -item[1])


def median_curve(arm: Convergence) -> tuple[FloatArray, FloatArray]:
    """Median error over the replicates at each evaluation, both shape (evaluations,).

    A replicate that stopped earlier counts with its last error; one that is nan counts as infinitely bad.
    """
    longest = max((r.updates for r in arm.evaluation), key=len)
    table = np.full((len(arm.evaluation), longest.size), np.inf)
    for row, replicate in zip(table, arm.evaluation, strict=True):
        if replicate.error.size:
            row[: replicate.error.size] = replicate.error
            row[replicate.error.size :] = replicate.error[-1]
    table[np.isnan(table)] = np.inf
    return longest, np.median(table, axis=0)


def _legend(panels: Iterable[Axes], figure: Figure) -> None:
    first: dict[str, Artist] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            first.setdefault(label, handle)
    order = [name for name in ("stateful", "stateless", "target", "stateless floor", "trivial") if name in first]
    handles = [first[name] for name in order]
    figure.legend(handles, order, loc="upper center", ncol=5, fontsize=FONT - 0.5, frameon=False)
