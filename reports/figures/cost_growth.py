"""How seconds and memory grow with window, batch size and units, kernel by kernel."""

from matplotlib.lines import Line2D

from reports.costs.growth import AXES, Growth
from reports.figures.style import FONT, GREY, KERNEL_STYLES, Drawing, log_ticks, small_multiples, tidy
from reports.words import number, seconds, size

TRAINING, MEMORY = "seconds an update", "allocator's peak, training"


def draw_seconds(growths: list[Growth]) -> Drawing | None:
    """Draw seconds of one update, a panel an axis, a line a kernel."""
    return _draw("cost-growth", growths, TRAINING, "Seconds of one update along each axis, all else equal")


def draw_memory(growths: list[Growth]) -> Drawing | None:
    """Draw the allocator's peak, unrolled against loop in one figure."""
    return _draw(
        "memory-growth", growths, MEMORY, "Peak of the framework's allocator in training, unrolled beside loop"
    )


def _draw(name: str, growths: list[Growth], quantity: str, title: str) -> Drawing | None:
    here = [one for one in growths if one.quantity == quantity and one.setting.dtype == "float32"]
    axes_found = [axis for axis in AXES if any(one.axis == axis for one in here)]
    if not axes_found:
        return None
    figure, grid = small_multiples(
        len(axes_found), row=2.6, head=1.0, legend=0.45, left=(0.16, 0.075), hspace=0.3, wspace=0.3
    )
    shown: dict[str, Line2D] = {}
    for axes, axis in zip(grid.flat, axes_found, strict=False):
        # The longest line of each kernel: a run may cross an axis at several places.
        lines = sorted((one for one in here if one.axis == axis), key=lambda one: -one.x.size)
        best: dict[str, Growth] = {}
        for one in lines:
            best.setdefault(one.setting.kernel, one)
        for kernel, one in best.items():
            colour, marker = KERNEL_STYLES.get(kernel, (GREY, "x"))
            label = kernel.replace("_", " ")
            (line,) = axes.plot(one.x, one.y, marker=marker, color=colour, ms=4.5, lw=1.2, label=label)
            shown.setdefault(label, line)
            axes.annotate(
                f"^{number(one.exponent)}", (one.x[-1], one.y[-1]), xytext=(4, 0), textcoords="offset points",
                fontsize=FONT - 2, color=colour, va="center",
            )  # fmt: skip
        tidy(axes)
        axes.grid(color="#E5E5E5", lw=0.6)
        x, y = ([v for one in best.values() for v in values(one)] for values in (_x, _y))
        log_ticks(axes, "x", min(x) / 1.15, max(x) * 1.6)
        log_ticks(axes, "y", min(y) / 1.3, max(y) * 1.3)
        axes.yaxis.set_major_formatter(lambda value, _: (seconds if quantity == TRAINING else size)(value))
        axes.set_xlabel(AXES[axis], fontsize=FONT)
    figure.legend(list(shown.values()), list(shown), loc="upper center", ncol=6, fontsize=FONT - 0.5, frameon=False)
    return Drawing(name, figure, f"{title}. ^: exponent of the power law through all points of a line.")


def _x(one: Growth) -> list[float]:
    return [float(v) for v in one.x]


def _y(one: Growth) -> list[float]:
    return [float(v) for v in one.y]
