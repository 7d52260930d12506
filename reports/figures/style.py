"""What all figures share: colours, markers, sizes."""

import io
import math
import re
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from reports.collect.grouping import USUAL, Setting
from reports.formatting import mark
from reports.statistics.verdict import Verdict

# Okabe and Ito, "Color universal design" (2008): distinguishable with any colour vision.
BLUE, ORANGE, GREEN, VERMILLION, SKY, PURPLE, YELLOW, GREY = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#F0E442", "#8A8A8A",
)  # fmt: skip

# Never by colour alone: each regime has its marker, each verdict its word and hatch.
REGIME_STYLES: dict[str, tuple[str, str]] = {
    "stateful": (BLUE, "o"),
    "stateless": (VERMILLION, "s"),
    "stateless-ordered": (GREEN, "^"),
    "stateless-burnin": (PURPLE, "D"),
    "stateless-sliding": (ORANGE, "v"),
    "stateful-overlapping": (GREY, "x"),
    "stateful-injected": (SKY, "P"),
    "stateful-h-only": (YELLOW, "p"),
    "stateful-stale": (SKY, "<"),
    "foreign-state": (GREY, "d"),
    "noise-state": (GREY, "*"),
}
KERNEL_STYLES: dict[str, tuple[str, str]] = {
    "loop": (BLUE, "o"),
    "loop_implementation_1": (SKY, "P"),
    "unrolled": (VERMILLION, "s"),
    "xla": (GREEN, "^"),
    "xla_unrolled": (ORANGE, "v"),
    "cudnn": (PURPLE, "D"),
    "fit": (GREY, "x"),
    "native": (VERMILLION, "*"),
    "native_compiled": (ORANGE, "X"),
}
ENGINE_STYLES: dict[str, tuple[str, str | None]] = {
    "tensorflow": ("-", None),
    "jax": ("--", "white"),
    "torch": ("-.", "#D0D0D0"),
}
"""Line and filling of a marker (None: the kernel's colour), beside the kernel's own marker."""
VERDICT_STYLES: dict[Verdict, tuple[str, str, str]] = {
    Verdict.FEWER: ("#7FB8DB", "", "fewer"),
    Verdict.ONLY_STATEFUL: ("#7FB8DB", "///", "only\nstateful"),
    Verdict.MORE: ("#EFA27A", "", "more"),
    Verdict.ONLY_STATELESS: ("#EFA27A", "\\\\\\", "only\nstateless"),
    Verdict.SAME: ("#D9D9D9", "", "same"),
    Verdict.INCONCLUSIVE: ("#FFFFFF", "", "?"),
    Verdict.NEITHER: ("#FFFFFF", "xx", "neither"),
    Verdict.RATE_NOT_FOUND: ("#FFFFFF", "..", "rate not\nfound"),
}

FONT = 9.0


@dataclass(frozen=True)
class Drawing:
    """A figure, the name of its file, and what a reader must know to read it."""

    name: str
    figure: Figure
    caption: str

    @cached_property
    def svg(self) -> str:
        """The figure as an SVG element, its text as text: drawn once for its file and for the page."""
        file = io.StringIO()
        # Names within it are made from the salt: the same for the same figure, and others for another.
        with rc_context({"svg.fonttype": "none", "svg.hashsalt": self.name, "text.hinting": "none"}):
            self.figure.savefig(file, format="svg", metadata={"Date": None})
        text = file.getvalue()
        text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
        label = escape(self.caption, quote=True)
        return text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)

    def save(self, folder: Path) -> Path:
        """Write <folder>/<name>.svg."""
        file = folder / f"{self.name}.svg"
        file.write_text(f'<?xml version="1.0" encoding="utf-8"?>\n{self.svg}', encoding="utf-8")
        return file


def new_figure(width: float, height: float) -> Figure:
    """Return a figure of that many inches with its own canvas: no pyplot, so no state between figures."""
    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def label_margin(labels: list[str], width: float) -> float:
    """Left margin, as a share of a figure of that many inches, that its longest row label fits in."""
    return 0.03 + 0.064 * max(map(len, labels), default=0) / width


def regime_style(name: str) -> tuple[str, str]:
    """Colour and marker of a regime; the marker of one with a number in its name is that number."""
    kind, _, number = name.partition("@")
    colour, marker = REGIME_STYLES[kind]
    return colour, f"${number}$" if number else marker


def ran_style(setting: Setting) -> dict[str, Any]:
    """How what ran is drawn: a kernel's colour and marker, an engine's line and filling, and the name of both."""
    colour, marker = KERNEL_STYLES.get(setting.kernel, (GREY, "x"))
    line, filling = ENGINE_STYLES.get(setting.engine, (":", "black"))
    name = " ".join([*([setting.engine] if setting.engine != USUAL["engine"] else []), setting.kernel])
    style = {"color": colour, "marker": marker, "mfc": filling or colour, "linestyle": line}
    return style | {"label": name.replace("_", " ")}


def tidy(axes: Axes) -> None:
    """Leave off the frame's upper and right side, and keep the font readable."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=FONT - 1)


def log_ticks(axes: Axes, which: str, low: float, high: float) -> None:
    """Set a log axis whose ticks read 0.2, 0.5, 1, 2: few, and no minor ones, which are slow."""
    low, high = low / 1.05, high * 1.05
    decades = range(-12, 13)
    for steps in (
        (1,),
        (1, 3),
        (1, 2, 5),
        (1, 1.5, 2, 3, 5, 7),
        (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 4, 5, 6, 7, 8, 9),
    ):
        ticks = [s * 10.0**d for d in decades for s in steps if low <= s * 10.0**d <= high]
        if len(ticks) > 2:
            break
    ticks = ticks[:: -(-len(ticks) // 6)] or [(low * high) ** 0.5]
    getattr(axes, f"set_{which}scale")("log")
    getattr(axes, f"set_{which}lim")(low, high)
    axis = getattr(axes, f"{which}axis")
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: mark(value)))


def powers_of_two(low: float, high: float, most: int = 6) -> list[float]:
    """At most that many ticks: sizes read best as powers of two."""
    first, last = math.ceil(math.log2(low)), math.floor(math.log2(high)) + 1
    step = max(1, -(-(last - first) // (most - 1)))
    return [2.0**power for power in range(first, last + 1, step)]


def small_multiples(
    count: int, *, row: float, head: float, legend: float, foot: float = 0.5, panel: float = 3.1,
    left: tuple[float, float], hspace: float, wspace: float, sharey: bool = False,
) -> tuple[Figure, Any]:  # fmt: skip
    """Lay out panels, at most three in a row; places beyond the last panel are left empty.

    Parameters
    ----------
    count
        Number of panels.
    row, head
        Height of a row of panels and of all that is not panels, in inches.
    legend, foot
        What is kept free above and below the panels, in inches.
    panel
        Width of a panel in inches.
    left
        Left margin as a share of the width, with one column and with more.
    hspace, wspace
        Room between panels, as matplotlib counts it.

    Returns
    -------
    figure
        The figure.
    grid
        Its axes, shape (rows, columns).
    """
    columns = min(3, count)
    rows = -(-count // columns)
    height = head + row * rows
    figure = new_figure(max(1.6 * panel, panel * columns), height)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=sharey)
    figure.subplots_adjust(
        left=left[columns > 1], right=0.98, bottom=foot / height, top=1 - legend / height, hspace=hspace, wspace=wspace
    )
    for axes in grid.flat[count:]:
        axes.set_axis_off()
    return figure, grid
