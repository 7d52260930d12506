"""Memory: the peak is seen though it is gone again, and a past peak is not taken for the case's own."""

import json
from pathlib import Path

import fake_engine as fake
import msgspec
import numpy as np
import pytest

from bench.case.cases import Case, Training
from bench.case.costs import Memory
from bench.measure import memory, workload

MIB = 2**20


class Hungry(fake.FakeEngine):
    """Takes memory while it trains, and gives it back; its allocator is a script."""

    def __init__(self, taken):
        super().__init__()
        self._taken, self.asked = taken, []

    def trainer(self, work, kernel):
        made = super().trainer(work, kernel)
        train = made.train

        def greedy(starts, *, reset, evaluate=None):
            self.asked.append(("train", len(starts)))
            if len(starts) > 1:
                np.ones(self._taken, np.uint8)
            return train(starts, reset=reset, evaluate=evaluate)

        made.train = greedy
        return made

    def reset_memory_peak(self):
        self.asked.append(("reset",))

    def memory_peak(self):
        self.asked.append(("peak",))
        return 111 if ("train", memory.UPDATES) not in self.asked else 222


def measure(taken):
    engine = Hungry(taken)
    case = Case("memory", "cosine", None, "lstm", "stateful", 1, 2, 4, 8, "loop", "fake")
    result, seconds, warnings = memory.measure(workload.build(case, Training()), engine)
    return result, seconds, warnings, engine.asked


def test_the_peak_sees_200_mb_that_were_given_back():
    Path("/proc/self/clear_refs").write_text("5")
    before = memory.resident_peak()
    np.ones(200 * 10**6, np.uint8)
    # Linux counts pages in batches, so that a few are not seen yet.
    assert 199 * 10**6 <= memory.resident_peak() - before < 260 * 10**6


def test_a_case_is_charged_with_its_own_peak():
    result, *_ = measure(200 * 10**6)
    assert 190 * 10**6 <= result.resident_peak_bytes - result.resident_before_bytes < 260 * 10**6


def test_a_case_is_not_charged_with_a_peak_before_it():
    np.ones(300 * MIB, np.uint8)
    result, *_ = measure(MIB)
    assert result.resident_peak_bytes - result.resident_before_bytes < 100 * MIB


def test_compiling_and_training_have_peaks_of_their_own():
    result, _, _, asked = measure(MIB)
    assert (result.compile_peak_bytes, result.allocator_peak_bytes) == (111, 222)
    assert asked == [("reset",), ("train", 1), ("peak",), ("reset",), ("train", memory.UPDATES), ("peak",)]


def test_the_record_can_be_written_as_json():
    result, *_ = measure(MIB)
    assert msgspec.json.decode(json.dumps(msgspec.to_builtins(result)), type=Memory) == result
    assert result.parameters == 4 * 2 * (1 + 2 + 1) + 3


@pytest.mark.parametrize("updates", [1])
def test_a_short_epoch_is_repeated_for_the_updates_that_are_watched(updates):
    engine = Hungry(1)
    case = Case("memory", "cosine", None, "lstm", "stateful", 1, 2, 4, 198, "loop", "fake")
    load = workload.build(case, Training())
    assert load.schedule.updates_per_epoch == updates
    memory.measure(load, engine)
    assert ("train", memory.UPDATES) in engine.asked
