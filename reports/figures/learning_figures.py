"""Figures of learning: the curves, how many had reached the target by when, and the ratio at other targets."""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.case.regimes import in_order
from reports.collect.grouping import SETTING, Setting
from reports.figures.style import BLUE, FONT, VERMILLION, Drawing, log_ticks, regime_style, small_multiples, tidy
from reports.formatting import ERRORS
from reports.frames import Frames, plain, setting
from reports.frames.of_findings import LONGER
from reports.statistics.intervals import FloatArray, ecdf
from reports.statistics.verdict import MARGIN
from reports.tell.what_to_do import deciding

if TYPE_CHECKING:
    from matplotlib.artist import Artist


MOST_PANELS = 6
_LEVELS = (("target", "black", "-"), ("stateless_floor", "#D55E00", "--"), ("trivial", "#8A8A8A", ":"))


@dataclass(frozen=True)
class _Learnt:
    """What an arm learnt.

    Attributes
    ----------
    case
        Its row of `cases`.
    curves
        Updates and the error after them of every evaluation replicate, each of shape (evaluations, 2).
    """

    case: Any
    curves: list[FloatArray]


def draw_curves(frames: Frames) -> Drawing | None:
    """Draw small multiples of the settings that matter."""
    shown, rule = choose_curves(deciding(frames.claim))
    if not shown:
        return None
    learnt = _learnt(frames, {key for one in shown for key in (one.key_a, one.key_b)})
    figure, grid = small_multiples(
        len(shown), row=2.3, head=0.75, legend=0.85, left=(0.14, 0.085), hspace=0.55, wspace=0.28
    )
    for axes, one in zip(grid.flat, shown, strict=False):
        _curves_panel(axes, learnt[one.key_a], learnt[one.key_b], _baselines(frames.baselines, one))
        axes.set_title(f"{one.setting.label}\n{one.verdict}", fontsize=FONT - 1)
    losses = {learnt[one.key_a].case.loss for one in shown}
    name = ERRORS[losses.pop()] if len(losses) == 1 else "error"
    for axes in grid[:, 0]:
        axes.set_ylabel(name, fontsize=FONT - 1)
    for axes in grid[-1]:
        axes.set_xlabel("weight updates", fontsize=FONT - 1)
    _legend(grid.flat, figure)
    caption = (
        "Learning curves. Faint: every evaluation replicate. Bold: their median, with a marker at its first, "
        f"middle and last evaluation. Grey: the two named baselines nearest to the target. {rule}"
    )
    return Drawing("curves", figure, caption)


def choose_curves(compared: list[Any]) -> tuple[list[Any], str]:
    """Per task the settings with the lowest and the highest ratio; then those farthest from 1, up to six."""

    def log_ratio(one: Any) -> float:
        return 0.0 if one.ratio is None else -math.inf if one.ratio == 0 else math.log(one.ratio)

    if len(compared) <= MOST_PANELS:
        return compared, "All settings that decide are shown."
    ranked = sorted(compared, key=log_ratio)
    extremes: dict[object, Any] = {}
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


def _first_of_each_task(ranked: list[Any]) -> list[Any]:
    first: dict[str, Any] = {}
    for one in ranked:
        first.setdefault(one.setting.task_name, one)
    return list(first.values())


def _learnt(frames: Frames, keys: set[str]) -> dict[str, _Learnt]:
    cases = plain(frames.part("cases", ("key", "target", "stateless_floor", "trivial", "loss"), keys))
    training = ["fold", "draw", "learning_rate", "seed"]
    made = frames.part("curves", ("key", "role", *training, "updates", "error"), keys)
    made = made[made.role == "evaluation"]
    return {
        case.key: _Learnt(
            case,
            [
                one[["updates", "error"]].to_numpy(float)
                for _, one in made[made.key == case.key].groupby(training, dropna=False, sort=False)
            ],
        )
        for case in cases
    }


def _baselines(baselines: pd.DataFrame, one: Any) -> dict[str, float]:
    """Errors of the named simple predictions on a task, by their names."""
    of_dial = baselines.dial.isna() if one.dial is None else baselines.dial == one.dial
    here = baselines[(baselines.task == one.task) & of_dial & ~baselines.baseline.isin(["trivial", "optimum"])]
    return dict(zip(here.baseline, here.error, strict=True))


