"""Windows, streams and their order."""

import re
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.case.regimes import REGIMES, regime_of
from bench.errors import PlanError
from bench.measure.batching import Schedule, check_continuation

CONTIGUOUS = [name for name, regime in REGIMES.items() if not regime.stride_one]
SHUFFLED = [name for name, regime in REGIMES.items() if regime.shuffled]
SEASON = 48


@st.composite
def schedules(draw, regimes=tuple(REGIMES), least_updates=1):
    """A schedule with room for at least so many updates at every offset."""
    regime = draw(st.sampled_from(regimes))
    window, batch = draw(st.integers(1, 40)), draw(st.integers(1, 12))
    burn_in = draw(st.integers(0, 2 * window)) if regime_of(regime).burn_in else 0
    sets = 1
    if regime_of(regime).continues and regime_of(regime).burn_in:
        # Whole windows, and a state as old as a window and its burn-in, or a multiple of that.
        windows, sets = draw(st.integers(0, 2)), draw(st.integers(1, 4))
        burn_in, regime = windows * window, f"{regime}@{(windows + 1) * sets}"
    least = burn_in + window - 1 + window * batch * sets * least_updates
    return Schedule(regime, least + draw(st.integers(0, 300)), window, batch, burn_in)


class Rigged:
    """A generator that draws the offset it was told."""

    def __init__(self, offset):
        self._offset, self._rng = offset, np.random.Generator(np.random.PCG64(offset))

    def integers(self, high):
        assert 0 <= self._offset < high
        return self._offset

    def permutation(self, values):
        return self._rng.permutation(values)


def epoch_at(schedule, offset):
    with mock.patch("bench.measure.batching.np.random.default_rng", return_value=Rigged(offset)):
        return schedule.epoch(0, 0)


def rows_with_a_loss(schedule, starts):
    steps = np.flatnonzero(schedule.feed().step_weights)
    return starts[..., None] + steps


@given(schedules())
def test_windows_stay_in_the_training_rows_at_every_offset(schedule):
    schedule.check()
    for offset in range(schedule.window):
        starts = epoch_at(schedule, offset)
        assert starts.min() >= 0
        assert starts.max() + schedule.steps <= schedule.rows


@given(schedules())
def test_an_epoch_has_the_same_number_of_updates_at_every_offset(schedule):
    for offset in range(schedule.window):
        starts = epoch_at(schedule, offset)
        assert starts.shape == (schedule.updates_per_epoch, schedule.batch_size)
        assert starts.dtype == np.int32


@given(schedules())
def test_no_whole_batch_that_fits_at_every_offset_is_left_out(schedule):
    if regime_of(schedule.regime).stride_one:
        windows = [len(range(schedule.rows - schedule.window + 1))]
    else:
        last = schedule.rows - schedule.steps + 1
        windows = [len(range(offset, last, schedule.window)) for offset in range(schedule.window)]
    sets = schedule.interleaved
    assert schedule.updates_per_epoch == min(windows) // (schedule.batch_size * sets) * sets


@given(schedules(("stateless",)))
def test_stateless_and_stateful_make_equally_many_updates(schedule):
    counts = {
        Schedule(regime, schedule.rows, schedule.window, schedule.batch_size).updates_per_epoch
        for regime in ("stateless", "stateless-ordered", "stateful")
    }
    assert len(counts) == 1


@given(schedules(tuple(CONTIGUOUS)), st.integers(0, 2**31), st.integers(0, 50))
def test_no_target_is_trained_on_twice_in_an_epoch(schedule, seed, epoch):
    rows = rows_with_a_loss(schedule, schedule.epoch(seed, epoch)).ravel()
    assert len(np.unique(rows)) == len(rows) == schedule.updates_per_epoch * schedule.batch_size * schedule.window


@given(schedules(("stateful",), least_updates=2), st.integers(0, 2**31), st.integers(0, 50))
def test_carried_streams_continue_row_by_row(schedule, seed, epoch):
    starts = schedule.epoch(seed, epoch)
    check_continuation(starts, schedule.window)
    # Said without the function under test: the last row of a window is just before the first of the next.
    np.testing.assert_array_equal(starts[:-1] + schedule.window - 1, starts[1:] - 1)


@given(schedules(("stateful",), least_updates=2), st.data())
def test_a_row_that_starts_one_too_early_or_late_is_caught(schedule, data):
    starts = schedule.epoch(0, 0).copy()
    batch = data.draw(st.integers(0, len(starts) - 1))
    row = data.draw(st.integers(0, schedule.batch_size - 1))
    starts[batch, row] += data.draw(st.sampled_from([-1, 1]))
    with pytest.raises(ValueError, match=rf"row {row} of batch {max(1, batch)} "):
        check_continuation(starts, schedule.window)


