"""A configuration: a named way of running the same cases on one machine."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .+-]*")
"""A name is part of a case's id, where a space is written as an underscore; so no name holds one."""


@dataclass(frozen=True)
class Configuration:
    """What differs from the usual way; None for what does not.

    Attributes
    ----------
    name
        As tables show it.
    cores
        Cores that the process may use, of those that this machine offers.
    environment
        Variables that are set before the framework is imported.
    device, engine, dtype
        Replace those of every case.
    python
        Path of another interpreter, relative to `folder`, the preset's own. It runs the suite that is installed in it,
        and this checkout where none is.
    source
        Folder whose ``bench/`` and ``tasks/`` the process imports; found when the plan is made.
    optional
        Whether to skip it, with its reason, on a machine that lacks what it needs; otherwise that is an error.
    """

    name: str
    cores: int | None = None
    environment: dict[str, str] = field(default_factory=dict)
    device: str | None = None
    engine: str | None = None
    dtype: str | None = None
    python: str | None = None
    optional: bool = False
    folder: Path = field(default=Path(), compare=False)
    source: Path | None = field(default=None, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """What was asked for, without what only holds on this machine."""
        names = ("name", "cores", "environment", "device", "engine", "dtype", "python")
        return {name: value for name in names if (value := getattr(self, name)) not in (None, {})}

    def interpreter(self, usual: str) -> str:
        """Path of the interpreter; not resolved, since an environment's interpreter is a link."""
        return usual if self.python is None else os.path.abspath(self.folder / self.python)  # noqa: PTH100
