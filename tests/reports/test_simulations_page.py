"""docs/simulations.md, which is generated."""

from reports.statistics.simulation import pace_table, power_table, ratio_table, verdict_table
from reports.statistics.simulations_page import FILE, page
from reports.statistics.weak_points import alarm_table, foreseen_table, weak_point_table


def test_the_page_has_the_columns_that_the_simulation_writes():
    text = FILE.read_text(encoding="utf-8")
    tables = (weak_point_table, foreseen_table, power_table, alarm_table, verdict_table, ratio_table, pace_table)
    headers = [table([]).splitlines()[0] for table in tables]
    assert [line for line in text.splitlines() if line in headers] == headers
    assert text.startswith(page("", "", "", "", "", "", "").split("\n\n## What was")[0])
