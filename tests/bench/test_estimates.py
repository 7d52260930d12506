"""What a case takes by estimate: counted by hand, and beside the peaks that were measured."""

import lzma
from pathlib import Path
from statistics import median

import pytest

from bench import engines
from bench.case.cases import Case, Job, Training
from bench.case.checked import decode
from bench.case.record import Record
from bench.measure import workload
from bench.plan import estimates

PUBLISHED = Path(__file__).parents[2] / "reports" / "published"
MIB = 2**20
TRAINING = Training(learning_rates=(0.01, 0.03), folds=5, evaluation_seeds=10, scored_targets=128)


def job(kind="convergence", kernel="replicated", engine="tensorflow", **changes):
    case = Case(kind, "electricity", None, "lstm", "stateful", 1, 64, 32, 32, kernel, engine)
    return Job(case.replace(**changes), TRAINING)


def beyond_framework(job):
    return estimates.estimated_bytes(job) - engines.ENGINES[job.case.engine].resident_mib * MIB


PARAMETERS = 4 * 64 * (1 + 64 + 1) + 64 + 1
REPLICATE = 4 * (4 * PARAMETERS + 18 * 64 * 32 * 32 + 8 * 64 * 128)
"""Weights, gradients and two moments; activations; an evaluation. In float32."""


def test_bytes_are_counted_from_arrays():
    once = beyond_framework(job("time", "loop"))
    series = once - 2 * REPLICATE
    assert series == 2 * 8 * 2 * len(workload.task_of("electricity", None).series().inputs)
    # Ten replicates side by side, and as many models that are held.
    assert beyond_framework(job()) == 2 * (10 * REPLICATE + 3 * 10 * 4 * PARAMETERS) + series
    steps = 32 * (estimates.UNROLLED_STEP_BYTES + 4 * PARAMETERS)
    assert beyond_framework(job("time", "unrolled")) == once + steps
    more = 32 * (estimates.UNROLLED_XLA_STEP_BYTES - estimates.UNROLLED_STEP_BYTES)
    assert beyond_framework(job("time", "xla_unrolled")) == once + steps + more
    of_torch = beyond_framework(job("time", "native", "torch"))
    assert of_torch == 2 * once
    stepped = 32 * estimates.TORCH_STEP_WEIGHTS * 4 * PARAMETERS
    assert beyond_framework(job("time", "loop", "torch")) == of_torch + stepped
    assert beyond_framework(job("memory", "loop", "torch")) == of_torch + stepped + 32 * estimates.WATCHED_STEP_BYTES


@pytest.mark.parametrize("changes", [{"units": 128}, {"window": 64}, {"batch_size": 64}, {"layers": 2}])
def test_a_larger_network_or_batch_takes_more(changes):
    for kind, kernel in (("convergence", "replicated"), ("time", "loop"), ("time", "unrolled")):
        small, large = job(kind, kernel, window=16, batch_size=32), job(kind, kernel, window=16, batch_size=32)
        large = Job(large.case.replace(**changes), large.training)
        assert beyond_framework(large) > beyond_framework(small)


def measured(name):
    """Published records of memory cases."""
    with lzma.open(PUBLISHED / name / "records.jsonl.xz") as file:
        return [one for line in file if (one := decode(line, Record)).case.kind == "memory"]


@pytest.mark.parametrize("name", ["cost", "engines"])
def test_no_measured_peak_is_above_its_estimate_and_half_of_them_are_near(name):
    ratios = [
        estimates.estimated_bytes(Job(one.case, one.training)) / one.memory.resident_peak_bytes
        for one in measured(name)
    ]
    assert len(ratios) >= 10
    assert min(ratios) >= 1
    assert median(ratios) < 1.6
    assert max(ratios) < 2.5
