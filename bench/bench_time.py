"""What an update costs in seconds, by kernel."""

from typing import Any

KIND = "time"


def bench_time(record: dict[str, Any]) -> None:
    """Time a case in steady state."""
    assert record["outcome"] == "ok", f"{record['outcome']}: {record['message']}"
