"""How much training each case needs to reach its target."""

from typing import Any

KIND = "convergence"


def bench_convergence(result: dict[str, Any]) -> None:
    """Train a case's replicates; not to reach the target is a result, not a failure."""
    assert result["replicates"]
