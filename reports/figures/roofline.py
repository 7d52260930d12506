"""Achieved rate of each timed case against the machine's ceilings, over how much arithmetic a byte brings."""

import numpy as np

from reports.costs.roofline import NARROW, Ceilings, Point
from reports.figures.style import FONT, KERNEL_STYLES, Drawing, log_ticks, new_figure, ran_style, tidy


def draw(points: list[Point], limits: Ceilings | None) -> Drawing | None:
    """Draw the roof of each dtype that was used, and a marker a case."""
    if not points or limits is None:
        return None
    figure = new_figure(9.0, 4.2)
    axes = figure.subplots()
    figure.subplots_adjust(left=0.09, right=0.98, bottom=0.13, top=0.88)
    intensities = [one.intensity for one in points]
    rates = [one.flops_per_second / 1e9 for one in points]
    dtypes = sorted({NARROW.get(one.timing.setting.dtype, one.timing.setting.dtype) for one in points})
    low, high = min(intensities) / 2, max(max(intensities) * 2, 1.5 * max(limits.products.values()) / limits.bandwidth)
    x = np.geomspace(low, high, 200)
    for dtype in dtypes:
        peak = limits.products[dtype] / 1e9
        axes.plot(x, np.minimum(peak, x * limits.bandwidth / 1e9), color="#333333", lw=1.2)
        axes.annotate(
            f"matrix product, {dtype}", (high, peak), xytext=(-4, 3), textcoords="offset points", fontsize=FONT - 1,
            ha="right", va="bottom",
        )  # fmt: skip
    axes.annotate(
        "memory", (low, low * limits.bandwidth / 1e9), xytext=(4, 18), textcoords="offset points", fontsize=FONT - 1,
    )  # fmt: skip
    ran = {(one.timing.setting.kernel, one.timing.setting.engine): ran_style(one.timing.setting) for one in points}
    order = {name: place for place, name in enumerate(KERNEL_STYLES)}
    for kernel, engine in sorted(ran, key=lambda one: (order.get(one[0], len(order)), one[1])):
        here = [one for one in points if (one.timing.setting.kernel, one.timing.setting.engine) == (kernel, engine)]
        axes.plot(
            [one.intensity for one in here], [one.flops_per_second / 1e9 for one in here], ms=5.5,
            **ran[kernel, engine] | {"linestyle": "none"},
        )  # fmt: skip
    tidy(axes)
    axes.grid(color="#E5E5E5", lw=0.6)
    log_ticks(axes, "x", low, high)
    log_ticks(axes, "y", min(rates) / 2, max(*rates, *(limits.products[d] / 1e9 for d in dtypes)) * 1.6)
    axes.set_xlabel("floating-point operations for each byte that must be moved at least", fontsize=FONT)
    axes.set_ylabel("GFLOP/s", fontsize=FONT)
    figure.legend(*axes.get_legend_handles_labels(), loc="upper center", ncol=7, fontsize=FONT - 0.5, frameon=False)
    caption = (
        "Roofline: what each timed case achieves (matrix products only) below what this machine reached in this run"
        f"{f' with {limits.engine}' if limits.engine else ''}. "
        "The distance to the roof is time that neither arithmetic nor memory accounts for."
    )
    return Drawing("roofline", figure, caption)
