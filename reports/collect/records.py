"""The records of a run as typed values; docs/records.md says what each field means."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np

from bench.case.cases import Case
from bench.case.regimes import REGIMES
from reports.statistics.intervals import BoolArray, FloatArray


def _floats(values: Any) -> FloatArray:
    # JSON writers turn a diverged error into null, NaN or Infinity.
    return np.array([np.nan if value is None else value for value in values or ()], dtype=float)


@dataclass(frozen=True)
class Replicate:
    """One training. `updates`, `error` and `loss` have shape (evaluations,)."""

    seed: int
    role: str
    learning_rate: float
    updates: FloatArray
    error: FloatArray
    reached: bool
    spent: float
    diverged: bool

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read one replicate.

        Raises
        ------
        KeyError, TypeError, ValueError
            If a field is missing or is of another type.
        """
        reached = bool(values["reached"])
        updates, error = _floats(values["updates"]), _floats(values["error"])
        if updates.shape != error.shape:
            raise ValueError(f"{updates.size} updates but {error.size} errors (seed {values['seed']})")
        spent = values["updates_to_target"] if reached else values["censored_at"]
        if spent is None:
            raise ValueError(f"seed {values['seed']} has neither updates_to_target nor censored_at")
        return cls(
            seed=int(values["seed"]),
            role=values["role"],
            learning_rate=float(values["learning_rate"]),
            updates=updates,
            error=error,
            reached=reached,
            spent=float(spent),
            diverged=bool(values.get("diverged", False)),
        )

    @property
    def lowest_error(self) -> float | None:
        """Lowest finite error of the curve; None where there is none."""
        finite = self.error[np.isfinite(self.error)]
        return float(finite.min()) if finite.size else None


def costs_of(replicates: Iterable[Replicate]) -> tuple[FloatArray, BoolArray]:
    """(cost, reached), shape (n,) each: updates to the declared target, or all that were spent."""
    pairs = [(one.spent, one.reached) for one in replicates]
    return np.array([spent for spent, _ in pairs], dtype=float), np.array([hit for _, hit in pairs], dtype=bool)


@dataclass(frozen=True)
class Convergence:
    """What a `convergence` record holds."""

    parameters: int
    predicts: str
    target: float
    replicates: tuple[Replicate, ...]
    cell_steps_per_update: float
    seconds_per_update: FloatArray
    evaluate_every: float
    fields: dict[str, Any] = field(repr=False)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read the body; fields of no interest here stay in `fields`."""
        return cls(
            parameters=int(values["parameters"]),
            predicts=values["predicts"],
            target=float(values["target"]),
            replicates=tuple(Replicate.from_dict(one) for one in values["replicates"]),
            cell_steps_per_update=float(values["cell_steps_per_update"]),
            seconds_per_update=_floats(values.get("seconds_per_update")),
            evaluate_every=float(values["evaluate_every"]),
            fields={name: value for name, value in values.items() if name != "replicates"},
        )

    @cached_property
    def evaluation(self) -> tuple[Replicate, ...]:
        """The replicates that decide, in order of seed."""
        return tuple(sorted((r for r in self.replicates if r.role == "evaluation"), key=lambda r: r.seed))

    @property
    def last_errors(self) -> FloatArray:
        """Error at the last evaluation of every evaluation replicate that has any, shape (n,)."""
        return np.array([one.error[-1] for one in self.evaluation if one.error.size], dtype=float)

    def level(self, name: str) -> float | None:
        """One of trivial, optimum, stateless_floor; None where the task does not state it."""
        value = self.fields.get(name)
        return None if value is None else float(value)

    @property
    def median_seconds_per_update(self) -> float | None:
        """Steady-state seconds of one update of one replicate."""
        return float(np.median(self.seconds_per_update)) if self.seconds_per_update.size else None


@dataclass(frozen=True)
class Record:
    """One line of records.jsonl; `body` is the part named after its kind, {} where the case failed."""

    key: str
    case: Case
    outcome: str
    message: str | None
    warnings: tuple[str, ...]
    training: dict[str, Any]
    seconds: dict[str, float]
    body: dict[str, Any] = field(repr=False)
    convergence: Convergence | None = field(default=None, repr=False)
    configuration: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read one line, parsed.

        Raises
        ------
        KeyError, TypeError, ValueError
            If a field is missing or is of another type.
        """
        case = Case.from_dict(values["case"])
        if case.regime not in REGIMES:
            raise ValueError(f"unknown regime {case.regime!r}; valid: {', '.join(REGIMES)}")
        done = values["outcome"] == "ok"
        body = values[case.kind] if done else {}
        return cls(
            key=values["key"],
            case=case,
            outcome=values["outcome"],
            message=values.get("message"),
            warnings=tuple(values.get("warnings") or ()),
            training=values.get("training") or {},
            seconds={name: float(value or 0) for name, value in (values.get("seconds") or {}).items()},
            body=body,
            convergence=Convergence.from_dict(body) if done and case.kind == "convergence" else None,
            configuration=values.get("configuration") or {},
        )
