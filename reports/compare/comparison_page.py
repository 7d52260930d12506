"""A comparison for people (compare.md, compare.html) and for programs (compare.json, compare.csv)."""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from reports import formatting, page
from reports.all_or_nothing import together
from reports.compare import machines
from reports.compare.joining import (
    CASE,
    EVERY_SEED,
    FIELDS,
    NOT_COMPARED,
    TIMED,
    TOO_FEW,
    Comparison,
    Named,
    Verdict,
    of_one_way,
    ratio_of,
    setting_of,
)
from reports.costs.payback import to_target
from reports.costs.timings import timings
from reports.formatting import NOTHING, THIN, count, listing, number, plain, table_cell
from reports.frames import Frames, write_csv
from reports.frames.columns import Source
from reports.statistics.intervals import Ratio
from reports.statistics.verdict import MEMORY_BYTES, MEMORY_SHARE, SECONDS_MARGIN, Pace, pace

MOST_ROWS = 8
"""Rows of a table that a page in Markdown shows; the HTML has all."""

FEWER_ROWS = 6
"""Of ratios within runs, and of memory."""

SCHEMA = 1

ONLY_TIMES: dict[str, Any] = dict.fromkeys(("comparisons", "a_a", "longer_windows", "same_arms"), ())
"""What is known of a run of whose ratios those of times are asked for alone."""


@dataclass(frozen=True)
class Section:
    """A part of the page: sentences, then a table."""

    title: str
    text: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    table_in_html: bool = False
    """Whether the table is left to the HTML page."""
    most: int = MOST_ROWS
    """Rows that the page in Markdown shows."""
    note: str = ""
    """How far to trust it, in one line."""


def write(found: Comparison, prices: Mapping[str, float], folder: Path) -> Path:
    """Write all four files; returns the path of compare.md."""
    title = f"{listing(found.columns)}: compared by {found.by}"
    with together(folder) as stage:
        write_pages(title, sections(found, prices), stage / "compare.md")
        (stage / "compare.json").write_text(json.dumps(to_dict(found, prices), indent=1), encoding="utf-8")
        write_frame(found, stage / "compare.csv")
    return folder / "compare.md"


def write_frame(found: Comparison, file: Path) -> None:
    """Write one row a case and column, as CSV."""
    write_csv(found.cells[list(FIELDS)], file)


def sections(found: Comparison, prices: Mapping[str, float]) -> list[Section]:
    """All parts, in order; those that say nothing are left out."""
    several = len(found.runs) > 1
    parts = [
        Section("", tuple(summary(found)), note=caveat(found)),
        times_section(found),
        within_section(found.runs) if several else None,
        updates_section(found),
        memory_section(found),
        _to_target(found, prices) if found.by in ("machine", "version") else None,
        not_compared_section(found),
        _head(found.runs) if several else None,
        Section("How to read this", (READING,)),
    ]
    return [part for part in parts if part is not None]


READING = (
    "A ratio is a column's seconds over the base's: below 1 it is faster. Its interval rests on pairs of processes, "
    "one of each column, never on the blocks within one; the variances of all pairs are estimated together. "
    "Configurations and engines of one run were interleaved; runs were not, so that what disturbed one of them is in "
    "its ratios."
)


def summary(found: Comparison) -> list[str]:
    """What was found, a sentence for each column, what the seeds say, and what could not be compared."""
    base = found.columns[0]
    means, in_mean = found.means
    lines = []
    for name in found.columns[1:]:
        here = found.cells[found.cells["column"] == name]
        timed = here[(here["kind"] == "time") & here["verdict"].isin(TIMED)]
        if timed.empty:
            lines.append(f"**{name}**: no seconds to compare with {base}.")
        else:
            among = "" if in_mean == len(timed) else f" of {count(in_mean, 'case')} that all columns have"
            range_ = formatting.low_to_high(timed["ratio"])
            lines.append(
                f"**{name}: {_answer(timed)}** ({_counts(timed)}). It takes {range_} times the seconds per update of "
                f"{base}, {number(means[name])} as a geometric mean{among}."
            )
        lines += _incomparable(found, name)
    return [*lines, *_every_seed(found)]


