"""The ceilings of this machine at the time of a run, measured before its first case, in a process of their own."""

import os
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.machine import ceilings
from bench.run.worker import context_for, die_with_parent, talk_to

LIMIT_S = 120.0
"""Far more than the few seconds that it takes: beyond it something hangs, and the run goes on without ceilings."""


def measure(engines: Sequence[str], device: str) -> tuple[dict[str, Any] | None, str | None]:
    """Ceilings by name, and the engine that they were measured with: the first that brings operations for it.

    None and None where no engine does, or they could not be measured, which loses no case.
    """
    for engine in engines:
        found = _with(engine, device)
        if found is not None:
            return found, engine
    return None, None


def _with(engine: str, device: str) -> dict[str, Any] | None:
    context = context_for(engine)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(sender, engine, device), daemon=True)
    process.start()
    sender.close()
    try:
        found: dict[str, Any] | None = receiver.recv() if receiver.poll(LIMIT_S) else None
    except EOFError:
        found = None
    finally:
        process.kill()
        process.join()
        receiver.close()
    return found


def _measure(sender: Connection, name: str, device: str) -> None:
    die_with_parent()
    # What the framework prints while it starts would stand between the run's own lines.
    talk_to(Path(os.devnull))
    # Not at the top: this import brings the framework, which the process that watches must not load.
    from bench import engines  # noqa: PLC0415

    engine = engines.create(name)
    engine.configure(threads=None, device=device, cache=None)
    sender.send(ceilings.to_dict(ceilings.measure(engine, device)))
