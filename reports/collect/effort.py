"""What the run itself spent: trainings, wall time, and how much of it went into training or measuring."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reports.collect.read import Run
from reports.collect.records import Record

STAGES = ("start", "prepare", "compile")


@dataclass(frozen=True)
class Effort:
    """Attributes are None where run.json or the records do not tell.

    Attributes
    ----------
    trainings
        Replicates of all convergence records, tuning included.
    wall_seconds
        Sum over the invocations that say when they ended.
    process_seconds
        Sum of the records' `seconds`; processes that ran side by side count each.
    by_stage
        What of it was neither training nor measuring.
    measuring_seconds
        What of it was training or measuring: `train` and `evaluate`, and of time and memory cases `compile` as well,
        since what compiling costs is part of what they measure.
    """

    trainings: int
    cases: int
    wall_seconds: float | None
    process_seconds: float
    by_stage: dict[str, float]
    measuring_seconds: float
    commands: tuple[str, ...]

    @property
    def trainings_per_second(self) -> float | None:
        """Of wall time."""
        return self.trainings / self.wall_seconds if self.wall_seconds else None

    @property
    def measuring_share(self) -> float | None:
        """Share of the processes' time that was training (with the evaluation inside) or measuring."""
        return self.measuring_seconds / self.process_seconds if self.process_seconds else None

    @property
    def line(self) -> str:
        """One line for the terminal."""
        parts = [f"{self.cases} cases, {self.trainings} trainings"]
        if self.wall_seconds and self.trainings_per_second is not None:
            parts.append(f"{self.wall_seconds:.0f} s of wall time, {self.trainings_per_second:.1f} trainings a second")
        if self.measuring_share is not None:
            parts.append(f"{self.measuring_share:.0%} of the processes' time was training or measuring")
        return "; ".join(parts)


def effort(run: Run) -> Effort:
    """Sum what the records and the invocations say."""
    invocations: list[dict[str, Any]] = run.about.get("invocations") or []
    walls = [wall for wall in map(_wall, invocations) if wall is not None]
    commands = [_text(one.get("command")) for one in invocations]
    return Effort(
        trainings=sum(len(r.convergence.replicates) for r in run.records if r.convergence is not None),
        cases=len(run.records),
        wall_seconds=sum(walls) if walls else None,
        process_seconds=sum(r.seconds.get("total", 0.0) for r in run.records),
        by_stage={
            stage: sum(r.seconds.get(stage, 0.0) for r in run.records if stage not in _measures(r)) for stage in STAGES
        },
        measuring_seconds=sum(map(_measuring, run.records)),
        commands=tuple(dict.fromkeys(filter(None, commands))),
    )


def _measures(record: Record) -> tuple[str, ...]:
    """Stages of a record that are training or measuring."""
    return ("train", "evaluate") if record.case.kind == "convergence" else ("train", "evaluate", "compile")


def _measuring(record: Record) -> float:
    return sum(record.seconds.get(stage, 0.0) for stage in _measures(record))


def _wall(invocation: dict[str, Any]) -> float | None:
    if invocation.get("wall_seconds") is not None:
        return float(invocation["wall_seconds"])
    try:
        start, end = (datetime.fromisoformat(invocation[name]) for name in ("started", "finished"))
    except (KeyError, TypeError, ValueError):
        return None
    return (end - start).total_seconds()


def _text(command: Any) -> str:
    return " ".join(map(str, command)) if isinstance(command, list) else str(command or "")
