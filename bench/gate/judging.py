"""Both passes of a gate, and what it concludes from them."""

import math
import os
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from bench.case.cases import Job
from bench.gate import deciding, rounds
from bench.gate.deciding import Change, Floats, Verdict
from bench.gate.rounds import ORDERS, Process, RoundError
from bench.gate.sides import Side
from bench.machine import host
from bench.measure.elsewhere import CONTROL
from bench.plan.planning import Plan
from bench.run.configured import Order

MEMORY_SHARE, MEMORY_BYTES = 0.02, 4 * 2**20
"""A memory peak counts as changed beyond the larger of the two."""


class Exit(IntEnum):
    """Exit codes; docs/gate.md."""

    PASS = 0
    SLOWER = 1
    USAGE = 2
    NOTHING = 3
    FAILED = 4


@dataclass(frozen=True)
class Pass:
    """One pass over the timed cases.

    Attributes
    ----------
    logs
        log(head / base) of each pair, by key; the control case among them.
    base
        log(base / base) of each round.
    seconds
        That it took.
    other_load
        Share of all cores that other processes took meanwhile.
    """

    logs: dict[str, Floats]
    base: Floats
    seconds: float
    other_load: float

    @property
    def cases(self) -> dict[str, Floats]:
        """Without the control case."""
        return {key: values for key, values in self.logs.items() if key != CONTROL}

    @property
    def minutes_needed(self) -> float:
        """Minutes that would make every interval narrow enough, if the noise stays."""
        made = max((values.size for values in self.logs.values()), default=0)
        if not made:
            return float("nan")
        most = max(deciding.pairs_needed(values, len(self.cases)) for values in self.cases.values())
        return self.seconds / 60 * most / made

    def disturbances(self) -> list[str]:
        """What cannot have changed and has all the same."""
        named = {"the control case": self.logs.get(CONTROL, np.empty(0)), "base against base": self.base}
        found = {name: deciding.disturbed(values) for name, values in named.items()}
        return [
            f"{name} came out as {one.ratio:.3f} [{one.low:.3f}, {one.high:.3f}]" for name, one in found.items() if one
        ]


@dataclass(frozen=True)
class Row:
    """A timed case: what the first pass and the confirmation found."""

    key: str
    verdict: Verdict
    first: Change
    second: Change | None = None


@dataclass(frozen=True)
class Counted:
    """What is counted and not timed, on both sides: a memory peak in bytes, or updates to target by seed."""

    key: str
    base: Any
    head: Any
    changed: bool


@dataclass(frozen=True)
class Outcome:
    """All that a gate found.

    Attributes
    ----------
    problems
        Why there is no verdict: failed, contaminated, or nothing to compare.
    missing
        Cases that base cannot run, with its error.
    """

    rows: list[Row] = field(default_factory=list)
    memory: list[Counted] = field(default_factory=list)
    updates: list[Counted] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    passes: list[Pass] = field(default_factory=list)
    sides: list[Side] = field(default_factory=list)
    machine: dict[str, Any] = field(default_factory=dict)
    wrong: Exit = Exit.PASS

    @classmethod
    def refused(cls, why: str, code: Exit) -> "Outcome":
        """An outcome without a measurement."""
        return cls(problems=[why], wrong=code)

    def exit_code(self, *, strict: bool) -> Exit:
        """The process' exit code; an inconclusive gate passes unless it is strict."""
        if self.wrong:
            return self.wrong
        if any(row.verdict is Verdict.SLOWER for row in self.rows) or any(self.grown):
            return Exit.SLOWER
        if strict and any(row.verdict is Verdict.INCONCLUSIVE for row in self.rows):
            return Exit.FAILED
        return Exit.PASS

    @property
    def grown(self) -> list[Counted]:
        """Cases that take more memory."""
        return [one for one in self.memory if one.changed and one.head > one.base]

    @property
    def summary_line(self) -> str:
        """What it found, in a line."""
        if self.problems:
            return self.problems[0]
        counts = {verdict: sum(row.verdict is verdict for row in self.rows) for verdict in Verdict}
        parts = [f"{count} {verdict}" for verdict, count in counts.items() if count]
        parts += [f"{len(self.grown)} with more memory"] * bool(self.grown)
        parts += [f"{sum(one.changed for one in self.updates)} with other updates to target"] * any(
            one.changed for one in self.updates
        )
        return ", ".join(parts)


