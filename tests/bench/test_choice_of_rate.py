"""Which learning rate is chosen from what the tuning replicates needed."""

import math

from hypothesis import given
from hypothesis import strategies as st

from bench.measure.convergence import FIRST_TUNING_SEED, Replicate, choose_rate


def tuned(rate, ends, budget=100, error=0.5):
    """Tuning replicates of a rate: where each reached the target, or None."""
    runs = []
    for number, end in enumerate(ends):
        run = Replicate(FIRST_TUNING_SEED + number, "tuning", rate)
        run.updates, run.error, run.updates_to_target = [budget if end is None else end], [error], end
        runs.append(run)
    return runs


def test_the_rate_with_the_least_expected_updates_is_chosen():
    assert choose_rate(tuned(0.1, [50, 60]) + tuned(0.01, [40, 45]) + tuned(0.001, [90, 95])) == 0.01


def test_failed_runs_count_with_what_they_spent():
    # 10 + 100 + 100 updates for one success against 60 for each.
    assert choose_rate(tuned(0.1, [10, None, None]) + tuned(0.01, [60, 60, 60])) == 0.01
    # One that is fast and fails seldom is worth it: (10 + 10 + 100) / 2 = 60 against 70.
    assert choose_rate(tuned(0.1, [10, 10, None]) + tuned(0.01, [70, 70, 70])) == 0.1


def test_a_rate_that_reaches_is_preferred_to_one_with_a_lower_error_that_does_not():
    assert choose_rate(tuned(0.1, [None, None], error=0.01) + tuned(0.01, [99, None], error=0.9)) == 0.01


def test_where_no_rate_reaches_the_lowest_error_decides():
    runs = tuned(0.1, [None] * 3, error=0.7) + tuned(0.01, [None] * 3, error=0.3) + tuned(0.001, [None] * 3, error=0.9)
    assert choose_rate(runs) == 0.01


def test_where_no_rate_reaches_the_best_error_along_the_way_counts_and_its_median():
    late = tuned(0.1, [None] * 3)
    for run in late:
        run.error = [0.2, 0.9, math.nan]
    lucky = tuned(0.01, [None] * 3, error=0.3)
    lucky[0].error = [0.001]
    assert choose_rate(lucky + late) == 0.1


def test_a_rate_at_which_all_diverged_is_taken_last():
    assert choose_rate(tuned(0.1, [None] * 2, error=math.nan) + tuned(0.01, [None] * 2, error=9.0)) == 0.01


@given(
    st.dictionaries(
        st.sampled_from([0.001, 0.01, 0.1, 1.0]),
        st.lists(st.none() | st.integers(1, 100), min_size=3, max_size=3),
        min_size=1,
    )
)
def test_no_other_rate_has_fewer_expected_updates(ends):
    def expected(rate):
        spent = sum(100 if end is None else end for end in ends[rate])
        successes = sum(end is not None for end in ends[rate])
        return spent / successes if successes else math.inf

    chosen = choose_rate([run for rate, found in ends.items() for run in tuned(rate, found)])
    assert expected(chosen) == min(map(expected, ends))


def test_the_expected_updates_do_not_depend_on_whether_runs_went_on_beyond_the_target():
    short, long = tuned(0.1, [40]), tuned(0.1, [40])
    long[0].updates, long[0].error = [40, 80, 120], [0.5, 0.5, 0.5]
    other = tuned(0.01, [50])
    assert choose_rate(short + other) == choose_rate(long + other) == 0.1
