"""Files of a run with one thing changed at random: read, judged and rendered as a user would have it done.

`records` and `run_json` put a random JSON value into one field, `series` turns bytes of series.npz over. What comes of
each input is one of `Fate`; `make soak` may run any number of them, the tests a few hundred with a fixed seed.
"""

import contextlib
import copy
import io
import json
import lzma
import random
import shutil
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from bench.case.run_record import fingerprint
from reports.analysis import analyse
from reports.collect.read import RunNotReadableError, effort, read
from reports.render import details
from reports.summary import summary
from tasks.csv_series.series import Prepared
from tasks.task import Series, TaskError

PUBLISHED = Path(__file__).parents[2] / "reports/published/quick"

PARTS = (
    "convergence/electricity-lstm-state",
    "convergence/cosine-lstm-state",
    "time/electricity-lstm-stateful-u16-L12-b8-",
    "memory/electricity-lstm-stateful-u16-L48-b8-loop",
)
"""Beginnings of the keys of the small run that is changed: arms, controls, A/A, kernels and memory."""

KEPT = ("-u16-L12-b8", "cosine-lstm", "memory/")


class Fate(StrEnum):
    """What came of an input."""

    SAME = "read, with the headline and the counts of the unchanged run"
    NAMED = "left out, named, and the rest was used"
    REFUSED = "refused in a sentence"
    TRACEBACK = "ended in a traceback"
    SILENT = "another headline or count, and nothing said"


@dataclass
class Tally:
    """Inputs by fate, and the worst of them to look at: path, value, and what came of it."""

    count: Counter[Fate] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)

    def add(self, fate: Fate, what: str) -> None:
        """Count one input."""
        self.count[fate] += 1
        if fate in {Fate.TRACEBACK, Fate.SILENT}:
            self.bad.append(f"{fate.name}: {what}")


def small_run() -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """A part of a published run: its records, and its run.json."""
    lines = lzma.decompress((PUBLISHED / "records.jsonl.xz").read_bytes()).splitlines()
    made = [json.loads(line) for line in lines]
    kept = [one for one in made if one["key"].startswith(PARTS) and any(part in one["key"] for part in KEPT)]
    keys = {one["key"] for one in kept}
    about = json.loads((PUBLISHED / "run.json").read_bytes())
    about["plan"] = [one["case"] for one in kept]
    about["family"] = [pair for pair in about["family"] if set(pair) <= keys]
    about["family_sha256"] = fingerprint(about["family"])
    return kept, about


def records(seed: int, count: int) -> Tally:
    """Change one field of one record, `count` times."""
    rng = random.Random(seed)
    made, about = small_run()
    tally = Tally()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        write(folder, made, about)
        usual = outcome_of(folder)
        for _ in range(count):
            number = rng.randrange(len(made))
            changed, what = change(made[number], rng)
            write(folder, [*made[:number], changed, *made[number + 1 :]], about)
            tally.add(*fate_of(folder, usual, f"{made[number]['key']}: {what}"))
    return tally


def run_json(seed: int, count: int) -> Tally:
    """Change one field of run.json, `count` times."""
    rng = random.Random(seed)
    made, about = small_run()
    tally = Tally()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        write(folder, made, about)
        usual = outcome_of(folder)
        for _ in range(count):
            changed, what = change(about, rng)
            write(folder, made, changed)
            tally.add(*fate_of(folder, usual, what))
    return tally


def series(seed: int, count: int) -> Tally:
    """Turn one to eight bytes of a series.npz over, `count` times; same numbers or a refusal."""
    rng = random.Random(seed)
    tally = Tally()
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "series.npz"
        whole = prepared()
        whole.save(file)
        content = file.read_bytes()
        for _ in range(count):
            bytes_of = bytearray(content)
            places = [rng.randrange(len(bytes_of)) for _ in range(rng.randint(1, 8))]
            for one in places:
                bytes_of[one] ^= rng.randint(1, 255)
            file.write_bytes(bytes_of)
            try:
                same = Prepared.load(file).sha256 == whole.sha256
                tally.add(Fate.SAME if same else Fate.SILENT, f"bytes {places}")
            except TaskError:
                tally.add(Fate.REFUSED, "")
            except Exception:
                tally.add(Fate.TRACEBACK, f"bytes {places}: {last_line()}")
    return tally


