"""Ceilings against operations of a planted speed, on a clock that only they move."""

import json

import fake_engine as fake
import pytest

from bench import profile as front_door
from bench.machine import ceilings, checks, host
from bench.machine.ceilings import BLOCK_S, COPY_BYTES, HAND_OVER_BYTES, PRODUCT, block_seconds
from bench.run import session


class Clock:
    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        return self.now


class Primitives:
    """Operations that take a known time, every third block half as long again."""

    CHAIN = 100

    def __init__(self, clock):
        self._clock, self._blocks = clock, 0

    def _takes(self, seconds):
        def repeat(times):
            self._blocks += 1
            self._clock.now += times * seconds * (1.5 if self._blocks % 3 == 0 else 1.0)

        return repeat

    def product(self, dtype, size):
        assert size == PRODUCT["cpu"]
        return self._takes(2 * size**3 / {"float32": 1e11, "float64": 4e10, "bfloat16": 2e11}[dtype])

    def copy(self, size):
        return self._takes(2 * size / 2e10)

    def host_to_device(self, size):
        return self._takes(size / 5e9)

    def graph_op(self):
        return self._takes(self.CHAIN * 1e-6)

    def eager_op(self):
        return self._takes(7e-6)


class Engine(fake.FakeEngine):
    def __init__(self, clock):
        super().__init__()
        self._primitives = Primitives(clock)

    def primitives(self):
        return self._primitives


@pytest.fixture
def engine(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(ceilings, "time", clock)
    return Engine(clock)


def test_planted_rates_are_found(engine):
    found = ceilings.to_dict(ceilings.measure(engine, "cpu"))
    assert {name: one["best"] for name, one in found.items()} == {
        "matrix product, float32": pytest.approx(1e11),
        "matrix product, float64": pytest.approx(4e10),
        "matrix product, bfloat16": pytest.approx(2e11),
        "memory, read and written": pytest.approx(2e10),
        "host to device": pytest.approx(5e9),
        "smallest operation in a graph": pytest.approx(1e-6),
        "smallest operation from Python": pytest.approx(7e-6),
    }
    for one in found.values():
        assert one["median"] == pytest.approx(one["best"])  # two of three blocks are undisturbed
    assert COPY_BYTES["gpu"] > COPY_BYTES["cpu"] > HAND_OVER_BYTES


def test_blocks_are_long_enough_for_the_clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(ceilings, "time", clock)
    seen = []

    def repeat(times):
        seen.append(times)
        clock.now += 1e-7 * times

    assert block_seconds(repeat, 4) == pytest.approx([1e-7] * 4)
    assert min(seen[-4:]) * 1e-7 >= BLOCK_S


def test_an_engine_without_operations_has_no_ceilings():
    assert ceilings.measure(fake.FakeEngine(), "cpu") is None
    assert ceilings.to_dict(None) is None


def test_a_process_that_dies_costs_the_ceilings_and_nothing_else():
    assert session.measure_ceilings(["no such engine"], "cpu") == (None, None)


def test_the_front_door_says_all_and_writes_it(engine, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fake, "ENGINE", engine)
    monkeypatch.setattr(host, "fingerprint", lambda accelerators: {
        "cpu": "none", "affinity": [0], "memory_bytes": 2**34, "accelerators": accelerators, "caches": {"L1": 2**15},
        "accelerator_bytes": [2**33], "governor": None,
    })  # fmt: skip
    monkeypatch.setattr(front_door.checks, "watch", lambda _: checks.Steadiness((0.01,) * 30))
    out = tmp_path / "deep" / "profile.json"
    assert front_door.main(["--engine", "fake", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    for words in ("L1 32 KiB", "100 GFLOP/s", "16.0 GiB", "8.0 GiB", "1 core may be used", "Energy", str(out.name)):
        assert words in said
    found = json.loads(out.read_text())
    assert found["ceilings"]["matrix product, float64"]["best"] == pytest.approx(4e10)
    assert len(found["findings"]) >= 1


def test_an_unknown_engine_is_named(capsys):
    assert front_door.main(["--engine", "tensorfow"]) == 2
    assert "tensorfow" in capsys.readouterr().err
