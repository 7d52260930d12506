"""What the difference is due to: the control arms, and predicting otherwise than trained."""

from dataclasses import dataclass

import numpy as np

from bench.regimes import REGIMES
from reports.compare import Comparison, compare
from reports.read import Run
from reports.settings import Setting, arms_by_setting, body
from reports.statistics.intervals import Ratio, geometric_ratio

CONTROLS = tuple(name for name in REGIMES if name not in {"stateless", "stateful"})


@dataclass(frozen=True)
class Control:
    """A control arm beside the two that are compared; None where that arm is missing."""

    setting: Setting
    regime: str
    over_stateless: Comparison | None
    stateful_over_it: Comparison | None


@dataclass(frozen=True)
class Otherwise:
    """A trained network predicting in another way than the one that decided; ratio: there / as decided."""

    setting: Setting
    regime: str
    predicts: str
    way: str
    error: float
    decided_error: float
    ratio: Ratio


def controls(run: Run) -> list[Control]:
    """Every control arm of the run, against both arms of its setting."""
    return [
        Control(
            setting,
            regime,
            compare(setting, arms[regime], arms["stateless"]) if "stateless" in arms else None,
            compare(setting, arms["stateful"], arms[regime]) if "stateful" in arms else None,
        )
        for setting, arms in arms_by_setting(run).items()
        for regime in CONTROLS
        if regime in arms
    ]


def predicted_otherwise(run: Run) -> list[Otherwise]:
    """Errors after training by each other way of predicting, of the two arms that are compared."""
    found = []
    for setting, arms in arms_by_setting(run).items():
        for regime in ("stateless", "stateful"):
            if regime not in arms:
                continue
            convergence = body(arms[regime])
            ways = {
                way: np.array([np.nan if v is None else v for v in values], dtype=float)
                for way, values in (convergence.fields.get("evaluated_otherwise") or {}).items()
                if values
            }
            decided = ways.pop(convergence.predicts, None)
            if decided is None:
                last = [one.error[-1] for one in convergence.evaluation if one.error.size]
                decided = np.array(last, dtype=float)
            for way, errors in ways.items():
                if errors.shape != decided.shape or not np.isfinite(errors).any():
                    continue
                found.append(
                    Otherwise(
                        setting,
                        regime,
                        convergence.predicts,
                        way,
                        float(np.nanmedian(errors)),
                        float(np.nanmedian(decided)) if np.isfinite(decided).any() else float("nan"),
                        geometric_ratio(errors, decided),
                    )
                )
    return found
