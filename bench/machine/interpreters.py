"""What another interpreter has installed, asked before anything is run in it."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import PlanError

ROOT = Path(__file__).parents[2]
LIMIT_S = 120.0

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


def ask(python: str, engines: Sequence[str], source: Path | None = None, who: str = "python") -> Interpreter:
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
            timeout=LIMIT_S,
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
