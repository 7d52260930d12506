"""A live bar at the foot of a terminal, above which the lines go by; where there is no terminal, the lines alone."""

import os
import sys
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

RED, YELLOW = "red", "yellow"
"""Of the line of a case that failed, and of one with warnings; all else stays plain."""


class Bar:
    """Prints lines through `say`, or above a bar where standard output is a terminal when this is made.

    Nothing moves between two cases: a thread that draws would disturb what is timed.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._progress: Progress | None = None
        if sys.stdout.isatty():
            # A file of its own: what captures standard output later does not capture the bar.
            file = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
            columns = (
                BarColumn(bar_width=30, style="dim", complete_style="default", finished_style="default"),
                TextColumn("{task.completed}/{task.total} {task.description}", markup=False),
            )
            console = Console(file=file, highlight=False, soft_wrap=True)
            self._progress = Progress(*columns, console=console, transient=True, auto_refresh=False)

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
