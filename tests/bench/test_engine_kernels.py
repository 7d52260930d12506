"""The kernel that really runs is read from the graph."""

import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from engine_builders import random_weights, train, work
from small_works import BATCH, STEPS

from bench.case.cases import Case
from bench.engines.tensorflow import ENGINE
from bench.engines.tensorflow.layers import LayerTrainer
from bench.engines.tensorflow.replicated import ReplicatedTrainer
from reports.costs.roofline import count


@pytest.mark.parametrize("cell", ["lstm", "gru", "gru_reset_before", "simple_rnn"])
@pytest.mark.parametrize("kernel", ["loop", "loop_implementation_1", "unrolled", "xla", "xla_unrolled", "fit"])
def test_the_kernel_asked_for_is_the_kernel_seen(cell, kernel):
    trainer = ENGINE.trainer(work(cell, 1, replicates=1, dtype="float32"), kernel)
    # A SimpleRNN has one gate, so that one product a gate is one product.
    one_gate = (cell, kernel) == ("simple_rnn", "loop_implementation_1")
    assert ENGINE.kernel_seen(trainer)[0] == ("loop" if one_gate else kernel)


def test_products_are_counted_layer_by_layer():
    """Two layers with one product for all gates make as many products as one layer with a product for two gates."""
    for kernel in ("loop", "loop_implementation_1"):
        trainer = ENGINE.trainer(work("lstm", 2, replicates=1, dtype="mixed_bfloat16"), kernel)
        assert ENGINE.kernel_seen(trainer)[0] == kernel


def test_a_flag_that_keras_did_not_follow_is_seen():
    """Unrolled layers behind a trainer that was asked for a loop."""
    asked, made = (LayerTrainer(work("lstm", 1, replicates=1, dtype="float32"), one) for one in ("loop", "unrolled"))
    asked.model, asked.optimizer = made.model, made.optimizer
    assert ENGINE.kernel_seen(asked)[0] == "unrolled"


def test_the_replicated_trainer_is_recognised():
    assert ENGINE.kernel_seen(ReplicatedTrainer(work("lstm", 2)))[0] == "replicated"


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_cudnn_is_seen_in_the_graph_where_keras_believes_in_a_gpu(cell, monkeypatch):
    """Traced, not run: without a GPU the graph is all there is to look at."""
    monkeypatch.setattr(sys.modules["keras.src.backend.tensorflow.rnn"], "_is_gpu_available", lambda: True)
    trainer = LayerTrainer(work(cell, 1, replicates=1, dtype="float32"), "cudnn")
    seen, evidence = ENGINE.kernel_seen(trainer)
    assert seen == "cudnn"
    assert evidence["CudnnRNNV3"] >= 1


def test_a_layer_that_silently_left_cudnn_is_not_called_cudnn(monkeypatch):
    monkeypatch.setattr(sys.modules["keras.src.backend.tensorflow.rnn"], "_is_gpu_available", lambda: True)
    trainer = LayerTrainer(work("gru_reset_before", 1, replicates=1, dtype="float32"), "loop")
    assert ENGINE.kernel_seen(trainer)[0] == "loop"


@pytest.mark.parametrize(("cell", "inside"), [("lstm", "CudnnRNNV3"), ("simple_rnn", "nested loops")])
def test_fit_takes_cudnn_where_keras_finds_it(cell, inside, monkeypatch):
    monkeypatch.setattr(sys.modules["keras.src.backend.tensorflow.rnn"], "_is_gpu_available", lambda: True)
    seen, evidence = ENGINE.kernel_seen(ENGINE.trainer(work(cell, 1, replicates=1, dtype="float32"), "fit"))
    assert seen == "fit"
    assert evidence[inside] >= 1


def trained(trainer):
    """Losses of two epochs, and the weights after them."""
    starts = np.random.default_rng(0).integers(0, 140, size=(2, 6, 1, 2))
    trainer.place(0, random_weights(trainer.work.network, 1), 2**-7, 0)
    return train(trainer, starts), trainer.weights(0)


@pytest.fixture(scope="module")
def expected():
    return trained(ReplicatedTrainer(work("gru", 2, replicates=1)))


