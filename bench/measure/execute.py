"""Run one case: a pure function from a job to what it found, in whatever process it is called."""

from pathlib import Path
from typing import Any

import tasks
from bench import engines
from bench.case.cases import Job
from bench.case.record import Body
from bench.measure import convergence, memory, timing, workload
from bench.measure.interleave import Alone, Turns
from bench.warnings import Warn
from tasks.csv_series.series import CsvSeries, Prepared

Found = tuple[Body, dict[str, float], list[Warn]]
"""What a measurement gives: the record's part, seconds by phase, and warnings."""


def execute(
    job: Job,
    *,
    threads: int | None = None,
    cache: Path | None = None,
    short_loops: bool = False,
    turns: Turns | None = None,
) -> dict[str, Any]:
    """Measure a case.

    Parameters
    ----------
    job
        The case and its settings.
    threads
        Threads that the engine may use; None for its own default.
    cache
        Folder through which processes share what they have compiled; None for none.
    short_loops
        Compile as is best for the suite's own trainer, not as a user's program would.
    turns
        With which a time case takes turns with others; None where it is alone.

    Returns
    -------
    dict
        The parts of a record that a measurement decides: `seconds`, `warnings`, and the one named by the case's kind.
    """
    case = job.case
    if job.series is not None:
        tasks.add(CsvSeries(Prepared.load(job.series)))
    engine = engines.create(case.engine)
    # Each engine in a folder of its own, so that none takes another's file for its own.
    folder = cache and cache / case.engine
    engine.configure(threads=threads, device=case.device, cache=folder, short_loops=short_loops)
    load = workload.build(case, job.training)
    found: Found
    if case.kind == "convergence":
        found = convergence.measure(load, engine)
    elif case.kind == "time":
        found = timing.measure(load, engine, turns or Alone())
    else:
        found = memory.measure(load, engine)
    result, seconds, warnings = found
    return {"seconds": seconds, "warnings": warnings, case.kind: result}
