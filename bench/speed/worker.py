"""One contender in a process of its own: it builds its model, then times an epoch each time it is asked to.

Talks by lines: a number on standard output once it is ready (the first epoch's seconds), then for each line on
standard input one number, the seconds of an epoch. Needs nothing but NumPy and the contender's own framework, so that
it also runs under another interpreter.
"""

import json
import os
import sys
import time
from importlib import import_module

from bench.speed.setting import Setting


def main() -> None:
    """Serve the contender that the first argument describes, as JSON."""
    asked = json.loads(sys.argv[1])
    # The framework's own notices go elsewhere: standard output is for figures.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if asked["cores"] is not None:
        os.sched_setaffinity(0, asked["cores"])
        os.environ["OMP_NUM_THREADS"] = str(len(asked["cores"]))
    build = import_module(f"bench.speed.{asked['module']}").contender
    epoch = build(Setting(**asked["setting"]), asked["replicates"], asked["updates"])

    def timed() -> float:
        begin = time.perf_counter()
        epoch()
        return time.perf_counter() - begin

    print(timed(), file=out, flush=True)
    for _ in sys.stdin:
        print(timed(), file=out, flush=True)


if __name__ == "__main__":
    main()
