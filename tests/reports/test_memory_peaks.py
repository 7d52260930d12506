"""Memory against what is counted: planted peaks, and peaks of real runs."""

import pytest
import synthetic

from bench.engines.base import Network
from reports.analysis import analyse
from reports.collect.read import read
from reports.render import write_report


def memory(peak, **changes):
    case = synthetic.case("memory", units=64, window=32, batch_size=32, **changes)
    return synthetic.memory(peak, case, features=1, parameters=4 * 64 * 66 + 65, kernel_seen=case.kernel)


def test_a_probe_that_sees_too_little_or_too_much_is_doubted(tmp_path):
    # Weights four times over, seven values a unit and step, the gradient of the output, the batch.
    counted = 4 * (4 * (4 * 64 * 66 + 65) + 32 * 32 * (8 * 64 + 2))
    records = [
        memory(round(counted * factor), regime=regime) for factor, regime in ((1.4, "stateful"), (0.3, "stateless"))
    ]
    run = read(synthetic.write(tmp_path / "run", records))
    found = analyse(run).costs
    assert {one.count.total for one in found.memories} == {counted}
    assert {one.regime: one.doubtful for one in found.memories} == {"stateful": False, "stateless": True}
    assert "The memory of 1 case cannot be right" in synthetic.whole(write_report(run))


def test_an_unrolled_graph_is_charged_with_the_gradients_of_all_steps(tmp_path):
    """Of the peaks below, which are a real run's, the unrolled one was called impossible."""
    units, window, batch = 1024, 32, 32
    parameters = 4 * units * (units + 2) + units + 1
    records = [
        synthetic.memory(
            round(peak * 2**20),
            synthetic.case("memory", units=units, window=window, batch_size=batch, kernel=kernel),
            features=1, parameters=parameters, kernel_seen=kernel,
        )
        for kernel, peak in (("loop", 113.0), ("unrolled", 612.0))
    ]  # fmt: skip
    run = read(synthetic.write(tmp_path / "run", records))
    found = analyse(run).costs
    counted = {one.setting.kernel: one.count for one in found.memories}
    assert counted["unrolled"].of_steps == 4 * window * 4 * units * (units + 1)
    assert (
        counted["unrolled"].total - counted["loop"].total == counted["unrolled"].of_steps - counted["loop"].activations
    )
    assert not any(one.doubtful for one in found.memories)
    assert "keeps the gradient of the weights at every step" in synthetic.whole(write_report(run))


@pytest.mark.parametrize(
    ("cell", "kernel", "units", "window", "batch", "layers", "mebibytes"),
    [
        ("lstm", "loop", 1024, 32, 32, 1, 113.0),
        ("lstm", "loop", 256, 64, 32, 1, 25.5),
        ("lstm", "loop_implementation_1", 256, 32, 32, 1, 50.8),
        ("lstm", "loop_implementation_1", 64, 64, 64, 2, 32.4),
        ("lstm", "unrolled", 256, 32, 32, 1, 38.1),
        ("lstm", "unrolled", 256, 32, 32, 2, 85.7),
        ("gru", "loop_implementation_1", 256, 32, 32, 1, 38.8),
        ("gru", "unrolled", 256, 64, 32, 1, 56.2),
        ("gru_reset_before", "loop", 256, 64, 32, 1, 71.6),
        ("gru_reset_before", "fit", 256, 32, 32, 1, 39.0),
        ("gru_reset_before", "unrolled", 256, 64, 32, 1, 113.0),
        ("simple_rnn", "unrolled", 256, 64, 32, 1, 17.7),
    ],
)
def test_what_is_counted_is_most_of_what_tensorflow_took(
    costs_of, cell, kernel, units, window, batch, layers, mebibytes
):
    """Peaks of real runs (TensorFlow 2.21, Keras 3.15): what an update must hold, and up to a third of workspace."""
    shapes = Network(cell, layers, units, 1, 1)
    case = synthetic.case(
        "memory", cell=cell, kernel=kernel, units=units, window=window, batch_size=batch, layers=layers
    )
    body = {"features": 1, "parameters": shapes.parameters, "kernel_seen": kernel}
    (one,) = costs_of([synthetic.memory(round(mebibytes * 2**20), case, **body)]).memories
    assert 1.0 < one.over_count < 1.35
    assert not one.doubtful


@pytest.mark.parametrize(
    ("changes", "doubtful"),
    [
        ({"engine": "tensorflow"}, True),
        ({"engine": "torch", "device": "gpu"}, True),
        ({"engine": "jax", "device": "gpu"}, False),
        ({"kernel": "fit"}, True),
        ({"kernel": "fit", "device": "gpu"}, False),
        ({"kernel": "xla"}, False),
    ],
)
def test_only_what_keeps_all_that_is_counted_is_held_against_it(costs_of, changes, doubtful):
    (one,) = costs_of([memory(2**30, **changes)]).memories
    assert one.doubtful is doubtful


def test_what_carrying_the_state_takes_is_the_difference(costs_of):
    found = costs_of([memory(4_000_000 + 16_384, regime="stateful"), memory(4_000_000)])
    (pair,) = found.states
    assert pair.difference == pair.a.count.state == 32 * 64 * 2 * 4
