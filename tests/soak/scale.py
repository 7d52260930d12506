"""``python tests/soak/scale.py CASES``: what the suite itself takes for each of many cases that take next to nothing.

Prints how long it took until the first case had ended, what the process that watches computed a case, and the time that
each core was without one. Absolute times of this machine, to look at and not to publish.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
CORES = len(os.sched_getaffinity(0))
PRESET = """
[training]
learning_rates = [0.1]
folds = 1
tuning_seeds = 1
further_rates = 0
evaluation_seeds = 2
epochs = 1
scored_targets = 2
[limits]
cases = {cases}
workers = {cores}
[[convergence]]
task = "cosine"
cell = "lstm"
regime = "stateful"
window = {windows}
units = {units}
batch_size = {batches}
"""
WINDOWS, BATCHES = range(2, 12), range(32, 72)
"""So that an epoch has few updates; and with few units there is next to nothing to draw weights for."""
EACH = len(WINDOWS) * len(BATCHES)


def main():
    cases = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        units = list(range(1, max(1, cases // EACH) + 1))
        sizes = {"windows": list(WINDOWS), "batches": list(BATCHES), "units": units}
        (folder / "many.toml").write_text(PRESET.format(cases=cases, cores=CORES, **sizes))
        command = [
            *(sys.executable, "-m", "pytest", "bench", "-q", "-p", "fake_engine", "-p", "no:cacheprovider"),
            *("-p", "no:hypothesispytest", "-p", "no:xdist", "--engine=fake", f"--preset={folder}/many.toml"),
            *(f"--results={folder}/results", "--run=many"),
        ]
        environment = os.environ | {"PYTHONPATH": f"{ROOT / 'tests/bench'}:{ROOT}", "CUDA_VISIBLE_DEVICES": "-1"}
        begin = time.perf_counter()
        running = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        file = folder / "results/many/records.jsonl"
        while not file.exists():
            assert running.poll() is None
            time.sleep(0.005)
        first, at_start = time.perf_counter() - begin, sum(psutil.Process(running.pid).cpu_times()[:2])
        _, status, used = os.wait4(running.pid, 0)
        wall = time.perf_counter() - begin - first
        records = [json.loads(line) for line in file.read_bytes().splitlines()]
    own = sum(record["seconds"]["total"] for record in records)
    computed = 1e3 * (used.ru_utime + used.ru_stime - at_start) / len(records)
    print(f"exit {os.waitstatus_to_exitcode(status)}, {len(records):,} records")
    print(f"the first after {first:.2f} s, all others {wall:.0f} s later")
    for record in records:
        if record["outcome"] != "ok":
            print(f"{record['key']}: {record['outcome']} after {record['seconds']}: {record['message']}")
    print(
        f"computed by the process that watches: {at_start:.2f} s until then, and {computed:.2f} ms a case from there on"
    )
    print(f"without a case: {1e3 * (CORES * wall - own) / len(records):.2f} ms a case and core")


if __name__ == "__main__":
    main()
