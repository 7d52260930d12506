"""``python -m bench.posts``: run the posts' experiments, each in a process of its own; finished ones are kept."""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import psutil

from bench.engines import create
from bench.errors import PlanError
from bench.machine import host
from bench.posts.entry import SCHEMA, Entry
from bench.posts.experiments import EXPERIMENTS, SEEDS, Experiment, Setting, choose
from bench.run.progress import duration
from bench.run.store import now

ROOT = Path(__file__).parents[2]
ERROR_OUTPUT = 15
"""Last lines of a failed experiment's output that are shown."""

BUSY_S = 1.0
"""How long the machine is watched before an experiment begins."""

FILES = ("ld2011", "silverbox")
"""Settings that are paths of a user's files."""

ONE = "--one"
"""The option by which this command starts itself, to run a single experiment."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; 1 if an experiment failed, 2 if what was asked for does not exist."""
    chosen = _parser().parse_args(arguments)
    if chosen.one:
        _run_here(json.loads(chosen.one))
        return 0
    only = [name.strip() for name in (chosen.only or "").split(",") if name.strip()]
    try:
        setting = Setting(tuple(range(chosen.seeds)), chosen.fraction, chosen.ld2011, chosen.silverbox)
        experiments = choose(only, setting)
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
    parser.add_argument("--silverbox", type=Path, help="path of the Silverbox data, for silverbox")
    parser.add_argument("--workers", type=int, help="experiments side by side (default: one on each core)")
    parser.add_argument("--results", type=Path, default=Path("results/posts"), help="where results go (results/posts)")
    parser.add_argument(ONE, help=argparse.SUPPRESS)
    return parser


def _finished(file: Path, setting: Setting) -> bool:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    same = (found.get("schema"), found.get("seeds"), found.get("fraction"))
    return same == (SCHEMA, list(setting.seeds), setting.fraction) and (
        found["id"] != "electricity" or found.get("data") == setting.data
    )


def _run(todo: list[Experiment], setting: Setting, results: Path, workers: int | None) -> int:
    """Run experiments side by side, those that measure time alone at the end; returns how many failed."""
    failed = done = 0
    running: list[subprocess.Popen[bytes]] = []
    begin = time.perf_counter()
    for alone in (False, True):
        slots = 1 if alone else workers or len(os.sched_getaffinity(0))
        pool = ThreadPoolExecutor(slots)
        waiting = sorted((one for one in todo if one.alone == alone), key=lambda one: -one.seconds)
        try:
            for ended in as_completed([pool.submit(_start, one, setting, results, running) for one in waiting]):
                code, report = ended.result()
                done, failed = done + 1, failed + (code != 0)
                print(f"[{done:>{len(str(len(todo)))}}/{len(todo)}] {report}", flush=True)
        finally:
            # Nothing is left to end, unless this was interrupted.
            pool.shutdown(wait=False, cancel_futures=True)
            for process in running:
                process.kill()
            pool.shutdown()
    if todo:
        print(f"{len(todo) - failed} of {len(todo)} experiments in {duration(time.perf_counter() - begin)}")
    return failed


def _start(
    experiment: Experiment, setting: Setting, results: Path, running: list[subprocess.Popen[bytes]]
) -> tuple[int, str]:
    """Run an experiment in a process, which is put into `running`; its exit status, and how it ended in words."""
    file, log = results / f"{experiment.id}.json", results / f"{experiment.id}.log"
    request: dict[str, Any] = {
        "id": experiment.id,
        "seeds": setting.seeds,
        "fraction": setting.fraction,
        **{name: str(path.resolve()) if (path := getattr(setting, name)) else None for name in FILES},
        # What is timed gets all cores, as a user's program would; the others run side by side.
        "threads": None if experiment.alone else 1,
        "cache": str((results.parent / ".compiled").resolve()),
        "file": str(file.resolve()),
    }
    command = [sys.executable, "-m", "bench.posts", ONE, json.dumps(request)]
    begin = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT)  # noqa: S603 - our own code
        running.append(process)
        code = process.wait()
    took = duration(time.perf_counter() - begin)
    if code:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-ERROR_OUTPUT:]
        return code, "\n      ".join([f"{experiment.id}: FAILED ({code}) · {took}; all of it in {log}", *lines])
    log.unlink(missing_ok=True)
    found = json.loads(file.read_text(encoding="utf-8"))
    arms, checks = len(found["arms"]), len(found["checks"])
    what = f"{arms} arms × {len(found['seeds'])} seeds" if arms else f"{checks} checks"
    return code, f"{experiment.id}: {what} · {took}"


def _run_here(request: dict[str, Any]) -> None:
    """Run one experiment in this process, and write it whole or not at all, with where and when it was measured."""
    engine = create("tensorflow")
    cache = Path(request["cache"])
    cache.mkdir(parents=True, exist_ok=True)
    engine.configure(threads=request["threads"], device="cpu", cache=cache, short_loops=True)
    files = {name: Path(request[name]) if request[name] else None for name in FILES}
    setting = Setting(tuple(request["seeds"]), request["fraction"], **files)
    # Layers that draw their own weights draw the same ones at each run.
    import keras  # noqa: PLC0415 - after the engine has chosen its backend

    keras.utils.set_random_seed(0)
    # The load average still counts what this page ran before; what is busy now is what a timing would suffer from.
    busy = psutil.cpu_percent(interval=BUSY_S) / 100
    started, load, begin = now(), os.getloadavg()[0], time.perf_counter()
    experiment = EXPERIMENTS[request["id"]]
    findings = experiment.run(setting)
    measured = {
        "started": started,
        "seconds": round(time.perf_counter() - begin, 1),
        "load_before": round(load, 2),
        "busy_before": round(busy, 2),
        **{name: host.fingerprint([])[name] for name in ("cpu", "cores", "python")},
        "versions": engine.versions(),
    }
    texts = {name: getattr(experiment, name) for name in ("id", "post", "title", "published", "flaw")}
    entry = Entry(
        **vars(findings), **texts, seeds=request["seeds"], fraction=setting.fraction, measured=measured,
        data=setting.data,
    )  # fmt: skip
    part = Path(request["file"]).with_suffix(".part")
    part.write_text(entry.to_json(), encoding="utf-8")
    part.replace(request["file"])


if __name__ == "__main__":
    sys.exit(main())
