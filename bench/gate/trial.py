"""Tests of the gate itself, on real processes.

How often does it claim a slowdown that is not there, and how often does it find one that is?

``quiet`` resamples what a published run says of itself: processes of one case that took turns. ``record`` makes rounds
of processes of this one checkout that take turns: two as they are, and one for each slowdown, which computes more in
every update. ``table`` resamples their ratios into whole gates.
"""

import argparse
import json
import lzma
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from bench.case.configurations import Configuration
from bench.gate import deciding, rounds
from bench.gate.deciding import Floats, Verdict
from bench.gate.judging import Busy
from bench.gate.rounds import Process, RoundError
from bench.machine import host, interpreters
from bench.measure.elsewhere import CONTROL, hash_times
from bench.plan import planning, presets
from bench.run.configured import Order

SLOWDOWNS = (0.05, 0.10, 0.20)
GATES = 1000
MOST_PAIRS = 60
"""Pairs after which a resampled gate's time is spent."""


def record(file: Path, minutes: float, preset: str) -> None:
    """Append rounds to a file, one a line, until the time is over."""
    jobs = [job for job in planning.make(presets.load(preset)).jobs if job.case.kind == "time"]
    usual = Configuration("this", source=interpreters.ROOT)
    logs = file.parent / "logs"
    begin = time.perf_counter()
    first = rounds.measure([("base", Order(usual, jobs, shares=True, control=True))], logs)[0]
    hash_s = _hash_seconds()
    per_update = {job.case.key: float(np.median(first.blocks[job.case.key][1])) / hash_s for job in jobs}
    number = 0
    with file.open("a", encoding="utf-8") as out:
        while time.perf_counter() - begin < 60 * minutes:
            busy = Busy()
            slow = [(f"{share:g}", {key: share * n for key, n in per_update.items()}) for share in SLOWDOWNS]
            sides: list[tuple[str, dict[str, float]]] = [("0", {}), ("0", {}), *slow]
            # Each place in turn, so that none is always the first.
            sides = sides[number % len(sides) :] + sides[: number % len(sides)]
            found = rounds.measure(
                [(name, Order(usual, jobs, shares=True, control=True, extra=extra)) for name, extra in sides], logs
            )
            out.write(json.dumps(_line(found, busy.other_load(), time.perf_counter() - begin)) + "\n")
            out.flush()
            number += 1
            say(f"{number} rounds in {(time.perf_counter() - begin) / 60:.1f} minutes")


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _hash_seconds() -> float:
    hash_times(200)
    times = []
    for _ in range(9):
        begin = time.perf_counter()
        hash_times(200)
        times.append((time.perf_counter() - begin) / 200)
    return float(np.median(times))


def _line(found: Sequence[Process], other_load: float, seconds: float) -> dict[str, Any]:
    for one in found:
        if one.failures:
            raise RoundError(f"side {one.side} failed: {one.failures}")
    plain = [one for one in found if one.side == "0"]
    ratios = {
        one.side: {key: rounds.log_ratio(one, plain[0], key) for key in one.blocks} for one in found if one.side != "0"
    }
    ratios["0"] = {key: rounds.log_ratio(plain[1], plain[0], key) for key in plain[0].blocks}
    return {"log_ratios": ratios, "other_load": other_load, "seconds": seconds, "machine": host.fingerprint([])["cpu"]}


def gates(pairs: dict[str, Floats], rng: np.random.Generator, count: int) -> Iterator[tuple[set[str], int, bool]]:
    """Whole gates from resampled pairs; what each claims as slower, the pairs it took, whether it was conclusive.

    Parameters
    ----------
    pairs
        By case, shape (pairs,): ratios that stand at the same place are of the same processes and drawn together.
    """
    size = next(iter(pairs.values())).size

    def draw(keys: Sequence[str], least: int) -> dict[str, Floats]:
        taken = rng.integers(0, size, MOST_PAIRS)
        sign = rng.choice((-1.0, 1.0), MOST_PAIRS) if symmetric else np.ones(MOST_PAIRS)
        for n in range(max(least, deciding.LEAST_PAIRS), MOST_PAIRS + 1, 2):
            now = {key: (pairs[key][taken] * sign)[:n] for key in keys}
            if deciding.enough(now):
                break
        return now

    # Two processes of the same code are exchangeable: either may have been called head.
    symmetric = abs(float(np.mean([np.median(values) for values in pairs.values()]))) < deciding.MARGIN
    for _ in range(count):
        first = draw(list(pairs), 0)
        found = deciding.verdicts(first)
        n = next(iter(first.values())).size
        claimed = [key for key, (verdict, _) in found.items() if verdict is Verdict.SLOWER]
        again = deciding.verdicts(draw(claimed, n)) if claimed else {}
        confirmed = {key for key in claimed if again[key][0] is Verdict.SLOWER}
        yield confirmed, n, all(verdict is not Verdict.INCONCLUSIVE for verdict, _ in found.values())


