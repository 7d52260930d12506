"""What runs on a worker of a cluster: orders and answers as JSON, cases in processes as a run on one machine has them.

A worker of dask lives for long and is full of threads, so that cases are no children of it. Each of its threads has a
helper, a process that runs one order after another with the `Scheduler` of every run. A helper ends with its worker,
and its cases with it.
"""

import base64
import fcntl
import hashlib
import importlib
import json
import os
import queue
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from bench import engines
from bench.case.cases import Case, Job, Training
from bench.case.record import Record
from bench.machine import host
from bench.plan.presets import Limits
from bench.run.store import FRAMEWORKS, compiler_key

ROOT = Path(__file__).parents[2]
TOLD = 128 + signal.SIGTERM
"""Exit code of a helper that was told to end, as a queue does when a job's time is over."""

LOOK_S = 1.0
"""How often a worker looks whether its order is still wanted."""

AFTER_A_CRASH_S = 1.0
"""So long a helper waits after a case was killed: who ends a job kills the helper too, a moment later."""


@cache
def suite_sha256(root: Path = ROOT) -> str:
    """Fingerprint of the code that measures, by which two checkouts of one version are known apart."""
    digest = hashlib.sha256()
    for file in sorted(file for folder in ("bench", "tasks") for file in (root / folder).rglob("*.py")):
        digest.update(f"{file.relative_to(root)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """What must be the same here and there for records to be of one run."""
    found = host.versions()
    return {name: found[name] for name in FRAMEWORKS if name in found} | {
        "python": ".".join(found["python"].split(".")[:2]),
        "suite": suite_sha256()[:12],
    }


def order_of(jobs: list[Job], limits: Limits, series_sha256: str | None) -> dict[str, Any]:
    """Cases and their limits as `measure` reads them."""
    return {
        # An engine that came by a plugin is none that the other side knows.
        "engine_module": engines.ENGINES[jobs[0].case.engine].module,
        "limits": vars(limits),
        "series_sha256": series_sha256,
        "jobs": [{"case": job.case.to_dict(), "training": vars(job.training)} for job in jobs],
    }


def greet(text: str) -> str:
    """Tell versions and machine, and keep the user's series; the first that a worker is asked."""
    from distributed import get_worker  # noqa: PLC0415 - only where there is a worker

    asked = json.loads(text)
    worker = get_worker()
    worker.loop.add_callback(_close_when_told, worker)
    if asked["series"]:
        _series(_folder(), asked["series_sha256"]).write_bytes(base64.b64decode(asked["series"]))
    accelerators = host.accelerators(asked["engines"][0]) if asked["device"] == "gpu" else []
    return json.dumps({"versions": versions(), "machine": host.fingerprint(accelerators)})


def measure(text: str) -> str:
    """Hand an order to a helper and return what it found; `died` or `told` where it ended instead."""
    order = json.loads(text)
    try:
        helper = _idle.pop()
    except IndexError:
        helper = Helper()
    answer = helper.ask(order | {"folder": str(_folder())}, order["key"])
    if "died" in answer or "told" in answer:
        helper.end()
    else:
        _idle.append(helper)
    return json.dumps(answer)


def _close_when_told(worker: Any) -> None:
    """Let SIGTERM close a worker in order, which tells the scheduler: a queue sends it when a job's time is over.

    A worker of dask without a nanny, or whose whole job is told at once, would go without a word, as if a case had
    killed it.
    """

    def told(number: int, frame: FrameType | None) -> None:
        del frame
        worker.loop.add_callback(worker.close, executor_wait=False, reason=f"signal-{number}")

    with suppress(ValueError):  # a worker within a thread, as tests have it, takes no signals
        signal.signal(signal.SIGTERM, told)


def _folder() -> Path:
    """The worker's own folder, which dask removes, at the latest when another worker starts beside it."""
    from distributed import get_worker  # noqa: PLC0415 - only where there is a worker

    return Path(get_worker().local_directory)


def _series(folder: Path, sha256: str) -> Path:
    return folder / f"series-{sha256}.npz"


def _wanted(key: str) -> bool:
    """Whether the client still waits for a task of this worker, which is not about to end."""
    from distributed import get_worker  # noqa: PLC0415

    worker = get_worker()
    task = worker.state.tasks.get(key)
    return worker.status.name in {"running", "paused"} and task is not None and task.state == "executing"


@dataclass
class Helper:
    """A process that takes orders, as a worker's thread has it."""

    _process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        # Not by `multiprocessing`: a worker under a nanny is a daemon, which may have no such children.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.run.remote"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )

    def ask(self, order: dict[str, Any], key: str) -> dict[str, Any]:
        """Send an order and wait for the answer; end the helper where nobody waits for it any more."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
        while not select.select([self._process.stdout], [], [], LOOK_S)[0]:
            if not _wanted(key):
                self._process.terminate()
        line = self._process.stdout.readline()
        if line.endswith(b"\n"):
            answer: dict[str, Any] = json.loads(line)
            return answer
        code = self._process.wait()
        return {"told" if code == TOLD else "died": signal.Signals(-code).name if code < 0 else f"exit code {code}"}

    def end(self) -> None:
        """End it, if it has not ended by itself."""
        self._process.terminate()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with suppress(BrokenPipeError):
                stream.close()


_idle: list[Helper] = []


def main() -> None:
    """Take orders from standard input until it is closed; a helper's whole life."""
    answers = os.fdopen(os.dup(1), "wb")
    # What anything prints is the worker's log and no answer.
    os.dup2(2, 1)
    signal.signal(signal.SIGTERM, _end)
    orders: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_listen, args=(orders,), daemon=True).start()
    core = own_core()
    folder = None
    try:
        while True:
            order = json.loads(orders.get())
            folder = folder or Path(tempfile.mkdtemp(prefix="helper-", dir=order["folder"]))
            try:
                answer = carry_out(order, folder, core)
            except Exception as error:  # noqa: BLE001 - whatever it is, the client tells it
                answer = {"died": f"{type(error).__name__}: {error}"}
            answers.write(json.dumps(answer).encode() + b"\n")
            answers.flush()
    finally:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


