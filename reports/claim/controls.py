"""What the difference is due to: the control arms, and predicting otherwise than trained."""

from dataclasses import dataclass, field

import numpy as np

from reports.claim.arms import CONTROLS, Comparison
from reports.collect.engines import by_engine, engine_by_engine
from reports.collect.grouping import Setting, arms_by_setting, body
from reports.collect.read import Run
from reports.formatting import listing
from reports.statistics.intervals import Ratio, geometric_ratio
from reports.statistics.verdict import LESS, MORE


@dataclass(frozen=True)
class Control:
    """A control arm beside the two that are compared; None where that arm is missing."""

    setting: Setting
    regime: str
    over_stateless: Comparison | None
    stateful_over_it: Comparison | None


@dataclass(frozen=True)
class Share:
    """A control over all its settings: what it isolates, one sentence of what came out, and its rows."""

    regime: str
    title: str
    sentence: str
    rows: list[Control] = field(default_factory=list)


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


def controls(compared: list[Comparison]) -> list[Control]:
    """Every control arm that ran beside one of the two arms of its setting."""
    by_regimes = {(one.setting, *one.regimes): one for one in compared}
    settings = dict.fromkeys(one.setting for one in compared)
    beside = [
        Control(
            setting,
            regime,
            by_regimes.get((setting, regime, "stateless")),
            by_regimes.get((setting, "stateful", regime)),
        )
        for setting in settings
        for regime in CONTROLS
    ]
    return [one for one in beside if one.over_stateless or one.stateful_over_it]


_ISOLATES = {
    "stateless-ordered": ("Order alone", "keeping the order without carrying"),
    "stateless-burnin": ("A warm state, not carried", "warming the state by a burn-in"),
    "stateless-sliding": ("Sliding windows", "training on sliding windows"),
}


def shares(found: list[Control]) -> list[Share]:
    """Group the controls by regime and engine, each with its sentence."""
    groups = by_engine(found, lambda one: one.setting)
    return [
        Share(regime, f"{title} ({engine})" if len(groups) > 1 else title, _sentence(what, rows), rows)
        for regime in CONTROLS
        for engine, group in groups.items()
        if (rows := [one for one in group if one.regime == regime])
        for title, what in [_ISOLATES.get(regime, (regime, regime))]
    ]


def _sentence(what: str, rows: list[Control]) -> str:
    itself = [one.over_stateless.updates.verdict for one in rows if one.over_stateless]
    beyond = [one.stateful_over_it.updates.verdict for one in rows if one.stateful_over_it]
    parts = []
    if itself:
        less, more = sum(v in LESS for v in itself), sum(v in MORE for v in itself)
        parts.append(f"Against stateless, {what} took fewer updates in {less} and more in {more} of {len(itself)}")
    if beyond:
        less, more = sum(v in LESS for v in beyond), sum(v in MORE for v in beyond)
        parts.append(f"carrying the state took fewer than this control in {less} and more in {more} of {len(beyond)}")
    return f"{'; '.join(parts)}." if parts else "It ran beside neither arm."


def gains_by_carrying(found: list[Otherwise]) -> str:
    """Say what stateless-trained networks gain by merely predicting with carried state; "" where not evaluated."""
    return engine_by_engine(found, lambda one: one.setting, _gains_by_carrying)


def _gains_by_carrying(found: list[Otherwise]) -> str:
    here = [one.ratio for one in found if (one.regime, one.way) == ("stateless", "carried")]
    if not here:
        return ""
    better, worse = sum(r.high < 1 for r in here), sum(r.low > 1 for r in here)
    ways = [f"lowered the error in {better}", f"raised it in {worse}", f"did neither in {len(here) - better - worse}"]
    return f"Predicting with carried state from a network that was trained stateless {listing(ways)} of {len(here)}."


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
