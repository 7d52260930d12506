"""Which time cases take turns with each other."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from bench.case.cases import Case
from bench.measure import interleave

cases = st.lists(
    st.builds(
        lambda window, cell, units, kernel, regime, repetition: Case(
            "time", "cosine", None, cell, regime, 1, units, window, 8, kernel, repetition=repetition
        ),
        window=st.sampled_from([8, 32]),
        cell=st.sampled_from(["lstm", "gru"]),
        units=st.sampled_from([16, 64]),
        kernel=st.sampled_from(["loop", "xla", "unrolled"]),
        regime=st.sampled_from(["stateful", "stateless"]),
        repetition=st.integers(0, 3),
    ),
    unique=True,
    max_size=40,
)


def cut(ordered, most):
    left, found = list(ordered), []
    while left:
        found.append(interleave.first_group(left, most))
        left = left[len(found[-1]) :]
    return found


@given(cases, st.integers(1, 24))
def test_every_case_is_in_one_group_and_no_group_is_too_large(named, most):
    found = cut(interleave.in_order(named), most)
    assert sorted(case.id for group in found for case in group) == sorted(case.id for case in named)
    assert all(1 <= len(group) <= most for group in found)


@given(cases)
def test_what_is_compared_takes_turns_where_it_fits(named):
    found = cut(interleave.in_order(named), 12)  # the most there are of one network in a pass
    where = {case: number for number, group in enumerate(found) for case in group}
    for a, b in combinations(named, 2):
        same_pass = a.repetition % 2 == b.repetition % 2
        if (a.cell, a.units, a.window) == (b.cell, b.units, b.window) and same_pass:
            assert where[a] == where[b]
        if a.window != b.window or not same_pass:
            assert where[a] != where[b]


@given(cases)
def test_the_second_pass_comes_after_the_first_and_what_has_none_last(named):
    again = {case.window for case in named if case.repetition % 2}
    ordered = [(case.window not in again, case.repetition % 2) for case in interleave.in_order(named)]
    assert ordered == sorted(ordered)


def test_cases_of_a_group_are_in_the_order_in_which_they_are_named():
    named = [
        Case("time", "cosine", None, "lstm", "stateful", 1, 16, window, 8, kernel)
        for window in (32, 8)
        for kernel in ("xla", "loop")
    ]
    assert interleave.in_order(named) == named


def test_there_may_be_none():
    assert interleave.in_order([]) == interleave.first_group([], 3) == []
