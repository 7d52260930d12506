"""One line a case: which, how many of how many, what it found, time left; in a terminal above a live bar."""

import math
import os
import statistics
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from rich import progress
from rich.console import Console
from rich.text import Text

from bench.case.cases import Job
from bench.case.costs import Memory, Timing
from bench.case.record import Record
from bench.case.trained import Convergence

RED, YELLOW = "red", "yellow"
"""Of the line of a case that failed, and of one with warnings; all else stays plain."""


@dataclass
class Ended:
    """Cases of a kind that have ended."""

    seconds: float = 0.0
    cases: int = 0

    @property
    def mean(self) -> float:
        """Seconds a case."""
        return self.seconds / self.cases


class Progress:
    """Counts cases and estimates what is left from the mean of those of the same kind."""

    def __init__(self, todo: list[Job], finished: int, workers: int) -> None:
        self._todo = {job.case.key: job.case.kind for job in todo}
        self._total = len(todo) + finished
        self._count = finished
        self._workers = workers
        self._left_of = Counter(self._todo.values())
        self._ended: dict[str, Ended] = {}

    def line(self, record: Record) -> str:
        """Describe a case that has just ended."""
        self._count += 1
        if (kind := self._todo.pop(record.key, None)) is not None:
            self._left_of[kind] -= 1
        total = record.seconds.total
        ended = self._ended.setdefault(record.case.kind, Ended())
        ended.seconds, ended.cases = ended.seconds + total, ended.cases + 1
        width = len(str(self._total))
        left = self.left and f" · {self.left}"
        return f"[{self._count:>{width}}/{self._total}] {record.key}: {found(record)} · {total:.1f} s{left}"

    @property
    def left(self) -> str:
        """About how long it still takes; "" at the end."""
        if not self._todo:
            return ""
        all_kinds = Ended(
            sum(one.seconds for one in self._ended.values()), sum(one.cases for one in self._ended.values())
        )
        left = 0.0
        for kind, count in self._left_of.items():
            mean = self._ended.get(kind, all_kinds).mean
            left += count * mean / (1 if kind == "time" else self._workers)
        return f"about {duration(left)} left"


def found(record: Record) -> str:
    """What a case found, in a few words."""
    match record.body:
        case Convergence() as result:
            runs = result.evaluation
            reached = sum(one.reached for one in runs)
            # Of all trainings: the median of those alone that reached the target would flatter the arm.
            middle = statistics.median(one.spent if one.reached else math.inf for one in runs)
            best = statistics.median(min((e for e in one.error if e is not None), default=math.inf) for one in runs)
            median = "median not reached" if math.isinf(middle) else f"median {middle:.0f} updates"
            return (
                f"target {result.target:.3g} reached by {reached} of {len(runs)}, {median}; "
                f"best error {best:.3g} at rate {result.chosen_rate:g}"
            )
        case Timing() as result:
            seconds = statistics.median(result.seconds_per_update)
            return (
                f"{1e3 * seconds:.4g} ms per update, compile {result.compile_seconds:.2g} s, ran {result.kernel_seen}"
            )
        case Memory() as result:
            return (
                f"allocator {(result.allocator_peak_bytes or 0) / 2**20:.3g} MiB, "
                f"resident {result.resident_peak_bytes / 2**20:.0f} MiB"
            )
        case None:
            first = (record.message or "").strip().splitlines()
            return f"{record.outcome.upper()}: {first[-1][:100] if first else 'no error output'}"


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


class Bar:
    """Prints lines through `say`, or above a bar where standard output is a terminal when this is made.

    Nothing moves between two cases: a thread that draws would disturb what is timed.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._progress: progress.Progress | None = None
        if sys.stdout.isatty():
            # A file of its own: what captures standard output later does not capture the bar.
            file = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
            columns = (
                progress.BarColumn(bar_width=30, style="dim", complete_style="default", finished_style="default"),
                progress.TextColumn("{task.completed}/{task.total} {task.description}", markup=False),
            )
            console = Console(file=file, highlight=False, soft_wrap=True)
            self._progress = progress.Progress(*columns, console=console, transient=True, auto_refresh=False)

    def start(self, done: int, total: int) -> None:
        """Show the bar."""
        if self._progress is not None:
            self._task = self._progress.add_task("", total=total, completed=done)
            self._progress.start()
            self._progress.refresh()

    def ended(self, line: str, style: str, left: str) -> None:
        """Print the line of a case that has ended, and move the bar."""
        if self._progress is None:
            self._say(line)
            return
        self._progress.console.print(Text(line, style))
        self._progress.update(self._task, advance=1, description=left, refresh=True)

    def stop(self) -> None:
        """Take the bar away; nothing where there is none."""
        if self._progress is not None:
            self._progress.stop()
            self._progress.console.file.close()
            self._progress = None
