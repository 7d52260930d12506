"""``python -m bench``: run cases, then render their report; what `make bench` calls, and these are its exit codes.

==========  =========================================================================
0           every case has its record, whatever it found; a target missed is a result
1           a case failed, crashed or hit a limit; its record says how
2           what was asked for cannot be run: nothing ran, nothing was rendered
3           results cannot be written
70          an error in the suite itself, with its traceback
75          the scheduler of a cluster has gone away; what came back is recorded, and the same command continues
128 + n     ended by signal n: 130 by Ctrl-C, 143 by SIGTERM
==========  =========================================================================

`make` turns every one of them but 0 into 2 and prints it: ``make: *** [Makefile:60: bench] Error 1``.
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Generator, Sequence
from enum import IntEnum
from pathlib import Path

import pytest

from bench import engines
from bench.errors import MOST_SAID, PlanError, printable, unknown
from bench.plan import csv_series
from bench.plan.shards import Shard
from bench.run import store
from bench.run.interrupts import INTERRUPTS, LAST_LINE, flush
from bench.run.session import SESSION

ROOT = Path(__file__).parents[1]
ENVIRONMENT = "STATEBENCH_"
"""STATEBENCH_<NAME> stands for the option --<name>; `make` passes its variables so."""

MAKE_VARIABLES = (
    "PRESET",
    "RUN",
    "DEVICE",
    "ENGINE",
    "CSV",
    "SHARD",
    "SCHEDULER",
    "ARGS",
    "PYTHON",
    "VENV",
    "PY",
    "ONLY",
    "LD2011",
)
"""What `make bench` knows beside the options of a file."""

UNUSED = ("-p", "no:hypothesispytest", "-p", "no:xdist", "-p", "no:cacheprovider")
"""Plugins of the tests' that pytest would import here too, which takes longer than all the rest of a start."""

BENCHMARK_JSON = "benchmark.json.part"
"""Beside a run's records: what rendering puts into place, together with the report."""


class Exit(IntEnum):
    """See the module."""

    DONE = 0
    FAILED = 1
    REFUSED = 2
    CANNOT_WRITE = 3
    BUG = 70
    CLUSTER_LOST = 75


