"""``python -m bench.gpu_evidence``: what a GPU does with recurrent layers, in ten minutes, as a folder to publish.

The preset `gpu` by every engine that is installed here and sees a GPU: cuDNN beside loop and XLA, each framework's own
layers, batch 1 to 4096, stateful beside stateless, the CPU beside the GPU, a few trainings to a target. When the time
is over the run is ended as by Ctrl-C, and what there is becomes the report; the same command goes on from there.

==  =======================================================================
0   every case has its record, and the folder is there
1   the time was over before, or a case failed; the folder has what there is
2   no engine here sees a GPU: nothing ran
==  =======================================================================
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

from bench import engines
from bench.machine import host

BENCH = [sys.executable, "-m", "bench"]
PUBLISH = [sys.executable, "-m", "reports.publish"]

PARTS = (
    "(memory and not (torch and cpu)) or (convergence and not torch)",
    "time and not (loop and torch)",
    "torch",
)
"""What is run one after the other, as pytest selects it. Memory is quick to measure, and would come last; but not of
PyTorch on a CPU, which tells every allocation in a profile: a minute. PyTorch trains, and Keras' loop steps, from
Python there: that takes minutes and nobody would choose it, so it comes last."""

RENDERING_S = 45.0
"""Of the time, for ending, the report and its compact form."""

ENDING_S = 20.0
"""A run that has not ended so long after it was told is killed; its records are whole all the same."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, render, publish; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.gpu_evidence", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="when to end, report included (10)")
    parser.add_argument("--engine", default="jax,torch", help="engines to try (jax,torch)")
    parser.add_argument("--run", default="gpu-evidence", help="name of the run (gpu-evidence)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of all runs (results)")
    chosen = parser.parse_args(arguments)
    end = time.monotonic() + 60 * chosen.minutes - RENDERING_S
    names = engines.named(chosen.engine)
    with ThreadPoolExecutor() as pool:
        seen = {name: found for name, found in zip(names, pool.map(_seen, names), strict=True) if found}
    if not seen:
        print("ERROR: no engine here sees a GPU, so nothing was run", file=sys.stderr)
        return 2
    options = [
        "--preset=gpu",
        "--device=gpu",
        f"--engine={','.join(seen)}",
        f"--run={chosen.run}",
        f"--results={chosen.results}",
    ]
    told = os.environ | {host.GPUS_SEEN: json.dumps(seen)}
    code: int | None = 0
    for part in PARTS:
        if code is not None:
            ended = run_until(end, [*BENCH, *options, "-k", part], told)
            code = None if ended is None else max(code, ended)
    if code is None:
        print("the time is over: the report is of what was measured, and the same command goes on from there")
        subprocess.run([*BENCH, *options, "--report"], check=False)  # noqa: S603 - our own code
    folder = chosen.results / chosen.run
    published = subprocess.run([*PUBLISH, str(folder)], check=False).returncode  # noqa: S603 - our own code
    return 0 if code == 0 and published == 0 else 1


def run_until(end: float, command: Sequence[str], environment: Mapping[str, str]) -> int | None:
    """Run a command; its exit code, or None where it was ended at this time of the monotonic clock."""
    process = subprocess.Popen(command, env=environment)  # noqa: S603 - our own code
    try:
        return process.wait(max(0.0, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(ENDING_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return None


def _seen(name: str) -> list[str]:
    """GPUs that an engine sees; says why where it sees none or is not installed."""
    missing = [package for package in engines.ENGINES[name].needs if find_spec(package) is None]
    if missing:
        print(f"{name} is left out: {' and '.join(missing)} not installed")
        return []
    found = host.accelerators(name)
    print(f"{name} sees {' and '.join(found)}" if found else f"{name} is left out: {host.why_no_gpu(name)}")
    return found


if __name__ == "__main__":
    sys.exit(main())
