"""Files that replace those of an earlier rendering together, or not at all."""

import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

STAGE = ".rendering-"
WAITING = ".part"
"""A file of this ending was left beside the records to be shown with the next report, under its name without it."""

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def together(folder: Path, instead_of: Sequence[str] = ()) -> Iterator[Path]:
    """Give a folder to write into; all that is in it at the end comes into `folder`, or nothing where something failed.

    A full disk shows while the new files are written, and no file is in its place before all are on disk. What remains
    is a handful of renamings, which take no room.

    Parameters
    ----------
    instead_of
        Patterns of what an earlier rendering wrote: what of it is not written again goes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    stage = folder / f"{STAGE}{os.getpid()}"
    stage.mkdir()
    try:
        yield stage
        new = {file: folder / file.relative_to(stage) for file in sorted(stage.rglob("*")) if file.is_file()}
        for file, place in new.items():
            with file.open("rb") as written:
                os.fsync(written.fileno())
            place.parent.mkdir(parents=True, exist_ok=True)
        waiting = {file: file.with_suffix("") for file in folder.glob(f"benchmark.json{WAITING}")}
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        try:
            for file, place in (new | waiting).items():
                file.replace(place)
            for old in {old for pattern in instead_of for old in folder.glob(pattern)} - set(new.values()):
                old.unlink(missing_ok=True)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Remove what a rendering left that was killed."""
    for left in folder.glob(f"{STAGE}*"):
        pid = left.name.removeprefix(STAGE)
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists():
            with suppress(OSError):
                shutil.rmtree(left)
