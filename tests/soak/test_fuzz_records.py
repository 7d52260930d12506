"""Files with one thing changed at random, a few of those that `make soak` tries, the same ones each time."""

import fuzz_records
import pytest
from fuzz_records import Fate


@pytest.mark.parametrize(("fuzz", "count"), [("records", 12), ("run_json", 8), ("series", 100)])
def test_whatever_is_changed_is_read_as_before_or_named(fuzz, count):
    tally = getattr(fuzz_records, fuzz)(seed=7, count=count)
    assert tally.bad == []
    assert tally.count.total() == count
    # Most changes break something, and what does is found.
    assert tally.count[Fate.NAMED] + tally.count[Fate.REFUSED] > count / 3