def judge(
    plan: Plan,
    base: Side,
    head: Side,
    seconds: float,
    out: Path,
    say: Callable[[str], None],
    extra: Mapping[str, float] | None = None,
) -> Outcome:
    """Measure and judge.

    Parameters
    ----------
    seconds
        For each of the two passes.
    extra
        Hashes that head computes beside each update, by key: for tests of the gate itself.
    """
    outcome = Outcome(sides=[base, head], machine=host.fingerprint([]))
    jobs = [job for job in plan.jobs if job.case.kind == "time"]
    counted = [job for job in plan.jobs if job.case.kind != "time"]
    if not plan.jobs:
        return replace(outcome, problems=["the preset names no case"], wrong=Exit.NOTHING)
    try:
        rows: list[Row] = []
        passes: list[Pass] = []
        missing: dict[str, str] = {}
        if jobs:
            measuring = Measuring(base, head, out / "logs", say, extra or {})
            jobs, missing = measuring.comparable(jobs)
            if jobs:
                rows, passes = _timed(measuring, jobs, seconds)
        memory, updates, lost = _counted(counted, base, head, out / "logs", say)
    except RoundError as error:
        return replace(outcome, problems=[str(error)], wrong=Exit.FAILED)
    outcome = replace(outcome, rows=rows, memory=memory, updates=updates, missing=missing | lost, passes=passes)
    if not (rows or memory or updates):
        return replace(outcome, problems=["no case runs on both sides"], wrong=Exit.NOTHING)
    disturbances = [text for one in passes for text in one.disturbances()]
    if disturbances:
        return replace(outcome, problems=[f"contaminated: {text}" for text in disturbances], wrong=Exit.FAILED)
    return outcome


class Busy:
    """What other programs do from now on."""

    def __init__(self) -> None:
        self._before = self._now()

    def other_load(self) -> float:
        """Share of all cores that others took since; what this process started counts as its own once it has ended."""
        passed, busy, own = (b - a for a, b in zip(self._before, self._now(), strict=True))
        return max(0.0, busy - own) / (passed * (os.cpu_count() or 1))

    @staticmethod
    def _now() -> tuple[float, float, float]:
        children, cpu = resource.getrusage(resource.RUSAGE_CHILDREN), psutil.cpu_times()
        return time.perf_counter(), cpu.user + cpu.nice + cpu.system, children.ru_utime + children.ru_stime


@dataclass
class Measuring:
    """Makes rounds of fresh processes of two sides."""

    base: Side
    head: Side
    logs: Path
    say: Callable[[str], None]
    extra: Mapping[str, float]

    def comparable(self, jobs: Sequence[Job]) -> tuple[list[Job], dict[str, str]]:
        """Cases that both sides can run, and those that base alone cannot, with its error.

        Raises
        ------
        RoundError
            If head cannot run a case.
        """
        found = self._round(("base", "head"), jobs)
        base, head = found
        if head.failures:
            raise RoundError("; ".join(f"{key} fails on head: {why}" for key, why in head.failures.items()))
        for key, kernel in head.kernels.items():
            if base.kernels.get(key, kernel) != kernel:
                self.say(f"note: {key} runs kernel {base.kernels[key]} on base and {kernel} on head")
        return [job for job in jobs if job.case.key not in base.failures], base.failures

    def sample(self, jobs: Sequence[Job], seconds: float, least: int = 0) -> Pass:
        """Make rounds until every case has enough pairs, and at least so many, or the time is over."""
        begin = time.perf_counter()
        keys = [job.case.key for job in jobs]
        logs: dict[str, list[float]] = {key: [] for key in (*keys, CONTROL)}
        base: list[float] = []
        busy = Busy()
        while True:
            found = self._round(ORDERS[len(base) % 2], jobs)
            for process in found:
                if process.failures:
                    raise RoundError(f"{process.side} failed: {process.failures}")
            for key, values in logs.items():
                values.extend(rounds.pairs(found, key))
            base.append(rounds.of_base(found, keys))
            arrays = {key: np.array(values) for key, values in logs.items()}
            spent = time.perf_counter() - begin
            made = 2 * len(base)
            cases = {key: arrays[key] for key in keys}
            widest = max(deciding.change(values, len(keys)).half_width for values in cases.values())
            so_far = f"widest interval ±{widest:.1%}" if math.isfinite(widest) else "too few for an interval"
            self.say(f"{made} pairs in {spent / 60:.1f} minutes, {so_far}")
            if (made >= least and deciding.enough(cases)) or spent * (1 + 1 / len(base)) > seconds:
                break
        return Pass(arrays, np.array(base), spent, busy.other_load())

    def _round(self, sides: Sequence[str], jobs: Sequence[Job]) -> list[Process]:
        orders = []
        for side in sides:
            chosen = self.head if side == "head" else self.base
            extra = self.extra if side == "head" else {}
            orders.append((side, Order(chosen.configuration, jobs, shares=True, control=True, extra=extra)))
        return rounds.measure(orders, self.logs)


