"""Tests of the gate itself: how often it claims a slowdown that is not there, and how often it finds one that is.

``record FILE`` runs whole gates of this checkout against itself, one after another, and appends a line for each: most
as it is, some with a head that computes more in every update. Called again it goes on where it stopped.

``table FILE`` writes what came of them into docs/gate.md, and beside it whole gates whose pairs are drawn, with
replacement, from the pairs that were measured: those of FILE, and of processes that took turns in a published run.
"""

import argparse
import json
import lzma
import math
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from bench.case.configurations import Configuration
from bench.gate import deciding, judging, rounds
from bench.gate.deciding import Floats, Verdict
from bench.gate.gate_page import finite
from bench.gate.judging import Exit
from bench.gate.rounds import ORDERS, Process
from bench.gate.sides import Side
from bench.machine import host
from bench.measure.elsewhere import CONTROL
from bench.plan import planning, presets
from bench.run.configured import Order

CYCLE = (0.20, *7 * (0.0,), 0.10, *7 * (0.0,), 0.05, *6 * (0.0,))
"""Slowdowns of the gates, in turn: twenty that compare a version with itself, and one of each size."""

ROUNDS = 3
"""Of a pass: six pairs are the fewest that can claim a slowdown, and twenty gates of so many take half an hour."""

QUIET = 0.1
"""Share of the cores that other programs take at most on a machine that is called quiet."""

FOUND = 0.95
GATES = 1000
MOST_PAIRS = 60
"""Pairs after which a resampled gate's time is spent."""

WORK = host.ROOT / "results" / "gate-trial"
"""Where processes write what goes wrong; no part of what is published."""

PAGE = host.ROOT / "docs" / "gate.md"
COST_RUN = host.ROOT / "reports" / "published" / "cost" / "records.jsonl.xz"


def record(file: Path, minutes: float) -> None:
    """Append gates to a file, one a line, until the time is over; the case is the first of the preset `gate`."""
    plan = planning.make(presets.load("gate"))
    plan = replace(plan, jobs=[job for job in plan.jobs if job.case.kind == "time"][:1])
    key = plan.jobs[0].case.key
    usual = Configuration("this", source=host.ROOT)
    base, head = (Side(name, "this checkout", usual, host.versions(), None) for name in ("base", "head"))
    file.parent.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()
    order = Order(usual, plan.jobs, shares=True, control=True)
    found = rounds.measure([(side, order) for side in ORDERS[0]], WORK / "logs")
    a_round = time.perf_counter() - begin
    seconds = (ROUNDS + 0.5) * a_round
    # Both measured in one process, in turns with others: how many hashes an update is worth.
    hashes = float(np.median([np.median(one.blocks[key][1]) / np.median(one.blocks[CONTROL][1]) for one in found]))
    done = len(lines(file))
    # Of each gate half a round is spent on finding out what both sides can run; a claim takes a second pass.
    about = sum((ROUNDS * (1 + (slowdown > 0)) + 0.5) * a_round for slowdown in CYCLE) / 60
    say(
        f"a round takes {a_round:.0f} s, so {len(CYCLE)} gates of {ROUNDS} rounds a pass about {about:.0f} minutes; "
        f"{done} are in {file}; until {minutes:g} minutes are over"
    )
    with file.open("a", encoding="utf-8") as out:
        while time.perf_counter() - begin < 60 * minutes:
            slowdown = CYCLE[done % len(CYCLE)]
            outcome = judging.judge(
                plan, base, head, seconds, WORK, lambda _: None, {key: slowdown * hashes} if slowdown else {}
            )
            code = outcome.exit_code(strict=False)
            kept = ("exit_code", "summary", "cases", "passes")
            values = {name: value for name, value in judging.to_dict(outcome, code).items() if name in kept}
            machine = {"cpu": outcome.machine["cpu"], "cores": outcome.machine["cores"]}
            out.write(json.dumps(finite({"slowdown": slowdown} | machine | values)) + "\n")
            out.flush()
            done += 1
            spent = (time.perf_counter() - begin) / 60
            say(f"{done} gates, {spent:.1f} minutes: {slowdown:.0%} slower: {outcome.summary_line} (exit {code})")


