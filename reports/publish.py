"""``python -m reports.publish RUN``: a run in compact form under reports/published/, with the report made from it."""

import argparse
import json
import lzma
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from reports.collect.read import COMPRESSED, RECORDS, RunNotReadableError, lines, read
from reports.compare import hardware_page
from reports.render import write_report

PUBLISHED = Path(__file__).parent / "published"
DIGITS = 4
"""Significant digits of a curve's errors: what no figure shows and no verdict rests on is dropped."""


def compact(lines_of_records: Iterable[bytes]) -> Iterator[bytes]:
    """Records without what no report reads: losses, and the curves of tuning replicates but for their end."""
    for line in lines_of_records:
        record = json.loads(line)
        for replicate in record.get("convergence", {}).get("replicates", ()):
            replicate.pop("loss", None)
            keep = slice(None) if replicate["role"] == "evaluation" else slice(-1, None)
            replicate["updates"] = replicate["updates"][keep]
            replicate["error"] = [_rounded(value) for value in replicate["error"][keep]]
        yield json.dumps(record, separators=(",", ":")).encode()


def publish(folder: Path, into: Path) -> Path:
    """Write a run's compact form and the report made from it; returns the report's path.

    Raises
    ------
    RunNotReadableError
        If the folder holds no run.
    """
    kept = [line for line in lines(folder) if line.strip()]
    into.mkdir(parents=True, exist_ok=True)
    with lzma.open(into / COMPRESSED, "wb", preset=9) as file:
        file.writelines(line + b"\n" for line in compact(kept))
    for other in ("run.json", "series.npz"):
        if (folder / other).is_file():
            shutil.copyfile(folder / other, into / other)
    run = read(into)
    return (hardware_page.write if hardware_page.has_configurations(run) else write_report)(run)


def _rounded(value: Any) -> Any:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def main(arguments: list[str] | None = None) -> int:
    """Publish each run by its own name."""
    parser = argparse.ArgumentParser(prog="python -m reports.publish", description=__doc__)
    parser.add_argument("runs", nargs="+", metavar="RUN", help=f"path of a run's folder, which holds {RECORDS}")
    for folder in map(Path, parser.parse_args(arguments).runs):
        try:
            print(publish(folder, PUBLISHED / folder.resolve().name))
        except RunNotReadableError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
