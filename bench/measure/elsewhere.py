"""Measures cases in a process of its own interpreter, environment and cores; started by its path, not as a module.

What it imports of the suite may be another commit: so it uses nothing but `bench.measure.execute.execute`, `Case`,
`Training` and `Job`, and what it says to the process that started it is plain values.
"""

import ctypes
import hashlib
import inspect
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
ERROR_OUTPUT = 4000

CONTROL = "control"
"""Key of the control case: a computation that no change of the suite or its framework can touch."""

CONTROL_BLOCKS = 10
CONTROL_BLOCK_S = 0.02
BUFFER = bytes(2**16)


class NoEffectError(RuntimeError):
    """What the configuration asks for is not what the process had."""


class Line:
    """JSON values, one a line, as `bench.measure.channel.Channel` at the other end has them."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._lines = os.fdopen(os.dup(file), "rb")

    def send(self, value: Any) -> None:
        """Write a value, whole."""
        left = memoryview(json.dumps(value).encode() + b"\n")
        while left:
            left = left[os.write(self._file, left) :]

    def receive(self) -> Any:
        """Wait for a value.

        Raises
        ------
        EOFError
            If the other end is closed.
        """
        line = self._lines.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        return json.loads(line)


class Turns:
    """Turns taken with other processes (`bench.measure.interleave.Turns`)."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._begun = False
        self.waited = 0.0

    def begin(self) -> None:
        """Say that what was to import is imported, and sleep until it may begin; the second time there is no wait."""
        # Not counted as waited for a turn: nothing is timed yet.
        if not self._begun:
            self._begun = True
            self._line.send("READY")
            self._line.receive()

    def turn(self, *, enough: bool) -> bool:
        """Say whether there is enough, and sleep until the turn comes back."""
        begin = time.perf_counter()
        self._line.send("ENOUGH" if enough else "MORE")
        again: bool = self._line.receive()
        self.waited += time.perf_counter() - begin
        return again

    def leave(self) -> None:
        """Say so, and go on until the next turn."""
        self._line.send("LEFT")


def hash_times(times: int) -> None:
    """Compute this many hashes of 64 KiB."""
    for _ in range(times):
        hashlib.blake2b(BUFFER).digest()


def control(turns: Any) -> dict[str, Any]:
    """Time the control case as a case is timed."""
    hash_times(100)
    begin = time.perf_counter()
    hash_times(100)
    calls = max(1, round(CONTROL_BLOCK_S / (time.perf_counter() - begin) * 100))
    blocks: list[float] = []
    while turns.turn(enough=len(blocks) >= CONTROL_BLOCKS):
        begin = time.perf_counter()
        hash_times(calls)
        blocks.append((time.perf_counter() - begin) / calls)
    kept = blocks[-CONTROL_BLOCKS:]
    return {"seconds_per_update": kept, "warm_up_blocks": len(blocks) - len(kept)}


def main(order: dict[str, Any], line: Line) -> None:
    """Measure what was ordered, and send what was found.

    `order` holds `source` (folder to import from), `cores` (numbers, or None), `environment` and `device` (as asked
    for), `threads`, `cache`, `shares` (whether others take turns), `jobs` and `extra`: hashes per update, by key.
    """
    given = dict(os.environ)
    if order["cores"] is not None:
        os.sched_setaffinity(0, order["cores"])
    sys.path.insert(0, order["source"])
    # Here, since only now it is known which code to import.
    from bench import engines  # noqa: PLC0415
    from bench.case.cases import Case, Job, Training  # noqa: PLC0415
    from bench.measure.execute import execute  # noqa: PLC0415
    from bench.measure.interleave import Alone  # noqa: PLC0415

    turns = Turns(line) if order["shares"] else Alone()
    cache = None if order["cache"] is None else Path(order["cache"])
    names = {one["case"]["engine"] for one in order["jobs"] if one != CONTROL}
    for name in sorted(names):
        engines.create(name)
    if order["shares"]:
        # Here, since a commit may not know that a time case begins by itself.
        turns.begin()
    taken = inspect.signature(execute).parameters
    found: list[dict[str, Any]] = []
    for one in order["jobs"]:
        if one == CONTROL:
            found.append({"key": CONTROL, "outcome": "ok", "message": None, "time": control(turns)})
            continue
        # A commit that does not know a field has the usual for it.
        case = Case(**{name: one["case"][name] for name in Case.__dataclass_fields__ if name in one["case"]})
        training: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in one["training"].items()}
        job = Job(case, Training(**training), None if one["series"] is None else Path(one["series"]))
        options = {
            "threads": order["threads"], "cache": cache, "turns": turns, "short_loops": case.kind == "convergence",
        }  # fmt: skip
        slow_down(case.engine, order["extra"].get(one["key"], 0.0))
        try:
            measured = execute(job, **{name: value for name, value in options.items() if name in taken})
        except Exception as error:
            if len(order["jobs"]) == 1:
                raise
            traceback.print_exc()
            measured = {"outcome": "failed", "message": f"{type(error).__name__}: {error}"[-ERROR_OUTPUT:]}
        found.append({"key": one["key"], "outcome": "ok", "message": None} | plain(measured))
    had = seen(order, names, given)
    if order["several"]:
        line.send({"outcome": "ok", "message": None, "found": found, "configuration": had})
    else:
        line.send({name: value for name, value in found[0].items() if name != "key"} | {"configuration": had})


