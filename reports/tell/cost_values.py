"""What the template of the costs needs beside the analysis."""

import math
from typing import Any

import numpy as np

from reports.costs.a_a import off
from reports.costs.growth import AXES
from reports.costs.memory_peaks import FACTOR, LEAST_SHARE
from reports.costs.overview import Costs
from reports.statistics.intervals import LEVEL
from reports.tell.cost_answers import answers, frameworks, judged


def cost_values(found: Costs) -> dict[str, Any]:
    """By name."""
    return {
        "cost_answers": answers(found),
        "frameworks": frameworks(found),
        "judged": judged,
        "off": off,
        "by_chance": (1 - LEVEL) * len([one for one in found.contrasts.found if one.training.method != "none"]),
        "axes": AXES,
        "memory_limits": (LEAST_SHARE, FACTOR),
        "wholes_off": float(np.median([abs(one.off) for one in found.wholes])) if found.wholes else math.nan,
    }