def lines(file: Path) -> list[dict[str, Any]]:
    """Gates of a file; one that was cut off while it was written is left out, and measured anew."""
    if not file.exists():
        return []
    text = file.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        file.write_text(whole, encoding="utf-8")
    return [json.loads(line) for line in whole.splitlines()]


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


@dataclass(frozen=True)
class Resampled:
    """What came of `GATES` whole gates whose pairs are drawn from measured ones.

    Attributes
    ----------
    drawn_from
        Number of measured pairs.
    any, of_a_case
        Gates that claim any case; of how many gates a case is claimed in the mean.
    pairs
        Median number of a first pass.
    """

    drawn_from: int
    any: int
    of_a_case: float
    pairs: float


def resample(pairs: Mapping[str, Floats], *, same_code: bool) -> Resampled:
    """Judge gates of as many cases.

    Parameters
    ----------
    pairs
        By case, shape (pairs,): log ratios at the same place are of the same processes and drawn together.
    same_code
        Two processes of the same code are exchangeable: either may have been called head.
    """
    results = list(gates(pairs, np.random.default_rng(1), GATES, same_code=same_code))
    claimed = [confirmed for confirmed, _ in results]
    size = next(iter(pairs.values())).size
    return Resampled(
        size,
        sum(map(bool, claimed)),
        sum(map(len, claimed)) / len(pairs),
        float(np.median([made for _, made in results])),
    )


def gates(
    pairs: Mapping[str, Floats], rng: np.random.Generator, count: int, *, same_code: bool
) -> Iterator[tuple[set[str], int]]:
    """Whole gates of resampled pairs: the cases that each claims as slower, and the pairs of its first pass."""
    size = next(iter(pairs.values())).size

    def draw(keys: Sequence[str], least: int) -> dict[str, Floats]:
        taken = rng.integers(0, size, MOST_PAIRS)
        sign = rng.choice((-1.0, 1.0), MOST_PAIRS) if same_code else np.ones(MOST_PAIRS)
        for n in range(max(least, deciding.LEAST_PAIRS), MOST_PAIRS + 1, 2):
            now = {key: (pairs[key][taken] * sign)[:n] for key in keys}
            if deciding.enough(now):
                break
        return now

    for _ in range(count):
        first = draw(list(pairs), 0)
        n = next(iter(first.values())).size
        claimed = [key for key, (verdict, _) in deciding.verdicts(first).items() if verdict is Verdict.SLOWER]
        again = deciding.verdicts(draw(claimed, n)) if claimed else {}
        yield {key for key in claimed if again[key][0] is Verdict.SLOWER}, n


def self_comparisons(file: Path) -> Floats:
    """log(ratio) of every two processes of a timed case that took turns, from a run's compressed records."""
    groups: defaultdict[tuple[str, str], list[Process]] = defaultdict(list)
    for line in lzma.decompress(file.read_bytes()).splitlines():
        one = json.loads(line)
        found = one.get("time")
        if found and found.get("group"):
            case = one["key"].partition("#")[0]
            blocks = (found.get("warm_up_blocks", 0), np.array(found["seconds_per_update"], dtype=float))
            groups[found["group"], case].append(Process(case, {case: blocks}, {}, {}, {}))
    pairs = [(case, pair) for (_, case), of in groups.items() for pair in combinations(of, 2)]
    return np.array([rounds.log_ratio(*pair, case) for case, pair in pairs])


def of_a_run(file: Path, cases: int = 3) -> str:
    """Table of gates from a run's own noise; what a constant would add is computed and not measured."""
    noise = self_comparisons(file)
    rows = []
    least = math.nan
    for share in (0.0, 0.03, 0.04, 0.05, 0.10, 0.20):
        rng = np.random.default_rng(1)
        pairs = {f"case {n}": rng.permutation(noise) + np.log1p(share) for n in range(cases)}
        found = resample(pairs, same_code=not share)
        shown = f"{share:.0%}" if share else "none"
        of_a_case = f"{100 * found.of_a_case / GATES:.3g}"
        if math.isnan(least) and found.of_a_case >= FOUND * GATES:
            least = share
        rows.append(f"| {shown} | {found.any:,} of {GATES:,} | {of_a_case} | {found.pairs:.0f} |")
    noted = f"{noise.size} pairs of processes of one case that took turns in the published run `{file.parent.name}`"
    head = (
        f"The noise is that of {noted}; {cases} cases a gate.",
        "",
        "| slowdown of every case | gates that claim any case | a case is found, of 100 | pairs, median |",
        "|--:|--:|--:|--:|",
    )
    tail = f"The smallest slowdown of these that is found {100 * FOUND:.0f} times in 100: {least:.0%}."
    return "\n".join((*head, *rows, "", tail, ""))


