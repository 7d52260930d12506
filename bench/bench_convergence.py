"""How much training each case needs to reach its target."""

from bench.run.store import Ended

KIND = "convergence"


def bench_convergence(ended: Ended) -> None:
    """Train a case's replicates; not to reach the target is a result, not a failure."""
    assert ended.outcome == "ok", f"{ended.outcome}: {ended.message}"
