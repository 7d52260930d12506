"""A result that is not possible is loud, and what chance does is not; what the tuning seeds needed at each rate."""

import math

import numpy as np
import pytest
import synthetic

from reports.claim.robustness import floor_checks, median_second_best, rates, splits
from reports.tell.caveats import collect_warnings

FLOOR, TARGETS = 0.75, 128


def record(errors, regime="stateless", **scored):
    case = synthetic.case(regime=regime)
    made = synthetic.convergence([None] * len(errors), case_=case, stateless_floor=FLOOR, target=1e-3)
    made["convergence"]["scored"] = {"count": TARGETS, "of": 1000, "relative_standard_error": None, **scored}
    for one, error in zip(made["convergence"]["replicates"][3:], errors, strict=True):
        one["error"][-1] = error
    return synthetic.settle(made)


@pytest.mark.parametrize(
    ("error", "standard_error", "below"),
    [(0.44, 0.1, True), (0.46, 0.1, False), (0.74, 0.002, True), (0.75, 0.0, False), (0.9, 0.1, False)],
)
def test_four_standard_errors_by_hand(error, standard_error, below):
    (one,) = floor_checks(synthetic.run_of([record([error] * 5, relative_standard_error=standard_error)]))
    assert one.below is below


def test_the_stateful_arm_may_get_there():
    assert floor_checks(synthetic.run_of([record([0.01] * 5, regime="stateful", relative_standard_error=0.01)])) == []


def test_the_stateful_arm_may_not_get_below_the_optimum():
    made = record([0.3] * 5, regime="stateful", relative_standard_error=0.05)
    made["convergence"]["optimum"] = 1.0
    (one,) = floor_checks(synthetic.run_of([made]))
    assert (one.floor, one.below) == (1.0, True)


def test_one_diverged_replicate_hides_nothing():
    (one,) = floor_checks(synthetic.run_of([record([0.1, 0.1, 0.1, None, 1e9], relative_standard_error=0.05)]))
    assert one.below


def test_without_a_stated_error_that_of_normal_errors_is_used():
    (one,) = floor_checks(synthetic.run_of([record([0.4] * 3)]))
    assert one.margin == pytest.approx(4 * np.sqrt(2 / TARGETS))
    assert floor_checks(synthetic.run_of([record([0.4] * 3, relative_standard_error=0.3)])) == []


def squared_errors(rng, floor, lag):
    """A predictor exactly at its floor: errors are moving sums, so that neighbouring targets share inputs."""
    noise = rng.uniform(-1, 1, 4 * TARGETS + lag)
    error = np.convolve(noise, np.ones(lag), mode="valid")[: 4 * TARGETS : 4]
    return floor * error**2 / (lag / 3)


@pytest.mark.parametrize("lag", [1, 4, 12])
def test_a_sound_result_raises_no_alarm_and_a_leak_does(lag):
    rng = np.random.default_rng(lag)
    alarms = {1.0: 0, 0.3: 0}
    for _ in range(300):
        for share in alarms:
            drawn = squared_errors(rng, FLOOR * share, lag)
            standard_error = drawn.std(ddof=1) / np.sqrt(drawn.size) / drawn.mean()
            made = record([drawn.mean()] * 2, relative_standard_error=standard_error)
            (one,) = floor_checks(synthetic.run_of([made]))
            alarms[share] += one.below
    assert alarms[1.0] == 0
    assert alarms[0.3] >= 270  # a net that sees beyond its window


def test_a_breach_is_a_warning_that_names_it():
    run = synthetic.run_of([record([0.1] * 3, relative_standard_error=0.1)])
    (one,) = [w for w in collect_warnings(run, [], []) if "floor" in w.code]
    assert "bug in the suite" in one.meaning
    assert "floor 0.75 less 40 %" in one.where[0]


def tuned(by_rate, chosen):
    """A record whose tuning replicates reach the target at these updates (None: not in 1000)."""
    made = synthetic.convergence([100] * 3, chosen_rate=chosen, learning_rates=sorted(by_rate))
    tuning = [
        synthetic.replicate(1000 + seed, hit, role="tuning", rate=rate)
        for rate, hits in by_rate.items()
        for seed, hit in enumerate(hits)
    ]
    deciding = [one for one in made["convergence"]["replicates"] if one["role"] == "evaluation"]
    made["convergence"]["replicates"] = tuning + deciding
    return synthetic.run_of([synthetic.settle(made)])


def test_rates_by_hand():
    (one,) = rates(tuned({0.01: [200, 400], 0.001: [None, 500], 0.1: [None, None]}, chosen=0.01))
    assert [(at.rate, at.reached, at.n, at.expected_updates) for at in one.grid] == [
        (0.001, 1, 2, 1490.0),
        (0.01, 2, 2, 290.0),
        (0.1, 0, 2, math.inf),
    ]
    assert one.second_best == pytest.approx(1490 / 290)
    assert median_second_best([one]) == pytest.approx(1490 / 290)


def test_where_no_rate_reaches_the_target_nothing_hangs_on_it():
    (one,) = rates(tuned({0.01: [None], 0.1: [None]}, chosen=0.01))
    assert math.isnan(one.second_best)
    assert math.isnan(median_second_best([one]))


def test_one_rate_is_no_grid():
    assert rates(tuned({0.01: [200]}, chosen=0.01)) == []


def test_what_the_number_of_updates_scatters_by():
    # Planted: .1 between seeds, .3 between draws, and a rate that costs e^.5 as much in two folds of eight.
    rng = np.random.default_rng(11)
    records = []
    for window in range(1, 41):
        made = synthetic.convergence([100] * 16, budget=4000, case_=synthetic.case(window=window))
        part = made["convergence"]
        rates = part["learning_rates"]
        of_draw = 0.3 * rng.standard_normal(8)
        chosen = [0.01] * 6 + [0.003] * 2
        replicates = [
            synthetic.replicate(1000 + fold, 200, 4000, "tuning", rate) | {"fold": fold, "draw": fold}
            for fold in range(8) for rate in [0.001, *rates]
        ]  # fmt: skip
        for seed in range(16):
            fold = seed % 8
            log = np.log(1000) + of_draw[fold] + 0.5 * (chosen[fold] == 0.003) + 0.1 * rng.standard_normal()
            one = synthetic.replicate(seed, int(np.exp(log)), 4000, rate=chosen[fold])
            replicates.append(one | {"fold": fold, "draw": fold})
        part |= {
            "replicates": replicates, "draws": 8, "budget": 4000, "tuning": [
                {"fold": fold, "draw": fold, "rates": [0.001, *rates], "chosen_rate": rate, "reached": True,
                 "at_edge": False} for fold, rate in enumerate(chosen)
            ],
        }  # fmt: skip
        records.append(made)
    (one,) = splits(synthetic.run_of(records))
    assert (one.draws, one.arms) == (8, 40)
    assert one.seed == pytest.approx(0.1, abs=0.02)
    assert one.draw == pytest.approx(0.3, abs=0.05)
    # Two of eight differ by .5: a variance of 2 x 6 / (8 x 7) x .25.
    assert one.rate == pytest.approx((12 / 56 * 0.25) ** 0.5, abs=0.06)
    assert splits(synthetic.run_of([synthetic.convergence([100] * 10)])) == []
