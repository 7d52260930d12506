"""`python -m reports RUN...`: writes report.md, summary.json and figures/ beside a run's records."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Render each run, print where its report lies; 1 where one could not be read."""
    parser = argparse.ArgumentParser(prog="python -m reports", description="Render the report of each run.")
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a name under results/, or a path to a run's folder")
    parser.add_argument("--results", type=Path, default=Path("results"), help="where runs lie (default: results)")
    chosen = parser.parse_args(arguments)

    # Numeric libraries would start a thread per core for arrays of ten numbers.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    # After parsing, so that --help and a wrong option answer at once.
    from reports.collect.read import (  # noqa: PLC0415
        RunNotReadableError,
        effort,
        read,
    )
    from reports.compare import hardware_page  # noqa: PLC0415
    from reports.render import write_report  # noqa: PLC0415

    failed = 0
    for name in chosen.runs:
        folder = Path(name) if (Path(name) / "run.json").is_file() else chosen.results / name
        try:
            run = read(folder)
            report = (hardware_page.write if hardware_page.has_configurations(run) else write_report)(run)
            print(effort(run).line)
            print(report)
        except RunNotReadableError as error:
            print(f"error: {error}", file=sys.stderr)
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