def prepared() -> Prepared:
    """A series of its own, small."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((120, 1))
    about = {
        "file": "own.csv", "sha256": "0" * 64, "slug": "own", "column": "own", "inputs": [], "time": None,
        "group": None, "member": None, "rows_in_file": 121, "values": 121, "first": "", "last": "", "first_line": 2,
        "last_line": 122, "step": "row", "period": None, "period_found": None,
        "scale": {"mean": 0.0, "deviation": 1.0}, "notes": [], "windows": [4],
    }  # fmt: skip
    return Prepared(Series(values, values.copy(), 80, 4), None, 2, about)


VALUES: tuple[Callable[[random.Random], Any], ...] = (
    lambda rng: rng.choice([None, True, False]),
    lambda rng: rng.choice([0, 1, -1, 2, 5, -5000, 10**9, 2**31, 2**53, 2**63, -(2**63), 10**30]),
    lambda rng: rng.choice([0.0, 0.5, -1.8, 1e-300, 1e300, 1.7e308, float("nan"), float("inf"), float("-inf")]),
    lambda rng: rng.choice(
        ["", "5", "no", "ok", "lstm", "stateful", "<b>x</b>", "| x", "\x1b[31m", "é" * 9, "x" * 9999]
    ),
    lambda rng: rng.choice([[], {}, [1], [None], [[]], {"a": 1}, {"": {}}, ["x"] * 3, [1e300] * 10, nested(rng)]),
    lambda rng: rng.randint(-100, 10**6),
    lambda rng: 10 ** rng.uniform(-9, 9) * rng.choice([1, -1]),
)
"""Kinds of JSON values, drawn alike."""

MISSING = object()


def nested(rng: random.Random) -> Any:
    """A list in a list, and so on."""
    value: Any = 1
    for _ in range(rng.choice([5, 500])):
        value = [value]
    return value


def change(whole: dict[str, Any], rng: random.Random) -> tuple[dict[str, Any], str]:
    """A copy with one field changed, or now and then without it; and what was done.

    Every field is as likely as every other, however many values it has.
    """
    by_field: dict[str, list[tuple[Any, ...]]] = {}
    for path in paths(whole):
        name = ".".join("[]" if isinstance(part, int) else str(part) for part in path)
        by_field.setdefault(name, []).append(path)
    path = rng.choice(by_field[rng.choice(sorted(by_field))])
    changed = copy.deepcopy(whole)
    at: Any = changed
    for part in path[:-1]:
        at = at[part]
    value = MISSING if rng.random() < 0.05 else rng.choice(VALUES)(rng)
    if value is MISSING:
        del at[path[-1]]
        return changed, f"{path} missing"
    at[path[-1]] = value
    return changed, f"{path} = {str(value)[:60]!r}"


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where there is a value, the whole excepted."""
    if at:
        yield at
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in inside:
        yield from paths(one, (*at, name))


def write(folder: Path, made: list[dict[str, Any]], about: dict[str, Any]) -> None:
    """Write a run's folder anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(about))
    (folder / "records.jsonl").write_text("".join(json.dumps(one) + "\n" for one in made))


def outcome_of(folder: Path) -> tuple[bool, Any]:
    """Whether all was used as it stood; the headline, and the comparisons by verdict."""
    run = read(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # as in the tests: an overflow is no result
        found = analyse(run)
        text = details(found, {})
        told = summary(found)
        json.dumps(told, allow_nan=False)
        assert effort(run).line
    said = text.count("records.jsonl, line") + text.count("run.json, line")
    assert bool(run.unreadable) == bool(said), "what was left out is not told"
    return not run.unreadable, (told["headline"], told["counts"])


def fate_of(folder: Path, usual: tuple[bool, Any], what: str) -> tuple[Fate, str]:
    """Read, judge and render the folder."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            whole, found = outcome_of(folder)
    except RunNotReadableError:
        return Fate.REFUSED, what
    except Exception:
        return Fate.TRACEBACK, f"{what}: {last_line()}"
    if not whole:
        return Fate.NAMED, what
    return (Fate.SAME, what) if found == usual[1] else (Fate.SILENT, f"{what}: {found[0][:100]}")


def last_line() -> str:
    """Where an error was raised, and which."""
    kind, error, trace = sys.exc_info()
    where = traceback.extract_tb(trace)[-1]
    ours = [one for one in traceback.extract_tb(trace) if "site-packages" not in one.filename][-1]
    return f"{kind.__name__ if kind else ''}: {str(error)[:150]} at {ours.filename}:{ours.lineno} ({where.name})"


def main() -> int:
    """Run all three: ``PYTHONPATH=. python tests/soak/fuzz_records.py SEED RECORDS RUN_JSON SERIES``."""
    seed, *counts = map(int, sys.argv[1:])
    bad = 0
    for fuzz, count in zip((records, run_json, series), counts, strict=True):
        tally = fuzz(seed, count)
        print(fuzz.__name__, {fate.name: tally.count[fate] for fate in Fate})
        print(*tally.bad[:60], sep="\n")
        bad += len(tally.bad)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
