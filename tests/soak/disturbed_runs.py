"""Runs that are killed, told to end, or meet a full disk, a torn cache or a wicked case; what must hold afterwards.

Every function disturbs one run, lets the same command continue it, and returns what was lost, "" where nothing was.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import fake_engine as fake
import psutil
from soak_engine import code_of

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
GONE_S, DONE_S = 10.0, 300.0
"""So long after its end may a process of a run live, and so long may a run take; an idle machine needs far less."""

UNITS = (2, 3, 4, 5, 6, 7)
CASES = len(UNITS) + 2
PRESET = """
[training]
learning_rates = [0.1]
tuning_seeds = 1
evaluation_seeds = 3
epochs = 3
scored_targets = 16
[limits]
seconds = {seconds}
memory_mib = 256
workers = 2
[[convergence]]
task = "cosine"
cell = "lstm"
regime = "stateful"
window = 4
units = {units}
[[time]]
task = "cosine"
cell = "lstm"
regime = "stateful"
kernel = "loop"
window = 4
units = [2, 3]
repetitions = 1
"""


@dataclass
class Disturbed:
    """A run in a folder of its own.

    Attributes
    ----------
    mark
        In the environment of every process that comes from it.
    """

    folder: Path
    units: tuple[int, ...] = UNITS
    seconds: float = 60
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self):
        self.folder.mkdir(parents=True)
        self.seconds *= slower()
        self.preset.write_text(PRESET.format(units=list(self.units), seconds=self.seconds))

    @property
    def preset(self):
        return self.folder / "own.toml"

    @property
    def records_file(self):
        return self.folder / "results" / "own-soak" / "records.jsonl"

    def command(self):
        return [
            *(sys.executable, "-m", "bench", f"--preset={self.preset}", "--engine=soak", "--run=own-soak"),
            *(f"--results={self.folder}/results", "-p", "soak_engine", "-p", "no:cacheprovider"),
        ]

    def environment(self):
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("STATEBENCH_", "MAKE", "MFLAGS"))}
        path = f"{HERE}:{ROOT / 'tests/bench'}:{ROOT}"
        return inherited | {"PYTHONPATH": path, "SOAK_MARK": self.mark, "CUDA_VISIBLE_DEVICES": "-1"}

    def start(self, command=None):
        return subprocess.Popen(
            command or self.command(),
            cwd=ROOT,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )

    def start_make(self):
        options = f"--results={self.folder}/results -p soak_engine -p no:cacheprovider"
        return self.start([
            *("make", "-o", ".venv/installed", "bench", "VENV=.venv", f"PY={sys.executable}", "ENGINE=soak"),
            *(f"PRESET={self.preset}", "RUN=own-soak", f"ARGS={options}"),
        ])  # fmt: skip

    def finish(self):
        """The same command until it has nothing left to say; its exit code and what it said."""
        share, begin = self.left(), time.monotonic()
        running = self.start()
        said, _ = running.communicate(timeout=DONE_S * slower())
        if running.returncode == 0 and _undisturbed:
            LASTED.append((share, time.monotonic() - begin))
        return running.returncode, said

    def left(self):
        """Share of its cases that have no record yet."""
        return 1 - len(whole(self.raw())) / CASES

    def moment(self, rng):
        """Seconds until some moment of what is left of it, as long as runs take at present."""
        recent = list(LASTED)
        slowness = statistics.median(seconds / usual_s(share) for share, seconds in recent or [(1.0, usual_s(1.0))])
        return rng.uniform(0, usual_s(self.left()) * slowness)

    def raw(self):
        return self.records_file.read_bytes() if self.records_file.exists() else b""

    def alive(self):
        """Processes of the run that are still there once it had time to end them."""
        end = time.monotonic() + GONE_S * slower()
        while (found := self._marked()) and time.monotonic() < end:
            time.sleep(0.1)
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.kill()
        return found

    def _marked(self):
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("SOAK_MARK") == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found


def slower():
    """How much longer all takes on a machine that does other work too, Python's start for one."""
    return max(1.0, os.getloadavg()[0] / len(os.sched_getaffinity(0)))


