"""``python -m bench.posts``: run the posts' experiments, each in a process of its own; finished ones are kept."""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import PlanError
from bench.posts.registry import SEEDS, Experiment, Setting, check, choose
from bench.posts.result import SCHEMA
from bench.run.progress import duration

ROOT = Path(__file__).parents[2]
POLL_S = 0.1
LAST_WORDS = 15
"""Lines of a failed experiment's output that are shown."""


@dataclass
class Running:
    """An experiment at work."""

    experiment: Experiment
    process: subprocess.Popen[bytes]
    log: Path
    begin: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; 1 if an experiment failed, 2 if what was asked for does not exist."""
    chosen = _parser().parse_args(arguments)
    only = [name.strip() for name in (chosen.only or "").split(",") if name.strip()]
    setting = Setting(tuple(range(chosen.seeds)), chosen.fraction, chosen.ld2011)
    try:
        experiments = choose(only)
        check(setting)
    except PlanError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    chosen.results.mkdir(parents=True, exist_ok=True)
    again = chosen.again or bool(only)
    todo = [one for one in experiments if again or not _finished(chosen.results / f"{one.id}.json", setting)]
    if kept := len(experiments) - len(todo):
        print(f"{kept} of {len(experiments)} experiments have a result in {chosen.results} and are kept")
    return 1 if _run(todo, setting, chosen.results, chosen.workers) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.posts", description=__doc__)
    parser.add_argument("--only", metavar="ID,ID", help="these experiments, again if they have a result (default: all)")
    parser.add_argument("--again", action="store_true", help="run experiments that have a result again")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"seeds of an experiment (default: {SEEDS})")
    parser.add_argument("--fraction", type=float, default=1.0, help="share of the epochs, to try the code (default: 1)")
    parser.add_argument("--ld2011", type=Path, help="path of LD2011_2014.txt, for electricity")
    parser.add_argument("--workers", type=int, help="experiments side by side (default: one on each core)")
    parser.add_argument("--results", type=Path, default=Path("results/posts"), help="where results go (results/posts)")
    return parser


def _finished(file: Path, setting: Setting) -> bool:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    same = (found.get("schema"), found.get("seeds"), found.get("fraction"))
    data = "LD2011_2014" if setting.ld2011 else "shipped"
    return same == (SCHEMA, list(setting.seeds), setting.fraction) and (
        found["id"] != "electricity" or found.get("data") == data
    )


def _run(todo: list[Experiment], setting: Setting, results: Path, workers: int | None) -> int:
    """Run experiments side by side, those that measure time alone at the end; returns how many failed."""
    slots = workers or len(os.sched_getaffinity(0))
    waiting = sorted(todo, key=lambda one: (one.alone, -one.seconds))
    running: list[Running] = []
    failed = done = 0
    begin = time.perf_counter()
    try:
        while waiting or running:
            while waiting and len(running) < slots and not (running and waiting[0].alone):
                running.append(_start(waiting.pop(0), setting, results))
                if running[-1].experiment.alone:
                    break
            time.sleep(POLL_S)
            for one in [one for one in running if one.process.poll() is not None]:
                running.remove(one)
                done += 1
                failed += _end(one, results, f"[{done:>{len(str(len(todo)))}}/{len(todo)}]")
    finally:
        for one in running:
            one.process.kill()
            one.process.wait()
    if todo:
        print(f"{len(todo) - failed} of {len(todo)} experiments in {duration(time.perf_counter() - begin)}")
    return failed


def _start(experiment: Experiment, setting: Setting, results: Path) -> Running:
    request: dict[str, Any] = {
        "id": experiment.id,
        "seeds": setting.seeds,
        "fraction": setting.fraction,
        "ld2011": str(setting.ld2011.resolve()) if setting.ld2011 else None,
        # What is timed gets all cores, as a user's program would; the others run side by side.
        "threads": None if experiment.alone else 1,
        "cache": str((results.parent / ".compiled").resolve()),
        "file": str((results / f"{experiment.id}.json").resolve()),
    }
    log = results / f"{experiment.id}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own code
            [sys.executable, "-m", "bench.posts.worker", json.dumps(request)],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
        )
    return Running(experiment, process, log, time.perf_counter())


def _end(one: Running, results: Path, count: str) -> int:
    """Say how an experiment ended; 1 if it failed."""
    took = duration(time.perf_counter() - one.begin)
    if one.process.returncode == 0:
        one.log.unlink(missing_ok=True)
        found = json.loads((results / f"{one.experiment.id}.json").read_text(encoding="utf-8"))
        what = (
            f"{len(found['arms'])} arms × {len(found['seeds'])} seeds"
            if found["arms"]
            else f"{len(found['checks'])} checks"
        )
        print(f"{count} {one.experiment.id}: {what} · {took}", flush=True)
        return 0
    words = one.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-LAST_WORDS:]
    print(
        f"{count} {one.experiment.id}: FAILED ({one.process.returncode}) · {took}; all of it in {one.log}", flush=True
    )
    for line in words:
        print(f"      {line}", flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
