"""All figures of a report."""

from collections.abc import Callable

from reports.figures.claim_figures import draw_map, draw_time_to_target, draw_verdicts, draw_widths
from reports.figures.cost_figures import draw_growth, draw_memory, draw_memory_growth, draw_roofline, draw_seconds
from reports.figures.learning_figures import draw_arrivals, draw_curves, draw_targets
from reports.figures.style import Drawing
from reports.frames import Frames

FIGURES: tuple[Callable[[Frames], Drawing | None], ...] = (
    draw_verdicts,
    draw_map,
    draw_time_to_target,
    draw_arrivals,
    draw_widths,
    draw_curves,
    draw_targets,
    draw_growth,
    draw_memory_growth,
    draw_roofline,
    draw_seconds,
    draw_memory,
)
"""Each draws from the frames alone, so that what `make export` writes is what a figure shows."""


def drawings(frames: Frames) -> dict[str, Drawing]:
    """Draw every figure that has something to show, by name."""
    every = (draw(frames) for draw in FIGURES)
    return {one.name: one for one in every if one is not None}