def of_gates(found: Sequence[Mapping[str, Any]]) -> str:
    """Table of recorded gates, and of gates resampled from their pairs: quiet and busy machines apart."""
    parts = []
    for quiet in (True, False):
        here = [one for one in found if one["passes"] and (_load(one) <= QUIET) == quiet]
        if here:
            parts.append("\n".join(_of_machines(here, quiet=quiet)))
    return "\n".join(parts) if parts else "No gate was recorded yet.\n"


def _load(gate: Mapping[str, Any]) -> float:
    return max(float(one["other_load"]) for one in gate["passes"])


def _of_machines(found: Sequence[Mapping[str, Any]], *, quiet: bool) -> Iterator[str]:
    loads = [_load(one) for one in found]
    cpus = ", ".join(sorted({f"{one['cores']} cores of {one['cpu']}" for one in found}))
    yield f"**{'Quiet' if quiet else 'Busy'}**: other programs took {min(loads):.0%} to {max(loads):.0%} of {cpus}."
    yield ""
    yield (
        "| computed beside every update | gates | exit 1: slower | exit 4: contaminated | inconclusive | measured | "
        f"pairs a pass, median | claimed in {GATES:,} resampled gates |"
    )
    yield "|--:|--:|--:|--:|--:|--:|--:|--:|"
    for slowdown in sorted({float(one["slowdown"]) for one in found}):
        here = [one for one in found if one["slowdown"] == slowdown]
        codes = Counter(int(one["exit_code"]) for one in here)
        unsure = sum(
            one["exit_code"] == Exit.PASS and any(case["verdict"] == Verdict.INCONCLUSIVE for case in one["cases"])
            for one in here
        )
        key = next(key for key in here[0]["passes"][0]["log_ratios"] if key != CONTROL)
        logs = [np.array(part["log_ratios"][key]) for one in here for part in one["passes"]]
        every = np.concatenate(logs)
        drawn = resample({key: every}, same_code=not slowdown)
        yield (
            f"| {f'{slowdown:.0%} of it' if slowdown else 'nothing'} | {len(here)} | {codes[Exit.SLOWER]} | "
            f"{codes[Exit.FAILED]} | {unsure} | {np.expm1(np.median(every)):+.1%} | "
            f"{np.median([one.size for one in logs]):.0f} | {drawn.any:,} (from {drawn.drawn_from} pairs) |"
        )
    yield ""


def filled(text: str, tables: Mapping[str, str]) -> str:
    """A page with its tables made anew, each between ``<!-- name -->`` and ``<!-- end of name -->``."""
    for name, table in tables.items():
        marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        text, count = marks.subn(lambda found, table=table: found[1] + table + found[2], text)  # type: ignore[misc]
        assert count == 1, f"{PAGE.name} must hold the marks of {name} once"
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Record gates, or write the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.gate.trial", description=__doc__)
    parser.add_argument("what", choices=("record", "table"))
    parser.add_argument("file", type=Path, metavar="FILE", help="gates, one a line")
    parser.add_argument("--minutes", type=float, default=25.0, help="how long to record (25)")
    chosen = parser.parse_args(arguments)
    if chosen.what == "record":
        record(chosen.file, chosen.minutes)
    else:
        tables = {"gates": of_gates(lines(chosen.file)), "resampled": of_a_run(COST_RUN)}
        PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), tables), encoding="utf-8")
        say(str(PAGE))
    return 0


if __name__ == "__main__":
    sys.exit(main())
