"""A result that is not possible is loud, and what chance does is not; what the tuning seeds needed at each rate."""

import math

import numpy as np
import pytest
import synthetic

from reports.claim.robustness import LEVELS, floor_checks, median_second_best, rates, splits
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
    (one,) = [w for w in collect_warnings(run, [], [], floor_checks(run)) if "floor" in w.code]
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


ENDS = ("reached", "updates_to_target", "censored_at")


def scattered(spread, draws, folds, weights, orders, arms, rng, regime="stateless"):
    """Arms whose log updates scatter by these deviations: between draws, folds of a draw, weights, and orders."""
    n = folds * weights * orders
    for window in range(1, arms + 1):
        made = synthetic.convergence([100] * n, budget=4000, case_=synthetic.case(window=window, regime=regime))
        of_draw, of_fold, of_weights = (
            sd * rng.standard_normal(count)
            for sd, count in zip(spread, (draws, folds, folds * weights), strict=False)
        )  # fmt: skip
        deciding = []
        for number in range(n):
            fold, place = number % folds, number // folds
            first = number - place % orders * folds
            log = 6 + of_draw[fold % draws] + of_fold[fold] + of_weights[fold * weights + place // orders]
            one = synthetic.replicate(number, round(np.exp(log + spread[3] * rng.standard_normal())), 4000)
            own = {} if first == number else {"weights_seed": first}
            deciding.append(one | {"fold": fold, "draw": fold % draws} | own)
        part = made["convergence"]
        tuned = [
            synthetic.replicate(1000 + fold, 200, 4000, "tuning", rate) | {"fold": fold, "draw": fold % draws}
            for fold in range(folds) for rate in part["learning_rates"]
        ]  # fmt: skip
        part |= {"replicates": tuned + deciding, "draws": draws, "tuning": [
            {"fold": fold, "draw": fold % draws, "rates": part["learning_rates"], "chosen_rate": 0.01, "reached": True,
             "at_edge": False} for fold in range(folds)
        ]}  # fmt: skip
        made["training"] |= {"hold": 1, "orders": orders, "evaluation_seeds": n, "folds": folds, "draws": draws}
        yield made


def test_what_the_number_of_updates_scatters_by_is_what_was_planted():
    planted = (0.4, 0.2, 0.1, 0.05)
    (one,) = splits(synthetic.run_of(list(scattered(planted, 5, 10, 2, 2, 60, np.random.default_rng(11)))))
    assert (one.what, one.arms, one.counts) == ("updates", 60, (5, 10, 20, 40))
    found = [one.of(level) for level in LEVELS]
    # 60 arms of 4, 5, 10 and 20 degrees: the errors of these estimates.
    assert [part.degrees for part in found] == [4, 5, 10, 20]
    for part, expected in zip(found, planted, strict=True):
        assert part.deviation == pytest.approx(expected, rel=0.25)
        low, high = part.limits()
        assert low < part.deviation < high


def test_what_never_varied_apart_is_one_and_what_is_but_one_is_none():
    rng = np.random.default_rng(3)
    (usual,) = splits(synthetic.run_of(list(scattered((0.3, 0, 0.1, 0), 8, 8, 2, 1, 40, rng))))
    assert [part.levels for part in usual.parts] == [("draw", "rate"), ("weights", "order")]
    assert (usual.of("rate"), usual.of("order")) == ("with the draw", "with the weights")
    assert usual.of("draw").deviation == pytest.approx(0.3, abs=0.05)
    assert usual.of("weights").deviation == pytest.approx(0.1, abs=0.02)
    (series,) = splits(synthetic.run_of(list(scattered((0, 0.3, 0.1, 0), 1, 8, 2, 1, 40, rng))))
    assert series.of("draw") == "only one"
    assert series.of("rate").deviation == pytest.approx(0.3, abs=0.05)
    # A level alone is no split, nor is one of trainings of which too many failed.
    assert splits(synthetic.run_of(list(scattered((0.3, 0, 0, 0.1), 8, 8, 1, 1, 3, rng)))) == []
    failed = list(scattered((0.3, 0, 0.1, 0), 8, 8, 2, 1, 2, rng))
    for made, last in zip(failed, (1, 2), strict=True):
        for one in made["convergence"]["replicates"][-last:]:
            missed = synthetic.replicate(one["seed"], None, 4000)
            one |= {name: missed[name] for name in ("updates", "error", "loss", *ENDS)}
    (one,) = splits(synthetic.run_of(failed))
    assert (one.arms, one.reached, one.trainings) == (1, 15, 16)


def test_the_ratio_of_two_arms_scatters_by_what_they_do_not_share():
    arms = []
    for regime, seed in (("stateful", 1), ("stateless", 2)):
        arms += scattered((0, 0, 0.1, 0.1), 4, 8, 2, 2, 30, np.random.default_rng(seed), regime)
    found = {one.what: one for one in splits(synthetic.run_of(arms))}
    assert found["updates"].arms == 60
    assert found["stateful / stateless"].arms == 30
    assert found["stateful / stateless"].of("order").deviation == pytest.approx(0.1 * 2**0.5, rel=0.1)
