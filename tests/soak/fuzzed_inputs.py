"""Files and bytes changed at random: read, or refused in a sentence; never a traceback, a hang or another meaning.

Every function tries one input and returns what is wrong with what came of it, "" for nothing.
"""

import contextlib
import io
import json
import os
import random
import socket
import warnings
from collections.abc import Callable
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path

import record_builders as made

from bench.case.checked import encode
from bench.errors import MOST_SAID, PlanError, RunFolderError
from bench.machine import host
from bench.measure.channel import Channel, GarbageError
from bench.plan import planning, presets
from bench.run.compiled import Compiled
from bench.run.store import RunFolder
from tasks.csv_series.prepare import prepare
from tasks.csv_series.request import Request
from tasks.task import TaskError

VALUES: tuple[Callable[[random.Random], str], ...] = (
    lambda rng: str(rng.choice([0, -1, 1, 2, 3, 10**6, 2**31, 2**63, 10**400, -(10**30)])),
    lambda rng: rng.choice(["0.0", "-0.5", "1e-300", "1e300", "nan", "inf", "-inf", "1_0", "0x" + "f" * 5000]),
    lambda rng: rng.choice(['""', '"x"', '"lstm"', '"\\u0007"', '"stateful"', f'"{"x" * 9000}"', "true", "false"]),
    lambda rng: rng.choice(["[]", "[[]]", "{}", "[1, 2]", '["lstm", 1]', "[" * 900 + "]" * 900, "[1.5]", "1979-05-27"]),
    lambda rng: str([rng.randint(1, 9) for _ in range(rng.randint(1, 40))]),
)
PRESET = """
name = "own"
description = "x"
[training]
learning_rates = [0.1, 0.2]
tuning_seeds = 1
evaluation_seeds = 2
epochs = 3
stop = "target"
scored_targets = 16
evaluations_per_epoch = 1
burn_in = 1.0
dropout = 0.0
[limits]
seconds = 60
memory_mib = 1000
workers = 1
together = 3
cases = 3000
[[convergence]]
task = "cosine"
cell = ["lstm", "gru"]
regime = ["stateful", "stateless"]
window = 4
units = [2, 3]
layers = 1
batch_size = 8
repetitions = 1
family = true
[[time]]
task = "cosine"
cell = "lstm"
regime = "stateful"
kernel = ["loop", "xla"]
dtype = "float32"
window = 4
"""


def changed_bytes(rng, raw):
    """A few bytes turned over, cut out, put in, or the end cut off."""
    new = bytearray(raw)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(new) + 1)
        match rng.randrange(5):
            case 0 if at < len(new):
                new[at] ^= rng.randint(1, 255)
            case 1:
                del new[at : at + rng.randint(1, 40)]
            case 2:
                new[at:at] = rng.choice([b"\x00" * 30, b"\xff", b"\n", b"\r", b'"', b"[" * 500, rng.randbytes(20)])
            case 3:
                del new[at:]
            case _:
                new += new[max(0, at - 50) : at]
    return bytes(new)


def preset(rng, folder):
    lines = PRESET.splitlines()
    if rng.random() < 0.7:
        at = rng.choice([number for number, line in enumerate(lines) if " = " in line])
        lines[at] = f"{lines[at].split(' = ')[0]} = {rng.choice(VALUES)(rng)}"
    raw = "\n".join(lines).encode()
    file = folder / "own.toml"
    file.write_bytes(changed_bytes(rng, raw) if rng.random() < 0.5 else raw)
    try:
        planning.make(presets.load(str(file)))
    except PlanError as error:
        return "" if str(error) else "refused without a word"
    return ""


LINES = [encode(made.convergence(made.case_of(number))).decode() for number in range(6)]


def record_bytes(rng, folder):
    """Whatever was changed, a whole line is kept; only one of a later version is refused, and then nothing changes."""
    file = folder / "run" / "records.jsonl"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(before := changed_bytes(rng, ("\n".join(LINES) + "\n").encode()))
    run = RunFolder(file.parent)
    try:
        run._read_records()
    except RunFolderError as error:
        return "" if "has schema" in str(error) and file.read_bytes() == before else f"refused: {error}"
    untouched = {json.loads(line)["key"] for line in LINES if line.encode() in file.read_bytes().split(b"\n")}
    if missing := untouched - run.records.keys():
        return f"lost {missing}"
    return ""