def usual_s(share):
    """Seconds that a run with so much of it left took before anything was disturbed."""
    all_left, none_left = _usual_s
    return none_left + share * (all_left - none_left)


def whole(raw):
    """Records of whole lines, by key: how often each, and what it says but for times."""
    found = {}
    for line in raw.split(b"\n"):
        with contextlib.suppress(ValueError):
            record = json.loads(line)
            found.setdefault(record["key"], []).append(without_times(record))
    return found


def without_times(record):
    kept = {name: value for name, value in record.items() if name not in {"started", "seconds", "warnings", "time"}}
    if record.get("convergence"):
        kept["convergence"] = record["convergence"] | {"seconds_per_update": None}
    return kept


_undisturbed = {}
_usual_s = []

LASTED = deque(maxlen=5)
"""Of the last runs that nothing disturbed: the share of their cases that was left, and the seconds until their end."""

KILLS = []
"""Of each run that was to be killed, whether it was still alive then."""

ENDED_S = []
"""From a signal to `make` alone until the run and all that it had started were gone, in seconds."""


def undisturbed(folder):
    """What a run finds that nothing happens to."""
    if not _undisturbed:
        run = Disturbed(folder / "undisturbed")
        for _ in range(2):  # and once more, which finds nothing left to do
            begin = time.monotonic()
            code, said = run.finish()
            assert code == 0, said
            _usual_s.append(time.monotonic() - begin)
        _undisturbed.update(whole(run.raw()))
    return _undisturbed


def verdict(run, before, folder, *, final):
    """What is wrong with what lies on disk after a disturbance: "" for nothing."""
    raw = run.raw()
    if not raw.startswith(before):
        return "earlier records changed"
    found, usual = whole(raw), undisturbed(folder)
    if doubled := [key for key, many in found.items() if len(many) > 1]:
        return f"recorded twice: {doubled}"
    if wrong := [key for key, (record,) in found.items() if key in usual and record != usual[key][0]]:
        return f"another result: {wrong}"
    if final and found.keys() != usual.keys():
        return f"missing: {sorted(usual.keys() - found.keys())}"
    if left := run.alive():
        return f"processes left: {left}"
    return ""


def killed(rng, folder):
    """SIGKILL to the run or to its whole group, five to eight times at random moments."""
    run, before = Disturbed(folder / "run"), b""
    for _ in range(rng.randint(5, 8)):
        running = run.start()
        time.sleep(run.moment(rng))
        alive = running.poll() is None
        KILLS.append(alive)
        if alive:
            (os.kill if rng.random() < 0.5 else os.killpg)(running.pid, signal.SIGKILL)
        running.communicate()
        if said := verdict(run, before, folder.parent, final=False):
            return said
        before = run.raw()[: run.raw().rfind(b"\n") + 1]
    code, said = run.finish()
    return verdict(run, before, folder.parent, final=True) or (f"exit {code}: {said}" if code else "")


def told(rng, folder):
    """A signal to make alone, at a random moment."""
    run = Disturbed(folder / "run")
    running = run.start_make()
    time.sleep(run.moment(rng))
    number = rng.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
    alive, begin = running.poll() is None, time.monotonic()
    with contextlib.suppress(ProcessLookupError):
        os.kill(running.pid, number)
    try:
        said, _ = running.communicate(timeout=GONE_S * slower())
        if alive:
            ENDED_S.append(time.monotonic() - begin)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        return f"still there {time.monotonic() - begin:.0f} s after {number!r} to make"
    if found := verdict(run, b"", folder.parent, final=False):
        return found
    if "report.md" not in said and "interrupted" not in said and run.raw():
        return f"{number!r}: output {said[-200:]!r}"
    before = run.raw()
    code, said = run.finish()
    return verdict(run, before, folder.parent, final=True) or (f"exit {code}: {said}" if code else "")


