"""The ceilings of this machine at the time of a run, measured before its first case, in a process of their own."""

from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any

from bench.profile import ceilings

LIMIT_S = 120.0
"""Far more than the dozen seconds that it takes: beyond it something hangs, and the run goes on without ceilings."""


def measure(engine: str, device: str) -> dict[str, Any] | None:
    """Ceilings by name; None where the engine brings none or they could not be measured, which loses no case."""
    pool = ProcessPoolExecutor(max_workers=1, mp_context=get_context("forkserver"))
    try:
        return pool.submit(_measure, engine, device).result(timeout=LIMIT_S)
    except (BrokenProcessPool, TimeoutError, RuntimeError, OSError):
        return None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _measure(name: str, device: str) -> dict[str, Any] | None:
    # Not at the top: this import brings the framework, which the process that watches must not load.
    from bench import engines  # noqa: PLC0415

    engine = engines.create(name)
    engine.configure(threads=None, device=device, cache=None)
    return ceilings.to_dict(ceilings.measure(engine))