def _curves_panel(axes: Axes, stateful: _Learnt, stateless: _Learnt, baselines: dict[str, float]) -> None:
    target = stateful.case.target
    everything: list[float] = [target]
    for name, arm in (("stateless", stateless), ("stateful", stateful)):
        colour, marker = regime_style(name)
        axes.add_collection(LineCollection(arm.curves, colors=colour, linewidths=0.5, alpha=0.3))
        updates, median = median_curve(arm.curves)
        marks = sorted({0, updates.size // 2, updates.size - 1})
        axes.plot(updates, median, color=colour, lw=1.8, marker=marker, ms=4.5, markevery=marks, label=name)
        # Wild first evaluations would squeeze the rest into a line.
        errors = np.concatenate([curve[:, 1] for curve in arm.curves])
        errors = errors[np.isfinite(errors) & (errors > 0)]
        everything += [float(q) for q in np.quantile(errors, (0.0, 0.995))] if errors.size else []
    reachable = min(everything) / 10  # an exact optimum such as 1e-30 would squeeze all else into a line
    for name, colour, style in _LEVELS:
        level = target if name == "target" else getattr(stateless.case, name)
        if level is not None and level > reachable:
            axes.axhline(level, color=colour, ls=style, lw=1.0, label=name.replace("_", " "))
            everything.append(level)
    positive = [value for value in everything if value > 0]
    low, high = min(positive) / 1.15, max(positive) * 1.15
    log_ticks(axes, "y", low, high)
    within = {name: level for name, level in baselines.items() if low < level < high}
    nearest = _nearest(within, target, stateless.case.trivial or math.inf)
    for side, (name, level) in zip(("bottom", "top"), nearest, strict=False):
        axes.axhline(level, color="#BBBBBB", lw=0.8)
        at = axes.get_yaxis_transform()
        axes.text(0.99, level, name, transform=at, ha="right", va=side, fontsize=FONT - 2.5, color="#555555")
    axes.set_xlim(0, max(curve[-1, 0] for arm in (stateful, stateless) for curve in arm.curves))
    tidy(axes)


def _nearest(baselines: dict[str, float], target: float, trivial: float) -> list[tuple[str, float]]:
    # At most two, the upper one first: a real series has a dozen. Those that fall together with another line would only
    # hide it.
    others = [(n, v) for n, v in baselines.items() if min(abs(math.log(v / x)) for x in (target, trivial)) > 0.08]
    nearest = sorted(others, key=lambda item: abs(math.log(item[1] / target)))[:2]
    return sorted(nearest, key=lambda item: -item[1])


def median_curve(curves: list[FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Median error over curves at each evaluation, both shape (evaluations,).

    A replicate that stopped earlier counts with its last error; one that is nan counts as infinitely bad.
    """
    longest = max(curves, key=len)
    table = np.full((len(curves), len(longest)), np.inf)
    for row, curve in zip(table, curves, strict=True):
        row[: len(curve)] = curve[:, 1]
        row[len(curve) :] = curve[-1, 1]
    table[np.isnan(table)] = np.inf
    return longest[:, 0], np.median(table, axis=0)


def _legend(panels: Iterable[Axes], figure: Figure) -> None:
    first: dict[str, Artist] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            first.setdefault(label, handle)
    order = [name for name in ("stateful", "stateless", "target", "stateless floor", "trivial") if name in first]
    handles = [first[name] for name in order]
    figure.legend(handles, order, loc="upper center", ncol=5, fontsize=FONT - 0.5, frameon=False)


MOST_ARRIVALS = 15
LINE_WIDTHS, THIN_LINE = {"stateful": 3.2, "stateless": 1.8}, 1.1
"""Drawn from wide to narrow, so that lines that fall together are all seen."""

RULE = (
    "Of {of} settings that the headline counts, {shown} are shown: of each task the middle one of its windows (the "
    "shorter of two), there the widest network and the smallest batch."
)


def draw_arrivals(frames: Frames) -> Drawing | None:
    """Draw a panel a setting, a line an arm; of a task's settings one, chosen without regard to what came out."""
    settled = claimed(frames.claim)
    shown = choose_arrivals(settled)
    if not shown:
        return None
    by_setting = _arms(frames, shown)
    figure, grid = small_multiples(
        len(shown), row=1.95, head=0.85, legend=0.85, left=(0.16, 0.075), hspace=0.75, wspace=0.16, sharey=True
    )
    drawn: set[str] = set()
    for axes, one in zip(grid.flat, shown, strict=False):
        by_regime = by_setting[one.setting]
        drawn |= by_regime.keys()
        _arrivals_panel(axes, by_regime)
        axes.set_title(f"{one.setting.label}\n{one.verdict}", fontsize=FONT - 1)
    for axes in grid[:, 0]:
        axes.set_ylabel("share there", fontsize=FONT - 1)
    for axes in grid.flat[max(0, len(shown) - grid.shape[1]) : len(shown)]:
        axes.set_xlabel("weight updates", fontsize=FONT - 1)
    handles = [
        Line2D([], [], color=colour, marker=marker, ms=5, lw=LINE_WIDTHS.get(regime, THIN_LINE), label=regime)
        for regime in in_order(drawn)
        for colour, marker in [regime_style(regime)]
    ]
    figure.legend(handles=handles, loc="upper center", ncol=5, fontsize=FONT - 0.5, frameon=False)
    rule = "" if len(shown) == len(settled) else f" {RULE.format(of=len(settled), shown=len(shown))}"
    caption = (
        "Share of the trainings that had reached the target by an update (empirical distribution). A line that levels "
        "off below 1 and ends in an open marker is an arm of which some never reached the target: it is drawn up to "
        f"the most updates that one of them spent; what would have come later is not known.{rule}"
    )
    return Drawing("arrivals", figure, caption)


def claimed(compared: list[Any]) -> list[Any]:
    """Those that figures choose from: of what decides, the claim's cell, an LSTM, where the run has any."""
    family = deciding(compared)
    return [one for one in family if one.cell == "lstm"] or family


def choose_arrivals(settled: list[Any]) -> list[Any]:
    """All settings where there are few; else one of each task, by its place in the grid alone."""
    if len(settled) <= MOST_ARRIVALS:
        return settled
    by_task: defaultdict[tuple[str, str], list[Any]] = defaultdict(list)
    for one in settled:
        by_task[one.setting.task_name, one.engine].append(one)
    chosen = []
    for here in by_task.values():
        windows = sorted({one.window for one in here})
        middle = windows[(len(windows) - 1) // 2]
        at_it = [one for one in here if one.window == middle]
        chosen.append(min(at_it, key=lambda one: (-one.units, one.batch_size, one.setting)))
    return chosen[:MOST_ARRIVALS]


def _arms(frames: Frames, shown: list[Any]) -> dict[Setting, dict[str, pd.DataFrame]]:
    """Paired trainings of every arm of some settings, control arms included, by regime: of its first comparison."""
    every = frames.comparisons
    settings = {key: one.setting for one in shown for key in (one.key_a, one.key_b)}
    # A control is compared with one of these arms; where both have one regime it is another question.
    near = (every.measure == "updates") & every.regime.isna() & (every.compares != LONGER)
    beside = every[near & (every.key_a.isin(settings) | every.key_b.isin(settings))]
    names = ("compares", "key_a", "key_b", "side", "regime", "reached", "cost")
    made = frames.part("paired_trainings", names, {*beside.key_a, *beside.key_b})
    made = made[made.compares.isin(beside.compares)]
    found: dict[Setting, dict[str, pd.DataFrame]] = {one.setting: {} for one in shown}
    for (_, a, b, _, regime), arm in made.groupby([*names[:5]], observed=True, sort=False):
        where = settings.get(a) or settings.get(b)
        if where is not None:
            found[where].setdefault(str(regime), arm)
    return found


def _arrivals_panel(axes: Axes, by_regime: dict[str, pd.DataFrame]) -> None:
    curves = {regime: steps(by_regime[regime]) for regime in in_order(by_regime.keys())}
    # Where no training made an update there is nothing to place; the panel stays, empty.
    x = [float(v) for cost, _ in curves.values() for v in cost if v > 0] or [1.0]
    low, high = min(x) / 1.3, max(x) * 1.15
    for regime, (cost, share) in curves.items():
        colour, marker = regime_style(regime)
        all_there = by_regime[regime].reached.all()
        axes.plot(
            [low, *cost], [0, *share], drawstyle="steps-post", color=colour, lw=LINE_WIDTHS.get(regime, THIN_LINE),
            marker=marker, ms=5, markerfacecolor=colour if all_there else "white", markevery=[cost.size], label=regime,
            clip_on=False,
        )  # fmt: skip
    tidy(axes)
    axes.grid(color="#E5E5E5", lw=0.6)
    log_ticks(axes, "x", low, high)
    axes.set_ylim(-0.04, 1.04)
    axes.set_yticks([0, 0.5, 1])


def steps(arm: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
    """Corners of an arm's line, shape (k,) each: where the share steps up, and where it is cut off below 1."""
    spent, reached = arm.cost.to_numpy(float), arm.reached.to_numpy(bool)
    cost, share = ecdf(spent, reached)
    if reached.all():
        return cost, share
    end = max([float(spent[~reached].max()), *cost])
    return np.append(cost, end), np.append(share, share[-1] if share.size else 0.0)


EDGE = 16.0


def draw_targets(frames: Frames) -> Drawing | None:
    """Draw a panel a setting: the ratio at other targets than the declared one."""
    declared = {one.setting: one.target for one in frames.claim}
    usable = [here for _, here in frames.targets.groupby(SETTING, observed=True, dropna=False, sort=False)]
    if not usable:
        return None
    shown = [plain(here) for here in sorted(usable, key=_range, reverse=True)[:MOST_PANELS]]
    shown.sort(key=lambda ladder: setting(ladder[0]))
    figure, grid = small_multiples(
        len(shown), row=2.1, head=0.35, legend=0.3, left=(0.15, 0.085), hspace=0.6, wspace=0.1, sharey=True
    )
    for axes, one in zip(grid.flat, shown, strict=False):
        _targets_panel(axes, one, declared.get(setting(one[0])))
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


def _range(ladder: pd.DataFrame) -> float:
    logs = [math.log(min(max(ratio, 1 / EDGE), EDGE)) for ratio in ladder.ratio if ratio > 0]
    return max(logs) - min(logs) if logs else 0.0


def _targets_panel(axes: Axes, ladder: list[Any], declared: float | None) -> None:
    axes.axhspan(1 - MARGIN, 1 + MARGIN, color="#E8E8E8", lw=0)
    axes.axhline(1, color="#777777", lw=0.8)
    bounded = [row for row in ladder if row.method == "jackknife"]
    lows, highs = [max(row.low, 1 / EDGE) for row in bounded], [min(row.high, EDGE) for row in bounded]
    axes.vlines([row.target for row in bounded], lows, highs, color="black", lw=1)
    formed = [(row.target, min(max(row.ratio, 1 / EDGE), EDGE)) for row in ladder if row.ratio and row.ratio < math.inf]
    axes.plot([target for target, _ in formed], [value for _, value in formed], "d-", color="black", ms=4, lw=0.8)
    for never, edge, marker, colour in ((0.0, 1 / EDGE, "v", BLUE), (math.inf, EDGE, "^", VERMILLION)):
        at = [row.target for row in ladder if row.ratio == never]
        axes.plot(at, [edge] * len(at), marker, color=colour, ms=6, ls="none", clip_on=False)
    if declared is not None:
        axes.axvline(declared, color="black", ls="--", lw=0.8)
    targets = [row.target for row in ladder]
    log_ticks(axes, "y", 1 / EDGE, EDGE)
    log_ticks(axes, "x", min(targets) / 1.1, max(targets) * 1.1)
    axes.set_title(setting(ladder[0]).label, fontsize=FONT - 1)
    tidy(axes)
