"""``python -m reports.publish [RUN ...]``: runs in compact form under reports/published/, with their reports.

What README.md there says of how much each run weighs, and where two disagree, is made anew from their summaries.
"""

import argparse
import json
import lzma
import shutil
import sys
from collections.abc import Iterable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

from reports import formatting
from reports.all_or_nothing import together
from reports.collect.read import COMPRESSED, RECORDS, RunNotReadableError, lines, read
from reports.commands import answered
from reports.compare import hardware_page
from reports.formatting import count
from reports.render import OF_A_REPORT, write_report
from reports.statistics.verdict import FEWER, MORE

PUBLISHED = Path(__file__).parent / "published"
DIGITS = 4
"""Significant digits of a curve's errors: what no figure shows and no verdict rests on is dropped."""


def compact(lines_of_records: Iterable[bytes]) -> Iterator[bytes]:
    """Records without what no report reads: losses, and the curves of tuning replicates but for their end."""
    for line in lines_of_records:
        record = json.loads(line)
        for replicate in record.get("convergence", {}).get("replicates", ()):
            replicate.pop("loss", None)
            keep = slice(None) if replicate["role"] == "evaluation" else slice(-1, None)
            replicate["updates"] = replicate["updates"][keep]
            replicate["error"] = [_rounded(value) for value in replicate["error"][keep]]
        yield json.dumps(record, separators=(",", ":")).encode()


def publish(folder: Path, into: Path) -> Path:
    """Write a run's compact form and the report made from it; returns the report's path.

    Raises
    ------
    RunNotReadableError
        If the folder holds no run, or one of which not all can be read.
    """
    problems = read(folder).unreadable
    if problems:
        raise RunNotReadableError(f"{folder}: {problems[0]}. Continue the run before it is published.")
    kept = [line for line in lines(folder) if line.strip()]
    with together(into, instead_of=OF_A_REPORT) as stage:
        with lzma.open(stage / COMPRESSED, "wb", preset=9) as file:
            file.writelines(line + b"\n" for line in compact(kept))
        for other in ("run.json", "series.npz"):
            if (folder / other).is_file():
                shutil.copyfile(folder / other, stage / other)
        run = read(stage)
        report = hardware_page.write(run) if hardware_page.has_configurations(run) else write_report(run)
    return into / report.name


BEGIN, END = "<!-- from here on by python -m reports.publish -->\n", "<!-- to here -->\n"
MOST_NAMED = 12
"""Settings named one by one in which two runs disagree."""


def renew(published: Path = PUBLISHED) -> None:
    """Write what README.md says of the runs that are published there anew."""
    file = published / "README.md"
    before, _, rest = file.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    with together(published) as stage:
        (stage / file.name).write_text(before + BEGIN + weights(published) + END + after, encoding="utf-8")


def weights(published: Path) -> str:
    """Say what each run's verdicts rest on, which of two runs weighs more, and where they disagree."""
    summaries = {file.parent.name: json.loads(file.read_bytes()) for file in sorted(published.glob("*/summary.json"))}
    declared = {
        name: {tuple(row["cases"]): row for row in one["training"] if row["declared"]}
        for name, one in summaries.items()
        if one.get("evidence") and one["family"]
    }
    evidence = {name: summaries[name]["evidence"] for name in declared}
    head = ["run", "seeds per arm", "folds", "draws of the data", "declared", "differences", "after Holm's correction"]
    lines = [f"| {' | '.join(head)} |", "|---|--:|--:|--:|--:|--:|--:|"]
    for name, rows in declared.items():
        rests_on = [formatting.low_to_high(evidence[name][what]) for what in ("seeds", "folds", "draws")]
        found = [row for row in rows.values() if _direction(row)]
        counts = [len(rows), len(found), sum(row["survives_holm"] for row in found)]
        lines.append(f"| `{name}` | {' | '.join([*rests_on, *map(str, counts)])} |")
    for names in combinations(declared, 2):
        lines += _disagreement({name: evidence[name] for name in names}, {name: declared[name] for name in names})
    return "\n".join([*lines, ""])


def _disagreement(evidence: dict[str, Any], declared: dict[str, dict[Any, Any]]) -> list[str]:
    """Of two runs: how many comparisons they share, which run weighs more, and where their verdicts differ."""
    first, second = declared
    shared = [(row, declared[second][cases]) for cases, row in declared[first].items() if cases in declared[second]]
    differ = [pair for pair in shared if _direction(pair[0]) != _direction(pair[1])]
    if not differ:
        return []
    reversals = sum(all(map(_direction, pair)) for pair in differ)
    weight = {name: (one["seeds"][0], one["draws"][0]) for name, one in evidence.items()}
    heavier, lighter = sorted(weight, key=lambda name: weight[name], reverse=True)
    (seeds, draws), (fewer_seeds, fewer_draws) = weight[heavier], weight[lighter]
    why = "neither weighs more, as they have the same number of seeds and draws"
    if weight[heavier] != weight[lighter]:
        drawn = f" and {draws} draws instead of {fewer_draws}" if draws != fewer_draws else ""
        why = f"`{heavier}` weighs more, with {seeds} seeds per arm instead of {fewer_seeds}{drawn}"
    among = "none is reversed" if not reversals else f"{reversals} of them reversed"
    rows = [[pair[0]["setting"], *map(_told, pair)] for pair in differ[:MOST_NAMED]]
    left = len(differ) - len(rows)
    sentence = (
        f"`{first}` and `{second}` both declared {count(len(shared), 'comparison')}; {len(differ)} came out "
        f"differently, {among}. There {why}."
    )
    return [
        "",
        sentence,
        "",
        f"| setting | `{first}` | `{second}` |",
        "|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows),
        *(["", f"{count(left, 'more setting')} in their comparisons.csv."] if left else []),
    ]


def _direction(row: dict[str, Any]) -> str:
    """Which arm needs fewer updates; "" where no difference was found."""
    verdict = row["updates"]["verdict"]
    return "stateful" if verdict in FEWER else "stateless" if verdict in MORE else ""


def _told(row: dict[str, Any]) -> str:
    low, high = row["updates"]["interval"]
    value = row["updates"]["ratio"]
    if value is None or low is None or high is None:
        return str(row["updates"]["verdict"])
    return f"{row['updates']['verdict']}, {formatting.number(value)} {formatting.span(low, high)}"


def _rounded(value: Any) -> Any:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def main(arguments: list[str] | None = None) -> int:
    """Publish each run by its own name; 2 where one cannot be read, 3 where it cannot be written."""
    parser = argparse.ArgumentParser(prog="python -m reports.publish", description=__doc__)
    parser.add_argument("runs", nargs="*", metavar="RUN", help=f"path of a run's folder, which holds {RECORDS}")
    folders = [Path(one) for one in parser.parse_args(arguments).runs]

    def publish_all() -> None:
        for folder in folders:
            print(publish(folder, PUBLISHED / folder.resolve().name))
        renew()

    return answered(publish_all)


if __name__ == "__main__":
    sys.exit(main())
