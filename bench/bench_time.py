"""What an update costs in seconds, by kernel."""

from typing import Any

KIND = "time"


def bench_time(result: dict[str, Any]) -> None:
    """Time a case in steady state."""
    assert result["seconds_per_update"]
