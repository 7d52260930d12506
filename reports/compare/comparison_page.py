"""A comparison for people (compare.md, compare.html) and for programs (compare.json, compare.csv)."""

import csv
import html
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reports import formatting
from reports.compare import machines
from reports.compare.joining import EVERY_SEED, MARGIN, Cell, Comparison, Named, Verdict, named, of_one_way
from reports.compare.machines import Field
from reports.costs.contrasts import Contrast, contrasts
from reports.costs.payback import to_target
from reports.costs.timings import timings
from reports.formatting import NOTHING, count, listing, number, table_cell
from reports.statistics.intervals import Ratio

MOST_ROWS = 30
"""Rows of a table that compare.md shows; compare.html has all."""

SCHEMA = 1


@dataclass(frozen=True)
class Section:
    """A part of the page: sentences, then a table."""

    title: str
    text: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = field(default=())


def write(found: Comparison, prices: dict[str, float], folder: Path) -> Path:
    """Write all four files; returns the path of compare.md."""
    folder.mkdir(parents=True, exist_ok=True)
    title = f"{listing(found.columns)}: compared by {found.by}"
    parts = sections(found, prices)
    report = folder / "compare.md"
    report.write_text(markdown(title, parts), encoding="utf-8")
    (folder / "compare.html").write_text(page(title, parts), encoding="utf-8")
    (folder / "compare.json").write_text(json.dumps(to_dict(found, prices), indent=1), encoding="utf-8")
    write_frame(found, folder / "compare.csv")
    return report