@given(schedules(("stateful",), least_updates=2), st.data())
def test_two_rows_of_a_batch_that_changed_places_are_caught(schedule, data):
    if schedule.batch_size == 1:
        schedule = Schedule("stateful", 2 * schedule.rows, schedule.window, 2)
    starts = schedule.epoch(0, 0).copy()
    batch = data.draw(st.integers(0, len(starts) - 1))
    one, other = data.draw(st.permutations(range(schedule.batch_size)))[:2]
    starts[batch, [one, other]] = starts[batch, [other, one]]
    with pytest.raises(ValueError, match=rf"row {min(one, other)} of batch {max(1, batch)} "):
        check_continuation(starts, schedule.window)


@given(schedules(("stateful-stale",), least_updates=4), st.integers(0, 2**31))
def test_a_state_of_older_weights_is_that_before_the_burn_in_of_the_window_it_is_carried_to(schedule, seed):
    age, starts = regime_of(schedule.regime).updates_old, schedule.epoch(seed, 0)
    check_continuation(starts, schedule.steps, later=age)
    # Said without the function under test: the last row processed is just before the first one so many updates later.
    np.testing.assert_array_equal(starts[:-age] + schedule.steps - 1, starts[age:] - 1)
    starts[age, 0] += 1
    with pytest.raises(ValueError, match=rf"row 0 of batch {age} starts {schedule.steps + 1} rows"):
        check_continuation(starts, schedule.steps, later=age)


def test_a_state_one_update_old_without_burn_in_comes_in_the_order_of_stateful():
    one, other = (Schedule(regime, 400, 5, 4) for regime in ("stateful", "stateful-stale@1"))
    np.testing.assert_array_equal(one.epoch(3, 2), other.epoch(3, 2))


@pytest.mark.parametrize(
    ("age", "burn_in", "told"),
    [
        (7, 5, r"2 windows, so the age must be a multiple of that; use stateful-stale@6 or stateful-stale@8"),
        (1, 5, r"use stateful-stale@2"),
        (8, 3, r"must be whole windows; set burn_in to 0, 1, 2"),
    ],
)
def test_an_age_that_fits_no_window_is_refused_naming_one_that_does(age, burn_in, told):
    with pytest.raises(PlanError, match=told):
        Schedule(f"stateful-stale@{age}", 400, 5, 4, burn_in).check()


@given(st.integers(2, 40), st.data())
def test_carrying_state_over_overlapping_windows_is_caught(window, data):
    stride = data.draw(st.integers(1, window - 1))
    starts = stride * np.arange(5)[:, None] + 1000 * np.arange(3)
    with pytest.raises(ValueError, match=rf"starts {stride} rows after .* must start {window} rows"):
        check_continuation(starts, window)


def test_a_shuffled_epoch_is_no_continuation():
    with pytest.raises(ValueError, match="carried state would be wrong"):
        check_continuation(Schedule("stateless", 800, 4, 8).epoch(0, 0), 4)


def test_a_break_in_one_of_several_replicates_is_caught():
    schedule = Schedule("stateful", 400, 5, 4)
    starts = np.stack([schedule.epoch(seed, 0) for seed in range(3)], axis=1)
    check_continuation(starts, 5)
    starts[3:, 2, 1] += 5
    with pytest.raises(ValueError, match="row 1 of batch 3 starts 10 rows"):
        check_continuation(starts, 5)


@pytest.mark.parametrize("regime", CONTIGUOUS)
@pytest.mark.parametrize("window", [4, 16, SEASON])
def test_windows_stand_at_every_phase_of_the_season_over_the_epochs(regime, window):
    schedule = Schedule(regime, 3000, window, 4, window if regime_of(regime).burn_in else 0)
    starts = [schedule.epoch(0, epoch) for epoch in range(450)]
    assert {int(epoch[0, 0] % window) for epoch in starts} == set(range(window))
    assert set(np.unique(np.concatenate(starts) % SEASON)) == set(range(SEASON))


@given(schedules(tuple(CONTIGUOUS)), st.integers(0, 2**31), st.integers(0, 50))
def test_one_seed_draws_one_offset_for_all_arms(schedule, seed, epoch):
    rows, window, batch = schedule.rows, schedule.window, 1
    first = {
        int(Schedule(regime.replace("stale", "stale@1"), rows, window, batch).epoch(seed, epoch).min() % window)
        for regime in CONTIGUOUS  # a stream or a window starts at the offset, whatever comes after it
    }
    assert len(first) == 1


