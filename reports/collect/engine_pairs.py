"""Which cases of two engines are held against each other, and what such a pair compares beside their names."""

from dataclasses import dataclass

Ran = tuple[str, str]
"""Engine and kernel."""


@dataclass(frozen=True)
class EnginePair:
    """A case by one engine (`a`) and the same by another (`b`); `compares`: what else is different, or alike."""

    a: Ran
    b: Ran
    compares: str

    @property
    def what(self) -> str:
        """Name of the ratio."""
        return f"{' '.join(self.a)} / {' '.join(self.b)}"


XLA = "both compiled by XLA"
XLA_OR_GRAPH = "compiled by XLA against a graph"
LIBRARY = "the same library"
EAGER_OR_GRAPH = "Keras' loop started step by step by Python, against a graph"
EAGER_OR_XLA = "Keras' loop started step by step by Python, against one compiled program"

ENGINE_PAIRS: dict[str, EnginePair] = {
    pair.what: pair
    for pair in (
        EnginePair(("jax", "loop"), ("tensorflow", "xla"), XLA),
        EnginePair(("jax", "unrolled"), ("tensorflow", "xla_unrolled"), XLA),
        EnginePair(("jax", "cudnn"), ("tensorflow", "cudnn"), LIBRARY),
        EnginePair(("jax", "loop"), ("tensorflow", "loop"), XLA_OR_GRAPH),
        EnginePair(("jax", "unrolled"), ("tensorflow", "unrolled"), XLA_OR_GRAPH),
        EnginePair(("torch", "loop"), ("tensorflow", "loop"), EAGER_OR_GRAPH),
        EnginePair(("torch", "cudnn"), ("tensorflow", "cudnn"), LIBRARY),
        EnginePair(("torch", "loop"), ("jax", "loop"), EAGER_OR_XLA),
        EnginePair(("torch", "cudnn"), ("jax", "cudnn"), LIBRARY),
    )
}
"""By name, what was compiled alike first: jax gives every kernel to XLA, torch compiles none (docs/engines.md)."""