def _answer(timed: pd.DataFrame) -> str:
    """One answer for all cases; one-sided only where most of them, not merely those decided, say so."""
    verdicts = Counter(timed["verdict"])
    faster, slower = verdicts[Verdict.FASTER], verdicts[Verdict.SLOWER]
    if (timed["reason"] == TOO_FEW).all():
        return "no verdict"
    if not faster and not slower:
        return "no difference" if verdicts[Verdict.SAME] == len(timed) else "no difference shown"
    word = "faster" if faster > slower else "slower"
    if 2 * max(faster, slower) <= len(timed):
        return "it depends" if faster and slower else "not settled"
    return word if not min(faster, slower) else f"mostly {word}"


def _counts(timed: pd.DataFrame) -> str:
    """How many cases have each verdict; of those that no interval judges, on which side they are."""
    judged = timed[timed["reason"] != TOO_FEW]
    alone = timed[timed["reason"] == TOO_FEW]
    counts = Counter(judged["verdict"])
    parts = [f"{verdict} in {counts[verdict]}" for verdict in TIMED if counts[verdict]]
    if len(alone):
        less = int((alone["ratio"] < 1).sum())
        parts.append(f"no interval: fewer seconds in {less}, more in {len(alone) - less}")
    return f"{', '.join(parts)} of {count(len(timed), 'case')}"


def caveat(found: Comparison, parts: Sequence[Named] | None = None) -> str:
    """How far to trust the seconds, in one line; `parts`: what each column holds, where these are no runs."""
    apart = machines.apart(found.runs if parts is None else parts)
    steady = f" Two processes of a case, minutes apart, differ by {apart} in the median." if apart else ""
    timed = found.of_kind("time")
    if (timed[timed["verdict"].isin(TIMED)]["reason"] == TOO_FEW).all():
        return f"Seconds over those of {found.columns[0]}, of one process each: no intervals, so no verdicts.{steady}"
    return (
        f"Seconds over those of {found.columns[0]}, with 95 % intervals over pairs of processes. Faster or slower: all "
        f"of the interval is beyond {formatting.percent(SECONDS_MARGIN)}; same: all within; else inconclusive.{steady}"
    )


def _every_seed(found: Comparison) -> list[str]:
    """How many settings agree in every seed, columns of one answer together."""
    trained = found.of_kind("convergence")
    trained = trained[~trained["verdict"].isin((*NOT_COMPARED, Verdict.BASE)) & trained["value"].notna()]
    columns: defaultdict[tuple[int, int], list[str]] = defaultdict(list)
    for name, here in trained.groupby("column", sort=False):
        columns[int((here["reason"] == EVERY_SEED).sum()), len(here)].append(str(name))
    return [
        f"**Updates to target:** {equal} of {count(of, 'setting')} of {listing(names)} agree with {found.columns[0]} "
        "in every seed."
        for (equal, of), names in columns.items()
    ]


CALLED = {
    "hold": "how long a target is held",
    "scored": "which targets are scored",
    "trivial": "the error of simple predictions",
    "predicts": "how it predicts",
    "target_rule": "the rule of the target",
    "evaluate_every": "when it is evaluated",
    "evaluation_seeds": "seeds",
}
"""What fields are called on the page that say little by their name."""


def _called(differ: Sequence[str]) -> str:
    return listing([CALLED.get(one, one.replace("_", " ")) for one in differ])


def _incomparable(found: Comparison, name: str) -> list[str]:
    """What of a column is not compared since it was trained or judged otherwise, and in what."""
    here = found.cells[(found.cells["column"] == name) & (found.cells["verdict"] == Verdict.INCOMPARABLE)]
    if here.empty:
        return []
    kinds = " and ".join(f"{n} {kind} {'case' if n == 1 else 'cases'}" for kind, n in Counter(here["kind"]).items())
    names = Counter(one for differ in here["differ"] for one in differ)
    everywhere = [one for one, n in names.items() if n == len(here)]
    what = [_called(everywhere)] if everywhere else []
    what += [f"{_called([one])} (in {n})" for one, n in names.most_common() if one not in everywhere]
    return [f"**Not compared** with {found.columns[0]}: {kinds} of {name}, which differ in {'; '.join(what)}."]


