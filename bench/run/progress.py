"""One line a case: which, how many of how many, what it found, time left; the same in a terminal and in a log."""

import math
import statistics
import time

from bench.case.cases import Job
from bench.case.record import Convergence, Memory, Record, Timing


class Progress:
    """Counts cases and estimates what is left from the mean of those of the same kind."""

    def __init__(self, todo: list[Job], finished: int, workers: int) -> None:
        self._todo = {job.case.key: job.case.kind for job in todo}
        self._total = len(todo) + finished
        self._count = finished
        self._workers = workers
        self._begin = time.perf_counter()
        self._seconds: dict[str, list[float]] = {}

    def line(self, record: Record) -> str:
        """Describe a case that has just ended."""
        self._count += 1
        kind = self._todo.pop(record.key, record.case.kind)
        total = record.seconds.total
        self._seconds.setdefault(kind, []).append(total)
        width = len(str(self._total))
        return f"[{self._count:>{width}}/{self._total}] {record.key}: {found(record)} · {total:.1f} s{self._left()}"

    def _left(self) -> str:
        if not self._todo:
            return ""
        known = [second for seconds in self._seconds.values() for second in seconds]
        left = 0.0
        for kind in set(self._todo.values()):
            count = sum(k == kind for k in self._todo.values())
            mean = statistics.fmean(self._seconds.get(kind, known))
            left += count * mean / (1 if kind == "time" else self._workers)
        return f" · about {duration(left)} left"


def found(record: Record) -> str:
    """What a case found, in a few words."""
    match record.body:
        case Convergence() as result:
            runs = result.evaluation
            updates = sorted(one.spent for one in runs if one.reached)
            best = statistics.median(min((e for e in one.error if e is not None), default=math.inf) for one in runs)
            median = f", median {updates[len(updates) // 2]} updates" if updates else ""
            return (
                f"target {result.target:.3g} reached by {len(updates)} of {len(runs)}{median}; "
                f"best error {best:.3g} at rate {result.chosen_rate:g}"
            )
        case Timing() as result:
            seconds = statistics.median(result.seconds_per_update)
            return f"{1e3 * seconds:.4g} ms an update, compile {result.compile_seconds:.2g} s, ran {result.kernel_seen}"
        case Memory() as result:
            return (
                f"allocator {(result.allocator_peak_bytes or 0) / 2**20:.3g} MiB, "
                f"resident {result.resident_peak_bytes / 2**20:.0f} MiB"
            )
        case None:
            first = (record.message or "").strip().splitlines()
            return f"{record.outcome.upper()}: {first[-1][:100] if first else 'no last words'}"


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
