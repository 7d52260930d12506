"""What a terminal shows once a report is written: the answer, how much of it to doubt, and where the rest is."""

import os
import shutil
import textwrap
from pathlib import Path
from typing import TextIO

from reports.analysis import Analysis
from reports.formatting import count, integer
from reports.tell.cost_answers import in_short

YELLOW, RED = "\033[33m", "\033[31m"
LOUD = {"failed", "missing", "missing-shard", "below-floor", "different-targets", "unreadable"}
"""Warnings that a reader must not miss: something is absent or cannot be right."""
WIDEST = 100


def closing(found: Analysis, report: Path, stream: TextIO) -> str:
    """Lines to print last; colour marks warnings and failures alone, and only where `stream` is a terminal."""
    colour = stream.isatty() and "NO_COLOR" not in os.environ
    width = min(WIDEST, shutil.get_terminal_size((WIDEST, 24)).columns)
    said = [f"{one.question} {one.short}" for one in in_short(found.costs, costs_first=True)[0]]
    answer = said if found.about_costs else [*found.opening, *found.headline, found.sureness.in_one_line]
    lines = [found.effort.line, ""]
    for sentence in filter(None, answer):
        plain = sentence.replace("**", "").replace("`", "")
        lines += textwrap.wrap(plain, width, initial_indent="- ", subsequent_indent="  ")
    lines.append("")
    for one in found.warnings:
        text = f"{one.code}: {one.meaning} ({integer(len(one.where))})"
        lines.append(f"{RED if one.code in LOUD else YELLOW}{text}\033[0m" if colour else text)
    if found.run.refused:
        lines.append(f"{count(len(found.run.refused), 'case')} skipped, with reasons in {report.parent / 'details.md'}")
    return "\n".join([*lines, str(report)])
