import math

import pytest

from reports import words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.123"), (9.996, "10.0"), (1234.5, "1 234"), (12, "12"), (0, "0"), (-0.5, "−0.500"),
        (math.inf, "∞"), (math.nan, "–"), (None, "–"), (2.5e7, "2.50·10^7"), (1e-5, "1.00·10^-5"),
    ],
)  # fmt: skip
def test_number(value, text):
    assert words.number(value).replace(words.THIN, " ") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(90, "90 s"), (150, "2.50 min"), (0.0123, "12.3 ms"), (4.2e-6, "4.20 µs"), (7200, "2 h"), (0, "0 s")],
)
def test_seconds(value, text):
    assert words.seconds(value).replace(words.THIN, " ") == text


def test_size_percent_and_lists():
    assert words.size(3 * 2**20).replace(words.THIN, " ") == "3 MiB"
    assert words.percent(0.123).replace(words.THIN, " ") == "12 %"
    assert words.listing(["a", "b", "c"]) == "a, b and c"
    assert words.listing([]) == "–"
    assert words.table_cell("a|b\n<i>") == "a\\|b &lt;i&gt;"
