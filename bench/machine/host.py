"""What machine and what software a run stands on: what Linux, Python and the engines tell."""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from bench.errors import PlanError
from bench.machine import sensors

PACKAGES = (
    "tensorflow",
    "jax",
    "jaxlib",
    "torch",
    "keras",
    "numpy",
    "pandas",
    "pytest",
    "pytest-benchmark",
    "statebench",
)

FIXED = ("cpu", "cores", "architecture", "system", "accelerators")
"""Parts that may not change within a run: figures from two machines must never be mixed."""


PYTHON = sys.executable

DECIDING = ("XLA_FLAGS", "TF_XLA_FLAGS", "TF_ENABLE_ONEDNN", "ONEDNN_", "OMP_NUM", "CUDA_VISIBLE")
"""Beginnings of the environment variables that decide how fast frameworks compute."""


def fingerprint(accelerators: list[str]) -> dict[str, Any]:
    """Describe this machine; sizes in bytes."""
    return {
        "cpu": _cpu_model(),
        "cores": psutil.cpu_count(logical=False) or os.cpu_count(),
        "threads": os.cpu_count(),
        "affinity": sorted(os.sched_getaffinity(0)),
        "architecture": platform.machine(),
        "instruction_sets": _instruction_sets(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "accelerators": accelerators,
        "accelerator_bytes": sensors.accelerator_bytes() if accelerators else [],
        **facts(),
        "environment": {name: value for name, value in os.environ.items() if name.startswith(DECIDING)},
    }


def fixed_sha256(machine: dict[str, Any]) -> str:
    """Fingerprint of the parts that may not change within a run."""
    text = json.dumps({name: machine[name] for name in FIXED}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def class_of(machine: dict[str, Any]) -> dict[str, Any]:
    """What makes machines alike: a history goes on over an update of the system, and unlike machines never look alike.

    Names of virtual CPUs say little ("AMD EPYC"), so caches and instruction sets count too; memory counts in GiB, since
    what a kernel keeps for itself changes. Fields that a fingerprint of an older version lacks are None.
    """
    names = ("cpu", "architecture", "cores", "threads", "caches", "instruction_sets", "accelerators")
    found = {name: machine.get(name) for name in names}
    bytes_ = machine.get("memory_bytes")
    found["memory_gib"] = None if bytes_ is None else round(bytes_ / 2**30)
    found["accelerator_gib"] = [round(size / 2**30) for size in machine.get("accelerator_bytes") or []]
    return found


def class_sha256(machine: dict[str, Any]) -> str:
    """Fingerprint of the class of a machine."""
    return hashlib.sha256(json.dumps(class_of(machine), sort_keys=True).encode()).hexdigest()


def versions() -> dict[str, str]:
    """Versions of what is installed, read without importing it."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def differing(one: Mapping[str, str], other: Mapping[str, str], names: Iterable[str]) -> list[tuple[str, str, str]]:
    """Name and both versions of what differs; "none" where it is not installed."""
    pairs = [(name, one.get(name, "none"), other.get(name, "none")) for name in names]
    return [found for found in pairs if found[1] != found[2]]


def git_state(folder: Path) -> dict[str, Any] | None:
    """Commit and whether the working tree differs from it; None outside a repository."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_git(folder, "status", "--porcelain"))}
    except (OSError, subprocess.CalledProcessError):
        return None


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def has_gpu_driver(root: Path = Path("/")) -> bool:
    """Whether NVIDIA's driver is loaded; cheap, since no framework is asked."""
    return any(root.glob("dev/nvidia[0-9]*")) or (root / "dev/dxg").exists()


GPUS_SEEN = "BENCH_GPUS_SEEN"
"""Variable by which a program that has asked engines for their GPUs tells a run that it starts, as JSON by engine."""


def accelerators(engine: str) -> list[str]:
    """GPUs that an engine can use, asked in a process of its own: a framework that has looked for GPUs keeps them.

    That takes the seconds of an import: what whoever started this process has been told is not asked again.
    """
    told: dict[str, list[str]] = json.loads(os.environ.get(GPUS_SEEN, "{}"))
    if engine in told:
        return told[engine]
    done = _ask(engine, "import json; print(json.dumps(engine.accelerators()))")
    return list(json.loads(done.stdout.strip().splitlines()[-1])) if done.returncode == 0 else []


def why_no_gpu(engine: str, asked: Sequence[str] = ()) -> str:
    """What the engine and the system see, for the error that no GPU is usable; `asked`: all engines of the run."""
    done = _ask(engine, "print(engine.versions())")
    said = done.stdout.strip().splitlines()[-1:] or done.stderr.strip().splitlines()[-1:]
    smi = shutil.which("nvidia-smi")
    missing = (
        "nvidia-smi is there, so the driver is; the CUDA libraries that the engine needs are missing: install with "
        f"`make bench DEVICE=gpu ENGINE={','.join(asked) or engine}`, which takes its CUDA build"
        if smi
        else "there is no nvidia-smi either: no NVIDIA driver is installed, or this container was not given the GPU"
    )
    return f"DEVICE=gpu, but {engine} sees no GPU. It reports: {' '.join(said)}. {missing}."


def _ask(engine: str, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", f"from bench import engines; engine = engines.create({engine!r}); {code}"],
        capture_output=True,
        text=True,
        check=False,
    )


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - fixed arguments
        ["git", "-C", str(folder), *arguments],  # noqa: S607 - whichever git the user has
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def _cpu_info(field: str) -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith(field):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return ""


def _cpu_model() -> str:
    return _cpu_info("model name") or platform.processor() or "unknown"


def _instruction_sets() -> list[str]:
    """Vector extensions that decide how fast a matrix product can be."""
    wanted = {"sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_bf16", "amx_tile", "asimd", "sve"}
    return sorted(wanted & set((_cpu_info("flags") or _cpu_info("Features")).split()))


CPU = "sys/devices/system/cpu"


def facts(root: Path = Path("/")) -> dict[str, Any]:
    """Read what there is; None for what this machine does not tell.

    Parameters
    ----------
    root
        Stands in for ``/``.

    Returns
    -------
    dict
        ``caches`` (bytes by name, of the first core), ``governor``, ``turbo`` (bool), ``hyperthreads`` (bool),
        ``virtual_machine`` (bool), ``quota_cores`` and ``quota_bytes`` (limits of this container).
    """
    return {
        "caches": _caches(root / CPU / "cpu0/cache"),
        "governor": _text(root / CPU / "cpu0/cpufreq/scaling_governor"),
        "turbo": _turbo(root / CPU),
        "hyperthreads": _on(root / CPU / "smt/active"),
        "virtual_machine": _virtual(root / "proc/cpuinfo"),
        "quota_cores": _quota_cores(root / "sys/fs/cgroup"),
        "quota_bytes": _quota_bytes(root / "sys/fs/cgroup"),
    }


def _caches(folder: Path) -> dict[str, int] | None:
    found = {}
    for index in sorted(folder.glob("index*")):
        level, kind, size = (_text(index / name) for name in ("level", "type", "size"))
        if level and size and kind != "Instruction":
            units = {"K": 2**10, "M": 2**20, "G": 2**30}
            found[f"L{level}"] = int(size.rstrip("KMG")) * units.get(size[-1], 1)
    return found or None


def _turbo(cpu: Path) -> bool | None:
    off = _on(cpu / "intel_pstate/no_turbo")
    return not off if off is not None else _on(cpu / "cpufreq/boost")


def _virtual(info: Path) -> bool | None:
    flags = next((line for line in (_text(info) or "").splitlines() if line.startswith("flags")), None)
    return None if flags is None else "hypervisor" in flags.split()


def _quota_cores(group: Path) -> float | None:
    """Cores' worth of time that this container may use; None where unlimited."""
    if text := _text(group / "cpu.max"):
        quota, period = text.split()
        return None if quota == "max" else int(quota) / int(period)
    quota, period = (_text(group / "cpu" / name) for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us"))  # type: ignore[assignment]
    return int(quota) / int(period) if quota and period and int(quota) > 0 else None


def _quota_bytes(group: Path) -> int | None:
    text = _text(group / "memory.max") or _text(group / "memory/memory.limit_in_bytes")
    # Version 1 says "no limit" as the largest number of whole pages.
    return int(text) if text and text != "max" and int(text) < 2**62 else None


def _on(file: Path) -> bool | None:
    text = _text(file)
    return None if text is None else text == "1"


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        return None


ROOT = Path(__file__).parents[2]
ASK_LIMIT_S = 120.0

_ASK = """
import importlib.util, json, sys
from pathlib import Path
fallback, names = sys.argv[1], sys.argv[2].split(",")
spec = None if fallback.startswith("!") else importlib.util.find_spec("bench")
source = str(Path(spec.origin).parents[1]) if spec and spec.origin else fallback.lstrip("!")
sys.path.insert(0, source)
import bench.measure.execute
from bench import engines
from bench.machine import host
engines.check(names)
print(json.dumps({"source": source, "versions": host.versions()}))
"""


@dataclass(frozen=True)
class Interpreter:
    """An interpreter that can run cases.

    Attributes
    ----------
    source
        Folder whose ``bench/`` and ``tasks/`` it runs.
    versions
        Versions of what it has installed.
    """

    python: str
    source: Path
    versions: dict[str, str]


def ask_interpreter(
    python: str, engines: Sequence[str], source: Path | None = None, who: str = "python"
) -> Interpreter:
    """Ask an interpreter whether it can run cases of these engines.

    Parameters
    ----------
    source
        Folder of a checkout that it shall run; None for the suite that is installed in it, or else this checkout.
    who
        Names it in an error.

    Raises
    ------
    PlanError
        If there is no such interpreter, or it lacks a package.
    """
    fallback = str(ROOT) if source is None else f"!{source}"
    try:
        done = subprocess.run(  # noqa: S603 - the interpreter that the user names, our own code
            [python, "-P", "-c", _ASK, fallback, ",".join(engines)],
            capture_output=True,
            text=True,
            check=False,
            timeout=ASK_LIMIT_S,
            env=environment_of(python),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PlanError(f"{who} {python!r} cannot be run: {error}. Give the path of a Python interpreter.") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        raise PlanError(
            f"{who} {python!r} cannot run the suite with {', '.join(engines)}: {last}. Install what is missing there: "
            f"`{python} -m pip install -r requirements.lock`"
        )
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return Interpreter(python, Path(found["source"]), found["versions"])


def environment_of(python: str) -> dict[str, str]:
    """Variables of this process; for another interpreter without those that decide which code is imported."""
    own = python == sys.executable
    return {name: value for name, value in os.environ.items() if own or name not in ("PYTHONPATH", "PYTHONHOME")}
