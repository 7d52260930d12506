"""``python tests/soak/on_a_cluster.py scale|pairs|kill``: what cannot be told in the seconds that a test may take.

scale   cases a second, and the client's memory, of cases that are done at once, with 2, 8 and 32 workers, each a
        process of some 100 MiB
pairs   wall time of two workers over that of the pool of a run on one machine, pair by pair, in turn
kill    real trainings on three workers, of which one is killed: records bit for bit those of a run on one machine
"""

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path[:0] = [str(Path(__file__).parents[1] / "bench"), str(Path(__file__).parents[2])]

from clusters import ROOT, LocalCluster, environment  # noqa: E402 - it lies where the line above says

GRID = """
name = "{name}"
[training]
learning_rates = [0.01, 0.03]
folds = 2
evaluation_seeds = 4
epochs = 2
scored_targets = 32
[limits]
cases = 20000
[[convergence]]
task = "cosine"
cell = ["lstm", "gru"]
regime = ["stateful", "stateless"]
window = {windows}
units = {units}
"""


def bench(folder, *options):
    """Start a run without its report."""
    command = [
        *(sys.executable, "-m", "pytest", "bench", "-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"),
        *("-p", "no:xdist", f"--results={folder}/results", f"--benchmark-storage=file://{folder}/storage", *options),
    ]
    path = f"{Path(__file__).parent}:{environment()['PYTHONPATH']}"
    return subprocess.Popen(
        command, cwd=ROOT, env=environment() | {"PYTHONPATH": path}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def ended(running):
    said, errors = running.communicate()
    assert running.returncode == 0, said[-3000:] + errors[-3000:]
    return errors


def preset(folder, name, windows, units):
    file = folder / f"{name}.toml"
    file.write_text(GRID.format(name=name, windows=windows, units=units))
    return f"--preset={file}"


def scale(folder, chosen):
    grid = preset(folder, "scale", [2, 4], list(range(1, chosen.cases // 8 + 1)))
    print("| workers | cases | cases per second | CPU per case: client, scheduler | client's peak memory |")
    print("|---:|---:|---:|---:|---:|", flush=True)
    for workers in chosen.workers:
        path = f"{Path(__file__).parent}:{environment()['PYTHONPATH']}"
        cluster = LocalCluster(folder, PYTHONPATH=path)
        try:
            cluster.workers(workers)
            options = [grid, "--engine=stub", "-p", "stub_cases", f"--run=scale{workers}"]
            found = json.loads(ended(bench(folder, *options, f"--scheduler={cluster.address}")).splitlines()[-1])
            spent = psutil.Process(cluster.processes["scheduler"].pid).cpu_times()
        finally:
            cluster.close()
        cpu = f"{found['client_ms']:.1f} ms, {1e3 * (spent.user + spent.system) / found['cases']:.1f} ms"
        rate, memory = found["per_second"], found["client_mib"]
        print(f"| {workers} | {found['cases']:,} | {rate:.0f} | {cpu} | {memory:.0f} MiB |", flush=True)


def pairs(folder, chosen):
    ratios = []
    grid = f"--preset={chosen.preset}" if chosen.preset else preset(folder, "pairs", [4, 8], [4, 8, 12, 16])
    for number in range(chosen.pairs):
        # Each way compiles anew, and neither is always the first.
        seconds = {}
        for way in random.sample(["pool", "cluster"], 2):
            place = folder / f"{number}-{way}"
            place.mkdir()
            cluster = LocalCluster(place) if way == "cluster" else None
            try:
                begin = time.perf_counter()
                at = []
                if cluster:
                    for one in range(2):
                        cluster.worker(f"w{one}", "--resources", "timing=1")
                    begin = time.perf_counter()  # workers live for long: their start is no run's
                    at = [f"--scheduler={cluster.address}"]
                ended(bench(place, grid, "-k", "convergence", "--workers=2", "--run=own", *at))
                seconds[way] = time.perf_counter() - begin
            finally:
                if cluster:
                    cluster.close()
        ratios.append(seconds["cluster"] / seconds["pool"])
        print(f"pair {number + 1}: cluster / pool {ratios[-1]:.3f}", flush=True)
    print(f"median of {len(ratios)} pairs: {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")


def kill(folder, chosen):
    grid = preset(folder, "kill", [4, 8], [4, 6])
    del chosen
    cluster = LocalCluster(folder)
    try:
        for number in range(3):
            cluster.worker(f"w{number}")
        running = bench(folder, grid, "--run=cluster", f"--scheduler={cluster.address}")
        while len(records(folder, "cluster")) < 2:
            assert running.poll() is None, running.communicate()
            time.sleep(0.05)
        cluster.kill("w1", signal.SIGKILL)
        ended(running)
    finally:
        cluster.close()
    ended(bench(folder, grid, "--run=local", "--workers=2"))
    one, other = (without_times(records(folder, name)) for name in ("cluster", "local"))
    assert one == other, [key for key in one if one[key] != other[key]]
    print(f"{len(one)} records, bit for bit the same")


def records(folder, run):
    file = folder / "results" / run / "records.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def without_times(found):
    return {
        one["key"]: {name: value for name, value in one.items() if name not in {"started", "seconds", "warnings"}}
        | {"convergence": one["convergence"] | {"seconds_per_update": None}}
        for one in found
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["scale", "pairs", "kill"])
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 8, 32], help="scale: numbers of workers")
    parser.add_argument("--cases", type=int, default=10_000, help="scale: how many")
    parser.add_argument("--pairs", type=int, default=5, help="pairs: how many")
    parser.add_argument("--preset", default="", help="pairs: whose convergence part (a small one of its own)")
    chosen = parser.parse_args()
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    with tempfile.TemporaryDirectory(prefix="cluster-") as folder:
        {"scale": scale, "pairs": pairs, "kill": kill}[chosen.what](Path(folder), chosen)


if __name__ == "__main__":
    main()
