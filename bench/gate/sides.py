"""The two sides of a gate: a git commit, a checkout or another interpreter."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.case.configurations import Configuration
from bench.errors import PlanError
from bench.machine import host


@dataclass(frozen=True)
class Side:
    """One of the two versions that are compared.

    Attributes
    ----------
    asked
        As the user named it.
    configuration
        With which its processes are started.
    versions
        Of what its interpreter has installed.
    git
        Commit of its code and whether the files differ from it; None outside a repository.
    """

    name: str
    asked: str
    configuration: Configuration
    versions: dict[str, str]
    git: dict[str, Any] | None

    def to_dict(self) -> dict[str, Any]:
        """As gate.json holds it."""
        return {"name": self.name, "asked": self.asked, "versions": self.versions, "git": self.git}


def find(name: str, asked: str, engines: Sequence[str], folder: Path) -> Side:
    """Find a side.

    Parameters
    ----------
    asked
        Path of a Python interpreter, path of a checkout, or a git commit of this checkout's repository.
    folder
        Where the files of a commit are put.

    Raises
    ------
    PlanError
        If it is neither, or cannot run the suite.
    """
    path = Path(asked)
    who = f"{name.upper()}={asked}"
    if path.is_file() and os.access(path, os.X_OK):
        python, source = os.path.abspath(path), None  # noqa: PTH100 - an environment's interpreter is a link
    elif path.is_dir():
        python, source = sys.executable, path.absolute()
    else:
        python, source = sys.executable, checked_out(asked, folder, who)
    found = host.ask_interpreter(python, engines, source, who=who)
    configuration = Configuration(name, python=python, source=found.source)
    return Side(name, asked, configuration, found.versions, host.git_state(found.source))


def checked_out(commit: str, folder: Path, who: str) -> Path:
    """Folder with the files of a commit of this checkout's repository.

    Raises
    ------
    PlanError
        If there is no such commit.
    """
    try:
        sha = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{commit}}")
    except (OSError, subprocess.CalledProcessError) as error:
        raise PlanError(
            f"{who} is no interpreter, no folder and no commit of {host.ROOT}: name one, as in BASE=main, "
            "BASE=../base/.venv/bin/python or BASE=../base. In a shallow clone fetch the commit first"
        ) from error
    into = folder / sha
    if not into.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _git("worktree", "prune")
        _git("worktree", "add", "--detach", "--force", str(into.absolute()), sha)
    return into.absolute()


def tidy(folder: Path) -> None:
    """Remove the files of commits."""
    shutil.rmtree(folder, ignore_errors=True)
    if (host.ROOT / ".git").exists():
        _git("worktree", "prune")


def _git(*arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - fixed arguments
        ["git", "-C", str(host.ROOT), *arguments],  # noqa: S607 - whichever git the user has
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()
