"""A framework's libraries print notices while they start, past every setting of Python: nobody needs to read them."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

STANDARD_ERROR = 2


@contextmanager
def muted() -> Iterator[None]:
    """Keep what is written to standard error, by libraries too; it is shown after all where something is raised."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as kept:
        before = os.dup(STANDARD_ERROR)
        os.dup2(kept.fileno(), STANDARD_ERROR)
        try:
            yield
        except BaseException:
            kept.seek(0)
            os.write(before, kept.read())
            raise
        finally:
            os.dup2(before, STANDARD_ERROR)
            os.close(before)