def _head(runs: Sequence[Named]) -> Section:
    text = (
        "What differs, and what each machine reached at best in its own run. Runs of one machine class continue one "
        "history; a run continues only on exactly the same machine."
    )
    rows = tuple((one.name, *one.values) for one in machines.every(runs))  # noqa: PD011 - no frame
    return Section("Machines", (text,), ("", *(one.name for one in runs)), rows)


def times_section(found: Comparison) -> Section | None:
    """Seconds per update of every case that is compared; of several columns beside the base the ratios alone."""
    alone = len(found.columns) == 2
    header = ["case", f"{found.columns[0]}, s per update{' (spread)' if alone else ''}"]
    for name in found.columns[1:]:
        header += [f"{name}, s per update", "ratio", "verdict"] if alone else [f"{name}, ratio and verdict"]
    shown = [(label, cells) for label, cells in found.rows("time") if _compared(cells)]
    common, labels = constant([label for label, _ in shown])
    without = bool(shown) and all(
        cell.method == "none" for _, cells in shown for cell in cells[1:] if _compared([cells[0], cell])
    )
    lines: list[tuple[str, ...]] = []
    for label, (_, (base, *others)) in zip(labels, shown, strict=True):
        if alone:
            (other,) = others
            judged = () if without else (_verdict(other),)
            lines.append((label, _with_spread(base), _with_spread(other), _ratio(other), *judged))
        else:
            lines.append((label, formatting.seconds(base.value), *map(_ratio_and_verdict, others)))
    spread = "; the spread is the slowest process over the fastest" if alone else ""
    none = " Each case ran in one process: no interval, so no verdict." if without else ""
    text = f"Median over processes{spread}.{none}{common}"
    kept = tuple(header[: len(lines[0])]) if lines else ()
    return Section("Seconds per update", (text,), kept, tuple(lines)) if lines else None


def _compared(cells: Sequence[Any]) -> bool:
    """Whether any column of a case is compared with the base; what is not stands under its own heading."""
    return any(cell.verdict not in NOT_COMPARED for cell in cells[1:])


def constant(labels: Sequence[str]) -> tuple[str, list[str]]:
    """What all labels have in common, as a sentence that follows another, and each label without it."""
    parts = [label.split(", ") for label in labels]
    common = [part for part in parts[0] if all(part in other for other in parts)] if len(parts) > 1 else []
    rest = [", ".join(part for part in label if part not in common) for label in parts]
    return f" In all of them: {', '.join(common)}." if common else "", rest


def _ratio_and_verdict(cell: Any) -> str:
    return " ".join(part for part in (_ratio(cell), _verdict(cell)) if part != NOTHING)


def _with_spread(cell: Any) -> str:
    if math.isnan(cell.value):
        return NOTHING
    spread = "" if math.isnan(cell.spread) else f" ({100 * cell.spread:.1f}{THIN}%)"
    return f"{formatting.seconds(cell.value)}{spread}"


def _ratio(cell: Any) -> str:
    """The ratio; that it has no interval is what its verdict says."""
    ratio = ratio_of(cell)
    return NOTHING if ratio is None else number(ratio.value) if ratio.method == "none" else formatting.ratio(ratio)


SAID_ONCE = ("interval ", "limit ")
"""How reasons begin that a page gives once for all verdicts."""


def _verdict(cell: Any) -> str:
    if cell.reason == TOO_FEW:
        return "no interval"
    if cell.verdict == Verdict.INCOMPARABLE:
        return f"{cell.verdict} (other {_called(cell.differ)})"
    return str(cell.verdict) if cell.reason.startswith(SAID_ONCE) else f"{cell.verdict} ({cell.reason})"


