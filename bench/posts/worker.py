"""One experiment in a process of its own: ``python -m bench.posts.worker REQUEST``, its result in a file."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from bench.engines import create
from bench.machine import host
from bench.posts.registry import EXPERIMENTS, Setting
from bench.posts.result import SCHEMA
from bench.run.store import now

BUSY_S = 1.0
"""How long the machine is watched before an experiment begins."""


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Run an experiment and describe it with where and when it was measured."""
    engine = create("tensorflow")
    cache = Path(request["cache"])
    cache.mkdir(parents=True, exist_ok=True)
    engine.configure(threads=request["threads"], device="cpu", cache=cache, short_loops=True)
    ld2011 = request["ld2011"]
    setting = Setting(tuple(request["seeds"]), request["fraction"], Path(ld2011) if ld2011 else None)
    # Layers that draw their own weights draw the same ones at each run.
    import keras  # noqa: PLC0415 - after the engine has chosen its backend

    keras.utils.set_random_seed(0)
    # The load average still counts what this page ran before; what is busy now is what a timing would suffer from.
    busy = psutil.cpu_percent(interval=BUSY_S) / 100
    started, load, begin = now(), os.getloadavg()[0], time.perf_counter()
    entry = EXPERIMENTS[request["id"]].run(setting)
    return entry.to_dict() | {
        "schema": SCHEMA,
        "fraction": setting.fraction,
        "data": "LD2011_2014" if ld2011 else "shipped",
        "measured": {
            "started": started,
            "seconds": round(time.perf_counter() - begin, 1),
            "load_before": round(load, 2),
            "busy_before": round(busy, 2),
            **{name: host.fingerprint([])[name] for name in ("cpu", "cores", "python")},
            "versions": engine.versions(),
        },
    }


def write(result: dict[str, Any], path: Path) -> None:
    """Write whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(result, ensure_ascii=False), encoding="utf-8")
    part.replace(path)


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    write(run(asked), Path(asked["file"]))
