"""Errors of a training at targets that did not choose its evaluation."""

import numpy as np
import pytest

from bench.measure.replicate import HalfScores, mean_errors


def test_each_half_of_the_targets_is_scored_where_the_other_half_is_best():
    scores = HalfScores()
    scores.note(np.array([9.0, 1.0, 9.0, 1.0]))  # best on the odd targets
    scores.note(np.array([2.0, 5.0, 2.0, 5.0]))  # best on the even ones
    assert scores.errors.tolist() == [9.0, 5.0, 9.0, 5.0]


def test_of_many_evaluations_of_chance_the_best_is_not_lucky_on_what_it_is_scored_by():
    rng = np.random.default_rng(0)
    seen, lucky = [], []
    for _ in range(200):
        scores = HalfScores()
        evaluations = 1 + 0.5 * rng.normal(size=(60, 32))
        for one in evaluations:
            scores.note(one)
        seen.append(scores.errors.mean())
        lucky.append(evaluations.mean(axis=1).min())
    assert np.mean(seen) == pytest.approx(1, abs=0.01)
    assert np.mean(lucky) < 0.85


def test_trainings_that_diverged_tell_nothing():
    fine, diverged, none = HalfScores(), HalfScores(), HalfScores()
    fine.note(np.array([1.0, 3.0]))
    diverged.note(np.array([np.nan, np.inf]))
    assert mean_errors([fine, diverged, none]) == [1.0, 3.0]
    assert mean_errors([diverged]) is None
