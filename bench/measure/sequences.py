"""Which window goes into which row of which batch in a series of sequences: stores, patients, machines, sentences.

They have nothing to do with each other, so no window crosses a boundary. Windows begin with their sequence, and the
last of a sequence is filled up with rows that have no loss, so that a sequence shorter than a window takes part too.
What a sequence begins with is known to it alone, so it is never cut off: there is no random offset here, and arms
differ in nothing but what they carry.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bench.case.regimes import regime_of
from bench.engines.base import Array, Sequences
from bench.errors import PlanError
from bench.measure.batching import Schedule

FITTING = ("stateless", "stateless-ordered", "stateless-burnin", "stateless-sliding", "stateful")
"""Regimes that sequences are defined for."""
EVEN = 0.05
"""Streams are as long as each other to this share, if cutting a sequence can make them so."""


@dataclass(frozen=True)
class SequenceSchedule(Schedule):
    """How one case walks over training rows that are several sequences.

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
