"""Regimes that reproduce what others published: states set from data, and state carried over overlapping windows."""

from dataclasses import replace

import numpy as np
import pytest
from engine_builders import random_weights, work

from bench.case.cases import Training
from bench.case.regimes import REGIMES
from bench.engines.base import Network
from bench.engines.tensorflow.layers import LayerTrainer
from bench.engines.tensorflow.replicated import ReplicatedTrainer
from bench.errors import PlanError
from bench.measure import initial_weights, workload
from bench.measure.batching import Schedule, check_continuation
from bench.measure.convergence import Block, Pack
from tasks.cosine import Cosine

RATE = 2**-7

pytestmark = pytest.mark.usefixtures("keras_float64")


def states_of(network, rows, seed=5):
    rng = np.random.default_rng(seed)
    return tuple(
        tuple(rng.normal(size=(rows, network.units)) for _ in initial_weights.STATES[network.cell])
        for _ in range(network.layers)
    )


def trained(trainer, starts, evaluate="sliding"):
    trainer.place(0, random_weights(trainer.work.network, 1), RATE, seed=0)
    progress = trainer.train(starts, reset=True, evaluate=evaluate)
    errors = [] if evaluate is None else [progress.errors]
    return [np.ravel(one) for one in (progress.loss, *trainer.weights(0), *errors)]


def test_injected_states_are_what_keras_layers_begin_from():
    plain = work("lstm", layer_count=2, replicates=1, carried=False)
    given = replace(plain, injected=states_of(plain.network, len(plain.inputs)))
    starts = Schedule("stateless", 150, 4, 2).epoch(0, 0)[: plain.layout.max_updates, None]
    ours = trained(ReplicatedTrainer(given), starts)
    for found, expected in zip(ours, trained(LayerTrainer(given, "loop"), starts), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    # Zeros are the stateless regime; and the states are read, not just carried along.
    zeros = tuple(tuple(np.zeros_like(state) for state in layer) for layer in given.injected)
    stateless = trained(LayerTrainer(plain, "loop"), starts, evaluate=None)
    for found, expected in zip(
        trained(LayerTrainer(replace(plain, injected=zeros), "loop"), starts, evaluate=None), stateless, strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
    assert np.abs(stateless[0] - ours[0]).max() > 1e-4


def test_by_default_h_holds_the_last_inputs_latest_first_and_c_is_zero():
    task = Cosine()
    values = task.series().inputs[:, 0]
    h, c = task.state_before(0, "h", 3), task.state_before(1, "c", 3)
    np.testing.assert_array_equal(h[10], values[[9, 8, 7]])
    np.testing.assert_array_equal(h[1], [values[0], 0, 0])
    assert not c.any()


class Wrong(Cosine):
    """Gives c the shape that one state for the whole batch would have."""

    def state_before(self, layer, name, units):
        state = super().state_before(layer, name, units)
        return state[0] if (layer, name) == (1, "c") else state


class Missing(Cosine):
    def state_before(self, layer, name, units):
        state = super().state_before(layer, name, units)
        state[7] = np.nan
        return state


def test_a_wrong_shape_is_an_error_before_training_that_names_layer_and_state(monkeypatch, case, training):
    monkeypatch.setattr(workload, "task_of", lambda *_: Wrong())
    with pytest.raises(PlanError, match=r"state c of layer 1 .*'cosine'.* has shape \(2,\); it must be \(\d+, 2\)"):
        workload.build(case.replace(regime="stateful-injected", layers=2), training)


def test_a_state_that_is_not_finite_is_named_by_its_row():
    with pytest.raises(PlanError, match=r"state h of layer 0 .* is not finite in row 7"):
        initial_weights.injected_states([Missing()], Network("gru", 1, 4, 1, 1))


def test_overlapping_windows_come_in_order_at_stride_one_and_are_no_continuation():
    schedule = Schedule("stateful-overlapping", 100, 5, 8)
    starts = schedule.epoch(3, 1)
    np.testing.assert_array_equal(starts.ravel(), np.arange(starts.size))
    assert schedule.feed().carried
    np.testing.assert_array_equal(schedule.feed().step_weights, np.eye(5)[-1])
    with pytest.raises(ValueError, match="carried state would be wrong"):
        check_continuation(starts, schedule.window)


def test_only_what_is_marked_misaligned_may_carry_state_to_other_windows(case, monkeypatch):
    assert [name for name, regime in REGIMES.items() if regime.misaligned] == ["stateful-overlapping"]
    built = workload.build(case.replace(regime="stateful"), Training())
    block = Block.__new__(Block)
    block._workload, block._begins = built, None
    pack = Pack([None])
    block._starts(pack, 0)
    one_off = np.ones((built.schedule.updates_per_epoch, built.case.batch_size)).cumsum(axis=0).astype(np.int32)
    monkeypatch.setattr(Schedule, "epoch", lambda *_: one_off)
    with pytest.raises(ValueError, match="carried state would be wrong"):
        block._starts(pack, 0)
    block._workload = workload.build(case.replace(regime="stateful-overlapping"), Training())
    block._starts(pack, 0)
