"""The costs for machines: what summary.json holds of them; numbers that are infinite or cannot be formed are null."""

import math
from typing import Any

from reports.costs.a_a import off
from reports.costs.overview import Costs
from reports.statistics.intervals import Ratio


def costs_summary(found: Costs) -> dict[str, Any]:
    """Ratios, paybacks, exponents, times to target, shares of ceilings, and how steady it all was."""
    return {
        "against_itself": {
            name: {"pairs": len(ratios), "off": _plain(off(ratios)), "off_ninth": _plain(off(ratios, 0.9))}
            for name, ratios in (
                ("turns", found.again.turns),
                ("passes", found.again.passes),
                ("blocks", found.again.blocks),
            )
        },
        "other_kernel": [record.key for record in found.mismatches],
        "ratios": [
            {
                "what": one.what,
                "a": one.a.records[0].case.id,
                "b": one.b.records[0].case.id,
                "training": _ratio(one.training),
                "inference": _ratio(one.inference),
            }
            for one in found.contrasts.found
        ],
        "paybacks": [
            {
                "what": one.contrast.what,
                "case": one.contrast.a.records[0].case.id,
                "updates": _plain(one.updates),
                "interval": [_plain(one.low), _plain(one.high)],
            }
            for one in found.paybacks
        ],
        "growth": [
            {
                "quantity": one.quantity,
                "axis": one.axis,
                "kernel": one.setting.kernel,
                "from": one.setting.label,
                "regime": one.regime,
                "exponent": one.exponent,
                "interval": [one.low, one.high],
                "last": one.last,
            }
            for one in found.growths
        ],
        "time_to_target": [
            {
                "case": one.timing.records[0].case.id,
                "reached": one.reached,
                "of": one.n,
                "seconds": _plain(one.seconds),
                "interval": [_plain(one.low), _plain(one.high)],
            }
            for one in found.to_target
        ],
        "shares": [{"case": one.timing.records[0].case.id, **one.shares, "binds": one.binds} for one in found.points],
        "memory": [
            {
                "case": one.setting.label,
                "kernel": one.setting.kernel,
                "regime": one.regime,
                **one.peak,
            }
            for one in found.memories
        ],
    }


def _ratio(one: Ratio) -> dict[str, Any] | None:
    if one.method == "none":
        return None
    return {"ratio": _plain(one.value), "interval": [_plain(one.low), _plain(one.high)], "processes": one.n}


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
