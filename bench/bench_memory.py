"""What training takes in memory, by kernel."""

from typing import Any

KIND = "memory"


def bench_memory(result: dict[str, Any]) -> None:
    """Measure a case's memory; it has no row in benchmark.json, whose every row is a speed."""
    assert result["resident_peak_bytes"]
