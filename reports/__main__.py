"""`python -m reports RUN...`: writes report.md and what belongs to it beside a run's records, and prints the answer."""

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Render each run, print its answer and where the report lies.

    2 where one could not be read, 3 where one could not be written.
    """
    parser = argparse.ArgumentParser(prog="python -m reports", description="Render the report of each run.")
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a name under results/, or a path to a run's folder")
    parser.add_argument("--results", type=Path, default=Path("results"), help="where runs lie (default: results)")
    chosen = parser.parse_args(arguments)

    # Numeric libraries would start a thread per core for arrays of ten numbers.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    # After parsing, so that --help and a wrong option answer at once.
    from reports.analysis import analyse  # noqa: PLC0415
    from reports.collect.read import read  # noqa: PLC0415
    from reports.commands import answered  # noqa: PLC0415
    from reports.compare import hardware_page  # noqa: PLC0415
    from reports.render import write  # noqa: PLC0415
    from reports.terminal import closing  # noqa: PLC0415

    def render(name: str) -> None:
        folder = Path(name) if (Path(name) / "run.json").is_file() else chosen.results / name
        run = read(folder)
        if hardware_page.has_configurations(run):
            print(hardware_page.write(run))
        else:
            found = analyse(run)
            print(closing(found, write(found, folder), sys.stdout))

    return max(answered(partial(render, name)) for name in chosen.runs)


if __name__ == "__main__":
    # It renders and ends: looking for garbage again and again among all that a run holds takes an eighth of its time.
    gc.disable()
    code = main()
    gc.freeze()  # Python itself looks once more at its end.
    sys.exit(code)
