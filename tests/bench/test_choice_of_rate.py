"""The race of learning rates: which is chosen, which is given up, and when a further one is tried."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.measure.convergence import FIRST_TUNING_SEED
from bench.measure.replicate import Replicate
from bench.measure.tuning import Tuning, expected_updates


def tuned(rate, ends, budget=100, error=0.5):
    """Tuning replicates of a rate: where each reached the target, or None."""
    runs = []
    for number, end in enumerate(ends):
        run = Replicate(FIRST_TUNING_SEED + number, "tuning", rate)
        run.updates, run.error, run.updates_to_target = [budget if end is None else end], [error], end
        run.used_up = end is None
        runs.append(run)
    return runs


def tuning(*runs, grid=None, further=3):
    made = Tuning(grid or sorted({one.learning_rate for some in runs for one in some}), further)
    for some in runs:
        made.enter(some)
    return made


def test_the_rate_with_the_least_expected_updates_is_chosen():
    assert tuning(tuned(0.1, [50, 60]), tuned(0.01, [40, 45]), tuned(0.001, [90, 95])).chosen == 0.01


def test_failed_runs_count_with_what_they_spent():
    # 10 + 100 + 100 updates for one success against 60 for each.
    assert tuning(tuned(0.1, [10, None, None]), tuned(0.01, [60, 60, 60])).chosen == 0.01
    # One that is fast and fails seldom is worth it: (10 + 10 + 100) / 2 = 60 against 70.
    assert tuning(tuned(0.1, [10, 10, None]), tuned(0.01, [70, 70, 70])).chosen == 0.1


def test_a_rate_that_reaches_is_preferred_to_one_with_a_lower_error_that_does_not():
    assert tuning(tuned(0.1, [None, None], error=0.01), tuned(0.01, [99, None], error=0.9)).chosen == 0.01


def test_where_no_rate_reaches_the_median_of_the_lowest_errors_decides():
    runs = [tuned(0.1, [None] * 3, error=0.7), tuned(0.01, [None] * 3, error=0.3), tuned(0.001, [None] * 3, error=0.9)]
    assert tuning(*runs).chosen == 0.01
    late = tuned(0.1, [None] * 3)
    for run in late:
        run.error = [0.2, 0.9, math.nan]
    lucky = tuned(0.01, [None] * 3, error=0.3)
    lucky[0].error = [0.001]
    assert tuning(lucky, late).chosen == 0.1


def test_of_rates_that_are_alike_the_innermost_is_chosen():
    errors = {0.001: 0.99, 0.01: 1.0, 0.1: 1.005, 1.0: 1.2}
    assert tuning(*(tuned(rate, [None], error=error) for rate, error in errors.items())).chosen in {0.01, 0.1}
    errors |= {0.001: 0.9}
    assert tuning(*(tuned(rate, [None], error=error) for rate, error in errors.items())).chosen == 0.001


def test_a_rate_at_which_all_diverged_is_taken_last():
    assert tuning(tuned(0.1, [None] * 2, error=math.nan), tuned(0.01, [None] * 2, error=9.0)).chosen == 0.01


@given(
    st.dictionaries(
        st.sampled_from([0.001, 0.01, 0.1, 1.0]),
        st.lists(st.none() | st.integers(1, 100), min_size=3, max_size=3),
        min_size=1,
    )
)
def test_no_other_rate_needs_less(ends):
    runs = {rate: tuned(rate, found) for rate, found in ends.items()}
    chosen = tuning(*runs.values()).chosen
    assert expected_updates(runs[chosen]) == min(map(expected_updates, runs.values()))


@pytest.mark.parametrize(
    ("best", "rate"), [(0.01, None), (0.1, 1.0), (0.001, 0.0001)], ids=["inside", "above", "below"]
)
def test_a_best_rate_at_the_edge_calls_for_one_step_further(best, rate):
    runs = [tuned(one, [10 if one == best else 50]) for one in (0.001, 0.01, 0.1)]
    made = tuning(*runs)
    assert (made.next_rate, made.at_edge) == (rate, rate is not None)


def test_the_search_ends_where_the_best_is_inside_or_the_ladder_does():
    made = tuning(tuned(0.01, [50]), tuned(0.02, [40]), further=2)
    tried = []
    for end in (30, 20):
        tried.append(made.next_rate)
        made.enter(tuned(tried[-1], [end]))
    assert tried == [0.04, 0.08]
    assert (made.next_rate, made.at_edge) == (None, True)
    inside = tuning(tuned(0.01, [50]), tuned(0.02, [40]), tuned(0.04, [45]), grid=[0.01, 0.02])
    assert (inside.next_rate, inside.at_edge, inside.chosen) == (None, False, 0.02)


def test_one_rate_has_no_edge():
    assert not tuning(tuned(0.01, [50])).at_edge


def running(rate, spent, n=1):
    runs = tuned(rate, [None] * n, budget=spent)
    for run in runs:
        run.used_up = False
    return runs


def test_what_can_no_longer_be_the_best_is_given_up():
    behind, ahead = running(0.1, 60), running(0.001, 40)
    race = tuning(tuned(0.01, [50]), behind, ahead)
    race.abandon()
    assert (behind[0].abandoned, ahead[0].abandoned) == (True, False)
    # The first has arrived after 20: were the second to arrive now, the rate would need (20 + 70) / 2 = 45.
    half = [*tuned(0.1, [20, None]), *running(0.1, 70)][::2]
    race = tuning(tuned(0.01, [50, 50]), half)
    race.abandon()
    assert not half[1].abandoned


def test_nothing_is_given_up_before_any_rate_is_done():
    runs = running(0.1, 60, n=2) + running(0.01, 70, n=2)
    race = tuning(runs[:2], runs[2:])
    race.abandon()
    assert not any(one.abandoned for one in runs)


def test_steps_beyond_the_grid_are_its_own():
    grid = [0.003, 0.012, 0.048]
    made = tuning(*(tuned(rate, [rate_end]) for rate, rate_end in zip(grid, (50, 40, 30), strict=True)))
    ladder = [*grid, made.next_rate]
    assert [b / a for a, b in pairwise(ladder)] == pytest.approx([4, 4, 4])
