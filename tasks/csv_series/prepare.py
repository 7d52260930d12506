"""From a user's file to a prepared series: what is predicted from what, split in time and scaled by training."""

import hashlib
import re
import unicodedata
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tasks.csv_series.about import About
from tasks.csv_series.period import find_period
from tasks.csv_series.reading import Values, read_values
from tasks.csv_series.request import LEAST_ROWS, Request
from tasks.csv_series.series import Prepared
from tasks.csv_series.split import Stretch, by_column, by_series, by_time
from tasks.task import CsvSeriesError, FloatArray, Series

MOST_LAGS = 48
"""Steps that the linear model sees at most that the target is set by."""
WARM_UP_SHARE = 1 / 5
"""Share of the held-out rows that warm up a carried state and count for nobody."""

FARTHEST = 1e4
"""Standard deviations from the mean beyond which one value's error outweighs those of a file's others."""


@dataclass(frozen=True)
class Laid:
    """A file's values laid out for training.

    Attributes
    ----------
    inputs, targets
        Scaled, shapes (rows, features) and (rows, outputs): first what trains, then what is held out.
    counted
        Rows that have a target, shape (rows,); None where all have.
    starts
        First rows of the series and of their held-out parts; () for one series.
    mean, deviation
        Of the training values of each series, shape (series, columns).
    of
        Which series each of `starts` belongs to.
    """

    inputs: FloatArray
    targets: FloatArray
    train_rows: int
    warm_up: int
    counted: NDArray[np.bool_] | None
    starts: tuple[int, ...]
    mean: FloatArray
    deviation: FloatArray
    of: tuple[int, ...]


