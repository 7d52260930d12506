"""Memory by regime, kernel and batch size: three figures under their own names, which do not add up."""

from matplotlib.ticker import FixedLocator

from reports.collect.grouping import Setting
from reports.costs.memory_peaks import MEMORY_FIELDS, Memory
from reports.figures.style import FONT, REGIME_STYLES, Drawing, label_margin, log_ticks, new_figure, powers_of_two, tidy
from reports.formatting import size

MOST_ROWS = 24


def draw(measured: list[Memory]) -> Drawing | None:
    """Draw a panel a figure, a row a setting."""
    if not measured:
        return None
    settings = sorted(
        {one.setting for one in measured}, key=lambda s: (s.cell, s.units, s.window, s.batch_size, s.kernel)
    )
    shown = settings[:MOST_ROWS]
    height = 1.25 + 0.3 * len(shown)
    figure = new_figure(9.0, height)
    panels = figure.subplots(1, len(MEMORY_FIELDS), sharey=True)
    figure.subplots_adjust(
        left=label_margin(_labels(shown), 9.0), right=0.98, wspace=0.08, bottom=0.5 / height, top=1 - 0.5 / height
    )
    regimes = [name for name in REGIME_STYLES if any(one.regime == name for one in measured)]
    for axes, (name, title) in zip(panels, MEMORY_FIELDS.items(), strict=True):
        values = []
        for place, regime in enumerate(regimes):
            colour, marker = REGIME_STYLES[regime]
            here = [one for one in measured if one.regime == regime and one.setting in shown and one.peak.get(name)]
            rows = [shown.index(one.setting) + (place - (len(regimes) - 1) / 2) * 0.7 / len(regimes) for one in here]
            peaks = [float(one.peak[name] or 0) for one in here]
            axes.plot(peaks, rows, marker, color=colour, ms=5, ls="none", label=regime)
            values += peaks
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


def _labels(shown: list[Setting]) -> list[str]:
    several = len({setting.task_name for setting in shown}) > 1
    return [f"{setting.task_name} {_label(setting)}" if several else _label(setting) for setting in shown]


def _label(setting: Setting) -> str:
    return f"{setting.short} {setting.kernel.replace('_', ' ')}"
