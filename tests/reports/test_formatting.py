import math

import pytest
from markdown_it import MarkdownIt

from reports import formatting


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.123"), (9.996, "10.0"), (1234.5, "1 234"), (12, "12"), (0, "0"), (-0.5, "−0.500"),
        (math.inf, "∞"), (math.nan, "–"), (None, "–"), (2.5e7, "2.50·10^7"), (1e-5, "1.00·10^-5"),
    ],
)  # fmt: skip
def test_number(value, text):
    assert formatting.number(value).replace(formatting.THIN, " ") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(90, "90 s"), (150, "2.50 min"), (0.0123, "12.3 ms"), (4.2e-6, "4.20 µs"), (7200, "2 h"), (0, "0 s")],
)
def test_seconds(value, text):
    assert formatting.seconds(value).replace(formatting.THIN, " ") == text


def test_size_percent_and_lists():
    assert formatting.size(3 * 2**20).replace(formatting.THIN, " ") == "3 MiB"
    assert formatting.percent(0.123).replace(formatting.THIN, " ") == "12 %"
    assert formatting.listing(["a", "b", "c"]) == "a, b and c"
    assert formatting.listing([]) == "–"
    assert formatting.table_cell("a|b\n<i>") == "a\\|b &lt;i&gt;"


def test_spaces_of_any_width_stay_and_commands_to_a_terminal_do_not():
    assert formatting.plain("48\u202fKiB\u00a0x") == "48\u202fKiB\u00a0x"
    assert "\x1b" not in formatting.plain("\x1b[31mred")


def test_counts_keep_all_their_digits_and_set_thousands_off_as_numbers_do():
    assert formatting.integer(31_077).replace(formatting.THIN, " ") == "31 077"
    assert formatting.count(1_706, "training").replace(formatting.THIN, " ") == "1 706 trainings"
    assert formatting.integer(1_706) == formatting.number(1706)
    assert formatting.count(1, "case") == "1 case"


@pytest.mark.parametrize(
    "text", ["# of sales", "~~~", "  - a", "* a", "> a", "[a]: http://b.c", "===", "a\n\n# b", "| a |"]
)
def test_no_text_begins_a_part_of_a_page(text):
    parser = MarkdownIt("commonmark").enable("table")
    shown = [
        one.type for one in parser.parse(f"before\n\n{formatting.plain(text)}\n\nafter {formatting.plain(text)}\n")
    ]
    assert shown == ["paragraph_open", "inline", "paragraph_close"] * 3
