"""Figures of costs: seconds of an update, how costs grow, memory, and the roofline."""

import math
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.ticker import FixedLocator
from msgspec.structs import replace

from bench.case.regimes import in_order
from reports.collect.grouping import Setting
from reports.costs.contrasts import ALLOCATED, AXES, RESIDENT, SECONDS
from reports.costs.memory_peaks import MEMORY_FIELDS
from reports.costs.roofline import NARROW
from reports.figures.style import (
    FONT,
    KERNEL_STYLES,
    Drawing,
    label_margin,
    log_ticks,
    new_figure,
    powers_of_two,
    ran_style,
    regime_style,
    small_multiples,
    tidy,
)
from reports.formatting import number, seconds, size
from reports.frames import Frames, plain, settled

if TYPE_CHECKING:
    from matplotlib.lines import Line2D


MOST_ROWS = 24


def draw_seconds(frames: Frames) -> Drawing | None:
    """Draw a row a setting; left the steady state, right the first call's extra."""
    measured = settled(frames.seconds)
    if not measured:
        return None
    settings = {one.setting for one in measured}
    shown = chosen(settings)
    height = 1.2 + 0.3 * len(shown)
    figure = new_figure(9.0, height)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    figure.subplots_adjust(
        left=label_margin(_labels(shown), 9.0), right=0.98, wspace=0.05, bottom=0.5 / height, top=1 - 0.5 / height
    )
    kept = [one for one in measured if one.setting in shown]
    regimes = in_order({one.regime for one in kept})
    for place, regime in enumerate(regimes):
        colour, marker = regime_style(regime)
        here = [one for one in kept if one.regime == regime]
        rows = [shown.index(one.setting) + _offset(place, len(regimes)) for one in here]
        left.hlines(rows, [one.low for one in here], [one.high for one in here], color=colour, lw=1.5)
        left.plot([one.seconds for one in here], rows, marker, color=colour, ms=5, ls="none", label=regime)
        right.plot([_or_nan(one.compile_seconds) for one in here], rows, marker, color=colour, ms=5, ls="none")
    for axes, values, label in (
        (left, [v for one in kept for v in (one.low, one.high)], "seconds per update, steady state"),
        (right, [_or_nan(one.compile_seconds) for one in kept], "compile, once"),
    ):
        tidy(axes)
        axes.grid(axis="x", color="#E5E5E5", lw=0.6)
        axes.set_xlabel(label, fontsize=FONT)
        finite = [v for v in values if math.isfinite(v) and v > 0]
        if finite:
            log_ticks(axes, "x", min(finite) / 1.2, max(finite) * 1.2)
            axes.xaxis.set_major_formatter(lambda value, _: seconds(value))
    left.set_yticks(range(len(shown)), _labels(shown))
    left.set_ylim(len(shown) - 0.4, -0.6)
    right.tick_params(axis="y", left=False)
    figure.legend(*left.get_legend_handles_labels(), loc="upper center", ncol=5, fontsize=FONT - 0.5, frameon=False)
    more = (
        ""
        if len(shown) == len(settings)
        else f" The {MOST_ROWS} of {len(settings)} whose networks ran in most ways; the table has all."
    )
    caption = f"Seconds of one weight update. Markers: median; lines: the middle half of all samples.{more}"
    return Drawing("seconds", figure, caption)


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def chosen(settings: Iterable[Setting]) -> list[Setting]:
    """Settings to draw, in order: where there are too many, of those networks that ran in most ways."""
    settings = list(settings)
    ways = Counter(map(_network, settings))
    most = sorted(settings, key=lambda one: (-ways[_network(one)], one))[:MOST_ROWS]
    return sorted(most, key=lambda one: (one.cell, one.units, one))


def _network(setting: Setting) -> Setting:
    return replace(setting, kernel="", engine="", device="", dtype="")


def _offset(place: int, of: int) -> float:
    """How far the marker of one of several regimes lies from the middle of its row."""
    return (place - (of - 1) / 2) * 0.7 / of


def _labels(shown: list[Setting]) -> list[str]:
    several = len({setting.task_name for setting in shown}) > 1
    return [f"{setting.task_name} {_label(setting)}" if several else _label(setting) for setting in shown]


def _label(setting: Setting) -> str:
    return f"{setting.short} {setting.kernel.replace('_', ' ')}"


MEMORY_TITLE = (
    "Peak memory along each axis, unrolled beside loop: the framework's allocator in training (lines), and what the "
    "process takes beyond the imported framework, graph and compiler included (dotted)"
)


