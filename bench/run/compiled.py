"""What processes have compiled and share: believed only as it was written, and done without where nothing can be.

XLA reads a file of its cache as it lies there. A torn one fails every case of its shape for ever, and one with a
flipped bit is code that computes something else. So each file has its SHA-256 beside it, from when it was new; what has
none when a run begins, or another one, is dropped and compiled anew.
"""

import hashlib
import os
import time
from pathlib import Path
from tempfile import TemporaryFile

SUMS = ".sums"
LEAST_FREE = 2**26
"""Bytes free on the disk, a hundred compiled cases: with less it is done without."""

FRESH_S = 1.0
"""How long one look at the folder is believed."""

IN_WRITING = (".tmp", "-atime")
"""Ends of names of files that are not yet whole, or change whenever one is read."""


class Compiled:
    """The folder for one machine and compiler.

    Attributes
    ----------
    why_not
        Why it cannot be used, as the last look found; "" where it can.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[Path, tuple[int, int]] = {}
        self._looked: float | None = None
        self.why_not = ""

    @property
    def looked_at(self) -> bool:
        """Whether the folder was of any use to anybody."""
        return self._looked is not None

    def usable(self) -> Path | None:
        """Return the folder, once all that is in it is known to be whole; None where nothing can be written there."""
        if self._looked is None or time.perf_counter() - self._looked > FRESH_S:
            self.check()
        return None if self.why_not else self._folder

    def check(self, *, again: bool = False) -> int:
        """Drop what is not as it was written, and note what is new; how many files were dropped.

        Parameters
        ----------
        again
            Read what was found whole before as well.
        """
        dropped = 0
        try:
            (self._folder / SUMS).mkdir(parents=True, exist_ok=True)
            for file in self._files():
                dropped += not self._is_whole(file, again=again)
            self.why_not = self._why_not_writable()
        except OSError as error:
            self.why_not = error.strerror or str(error)
        self._looked = time.perf_counter()
        return dropped

    def _files(self) -> list[Path]:
        found = []
        for folder, inside, files in os.walk(self._folder):
            if SUMS in inside:
                inside.remove(SUMS)
            found += [Path(folder) / name for name in files if not name.endswith(IN_WRITING)]
        return found

    def _is_whole(self, file: Path, *, again: bool) -> bool:
        try:
            status = file.stat()
            seen = status.st_size, status.st_mtime_ns
            if self._known.get(file) == seen and not again:
                return True
            found = hashlib.sha256(file.read_bytes()).hexdigest()
        except FileNotFoundError:  # replaced or dropped by another run meanwhile
            return True
        note = self._folder / SUMS / f"{file.parent.name}-{file.name}"[-250:]
        noted = note.read_text(encoding="ascii", errors="replace") if note.exists() else None
        if noted is None and self._looked is not None:
            # New since the last look, so a case of a run that is alive has just written it.
            note.write_text(found, encoding="ascii")
        elif noted != found:
            file.unlink(missing_ok=True)
            note.unlink(missing_ok=True)
            self._known.pop(file, None)
            return False
        self._known[file] = seen
        return True

    def _why_not_writable(self) -> str:
        disk = os.statvfs(self._folder)
        if disk.f_bavail * disk.f_frsize < LEAST_FREE:
            return f"only {disk.f_bavail * disk.f_frsize // 2**20} MiB are free there"
        with TemporaryFile(dir=self._folder):
            return ""
