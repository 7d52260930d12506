"""summary.json: verdicts and costs for machines; numbers that are infinite or cannot be formed are null."""

import json
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reports.analysis import Analysis
from reports.claim.arms import Arm, Comparison, WidthArm, WidthComparison, first_by_interest, know_intervals
from reports.costs import Costs
from reports.costs.contrasts import off
from reports.statistics.intervals import LEVEL, Ratio
from reports.statistics.verdict import MARGIN, Judgement
from reports.tell.recommendation import Recommendation

MOST = 1000
"""Entries of a list; comparisons.csv and `make export` have all."""

SCHEMA = 4


def summary(found: Analysis) -> dict[str, Any]:
    """All verdicts of a run; numbers that are infinite or cannot be formed are null."""
    training = first_by_interest(found.compared, MOST)
    controls = [one for one in found.judged if not one.of_the_claim][:MOST]
    longer, same = found.longer_windows[:MOST], found.same_arms[:MOST]
    know_intervals([*training, *controls, *(one.comparison for one in longer), *(one.comparison for one in same)])
    return {
        "schema": SCHEMA,
        "run": found.run.name,
        "headline": found.headline,
        "margin": MARGIN,
        "level": LEVEL,
        "findings": [{"sentence": one.sentence, "declared": one.declared} for one in found.findings],
        "advice": [
            {"where": one.where, "what": one.what.replace("**", ""), "declared": one.declared}
            for one in found.summary_lines
        ],
        "recommendations": _recommendations(found.recommendations),
        "family": len(found.run.family),
        "evidence": asdict(found.sureness.evidence) if found.sureness.of else None,
        "after_holm": [[arm.record.case.id for arm in (one.a, one.b)] for one in found.survivors[:MOST]],
        "counts": {
            "declared": _counts(found.declared),
            "exploratory": _counts(one for one in found.compared if not one.declared),
        },
        "left_to_comparisons_csv": max(0, len(found.compared) - MOST),
        "training": [_comparison(one) for one in training],
        "controls": [_comparison(one) for one in controls],
        "longer_windows": [
            _comparison(one.comparison) | {"target": one.target, "steps_per_prediction": one.steps_per_prediction}
            for one in longer
        ],
        "same_arms": [
            _comparison(one.comparison) | {"engines": [one.a, one.b], "ended_alike": one.ended_alike} for one in same
        ],
        "network": [_widths(one) for one in found.widths[:MOST]],
        "floors": {"checked": len(found.floors), "below": [one.key for one in found.floors if one.below]},
        "a_a": {"comparisons": len(found.a_a), "false_calls": len(found.false_calls)},
        "costs": costs_summary(found.costs),
        "warnings": [
            {"code": one.code, "meaning": one.meaning, "remedy": one.remedy, "where": one.where[:MOST]}
            for one in found.warnings
        ],
    }


def _counts(compared: Iterable[Comparison]) -> dict[str, int]:
    return dict(Counter(str(one.updates.verdict) for one in compared))


