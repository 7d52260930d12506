"""docs/simulations.md, which is generated."""

from reports.statistics.simulation import ratio_table, verdict_table
from reports.statistics.simulations_page import FILE, page


def test_the_page_has_the_columns_that_the_simulation_writes():
    text = FILE.read_text(encoding="utf-8")
    headers = [table([]).splitlines()[0] for table in (verdict_table, ratio_table)]
    assert [line for line in text.splitlines() if line in headers] == headers
    assert text.startswith(page("", "").split("\n\n## Verdicts")[0])
