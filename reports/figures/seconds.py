"""Seconds of one update by regime, kernel and batch size, compile time apart."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from reports.collect.grouping import Setting
from reports.costs.timings import Timing
from reports.figures.style import FONT, REGIME_STYLES, Drawing, label_margin, log_ticks, new_figure, tidy
from reports.formatting import seconds

MOST_ROWS = 24


def draw(measured: list[Timing]) -> Drawing | None:
    """Draw a row a setting; left the steady state, right the first call's extra."""
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
    regimes = [name for name in REGIME_STYLES if any(one.regime == name for one in kept)]
    for place, regime in enumerate(regimes):
        colour, marker = REGIME_STYLES[regime]
        here = [one for one in kept if one.regime == regime]
        rows = [shown.index(one.setting) + (place - (len(regimes) - 1) / 2) * 0.7 / len(regimes) for one in here]
        left.hlines(rows, [one.low for one in here], [one.high for one in here], color=colour, lw=1.5)
        left.plot([one.median for one in here], rows, marker, color=colour, ms=5, ls="none", label=regime)
        right.plot([one.compile_seconds for one in here], rows, marker, color=colour, ms=5, ls="none")
    for axes, values, label in (
        (left, [v for one in kept for v in (one.low, one.high)], "seconds per update, steady state"),
        (right, [one.compile_seconds for one in kept], "compile, once"),
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


def chosen(settings: Iterable[Setting]) -> list[Setting]:
    """Settings to draw, in order: where there are too many, of those networks that ran in most ways."""
    settings = list(settings)
    ways = Counter(map(_network, settings))
    most = sorted(settings, key=lambda one: (-ways[_network(one)], one))[:MOST_ROWS]
    return sorted(most, key=lambda one: (one.cell, one.units, one))


def _network(setting: Setting) -> Setting:
    return replace(setting, kernel="", engine="", device="", dtype="")


def _labels(shown: list[Setting]) -> list[str]:
    several = len({setting.task_name for setting in shown}) > 1
    return [f"{setting.task_name} {_label(setting)}" if several else _label(setting) for setting in shown]


def _label(setting: Setting) -> str:
    return f"{setting.short} {setting.kernel.replace('_', ' ')}"