@contextlib.contextmanager
def small_disk(folder, size):
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def full_disk(rng, folder):
    """A disk of a random size that is full sooner or later, and then has room."""
    run = Disturbed(folder / "run")
    with small_disk(run.folder / "results", rng.randint(4, 60)) as disk:
        code, said = run.finish()
        if code == 0:
            return ""
        if code != 3 or "cannot write" not in said:
            return f"exit {code}: {said[-300:]}"
        before = run.raw()[: run.raw().rfind(b"\n") + 1]
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        code, said = run.finish()
        return verdict(run, before, folder.parent, final=True) or (f"exit {code}: {said[-300:]}" if code else "")


def read_only_disk(rng, folder):
    """A disk that nothing can be written to, from the beginning or once some records are there."""
    run = Disturbed(folder / "run")
    with small_disk(run.folder / "results", 65536) as disk:
        if rng.random() < 0.5:
            running = run.start()
            time.sleep(run.moment(rng))
            running.kill()
            running.communicate()
            run.alive()
        before = run.raw()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        code, said = run.finish()
        if code != 3:
            return f"exit {code}: {said[-300:]}"
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        code, said = run.finish()
        before = before[: before.rfind(b"\n") + 1]
        return verdict(run, before, folder.parent, final=True) or (f"exit {code}: {said[-300:]}" if code else "")