def table(files: Sequence[Path]) -> list[dict[str, Any]]:
    """One row a slowdown: how often it was found, in how many pairs."""
    lines = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    rows = []
    for share in ("0", *(f"{share:g}" for share in SLOWDOWNS)):
        keys = [key for key in lines[0]["log_ratios"]["0"] if key != CONTROL]
        pairs = {key: np.array([line["log_ratios"][share][key] for line in lines]) for key in keys}
        rng = np.random.default_rng(1)
        results = list(gates(pairs, rng, GATES))
        rows.append(
            {
                "asked": float(share),
                "rounds": len(lines),
                "measured": {key: float(np.expm1(np.median(values))) for key, values in pairs.items()},
                "spread": {
                    key: float(np.quantile(np.abs(values - np.median(values)), 0.9)) for key, values in pairs.items()
                },
                "gates": GATES,
                "any": sum(bool(confirmed) for confirmed, _, _ in results),
                "by_case": {key: sum(key in confirmed for confirmed, _, _ in results) for key in keys},
                "median_pairs": float(np.median([n for _, n, _ in results])),
                "conclusive": sum(clear for _, _, clear in results),
            }
        )
    return rows


def self_comparisons(file: Path) -> Floats:
    """log(ratio) of every two processes of a timed case that took turns, from a run's compressed records."""
    groups: defaultdict[tuple[str, str], list[Process]] = defaultdict(list)
    for line in lzma.decompress(file.read_bytes()).splitlines():
        record = json.loads(line)
        found = record.get("time")
        if found and found.get("group"):
            case = record["key"].partition("#")[0]
            blocks = (found.get("warm_up_blocks", 0), np.array(found["seconds_per_update"], dtype=float))
            groups[found["group"], case].append(Process(case, {case: blocks}, {}, {}, {}))
    pairs = [(case, pair) for (_, case), of in groups.items() for pair in combinations(of, 2)]
    return np.array([rounds.log_ratio(*pair, case) for case, pair in pairs])


def quiet(file: Path, cases: int = 3) -> list[dict[str, Any]]:
    """Gates of so many cases from a run's own noise; what a constant would add is computed and not measured."""
    noise = self_comparisons(file)
    rows = []
    for share in (0.0, 0.03, 0.04, 0.05, 0.10, 0.20):
        rng = np.random.default_rng(1)
        pairs = {f"case {n}": rng.permutation(noise) + np.log1p(share) for n in range(cases)}
        results = list(gates(pairs, rng, GATES))
        rows.append(
            {
                "constant": share,
                "pairs_drawn_from": int(noise.size),
                "gates": GATES,
                "any": sum(bool(confirmed) for confirmed, _, _ in results),
                "of_a_case": sum(len(confirmed) for confirmed, _, _ in results) / cases,
                "median_pairs": float(np.median([n for _, n, _ in results])),
            }
        )
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Record, or print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.gate.trial", description=__doc__)
    parser.add_argument("what", choices=("record", "table", "quiet"))
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="rounds, one a line; quiet: records.jsonl.xz"
    )
    parser.add_argument("--minutes", type=float, default=30.0, help="how long to record (30)")
    parser.add_argument("--preset", default="gate", help="whose time cases (gate)")
    chosen = parser.parse_args(arguments)
    if chosen.what == "record":
        chosen.files[0].parent.mkdir(parents=True, exist_ok=True)
        record(chosen.files[0], chosen.minutes, chosen.preset)
    elif chosen.what == "quiet":
        json.dump(quiet(chosen.files[0]), sys.stdout, indent=1)
    else:
        json.dump(table(chosen.files), sys.stdout, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
