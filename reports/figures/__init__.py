"""All figures of a report."""

from reports.analysis import Analysis
from reports.figures.claim_figures import draw_map, draw_time_to_target, draw_verdicts, draw_widths
from reports.figures.cost_figures import draw_growth, draw_memory, draw_memory_growth, draw_roofline, draw_seconds
from reports.figures.learning_figures import draw_arrivals, draw_curves, draw_targets
from reports.figures.style import Drawing


def drawings(found: Analysis) -> dict[str, Drawing]:
    """Draw every figure that has something to show, by name."""
    frames = found.frames
    declared: dict[object, float] = {one.setting: one.a.convergence.target for one in found.compared}
    every = (
        draw_verdicts(found.compared),
        draw_map(found.compared),
        draw_time_to_target(found.compared),
        draw_arrivals(found.judged),
        draw_widths(frames.widths),
        draw_curves(found.compared),
        draw_targets(frames.targets, declared),
        draw_growth(frames.growth),
        draw_memory_growth(frames.growth),
        draw_roofline(frames.roofline, found.costs.ceilings),
        draw_seconds(found.costs.timings),
        draw_memory(frames.memory_peaks),
    )
    return {one.name: one for one in every if one is not None}
