"""The work that all contenders do: a small network on overlapping windows of a cosine, as the posts that started it."""

import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

POINTS = 1000
PERIOD = 100


@dataclass(frozen=True)
class Setting:
    """One line of the table.

    Attributes
    ----------
    cell
        "lstm" or "gru" (with ``reset_after``).
    stateful
        The state passes from update to update and windows come in order; otherwise they are shuffled.
    """

    cell: str = "lstm"
    layers: int = 1
    units: int = 32
    window: int = 20
    batch_size: int = 1
    stateful: bool = False

    @property
    def name(self) -> str:
        """As the table prints it."""
        depth = f" x{self.layers}" if self.layers > 1 else ""
        state = "stateful" if self.stateful else "stateless"
        return f"{self.cell}{depth} {state} L{self.window} u{self.units} b{self.batch_size}"

    @property
    def flops(self) -> float:
        """Floating point operations of one update of one model: forward 2 a weight and step, backward twice that."""
        gates = {"lstm": 4, "gru": 3}[self.cell]
        weights = sum(gates * self.units * ((self.units if layer else 1) + self.units) for layer in range(self.layers))
        return 6.0 * weights * self.window * self.batch_size

    def to_dict(self) -> dict[str, Any]:
        """The setting as JSON holds it."""
        return asdict(self)


def series() -> tuple[Array, Array]:
    """Inputs and next values, each (999, 1), a cosine scaled to 0..1."""
    values = (np.cos(2 * np.pi * np.arange(POINTS) / PERIOD) + 1) / 2
    return values[:-1, None].astype(np.float32), values[1:, None].astype(np.float32)


def starts(setting: Setting, updates: int, seed: int) -> Array:
    """First rows of the windows, stride 1, shape (updates, batch_size)."""
    order = np.arange(updates * setting.batch_size) % (POINTS - 1 - setting.window)
    if not setting.stateful:
        order = np.random.default_rng(seed).permutation(order)
    return order.reshape(updates, setting.batch_size)


def windows(setting: Setting, updates: int, seed: int = 0) -> tuple[Array, Array]:
    """Windows (updates, batch_size, window, 1) and the value after each, (updates, batch_size, 1)."""
    inputs, targets = series()
    rows = starts(setting, updates, seed)[..., None] + np.arange(setting.window)
    return inputs[rows], targets[rows[..., -1]]


def main() -> None:
    """Serve the contender that the first argument describes, as JSON."""
    asked = json.loads(sys.argv[1])
    # The framework's own notices go elsewhere: standard output is for figures.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if asked["cores"] is not None:
        os.sched_setaffinity(0, asked["cores"])
        os.environ["OMP_NUM_THREADS"] = str(len(asked["cores"]))
    module, _, function = asked["build"].partition(".")
    build = getattr(import_module(f"bench.speed.{module}"), function)
    epoch = build(Setting(**asked["setting"]), asked["replicates"], asked["updates"])

    def timed() -> float:
        begin = time.perf_counter()
        epoch()
        return time.perf_counter() - begin

    print(timed(), file=out, flush=True)
    for _ in sys.stdin:
        print(timed(), file=out, flush=True)


if __name__ == "__main__":
    main()
