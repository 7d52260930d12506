"""Smaller network: the narrowest width at which each arm reaches the target."""

from collections import defaultdict
from dataclasses import dataclass, replace

from reports.collect.grouping import Setting, arms_by_setting, body
from reports.collect.read import Run
from reports.collect.records import Record
from reports.costs.roofline import count
from reports.statistics.verdict import Verdict, WidthInterval, compare_widths, width_interval


@dataclass(frozen=True)
class WidthArm:
    """One regime over the widths: (hits, replicates) by width, the interval, the cost at its upper end.

    `memory_bytes` is the allocator's peak where it was measured, `counted_bytes` what must exist at once.
    """

    interval: WidthInterval
    counts: dict[int, tuple[int, int]]
    parameters: int | None
    memory_bytes: int | None
    counted_bytes: int | None
    seconds_per_update: float | None


@dataclass(frozen=True)
class WidthComparison:
    """Both arms over the widths that both have; `setting.units` is 0."""

    setting: Setting
    stateful: WidthArm
    stateless: WidthArm
    verdict: Verdict


def width_comparisons(run: Run) -> list[WidthComparison]:
    """Compare every group of settings that differ in units only, two of them or more with both arms."""
    groups: defaultdict[Setting, dict[int, dict[str, Record]]] = defaultdict(dict)
    for setting, arms in arms_by_setting(run).items():
        if {"stateful", "stateless"} <= arms.keys():
            groups[replace(setting, units=0)][setting.units] = arms
    found = []
    for setting, by_units in groups.items():
        if len(by_units) < 2:
            continue
        stateful, stateless = (
            _arm(run, setting, {units: arms[regime] for units, arms in by_units.items()})
            for regime in ("stateful", "stateless")
        )
        verdict = compare_widths(stateful.interval, stateless.interval)
        found.append(WidthComparison(setting, stateful, stateless, verdict))
    return found


def _arm(run: Run, setting: Setting, by_units: dict[int, Record]) -> WidthArm:
    counts = {
        units: (sum(one.reached for one in body(record).evaluation), len(body(record).evaluation))
        for units, record in sorted(by_units.items())
    }
    interval = width_interval(list(counts), [hits for hits, _ in counts.values()], [n for _, n in counts.values()])
    at = by_units.get(interval.up_to or -1)
    counted = count(at) if at else None
    return WidthArm(
        interval=interval,
        counts=counts,
        parameters=body(at).parameters if at else None,
        memory_bytes=_memory(run, setting, at) if at else None,
        counted_bytes=counted.total if counted else None,
        seconds_per_update=body(at).median_seconds_per_update if at else None,
    )


def _memory(run: Run, setting: Setting, record: Record) -> int | None:
    """Allocator's peak at that width: of the same kernel, else of the first kernel measured."""
    wanted = replace(setting, units=record.case.units)
    same = [
        one
        for one in run.of_kind("memory")
        if one.case.regime == record.case.regime and replace(Setting.of(one.case), kernel=wanted.kernel) == wanted
    ]
    same.sort(key=lambda one: one.case.kernel != wanted.kernel)
    peak = same[0].body.get("allocator_peak_bytes") if same else None
    return None if peak is None else int(peak)