def _timed(measuring: Measuring, jobs: Sequence[Job], seconds: float) -> tuple[list[Row], list[Pass]]:
    first = measuring.sample(jobs, seconds)
    found = deciding.verdicts(first.cases)
    claimed = [job for job in jobs if found[job.case.key][0] in (Verdict.SLOWER, Verdict.FASTER)]
    if not claimed:
        return [Row(key, *one) for key, one in found.items()], [first]
    measuring.say(f"{len(claimed)} claimed; the same again in fresh processes")
    pairs = next(iter(first.cases.values())).size
    second = measuring.sample(claimed, seconds, least=pairs)
    again = deciding.verdicts(second.cases)
    rows = []
    for key, (verdict, change) in found.items():
        if key in again and again[key][0] is not verdict:
            verdict = Verdict.NOT_CONFIRMED  # noqa: PLW2901 - what it comes to
        rows.append(Row(key, verdict, change, again[key][1] if key in again else None))
    return rows, [first, second]


def _counted(
    jobs: Sequence[Job], base: Side, head: Side, logs: Path, say: Callable[[str], None]
) -> tuple[list[Counted], list[Counted], dict[str, str]]:
    memory, updates = [], []
    missing: dict[str, str] = {}
    for job in jobs:
        say(job.case.key)
        theirs = _found(job, head, logs)
        try:
            ours = _found(job, base, logs)
        except RoundError as error:
            missing[job.case.key] = str(error)
            continue
        if job.case.kind == "memory":
            memory.append(_memory(job, ours, theirs, head, logs))
        else:
            a, b = (_updates(one) for one in (ours, theirs))
            updates.append(Counted(job.case.key, a, b, a != b))
    return memory, updates, missing


def _memory(job: Job, base: dict[str, Any], head: dict[str, Any], side: Side, logs: Path) -> Counted:
    a, b = (int(one["memory"]["allocator_peak_bytes"]) for one in (base, head))
    limit = max(MEMORY_SHARE * a, MEMORY_BYTES)
    if b > a + limit:
        # Once more in a fresh process: a claim must recur.
        b = min(b, int(_found(job, side, logs)["memory"]["allocator_peak_bytes"]))
    return Counted(job.case.key, a, b, abs(b - a) > limit)


def _updates(found: dict[str, Any]) -> list[Any]:
    return [
        [one["role"], one["seed"], one["learning_rate"], one["updates_to_target"]]
        for one in found["convergence"]["replicates"]
    ]


def _found(job: Job, side: Side, logs: Path) -> dict[str, Any]:
    configuration, threads = side.configuration, None
    if job.case.kind == "convergence":
        configuration, threads = replace(configuration, cores=1), 1
    return rounds.alone(side.name, Order(configuration, [job], threads=threads), logs)


def to_dict(outcome: Outcome, code: Exit) -> dict[str, Any]:
    """As gate.json holds it."""
    return {
        "schema": 1,
        "exit_code": int(code),
        "verdict": code.name.lower(),
        "summary": outcome.summary_line,
        "problems": outcome.problems,
        "margin": deciding.MARGIN,
        "sides": [side.to_dict() for side in outcome.sides],
        "cases": [
            {"key": r.key, "verdict": r.verdict, "first": asdict(r.first), "second": r.second and asdict(r.second)}
            for r in outcome.rows
        ],
        "memory": [asdict(one) for one in outcome.memory],
        "updates": [asdict(one) for one in outcome.updates],
        "missing_in_base": outcome.missing,
        "passes": [
            {
                "log_ratios": {key: list(values) for key, values in one.logs.items()},
                "base_log_ratios": list(one.base),
                "seconds": one.seconds,
                "other_load": one.other_load,
            }
            for one in outcome.passes
        ],
        "machine": outcome.machine,
    }
