"""How seconds and memory grow with window, batch size and units, kernel by kernel."""

from typing import TYPE_CHECKING

from matplotlib.ticker import FixedLocator

from reports.costs.growth import ALLOCATED, AXES, RESIDENT, SECONDS, Growth, longest
from reports.figures.style import FONT, Drawing, log_ticks, powers_of_two, ran_style, small_multiples, tidy
from reports.formatting import number, seconds, size

if TYPE_CHECKING:
    from matplotlib.lines import Line2D


MEMORY_TITLE = (
    "Peak memory along each axis, unrolled beside loop: the framework's allocator in training (lines), and what the "
    "process takes beyond the imported framework, graph and compiler included (dotted)"
)


def draw_seconds(growths: list[Growth]) -> Drawing | None:
    """Draw seconds of one update, a panel an axis, a line a kernel."""
    return _draw("cost-growth", growths, (SECONDS,), "Seconds of one update along each axis, all else equal")


def draw_memory(growths: list[Growth]) -> Drawing | None:
    """Draw the allocator's peak, unrolled against loop in one figure."""
    return _draw("memory-growth", growths, (ALLOCATED, RESIDENT), MEMORY_TITLE)


def _draw(name: str, growths: list[Growth], quantities: tuple[str, ...], title: str) -> Drawing | None:
    here = [one for one in growths if one.quantity in quantities and one.setting.dtype == "float32"]
    axes_found = [axis for axis in AXES if any(one.axis == axis for one in here)]
    if not axes_found:
        return None
    figure, grid = small_multiples(
        len(axes_found), row=2.6, head=1.0, legend=0.45, left=(0.18, 0.085), hspace=0.3, wspace=0.36
    )
    shown: dict[str, Line2D] = {}
    for axes, axis in zip(grid.flat, axes_found, strict=False):
        best = longest(here, axis, quantities)
        for one in best.values():
            style = ran_style(one.setting) | ({} if one.quantity == quantities[0] else {"linestyle": ":"})
            (line,) = axes.plot(one.x, one.y, ms=4.5, lw=1.2, **style)
            shown.setdefault(style["label"], line)
        tidy(axes)
        axes.grid(color="#E5E5E5", lw=0.6)
        x, y = ([v for one in best.values() for v in values(one)] for values in (_x, _y))
        log_ticks(axes, "x", min(x) / 1.15, max(x) * 1.15)
        axes.xaxis.set_major_locator(FixedLocator(sorted(set(x))))
        of_the_first = [one for one in best.values() if one.quantity == quantities[0]]
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
        where = list(dict.fromkeys(one.where for one in best.values()))
        axes.set_xlabel(f"{AXES[axis]}, {where[0]}" if len(where) == 1 else AXES[axis], fontsize=FONT)
    figure.legend(list(shown.values()), list(shown), loc="upper center", ncol=6, fontsize=FONT - 0.5, frameon=False)
    return Drawing(name, figure, f"{title}. Power: exponent of the power law through all points of a line.")


def _x(one: Growth) -> list[float]:
    return [float(v) for v in one.x]


def _y(one: Growth) -> list[float]:
    return [float(v) for v in one.y]
