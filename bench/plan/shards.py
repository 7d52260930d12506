"""Shards: parts of a plan that different machines run, each case in the same one everywhere.

What a report compares by seconds or bytes stays together: the time and memory cases of a setting, all kernels, regimes
and repetitions of them. Every other case is for itself. The cases of a grid are dealt out in the order in which the
preset names them, each to the shard with the least to do so far, and every grid begins at a shard of its own. So a case
that is added at the end of a grid moves no other, and neither does a grid that is added anywhere.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Self

from bench.case.cases import Case
from bench.errors import PlanError, shown
from bench.measure import interleave
from bench.plan.estimates import estimated_seconds
from bench.plan.planning import Plan

MOST = 1000
"""Shards of a plan."""

MEASURED = ("time", "memory")
"""Kinds of cases whose seconds and bytes are compared, which machines differ in."""


@dataclass(frozen=True)
class Shard:
    """One of `of` shards; `number` counts from 1."""

    number: int
    of: int

    @classmethod
    def read(cls, text: str) -> Self:
        """Read "3/20".

        Raises
        ------
        PlanError
            If it is something else.
        """
        found = re.fullmatch(r"(\d{1,4})/(\d{1,4})", text, re.ASCII)
        number, of = map(int, found.groups()) if found else (0, 0)
        if not 1 <= number <= of <= MOST:
            raise PlanError(
                f"shard {shown(text)} must be which of how many, at most {MOST:,}, as in SHARD=3/20: 1/20 to 20/20"
            )
        return cls(number, of)

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def assigned(plan: Plan, of: int) -> list[int]:
    """The shard of each case, from 1, in the plan's order.

    Raises
    ------
    PlanError
        If a shard would have no case; names the largest number of shards with which none is empty.
    """
    seconds = {job.case.key: estimated_seconds(job) for job in plan.jobs}
    found = _dealt(plan, seconds, of)
    if len(set(found)) < of:
        most = next(fewer for fewer in range(of - 1, 0, -1) if len(set(_dealt(plan, seconds, fewer))) == fewer)
        raise PlanError(
            f"of {of} shards some would be empty: this plan has {len(plan.jobs)} cases, and those that are timed "
            f"against each other stay together. Use at most {most}, as in SHARD=1/{most}"
        )
    return found


def _dealt(plan: Plan, seconds: dict[str, float], of: int) -> list[int]:
    units: defaultdict[Hashable, list[int]] = defaultdict(list)
    grids: defaultdict[int, list[Hashable]] = defaultdict(list)
    for number in sorted(range(len(plan.jobs)), key=plan.grids.__getitem__):
        unit = _unit(plan.jobs[number].case)
        if unit not in units:
            grids[plan.grids[number]].append(unit)
        units[unit].append(number)
    shard_of = [0] * len(plan.jobs)
    for named in grids.values():
        first = int(hashlib.sha256(plan.jobs[units[named[0]][0]].case.key.encode()).hexdigest(), 16)
        load = [0.0] * of
        for unit in named:
            # The first of those with the least to do, counted from where this grid begins.
            shard = min(range(of), key=lambda one: (load[one], (one - first) % of))
            load[shard] += sum(seconds[plan.jobs[number].case.key] for number in units[unit])
            for number in units[unit]:
                shard_of[number] = shard + 1
    return shard_of


def _unit(case: Case) -> Hashable:
    """What cases have in common that are never parted."""
    return interleave.compared(case) if case.kind in MEASURED else interleave.point(case).replace(repetition=0)
