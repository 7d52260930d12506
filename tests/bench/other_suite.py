"""Another commit of the suite, as far as `bench.measure.elsewhere` uses one: it measures nothing and takes no time."""

import shutil

FILES = {
    "bench/__init__.py": "",
    "bench/case/__init__.py": "",
    "bench/case/cases.py": """
from dataclasses import dataclass
from types import SimpleNamespace

@dataclass
class Case:
    kind: str
    task: str
    units: int
    window: int
    batch_size: int
    kernel: str
    engine: str

class Training(SimpleNamespace):
    pass

@dataclass
class Job:
    case: Case
    training: Training
    series: object
""",
    "bench/measure/__init__.py": "",
    "bench/measure/interleave.py": """
class Alone:
    waited = 0.0
    def turn(self, *, enough):
        return not enough
    def leave(self):
        pass
""",
    "bench/measure/execute.py": """
import os, random, threading, time

FACTOR, BROKEN, PEAK, UPDATES = {factor}, {broken!r}, {peak}, {updates}

def execute(job, *, threads, cache, turns):
    if BROKEN:
        raise RuntimeError(BROKEN)
    {inside}
    noise = random.Random(os.getpid())
    blocks = []
    while turns.turn(enough=len(blocks) >= 5):
        blocks.append(FACTOR * (1 + noise.uniform(-0.005, 0.005)))
    replicates = [dict(role="evaluation", seed=1, learning_rate=0.1, updates_to_target=UPDATES)]
    found = dict(
        time=dict(
            seconds_per_update=blocks[-5:], warm_up_blocks=len(blocks) - 5, kernel_seen=job.case.kernel,
            parameters=1, first_call_seconds=0.0, compile_seconds=0.0, settled=True, updates_per_block=1,
            cell_steps_per_update=job.case.batch_size * job.case.window,
            targets_per_update=job.case.batch_size * job.case.window, evidence={{}}, load=0.0,
        ),
        memory=dict(allocator_peak_bytes=PEAK),
        convergence=dict(replicates=replicates),
    )
    return dict(seconds={{}}, warnings=[]) | {{job.case.kind: found[job.case.kind]}}
""",
    "bench/engines/__init__.py": """
class Engine:
    def flags(self):
        return {{"onednn": {onednn}}}
    def accelerators(self):
        return []
    def versions(self):
        return {{"other": "1"}}
    def trainer(self, work, kernel):
        raise NotImplementedError

ENGINE = Engine()

def check(names):
    if {lacks!r}:
        raise ImportError({lacks!r})

def create(name):
    return ENGINE
""",
    "bench/machine/__init__.py": "",
    "bench/machine/host.py": """
DECIDING = ("TF_",)

def versions():
    return {{"other": "{version}"}}

def git_state(folder):
    return None
""",
}


def write(folder, **differs):
    """Write one; `differs` says in what it is not as usual. Returns its folder."""
    usual = {
        "factor": 1.0,
        "broken": "",
        "peak": 2**24,
        "updates": 100,
        "inside": "pass",
        "onednn": "True",
        "lacks": "",
        "version": "1",
    }
    templates = ("bench/measure/execute.py", "bench/engines/__init__.py", "bench/machine/host.py")
    # With what Python compiled of one before: of the same size and second, it would be taken for this one's.
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in FILES.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.format(**(usual | differs)) if name in templates else text)
    return folder