def agreement(ratios: Iterable[Ratio]) -> str:
    """Whether runs agree on a ratio that each formed of its own cases."""
    ratios = list(ratios)
    sides = {side if (side := pace(one)) in {Pace.FASTER, Pace.SLOWER} else Pace.SAME for one in ratios}
    if {Pace.FASTER, Pace.SLOWER} <= sides:
        return "reversed"
    overlap = max(one.low for one in ratios) <= min(one.high for one in ratios)
    return "agree" if overlap else "differ in size" if len(sides) == 1 else "differ"


def within(runs: Sequence[Named]) -> list[dict[str, Any]]:
    """Ratios that every run formed of its own cases, such as stateful / stateless and XLA / loop: as JSON has them."""
    every = Frames(Source(one.name, of_one_way(one.run), dict(ONLY_TIMES)) for one in runs).comparisons
    timed = every[(every["measure"] == "seconds of an update") & (every["method"] != "none")]
    alike = ["compares", *(name for name in CASE if name in timed.columns)]
    found = []
    for key, part in timed.groupby(alike, sort=False, observed=True, dropna=False):
        if len(part) == len(runs):
            case = dict(zip(alike, key, strict=True))
            ratios = [ratio for one in part.itertuples() if (ratio := ratio_of(one))]
            regime = case["kernel"] if case["regime"] != case["regime"] else case["regime"]
            found.append(
                {
                    "what": case["compares"],
                    "case": f"{setting_of(case).short}, {regime}",
                    "ratios": [[_finite(one.value), _finite(one.low), _finite(one.high)] for one in ratios],
                    "agreement": agreement(ratios),
                }
            )
    return found


def within_section(runs: Sequence[Named], title: str = "Ratios within each machine") -> Section | None:
    """Whether runs agree on the ratios that each formed of its own cases."""
    found = within(runs)
    if not found:
        return None
    counts = Counter(one["agreement"] for one in found)
    parts = [f"{counts[which]} {words}" for which, words in AGREEMENTS.items() if counts[which]]
    common, labels = constant([one["case"] for one in found])
    text = (
        "Ratios of two cases of one run: is the same thing faster on each, and by as much? Of "
        f"{len(found)} that all formed: {listing(parts)}.{common}"
    )
    rows = []
    for one, label in zip(found, labels, strict=True):
        ratios = (f"{number(value)} {formatting.span(low, high)}" for value, low, high in one["ratios"])
        rows.append((one["what"], label, *ratios, one["agreement"]))
    # What differs is what a reader looks for; of what agrees an example or two will do.
    rows.sort(key=lambda row: -list(AGREEMENTS).index(row[-1]))
    most = min(MOST_ROWS, len(found) - counts["agree"] + 2)
    return Section(title, (text,), ("ratio", "case", *(o.name for o in runs), ""), tuple(rows), most=most)


AGREEMENTS = {
    "agree": "agree (the intervals overlap)",
    "differ in size": "differ in size but not in direction",
    "differ": "differ in that one shows no difference",
    "reversed": "reversed (faster here, slower there)",
}


def updates_section(found: Comparison) -> Section | None:
    """Settings whose updates to target are compared, and not the same in every seed."""
    header = ["setting", found.columns[0]]
    for name in found.columns[1:]:
        header += [name, "ratio", "verdict"]
    lines = [
        (
            label,
            number(base.value),
            *(text for cell in others for text in (number(cell.value), _ratio(cell), _verdict(cell))),
        )
        for label, (base, *others) in found.rows("convergence")
        if any(cell.verdict not in NOT_COMPARED and cell.reason != EVERY_SEED for cell in others)
    ]
    text = (
        "Expected updates to target, all that were spent over the successes, where not every seed agrees. Ratios are "
        "formed as in a run's own report, which also starts slow trainings anew."
    )
    return Section("Updates to target", (text,), tuple(header), tuple(lines)) if lines else None


