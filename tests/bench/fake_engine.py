"""An engine without a framework: errors are a formula of rate, seed and updates, and the units say how a case ends.

Imported in a worker when a `FakeJob` is unpickled there, or by ``-p fake_engine`` at the front door.
"""

import atexit
import contextlib
import ctypes
import os
import signal
import stat
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.ma  # as a framework does; NumPy would put it off until a case asks for a median

from bench import engines
from bench.case.cases import Job
from bench.engines.base import Progress
from bench.run import worker

RAISE, KILL, SLEEP, ALLOCATE, MEMORY_ERROR, SEGFAULT, EXIT = range(101, 108)
CHILD, CHILD_ALLOCATES, SHOUT, GARBAGE, STOP, HANG_UP, KILL_WATCHER = range(108, 115)
"""Units of a case -> how it ends; any other number of units ends well."""

GPU = "FAKE_GPU"
"""Variable of the environment by which the engine sees a GPU."""

AT_EXIT = "FAKE_AT_EXIT"
"""Variable of the environment that names a file which an interpreter makes that is taken apart."""

if AT_EXIT in os.environ:
    atexit.register(Path(os.environ[AT_EXIT]).touch)

engines.ENGINES["fake"] = engines.Known("fake_engine")


class FakeJob(Job):
    """A job that brings this module along into the worker."""


def error_curve(seed, rate, updates):
    """A fall whose speed depends on rate and seed."""
    return 1.0 / (1.0 + rate * updates * (1 + seed % 7))


HIT_BELOW = 0.75
"""Of labels the first quarter of the targets is right, whatever the error."""


@dataclass
class Slot:
    seed: int = -1
    rate: float = 0.0
    updates: int = 0


class FakeTrainer:
    """Follows `bench.engines.base.Trainer`."""

    def __init__(self, work, curve=error_curve):
        self.work, self._curve = work, curve
        self.slots = [Slot() for _ in range(work.layout.replicates)]
        self.placed, self.calls = [], []

    def place(self, slot, weights, learning_rate, seed, first_row=0):
        assert first_row % 1 == 0
        assert [w.shape for w in weights] == self.work.network.weight_shapes
        self.slots[slot] = Slot(seed, learning_rate)
        self.placed.append((slot, seed, learning_rate))

    @property
    def models(self):
        return [np.array([(slot.seed, slot.rate, slot.updates) for slot in self.slots])]

    @models.setter
    def models(self, models):
        self.slots = [Slot(int(seed), float(rate), int(updates)) for seed, rate, updates in models[0]]

    def train(self, starts, *, reset, evaluate=None):
        layout = self.work.layout
        assert starts.shape[1:] == (layout.replicates, layout.batch_size)
        assert len(starts) <= layout.max_updates
        self.calls.append((len(starts), reset, evaluate))
        for slot in self.slots:
            slot.updates += len(starts)
        loss = np.tile([self._error(slot) for slot in self.slots], (len(starts), 1))
        if evaluate is None:
            return Progress(loss, None)
        # Ways of predicting differ, so that one taken for another shows.
        way = {"sliding": 1.0, "carried": 1.5, "positions": 2.0}[evaluate]
        targets = np.linspace(0.5, 1.5, len(self.work.held_out.positions))
        hits = np.tile(targets < HIT_BELOW, (len(self.slots), 1)).astype(float)
        errors = np.array([[way * self._error(slot)] for slot in self.slots]) * targets
        return Progress(loss, errors, hits if self.work.network.loss == "crossentropy" else None)

    def _error(self, slot):
        return self._curve(slot.seed, slot.rate, slot.updates)


class FakeEngine:
    """Follows `bench.engines.base.Engine`."""

    name = "fake"
    kernels = ("replicated", "loop")

    def __init__(self, curve=error_curve):
        self._curve = curve
        self.configured = None

    def versions(self):
        return {"fake": "1"}

    def accelerators(self):
        return ["a GPU"] if GPU in os.environ else []

    def configure(self, *, threads, device, cache, short_loops):
        del short_loops
        self.configured = (threads, device, cache)

    def trainer(self, work, kernel):
        end(work.network.units)
        made = FakeTrainer(work, self._curve)
        made.kernel = kernel
        return made

    def kernel_seen(self, trainer):
        return trainer.kernel, {"While": 1} | ({"GPU": 1} if GPU in os.environ else {})

    def reset_memory_peak(self):
        pass

    def memory_peak(self):
        """Whether the allocator that counts all was chosen for this process."""
        return int(os.environ.get(worker.ALLOCATOR_COUNTS_ALL) == "true")


def end(units):
    """End this process, or not, as the units say."""
    os.write(1, b"the framework's C++ said something\n")
    ways = {
        RAISE: fail,
        KILL: lambda: os.kill(os.getpid(), signal.SIGKILL),
        SLEEP: sleep,
        ALLOCATE: allocate,
        MEMORY_ERROR: lambda: np.empty(2**50),
        SEGFAULT: lambda: ctypes.string_at(0),
        EXIT: lambda: os._exit(3),
        CHILD: leave_children,
        CHILD_ALLOCATES: let_a_child_allocate,
        SHOUT: shout,
        GARBAGE: write_garbage,
        STOP: lambda: os.kill(os.getpid(), signal.SIGSTOP),
        HANG_UP: hang_up,
        KILL_WATCHER: kill_watcher,
    }
    if units in ways:
        ways[units]()


def fail():
    raise RuntimeError("no room for a rabbit")


def sleep():
    os.write(1, b"asleep\n")
    time.sleep(600)


def allocate():
    kept = []
    while True:
        kept.append(np.ones(2**22))  # 32 MiB that are touched
        time.sleep(0.02)


def leave_children():
    """Start processes that outlive this one: one in its session, one that leaves it."""
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    started = [subprocess.Popen(command), subprocess.Popen(command, start_new_session=True)]
    os.write(1, f"children {started[0].pid} {started[1].pid}\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)


def let_a_child_allocate():
    subprocess.Popen([sys.executable, "-c", ALLOCATES])
    time.sleep(600)


ALLOCATES = """
import time
kept = []
while True:
    kept.append(bytearray(b"x") * 2**24)
    time.sleep(0.02)
"""

SHOUTS = 64
"""MiB that a case prints."""


def shout():
    for _ in range(SHOUTS):
        os.write(1, b"x" * 2**20)
    os.write(1, b"\nthe last word\n")
    raise RuntimeError("hoarse")


def write_garbage():
    for file in pipes():
        os.write(file, b"\xff\xff\xff\xfe" * 2**10 + b"\n")
    time.sleep(600)


def hang_up():
    for file in pipes():
        os.close(file)
    time.sleep(600)


def kill_watcher():
    """End the process that the server of processes belongs to, which watches this case."""
    server = Path(f"/proc/{os.getppid()}/stat").read_text(encoding="ascii")
    os.kill(int(server.rpartition(")")[2].split()[1]), signal.SIGKILL)
    time.sleep(600)


def pipes():
    """Sockets of this process: its way to the run."""
    found = [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]
    return [file for file in found if _is_socket(file)]


def _is_socket(file):
    with contextlib.suppress(OSError):
        return stat.S_ISSOCK(os.fstat(file).st_mode)
    return False


ENGINE = FakeEngine()
