"""What training takes in memory, by kernel."""

from bench.case.record import Record

KIND = "memory"


def bench_memory(record: Record) -> None:
    """Measure a case's memory; it has no row in benchmark.json, whose every row is a speed."""
    assert record.outcome == "ok", f"{record.outcome}: {record.message}"
