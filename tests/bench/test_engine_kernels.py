"""The kernel that really runs is read from the graph."""

import sys

import numpy as np
import pytest
from engine_builders import random_weights, train, work

from bench.engines.tensorflow.kernels import kernel_seen
from bench.engines.tensorflow.layers import LayerTrainer
from bench.engines.tensorflow.replicated import ReplicatedTrainer


@pytest.mark.parametrize("cell", ["lstm", "gru", "gru_reset_before", "simple_rnn"])
@pytest.mark.parametrize("kernel", ["loop", "unrolled", "xla"])
def test_the_kernel_asked_for_is_the_kernel_seen(cell, kernel):
    trainer = LayerTrainer(work(cell, 1, replicates=1, dtype="float32"), kernel)
    assert kernel_seen(trainer.concrete())[0] == kernel


def test_the_replicated_trainer_is_recognised():
    assert kernel_seen(ReplicatedTrainer(work("lstm", 2)).concrete())[0] == "replicated"


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_cudnn_is_seen_in_the_graph_where_keras_believes_in_a_gpu(cell, monkeypatch):
    """Traced, not run: without a GPU the graph is all there is to look at."""
    monkeypatch.setattr(sys.modules["keras.src.backend.tensorflow.rnn"], "_is_gpu_available", lambda: True)
    trainer = LayerTrainer(work(cell, 1, replicates=1, dtype="float32"), "cudnn")
    seen, evidence = kernel_seen(trainer.concrete())
    assert seen == "cudnn"
    assert evidence["CudnnRNNV3"] >= 1


def test_a_layer_that_silently_left_cudnn_is_not_called_cudnn(monkeypatch):
    monkeypatch.setattr(sys.modules["keras.src.backend.tensorflow.rnn"], "_is_gpu_available", lambda: True)
    trainer = LayerTrainer(work("gru_reset_before", 1, replicates=1, dtype="float32"), "loop")
    assert kernel_seen(trainer.concrete())[0] == "loop"


@pytest.mark.parametrize("kernel", ["loop", "unrolled", "xla"])
def test_every_kernel_trains_the_same(kernel):
    reference = ReplicatedTrainer(work("gru", 2, replicates=1))
    trainer = LayerTrainer(work("gru", 2, replicates=1), kernel)
    starts = np.random.default_rng(0).integers(0, 140, size=(2, 6, 1, 2))
    for one in (reference, trainer):
        one.place(0, random_weights(one.work.network, 1), 2**-7, 0)
    np.testing.assert_allclose(train(trainer, starts), train(reference, starts), rtol=1e-9)


def test_the_layer_trainer_evaluates_like_the_replicated_one():
    reference = ReplicatedTrainer(work("lstm", 1, replicates=1))
    trainer = LayerTrainer(work("lstm", 1, replicates=1), "loop")
    starts = np.random.default_rng(0).integers(0, 140, size=(6, 1, 2))
    found = []
    for one in (reference, trainer):
        one.place(0, random_weights(one.work.network, 1), 2**-7, 0)
        found.append(one.train(starts, reset=True, evaluate="carried").squared_errors)
    np.testing.assert_allclose(found[1], found[0], rtol=1e-9)


def test_keras_layers_train_one_model_at_a_time():
    with pytest.raises(ValueError, match="one model at a time, not 2"):
        LayerTrainer(work("lstm", 1, replicates=2), "loop")
