"""Durations measured elsewhere stand in pytest-benchmark's own statistics."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.conftest import replay_timer

DURATIONS = [0.1, 0.25, 0.003, 3.7e-5, 0.25, 0.7, 1e-6, 12.0]

SESSION = """
    import pytest
    from bench.conftest import nothing, replay_timer

    @pytest.mark.benchmark(timer=replay_timer({durations}), group="g")
    def test_replayed(benchmark):
        benchmark.pedantic(nothing, rounds={rounds}, iterations=1)
"""


def stats(pytester, durations):
    pytester.makepyfile(SESSION.format(durations=durations, rounds=len(durations)))
    done = pytester.runpytest("--benchmark-json=found.json", "-q", "-p", "no:cacheprovider", "-p", "no:randomly")
    done.assert_outcomes(passed=1)
    (found,) = json.loads((pytester.path / "found.json").read_text())["benchmarks"]
    return found["stats"]


def test_a_session_reports_the_given_durations(pytester):
    found = stats(pytester, DURATIONS)
    assert found["data"] == pytest.approx(DURATIONS, rel=1e-9)
    assert found["rounds"] == len(DURATIONS)
    assert found["iterations"] == 1
    assert found["min"] == pytest.approx(1e-6, rel=1e-9)
    assert found["max"] == pytest.approx(12.0)
    assert found["mean"] == pytest.approx(sum(DURATIONS) / len(DURATIONS))
    assert found["median"] == pytest.approx((0.1 + 0.25) / 2)


def test_a_single_duration_is_enough(pytester):
    assert stats(pytester, [0.5])["data"] == [0.5]


@given(st.lists(st.floats(1e-7, 100), min_size=1, max_size=40))
def test_rounds_last_exactly_as_long_as_recorded(durations):
    timer = replay_timer(durations)
    readings = [timer() for _ in range(2 * len(durations))]
    assert [end - start for start, end in zip(readings[::2], readings[1::2], strict=True)] == durations


def test_more_rounds_than_were_recorded_are_an_error():
    timer = replay_timer([0.5])
    timer(), timer()
    with pytest.raises(StopIteration):
        timer()
