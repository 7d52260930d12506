"""``python -m reports.statistics.simulations_page``: writes docs/simulations.md anew."""

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from reports.statistics.simulation import (
    every_pace,
    every_power,
    every_ratio,
    every_verdict,
    pace_table,
    power_table,
    ratio_table,
    verdict_table,
)
from reports.statistics.weak_points import (
    alarm_table,
    every_alarm,
    every_foreseen,
    foreseen_table,
    weak_point_table,
    weak_points,
)

FILE = Path(__file__).parents[2] / "docs" / "simulations.md"

TEXT = """# Simulations of the intervals and verdicts

Written by `python -m reports.statistics.simulations_page`; seeds are fixed. What the columns mean, and what the tables
show, is in [statistics.md](statistics.md#how-well-it-works). All in percent.

## What was found wrong

{weak_points}

## The number of seeds that would decide

{foreseen}

## Differences that are found

{power}

## Alarms of the floor

{alarms}

## Verdicts

{verdicts}

## Ratios of timed cases

{ratios}

## Verdicts on seconds

{paces}
"""


def page(weak: str, foreseen: str, power: str, alarms: str, verdicts: str, ratios: str, paces: str) -> str:
    """Put the tables into the page."""
    return TEXT.format(
        weak_points=weak, foreseen=foreseen, power=power, alarms=alarms, verdicts=verdicts, ratios=ratios, paces=paces
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw everything and write the page."""
    parser = argparse.ArgumentParser(prog="python -m reports.statistics.simulations_page", description=__doc__)
    parser.add_argument("--processes", type=int, help="at a time (default: one a core)")
    with ProcessPoolExecutor(parser.parse_args(arguments).processes) as pool:
        verdicts = every_verdict(pool)
        tables = (
            weak_point_table(weak_points(verdicts, pool)),
            foreseen_table(every_foreseen(pool)),
            power_table(every_power(pool)),
            alarm_table(every_alarm(pool)),
            verdict_table(verdicts),
            ratio_table(every_ratio(pool)),
            pace_table(every_pace(pool)),
        )
    FILE.write_text(page(*tables), encoding="utf-8")
    print(FILE)  # noqa: T201


if __name__ == "__main__":
    main()
