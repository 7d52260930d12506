"""How much training each case needs to reach its target."""

from bench.case.record import Record

KIND = "convergence"


def bench_convergence(record: Record) -> None:
    """Train a case's replicates; not to reach the target is a result, not a failure."""
    assert record.outcome == "ok", f"{record.outcome}: {record.message}"
