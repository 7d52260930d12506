"""One line a case: which, how many of how many, what it found, time left; the same in a terminal and in a log."""

import statistics
import time
from typing import Any

from bench.case.cases import Job


class Progress:
    """Counts cases and estimates what is left from the mean of those of the same kind."""

    def __init__(self, todo: list[Job], finished: int, workers: int) -> None:
        self._todo = {job.case.key: job.case.kind for job in todo}
        self._total = len(todo) + finished
        self._count = finished
        self._workers = workers
        self._begin = time.perf_counter()
        self._seconds: dict[str, list[float]] = {}

    def line(self, record: dict[str, Any]) -> str:
        """Describe a case that has just ended."""
        self._count += 1
        kind = self._todo.pop(record["key"], record["case"]["kind"])
        total = record["seconds"]["total"]
        self._seconds.setdefault(kind, []).append(total)
        width = len(str(self._total))
        return f"[{self._count:>{width}}/{self._total}] {record['key']}: {found(record)} · {total:.1f} s{self._left()}"

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


def found(record: dict[str, Any]) -> str:
    """What a case found, in a few words."""
    if record["outcome"] != "ok":
        first = (record["message"] or "").strip().splitlines()
        return f"{record['outcome'].upper()}: {first[-1][:100] if first else 'no last words'}"
    if result := record.get("convergence"):
        runs = [r for r in result["replicates"] if r["role"] == "evaluation"]
        updates = sorted(r["updates_to_target"] for r in runs if r["reached"])
        best = statistics.median(min(r["error"]) for r in runs)
        median = f", median {updates[len(updates) // 2]} updates" if updates else ""
        return (
            f"target {result['target']:.3g} reached by {len(updates)} of {len(runs)}{median}; "
            f"best error {best:.3g} at rate {result['chosen_rate']:g}"
        )
    if result := record.get("time"):
        seconds = statistics.median(result["seconds_per_update"])
        return (
            f"{1e3 * seconds:.4g} ms an update, compile {result['compile_seconds']:.2g} s, ran {result['kernel_seen']}"
        )
    result = record["memory"]
    return (
        f"allocator {result['allocator_peak_bytes'] / 2**20:.3g} MiB, "
        f"resident {result['resident_peak_bytes'] / 2**20:.0f} MiB"
    )


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