def test_offsets_differ_between_seeds_and_between_epochs():
    schedule = Schedule("stateful", 2000, 32, 4)
    assert len({int(schedule.epoch(seed, 0)[0, 0]) for seed in range(20)}) > 5
    assert len({int(schedule.epoch(0, epoch)[0, 0]) for epoch in range(20)}) > 5


@pytest.mark.parametrize("regime", SHUFFLED)
def test_shuffled_arms_take_another_order_each_epoch(regime):
    schedule = Schedule(regime, 600, 4, 4)
    # Less the offset, which alone would make epochs differ.
    orders = {tuple((starts - starts.min()).ravel()) for starts in (schedule.epoch(0, epoch) for epoch in range(6))}
    assert len(orders) == 6
    assert all(list(order) != sorted(order) for order in orders)


def test_the_ordered_arm_goes_forward_in_time():
    starts = Schedule("stateless-ordered", 600, 4, 4).epoch(3, 2).ravel()
    np.testing.assert_array_equal(np.diff(starts), 4)


@pytest.mark.parametrize("regime", REGIMES)
def test_an_epoch_can_be_made_again(regime):
    schedule = Schedule(regime, 600, 4, 4)
    np.testing.assert_array_equal(schedule.epoch(5, 7), schedule.epoch(5, 7))


@given(schedules(("stateless-sliding",)))
def test_sliding_windows_cover_every_row_but_for_the_last_batch_that_is_not_whole(schedule):
    rows = rows_with_a_loss(schedule, schedule.epoch(0, 0)).ravel()
    assert len(np.unique(rows)) == len(rows)
    assert schedule.rows - (schedule.window - 1) - len(rows) < schedule.batch_size
    alone = Schedule(schedule.regime, schedule.rows, schedule.window, 1)
    every = rows_with_a_loss(alone, alone.epoch(0, 0)).ravel()
    assert sorted(every) == list(range(schedule.window - 1, schedule.rows))


@given(schedules(("stateless-burnin",)))
def test_burn_in_steps_have_no_loss_and_all_others_have_the_same(schedule):
    feed = schedule.feed()
    assert len(feed.step_weights) == schedule.burn_in + schedule.window
    assert not feed.step_weights[: schedule.burn_in].any()
    np.testing.assert_allclose(feed.step_weights[schedule.burn_in :], 1 / schedule.window)


@given(schedules())
def test_the_weights_of_a_window_add_up_to_one_over_its_targets(schedule):
    feed = schedule.feed()
    assert feed.step_weights.sum() == pytest.approx(1)
    assert np.count_nonzero(feed.step_weights) == schedule.targets_per_window
    assert feed.carried == regime_of(schedule.regime).carried


def test_a_sliding_window_has_its_loss_at_the_last_step():
    assert Schedule("stateless-sliding", 100, 5, 2).feed().step_weights.tolist() == [0, 0, 0, 0, 1]


def largest(schedule):
    """The largest value that the refusal names."""
    with pytest.raises(PlanError) as refusal:
        schedule.check()
    return int(re.search(r"(?:up to window|batch size of at most) (\d+)", str(refusal.value))[1])


@pytest.mark.parametrize("regime", REGIMES)
@given(data=st.data())
def test_a_window_too_long_is_refused_naming_the_longest_that_fits(regime, data):
    rows = data.draw(st.integers(3, 400))
    # As a preset gives it: a burn-in is a multiple of its window.
    factor = data.draw(st.sampled_from([1, 3])) if regime_of(regime).burn_in else 0

    def arm(window):
        return Schedule(regime, rows, window, 1, factor * window)

    most = largest(arm(data.draw(st.integers(rows, 2 * rows))))
    if most:
        arm(most).check()
    largest(arm(most + 1))


@pytest.mark.parametrize("regime", REGIMES)
@given(data=st.data())
def test_a_batch_too_large_is_refused_naming_the_largest_that_fits(regime, data):
    schedule = data.draw(schedules((regime,)))
    regime, rows, window, burn_in = schedule.regime, schedule.rows, schedule.window, schedule.burn_in
    most = largest(Schedule(regime, rows, window, rows + 1, burn_in))
    good = Schedule(regime, rows, window, most, burn_in)
    good.check()
    assert good.epoch(0, 0).shape == (good.interleaved, most)
    assert largest(Schedule(regime, rows, window, most + 1, burn_in)) == most
