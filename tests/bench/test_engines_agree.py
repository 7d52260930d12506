"""The jax and torch engines are the TensorFlow engine: losses, weights and errors to rounding in float64.

They run in processes of their own; where an engine's extra is not installed its tests are skipped.
"""

import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from engine_process import CELLS, DEPTHS, FEEDS, LABELS, LAYER_KERNELS, STARTS, WAYS, bounded_arms, learn, state_arms
from small_works import RATES, STEPS, difference, work

from bench import engines
from bench.engines.backend import SHORT_LOOPS

ROOT = Path(__file__).parents[2]
TIGHT = 1e-9
LOUD = 1e-5
OTHERS = [name for name in engines.ENGINES if name in ("jax", "torch")]


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """Every engine that is installed at work, all at once; a process and its file by name."""
    folder = tmp_path_factory.mktemp("engines")
    environment = os.environ | {"XLA_FLAGS": SHORT_LOOPS, "PYTHONPATH": f"{ROOT}:{Path(__file__).parent}"}
    started = {}
    for name in OTHERS:
        if all(map(find_spec, engines.ENGINES[name].needs)):
            command = [sys.executable, str(Path(__file__).with_name("engine_process.py")), name, str(folder / name)]
            with (folder / f"{name}.log").open("w") as log:
                process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
            started[name] = (process, folder / name)
    yield started
    for process, _ in started.values():
        process.kill()
        process.wait()


@pytest.fixture(scope="module", params=OTHERS)
def found(request, processes):
    """What another engine found, by name."""
    name = request.param
    if name not in processes:
        pytest.skip(f"{' and '.join(engines.ENGINES[name].needs)} not installed: pip install 'statebench[{name}]'")
    process, file = processes[name]
    assert process.wait() == 0, file.with_suffix(".log").read_text()[-4000:]
    return dict(np.load(file.with_suffix(".npz")))


@pytest.fixture(scope="module")
def expected():
    """What the TensorFlow engine finds in this process, trained once for each network and feed."""
    from engine_builders import with_feed  # noqa: PLC0415 - TensorFlow only where something is compared

    from bench.engines.tensorflow.replicated import ReplicatedTrainer  # noqa: PLC0415

    trainers, results = {}, {}

    def get(cell, depth, feed, labels=0):
        key = (cell, depth, feed, labels)
        if key not in results:
            asked = work(cell, depth, len(RATES), labels=labels)
            trainer = trainers.setdefault((cell, depth, labels), ReplicatedTrainer(asked))
            with_feed(trainer, FEEDS[feed].step_weights, carried=FEEDS[feed].carried)
            results[key] = learn(trainer, asked.network, len(RATES))
        return results[key]

    return get


@pytest.mark.parametrize("arm", ["older", "noise"])
def test_a_state_of_older_weights_of_another_stretch_or_from_data_is_the_same_state(found, arm):
    from bench.engines.tensorflow.replicated import ReplicatedTrainer  # noqa: PLC0415

    asked = state_arms(len(RATES))[arm]
    expected = learn(ReplicatedTrainer(asked), asked.network, len(RATES))
    for kernel in ("replicated", "native"):
        assert_equal(of(found, "state", arm, kernel), expected)


@pytest.mark.parametrize("arm", ["stateful", "stateless", "missing"])
def test_boundaries_and_missing_targets_are_the_same_data_for_every_engine(found, arm):
    """Of TensorFlow `test_sequences` shows that it trains as Keras does with states set row by row."""
    from bench.engines.tensorflow.replicated import ReplicatedTrainer  # noqa: PLC0415

    asked, starts = bounded_arms(len(RATES))[arm]
    expected = learn(ReplicatedTrainer(asked), asked.network, len(RATES), starts=starts)
    for kernel in ("replicated", "native"):
        assert_equal(of(found, "bounded", arm, kernel), expected)
    unbounded = learn(ReplicatedTrainer(replace(asked, sequences=None)), asked.network, len(RATES), starts=starts % 100)
    assert all(difference([unbounded[name]], [expected[name]]) > LOUD for name in ("losses", *WAYS))


def of(found, *key):
    """Part of what was found, by the rest of its names."""
    start = " ".join(map(str, key)) + " "
    return {name.removeprefix(start): value for name, value in found.items() if name.startswith(start)}


def kernels(found, cell, depth):
    return sorted({name.split()[2] for name in found if name.startswith(f"{cell} {depth} ")})


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("cell", CELLS)
def test_losses_weights_and_errors_equal_tensorflow(found, expected, cell, depth, feed):
    right = expected(cell, depth, feed)
    tested = kernels(found, cell, depth)
    assert "replicated" in tested
    assert ("loop" in tested) == ((depth, cell) in LAYER_KERNELS)
    # PyTorch has no GRU that resets before its product.
    assert "native" in tested or cell == "gru_reset_before"
    for kernel in tested:
        assert_equal(of(found, cell, depth, kernel, feed), right)