CSV = "time,load,temp\n" + "".join(
    f"2024-01-{1 + n // 24:02d} {n % 24:02d}:00,{n % 24 + n % 7}.5,{n}\n" for n in range(300)
)


def csv_file(rng, folder):
    file = folder / "own.csv"
    raw = CSV.encode()
    if rng.random() < 0.5:
        rows = CSV.splitlines()
        at = rng.randrange(len(rows))
        rows[at] = rng.choice(["", ",", "x" * 200_000, "1,2", rows[at] + ",9", rows[at].replace(".5", "e300")])
        raw = rng.choice(["\n", "\r\n", "\r"]).join(rows).encode()
    file.write_bytes(changed_bytes(rng, raw))
    try:
        prepare(Request(file, column="load"))
    except TaskError as error:
        return "" if 0 < len(str(error)) <= MOST_SAID else f"a message of {len(str(error))} characters"
    return ""


@cache
def smoke():
    preset_ = presets.load("smoke")
    return preset_, planning.make(preset_), host.fingerprint([])


def run_json_bytes(rng, folder):
    """Continued as what it is, or refused; never changed by a refusal."""
    preset_, plan, machine = smoke()
    file = folder / "run" / "run.json"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(before := changed_bytes(rng, whole_run_json(folder)))
    run = RunFolder(file.parent)
    try:
        run.open(preset_, plan, machine, Path("/"), "soak")
    except RunFolderError:
        return "" if file.read_bytes() == before else "changed though refused"
    return "" if run.about.plan == [job.case for job in plan.jobs] else "another plan was continued"


@cache
def whole_run_json(folder):
    run = RunFolder(folder / "whole")
    run.open(*smoke(), Path("/"), "soak")
    return (folder / "whole" / "run.json").read_bytes()


def pipe_bytes(rng, folder):
    """Values that were sent arrive as they are; anything else is told to be garbage; nobody waits."""
    del folder
    ours, theirs = socket.socketpair()
    channel = Channel(Connection(ours.detach()))
    values = [rng.choice(["MORE", {"outcome": "ok", "n": rng.random()}, [1] * rng.randint(0, 5000)]) for _ in range(3)]
    raw = b"".join(json.dumps(value).encode() + b"\n" for value in values)
    clean = rng.random() < 0.3
    with theirs:
        theirs.sendall(raw if clean else changed_bytes(rng, raw))
    found = []
    with contextlib.closing(channel.connection):
        try:
            while (value := channel.look()) is not None:
                found.append(value)
        except GarbageError:
            return "clean values taken for garbage" if clean else ""
    return "" if not clean or found == values else "values lost"


def compiled_files(rng, folder):
    """Whatever happens to the files of one run, the next believes none but what was written."""
    cache = folder / "compiled"
    first = Compiled(cache)
    first.usable()
    files = {cache / "tensorflow" / f"{number}.pb": rng.randbytes(rng.randint(0, 300)) for number in range(4)}
    (cache / "tensorflow").mkdir(exist_ok=True)
    for file, content in files.items():
        file.write_bytes(content)
    first.check()
    found = sorted(cache.rglob("*.pb"))
    for file in rng.sample(found, min(3, len(found))):  # sums among them
        file.write_bytes(changed_bytes(rng, file.read_bytes()))
    if rng.random() < 0.3:
        (cache / "tensorflow" / "new.pb").write_bytes(b"of a run that was killed")
    Compiled(cache).usable()
    wrong = [file for file in (cache / "tensorflow").glob("*.pb") if file.read_bytes() != files.get(file)]
    return f"believed {wrong}" if wrong else ""


INPUTS = {
    "preset: values and bytes": preset,
    "records.jsonl: bytes": record_bytes,
    "run.json: bytes": run_json_bytes,
    "CSV file: cells and bytes": csv_file,
    "pipe between case and run: bytes": pipe_bytes,
    "compiled files: bytes": compiled_files,
}


def fuzz(name, seed, folder):
    """Try one input; what is wrong, "" for nothing."""
    place = Path(folder) / f"{os.getpid()}"
    place.mkdir(exist_ok=True)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("error")
            return INPUTS[name](random.Random(seed), place)
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:200]}"