def plain(measured: dict[str, Any]) -> dict[str, Any]:
    """The same without types, which the process that started this one may have defined otherwise."""
    try:
        import msgspec  # noqa: PLC0415 - commits that have no need of it return plain values
    except ImportError:
        return measured
    values: dict[str, Any] = msgspec.to_builtins(measured)
    return values


def slow_down(engine: str, hashes: float) -> None:
    """Make every trainer of this engine compute so many hashes beside each update: what a gate must find."""
    from bench import engines  # noqa: PLC0415

    made = engines.create(engine)
    usual: Any = getattr(made, "unslowed", made.trainer)
    made.unslowed = usual  # type: ignore[attr-defined]

    def slowed(work: Any, kernel: str) -> Any:
        trainer = usual(work, kernel)
        # The trainer itself and nothing around it: an engine knows its own by their class.
        train = trainer.train

        def train_and_hash(starts: Any, **options: Any) -> Any:
            progress = train(starts, **options)
            hash_times(round(hashes * len(starts)))
            return progress

        trainer.train = train_and_hash
        return trainer

    made.trainer = slowed if hashes else usual  # type: ignore[method-assign]


def seen(order: dict[str, Any], names: set[str], given: dict[str, str]) -> dict[str, Any]:
    """What this process had: cores, variables, versions, flags of the framework, accelerators.

    Parameters
    ----------
    names
        Engines that were used.
    given
        Variables at its start.

    Raises
    ------
    NoEffectError
        If that is not what was asked for.
    """
    from bench import engines  # noqa: PLC0415
    from bench.machine import host  # noqa: PLC0415

    # Threads that the framework started before its process was restricted would keep all cores.
    allowed: set[int] = set()
    for thread in Path("/proc/self/task").iterdir():
        allowed |= os.sched_getaffinity(int(thread.name))
    if order["cores"] is not None and allowed != set(order["cores"]):
        raise NoEffectError(f"cores {sorted(order['cores'])} were asked for, but threads ran on {sorted(allowed)}")
    for name, value in order["environment"].items():
        if os.environ.get(name) != value:
            raise NoEffectError(
                f"{name} was set to {value!r}, but is {os.environ.get(name)!r} after the measurement: "
                "the framework or the suite sets it itself"
            )
    flags: dict[str, Any] = {}
    accelerators: dict[str, list[str]] = {}
    versions: dict[str, str] = {}
    for name in sorted(names):
        engine = engines.create(name)
        flags |= engine.flags() if hasattr(engine, "flags") else {}
        accelerators[name] = engine.accelerators()
        versions |= engine.versions()
        if order["device"] == "gpu" and not accelerators[name]:
            raise NoEffectError(f"device 'gpu' was asked for, but {name} sees no GPU")
    asked = order["environment"].get("TF_ENABLE_ONEDNN_OPTS")
    if asked in ("0", "1") and "onednn" in flags and flags["onednn"] != (asked == "1"):
        raise NoEffectError(f"TF_ENABLE_ONEDNN_OPTS={asked}, but TensorFlow reports oneDNN as {flags['onednn']}")
    return {
        "cores": sorted(allowed),
        "threads": len(list(Path("/proc/self/task").iterdir())),
        "environment": {n: v for n, v in given.items() if n.startswith(host.DECIDING) or n in order["environment"]},
        "flags": flags,
        "accelerators": accelerators,
        "versions": host.versions() | versions,
        "git": host.git_state(Path(order["source"])),
    }


def start() -> None:
    """Read the order from the connection that was handed over; whatever goes wrong is said there."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # If memory runs out, the kernel shall take this process and not the one that writes the records.
    Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    line = Line(int(sys.argv[1]))
    order = line.receive()
    try:
        main(order, line)
    except Exception as error:  # noqa: BLE001 - whatever it is becomes a record
        traceback.print_exc()
        memory = isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError"
        words = str(error) if isinstance(error, NoEffectError) else "".join(traceback.format_exception(error))
        outcome = "out-of-memory" if memory else "failed"
        line.send({"outcome": outcome, "message": words[-ERROR_OUTPUT:], "seconds": {}, "warnings": []})
    # To take the interpreter apart, with all that a framework has, takes most of a second.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    start()
