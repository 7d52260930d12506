"""The head of a comparison: what differs between the machines and the software of its runs, and how steady each was."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from bench.machine import host
from reports import formatting
from reports.collect.read import Run
from reports.compare.joining import Named, of_one_way
from reports.costs.contrasts import off, self_comparison
from reports.costs.roofline import ceilings
from reports.costs.timings import timings, watched
from reports.formatting import NOTHING, THIN

SHORT = 8
"""Characters of a fingerprint that are shown."""

LEAST_ALIKE = 0.01
"""Sizes that differ by less are the same: what a kernel keeps of the memory for itself is no difference."""

NAMES = {
    "cpu": "CPU",
    "architecture": "architecture",
    "cores": "cores",
    "threads": "threads",
    "instruction_sets": "instruction sets",
    "accelerators": "GPUs",
    "governor": "governor",
    "turbo": "turbo",
    "hyperthreads": "hyperthreads",
    "virtual_machine": "virtual machine",
    "quota_cores": "container's cores",
    "quota_bytes": "container's memory",
    "system": "system",
    "affinity": "usable cores",
    "environment": "environment",
}


@dataclass(frozen=True)
class Field:
    """A line of the head: its name, and what each run has."""

    name: str
    values: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether the runs differ in it."""
        return len(set(self.values)) > 1


def every(runs: Sequence[Named]) -> list[Field]:
    """All lines: what differs, what each machine reached at best, and how steady it was."""
    return [*head(runs), *reached(runs), *steadiness(runs)]


def head(runs: Sequence[Named]) -> list[Field]:
    """Hashes, and every field that differs."""
    machines: list[dict[str, Any]] = [msgspec.to_builtins(one.run.machine) or {} for one in runs]
    fields = [
        Field("machine class", tuple(host.class_sha256(one)[:SHORT] if one else NOTHING for one in machines)),
        Field("exact machine", tuple(o.run.about.machine_sha256[:SHORT] if o.run.about else NOTHING for o in runs)),
    ]
    described = [
        *(Field(text, tuple(_text(one.get(name)) for one in machines)) for name, text in NAMES.items()),
        Field("memory", tuple(_sizes([one.get("memory_bytes") for one in machines]))),
        *(
            Field(f"{level} cache", tuple(_sizes([(one.get("caches") or {}).get(level) for one in machines])))
            for level in sorted({level for one in machines for level in one.get("caches") or {}})
        ),
        *_versions([one.run for one in runs]),
    ]
    return [*fields, *(one for one in described if one.differs)]


def _text(value: Any) -> str:
    if value is None or value in ([], {}):
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{key}={one}" for key, one in value.items())
    return str(value)


def _sizes(values: list[int | None]) -> list[str]:
    """As text; sizes that hardly differ as the first of them."""
    known = [value for value in values if value is not None]
    alike = known and len(known) == len(values) and max(known) / min(known) - 1 < LEAST_ALIKE
    return [formatting.size(known[0] if alike else value) for value in values]


def _versions(runs: list[Run]) -> list[Field]:
    every = [run.versions for run in runs]
    names = sorted({name for one in every for name in one})
    commits = [run.invocations[0].git if run.invocations else None for run in runs]
    return [
        *(Field(name, tuple(str(one.get(name, "none")) for one in every)) for name in names),
        Field(
            "commit of the suite",
            tuple(
                f"{one.commit[:SHORT]}{' with changes' if one.dirty else ''}" if one else "unknown" for one in commits
            ),
        ),
    ]


def reached(runs: Sequence[Named]) -> list[Field]:
    """What each machine reached at best in its own run."""
    limits = [ceilings(one.run) for one in runs]
    found = [{row.name: _rate(row.best, row.unit) for row in one.rows} if one else {} for one in limits]
    names = dict.fromkeys(name for one in found for name in one)
    return [Field(f"{name}, at best", tuple(one.get(name, NOTHING) for one in found)) for name in names]


def steadiness(runs: Sequence[Named]) -> list[Field]:
    """How far each run's figures are from themselves, and what else its machine did."""
    each = [timings(of_one_way(one.run)) for one in runs]
    itself = [self_comparison(one) for one in each]
    seen = [watched(one) for one in each]
    lines = [
        Field(f"A/A: two processes of a case, minutes apart{_OFF}", tuple(_off(one.passes) for one in itself)),
        Field(f"A/A: two processes of a case, interleaved{_OFF}", tuple(_off(one.turns) for one in itself)),
        Field(
            "other programs, share of the cores while timing; median, most",
            tuple(
                NOTHING
                if one is None or one.other_load is None
                else f"{formatting.percent(one.other_load[0])}, {formatting.percent(one.other_load[1])}"
                for one in seen
            ),
        ),
    ]
    return [one for one in lines if set(one.values) != {NOTHING}]


def apart(runs: Sequence[Named]) -> str:
    """How far two processes of a case are from each other in the median, over runs; "" where none ran twice."""
    found = [off(self_comparison(timings(of_one_way(one.run))).passes) for one in runs]
    known = [value for value in found if not math.isnan(value)]
    return formatting.low_to_high(known, lambda value: f"{100 * value:.1f}{THIN}%") if known else ""


def _rate(best: float, unit: str) -> str:
    return formatting.seconds(best) if unit == "s" else f"{formatting.number(best / 1e9)} G{unit}"


_OFF = "; median, 90th percentile"


def _off(ratios: tuple[float, ...]) -> str:
    if not ratios or math.isnan(off(ratios)):
        return NOTHING
    return ", ".join(f"{100 * off(ratios, at):.1f}{THIN}%" for at in (0.5, 0.9))
