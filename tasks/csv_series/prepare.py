"""From a user's file to a prepared series: what is predicted from what, split in time and scaled by training."""

import hashlib
import re
import unicodedata
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tasks.csv_series.period import find_period
from tasks.csv_series.reading import Values, read_values
from tasks.csv_series.request import LEAST_ROWS, Request
from tasks.csv_series.series import Prepared
from tasks.scaling import standardise
from tasks.task import CsvSeriesError, FloatArray, Series, SeriesError

TRAIN_SHARE = 2 / 3
WARM_UP_SHARE = 1 / 5
"""Share of the held-out rows that warm up a carried state and count for nobody."""


def prepare(request: Request) -> Prepared:
    """Read and prepare a series.

    Raises
    ------
    CsvSeriesError
        Naming what is wrong, where, and the remedy.
    """
    read = read_values(request)
    if len(read.values) < LEAST_ROWS:
        raise CsvSeriesError(
            f"{request.path.name} gives {len(read.values):,} values, too few to tell two ways of training apart: at "
            f"least {LEAST_ROWS} are needed, and 2,000 are better."
        )
    scaled, scale = _scaled(read)
    series = _series(read, scaled, request)
    notes = list(read.notes)
    period, found = _period(request, scaled[: series.train_rows + request.steps_ahead, 0], notes)
    _note_range(series, scaled, read.targets[0], notes)
    lags = max(1, min((period or 24) // 2, 48, series.train_rows // (8 * series.inputs.shape[1])))
    column = ", ".join(read.targets)
    about = {
        "file": request.path.name,
        "sha256": _sha256(request.path),
        "slug": _slug(column),
        "column": column,
        "inputs": [*request.known, *request.inputs],
        "time": ",".join(read.time) or None,
        "group": request.group,
        "member": read.member,
        "rows_in_file": read.rows_in_file,
        "values": len(read.values),
        "first": read.time_of(0),
        "last": read.time_of(-1),
        "first_line": int(read.lines[0]),
        "last_line": int(read.lines[-1]),
        "step": read.step,
        "period": period,
        "period_found": found,
        "scale": scale,
        "notes": notes,
        "windows": [],
        "targets": len(read.targets),
        "ahead": request.steps_ahead,
        "past": request.past,
        "path": str(request.path.absolute()),
        "options": _options(request),
    }
    return Prepared(series, period, lags, about)


def _options(request: Request) -> dict[str, Any]:
    """What was asked for, without what was left open, to ask for the same again."""
    asked = asdict(request)
    del asked["path"]
    usual = asdict(Request(request.path))
    return {name: value for name, value in asked.items() if value != usual[name]}


def train_values(read: Values) -> int:
    """How many of the first values are for training; only these make the scale."""
    return int(len(read.values) * TRAIN_SHARE)


def arrange(scaled: FloatArray, read: Values, request: Request) -> tuple[FloatArray, FloatArray]:
    """Put what is seen and what is to be predicted side by side.

    Parameters
    ----------
    scaled : array, shape (values, columns)
        The columns of the file in the order that `read` has them.

    Returns
    -------
    seen : array, shape (rows, features)
        What is seen at each row: the targets' own columns unless PAST=no, those known beforehand, those beside. The
        last rows may have no target yet.
    targets : array, shape (values - steps ahead, outputs)
        What is to be predicted from the rows up to each of these.
    """
    ahead = request.steps_ahead
    own, beforehand, beside = np.split(scaled, np.cumsum([len(read.targets), len(read.known)]), axis=1)
    # What is known beforehand stands in the row from which the value of its own time is predicted.
    rows = len(scaled) - ahead if read.known else len(scaled)
    seen = [own[:rows]] if request.past else []
    seen += [beforehand[ahead:]] if read.known else []
    return np.column_stack([*seen, beside[:rows]]), own[ahead:]


def _scaled(read: Values) -> tuple[FloatArray, dict[str, float]]:
    """Every column in standard deviations of its training values, and the scale of the first."""
    values, known = read.values, train_values(read)
    try:
        scaled = np.column_stack([standardise(column, known) for column in values.T])
    except SeriesError as error:
        names = (*read.targets, *read.known, *read.inputs)
        flat = int(np.argmin(np.ptp(values[:known], axis=0)))
        raise CsvSeriesError(
            f"{read.table.path.name}: {names[flat]!r} is {values[0, flat]:g} in all {known:,} training rows "
            f"(lines {read.lines[0]} to {read.lines[known - 1]}); there is nothing to learn from it. Give another "
            "column or a part in which it changes."
        ) from error
    return scaled, {"mean": float(values[:known, 0].mean()), "deviation": float(values[:known, 0].std())}


def _series(read: Values, scaled: FloatArray, request: Request) -> Series:
    """Inputs and targets: two thirds for training, the rest held out."""
    seen, targets = arrange(scaled, read, request)
    # Training rows are those whose target is a training value, so that training sees no held-out value.
    train_rows = train_values(read) - request.steps_ahead
    held_out = len(targets) - train_rows
    series = Series(seen[: len(targets)], targets, train_rows, int(held_out * WARM_UP_SHARE))
    scored = series.targets[series.scored_rows.start :]
    if np.ptp(scored[:, 0]) == 0:
        raise CsvSeriesError(
            f"{read.table.path.name}: {read.targets[0]!r} never changes in the {len(scored):,} values that are scored "
            f"(lines {read.lines[-len(scored)]} to {read.lines[-1]}), so that repeating the last value is exact. Give "
            "a part in which it does."
        )
    return series


def _period(request: Request, training: FloatArray, notes: list[str]) -> tuple[int | None, float | None]:
    if request.period is not None:
        if request.period and not 2 <= request.period <= len(training) // 2:
            raise CsvSeriesError(
                f"PERIOD={request.period} is not valid; give a whole number of steps from 2 to {len(training) // 2}, "
                "half of the training values, or PERIOD=0 for no season."
            )
        return request.period or None, None
    found = find_period(training)
    if found is None:
        notes.append("No season was found in the training values (PERIOD=... names one).")
        return None, None
    return found


def _note_range(series: Series, scaled: FloatArray, column: str, notes: list[str]) -> None:
    training = scaled[: int(len(scaled) * TRAIN_SHARE), 0]
    scored = series.targets[series.scored_rows.start :, 0]
    outside = float(((scored < training.min()) | (scored > training.max())).mean())
    if outside > 0.05:
        notes.append(
            f"{outside:.0%} of the scored values of {column!r} lie outside the range seen in training, where no "
            "network can be trusted; changes from step to step, or a part without the trend, would be a fairer series."
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _slug(column: str) -> str:
    """The column's name as part of a case id."""
    plain = unicodedata.normalize("NFKD", column).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:24].strip("_")
    return slug if slug[:1].isalpha() else f"series_{slug}".strip("_")