def memory_section(found: Comparison) -> Section | None:
    """Peaks of memory, the largest first; also of what the base has not, as a GPU's own kernels are compared."""
    header = ("case", *(f"{name}, peak" for name in found.columns), "verdict")
    shown = [(label, cells) for label, cells in found.rows("memory") if any(cell.value > 0 for cell in cells[1:])]
    shown.sort(key=lambda row: -max(cell.value for cell in row[1] if cell.value > 0))
    common, labels = constant([label for label, _ in shown])
    lines = [
        (
            label,
            *(NOTHING if math.isnan(cell.value) else formatting.size(cell.value) for cell in cells),
            "; ".join(dict.fromkeys(_verdict(cell) if _compared([cells[0], cell]) else NOTHING for cell in cells[1:])),
        )
        for label, (_, cells) in zip(labels, shown, strict=True)
    ]
    alike = all(cell.verdict == Verdict.SAME for _, cells in shown for cell in cells[1:])
    text = (
        "The allocator's peak while training, the largest first, from one process each, so without an interval. "
        f"Different: by more than {formatting.percent(MEMORY_SHARE)} and {formatting.size(MEMORY_BYTES)}.{common}"
    )
    if alike:
        text += f" The same in all columns, in {count(len(lines), 'case')} of {len(lines)}."
    measured = [record.case for one in found.runs for record in one.run.records if record.case.kind == "memory"]
    if any(case.engine == "jax" and case.device == "gpu" for case in measured):
        # Its allocator cannot be told to forget a peak.
        text += (
            " **JAX's figures on a GPU are peaks since the process began**, compiling and trying out kernels "
            "included: upper bounds."
        )
    return Section("Memory", (text,), header, tuple(lines), table_in_html=alike, most=FEWER_ROWS) if lines else None


def targets(runs: Sequence[Named], prices: Mapping[str, float]) -> list[dict[str, Any]]:
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
                    "case": f"{found.timing.setting.task_name}, {found.timing.regime}, {found.timing.setting.short}",
                    "kernel": found.timing.setting.kernel,
                    "updates": found.updates,
                    "seconds": found.seconds,
                    "low": found.low,
                    "high": found.high,
                    "price": found.seconds / 3600 * prices[one.name] if one.name in prices else None,
                }
            )
    return rows


def _to_target(found: Comparison, prices: Mapping[str, float]) -> Section | None:
    by_case: defaultdict[tuple[str, str], dict[str, dict[str, Any]]] = defaultdict(dict)
    for row in targets(found.runs, prices):
        by_case[row["case"], row["kernel"]][row["run"]] = row
    if not by_case:
        return None

    comparable = _comparable_targets(found)
    left = [key for key in by_case if not comparable[key]]

    def shown(row: dict[str, Any] | None) -> str:
        if row is None:
            return NOTHING
        limits = f"[{formatting.seconds(row['low'])}, {formatting.seconds(row['high'])}]"
        price = "" if row["price"] is None else f", {number(row['price'])} of money"
        return f"{formatting.seconds(row['seconds'])} {limits}{price}"

    lines = [
        (*key, *(shown(rows.get(column) if column in comparable[key] else None) for column in found.columns))
        for key, rows in by_case.items()
        if key not in left
    ]
    text = "Updates to target × seconds per update, compilation included, where a run measured both of a setting."
    if prices:
        text += " Money: these seconds at the price per hour that was given, one training at a time."
    if left:
        text += (
            f" {count(len(left), 'case')} left out: not compared in updates or in seconds; compare.json has each run's."
        )
    header = ("setting", "kernel", *found.columns) if lines else ()
    return Section("Cost to target", (text,), header, tuple(lines))


def _comparable_targets(found: Comparison) -> defaultdict[tuple[str, str], set[str]]:
    """For each case, with its kernel, the columns that may stand side by side: updates and seconds are compared."""
    trained = {label: _columns_compared(cells) for label, cells in found.rows("convergence")}
    columns: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for label, cells in found.rows("time"):
        case, _, kernel = label.rpartition(", ")
        here = _columns_compared(cells) & trained.get(case, set())
        columns[case, kernel] = {found.columns[0], *here} if here else set()
    return columns


