"""Cases that are done at once: what a cluster's scheduler and the client take, and nothing else.

A plugin of pytest in the client, and a module of the workers; it ends with a line of JSON on standard error.
"""

import json
import resource
import sys
import time

import record_builders as made
from fake_engine import FakeEngine

from bench import engines
from bench.case.cases import Case
from bench.case.checked import encode
from bench.run import remote
from bench.run.store import RunFolder

engines.ENGINES["stub"] = engines.Known("stub_cases")
ENGINE = FakeEngine()
REPLICATES = 150
"""They make a record of some 36 KB, as those of the preset `full` have."""

TIMES = []


def measure(text):
    """In place of `remote.measure`."""
    cases = (Case(**one["case"]) for one in json.loads(text)["jobs"])
    return json.dumps({"records": [json.loads(encode(made.convergence(case, (30,) * REPLICATES))) for case in cases]})


def pytest_configure():
    remote.measure = measure
    append = RunFolder.append

    def timed(folder, record):
        append(folder, record)
        TIMES.append((time.perf_counter(), time.process_time()))

    RunFolder.append = timed


def pytest_unconfigure():
    if len(TIMES) > 1:
        (wall, cpu), (end, cpu_end) = TIMES[0], TIMES[-1]
        found = {
            "cases": len(TIMES),
            "per_second": (len(TIMES) - 1) / (end - wall),
            "client_ms": 1e3 * (cpu_end - cpu) / (len(TIMES) - 1),
            "client_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10,
        }
        print(json.dumps(found), file=sys.stderr)
