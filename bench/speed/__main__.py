"""``python -m bench.speed``: the table of milliseconds per update and replicate, and the same as JSON."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.machine import host
from bench.speed.setting import Setting

ROOT = Path(__file__).parents[2]

SETTINGS = (
    Setting(),
    Setting(window=40, stateful=True),
    Setting(window=40, stateful=True, layers=2),
    Setting(batch_size=8),
    Setting(batch_size=64),
    Setting(units=8),
    Setting(units=128),
    Setting(cell="gru"),
    Setting(cell="gru", window=40, stateful=True),
)
CURVE = (1, 2, 4, 8, 16, 32, 64, 128)
"""Replicates for the curve of cost per replicate."""

MOST_UPDATES = 400
EPOCH_FLOPS = 1.5e10
"""An epoch has fewer updates where one costs much: this many operations are about a second on one core."""


@dataclass(frozen=True)
class Contender:
    """One column of the table.

    Attributes
    ----------
    build
        Module of this package and function that makes it.
    needs
        Package without which it is left out.
    outside
        What it cannot do is left out, and no error: nobody here answers for its kernels.
    """

    name: str
    build: str
    replicates: int = 1
    split: int = 1
    one_core: bool = False
    needs: str = "tensorflow"
    outside: bool = False


CONTENDERS = (
    Contender("model.fit", "contenders.model_fit"),
    Contender("torch eager", "contenders.torch_eager", needs="torch"),
    Contender("jax vmap 32, one core", "jax_vmap.jax_vmap", 32, one_core=True, needs="jax"),
    Contender("statebench 32, one core", "contenders.this_trainer", 32, one_core=True),
    Contender("statebench 32, all cores", "contenders.this_trainer", 32, split=0, one_core=True),
    # Beside each other on a GPU, where FlashRNN is installed; its licence is no reason to need it.
    Contender("torch cuDNN, GPU", "contenders.torch_cudnn", needs="flashrnn", outside=True),
    Contender("FlashRNN, GPU", "contenders.flashrnn", needs="flashrnn", outside=True),
)
FIT, JAX, ONE_CORE, ALL_CORES = "model.fit", CONTENDERS[2].name, CONTENDERS[3].name, CONTENDERS[4].name


@dataclass
class Running:
    """A contender at work on a setting: one process, or one on each core with a share of the replicates."""

    contender: Contender
    setting: Setting
    python: str
    samples: list[float] = field(default_factory=list)
    first: float = 0.0

    def __post_init__(self) -> None:
        cores = sorted(os.sched_getaffinity(0))
        parts = self.contender.split or len(cores)
        self._share = max(1, self.contender.replicates // parts)
        work = self.setting.flops * self._share
        self.updates = int(max(16, min(MOST_UPDATES, EPOCH_FLOPS / work)))
        self._processes = [self._start([cores[i]] if self.contender.one_core else None) for i in range(parts)]
        self.first = max(self._read(process) for process in self._processes)

    def round(self) -> None:
        """Time one epoch, in all processes at once."""
        begin = time.perf_counter()
        for process in self._processes:
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
        inner = [self._read(process) for process in self._processes]
        elapsed = inner[0] if len(inner) == 1 else time.perf_counter() - begin
        self.samples.append(1e3 * elapsed / self.updates / self._share / len(self._processes))

    def stop(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.kill()
            process.wait()

    def _start(self, cores: list[int] | None) -> subprocess.Popen[str]:
        asked = {
            "build": self.contender.build,
            "setting": self.setting.to_dict(),
            "replicates": self._share,
            "updates": self.updates,
            "cores": cores,
        }
        return subprocess.Popen(  # noqa: S603 - our own code
            [self.python, "-m", "bench.speed.setting", json.dumps(asked)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
        )

    def _read(self, process: subprocess.Popen[str]) -> float:
        assert process.stdout
        line = process.stdout.readline()
        if not line:
            self.stop()
            raise RuntimeError(
                f"{self.contender.name} ended on {self.setting.name}; run this to see why: "
                f"{' '.join(map(repr, process.args))}"  # type: ignore[arg-type]
            )
        return float(line)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="interleaved rounds (7)")
    parser.add_argument("--peers", default=sys.executable, help="an interpreter that has PyTorch or JAX (this one)")
    parser.add_argument("--only", default="", help="settings whose name contains this")
    parser.add_argument("--json", type=Path, default=Path("results/speed.json"), help="where to write the figures")
    arguments = parser.parse_args()

    pythons = {c.name: sys.executable if c.needs == "tensorflow" else arguments.peers for c in CONTENDERS}
    present = [c for c in CONTENDERS if _has(pythons[c.name], c.needs)]
    for contender in CONTENDERS:
        if contender not in present:
            print(f"{contender.name}: left out, {pythons[contender.name]} has no {contender.needs} (see --peers)")
    rows = []
    print("\nms per update and replicate: median [least, most] of interleaved rounds\n")
    for setting in SETTINGS:
        if arguments.only in setting.name:
            row = _measure([(c, pythons[c.name]) for c in present], setting, arguments.rounds)
            rows.append({"setting": setting.to_dict(), "name": setting.name, "contenders": row})
            _print_row(setting.name, row)
    curve = _curve(arguments.rounds)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    figures = {
        "schema": 1,
        "machine": host.fingerprint([]),
        "versions": host.versions(),
        "rounds": arguments.rounds,
        "settings": rows,
        "replicates": curve,
    }
    arguments.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    print(f"\nwritten: {arguments.json}")


def _measure(contenders: list[tuple[Contender, str]], setting: Setting, rounds: int) -> dict[str, Any]:
    """Samples of each contender; every round times each of them once, one after the other."""
    running = []
    for contender, python in contenders:
        try:
            running.append(Running(contender, setting, python))
        except RuntimeError as error:
            if not contender.outside:
                raise
            print(f"  left out: {error}")
    try:
        for _ in range(rounds):
            for one in running:
                one.round()
    finally:
        for one in running:
            one.stop()
    return {
        one.contender.name: {
            "ms_per_update_and_replicate": one.samples,
            "updates": one.updates,
            "first_epoch_seconds": one.first,
        }
        for one in running
    }


def _curve(rounds: int) -> list[dict[str, Any]]:
    """Cost per replicate by replicates in a block, on one core."""
    print("\nreplicates in a block, ms per update and replicate, one core:")
    found = []
    for replicates in CURVE:
        contender = Contender(str(replicates), "contenders.this_trainer", replicates, one_core=True)
        row = _measure([(contender, sys.executable)], Setting(), rounds)[contender.name]
        found.append({"replicates": replicates, **row})
        print(f"  {replicates:>4}  {_spread(row)}", flush=True)
    return found


def _print_row(name: str, row: dict[str, Any]) -> None:
    print(name)
    for contender, figures in row.items():
        print(f"  {contender:<26} {_spread(figures)}", flush=True)
    for contender, other in ((ONE_CORE, FIT), (ALL_CORES, FIT), (ONE_CORE, JAX)):
        if contender in row and other in row:
            paired = [
                b / a
                for a, b in zip(
                    row[contender]["ms_per_update_and_replicate"],
                    row[other]["ms_per_update_and_replicate"],
                    strict=True,
                )
            ]
            middle = statistics.median(paired)
            print(f"  {other} / {contender}: {middle:.3g} [{min(paired):.3g}, {max(paired):.3g}]")


def _spread(figures: dict[str, Any]) -> str:
    samples = figures["ms_per_update_and_replicate"]
    return f"{statistics.median(samples):9.4f} [{min(samples):.4f}, {max(samples):.4f}]"


def _has(python: str, package: str) -> bool:
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({package!r}) is None)"
    return subprocess.run([python, "-c", code], check=False).returncode == 0  # noqa: S603 - our own code


if __name__ == "__main__":
    main()