def assert_equal(own, right):
    """All that an engine found equals what TensorFlow did, of as many replicates as it has."""
    replicates = own["losses"].shape[1]
    assert set(own) == {name for name in right if not name.startswith("weight 1") or replicates == 2}
    for name, value in own.items():
        want = right[name]
        want = want[:, :replicates] if name == "losses" else want if name.startswith("weight") else want[:replicates]
        assert value.dtype == np.float64
        assert difference([value], [want]) < TIGHT, name


@pytest.mark.parametrize("feed", FEEDS)
def test_labels_are_learnt_and_judged_as_by_tensorflow(found, expected, feed):
    right = expected("gru", 1, feed, labels=LABELS)
    assert {f"{way} hits" for way in WAYS} <= set(right)
    for kernel in ("replicated", "loop", "native"):
        assert_equal(of(found, "labels", "gru", 1, kernel, feed), right)


@pytest.mark.parametrize("loss", ["every", "last"])
@pytest.mark.parametrize("cell", CELLS)
def test_the_state_is_carried(found, cell, loss):
    """The carried arm begins like the other, and then leaves it: by far more than what parity allows."""
    for kernel in kernels(found, cell, 1):
        carried, zeroed = (of(found, cell, 1, kernel, f"{state} {loss}")["losses"] for state in ("carried", "zeroed"))
        np.testing.assert_allclose(carried[0], zeroed[0], rtol=TIGHT)
        assert (np.abs(carried[1:] / zeroed[1:] - 1) > LOUD).all()


def test_a_forward_pass_is_that_of_an_update_and_changes_no_weight(found):
    tested = {name.split()[1] for name in found if name.startswith("passes")}
    assert "loop" in tested
    for kernel in tested:
        carried, zeroed = (of(found, "passes", kernel, f"{state} every") for state in ("carried", "zeroed"))
        for one in (carried, zeroed):
            np.testing.assert_allclose(one["inferred"], one["trained"], rtol=TIGHT)
            np.testing.assert_array_equal(one["inferred weights"], one["trained weights"])
        assert (np.abs(carried["inferred"] / zeroed["inferred"] - 1) > LOUD).all()


def test_keras_own_flag_carries_nothing_on_jax(found, request):
    """Why the state is an argument here; on PyTorch the flag does carry it."""
    assert found["stateful flag"].any() == (request.node.callspec.params["found"] == "torch")


def test_streams_of_the_test_continue():
    assert (np.diff(STARTS, axis=0) == STEPS).all()


def test_the_kernel_asked_for_is_the_kernel_seen(found):
    seen = {name: str(value) for name, value in found.items() if name.endswith(" seen")}
    assert "dropout replicated seen" in seen
    assert all(name.split()[-2] == kernel for name, kernel in seen.items()), seen


def test_dropout_follows_the_seed_and_changes_the_losses(found):
    one, other, again = (found[f"dropout {i}"] for i in range(3))
    np.testing.assert_array_equal(one, again)
    assert (one != other).all()
    assert difference([one], [of(found, "lstm", 2, "replicated", "carried every")["losses"]]) > LOUD


def test_float32_is_float32_and_close_to_float64(found):
    for name, kernel in product(FEEDS, ("loop", "native")):
        low = of(found, "float32 lstm 1", kernel, name)
        assert {value.dtype for value in low.values()} == {np.dtype(np.float32)}
        high = of(found, "lstm", 1, kernel, name)
        assert difference(low.values(), high.values()) < 1e-4


def test_cudnn_is_told_from_other_kernels_without_a_gpu(found):
    lowered = {asked: str(kernel) for asked, kernel in of(found, "lowered").items()}
    named = {asked: str(kernel) for asked, kernel in of(found, "named").items()}
    assert lowered or named
    if lowered:
        assert all(asked.split()[1] == kernel for asked, kernel in lowered.items()), lowered
    assert all(asked.split()[1] == kernel for asked, kernel in named.items()), named


def test_a_trace_tells_that_onednn_ran_an_lstm_of_pytorch(found, request):
    if request.node.callspec.params["found"] != "torch":
        pytest.skip("of PyTorch alone")
    assert {"aten::lstm", "aten::mkldnn_rnn_layer", "aten::mkldnn_rnn_layer_backward"} <= set(found["library"])


@pytest.mark.parametrize("kernel", ["loop", "native"])
def test_memory_on_a_cpu_grows_by_what_a_larger_batch_keeps(found, kernel):
    peaks = found[f"memory {kernel}"]
    # Of a GRU of 3 units: gates, reset state and output at every step, in 4 bytes.
    kept = 64 * 32 * 3 * 4 * 5
    grown = np.diff(peaks[:2], axis=0)[0]
    assert (grown >= 0.9 * kept).all(), peaks
    assert (grown <= 8 * kept).all(), peaks
    # What an earlier model took is not counted with a later one's.
    np.testing.assert_allclose(peaks[2], peaks[1], rtol=0.1)


def test_no_two_of_the_smallest_operations_are_made_one(found, request):
    if request.node.callspec.params["found"] != "jax":
        pytest.skip("of JAX alone: PyTorch brings no operations for ceilings")
    kernels_of_chain, chain = found["chain"]
    assert kernels_of_chain == chain