def write_summary(found: Analysis, file: Path) -> None:
    """Write `summary` as JSON that any parser reads (no NaN, no Infinity)."""
    file.write_text(json.dumps(summary(found), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _comparison(one: Comparison) -> dict[str, Any]:
    return {
        "cases": [one.a.record.case.id, one.b.record.case.id],
        "setting": one.setting.label,
        "declared": one.declared,
        "n": one.a.n,
        "target": one.a.convergence.target,
        "reach_in_windows": one.setting.reach_in_windows,
        "updates": _judgement(one.updates),
        "cell_steps": _judgement(one.cell_steps),
        "flops": None if one.flops is None else _judgement(one.flops),
        "seconds": None if one.seconds is None else _judgement(one.seconds),
        "p": one.p,
        "p_holm": _plain(one.p_holm),
        "survives_holm": one.survives_holm,
        "arms": [_arm(one.a), _arm(one.b)],
    }


def _judgement(one: Judgement) -> dict[str, Any]:
    return {
        "verdict": str(one.verdict),
        "ratio": _plain(one.ratio.value),
        "interval": [_plain(one.ratio.low), _plain(one.ratio.high)],
        "method": one.ratio.method,
        "seeds_needed": one.seeds_needed,
    }


def _arm(arm: Arm) -> dict[str, Any]:
    return {
        "reached": arm.hits,
        "success_interval": list(arm.success),
        "expected_updates": _plain(arm.ert),
        "expected_updates_interval": [_plain(limit) for limit in arm.ert_interval],
        "restricted_mean_updates": _plain(arm.restricted_mean),
        "parameters": arm.convergence.parameters,
    }


def _widths(one: WidthComparison) -> dict[str, Any]:
    return {
        "task": one.setting.task_name,
        "engine": one.setting.engine,
        "cell": one.setting.cell,
        "layers": one.setting.layers,
        "window": one.setting.window,
        "batch_size": one.setting.batch_size,
        "verdict": str(one.verdict),
        "stateful": _width_arm(one.stateful),
        "stateless": _width_arm(one.stateless),
    }


def _width_arm(arm: WidthArm) -> dict[str, Any]:
    return {
        "above": arm.interval.above,
        "up_to": arm.interval.up_to,
        "grid": arm.interval.grid,
        "parameters": arm.parameters,
        "counted_bytes": arm.counted_bytes,
        "reached_of": {str(width): list(counts) for width, counts in arm.counts.items()},
    }


def costs_summary(found: Costs) -> dict[str, Any]:
    """Ratios, paybacks, exponents, times to target, shares of ceilings, and how steady it all was."""
    return {
        "a_a": {
            name: {"pairs": len(ratios), "off": _plain(off(ratios)), "off_90th": _plain(off(ratios, 0.9))}
            for name, ratios in (
                ("interleaved", found.a_a.turns),
                ("passes", found.a_a.passes),
                ("blocks", found.a_a.blocks),
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
            for one in found.contrasts.found[:MOST]
        ],
        "paybacks": [
            {
                "what": one.contrast.what,
                "case": one.contrast.a.records[0].case.id,
                "updates": _plain(one.updates),
                "interval": [_plain(one.low), _plain(one.high)],
            }
            for one in found.paybacks[:MOST]
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
            for one in found.growths[:MOST]
        ],
        "time_to_target": [
            {
                "case": one.timing.records[0].case.id,
                "reached": one.reached,
                "of": one.n,
                "seconds": _plain(one.seconds),
                "interval": [_plain(one.low), _plain(one.high)],
            }
            for one in found.to_target[:MOST]
        ],
        "shares": [
            {"case": one.timing.records[0].case.id, **one.shares, "bottleneck": one.bottleneck}
            for one in found.points[:MOST]
        ],
        "memory": [
            {
                "case": one.setting.label,
                "kernel": one.setting.kernel,
                "regime": one.regime,
                **one.peak,
            }
            for one in found.memories[:MOST]
        ],
    }


def _ratio(one: Ratio) -> dict[str, Any] | None:
    if one.method == "none":
        return None
    return {"ratio": _plain(one.value), "interval": [_plain(one.low), _plain(one.high)], "processes": one.n}


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _recommendations(every: list[Recommendation]) -> list[dict[str, Any]]:
    """`choice` is null where no arm is reliable, or none learnt more than a simple prediction knows."""
    return [
        {
            "task": one.task,
            "engine": one.engine,
            "arms": one.tried,
            "reliable": len(one.reliable),
            "nothing_learnt": one.nothing_learnt,
            "choice": one.best.arm.record.case.id if one.given else None,
            "answer": one.answer if one.given else None,
            "inconclusive": {each.name: [each.value, *each.open] for each in one.choices if each.open}
            if one.given
            else {},
        }
        for one in every
    ]