def _columns_compared(cells: Iterable[Any]) -> set[str]:
    return {str(cell.column) for cell in cells if cell.verdict not in (*NOT_COMPARED, Verdict.BASE)}


def not_compared_section(found: Comparison, but_for: str = "") -> Section | None:
    """What is missing, failed or incomparable, and why, cases with one reason together.

    Parameters
    ----------
    but_for
        How reasons begin that are told elsewhere.
    """
    gone = found.cells[found.cells["verdict"].isin(NOT_COMPARED)]
    groups: dict[tuple[str, str, str], list[str]] = {}
    for cell in gone.itertuples():
        # What the base lacks is its own row already.
        told = cell.verdict == Verdict.NO_BASE or (but_for and str(cell.reason).startswith(but_for))
        if not told:
            why = (
                "trained or judged otherwise: see the first lines"
                if cell.verdict == Verdict.INCOMPARABLE
                else _verdict(cell)
            )
            groups.setdefault((str(cell.kind), str(cell.column), why), []).append(str(cell.label))
    if not groups:
        return Section("Not compared", ("Every case of every run was compared.",)) if gone.empty else None
    rows = tuple((*key, str(len(labels)), labels[0]) for key, labels in groups.items())
    text = "compare.csv names every case." if any(len(labels) > 1 for labels in groups.values()) else ""
    return Section("Not compared", (text,) if text else (), ("kind", "column", "why", "cases", "first of them"), rows)


def write_pages(title: str, parts: Sequence[Section], file: Path) -> None:
    """Write a page as Markdown, short, and beside it as HTML, whole."""
    file.write_text(markdown(title, parts, file.with_suffix(".html").name), encoding="utf-8")
    whole = page.whole(title, page.body(markdown(title, parts), {}))
    file.with_suffix(".html").write_text(whole, encoding="utf-8")


def markdown(title: str, parts: Iterable[Section], whole: str = "") -> str:
    """The page; where `whole` names one that has everything, without the tables left to it, and the others cut."""
    lines = [f"# {plain(title)}", ""]
    for part in parts:
        lines += [f"## {part.title}", ""] if part.title else []
        texts = map(plain, part.text)
        lines += [text for one in texts for text in (one, "")] if part.title else [*(f"- {one}" for one in texts), ""]
        shown = part.rows[: 0 if part.table_in_html else part.most] if whole else part.rows
        left = len(part.rows) - len(shown)
        lines += [f"*{plain(part.note)}*", ""] if part.note else []
        if shown:
            lines += [_row(part.header), _row(["---"] * len(part.header)), *map(_row, shown), ""]
        if left:
            lines += [f"{count(left, 'more row' if shown else 'row')} in [{whole}]({whole}).", ""]
    return "\n".join(lines).rstrip() + "\n"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(map(table_cell, cells))} |"


def long_rows(found: Comparison) -> list[dict[str, Any]]:
    """One row a case and column; what is no number is None."""
    rows = found.cells[list(FIELDS)].astype(object).itertuples(index=False)
    return [dict(zip(FIELDS, map(_json, row), strict=True)) for row in rows]


def to_dict(found: Comparison, prices: Mapping[str, float]) -> dict[str, Any]:
    """The same as JSON holds it; what is no number is null."""
    several = len(found.runs) > 1
    means, in_mean = found.means
    return {
        "schema": SCHEMA,
        "by": found.by,
        "columns": list(found.columns),
        "runs": [one.name for one in found.runs],
        "margin": SECONDS_MARGIN,
        "machines": {one.name: list(one.values) for one in machines.every(found.runs)},
        "summary": summary(found),
        "geometric_means": {name: _finite(value) for name, value in means.items()},
        "cases_in_mean": in_mean,
        "within_machine": within(found.runs) if several else [],
        "to_target": [{key: _json(value) for key, value in row.items()} for row in targets(found.runs, prices)]
        if found.by in ("machine", "version")
        else [],
        "rows": long_rows(found),
    }


def _json(value: Any) -> Any:
    if value is None or value is pd.NA:
        return None
    return _finite(value) if isinstance(value, float) else value


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