def prepare(request: Request) -> Prepared:
    """Read and prepare a series, or several.

    Raises
    ------
    CsvSeriesError
        Naming what is wrong, where, and the remedy.
    """
    read = read_values(request)
    if read.counted.sum() < LEAST_ROWS:
        raise CsvSeriesError(
            f"{request.path.name} gives {read.counted.sum():,} values, too few to tell two ways of training apart: at "
            f"least {LEAST_ROWS} are needed, and 2,000 are better."
        )
    laid = lay_out(read, request)
    series = Series(laid.inputs, laid.targets, laid.train_rows, laid.warm_up, laid.starts, laid.counted)
    if not np.ptp(series.targets[series.scored], axis=0).any():
        scored = len(series.scored)
        raise CsvSeriesError(
            f"{request.path.name}: {read.targets[0]!r} never changes in the {scored:,} values that are scored (lines "
            f"{read.lines[-scored]} to {read.lines[-1]}), so that repeating the last value is exact. Give a part in "
            "which it does."
        )
    notes = list(read.notes)
    period, found = _period(request, _longest_training(laid), notes)
    if read.labels:
        _note_unseen(series, read, notes)
    else:
        _note_range(series, read.targets[0], notes)
    # Half a season of its own past; without that, a season of the output says nothing of how long an input is felt.
    far = (period or 24) // 2 if request.past else MOST_LAGS
    lags = max(1, min(far, MOST_LAGS, series.train_rows // (8 * series.inputs.shape[1])))
    column = ", ".join(read.targets)
    several = len(read.members) > 1
    about = {
        "file": request.path.name,
        "sha256": _sha256(request.path),
        "slug": _slug(column),
        "column": column,
        "inputs": [*read.known, *read.inputs],
        "time": ",".join(read.time) or None,
        "group": request.group,
        "member": read.members[0] if request.group and not several else None,
        "rows_in_file": read.rows_in_file,
        "values": len(read.values),
        "first": read.time_of(0),
        "last": read.time_of(-1),
        "first_line": int(read.lines.min() if several else read.lines[0]),
        "last_line": int(read.lines.max() if several else read.lines[-1]),
        "step": read.step,
        "period": period,
        "period_found": found,
        "scale": {"mean": float(laid.mean[0, 0]), "deviation": float(laid.deviation[0, 0])},
        "notes": notes,
        "windows": [],
        "targets": read.outputs,
        "labels": list(read.labels),
        "ahead": request.steps_ahead,
        "past": request.past,
        "path": str(request.path.absolute()),
        "options": _options(request),
        "members": list(read.members) if several else [],
        "split": request.split if several or request.split_column else "time",
        "parts": [read.members[one] for one in laid.of] if laid.starts else [],
    }
    return Prepared(series, period, lags, msgspec.to_builtins(msgspec.convert(about, About)))


def _options(request: Request) -> dict[str, Any]:
    """What was asked for, without what was left open, to ask for the same again."""
    asked = asdict(request)
    del asked["path"]
    usual = asdict(Request(request.path))
    differing = {name: value for name, value in asked.items() if value != usual[name]}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in differing.items()}


def lay_out(read: Values, request: Request) -> Laid:
    """Split, scale and arrange values.

    Raises
    ------
    CsvSeriesError
        If a column never changes in training, or nothing is left to hold out.
    """
    stretches = _stretches(read, request)
    mean, deviation = _scales(read, stretches, request)
    ahead = request.steps_ahead
    train: list[tuple[int, FloatArray, FloatArray, NDArray[np.bool_]]] = []
    held: list[tuple[int, FloatArray, FloatArray, NDArray[np.bool_]]] = []
    for i, rows, trained in stretches:
        block, there = read.values[rows], read.counted[rows][ahead:]
        scaled = (block - mean[i]) / deviation[i]
        _check_far(scaled, rows, read)
        seen, targets = arrange(scaled, read, request)
        seen = seen[: len(targets)]
        # Training rows are those whose target is a training value, so that training sees no held-out value.
        end = len(targets) if trained == len(block) else max(0, trained - ahead)
        if end:
            train.append((i, seen[:end], targets[:end], there[:end]))
        if len(targets) > end:
            held.append((i, seen[end:], targets[end:], there[end:]))
    if not train or not held:
        raise CsvSeriesError(
            f"{request.path.name}: no series is left to {'train on' if not train else 'hold out'}; give longer ones, "
            "or more of them."
        )
    parts = [*train, *held]
    starts = np.cumsum([0, *(len(targets) for _, _, targets, _ in parts[:-1])])
    counted = np.concatenate([one for *_, one in parts])
    return Laid(
        inputs=np.concatenate([seen for _, seen, *_ in parts]),
        targets=np.concatenate([targets for _, _, targets, _ in parts]),
        train_rows=sum(len(targets) for _, _, targets, _ in train),
        warm_up=int(np.median([len(targets) for _, _, targets, _ in held]) * WARM_UP_SHARE),
        counted=None if counted.all() else counted,
        starts=tuple(int(one) for one in starts) if len(stretches) > 1 else (),
        mean=mean,
        deviation=deviation,
        of=tuple(i for i, *_ in parts),
    )


def _stretches(read: Values, request: Request) -> list[Stretch]:
    if read.roles is not None:
        return by_column(read.blocks, read.roles)
    return by_series(read.blocks) if request.split == "series" and len(read.blocks) > 1 else by_time(read.blocks)


def arrange(scaled: FloatArray, read: Values, request: Request) -> tuple[FloatArray, FloatArray]:
    """Put what is seen and what is to be predicted side by side, for one series.

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
    own, beforehand, beside = np.split(scaled, np.cumsum([read.outputs, len(read.known)]), axis=1)
    # What is known beforehand stands in the row from which the value of its own time is predicted.
    rows = len(scaled) - ahead if read.known else len(scaled)
    seen = [own[:rows]] if request.past else []
    seen += [beforehand[ahead:]] if read.known else []
    return np.column_stack([*seen, beside[:rows]]), own[ahead:]


def _scales(read: Values, stretches: list[Stretch], request: Request) -> tuple[FloatArray, FloatArray]:
    """Mean and deviation of the training values of each series, or of all; each of shape (series, columns)."""
    own = [np.concatenate([one.training for one in stretches if one.series == i]) for i in range(len(read.blocks))]
    alone = request.scaled_alone and all(map(len, own))
    rows_of = own if alone else [np.concatenate(own)] * len(own)
    each = [read.values[rows] for rows in rows_of]
    there = [read.present[rows] for rows in rows_of]
    mean = np.array([one.mean(axis=0, where=here) for one, here in zip(each, there, strict=True)])
    deviation = np.array([one.std(axis=0, where=here) for one, here in zip(each, there, strict=True)])
    mean[:, ~read.scaled], deviation[:, ~read.scaled] = 0, 1
    flat = np.argwhere(deviation == 0)
    if flat.size:
        which, column = (int(one) for one in flat[0])
        lines = read.lines[rows_of[which]]
        of = f" of {read.members[which]!r}" if alone and read.members[which] else ""
        raise CsvSeriesError(
            f"{read.table.path.name}: {read.columns[column]!r} is {each[which][0, column]:g} in all "
            f"{len(lines):,} training rows{of} (lines {lines[0]} to {lines[-1]}); there is "
            "nothing to learn from it. Give another column or a part in which it changes"
            f"{', leave that series out with SERIES=..., or scale all alike with SCALE=shared' if of else ''}."
        )
    return mean, deviation


def _check_far(scaled: FloatArray, rows: slice, read: Values) -> None:
    """Refuse a value whose error would be all of the error; `scaled` in deviations of training, (values, columns)."""
    far = np.argwhere((np.abs(scaled) > FARTHEST) & read.scaled)
    if far.size:
        row, column = (int(one) for one in far[0])
        raise CsvSeriesError(
            f"{read.table.path.name}, line {read.lines[rows][row]}: {read.columns[column]!r} is "
            f"{read.values[rows][row, column]:g}, {abs(scaled[row, column]):.1g} standard deviations of the training "
            "values from their mean, so that the error would be of this value alone; mend it, leave it empty and say "
            "how to fill it, as in FILL=last, or end the file before it."
        )


def _longest_training(laid: Laid) -> FloatArray:
    """Training targets of the first column to predict, of the sequence that has most of them."""
    ends = [*laid.starts, len(laid.targets)] if laid.starts else [0, laid.train_rows]
    first, end = max(((a, b) for a, b in pairwise(ends) if b <= laid.train_rows), key=_length)
    return laid.targets[first:end, 0]


def _length(span: tuple[int, int]) -> int:
    return span[1] - span[0]


def _period(request: Request, training: FloatArray, notes: list[str]) -> tuple[int | None, float | None]:
    if request.period is not None:
        if request.period and not 2 <= request.period <= len(training) // 2:
            raise CsvSeriesError(
                f"PERIOD={request.period} is not valid; give a whole number of steps from 2 to {len(training) // 2}, "
                "half of the training targets, or PERIOD=0 for no season."
            )
        return request.period or None, None
    found = find_period(training)
    if found is None:
        notes.append("No season was found in the training values (PERIOD=... names one).")
        return None, None
    return found


def _note_range(series: Series, column: str, notes: list[str]) -> None:
    training, scored = series.targets[: series.train_rows, 0], series.targets[series.scored, 0]
    outside = float(((scored < training.min()) | (scored > training.max())).mean())
    if outside > 0.05:
        notes.append(
            f"{outside:.0%} of the scored values of {column!r} lie outside the range seen in training, where no "
            "network can be trusted; changes from step to step, or a part without the trend, would be a fairer series."
        )


def _note_unseen(series: Series, read: Values, notes: list[str]) -> None:
    """Say which labels training has not, and the scored rows have."""
    trained, scored = series.targets[series.trained].sum(axis=0), series.targets[series.scored].sum(axis=0)
    unseen = [name for name, t, s in zip(read.labels, trained, scored, strict=True) if s and not t]
    if unseen:
        notes.append(f"No training row has the label {' or '.join(map(repr, unseen))}; no network can know it.")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _slug(column: str) -> str:
    """The column's name as part of a case id."""
    plain = unicodedata.normalize("NFKD", column).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:24].strip("_")
    return slug if slug[:1].isalpha() else f"series_{slug}".strip("_")