def lines(points: pd.DataFrame) -> list[Any]:
    """Of each axis, engine, kernel and quantity the longest line of the frame `growth`, the longest of all first.

    Each is its first row, with the points of all as `x` and `y`, shape (points,).
    """
    line = [name for name in points.columns if name not in ("at", "value")]
    number_of = points.groupby(line, observed=True, dropna=False, sort=False).ngroup()
    heads = points.assign(line=number_of, length=number_of.map(number_of.value_counts()))[~number_of.duplicated()]
    heads = heads.sort_values("length", ascending=False, kind="stable")
    kept = heads.groupby(["axis", "engine", "kernel", "quantity"], observed=True, sort=False).head(1)
    kept = kept.sort_values(["length", "line"], ascending=[False, True])
    x, y = ([points[name][number_of == line].to_numpy(float) for line in kept.line] for name in ("at", "value"))
    return settled(kept, x=x, y=y)


def draw_growth(frames: Frames) -> Drawing | None:
    """Draw seconds of one update, a panel an axis, a line a kernel."""
    return _draw_growth(
        "cost-growth", frames.growth, (SECONDS,), "Seconds of one update along each axis, all else equal"
    )


def draw_memory_growth(frames: Frames) -> Drawing | None:
    """Draw the allocator's peak, unrolled against loop in one figure."""
    return _draw_growth("memory-growth", frames.growth, (ALLOCATED, RESIDENT), MEMORY_TITLE)


def _draw_growth(name: str, points: pd.DataFrame, quantities: tuple[str, ...], title: str) -> Drawing | None:
    here = lines(points[points.quantity.isin(quantities) & (points.dtype == "float32")])
    axes_found = [axis for axis in AXES if any(one.axis == axis for one in here)]
    if not axes_found:
        return None
    figure, grid = small_multiples(
        len(axes_found), row=2.6, head=1.0, legend=0.45, left=(0.18, 0.085), hspace=0.3, wspace=0.36
    )
    shown: dict[str, Line2D] = {}
    for axes, axis in zip(grid.flat, axes_found, strict=False):
        best = [one for one in here if one.axis == axis]
        for one in best:
            style = ran_style(one.setting) | ({} if one.quantity == quantities[0] else {"linestyle": ":"})
            (line,) = axes.plot(one.x, one.y, ms=4.5, lw=1.2, **style)
            shown.setdefault(style["label"], line)
        tidy(axes)
        axes.grid(color="#E5E5E5", lw=0.6)
        x, y = (np.concatenate(values).tolist() for values in zip(*((one.x, one.y) for one in best), strict=True))
        log_ticks(axes, "x", min(x) / 1.15, max(x) * 1.15)
        axes.xaxis.set_major_locator(FixedLocator(sorted(set(x))))
        of_the_first = [one for one in best if one.quantity == quantities[0]]
        # What the lines of text at the top take of the panel's height is kept free of the lines below them.
        free = 1 - 0.07 * len(of_the_first) - 0.04
        log_ticks(axes, "y", min(y) / 1.3, min(y) / 1.3 * (1.3 * max(y) / min(y)) ** (1 / free))
        if SECONDS not in quantities:
            axes.yaxis.set_major_locator(FixedLocator(powers_of_two(min(y), max(y))))
        axes.yaxis.set_major_formatter(lambda value, _: (seconds if SECONDS in quantities else size)(value))
        for place, one in enumerate(of_the_first):
            style = ran_style(one.setting)
            axes.annotate(
                f"{style['label']}: power {number(one.exponent)}", (0.03, 0.98 - 0.07 * place),
                xycoords="axes fraction", va="top", fontsize=FONT - 2, color=style["color"],
            )  # fmt: skip
        where = list(dict.fromkeys(one.setting.along(axis) for one in best))
        axes.set_xlabel(f"{AXES[axis]}, {where[0]}" if len(where) == 1 else AXES[axis], fontsize=FONT)
    figure.legend(list(shown.values()), list(shown), loc="upper center", ncol=6, fontsize=FONT - 0.5, frameon=False)
    return Drawing(name, figure, f"{title}. Power: exponent of the power law through all points of a line.")