def write_frame(found: Comparison, file: Path) -> None:
    """Write one row a case and column, as CSV."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, FIELDS)
        writer.writeheader()
        writer.writerows(long_rows(found))


def sections(found: Comparison, prices: dict[str, float]) -> list[Section]:
    """All parts, in order; those that say nothing are left out."""
    several = len(found.runs) > 1
    parts = [
        Section("", tuple(summary(found))),
        _head(found.runs) if several else None,
        times_section(found),
        within_section(found.runs) if several else None,
        updates_section(found),
        memory_section(found),
        _to_target(found.runs, prices) if found.by in ("machine", "version") else None,
        not_compared_section(found),
        Section("How to read this", (READING,)),
    ]
    return [part for part in parts if part is not None]


READING = (
    "A ratio is a column's seconds over the base's: below 1 it is faster. Its 95 % interval rests on pairs of "
    "processes, one of each column, never on the blocks within one; the variances of all pairs are estimated together. "
    f"**Faster** and **slower**: the interval lies beyond {MARGIN:.0%}; **same**: within; **inconclusive**: across. "
    "Machines were not measured at the same time, so that what disturbed one for its whole run is in the ratio; "
    "configurations and engines of one run were interleaved."
)


def summary(found: Comparison) -> list[str]:
    """What was found, a sentence for each column, and what the seeds say."""
    lines = []
    for place, name in enumerate(found.columns[1:], 1):
        cells = [row.cells[place] for row in found.of_kind("time")]
        judged = Counter(cell.verdict for cell in cells)
        verdicts = (Verdict.FASTER, Verdict.SLOWER, Verdict.SAME, Verdict.INCONCLUSIVE)
        parts = [f"{verdict} in {judged[verdict]}" for verdict in verdicts if judged[verdict]]
        if not parts:
            lines.append(f"**{name}**: no seconds to compare with {found.columns[0]}.")
            continue
        ratios = [cell.ratio.value for cell in cells if cell.ratio is not None]
        lines.append(
            f"**{name}** takes {number(found.means[name])} times the seconds per update of {found.columns[0]} "
            f"(geometric mean over the {count(found.in_mean, 'case')} that all columns have; single cases "
            f"{number(min(ratios))} to {number(max(ratios))}): {listing(parts)} of {count(len(ratios), 'case')}."
        )
    trained = found.of_kind("convergence")
    for place, name in enumerate(found.columns[1:], 1):
        cells = [row.cells[place] for row in trained if not math.isnan(row.cells[place].value)]
        equal = sum(cell.reason == EVERY_SEED for cell in cells)
        if cells:
            lines.append(
                f"Updates to target of {name}: {equal} of {len(cells)} settings agree with {found.columns[0]} in every "
                "seed, update for update."
            )
    return lines


def _head(runs: Sequence[Named]) -> Section:
    fields = [*machines.head(runs), *machines.reached(runs), *machines.steadiness(runs)]
    text = (
        "What differs, and what each machine reached at best in its own run. Runs of one machine class continue one "
        "history; a run continues only on exactly the same machine."
    )
    return Section("Machines", (text,), ("", *(one.name for one in runs)), tuple(map(_line, fields)))


def _line(one: Field) -> tuple[str, ...]:
    return (one.name, *one.values)


def times_section(found: Comparison) -> Section | None:
    """Seconds per update, case by case."""
    rows = found.of_kind("time")
    if not rows:
        return None
    header = ["case", f"{found.columns[0]}, s per update (spread)"]
    for name in found.columns[1:]:
        header += [f"{name}, s per update", "ratio", "verdict"]
    lines = []
    for row in rows:
        base = row.cells[0]
        line = [row.label, _seconds(base)]
        for cell in row.cells[1:]:
            line += [_seconds(cell), formatting.ratio(cell.ratio) if cell.ratio else NOTHING, _verdict(cell)]
        lines.append(tuple(line))
    text = "Median over processes; the spread is the slowest process over the fastest."
    return Section("Seconds per update", (text,), tuple(header), tuple(lines))


def _seconds(cell: Cell) -> str:
    if math.isnan(cell.value):
        return NOTHING
    spread = "" if math.isnan(cell.spread) else f" ({100 * cell.spread:.1f} %)"
    return f"{formatting.seconds(cell.value)}{spread}"


def _verdict(cell: Cell) -> str:
    return f"{cell.verdict} ({cell.reason})"


Direction = str


def _direction(ratio: Ratio) -> Direction:
    return "below 1" if ratio.high < 1 else "above 1" if ratio.low > 1 else "not distinguishable from 1"


@dataclass(frozen=True)
class Within:
    """A ratio that each run measured within itself."""

    what: str
    where: str
    ratios: tuple[Ratio, ...]

    @property
    def agreement(self) -> str:
        """Whether the runs agree on it."""
        directions = {_direction(one) for one in self.ratios}
        if {"below 1", "above 1"} <= directions:
            return "reversed"
        overlap = max(one.low for one in self.ratios) <= min(one.high for one in self.ratios)
        return "agree" if overlap else "differ in size" if len(directions) == 1 else "differ"

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "what": self.what,
            "case": self.where,
            "ratios": [[_finite(one.value), _finite(one.low), _finite(one.high)] for one in self.ratios],
            "agreement": self.agreement,
        }


def within(runs: Sequence[Named]) -> list[Within]:
    """Ratios that every run formed of its own cases, such as stateful / stateless and XLA / loop."""
    found: list[dict[tuple[str, str], Contrast]] = []
    for one in runs:
        every = contrasts(timings(of_one_way(one.run))).found
        found.append({(c.what, _where(c)): c for c in every if c.training.method != "none"})
    return [Within(*key, tuple(one[key].training for one in found)) for key in found[0] if all(key in o for o in found)]


def _where(one: Contrast) -> str:
    """What both cases have in common."""
    regime = f", {one.b.regime}" if one.a.regime == one.b.regime else f", {one.b.setting.kernel}"
    return f"{named(one.shown)}{regime}"


def within_section(runs: Sequence[Named], title: str = "Ratios within each machine") -> Section | None:
    """Whether runs agree on the ratios that each formed of its own cases."""
    found = within(runs)
    if not found:
        return None
    counts = Counter(one.agreement for one in found)
    text = (
        "Ratios of two cases of one run: is the same thing faster on each, and by as much? Of "
        f"{len(found)} that all formed, {counts['agree']} agree (the intervals overlap), {counts['differ in size']} "
        f"differ in size but not in direction, {counts['reversed']} are reversed (below 1 here, above 1 there) and "
        f"{counts['differ']} differ in that one cannot distinguish them from 1."
    )
    rows = [(one.what, one.where, *map(formatting.ratio, one.ratios), one.agreement) for one in found]
    return Section(title, (text,), ("ratio", "case", *(o.name for o in runs), ""), tuple(rows))


def updates_section(found: Comparison) -> Section | None:
    """Settings whose updates to target are not the same in every seed."""
    other = [
        row
        for row in found.of_kind("convergence")
        if any(not math.isnan(cell.value) and cell.reason != EVERY_SEED for cell in row.cells[1:])
    ]
    if not other:
        return None
    rows = []
    for row in other:
        line = [row.label, number(row.cells[0].value)]
        for cell in row.cells[1:]:
            line += [number(cell.value), formatting.ratio(cell.ratio) if cell.ratio else NOTHING, _verdict(cell)]
        rows.append(tuple(line))
    header = ["setting", found.columns[0]]
    for name in found.columns[1:]:
        header += [name, "ratio", "verdict"]
    text = "Expected updates to target, of the settings that do not agree in every seed."
    return Section("Updates to target", (text,), tuple(header), tuple(rows))


def memory_section(found: Comparison) -> Section | None:
    """Peaks of memory, case by case."""
    rows = found.of_kind("memory")
    if not rows:
        return None
    header = ["case", *(f"{name}, peak" for name in found.columns), "verdict"]
    lines = [
        (
            row.label,
            *(NOTHING if math.isnan(cell.value) else formatting.size(cell.value) for cell in row.cells),
            "; ".join(_verdict(cell) for cell in row.cells[1:]),
        )
        for row in rows
    ]
    text = "The allocator's peak while training. Different: by more than 2 % and 4 MiB."
    return Section("Memory", (text,), tuple(header), tuple(lines))


def targets(runs: Sequence[Named], prices: dict[str, float]) -> list[dict[str, Any]]:
    """Seconds, and money where a price is given, to target: updates × seconds, compilation included, run by run."""
    rows = []
    for one in runs:
        run = of_one_way(one.run)
        for found in to_target(run, timings(run)):
            if not math.isfinite(found.seconds):
                continue
            rows.append(
                {
                    "run": one.name,
                    "case": f"{found.timing.setting.task_name}, {found.timing.regime}, {named(found.timing.setting)}",
                    "kernel": found.timing.setting.kernel,
                    "updates": found.updates,
                    "seconds": found.seconds,
                    "low": found.low,
                    "high": found.high,
                    "price": found.seconds / 3600 * prices[one.name] if one.name in prices else None,
                }
            )
    return rows


def _to_target(runs: Sequence[Named], prices: dict[str, float]) -> Section | None:
    by_case: defaultdict[tuple[str, str], dict[str, dict[str, Any]]] = defaultdict(dict)
    for row in targets(runs, prices):
        by_case[row["case"], row["kernel"]][row["run"]] = row
    if not by_case:
        return None

    def shown(row: dict[str, Any] | None) -> str:
        if row is None:
            return NOTHING
        limits = f"[{formatting.seconds(row['low'])}, {formatting.seconds(row['high'])}]"
        price = "" if row["price"] is None else f", {number(row['price'])} of money"
        return f"{formatting.seconds(row['seconds'])} {limits}{price}"

    lines = [(*key, *(shown(rows.get(one.name)) for one in runs)) for key, rows in by_case.items()]
    text = "Updates to target × seconds per update, compilation included, where a run measured both of a setting."
    if prices:
        text += " Money: these seconds at the price per hour that was given, one training at a time."
    return Section("Cost to target", (text,), ("setting", "kernel", *(one.name for one in runs)), tuple(lines))


def not_compared_section(found: Comparison) -> Section | None:
    """What is missing, failed or incomparable, and why."""
    gone = {Verdict.MISSING, Verdict.FAILED, Verdict.NO_BASE, Verdict.INCOMPARABLE}
    rows = [
        (row.case.kind, row.label, cell.column, f"{cell.verdict} ({cell.reason})")
        for row in found.rows
        for cell in row.cells
        if cell.verdict in gone
    ]
    if not rows:
        return Section("Not compared", ("Every case of every run was compared.",))
    return Section("Not compared", (), ("kind", "case", "column", "why"), tuple(rows))


def markdown(title: str, parts: Iterable[Section]) -> str:
    """The short page."""
    lines = [f"# {title}", ""]
    for part in parts:
        if part.title:
            lines += [f"## {part.title}", ""]
        lines += (
            [f"- {text}" for text in part.text] if not part.title else [text for one in part.text for text in (one, "")]
        )
        if not part.title:
            lines.append("")
        if part.header:
            lines += [_markdown_row(part.header), _markdown_row(["---"] * len(part.header))]
            lines += map(_markdown_row, part.rows[:MOST_ROWS])
            lines.append("")
            if len(part.rows) > MOST_ROWS:
                lines += [f"{count(len(part.rows) - MOST_ROWS, 'more row')} in compare.html.", ""]
    return "\n".join(lines).rstrip() + "\n"


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(table_cell(cell) for cell in cells)} |"


STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:80rem;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;display:block;overflow-x:auto}"
    "td,th{padding:.25rem .6rem;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}"
    "th{position:sticky;top:0;background:#fff}"
)


def page(title: str, parts: Iterable[Section]) -> str:
    """The whole page, in one file without scripts."""
    body = [f"<h1>{html.escape(title)}</h1>"]
    for part in parts:
        if part.title:
            body.append(f"<h2>{html.escape(part.title)}</h2>")
        body += [f"<p>{_bold(text)}</p>" for text in part.text]
        if part.header:
            body.append(f"<table><thead>{_html_row(part.header, 'th')}</thead><tbody>")
            body += [_html_row(row, "td") for row in part.rows]
            body.append("</tbody></table>")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )


def _bold(text: str) -> str:
    parts = html.escape(text).split("**")
    return "".join(f"<b>{part}</b>" if number % 2 else part for number, part in enumerate(parts))


def _html_row(cells: Iterable[str], tag: str) -> str:
    return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"


FIELDS = (
    "column", "run", "kind", "task", "dial", "cell", "regime", "layers", "units", "window", "batch_size", "kernel",
    "engine", "device", "dtype", "configuration", "value", "unit", "spread", "ratio", "low", "high", "verdict",
    "reason",
)  # fmt: skip
UNITS = {"time": "s per update", "memory": "bytes", "convergence": "updates to target"}


def long_rows(found: Comparison) -> list[dict[str, Any]]:
    """One row a case and column."""
    return [
        {name: row.case.to_dict().get(name) for name in FIELDS[2:16]}
        | {"column": cell.column, "run": row.run, "unit": UNITS[row.case.kind]}
        | {"value": _finite(cell.value), "spread": _finite(cell.spread), "reason": cell.reason}
        | {"verdict": "base" if cell.verdict is None else str(cell.verdict)}
        | {
            name: _finite(getattr(cell.ratio, key)) if cell.ratio else None
            for name, key in (("ratio", "value"), ("low", "low"), ("high", "high"))
        }
        for row in found.rows
        for cell in row.cells
    ]


def to_dict(found: Comparison, prices: dict[str, float]) -> dict[str, Any]:
    """The same as JSON holds it; what is no number is null."""
    several = len(found.runs) > 1
    head = [*machines.head(found.runs), *machines.reached(found.runs), *machines.steadiness(found.runs)]
    return {
        "schema": SCHEMA,
        "by": found.by,
        "columns": list(found.columns),
        "runs": [one.name for one in found.runs],
        "margin": MARGIN,
        "machines": {one.name: list(one.values) for one in head},
        "summary": summary(found),
        "geometric_means": {name: _finite(value) for name, value in found.means.items()},
        "cases_in_mean": found.in_mean,
        "within_machine": [one.to_dict() for one in (within(found.runs) if several else [])],
        "to_target": [
            {key: _finite(value) if isinstance(value, float) else value for key, value in row.items()}
            for row in targets(found.runs, prices)
        ]
        if found.by in ("machine", "version")
        else [],
        "rows": long_rows(found),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
