"""What pytest runs: a test for each case, by the kind of what it measures; conftest.py gives it what was found."""

from bench.run.store import Ended


def bench_convergence(ended: Ended) -> None:
    """Train a case's replicates; not to reach the target is a result, not a failure."""
    assert ended.outcome == "ok", f"{ended.outcome}: {ended.message}"


def bench_time(ended: Ended) -> None:
    """Time a case in steady state, by kernel."""
    assert ended.outcome == "ok", f"{ended.outcome}: {ended.message}"


def bench_memory(ended: Ended) -> None:
    """Measure a case's memory, by kernel; it has no row in benchmark.json, whose every row is a speed."""
    assert ended.outcome == "ok", f"{ended.outcome}: {ended.message}"