def draw_memory(frames: Frames) -> Drawing | None:
    """Draw a panel a figure, a row a setting."""
    measured = settled(frames.memory_peaks)
    if not measured:
        return None
    settings = sorted(
        {one.setting for one in measured}, key=lambda s: (s.cell, s.units, s.window, s.batch_size, s.kernel, s)
    )
    shown = settings[:MOST_ROWS]
    height = 1.25 + 0.3 * len(shown)
    figure = new_figure(9.0, height)
    panels = figure.subplots(1, len(MEMORY_FIELDS), sharey=True)
    figure.subplots_adjust(
        left=label_margin(_labels(shown), 9.0), right=0.98, wspace=0.08, bottom=0.5 / height, top=1 - 0.5 / height
    )
    regimes = in_order({one.regime for one in measured})
    for axes, (name, title) in zip(panels, MEMORY_FIELDS.items(), strict=True):
        values = []
        for place, regime in enumerate(regimes):
            colour, marker = regime_style(regime)
            here = [
                (shown.index(one.setting) + _offset(place, len(regimes)), float(getattr(one, name)))
                for one in measured
                if one.regime == regime and one.setting in shown and getattr(one, name)
            ]
            found = [peak for _, peak in here]
            axes.plot(found, [at for at, _ in here], marker, color=colour, ms=5, ls="none", label=regime)
            values += found
        tidy(axes)
        axes.grid(axis="x", color="#E5E5E5", lw=0.6)
        axes.set_xlabel(title, fontsize=FONT - 1)
        if values:
            low, high = min(values) / 1.3, max(values) * 1.3
            log_ticks(axes, "x", low, high)
            ticks = [one for one in powers_of_two(low, high, 3) if low <= one <= high]
            axes.xaxis.set_major_locator(FixedLocator(ticks if len(ticks) > 1 else sorted({min(values), max(values)})))
            axes.xaxis.set_major_formatter(lambda value, _: size(value))
        axes.tick_params(axis="y", left=axes is panels[0])
    panels[0].set_yticks(range(len(shown)), _labels(shown))
    panels[0].set_ylim(len(shown) - 0.4, -0.6)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="upper center", ncol=5, fontsize=FONT, frameon=False)
    more = "" if len(shown) == len(settings) else f" The first {MOST_ROWS} of {len(settings)}; the table has all."
    return Drawing("memory", figure, f"Peak memory, largest over the processes; the three do not add up.{more}")


def draw_roofline(frames: Frames) -> Drawing | None:
    """Draw the roof of each dtype that was used, and a marker a timed case."""
    points, ceilings = settled(frames.roofline), plain(frames.ceilings)
    if not points:
        return None
    products = {one.dtype: one.best for one in ceilings if one.dtype}
    bandwidth = next(one.best for one in ceilings if one.unit == "B/s")
    measured_with = ceilings[0].engine
    figure = new_figure(9.0, 4.2)
    axes = figure.subplots()
    figure.subplots_adjust(left=0.09, right=0.98, bottom=0.13, top=0.88)
    intensities = [one.flops_per_byte for one in points]
    rates = [one.flops_per_second / 1e9 for one in points]
    dtypes = sorted({NARROW.get(one.dtype, one.dtype) for one in points})
    low, high = min(intensities) / 2, max(max(intensities) * 2, 1.5 * max(products.values()) / bandwidth)
    x = np.geomspace(low, high, 200)
    for dtype in dtypes:
        peak = products[dtype] / 1e9
        axes.plot(x, np.minimum(peak, x * bandwidth / 1e9), color="#333333", lw=1.2)
        axes.annotate(
            f"matrix product, {dtype}", (high, peak), xytext=(-4, 3), textcoords="offset points", fontsize=FONT - 1,
            ha="right", va="bottom",
        )  # fmt: skip
    axes.annotate(
        "memory", (low, low * bandwidth / 1e9), xytext=(4, 18), textcoords="offset points", fontsize=FONT - 1,
    )  # fmt: skip
    ran = {(one.kernel, one.engine): ran_style(one.setting) for one in points}
    order = {name: place for place, name in enumerate(KERNEL_STYLES)}
    for kernel, engine in sorted(ran, key=lambda one: (order.get(one[0], len(order)), one[1])):
        here = [one for one in points if (one.kernel, one.engine) == (kernel, engine)]
        axes.plot(
            [one.flops_per_byte for one in here], [one.flops_per_second / 1e9 for one in here], ms=5.5,
            **ran[kernel, engine] | {"linestyle": "none"},
        )  # fmt: skip
    tidy(axes)
    axes.grid(color="#E5E5E5", lw=0.6)
    log_ticks(axes, "x", low, high)
    log_ticks(axes, "y", min(rates) / 2, max(*rates, *(products[d] / 1e9 for d in dtypes)) * 1.6)
    axes.set_xlabel("floating-point operations for each byte that must be moved at least", fontsize=FONT)
    axes.set_ylabel("GFLOP/s", fontsize=FONT)
    figure.legend(*axes.get_legend_handles_labels(), loc="upper center", ncol=7, fontsize=FONT - 0.5, frameon=False)
    caption = (
        "Roofline: what each timed case achieves (matrix products only) below what this machine reached in this run"
        f"{f' with {measured_with}' if measured_with else ''}. "
        "The distance to the roof is time that neither arithmetic nor memory accounts for."
    )
    return Drawing("roofline", figure, caption)