def torn_cache(rng, folder):
    """Files of what is compiled emptied, halved, overwritten or with flipped bits, some without their sum."""
    run = Disturbed(folder / "run")
    code, said = run.finish()
    if code:
        return f"exit {code}: {said[-300:]}"
    for file in (run.folder / "results/.compiled").rglob("*.pb"):
        if ".sums" in file.parts:
            if rng.random() < 0.3:
                file.unlink()
            continue
        content = bytearray(code_of(int(file.stem)))
        content[rng.randrange(len(content))] ^= rng.randint(1, 255)
        file.write_bytes(rng.choice([b"", content[: len(content) // 2], rng.randbytes(len(content)), content]))
    shutil.rmtree(run.records_file.parent)
    code, said = run.finish()
    return verdict(run, b"", folder.parent, final=True) or (f"exit {code}: {said[-300:]}" if code else "")


ENDINGS = {
    fake.RAISE: "failed",
    fake.KILL: "crashed",
    fake.SLEEP: "timed-out",
    fake.ALLOCATE: "out-of-memory",
    fake.MEMORY_ERROR: "out-of-memory",
    fake.SEGFAULT: "crashed",
    fake.EXIT: "crashed",
    fake.CHILD: "crashed",
    fake.CHILD_ALLOCATES: "out-of-memory",
    fake.SHOUT: "failed",
    fake.GARBAGE: "failed",
    fake.STOP: "timed-out",
    fake.HANG_UP: "timed-out",
}
WICKED = {
    "case: Python error": fake.RAISE,
    "case: SIGKILL": fake.KILL,
    "case: segmentation fault": fake.SEGFAULT,
    "case: `os._exit`": fake.EXIT,
    "case: hangs": fake.SLEEP,
    "case: SIGSTOP": fake.STOP,
    "case: memory without end": fake.ALLOCATE,
    "case: allocation refused": fake.MEMORY_ERROR,
    "case: output without end": fake.SHOUT,
    "case: children that outlive it": fake.CHILD,
    "case: a child takes the memory": fake.CHILD_ALLOCATES,
    "case: garbage in the pipe": fake.GARBAGE,
    "case: closes the pipe": fake.HANG_UP,
}
"""Fault -> units of its case."""

ALL_WICKED = "case: every kind in one run"
SLOW = {"out-of-memory", "timed-out"}
"""On a machine that is busy, what should run out of memory may run out of time before."""


def wicked_cases(rng, folder):
    """A run with a case of every wicked kind among the good ones, in random order; what was lost, by fault."""
    units = [*UNITS, *WICKED.values()]
    rng.shuffle(units)
    run = Disturbed(folder / "run", tuple(units), seconds=8)
    code, said = run.finish()
    outcomes = {}
    for line in run.raw().splitlines():
        record = json.loads(line)
        outcomes.setdefault(record["case"]["units"], []).append(record["outcome"])
    wrong = f"exit {code}: {said[-300:]}" if code != 1 else verdict(run, b"", folder.parent, final=False)
    if not undisturbed(folder.parent).keys() <= whole(run.raw()).keys():
        wrong = wrong or "other cases are missing"
    lost = {}
    for name, one in WICKED.items():
        found, expected = outcomes.get(one, []), ENDINGS[one]
        right = len(found) == 1 and (found[0] == expected or {found[0], expected} <= SLOW)
        lost[name] = wrong or ("" if right else f"outcomes {found}, not {expected}")
    return lost


def stopped(rng, folder):
    """Ctrl-Z for longer than a case may take, and on again."""
    run = Disturbed(folder / "run", seconds=3)
    running = run.start()
    time.sleep(run.moment(rng))
    with contextlib.suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGSTOP)
        time.sleep(run.seconds + 1)
        os.killpg(running.pid, signal.SIGCONT)
    said, _ = running.communicate(timeout=DONE_S * slower())
    if running.returncode:
        return f"exit {running.returncode}: {said[-300:]}"
    return verdict(run, b"", folder.parent, final=True)


def clock_set_back(rng, folder):
    """The clock goes back by days between two invocations: to the second, the first lies in the future."""
    run = Disturbed(folder / "run")
    running = run.start()
    time.sleep(run.moment(rng))
    running.kill()
    running.communicate()
    run.alive()
    about = run.records_file.with_name("run.json")
    if about.exists():
        about.write_text(about.read_text().replace('"started": "20', '"started": "21'))
    before = run.raw()[: run.raw().rfind(b"\n") + 1]
    code, said = run.finish()
    return verdict(run, before, folder.parent, final=True) or (f"exit {code}: {said[-300:]}" if code else "")


def two_runs(rng, folder):
    """The same command twice at a time: one runs, the other is told so."""
    run = Disturbed(folder / "run")
    both = [run.start()]
    time.sleep(rng.uniform(0, 2))
    both.append(run.start())
    said = [one.communicate(timeout=DONE_S * slower())[0] for one in both]
    codes = sorted(one.returncode for one in both)
    if codes not in ([0, 2], [0, 0]):  # the second may come after the first has ended
        return f"exits {codes}: {said}"
    if codes == [0, 2] and not any("another process is running" in text for text in said):
        return f"not told: {said}"
    return verdict(run, b"", folder.parent, final=True)


FAULTS = {
    "run killed (SIGKILL), five to eight times": killed,
    "signal to `make` alone": told,
    "disk full while recording": full_disk,
    "disk read-only": read_only_disk,
    "shared cache torn": torn_cache,
    "run stopped (Ctrl-Z) for longer than a case may take": stopped,
    "clock set back by days": clock_set_back,
    "two runs in one folder": two_runs,
    ALL_WICKED: wicked_cases,
}
NAMES = (*(name for name in FAULTS if name != ALL_WICKED), *WICKED)
"""Of faults, as the table has them."""


def disturb(name, seed, folder):
    """Do it once; what was lost by the name of each fault in it, "" for nothing."""
    place = Path(folder) / uuid.uuid4().hex
    try:
        lost = FAULTS[name](random.Random(seed), place)
    except Exception as error:
        lost = f"{type(error).__name__}: {str(error)[:300]}"
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return lost if isinstance(lost, dict) else dict.fromkeys(WICKED if name == ALL_WICKED else [name], lost)
