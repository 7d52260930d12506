"""A user's own series as a preset: windows and batch sizes proposed from it, a grid that takes minutes."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import tasks
from bench.errors import PlanError
from bench.plan import presets
from bench.plan.presets import Preset
from tasks.errors import TaskError
from tasks.own.request import Request
from tasks.own.series import OwnSeries, Prepared

DEFAULT_CELLS = ("lstm", "gru")
DEFAULT_UNITS = (4, 16)
LONGEST_WINDOW = 96
"""A longer window is no slower to try for a user who asks for it, but the usual run should end in minutes."""
WITHOUT_SEASON = 48
WINDOWS_IN_TRAINING = 16
"""Least number of windows that the training rows hold, or there would be hardly an update in an epoch."""
BATCH_SIZE = 8
LARGER = 4
"""A second batch size is this many times the first: the batch size turns the answer round."""
TARGETS = 160_000
"""Training targets that a replicate may process: the budget of the quick preset."""


@dataclass(frozen=True)
class Grid:
    """What to try; () for what is proposed.

    Attributes
    ----------
    seeds, epochs
        Evaluation seeds of each arm, and its budget; None for a budget by the length of the series.
    """

    windows: tuple[int, ...] = ()
    batch_sizes: tuple[int, ...] = ()
    units: tuple[int, ...] = ()
    cells: tuple[str, ...] = ()
    seeds: int = 12
    epochs: int | None = None


@dataclass(frozen=True)
class Proposal:
    """Values to try and why these."""

    to_try: tuple[int, ...]
    why: str


def propose_windows(train_rows: int, period: int | None) -> Proposal:
    """Three windows: a season (or 48 steps), a quarter and a twelfth of it."""
    longest = max(2, min(period or WITHOUT_SEASON, LONGEST_WINDOW, train_rows // WINDOWS_IN_TRAINING))
    values = tuple(sorted({max(2, longest // 12), max(2, longest // 4), longest}))
    if longest == period:
        base = f"the season of {period} steps"
    elif longest == LONGEST_WINDOW:
        base = f"{longest} steps, as the season of {period} would take long"
    elif longest == WITHOUT_SEASON:
        base = f"{longest} steps, as there is no season to go by"
    else:
        base = f"{longest} steps, of which the {train_rows} training rows hold {WINDOWS_IN_TRAINING}"
    return Proposal(values, f"{base}; a quarter and a twelfth of it")


def propose_batch_sizes(train_rows: int, windows: Sequence[int]) -> Proposal:
    """The quick preset's batch size, or what leaves two updates in an epoch; and four times as many where it fits."""
    batch = BATCH_SIZE
    while batch > 1 and train_rows // (batch * max(windows)) < 2:
        batch //= 2
    why = "the usual one" if batch == BATCH_SIZE else f"so that an epoch has two updates at a window of {max(windows)}"
    if _updates(train_rows, min(windows), LARGER * batch) < LARGER:
        return Proposal((batch,), why)
    return Proposal(
        (batch, LARGER * batch), f"{why}, and {LARGER} times as many where an epoch still has {LARGER} updates"
    )


def load(request: Request, grid: Grid, *, engines: tuple[str, ...] = ("tensorflow",), device: str = "cpu") -> Preset:
    """Read a user's file and make a preset of it.

    Raises
    ------
    PlanError
        Naming what is wrong with the file or with what was asked.
    """
    from tasks.own.prepare import prepare  # noqa: PLC0415 - it brings pandas, only needed where there is a file

    try:
        prepared = prepare(request)
    except TaskError as error:
        raise PlanError(str(error)) from error
    rows = prepared.series.train_rows
    windows = Proposal(grid.windows, "as asked") if grid.windows else propose_windows(rows, prepared.period)
    if max(windows.to_try) > rows:
        raise PlanError(
            f"window {max(windows.to_try)} is longer than the {rows:,} training rows of {request.path.name}."
        )
    batches = Proposal(grid.batch_sizes, "as asked") if grid.batch_sizes else propose_batch_sizes(rows, windows.to_try)
    why = {"windows": windows.why, "batch_sizes": batches.why}
    about = prepared.about | {"windows": list(windows.to_try), "batch_sizes": list(batches.to_try), "why": why}
    series = OwnSeries(replace(prepared, about=about | {"notes": [*about["notes"], *_nothing_to_learn(prepared)]}))
    tasks.add(series)
    settings = _settings(series, grid, windows, batches, asked=bool(grid.batch_sizes))
    text = json.dumps(settings, sort_keys=True).encode()
    return presets.check(
        settings, request.path, hashlib.sha256(text).hexdigest(), engines=engines, device=device, series=series
    )