@pytest.mark.parametrize("kernel", ["loop", "loop_implementation_1", "unrolled", "xla", "xla_unrolled", "fit"])
def test_every_kernel_trains_the_same(kernel, expected):
    losses, weights = trained(ENGINE.trainer(work("gru", 2, replicates=1), kernel))
    if kernel == "fit":
        # `fit` tells the mean of an epoch, in float32; the weights after it are as exact as the others'.
        np.testing.assert_allclose(losses.mean(axis=1), expected[0].mean(axis=1), rtol=1e-6)
    else:
        np.testing.assert_allclose(losses, expected[0], rtol=1e-9)
    for one, other in zip(weights, expected[1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-10)


def test_the_layer_trainer_evaluates_like_the_replicated_one():
    reference = ReplicatedTrainer(work("lstm", 1, replicates=1))
    trainer = LayerTrainer(work("lstm", 1, replicates=1), "loop")
    starts = np.random.default_rng(0).integers(0, 140, size=(6, 1, 2))
    found = []
    for one in (reference, trainer):
        one.place(0, random_weights(one.work.network, 1), 2**-7, 0)
        found.append(one.train(starts, reset=True, evaluate="carried").errors)
    np.testing.assert_allclose(found[1], found[0], rtol=1e-9)


def test_keras_layers_train_one_model_at_a_time():
    with pytest.raises(ValueError, match="one model at a time, not 2"):
        LayerTrainer(work("lstm", 1, replicates=2), "loop")


@pytest.mark.parametrize("kernel", ["loop", "xla"])
def test_predicting_is_the_forward_pass_of_keras_with_its_state_carried(kernel):
    trainer = LayerTrainer(work("lstm", 1, replicates=1), kernel)
    trainer.place(0, random_weights(trainer.work.network, 1), 2**-7, 0)
    starts = np.array([[[0, 40]], [[4, 44]]])
    trainer.infer(starts)
    after = [state.numpy() for state in trainer.model.layers[0].states]
    trainer.reset_state()
    for first in starts[:, 0]:
        trainer.model(trainer.work.inputs[first[:, None] + np.arange(4)], training=False)
    for one, other in zip(after, trainer.model.layers[0].states, strict=True):
        np.testing.assert_allclose(one, other.numpy(), rtol=1e-9)
        assert np.abs(one).max() > 0


@pytest.mark.parametrize("kernel", ["loop", "fit"])
def test_to_idle_changes_nothing(kernel):
    trainer = ENGINE.trainer(work("lstm", 1, replicates=1, dtype="float32"), kernel)
    before = trainer.weights(0)
    trainer.idle(np.zeros((3, 1, 2), int))
    for one, other in zip(before, trainer.weights(0), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kernel", ["loop", "fit"])
def test_the_harness_is_a_small_part_of_an_update(kernel):
    """A ratio within this test: the same rows, with training and without; of updates of a fraction of a millisecond."""
    trainer = ENGINE.trainer(work("lstm", 1, replicates=1, dtype="float32", max_updates=400), kernel)
    starts = np.random.default_rng(0).integers(0, 140, size=(400, 1, 2))

    def least(call):
        def seconds():
            begin = time.perf_counter()
            call()
            return time.perf_counter() - begin

        seconds()
        return min(seconds() for _ in range(3))

    assert least(lambda: trainer.idle(starts)) < 0.2 * least(lambda: trainer.train(starts, reset=True))


def products(trainer):
    """Operations of all matrix products of an update, by the shapes in the traced graph."""
    layout = trainer.work.layout
    update = tf.function(trainer._update, autograph=False)
    graph = update.get_concrete_function(tf.TensorSpec((layout.batch_size,), tf.int32)).graph
    total = 0
    for one in graph.get_operations():
        if one.type == "MatMul":
            (rows, across), out = one.inputs[0].shape, one.outputs[0].shape
            inner = rows if one.get_attr("transpose_a") else across
            total += 2 * inner * out[0] * out[1]
        assert "BatchMatMul" not in one.type
    sums = [len(one.inputs) for one in graph.get_operations() if one.type == "AddN"]
    return total, sums


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", ["lstm", "gru", "gru_reset_before", "simple_rnn"])
def test_the_operations_that_the_report_counts_are_those_of_the_graph(cell, layers):
    """And an unrolled graph keeps the gradients of all steps until it adds them: that is why its memory grows."""
    load = work(cell, layers, replicates=1, dtype="float32")
    case = Case("time", "cosine", None, cell, "stateful", layers, 3, STEPS, BATCH, "unrolled", "tensorflow")
    steps = layers * STEPS * BATCH
    body = SimpleNamespace(parameters=load.network.parameters, features=1, outputs=1, cell_steps_per_update=steps)
    counted = count(SimpleNamespace(case=case, body=body))
    found, sums = products(LayerTrainer(load, "unrolled"))
    assert found == counted.flops
    assert sums.count(STEPS) >= 2 * layers
