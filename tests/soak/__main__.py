"""``make soak``: faults at random, for minutes or hours, and a table of what survived them.

A seed tells moments, values and bytes; what the machine does meanwhile is its own. ``ARGS="--minutes 120 --seed 7"``.
"""

import argparse
import os
import random
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from itertools import cycle
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Before NumPy is imported, as in the tests.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
sys.path[:0] = [str(ROOT), str(ROOT / "tests/bench"), str(Path(__file__).parent)]

import fuzz_records  # noqa: E402
from disturbed_runs import ENDED_S, FAULTS, KILLS, NAMES, disturb, undisturbed  # noqa: E402
from fuzzed_inputs import INPUTS, fuzz  # noqa: E402

AT_ONCE = 20
"""Inputs that are tried at a time."""

REPORTED = {
    "series.npz: bytes": (fuzz_records.series, 30),
    "records.jsonl: one field another value": (fuzz_records.records, 1),
    "run.json: one field another value": (fuzz_records.run_json, 1),
}
"""Inputs that are read as a report reads them, and how many are tried at a time; rendering takes longest."""

SELDOM_S = 20.0
"""Between two looks at inputs that are rendered, and two lines that say how far it is."""


class Table:
    """What was tried and what survived."""

    def __init__(self):
        self.tried, self.survived = Counter(), Counter()
        self.lost = []

    def add(self, name, seed, *said, tried=1):
        """Count what was tried; `said` has what was wrong."""
        lost = [text for text in said if text]
        self.tried[name] += tried
        self.survived[name] += tried - len(lost)
        for text in lost:
            self.lost.append((name, seed, text))
            print(f"LOST {name} (seed {seed}): {text}", flush=True)

    def markdown(self):
        names = [name for name in (*NAMES, *INPUTS, *REPORTED) if self.tried[name]]
        rows = [f"| {name} | {self.tried[name]:,} | {self.survived[name]:,} |" for name in names]
        return "\n".join(["| fault | tried | survived |", "|---|---:|---:|", *rows])


def soak(minutes, seed, only, beside):
    """Disturb runs, each kind as often as every other, and try inputs meanwhile."""
    table, rng = Table(), random.Random(seed)
    end = time.monotonic() + 60 * minutes
    faults, inputs = ([name for name in names if re.search(only, name)] for names in (FAULTS, INPUTS))
    with tempfile.TemporaryDirectory(prefix="soak-") as folder, ThreadPoolExecutor(beside) as pool:
        undisturbed(Path(folder))
        running, turns, told = {}, cycle(faults), time.monotonic()
        while time.monotonic() < end or running:
            while faults and len(running) < beside and time.monotonic() < end:
                name, one = next(turns), rng.getrandbits(32)
                running[pool.submit(disturb, name, one, folder)] = name, one
            for _ in range(AT_ONCE if inputs and time.monotonic() < end else 0):
                name, one = rng.choice(inputs), rng.getrandbits(32)
                table.add(name, one, fuzz(name, one, folder))
            if time.monotonic() > told + SELDOM_S:
                told = time.monotonic()
                print(f"{sum(table.tried.values()):,} tried, {sum(KILLS)} kills, {len(table.lost)} lost", flush=True)
                for name, (try_many, count) in REPORTED.items():
                    if re.search(only, name) and time.monotonic() < end:
                        one = rng.getrandbits(32)
                        table.add(name, one, *try_many(one, count).bad, tried=count)
            for done in wait(running, timeout=1, return_when=FIRST_COMPLETED).done:
                _, one = running.pop(done)
                for name, lost in done.result().items():
                    table.add(name, one, lost)
    return table


def main():
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5, help="how long (5)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32), help="(drawn)")
    parser.add_argument("--beside", type=int, default=1, help="runs that are disturbed at the same time (1)")
    parser.add_argument("--only", default="", help="only faults in whose name this is found, a regular expression")
    parser.add_argument("--write", type=Path, help="file whose table is replaced by this one")
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}, {chosen.minutes:g} minutes", flush=True)
    table = soak(chosen.minutes, chosen.seed, chosen.only, chosen.beside)
    said = summary(table, chosen)
    print(f"{said}\n\n{table.markdown()}")
    if chosen.write:
        before, begin, rest = chosen.write.read_text().partition("<!-- soak -->\n")
        after = rest.partition("<!-- /soak -->")[2]
        chosen.write.write_text(f"{before}{begin}{said}\n\n{table.markdown()}\n<!-- /soak -->{after}")
    return 1 if table.lost else 0


def summary(table, chosen):
    """Where the table comes from, what it adds up to, and how long runs took to end."""
    total, survived = sum(table.tried.values()), sum(table.survived.values())
    said = (
        f"Seed {chosen.seed}, {chosen.minutes:g} minutes: {total:,} tried; {total - survived:,} lost. "
        f"Of {len(KILLS):,} kills {sum(KILLS):,} met a run that was alive."
    )
    if ENDED_S:
        ends = sorted(ENDED_S)
        said += (
            f" After a signal to `make` alone the run was gone in {statistics.median(ends):.1f} s (median of "
            f"{len(ends)}; nine of ten within {ends[int(0.9 * (len(ends) - 1))]:.1f} s, the slowest {ends[-1]:.1f} s)."
        )
    return said


if __name__ == "__main__":
    sys.exit(main())
