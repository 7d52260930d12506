"""``python -m reports.posts``: writes the page of the posts' experiments from their results."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Render the page and print where it lies; 2 if there is nothing to render, 3 if it cannot be written."""
    parser = argparse.ArgumentParser(prog="python -m reports.posts", description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("results/posts"), help="results (default: results/posts)")
    parser.add_argument("--page", type=Path, default=Path("reports/published/posts.md"), help="the page to write")
    chosen = parser.parse_args(arguments)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    from bench.posts.experiments import EXPERIMENTS  # noqa: PLC0415 - after parsing, so that --help answers at once
    from reports.all_or_nothing import together  # noqa: PLC0415
    from reports.commands import answered  # noqa: PLC0415
    from reports.posts.posts_page import read_records, write, write_records  # noqa: PLC0415

    def render() -> None:
        folder = chosen.page.with_suffix("")
        entries, raw = read_records(chosen.results, folder, tuple(EXPERIMENTS))
        missing = [name for name in EXPERIMENTS if name not in {entry.id for entry in entries}]
        with together(chosen.page.parent) as stage:
            write(entries, stage / chosen.page.name, stage / folder.name, missing)
            write_records(raw, stage / folder.name)
        if missing:
            print(f"without a result yet: {', '.join(missing)}")
        print(chosen.page)

    return answered(render)


if __name__ == "__main__":
    sys.exit(main())
