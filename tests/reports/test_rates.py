"""What the tuning seeds needed at each rate, by hand."""

import math

import pytest
import synthetic

from reports.claim.robustness import median_second_best, rates
from reports.collect.read import Run
from reports.collect.records import Record


def tuned(by_rate, chosen):
    """A record whose tuning replicates reach the target at these updates (None: not in 1000)."""
    made = synthetic.convergence([100] * 3, tuning=0, chosen_rate=chosen)
    tuning = [
        synthetic.replicate(1000 + seed, hit, role="tuning") | {"learning_rate": rate}
        for rate, hits in by_rate.items()
        for seed, hit in enumerate(hits)
    ]
    made["convergence"]["replicates"] = tuning + made["convergence"]["replicates"]
    return Run(folder=None, about={}, records=(Record.from_dict(made),))


def test_by_hand():
    (one,) = rates(tuned({0.01: [200, 400], 0.001: [None, 500], 0.1: [None, None]}, chosen=0.01))
    assert [(at.rate, at.reached, at.n, at.expected_updates) for at in one.grid] == [
        (0.001, 1, 2, 1500.0),
        (0.01, 2, 2, 300.0),
        (0.1, 0, 2, math.inf),
    ]
    assert one.second_best == pytest.approx(5.0)
    assert median_second_best([one]) == pytest.approx(5.0)


def test_where_no_rate_reaches_the_target_nothing_hangs_on_it():
    (one,) = rates(tuned({0.01: [None], 0.1: [None]}, chosen=0.01))
    assert math.isnan(one.second_best)
    assert math.isnan(median_second_best([one]))


def test_one_rate_is_no_grid():
    assert rates(tuned({0.01: [200]}, chosen=0.01)) == []