class Front:
    """Looks into the session of pytest that runs the cases; `options` are those of this program."""

    def __init__(self, options: Sequence[str]) -> None:
        self.command = shlex.join(["python", "-m", "bench", *options])
        self.folder: Path | None = None
        self.bug = False

    def pytest_configure(self, config: pytest.Config) -> None:
        """Say where pytest-benchmark writes, which it reads after this, and which command repeats the run."""
        if SESSION not in config.stash:
            return
        config.stash[SESSION].command = self.command
        if config.getoption("benchmark_json", None) is None:
            config.option.benchmark_json = str(config.stash[SESSION].folder / BENCHMARK_JSON)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Know whether there is something to render; it is closed already, outside of this."""
        if INTERRUPTS.number is not None:
            # No other plugin has its turn: pytest-benchmark takes seconds to describe the machine.
            raise KeyboardInterrupt
        this = session.config.stash.get(SESSION, None)
        if this is not None and this.opened:
            self.folder = this.folder
        try:
            return (yield)
        except OSError as error:
            session.exitstatus = Exit.CANNOT_WRITE
            print(f"ERROR: cannot write results: {error}", file=sys.stderr)
            return None

    def pytest_internalerror(self) -> None:
        """Tell an error in the suite from what pytest.exit was called with."""
        self.bug = True


def main(arguments: Sequence[str]) -> int:
    """Run and render, or with ``--report`` render again what is there; returns the exit code."""
    try:
        INTERRUPTS.install()
        refuse_misspelt(os.environ.get("MAKEFLAGS", ""))
        options = [*from_environment(os.environ), *arguments]
        code = render_again(options) if "--report" in options else run_and_render(options)
    except PlanError as error:
        print(f"ERROR: {printable(str(error), MOST_SAID)}", file=sys.stderr)
        return Exit.REFUSED
    except KeyboardInterrupt:
        code = Exit.BUG
    flush()
    if INTERRUPTS.number is not None:
        print(LAST_LINE, file=sys.stderr, flush=True)
        return 128 + INTERRUPTS.number
    return code


def run_and_render(options: list[str]) -> int:
    """Render only what was run to its end, failed cases included: a refused run has no report to show."""
    front = Front(options)
    code = run(options, front)
    if front.folder is not None and code <= Exit.FAILED:
        code = render(front.folder) or code
    return code


def render_again(options: list[str]) -> int:
    """Render the run that these options name, from its records alone.

    Raises
    ------
    bench.errors.PlanError
        If they name none.
    """
    parser = argparse.ArgumentParser(prog="python -m bench --report", description="Render a run's report again.")
    parser.add_argument("--report", action="store_true")
    for name, default in {
        "run": "",
        "shard": "",
        "scheduler": "",
        "preset": "quick",
        "csv": "",
        "engine": "tensorflow",
        "device": "cpu",
    }.items():
        parser.add_argument(f"--{name}", default=default)
    parser.add_argument("--results", type=Path, default=Path("results"))
    chosen = parser.parse_args(options)
    usual = store.usual_name(chosen.csv or chosen.preset, engines.named(chosen.engine), chosen.device)
    shard = Shard.read(chosen.shard) if chosen.shard else None
    return render(chosen.results / store.checked_name(store.shard_name(chosen.run or usual, shard)))


def refuse_misspelt(flags: str) -> None:
    """Refuse variables of make's command that mean nothing: with SEED=5 a run would have 12 seeds all the same.

    Parameters
    ----------
    flags
        What make hands on: its own options, then `` -- `` and every variable of the command, blanks escaped.

    Raises
    ------
    PlanError
        Naming the nearest variable, and all of them.
    """
    _, _, written = flags.partition("-- ")
    valid = {*MAKE_VARIABLES, *(name.upper() for name in csv_series.OPTIONS)}
    for variable in re.split(r"(?<!\\)\s+", written):
        name, equals, _ = variable.partition("=")
        if equals and name.rstrip(":+?!") not in valid:
            raise unknown("variable", name, valid, "make's command")


def from_environment(environment: "os._Environ[str] | dict[str, str]") -> list[str]:
    """Options from variables; one that is empty is left out."""
    return [
        f"--{name.removeprefix(ENVIRONMENT).lower().replace('_', '-')}={value}"
        for name, value in sorted(environment.items())
        if name.startswith(ENVIRONMENT) and value.strip()
    ]


def run(options: list[str], front: Front) -> int:
    """Let pytest run the cases; the exit code that this makes."""
    place = os.path.relpath(ROOT / "bench")
    code = pytest.main([place, "-q", "--benchmark-quiet", *UNUSED, *options], plugins=[front])
    if front.bug:
        return Exit.BUG
    if code == Exit.CLUSTER_LOST:
        return Exit.CLUSTER_LOST
    if code == pytest.ExitCode.NO_TESTS_COLLECTED:
        print("ERROR: no case was selected, so there is nothing to run", file=sys.stderr)
    return {
        pytest.ExitCode.OK: Exit.DONE,
        pytest.ExitCode.TESTS_FAILED: Exit.FAILED,
        # Exit.CANNOT_WRITE has the number of an internal error, which was handled above.
        pytest.ExitCode.INTERNAL_ERROR: Exit.CANNOT_WRITE,
    }.get(pytest.ExitCode(code), Exit.REFUSED)


def render(folder: Path) -> int:
    """Render the report in a process of its own, which brings what the run does not need; its exit code."""
    flush()
    # In a group of its own: Ctrl-C is for this process, which ends it.
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-m", "reports", str(folder)], check=False, process_group=0
    )
    return done.returncode if done.returncode in (Exit.DONE, Exit.REFUSED, Exit.CANNOT_WRITE) else Exit.BUG


if __name__ == "__main__":
    code = main(sys.argv[1:])
    if INTERRUPTS.number is not None:
        # All is written, and what libraries do at the end of a process may take longer than there is patience.
        flush()
        os._exit(code)
    sys.exit(code)
