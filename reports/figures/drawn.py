"""All figures of a report."""

from reports.analysis import Analysis
from reports.figures import (
    arrivals,
    cost_growth,
    curves,
    memory,
    roofline,
    seconds,
    targets,
    time_to_target,
    where_it_pays,
    widths,
)
from reports.figures.style import Drawing


def drawings(found: Analysis) -> dict[str, Drawing]:
    """Draw every figure that has something to show, by name."""
    declared: dict[object, float] = {one.setting: one.a.convergence.target for one in found.compared}
    every = (
        where_it_pays.draw(found.compared),
        time_to_target.draw(found.compared),
        arrivals.draw(found.judged),
        widths.draw(found.widths),
        curves.draw(found.compared),
        targets.draw(found.sensitivity, declared),
        cost_growth.draw_seconds(found.costs.growths),
        cost_growth.draw_memory(found.costs.growths),
        roofline.draw(found.costs.points, found.costs.ceilings),
        seconds.draw(found.costs.timings),
        memory.draw(found.costs.memories),
    )
    return {one.name: one for one in every if one is not None}
