"""A user's own series as a preset: windows and batch sizes proposed from it, a grid that takes minutes."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tasks
from bench.errors import PlanError, shown
from bench.measure.batching import SequenceSchedule
from bench.plan import presets
from bench.plan.presets import Preset
from tasks.csv_series.request import SPLITS, USED_ROWS, Request
from tasks.csv_series.series import CsvSeries, Prepared
from tasks.task import TaskError

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
FOLDS = 6
ORIGINS = (3, 12)
"""Fewest and most origins: fewer say nothing of others, and more leave too little to train on."""
LEAST_ROLLED = 200
"""Training rows of an origin."""
LEAST_SEEDS = 5
"""Successes that show at 5 % that more than half of all trainings succeed, where none fails."""
MOST_DIGITS = 12
TARGETS = 160_000
"""Training targets that a replicate may process: the budget of the quick preset."""


@dataclass(frozen=True)
class Grid:
    """What to try; () for what is proposed.

    Attributes
    ----------
    seeds, epochs
        Evaluation seeds of each arm, and its budget; None for a budget by the length of the series.
    origins
        Places at which the series is cut into training and scored rows; 1 for the one split.
    """

    windows: tuple[int, ...] = ()
    batch_sizes: tuple[int, ...] = ()
    units: tuple[int, ...] = ()
    cells: tuple[str, ...] = ()
    seeds: int = 12
    epochs: int | None = None
    origins: int = 1


@dataclass(frozen=True)
class Proposal:
    """Values to try and why these."""

    to_try: tuple[int, ...]
    why: str


def propose_windows(train_rows: int, period: int | None, *, past: bool = True) -> Proposal:
    """Three windows: a season (or 48 steps), a quarter and a twelfth of it.

    Where its own past is not seen (`past`), a season says nothing of how long an input is felt.
    """
    period = period if past else None
    longest = max(2, min(period or WITHOUT_SEASON, LONGEST_WINDOW, train_rows // WINDOWS_IN_TRAINING))
    values = tuple(sorted({max(2, longest // 12), max(2, longest // 4), longest}))
    if longest == period:
        base = f"the season of {period} steps"
    elif longest == LONGEST_WINDOW:
        base = f"{longest} steps, as the season of {period} would take long"
    elif longest == WITHOUT_SEASON:
        why = "there is no season to go by" if past else "no season says how long an input is felt"
        base = f"{longest} steps, as {why}"
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
    from tasks.csv_series.prepare import prepare  # noqa: PLC0415 - it brings pandas, only needed where there is a file

    try:
        prepared = prepare(request)
    except TaskError as error:
        raise PlanError(str(error)) from error
    rows = _training_rows(CsvSeries(prepared), grid.origins)
    # A longer window than a series is filled up with rows that have no loss.
    longest = _usual_length(prepared) * WINDOWS_IN_TRAINING if prepared.series.starts else rows
    windows = (
        Proposal(grid.windows, "as asked")
        if grid.windows
        else propose_windows(longest, prepared.period, past=request.past)
    )
    if max(windows.to_try) > rows:
        raise PlanError(
            f"window {max(windows.to_try)} is longer than the {rows:,} training rows of {request.path.name}"
            f"{f' at each of {grid.origins} origins' if grid.origins > 1 else ''}."
        )
    batches = Proposal(grid.batch_sizes, "as asked") if grid.batch_sizes else propose_batch_sizes(rows, windows.to_try)
    why = {"windows": windows.why, "batch_sizes": batches.why}
    about = prepared.about | {"windows": list(windows.to_try), "batch_sizes": list(batches.to_try), "why": why}
    about |= {"notes": [*about["notes"], *_of_origins(prepared, grid.origins)]}
    series = CsvSeries(replace(prepared, about=about | {"notes": [*about["notes"], *_nothing_to_learn(prepared)]}))
    tasks.add(series)
    settings = _settings(series, grid, windows, batches, asked=bool(grid.batch_sizes))
    text = json.dumps(settings, sort_keys=True).encode()
    return presets.check(
        settings, request.path, hashlib.sha256(text).hexdigest(), engines=engines, device=device, series=series
    )


def _training_rows(series: CsvSeries, origins: int) -> int:
    """Training rows at each origin.

    Raises
    ------
    PlanError
        If the series cannot be cut at several origins, or is too short for so many.
    """
    if origins == 1:
        return series.series().train_rows
    if not series.can_be_rolled:
        raise PlanError(
            f"ORIGINS={origins} is for one series of numbers without missing values; leave ORIGINS out, or GROUP=, "
            "SPLIT=, FILL=mask and labels"
        )
    whole = series.prepared.series
    _, rows = series.at_origin(0, origins).rolled(len(whole.targets), whole.train_rows, whole.warm_up)
    if rows < LEAST_ROLLED:
        raise PlanError(
            f"ORIGINS={origins} leaves {rows:,} rows to train at each of them; at least {LEAST_ROLLED} are needed. "
            "Give fewer origins, or a longer series"
        )
    return rows


def _of_origins(prepared: Prepared, origins: int) -> list[str]:
    if origins == 1:
        return []
    part = CsvSeries(prepared).at_origin(0, origins).series()
    told = (
        f"Cut at {origins} origins, of {part.train_rows:,} training rows and {len(part.scored):,} scored ones each, "
        "one stretch after another to the end of the series: verdicts are about any stretch of it."
    )
    return [told]


def _usual_length(prepared: Prepared) -> int:
    """Median number of training rows of a series."""
    series = prepared.series
    firsts = [one for one in series.starts if one <= series.train_rows]
    return int(np.median(np.diff(firsts)))


def lines(series: CsvSeries) -> list[str]:
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
            f"{len(split.scored):,} are held out to score; {season}"
        ),
        *about["notes"],
        *_of_several(series),
        f"windows {_listed(about['windows'])}: {why['windows']} (WINDOWS=... for others)",
        f"batch sizes {_listed(about['batch_sizes'])}: {why['batch_sizes']} (BATCHES=... for others)",
        "errors on all scored rows: "
        + ", ".join(f"{name} {error:.3g}" for name, error in series.baselines().items())
        + f"; target about {series.target(1):.3g}",
    ]


def _of_several(series: CsvSeries) -> list[str]:
    """How several series are used, and what batches have no room for."""
    about, split = series.prepared.about, series.series()
    if not split.starts:
        return []
    starts = tuple(one for one in split.starts if one < split.train_rows)
    lost = [
        SequenceSchedule("stateful", split.train_rows, window, batch, starts=starts).lost
        for window in about["windows"]
        for batch in about["batch_sizes"]
    ]
    held, how = len(split.starts) - len(starts), about.get("split", "time")
    if how in SPLITS:
        members = f"{len(about['members'])} series of {about['group']!r} train one network"
        told = f"{members}; held out is {'the last third of each' if how == 'time' else f'{held} whole ones'}"
    else:
        told = " and ".join(
            f"{n:,} {'stretch of rows' if n == 1 else 'stretches of rows'} {verb if n == 1 else verbs}"
            for n, verb, verbs in ((len(starts), "trains", "train"), (held, "is held out", "are held out"))
        )
    told += ". No window and no state passes from one to another."
    few, many = f"{min(lost):.0%}", f"{max(lost):.0%}"
    share = few if few == many else f"{few} to {many}"
    return [
        told + (f" Streams of whole ones leave out {share} of the windows, others in each epoch" if max(lost) else "")
    ]


def _nothing_to_learn(prepared: Prepared) -> list[str]:
    task = CsvSeries(prepared)
    note = (
        f"A linear {task.line} over {prepared.lags} steps is no better on the scored rows than "
        f"{task.trivial_prediction}. There may be nothing to learn here; the target is that trivial error, and an arm "
        "that reaches it has shown little."
    )
    return [note] if task.target(1) >= task.trivial else []


def _settings(series: CsvSeries, grid: Grid, windows: Proposal, batches: Proposal, *, asked: bool) -> dict[str, Any]:
    """The grid, in the words of a preset file: all combinations, so that no value is only tried in bad company."""
    rows = _training_rows(series, grid.origins)
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
            **({"folds": FOLDS} if grid.origins == 1 else {"folds": _folds(grid.origins), "draws": grid.origins}),
            "evaluation_seeds": grid.seeds,
            "epochs": grid.epochs or min(200, max(20, round(TARGETS / rows))),
            "scored_targets": min(1024, max(128, 16 * len(series.prepared.about.get("members", ())))),
            "stop": "target",
        },
        "limits": {"seconds": 600, "memory_mib": 4096},
        "convergence": grids,
        # What carrying costs per update here: beside its stateless twin, at the middle window, in two processes each.
        "time": [
            common
            | {
                "regime": pair,
                "window": sorted(windows.to_try)[len(windows.to_try) // 2],
                "batch_size": batches.to_try[0],
                "units": max(units),
                "kernel": "loop",
                "repetitions": 2,
            }
        ],
    }


def _folds(origins: int) -> int:
    """As many folds as origins, so that each has as many; twice as many of a few, since each has its own tuning."""
    return origins if origins >= FOLDS - 1 else 2 * origins


def _updates(train_rows: int, window: int, batch: int) -> int:
    return (train_rows - window + 1) // (window * batch)


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))


OPTIONS = {
    "column": "column to predict, or several as a,b",
    "time": "column of times, or columns that make one together, as date,hour; none to take the rows as even steps",
    "dayfirst": "yes or no: whether 01/02 is the first of February, where a file leaves it open",
    "missing": "what stands for no value, as -999,-9999; none if no number does (asked for where one looks like it)",
    "group": "column that tells several series of the file apart; all of them train one network",
    "series": "which of them, as a,b (all)",
    "split": "time: of each series the last third is held out; series: a third of the series; or a column of the file "
    "whose values, as train and test, say it of each row (time)",
    "scale": "series: each scaled by its own training values; shared: all alike (series; shared with SPLIT=series)",
    "inputs": "columns seen beside the column's own past, as a,b",
    "known": "columns known beforehand, seen at the time of the value to predict",
    "past": "no: predict from INPUTS alone, without the column's own past (yes)",
    "ahead": "how many steps ahead to predict (1; with PAST=no 0: the value of the same row)",
    "period": "steps of the season; 0 for none (found in the training values)",
    "windows": "windows to try, as 4,12,48 (proposed from season and length)",
    "batches": "batch sizes to try (proposed from the length)",
    "units": "widths to try (4,16)",
    "cells": "cells to try: lstm, gru, simple_rnn (lstm,gru)",
    "seeds": "evaluation seeds of each arm, at least 5 (12)",
    "epochs": "budget of each training (by the length, 20 to 200)",
    "origins": "cut the series at so many places, 3 to 12, so that verdicts are about any stretch of it (one split)",
    "fill": "where a value is missing: last repeats the last one; mask shows it with a flag, predicts nothing (refuse)",
    "labels": "yes or no: whether COLUMN holds labels, to be classified (text of few words does)",
    "rows": f"how many of the most recent values to use ({USED_ROWS})",
    "decimal": "what , or . means where the column leaves it open: , or . is the decimal mark",
}


def add_options(group: pytest.OptionGroup) -> None:
    """Add the options."""
    group.addoption("--csv", default=None, help="CSV, Parquet, JSON or Excel file (docs/your-series.md)")
    for name, text in OPTIONS.items():
        group.addoption(f"--{name}", default=None, help=text)


def read_options(config: pytest.Config) -> tuple[Request, Grid] | None:
    """Read what was asked for; None without ``--csv``.

    Raises
    ------
    PlanError
        If a value is not valid, or an option makes no sense without or beside another.
    """
    given: dict[str, Any] = {name: config.getoption(f"--{name}") for name in OPTIONS}
    # An option of make that is left empty is left out.
    given = {name: value.strip() for name, value in given.items() if value and value.strip()}
    path = config.getoption("--csv")
    if not path:
        if given:
            raise PlanError(f"{', '.join(name.upper() for name in given)} needs CSV=..., the file of your own series")
        return None
    if config.getoption("--preset"):
        raise PlanError("give either PRESET=... or CSV=...: a file brings a preset of its own")
    request = Request(
        path=Path(path).expanduser(),
        column=given.get("column"),
        time=given.get("time"),
        dayfirst=_yes_or_no("dayfirst", given["dayfirst"]) if "dayfirst" in given else None,
        no_value=_no_value(given.get("missing")),
        group=given.get("group"),
        member=given.get("series"),
        split=given.get("split", "time"),
        scale=given.get("scale"),
        inputs=tuple(_split(given.get("inputs", ""))),
        known=tuple(_split(given.get("known", ""))),
        past=_yes_or_no("past", given.get("past", "yes")),
        ahead=_number("ahead", given["ahead"], 0) if "ahead" in given else None,
        period=_number("period", given["period"], 0) if "period" in given else None,
        fill=given.get("fill"),
        labels=_yes_or_no("labels", given["labels"]) if "labels" in given else None,
        rows=_number("rows", given["rows"], 1) if "rows" in given else None,
        decimal=given.get("decimal"),
    )
    windows, batches, units = (_numbers(name, given.get(name, "")) for name in ("windows", "batches", "units"))
    return request, Grid(
        windows,
        batches,
        units,
        tuple(_split(given.get("cells", ""))),
        seeds=_seeds(given.get("seeds", "12")),
        epochs=_number("epochs", given["epochs"], 1) if "epochs" in given else None,
        origins=_origins(given["origins"]) if "origins" in given else 1,
    )


def _seeds(text: str) -> int:
    seeds = _number("seeds", text, 1)
    if seeds < LEAST_SEEDS:
        raise PlanError(
            f"SEEDS={seeds} could never recommend anything: to be shown to reach the target in more than half of all "
            f"trainings (5 %) an arm needs {LEAST_SEEDS} of {LEAST_SEEDS}; give at least {LEAST_SEEDS}, better 12"
        )
    return seeds


def _origins(text: str) -> int:
    origins = _number("origins", text, 1)
    if origins > 1 and not ORIGINS[0] <= origins <= ORIGINS[1]:
        raise PlanError(f"ORIGINS={origins} is not valid: give {ORIGINS[0]} to {ORIGINS[1]}, or 1 for one split")
    return origins


def _yes_or_no(name: str, text: str) -> bool:
    if text.lower() not in {"yes", "no"}:
        raise PlanError(f"{name.upper()}={text} is not valid: give {name.upper()}=yes or {name.upper()}=no")
    return text.lower() == "yes"


def _no_value(text: str | None) -> tuple[str, ...] | None:
    if text is None or text.lower() == "none":
        return None if text is None else ()
    return tuple(_split(text))


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _numbers(name: str, text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(_number(name, part, 1) for part in _split(text)))


def _number(name: str, text: str, least: int) -> int:
    if not (text.isdecimal() and text.isascii()) or len(text) > MOST_DIGITS or int(text) < least:
        raise PlanError(f"{name.upper()}={shown(text)[1:-1]} is not valid: give whole numbers of at least {least}")
    return int(text)