def lines(series: OwnSeries) -> list[str]:
    """What a user should know before the run begins."""
    about, prepared = series.prepared.about, series.prepared
    split = prepared.series
    season = (
        f"season {prepared.period} steps"
        + (f" (autocorrelation {about['period_found']:.2f} in training)" if about["period_found"] else " (as given)")
        if prepared.period
        else "no season"
    )
    why = about["why"]
    return [
        (
            f"{series.title}: {about['values']:,} values (step: {about['step']}), lines {about['first_line']} to "
            f"{about['last_line']}; {split.train_rows:,} rows train, {split.warm_up} warm up, "
            f"{len(split.scored_rows):,} are held out to score; {season}"
        ),
        *about["notes"],
        f"windows {_listed(about['windows'])}: {why['windows']} (WINDOWS=... for others)",
        f"batch sizes {_listed(about['batch_sizes'])}: {why['batch_sizes']} (BATCHES=... for others)",
        "errors on all scored rows: "
        + ", ".join(f"{name} {error:.3g}" for name, error in series.baselines().items())
        + f"; target about {series.target(1):.3g}",
    ]


def _nothing_to_learn(prepared: Prepared) -> list[str]:
    task = OwnSeries(prepared)
    note = (
        f"A linear autoregression over {prepared.lags} steps is no better on the scored rows than the last value or "
        "the training mean. There may be nothing to learn from the past here; the target is that trivial error, and "
        "an arm that reaches it has shown little."
    )
    return [note] if task.target(1) >= task.trivial else []


def _settings(series: OwnSeries, grid: Grid, windows: Proposal, batches: Proposal, *, asked: bool) -> dict[str, Any]:
    """The grid, in the words of a preset file: all combinations, so that no value is only tried in bad company."""
    rows = series.series().train_rows
    units = grid.units or DEFAULT_UNITS
    common = {"task": series.name, "cell": list(grid.cells or DEFAULT_CELLS)}
    pair = ["stateless", "stateful"]
    grids: list[dict[str, Any]] = []
    for batch in batches.to_try:
        first = batch == batches.to_try[0]
        fitting = [w for w in windows.to_try if first or asked or _updates(rows, w, batch) >= LARGER]
        here = common | {"window": fitting, "batch_size": batch}
        # Whole curves of the comparisons that are to be decided; all others end at the target.
        main = {"family": True, "stop": "budget"} if first else {}
        grids.append(here | {"regime": pair, "units": max(units)} | main)
        if narrower := sorted(set(units) - {max(units)}):
            grids.append(here | {"regime": pair, "units": narrower})
        # The control that has a warm state without carrying one; its burn-in makes it twice as long.
        if warm := [w for w in fitting if _updates(rows, 2 * w, batch) >= 1]:
            grids.append(here | {"regime": "stateless-burnin", "window": warm, "units": list(units)})
    return {
        "name": series.name,
        "description": f"{series.title}: does carrying state pay?",
        "training": {
            "learning_rates": [0.003, 0.01, 0.03, 0.1],
            "tuning_seeds": 3,
            "evaluation_seeds": grid.seeds,
            "epochs": grid.epochs or min(200, max(20, round(TARGETS / rows))),
            "scored_targets": 128,
            "stop": "target",
        },
        "limits": {"seconds": 600, "memory_mib": 4096},
        "convergence": grids,
    }


def _updates(train_rows: int, window: int, batch: int) -> int:
    return (train_rows - window + 1) // (window * batch)


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))