def _end(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise SystemExit(TOLD)


def _listen(orders: "queue.Queue[bytes]") -> None:
    # Not from a buffered stream: its lock, held by this thread, would let the process end by an abort.
    begun = b""
    while piece := os.read(0, 2**20):
        *lines, begun = (begun + piece).split(b"\n")
        for line in lines:
            orders.put(line)
    os.kill(os.getpid(), signal.SIGTERM)  # the worker is gone


def own_core() -> int:
    """The first core that no other helper on this machine has, as a place among the usable ones.

    The lock goes with this process, however it ends. Where all are taken it is the first: cases then share cores, and
    say so by their warnings.
    """
    for place, core in enumerate(sorted(os.sched_getaffinity(0))):
        name = Path(tempfile.gettempdir()) / f"statebench-{os.getuid()}-core-{core}"
        file = os.open(name, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            continue
        return place
    return 0


def carry_out(order: dict[str, Any], folder: Path, core: int) -> dict[str, Any]:
    """Do what an order says in a helper: measure this machine's ceilings, or cases."""
    # Here, since a worker of dask and its client need none of it.
    from bench.run.scheduler import Scheduler  # noqa: PLC0415
    from bench.run.session import measure_ceilings  # noqa: PLC0415
    from bench.run.worker import prepare_forkserver  # noqa: PLC0415

    if "ceilings" in order:
        prepare_forkserver(order["ceilings"]["engines"][0])
        found, engine = measure_ceilings(**order["ceilings"])
        return {"ceilings": found, "engine": engine}
    series = _series(Path(order["folder"]), order["series_sha256"]) if order["series_sha256"] else None
    jobs = [
        Job(msgspec.convert(one["case"], Case), msgspec.convert(one["training"], Training), series)
        for one in order["jobs"]
    ]
    if jobs[0].case.engine not in engines.ENGINES:
        importlib.import_module(order["engine_module"])
    prepare_forkserver(jobs[0].case.engine)
    records: list[Record] = []

    def done(record: Record) -> None:
        if record.outcome == "crashed":
            time.sleep(AFTER_A_CRASH_S)  # `_end` ends this, and no record is sent
        records.append(record)

    scheduler = Scheduler(
        jobs,
        Limits(**order["limits"] | {"workers": 1}),
        folder / "logs",
        Path("results") / ".compiled" / compiler_key(host.fixed_sha256(host.fingerprint([]))),
        done,
        first_core=core,
    )
    try:
        for job in jobs:
            scheduler.run_until(job.case.key)
    finally:
        scheduler.stop()
    return {"records": [msgspec.to_builtins(record) for record in records]}


if __name__ == "__main__":
    main()
