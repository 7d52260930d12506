"""``python -m reports.compare RUN RUN ...``: runs side by side, as compare.md, compare.html, compare.json and CSV."""

import argparse
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reports.compare.joining import Named


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare runs and print where the page lies; 2 where they cannot be compared, 3 where it cannot be written."""
    parser = argparse.ArgumentParser(prog="python -m reports.compare", description=__doc__)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a name under results/, or a path to a run's folder")
    parser.add_argument("--base", help="the run, or column, that the others are compared with (the first)")
    parser.add_argument("--by", default="machine", help="machine, engine, configuration, device or version (machine)")
    parser.add_argument("--price", default="", help="money per hour, as in a=3.2,b=0.4, by name of a run")
    parser.add_argument(
        "--out", type=Path, default=Path("results/compare"), help="folder of the page (results/compare)"
    )
    parser.add_argument("--results", type=Path, default=Path("results"), help="where runs lie (results)")
    chosen = parser.parse_args(arguments)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    # After parsing, so that --help and a wrong option answer at once.
    from reports.commands import answered  # noqa: PLC0415
    from reports.compare import comparison_page  # noqa: PLC0415
    from reports.compare.joining import join  # noqa: PLC0415

    def compare() -> None:
        runs = named_runs([_folder(name, chosen.results) for name in chosen.runs])
        base = Path(chosen.base).name if chosen.base else None
        found = join(runs, chosen.by, base)
        print(comparison_page.write(found, prices(chosen.price, [one.name for one in runs]), chosen.out))

    return answered(compare)


def _folder(name: str, results: Path) -> Path:
    return Path(name) if (Path(name) / "run.json").is_file() or "/" in name else results / name


def named_runs(folders: Sequence[Path]) -> list["Named"]:
    """Read runs, each under a name of its own.

    Raises
    ------
    CompareError
        If a folder is given twice, or two have one name.
    RunNotReadableError
        If a folder holds no run, or one of another schema.
    """
    from bench.errors import printable  # noqa: PLC0415
    from reports.collect.read import read  # noqa: PLC0415
    from reports.compare.joining import CompareError, Named  # noqa: PLC0415

    seen: dict[Path, str] = {}
    runs: list[Named] = []
    for folder in folders:
        whole = folder.resolve()
        if whole in seen:
            raise CompareError(f"{folder} is given twice: name each run once")
        seen[whole] = str(folder)
        # As much of the path as tells them apart.
        names = [one.run.folder.resolve() for one in runs]
        name = whole.name if all(one.name != whole.name for one in names) else f"{whole.parent.name}/{whole.name}"
        run = read(folder)
        if run.unreadable and not run.records:
            raise CompareError(f"{folder}: no line of its records can be read ({run.unreadable[0]}); copy it again")
        if run.about is None:
            raise CompareError(f"{folder} has no run.json, so its machine is unknown; copy the whole folder again")
        for problem in run.unreadable:
            print(printable(f"note: {folder}: {problem}"), file=sys.stderr)
        runs.append(Named(name, run))
    return runs


def prices(text: str, names: Sequence[str]) -> dict[str, float]:
    """Money per hour by name of a run.

    Raises
    ------
    CompareError
        Naming what is no price, or no run.
    """
    from reports.compare.joining import CompareError  # noqa: PLC0415

    found = {}
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        try:
            price = float(value)
        except ValueError:
            price = math.nan
        if not (math.isfinite(price) and price >= 0):
            raise CompareError(f"PRICE: {part!r} is no price; write name=number, as in a=3.2,b=0.4")
        name = name.strip() if name.strip() in names else Path(name.strip()).name
        if name not in names:
            raise CompareError(f"PRICE: {name!r} is no run; valid: {', '.join(names)}")
        found[name] = price
    return found


if __name__ == "__main__":
    sys.exit(main())
