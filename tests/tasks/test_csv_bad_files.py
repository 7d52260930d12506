"""Files as users have them: each is one clear sentence with the place and the remedy, or is handled as documented."""

import numpy as np
import pandas as pd
import pytest

from tasks.csv_series import table
from tasks.csv_series.prepare import prepare
from tasks.csv_series.request import Request
from tasks.task import CsvSeriesError

N = 300
VALUES = np.sin(np.arange(N) / 3) + np.random.default_rng(1).normal(size=N) * 0.1
TIMES = [str(one)[:16] for one in pd.date_range("2024-01-01", periods=N, freq="h")]


@pytest.fixture
def write(tmp_path):
    def _write(content, name="own.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return _write


def rows(values=VALUES, times=TIMES):
    return [f"{time},{value:.5f}" for time, value in zip(times, values, strict=True)]


def text(lines, header="time,load"):
    return "\n".join([header, *lines]) + "\n"


def changed(at, line):
    lines = rows()
    lines[at] = line
    return text(lines)


def without(*gone):
    return text([line for row, line in enumerate(rows()) if row not in gone])


def refusal(path, **options):
    with pytest.raises(CsvSeriesError) as error:
        prepare(Request(path, **options))
    said = str(error.value)
    assert "\n" not in said
    return said


BAD = {
    "text": (changed(10, f"{TIMES[10]},broken"), "line 12: 'load' is 'broken', which is no number", "FILL=last"),
    "several texts": (
        changed(10, f"{TIMES[10]},x").replace("-0.2", "y"),
        "line 12: 'load' is 'x', or",
        "such rows); mend",
    ),
    "missing": (changed(10, f"{TIMES[10]},"), "line 12: 'load' has no value (1 such row)", "FILL=last"),
    "named missing": (changed(10, f"{TIMES[10]},N/A"), "line 12: 'load' has no value", "FILL=last"),
    "infinite": (changed(10, f"{TIMES[10]},inf"), "line 12: 'load' is infinite", "leave such a value empty"),
    "minus infinite": (changed(10, f"{TIMES[10]},-Infinity"), "line 12: 'load' is infinite", "FILL=last"),
    "far off": (
        changed(290, f"{TIMES[290]},1e20"),
        "line 292: 'load' is 1e+20, 1e+20 standard deviations",
        "FILL=last",
    ),
    "overflow": (changed(10, f"{TIMES[10]},1e999"), "line 12: 'load' is infinite", "remove"),
    "blank line": (changed(10, ""), "line 12: 'time' is empty", "remove that row"),
    "gap": (without(10, 11), "line 12: 2 steps of one hour missing before it", "FILL=last"),
    "two gaps": (without(10, 20), "(2 in all)", "FILL=last"),
    "irregular": (
        changed(10, f"{TIMES[10][:-2]}17,1.0"),
        "line 12: 'time' goes from 2024-01-01 09:00 to 2024-01-01 10:17, where the usual step is hour",
        "TIME=none",
    ),
    "duplicate": (
        changed(10, f"{TIMES[9]},1.0"),
        "line 12: the time 2024-01-01 09:00 is already in line 11",
        "Remove one",
    ),
    "no time early": (changed(0, "soon,1.0"), "line 2: 'time' is 'soon', which is no time like", "TIME=none"),
    "no time": (changed(200, "soon,1.0"), "line 202: 'time' is 'soon', which is no time like the others", "TIME=none"),
    "empty time": (changed(200, ",1.0"), "line 202: 'time' is empty", "TIME=none"),
    "too many fields": (changed(10, f"{TIMES[10]},1,5"), "line 12 has 3 fields, the header 2", "decimals put ;"),
    "too few fields": (changed(10, TIMES[10]), "line 12 has 1 field, the header 2", "mend or remove"),
    "constant": (
        text(rows(np.full(N, 7.0))),
        "'load' is 7 in all 200 training rows (lines 2 to 201)",
        "another column",
    ),
    "constant later": (
        text(rows(np.where(np.arange(N) < 200, VALUES, 1.0))),
        "never changes in the",
        "Give a part in which it does",
    ),
    "50 rows": (text(rows()[:50]), "gives 50 values, too few", "at least 200"),
    "no header": (text(rows(), header=rows()[0]), "line 1 holds values", "add a header line, as in time,value"),
    "no header, with text": (
        text([f"a,{x}" for x in rows()], header=f"a,{TIMES[0]},1"),
        "line 1 holds values",
        "add a",
    ),
    "no header, whole numbers": (text([str(i * i % 17) for i in range(N)], header="3"), "line 1 holds values", "add a"),
    "no rows": ("time,load\n", "no values below", "header in line 1"),
    "empty": (b"", "is empty", "header line"),
    "only blank": (b"\n \n", "is empty", "header line"),
    "only a mark": (b"\xef\xbb\xbf", "is empty", "header line"),
    "binary": (bytes(range(256)) * 9, "is not a text file", "CSV, Parquet"),
    "workbook": (b"PK\x03\x04" + bytes(99), "torn ZIP archive or workbook", "write it again"),
    "gzip": (b"\x1f\x8b\x08" + bytes(99), "cannot be unpacked", "pack it again"),
    "torn parquet": (b"PAR1" + bytes(99), "no whole Parquet file", "write it again"),
    "an open quote": (changed(10, f'{TIMES[10]},"1.0'), "line 12: a quotation mark is opened", "mend that line"),
}


@pytest.mark.parametrize(("content", "what", "remedy"), BAD.values(), ids=BAD)
def test_a_bad_file_is_one_sentence_with_place_and_remedy(write, content, what, remedy):
    said = refusal(write(content))
    assert what in said
    assert remedy in said


def test_a_file_that_is_not_there_and_one_of_a_similar_name(write, tmp_path):
    write("x", "demand.csv")
    assert "Did you mean" in refusal(tmp_path / "demnd.csv")
    assert "demand.csv" in refusal(tmp_path / "demnd.csv")
    assert "there is no file" in refusal(tmp_path / "nowhere" / "x.csv")


def test_a_file_beyond_reason_is_refused_before_it_fills_the_memory(write, monkeypatch, tmp_path):
    monkeypatch.setattr(table, "MOST_ROWS", 250)
    assert "has more than 250 rows; keep its most recent part, as in (head -n 1" in refusal(write(text(rows())))
    pd.DataFrame({"load": VALUES}).to_parquet(tmp_path / "own.parquet")
    assert "has 300 rows, more than 250" in refusal(tmp_path / "own.parquet")


def test_a_folder(tmp_path):
    assert "is a folder; give the path of one file in it" in refusal(tmp_path)


@pytest.mark.parametrize("option", ["column", "time", "group"])
def test_a_column_that_does_not_exist_is_answered_with_the_nearest_and_all(write, option):
    said = refusal(write(text(rows())), **{option: "laod"})
    assert "has no column 'laod'. Did you mean 'load'? Columns: time, load." in said
    assert f"{option.upper()}=..." in said


def test_a_column_must_be_named_where_several_hold_numbers(write):
    lines = [f"{line},{i % 7}" for i, line in enumerate(rows())]
    said = refusal(write(text(lines, "time,load,wind")))
    assert "several columns hold numbers; say which one to predict, as in COLUMN=load. Columns: load, wind." in said
    assert "no column holds numbers" in refusal(write(text([f"{t},word" for t in TIMES])))


def test_the_hour_that_comes_twice_when_summer_time_ends(write):
    local = pd.date_range("2024-10-20", periods=N, freq="h", tz="Europe/Berlin")
    said = refusal(write(text(rows(times=[str(one)[:16] for one in local]))))
    assert "the time 2024-10-27 02:00 is already in line" in said
    assert "write times in UTC or with their offset" in said
    whole = prepare(Request(write(text(rows(times=[one.isoformat() for one in local])))))
    assert whole.about["step"] == "hour"
    assert whole.about["values"] == N


def test_the_hour_that_is_lost_when_summer_time_begins(write):
    local = pd.date_range("2024-03-25", periods=N, freq="h", tz="Europe/Berlin")
    said = refusal(write(text(rows(times=[str(one)[:16] for one in local]))))
    assert "1 step of one hour missing before it" in said
    assert "write it in UTC" in said


def test_dates_that_may_be_read_both_ways_are_asked_about_and_the_answer_is_kept_to(write):
    months = pd.date_range("2000-01-01", periods=N, freq="MS").strftime("%d/%m/%Y")
    path = write(text(rows(VALUES, months)))
    assert "line 3: 'time' is '01/02/2000', which may be 2000-02-01 or 2000-01-02" in refusal(path)
    assert "say DAYFIRST=yes or DAYFIRST=no" in refusal(path)
    assert prepare(Request(path, dayfirst=True)).about["step"] == "month"
    assert "steps are irregular" in refusal(path, dayfirst=False) or "missing before it" in refusal(
        path, dayfirst=False
    )


def test_thousands_or_decimals_are_not_guessed(write):
    lines = [f"{t};{'1.234' if i % 2 else 987}" for i, t in enumerate(TIMES)]
    path = write(text(lines, "time;load"))
    assert "may be 1234 or 1.234" in refusal(path)
    assert "DECIMAL=, or DECIMAL=." in refusal(path)
    assert prepare(Request(path, decimal=",")).about["scale"]["mean"] > 1000
    assert prepare(Request(path, decimal=".")).about["scale"]["mean"] < 600
    lines = [f"{t};{i % 9 + 1},125" for i, t in enumerate(TIMES)]
    path = write(text(lines, "time;load"))
    assert "may be 1125 or 1.125" in refusal(path)
    assert prepare(Request(path, decimal=",")).about["scale"]["mean"] < 10


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"period": 1}, "PERIOD=1 is not valid; give a whole number of steps from 2 to 99"),
        ({"period": 150}, "PERIOD=150 is not valid"),
        ({"fill": "zero"}, "FILL=zero is not valid; FILL=last"),
        ({"rows": 20}, "ROWS=20 is too few; use at least 200"),
        ({"decimal": ";"}, "DECIMAL=; is not valid"),
        ({"member": "a"}, "SERIES=a needs GROUP=..."),
        ({"column": "load", "inputs": ("load",)}, "INPUTS names 'load', whose own past is always seen"),
        ({"column": "load", "inputs": ("wind",)}, "no column 'wind'"),
    ],
)
def test_an_option_that_is_not_valid_says_what_is(write, options, what):
    assert what in refusal(write(text(rows())), **options)


def test_too_much_to_fill_is_refused(write):
    said = refusal(write(without(*range(20, 120))), fill="last")
    assert "100 of 300 values are missing, more than 20%" in said
