"""What an update costs in seconds, by kernel."""

from bench.case.record import Record

KIND = "time"


def bench_time(record: Record) -> None:
    """Time a case in steady state."""
    assert record.outcome == "ok", f"{record.outcome}: {record.message}"
