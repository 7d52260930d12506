"""Ratios of two processes: block by block where they took turns, else of their medians."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.costs.timings import Blocks, log_ratio, log_ratios, took_turns

ROUNDS = 12
slownesses = st.lists(st.floats(0.1, 10.0), min_size=ROUNDS, max_size=ROUNDS).map(np.array)
firsts = st.integers(0, 4)


def kept(seconds, first, group="together"):
    return Blocks(group, first, np.asarray(seconds)[first:])


@given(machine=slownesses, a=firsts, b=firsts, ratio=st.floats(0.1, 10.0))
def test_what_slows_down_both_cancels_whatever_warm_up_was_left_out(machine, a, b, ratio):
    one, other = kept(ratio * machine, a), kept(machine, b)
    assert took_turns(one, other)
    assert log_ratio(one, other) == pytest.approx(np.log(ratio), abs=1e-9)


@given(one=slownesses, other=slownesses, group=st.sampled_from(["together", None]))
def test_a_ratio_turned_round_is_its_inverse(one, other, group):
    a, b = kept(one, 0, group), kept(other, 2, group)
    assert log_ratio(a, b) == pytest.approx(-log_ratio(b, a))


@pytest.mark.parametrize("groups", [("x", "y"), (None, None), ("x", None)])
def test_processes_of_different_times_are_compared_by_their_medians(groups):
    a, b = kept([1.0, 2.0, 9.0], 0, groups[0]), kept([9.0, 2.0, 1.0], 0, groups[1])
    assert not took_turns(a, b)
    assert log_ratio(a, b) == 0


def test_processes_without_a_round_in_common_did_not_take_turns():
    a, b = Blocks("x", 0, np.array([1.0, 1.0])), Blocks("x", 2, np.array([3.0, 3.0]))
    assert not took_turns(a, b)
    assert log_ratio(a, b) == pytest.approx(-np.log(3))


def test_one_ratio_for_each_repetition_of_both():
    one, half = Blocks(None, 0, np.ones(3)), Blocks(None, 0, np.full(3, 0.5))
    assert log_ratios({0: one, 1: half, 2: one}, {1: one, 0: one, 7: half}) == pytest.approx([0, np.log(0.5)])


def test_processes_that_took_turns_are_one_observation_together():
    def ran(seconds, group):
        return Blocks(group, 0, np.full(3, seconds))

    # In the second pass something slows `a` alone, in both of its processes: that is one disturbance and not two.
    a = {0: ran(1.0, "x"), 2: ran(1.0, "x"), 1: ran(2.0, "y"), 3: ran(2.0, "y")}
    b = {0: ran(1.0, "x"), 2: ran(1.0, "x"), 1: ran(1.0, "y"), 3: ran(1.0, "y")}
    assert log_ratios(a, b) == pytest.approx([0, np.log(2)])
    # All pairs of a time count, whichever has more processes.
    assert log_ratios(a, {0: ran(4.0, "x")}) == pytest.approx([np.log(0.25)])
    # Groups apart: one value a pass too.
    assert log_ratios(a, {n: ran(1.0, f"other {'xy'[n % 2]}") for n in range(4)}) == pytest.approx([0, np.log(2)])
