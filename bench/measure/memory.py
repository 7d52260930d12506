"""What training a case takes in memory, in a process that times nothing."""

import time
from pathlib import Path

import psutil

from bench.case.costs import Memory
from bench.engines.base import Engine
from bench.measure.initial_weights import initial_weights
from bench.measure.workload import Workload
from bench.warnings import Warn

UPDATES = 8
"""Updates whose allocations are watched; every update allocates the same."""


def measure(workload: Workload, engine: Engine) -> tuple[Memory, dict[str, float], list[Warn]]:
    """Measure a case; the record's ``memory`` part, where the time went, and warnings (docs/records.md)."""
    begin = time.perf_counter()
    # The peak so far is the framework's import; what follows is the case's own.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = psutil.Process().memory_info().rss
    engine.reset_memory_peak()
    trainer = engine.trainer(workload.work(1, UPDATES), workload.case.kernel)
    trainer.place(0, initial_weights(workload.network, 0), workload.training.learning_rates[0], 0)
    starts = workload.starts_of(UPDATES)
    prepared = time.perf_counter()
    trainer.train(starts[:1], reset=True)
    compile_peak = engine.memory_peak()
    compiled = time.perf_counter()
    engine.reset_memory_peak()
    trainer.train(starts, reset=True)
    allocator_peak = engine.memory_peak()
    # Before the graph is looked at, which takes memory as well.
    resident = resident_peak()
    kernel, evidence = engine.kernel_seen(trainer)
    result = Memory(
        allocator_peak_bytes=allocator_peak,
        compile_peak_bytes=compile_peak,
        resident_peak_bytes=resident,
        resident_before_bytes=before,
        parameters=workload.network.parameters,
        outputs=workload.network.outputs,
        cell_steps_per_update=workload.schedule.batch_size * workload.schedule.steps * workload.case.layers,
        features=workload.network.inputs,
        kernel_seen=kernel,
        evidence=evidence,
    )
    seconds = {
        "prepare": prepared - begin,
        "compile": compiled - prepared,
        "train": time.perf_counter() - compiled,
        "evaluate": 0.0,
    }
    return result, seconds, [Warn.OTHER_KERNEL] if kernel != workload.case.kernel else []


def resident_peak() -> int:
    """Peak resident memory of this process since the last reset, in bytes.

    From /proc, because ``ru_maxrss`` is inherited over fork and exec and would show the parent's.
    """
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no VmHWM; resident memory is measured on Linux alone")
