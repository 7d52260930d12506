"""Which window goes into which row of which batch.

Every schedule is a plain array of first rows, made anew for each seed and epoch, so that windows never stand at fixed
places of the series: they start at a random offset below the window length, drawn for each epoch. A network on windows
cut at fixed places can read the time of day from the position in the window.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from bench.case.regimes import regime_of
from bench.engines.base import Array, Feed, Sequences
from bench.errors import PlanError


@dataclass(frozen=True)
class Schedule:
    """How one case walks over its training rows.

    Attributes
    ----------
    regime
        Name of the regime.
    rows
        Training rows; windows use rows 0 to rows - 1.
    window, batch_size
        As in the case.
    burn_in
        Steps before a window that have no loss; 0 for regimes without burn-in.
    """

    regime: str
    rows: int
    window: int
    batch_size: int
    burn_in: int = 0

    @property
    def steps(self) -> int:
        """Steps of a window as it is processed, burn-in included."""
        return self.window + self.burn_in

    @property
    def targets_per_window(self) -> int:
        """Targets that a window has a loss for."""
        return 1 if regime_of(self.regime).stride_one else self.window

    @property
    def interleaved(self) -> int:
        """How many updates lie between a window and the one that continues it: 1 where they follow one another.

        Where the state passes to a later update, the rows are cut into so many times B streams, whose windows take
        turns. A window is processed from its burn-in on, so that a burn-in of m windows begins where the window m + 1
        before it ends.
        """
        regime = regime_of(self.regime)
        return regime.updates_old // (self.burn_in // self.window + 1) if regime.continues else 1

    @property
    def updates_per_epoch(self) -> int:
        """Whole batches in an epoch, the same at every offset: contiguous windows lose one window to it.

        With n rows left, B parallel streams of contiguous windows and windows dealt into batches of B give the same
        count: ``floor(floor(n / B) / L) = floor(floor(n / L) / B)``.
        """
        if regime_of(self.regime).stride_one:
            return (self.rows - self.window + 1) // self.batch_size
        sets = self.interleaved
        return (self.rows - self.burn_in - (self.window - 1)) // (self.window * self.batch_size * sets) * sets

    @property
    def windows_per_epoch(self) -> int:
        """Windows at every offset: the largest batch size with a whole batch."""
        return replace(self, batch_size=1).updates_per_epoch

    def check(self) -> None:
        """Refuse a schedule without a whole batch.

        Raises
        ------
        PlanError
            Naming what is too long or too large, and the largest value that fits.
        """
        if regime_of(self.regime).continues:
            self._check_age()
        if self.rows - self.burn_in < (1 + self.interleaved) * self.window - 1:
            raise PlanError(
                f"window {self.window} is longer than the training series allows: {self.rows} training rows"
                f"{f' less a burn-in of {self.burn_in}' if self.burn_in else ''} hold a window at every offset up to "
                f"window {self._longest_window()}"
            )
        if self.updates_per_epoch < 1:
            most = self.windows_per_epoch // self.interleaved
            raise PlanError(
                f"batch size {self.batch_size} leaves no whole batch: {self.rows} training rows hold {most} windows of "
                f"{self.window} at every offset; use a batch size of at most {most}, or a shorter window"
            )

    def _check_age(self) -> None:
        """Refuse a state that is not that before the burn-in of any window."""
        windows, rest = divmod(self.burn_in, self.window)
        age = regime_of(self.regime).updates_old
        if rest or age % (windows + 1):
            below, above = age // (windows + 1) * (windows + 1), -(-age // (windows + 1)) * (windows + 1)
            raise PlanError(
                f"regime {self.regime!r} with a burn-in of {self.burn_in} steps at window {self.window}: "
                + (
                    "the burn-in must be whole windows; set burn_in to 0, 1, 2 ..."
                    if rest
                    else f"a window and its burn-in are {windows + 1} windows, so the age must be a multiple of that; "
                    f"use {' or '.join(f'stateful-stale@{n}' for n in (below, above) if n)}"
                )
            )

    def _longest_window(self) -> int:
        """Longest window with a place at every offset; a burn-in grows with its window."""
        burn_in = self.burn_in / self.window
        room = 1 + self.interleaved
        window = int((self.rows + 1) / (room + burn_in)) + 1
        while window > 0 and self.rows - round(burn_in * window) < room * window - 1:
            window -= 1
        return window

    def feed(self) -> Feed:
        """The loss of each step, and whether the state is carried."""
        weights = np.zeros(self.steps)
        regime = regime_of(self.regime)
        if regime.stride_one:
            weights[-1] = 1.0
        else:
            weights[self.burn_in :] = 1.0 / self.window
        return Feed(weights, regime.carried, regime.hidden_only, regime.updates_old)

    def epoch(self, seed: int, epoch: int) -> Array:
        """First rows of all windows of an epoch, shape (updates, batch_size), int32.

        Arms with the same seed draw the same offset and, where their order is free, the same order.
        """
        regime = regime_of(self.regime)
        rng = np.random.default_rng([seed, epoch])
        offset = int(rng.integers(self.window))
        updates, batch = self.updates_per_epoch, self.batch_size
        if regime.stride_one:
            starts = np.arange(self.rows - self.window + 1)
        elif regime.carried and not regime.shuffled:
            sets = self.interleaved
            stream = (self.rows - self.burn_in - offset) // (batch * sets)
            first = offset + stream * np.arange(batch * sets).reshape(sets, batch)
            place = np.arange(updates) // sets
            return np.asarray(np.tile(first, (updates // sets, 1)) + self.window * place[:, None], np.int32)
        else:
            windows = (self.rows - self.burn_in - offset) // self.window
            # The start of the processed window; its burn-in comes before the rows that have a loss.
            starts = offset + self.window * np.arange(windows)
        if regime.shuffled:
            starts = rng.permutation(starts)
        return np.asarray(starts[: updates * batch].reshape(updates, batch), np.int32)


FITTING = ("stateless", "stateless-ordered", "stateless-burnin", "stateless-sliding", "stateful")
"""Regimes that sequences are defined for."""
EVEN = 0.05
"""Streams are as long as each other to this share, if cutting a sequence can make them so."""


@dataclass(frozen=True)
class SequenceSchedule(Schedule):
    """How one case walks over training rows that are several sequences: stores, patients, machines, sentences.

    They have nothing to do with each other, so no window crosses a boundary. Windows begin with their sequence, and the
    last of a sequence is filled up with rows that have no loss: a sequence shorter than a window takes part too. What a
    sequence begins with is known to it alone, so it is never cut off: there is no random offset here, and arms
    differ in nothing but what they carry.

    Attributes
    ----------
    starts
        First row of each sequence, the first being 0.
    """

    starts: tuple[int, ...] = (0,)

    @property
    def updates_per_epoch(self) -> int:
        """Whole batches in an epoch; with carried state as many as the shortest stream has windows."""
        if regime_of(self.regime).carried:
            return min(sum(windows for _, windows in stream) for stream in self.streams)
        return len(self._windows) // self.batch_size

    @property
    def windows_per_epoch(self) -> int:
        """Windows of all sequences: the largest batch size with a whole batch."""
        return len(self._windows)

    @property
    def lost(self) -> float:
        """Share of an epoch's windows that no batch has room for; others in each epoch."""
        return 1 - self.updates_per_epoch * self.batch_size / len(self._windows)

    def check(self) -> None:
        """Refuse what sequences are not defined for, and a schedule without a whole batch.

        Raises
        ------
        PlanError
            Naming the regimes that fit, or the largest batch size.
        """
        if self.regime.partition("@")[0] not in FITTING:
            raise PlanError(
                f"regime {self.regime!r} is not defined for a series of several sequences; use one of "
                f"{', '.join(FITTING)}"
            )
        if not self._windows.size or self.updates_per_epoch < 1:
            raise PlanError(
                f"batch size {self.batch_size} leaves no whole batch: the {len(self.starts)} sequences hold "
                f"{len(self._windows)} windows of {self.window}; use a batch size of at most {len(self._windows)}, or "
                "a shorter window"
            )

    def epoch(self, seed: int, epoch: int) -> Array:
        """First rows of all windows of an epoch, shape (updates, batch_size), int32."""
        of = regime_of(self.regime)
        rng = np.random.default_rng([seed, epoch])
        updates, batch = self.updates_per_epoch, self.batch_size
        if of.carried:
            # What the end of a longer stream loses is another sequence in each epoch.
            columns = [
                self._walk([stream[i] for i in rng.permutation(len(stream))])[:updates] for stream in self.streams
            ]
            return np.asarray(np.stack(columns, axis=1), np.int32)
        starts = rng.permutation(self._windows) if of.shuffled else self._windows
        return np.asarray(starts[: updates * batch].reshape(updates, batch), np.int32)

    @cached_property
    def streams(self) -> list[list[tuple[int, int]]]:
        """Pieces of each stream, as first row and number of windows: whole sequences wherever that fills them evenly.

        Where there are fewer sequences than streams, or one is longer than a stream, the longest is cut in two, and the
        second half begins from a zero state.
        """
        pieces = [(first, -(-(end - first) // self.window)) for first, end in self._spans]
        total = sum(windows for _, windows in pieces)
        while True:
            streams = _filled(pieces, self.batch_size)
            shortest = min(sum(windows for _, windows in stream) for stream in streams)
            longest = max(pieces, key=lambda piece: piece[1])
            if longest[1] < 2 or shortest * self.batch_size >= (1 - EVEN) * total:
                return streams
            if len(pieces) >= self.batch_size and shortest + 1 >= total // self.batch_size:
                return streams
            half = longest[1] // 2
            pieces.remove(longest)
            pieces += [(longest[0], half), (longest[0] + half * self.window, longest[1] - half)]

    def sequences(self, series_starts: Array, rows: int) -> Sequences:
        """For every row of the whole series where its sequence begins and ends, and where a state begins from zero."""
        firsts = np.asarray(series_starts)
        bounds = np.append(firsts, rows)
        of_row = np.repeat(np.arange(len(firsts)), np.diff(bounds))
        begins = np.zeros(rows, bool)
        begins[firsts] = True
        if regime_of(self.regime).carried:
            begins[[first for stream in self.streams for first, _ in stream]] = True
        first, end = firsts[of_row].astype(np.int32), bounds[1:][of_row].astype(np.int32)
        return Sequences(begins, first, end, np.ones(rows, bool))

    @property
    def _spans(self) -> Iterator[tuple[int, int]]:
        return zip(self.starts, (*self.starts[1:], self.rows), strict=True)

    @cached_property
    def _windows(self) -> Array:
        """First rows of all windows; in a burn-in's way those that have a row with a loss."""
        if regime_of(self.regime).stride_one:
            found = [np.arange(first, end - self.window + 1) for first, end in self._spans]
        else:
            found = [np.arange(first, end - self.burn_in, self.window) for first, end in self._spans]
        return np.concatenate(found)

    def _walk(self, pieces: list[tuple[int, int]]) -> Array:
        return np.concatenate([first + self.window * np.arange(windows) for first, windows in pieces])


def _filled(pieces: list[tuple[int, int]], streams: int) -> list[list[tuple[int, int]]]:
    """Deal pieces into streams: the longest first, each into the stream that is shortest so far."""
    filled: list[list[tuple[int, int]]] = [[] for _ in range(streams)]
    lengths = [0] * streams
    for piece in sorted(pieces, key=lambda one: (-one[1], one[0])):
        shortest = lengths.index(min(lengths))
        filled[shortest].append(piece)
        lengths[shortest] += piece[1]
    return filled


def look_times(budget: int, cadence: float) -> tuple[int, ...]:
    """Updates at which a training is evaluated: each later than the last by that share, and by at least one.

    So a cost is known to the same share of itself wherever it falls, and a training of any length is looked at often
    where it begins. The last look is the budget.
    """
    looks = []
    at = 0
    while at < budget:
        at = min(budget, max(at + 1, math.floor(at * (1 + cadence))))
        looks.append(at)
    return tuple(looks)


def check_continuation(starts: Array, steps: int, begins: Array | None = None, later: int = 1) -> None:
    """Check that row i of a batch continues row i of the batch before, or begins a sequence.

    Parameters
    ----------
    starts
        First rows, shape (updates, batch_size) or (updates, replicates, batch_size).
    steps
        Steps of a window as it is processed.
    begins
        For every row of the series whether its state begins from zero, shape (rows,); None for one series.
    later
        Which batch must continue a batch: the next, or the one so many later.

    Raises
    ------
    ValueError
        Naming the first batch and row that breaks the rule.
    """
    rows = np.asarray(starts, np.int64)
    moves = rows[later:] - rows[:-later]
    fresh = np.zeros(moves.shape, bool) if begins is None else begins[starts[later:]]
    broken = np.argwhere((moves != steps) & ~fresh)
    if len(broken):
        batch, *row = (int(i) for i in broken[0])
        moved = int(moves[tuple(broken[0])])
        raise ValueError(
            f"carried state would be wrong: row {row[-1]} of batch {batch + later} starts {moved} rows after the same "
            f"row of batch {batch}, and must start {steps} rows (one window) after it to continue it"
        )
