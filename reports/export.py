"""``python -m reports.export RUN[,RUN]``: results of one run or several together, a Parquet or CSV file a frame."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from reports.all_or_nothing import together
from reports.commands import answered

FORMATS = ("parquet", "csv")


def export(folders: Sequence[Path], into: Path, kind: str) -> list[Path]:
    """Write every frame of these runs as <into>/<frame>.<kind>; returns the files.

    Raises
    ------
    RunNotReadableError
        If a folder holds no run.
    """
    from reports.frames import load, write_csv  # noqa: PLC0415  (so that --help and a wrong option answer at once)

    frames = dict(load(*folders).items())
    with together(into) as stage:
        for name, frame in frames.items():
            if kind == "parquet":
                frame.to_parquet(stage / f"{name}.parquet", index=False)
            else:
                write_csv(frame, stage / f"{name}.csv")
    return [into / f"{name}.{kind}" for name in frames]


def main(arguments: Sequence[str] | None = None) -> int:
    """Export the runs and print the files; 2 where a run cannot be read, 3 where they cannot be written."""
    parser = argparse.ArgumentParser(prog="python -m reports.export", description=__doc__)
    parser.add_argument("runs", metavar="RUN[,RUN]", help="names under results/, or paths of runs' folders")
    parser.add_argument("--format", choices=FORMATS, default="parquet", help="default: parquet")
    parser.add_argument("--results", type=Path, default=Path("results"), help="where runs lie (default: results)")
    parser.add_argument("--into", type=Path, help="folder to write into (default: export/ where runs lie)")
    chosen = parser.parse_args(arguments)
    names = [name for name in chosen.runs.split(",") if name]
    folders = [Path(name) if (Path(name) / "run.json").is_file() else chosen.results / name for name in names]
    into = chosen.into or chosen.results / "export"
    return answered(lambda: print(*export(folders, into, chosen.format), sep="\n"))


if __name__ == "__main__":
    sys.exit(main())
