"""What an update costs in seconds, by kernel."""

from bench.run.store import Ended

KIND = "time"


def bench_time(ended: Ended) -> None:
    """Time a case in steady state."""
    assert ended.outcome == "ok", f"{ended.outcome}: {ended.message}"
