"""What training takes in memory, by kernel."""

from bench.run.store import Ended

KIND = "memory"


def bench_memory(ended: Ended) -> None:
    """Measure a case's memory; it has no row in benchmark.json, whose every row is a speed."""
    assert ended.outcome == "ok", f"{ended.outcome}: {ended.message}"
