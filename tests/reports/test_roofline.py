import pytest
import synthetic

from reports.analysis import analyse
from reports.claim.arms import comparisons
from reports.costs.roofline import features, flops_per_update


@pytest.mark.parametrize(
    ("cell", "layers", "units", "parameters", "inputs"),
    [
        # 4 (16 x 1 + 16 x 16 + 16) + 17
        ("lstm", 1, 16, 1169, 1),
        # 3 (16 x 1 + 16 x 16 + 2 x 16) + 17
        ("gru", 1, 16, 929, 1),
        ("gru_reset_before", 1, 16, 881, 1),
        # and 4 (16 x 16 + 16 x 16 + 16) above
        ("lstm", 2, 16, 3281, 1),
        # 4 x 3 + 4 x 4 + 4 + 5
        ("simple_rnn", 1, 4, 37, 3),
        ("lstm", 1, 16, 1170, None),
        ("lstm", 1, 16, 17, None),
        ("unheard of", 1, 16, 1169, None),
    ],
)
def test_features_follow_from_the_parameters(cell, layers, units, parameters, inputs):
    assert features(cell, layers, units, parameters) == inputs


def test_flops_by_hand():
    # 8 streams x 4 steps, each 2 x 4 gates x 8 units x (1 + 8); 32 targets x 2 x 8 from the head; backward twice that.
    record = synthetic.convergence([100], parameters=4 * 8 * (1 + 8 + 1) + 9)
    assert flops_per_update(synthetic.typed(record)) == 3 * (32 * 2 * 4 * 8 * 9 + 32 * 2 * 8)


def test_two_layers_by_hand():
    above = 4 * 8 * (8 + 8 + 1)
    record = synthetic.convergence(
        [100], case_=synthetic.case(layers=2), parameters=4 * 8 * (1 + 8 + 1) + above + 9, cell_steps_per_update=64
    )
    assert flops_per_update(synthetic.typed(record)) == 3 * (32 * 2 * 4 * 8 * (9 + 16) + 32 * 2 * 8)


def test_a_head_of_several_outputs_counts_each():
    record = synthetic.convergence([100], parameters=4 * 8 * (2 + 8 + 1) + 9 * 5, outputs=5)
    assert features("lstm", 1, 8, 4 * 8 * (2 + 8 + 1) + 9 * 5, 5) == 2
    assert flops_per_update(synthetic.typed(record)) == 3 * (32 * 2 * 4 * 8 * 10 + 32 * 2 * 8 * 5)


def test_flops_can_disagree_with_updates():
    # Fewer updates, each with twice as many steps.
    records = [
        synthetic.convergence(synthetic.hits(median, spread=0.02, seed=1), case_=synthetic.case(regime=regime))
        for regime, median in (("stateless-burnin", 300), ("stateless", 400))
    ]
    (one,) = comparisons(synthetic.run_of(records))
    assert one.updates.verdict == "fewer"
    assert one.flops.verdict == "more"
    assert one.flops.ratio.value == pytest.approx(one.updates.ratio.value * (64 * 576 + 512) / (32 * 576 + 512))
    assert one.disagree


def test_what_cannot_be_counted_is_not_invented():
    records = synthetic.pair([100] * 3, [100] * 3)
    records[0]["convergence"]["parameters"] = 1
    (one,) = analyse(synthetic.run_of(records)).compared
    assert one.flops is None
