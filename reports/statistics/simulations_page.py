"""``python -m reports.statistics.simulations_page``: writes docs/simulations.md anew, in some minutes on one core."""

from pathlib import Path

from reports.statistics.simulation import every_ratio, every_verdict, ratio_table, verdict_table

FILE = Path(__file__).parents[2] / "docs" / "simulations.md"

TEXT = """# Simulations of the intervals and verdicts

Written by `python -m reports.statistics.simulations_page`; seeds are fixed. What the columns mean, and what the tables
show, is in [statistics.md](statistics.md#how-well-it-works). All in percent.

## Verdicts

{verdicts}

## Ratios of timed cases

{ratios}
"""


def page(verdicts: str, ratios: str) -> str:
    """Put both tables into the page."""
    return TEXT.format(verdicts=verdicts, ratios=ratios)


if __name__ == "__main__":
    FILE.write_text(page(verdict_table(every_verdict()), ratio_table(every_ratio())), encoding="utf-8")
    print(FILE)  # noqa: T201
