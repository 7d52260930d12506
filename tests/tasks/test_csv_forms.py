"""The same series in the forms that files have: the same values in the same order, and what was skipped is told."""

import bz2
import gzip
import io
import json
import zipfile

import numpy as np
import pandas as pd
import pytest

from tasks.csv_series.codes import codes_for_no_value
from tasks.csv_series.prepare import prepare
from tasks.csv_series.request import Request
from tasks.csv_series.times import read_stamps
from tasks.csv_series.written import is_number, plain
from tasks.task import CsvSeriesError

N = 400
RNG = np.random.default_rng(7)
VALUES = np.round(20 + 3 * np.sin(2 * np.pi * np.arange(N) / 24) + RNG.normal(size=N), 3)
HOURS = pd.date_range("2023-10-05", periods=N, freq="h")
DAYS = pd.date_range("2019-12-05", periods=N, freq="D")
MONTHS = pd.date_range("1970-03-01", periods=N, freq="MS")


@pytest.fixture
def write(tmp_path):
    def _write(content, name="own.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return _write


def found(prepared):
    """The values in the file's unit."""
    scale, series = prepared.about["scale"], prepared.series
    return np.append(series.inputs[:, 0], series.targets[-1, 0]) * scale["deviation"] + scale["mean"]


def refusal(path, **options):
    with pytest.raises(CsvSeriesError) as error:
        prepare(Request(path, **options))
    return str(error.value)


def text(times, values=VALUES, header="time,load", sep=","):
    return "\n".join([header, *(f"{time}{sep}{value}" for time, value in zip(times, values, strict=True))]) + "\n"


def newest_first(content):
    header, *lines = content.splitlines()
    return "\n".join([header, *lines[::-1]]) + "\n"


def hour_ending(stamp):
    """An hour by its end, from 1 to 24."""
    return f"{stamp:%d/%m/%Y};{stamp.hour + 1}"


TIMES = {
    "month names": (text(DAYS.strftime('"%b %d, %Y"')), "day"),
    "month names in full": (text(DAYS.strftime('"%A, %B %d, %Y"')), "day"),
    "day, month name, short year": (text(DAYS.strftime("%d-%b-%y")), "day"),
    "day first with dashes": (text(HOURS.strftime("%d-%m-%Y %H:%M")), "hour"),
    "short year": (text([f"{t.month}/{t.day}/{t:%y}" for t in DAYS]), "day"),
    "short year, day first": (text(DAYS.strftime("%d.%m.%y")), "day"),
    "UTC": (text(HOURS.strftime("%Y-%m-%d %H:%M UTC")), "hour"),
    "zone": (text(HOURS.strftime("%Y-%m-%d %H:%M:%S CET")), "hour"),
    "intervals": (text([f"{t:%Y-%m-%dT%H:%MZ}/{t + pd.Timedelta('1h'):%Y-%m-%dT%H:%MZ}" for t in HOURS]), "hour"),
    "long intervals": (text([f"{t:%d.%m.%Y %H:%M} - {t:%d.%m.%Y %H:59}" for t in HOURS]), "hour"),
    "half days": (text(HOURS.strftime("%m/%d/%Y %I:%M:%S %p")), "hour"),
    "midnight as 24:00": (
        text([f"{t - pd.Timedelta('1h'):%Y-%m-%d} 24:00" if t.hour == 0 else f"{t:%Y-%m-%d %H:%M}" for t in HOURS]),
        "hour",
    ),
    "midnight without hours": (
        text([f"{t:%d.%m.%Y}" if t.hour == 0 else f"{t:%d.%m.%Y %H:%M}" for t in HOURS]),
        "hour",
    ),
    "digits alone": (text(HOURS.strftime("%Y%m%d%H"), header="MESS_DATUM,load"), "hour"),
    "digits and a colon": (text(HOURS.strftime("%Y%m%d:%H10")), "hour"),
    "days in digits": (text(DAYS.strftime("%Y%m%d"), header="date,load"), "day"),
    "months": (text(MONTHS.strftime("%Y-%m")), "month"),
    "months with slashes": (text(MONTHS.strftime("%m/%Y")), "month"),
    "months in digits": (text(MONTHS.strftime("%Y%m"), header="date,load"), "month"),
    "months with M": (text(MONTHS.strftime("%YM%m")), "month"),
    "months by name": (text(MONTHS.strftime("%b %Y")), "month"),
    "months by name, short year": (text(MONTHS.strftime("%b-%y")), "month"),
    "quarters": (text([f"{1900 + i // 4}Q{i % 4 + 1}" for i in range(N)]), "3 months"),
    "quarters, the other way": (text([f"Q{i % 4 + 1} {1900 + i // 4}" for i in range(N)]), "3 months"),
    "weeks": (text(pd.date_range("2015-01-05", periods=N, freq="W-MON").strftime("%G-W%V")), "7 days"),
    "a spreadsheet's days": (text([43831 + i / 24 for i in range(N)], header="Date,load"), "hour"),
    "date and time": (text(HOURS.strftime("%d/%m/%Y;%H:%M:%S"), header="Date;Time;load", sep=";"), "hour"),
    "date and time with points": (text(HOURS.strftime("%d/%m/%Y;%H.%M.%S"), header="Date;Time;load", sep=";"), "hour"),
    "date and hour from 1 to 24": (text(map(hour_ending, HOURS), header="Fecha;Hora;load", sep=";"), "hour"),
    "date and hours as 1830": (text(HOURS.strftime("%Y-%m-%d,%H30"), header="date,hhmm,load"), "hour"),
    "parts": (
        text([f"{t.year},{t.month},{t.day},{t.hour}" for t in HOURS], header="year,month,day,hour,load"),
        "hour",
    ),
    "day of the year": (text(DAYS.strftime("%Y,%-j"), header="YEAR,DOY,load"), "day"),
    "year and month": (text([f"{t.year},{t.month}" for t in MONTHS], header="Year,Mon,load"), "month"),
    "time and zone": (
        text(
            [
                f"{t:%Y-%m-%d %H:%M},{t:%Z}"
                for t in pd.date_range("2023-10-25", periods=N, freq="h", tz="Europe/Berlin")
            ],
            header="datetime,tz_cd,load",
        ),
        "hour",
    ),
}


@pytest.mark.parametrize("backwards", [False, True], ids=["", "newest first"])
@pytest.mark.parametrize(("content", "step"), TIMES.values(), ids=TIMES)
def test_times_are_read_however_they_are_written(write, content, step, backwards):
    prepared = prepare(Request(write(newest_first(content) if backwards else content), column="load"))
    np.testing.assert_allclose(found(prepared), VALUES)
    assert prepared.about["step"] == step
    assert any("not in the order of time" in note for note in prepared.about["notes"]) is backwards


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2019-11-03 01:00 EDT", "2019-11-03 05:00"),
        ("2020-10-25 02:00 CEST", "2020-10-25 00:00"),
        ("31.12.2020 23:45 +0100", "2020-12-31 22:45"),
        ("Mon, 06 Jan 2020 10:11:12 GMT", "2020-01-06 10:11:12"),
        ("20/03/2023 24", "2023-03-21"),
        ("1/31/2020 12:00:00 AM", "2020-01-31"),
        ("5-Sept-69", "1969-09-05"),
        ("5-Sep-68", "2068-09-05"),
        ("2020-01-01 05:00 (CET)", "2020-01-01 04:00"),
        *(
            (text, None)
            for text in ("soon", "17:24:00", "01/02", "may 4", "5s", "30-02-2020", "2020-01-01 25:00", "12")
        ),
        *(
            (text, None)
            for text in ("2020-01-01 24:30", "2020-13-01", "1.2.345", "2020-01-01 13:00 pm", "9.5.2020 xyz")
        ),
    ],
)
def test_one_time(written, read):
    stamp = read_stamps(pd.Series([written], dtype=object)).stamps[0]
    assert pd.isna(stamp) if read is None else stamp == pd.Timestamp(read)


def test_a_column_named_like_a_time_that_cannot_be_read_is_no_reason_for_the_order_of_the_file(write):
    path = write(text([f"kl. {t:%H}" for t in HOURS], header="Timestamp,load"))
    assert "'Timestamp' seems to hold times and is 'kl. 00', which cannot be read" in refusal(path)
    assert "TIME=none" in refusal(path)
    np.testing.assert_allclose(found(prepare(Request(path, time="none"))), VALUES)


def test_a_clock_in_two_columns_may_be_named(write):
    path = write(text(HOURS.strftime("%Y-%m-%d,%H:%M"), header="a,b,load"))
    assert prepare(Request(path, time="a,b")).about["time"] == "a,b"
    assert "no column 'c'" in refusal(path, time="a,c")


def test_gaps_are_seen_in_every_kind_of_time(write):
    gone = [i for i in range(N) if not 100 <= i < 150]
    for content in (
        text(HOURS[gone].strftime("%d-%m-%Y %H:%M"), VALUES[gone]),
        text(map(hour_ending, HOURS[gone]), VALUES[gone], "Fecha;Hora;load", ";"),
    ):
        assert "50 steps of one hour missing before it" in refusal(write(content), column="load")


COMMENTED = "# made by a logger\n# unit: degC\n"
BODY = text(HOURS)
LINES = BODY.splitlines()
FORMS = {
    "comments": (COMMENTED + BODY, "2 lines of comments (#) were skipped"),
    "header in a comment": ("# logger\n# " + BODY, "1 line of comments"),
    "preamble": ("Station: somewhere\nLatitude (deg): 45.0\n\n" + BODY, "Lines 1 to 2 above the header were skipped"),
    "preamble with commas": ("lat,lon,height\n45.0,7.1,200\n\n" + BODY, "Lines 1 to 2 above the header were skipped"),
    "titles of a spreadsheet": ("Loads of a town,\n,\n" + BODY, "Line 1 above the header was skipped"),
    "sep=": ("sep=;\n" + BODY.replace(",", ";"), None),
    "units": ("\n".join([LINES[0], "UTC,degC", *LINES[1:]]), "Line 2 below the header"),
    "units of values alone": ("\n".join([LINES[0], ",degC", *LINES[1:]]), "Line 2 below the header"),
    "formats": ("\n".join([LINES[0], "20d,14n", *LINES[1:]]), "Line 2 below the header"),
    "footer": (BODY + "\nSource: somewhere\n", "1 line below the values, from line 403, was skipped"),
    "footer with commas": (
        "\n".join(
            [LINES[0] + ",", *(line + "," for line in LINES[1:]), ",,", "Loads of a town, in a country, 1981-1990"]
        ),
        "1 line below the values",
    ),
    "header repeated": ("\n".join([*LINES[:100], LINES[0], *LINES[100:]]), "The header is repeated in 1 line"),
    "trailing delimiters": ("\n".join(line.replace(",", ";") + ";;" for line in LINES) + "\n;;;\n", None),
    "blanks between": (
        "\n".join(
            f"  {a}   {float(b):8.3f}" if b != "load" else f"{a}  {b}"
            for a, b in (line.replace(" ", "T").split(",") for line in LINES)
        ),
        None,
    ),
}


@pytest.mark.parametrize(("content", "note"), FORMS.values(), ids=FORMS)
def test_what_is_around_the_values_is_skipped_and_told(write, content, note):
    prepared = prepare(Request(write(content)))
    np.testing.assert_allclose(found(prepared), VALUES)
    assert (prepared.about["time"], prepared.about["column"], prepared.about["step"]) == ("time", "load", "hour")
    if note:
        assert any(note in one for one in prepared.about["notes"]), prepared.about["notes"]
    else:
        assert not prepared.about["notes"]


def test_several_header_lines(write):
    head = "Price,Close,High\nTicker,MSFT,MSFT\nDate,,\n"
    content = head + "".join(f"{t:%Y-%m-%d},{v},{v + 1}\n" for t, v in zip(DAYS, VALUES, strict=True))
    prepared = prepare(Request(write(content), column="Close"))
    np.testing.assert_allclose(found(prepared), VALUES)
    assert prepared.about["time"] == "Date"
    twins = content.replace("Close,High", "Close,Close").replace("MSFT,MSFT", "MSFT,IBM")
    np.testing.assert_allclose(found(prepare(Request(write(twins), column="Close IBM"))), VALUES + 1)


def zipped(content, *names):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name in names:
            archive.writestr(name, content)
    return data.getvalue()


def as_json_lines(times=HOURS):
    rows = zip(times, VALUES, strict=True)
    return "".join(json.dumps({"time": f"{t:%Y-%m-%dT%H:%M:%S}", "load": v}) + "\n" for t, v in rows)


PACKED = {
    "gzip": gzip.compress(BODY.encode()),
    "bzip2": bz2.compress(BODY.encode()),
    "zip": zipped(BODY, "load.csv"),
    "JSON lines": as_json_lines(),
    "JSON lines, packed": gzip.compress(as_json_lines().encode()),
    "a JSON object of columns": json.dumps(
        {"at": "here", "hourly": {"time": [f"{t:%Y-%m-%dT%H:%M}" for t in HOURS], "load": list(VALUES)}}
    ),
    "a JSON object with the rows": json.dumps({"rows": [json.loads(one) for one in as_json_lines().splitlines()]}),
    "times that are objects": "".join(
        json.dumps({"ts": {"seconds": int(t.timestamp())}, "load": v}) + "\n"
        for t, v in zip(HOURS, VALUES, strict=True)
    ),
    "a JSON list": "[\n" + ",\n".join(as_json_lines().splitlines()) + "\n]",
}


@pytest.mark.parametrize("content", PACKED.values(), ids=PACKED)
def test_packed_files_and_json_are_the_same_series(write, content):
    assert prepare(Request(write(content))).sha256 == prepare(Request(write(BODY, "plain.csv"))).sha256


def test_archives_and_json_that_cannot_be_read_say_why(write):
    assert "holds 2 files (a.csv, b.csv); unpack it" in refusal(write(zipped(BODY, "a.csv", "b.csv")))
    assert "cannot be unpacked" in refusal(write(gzip.compress(BODY.encode())[:200]))
    assert "no whole file of JSON lines" in refusal(write(as_json_lines()[:-9]))


def test_with_points_between_its_parts_a_date_has_its_day_first(write):
    times = pd.date_range("2021-02-01", periods=N, freq="5min")

    def dated(form):
        return write("time,load\n" + "".join(f"{t:{form}},{v}\n" for t, v in zip(times, VALUES, strict=True)))

    about = prepare(Request(dated("%d.%m.%Y %H:%M"))).about
    assert (about["step"], about["last"][:10]) == ("5 minutes", "02.02.2021")
    assert "say DAYFIRST=yes or DAYFIRST=no" in refusal(dated("%d/%m/%Y %H:%M"))
    assert "missing before it" in refusal(dated("%d.%m.%Y %H:%M"), dayfirst=False)


def test_columns_that_are_series_are_to_be_made_one(write):
    def wide(*names):
        return write("date," + ",".join(names) + "\n" + f"2021-01-01,{','.join('1' for _ in names)}\n" * 3)

    many = refusal(wide(*(f"store_{i}" for i in range(40))))
    assert "store_23 and 16 more. If each is a series of its own" in many
    assert "make one column of them, as pandas' melt does" in many
    assert "melt" not in refusal(wide("load", "wind", "rain"))


SPREADSHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
"""Names of a workbook's parts, as ECMA-376 has them."""


def workbook(rows):
    """The least that a spreadsheet program writes: texts in place, numbers, times as days with a format of dates."""

    def cell(place, value):
        if isinstance(value, pd.Timestamp):
            return f'<c r="{place}" s="1"><v>{(value - pd.Timestamp("1899-12-30")) / pd.Timedelta(days=1)!r}</v></c>'
        if isinstance(value, str):
            return f'<c r="{place}" t="inlineStr"><is><t>{value}</t></is></c>'
        return f'<c r="{place}"><v>{value!r}</v></c>'

    def line(i, row):
        return "".join(cell(f"{'AB'[j]}{i}", value) for j, value in enumerate(row) if value is not None)

    lines = "".join(f'<row r="{i}">{line(i, row)}</row>' for i, row in enumerate(rows, 1))
    main = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{main}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{main}.worksheet+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{main}.styles+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
        f'<Relationship Id="r1" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{SPREADSHEET}" xmlns:r="{OFFICE}"><sheets>'
        '<sheet name="Loads" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
        f'<Relationship Id="r1" Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="r2" Type="{OFFICE}/styles" Target="styles.xml"/></Relationships>',
        # Format 22 is the built-in one of a date with a time.
        "xl/styles.xml": f'<styleSheet xmlns="{SPREADSHEET}"><cellXfs count="2"><xf numFmtId="0"/>'
        '<xf numFmtId="22" applyNumberFormat="1"/></cellXfs></styleSheet>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{SPREADSHEET}"><sheetData>{lines}</sheetData></worksheet>',
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>{content}')
    return packed.getvalue()


def test_a_workbook_is_the_same_series(write):
    pytest.importorskip("python_calamine", reason="pip install 'statebench[excel]'")
    cells = [
        ["Loads of a town", None],
        [None, None],
        ["time", "load"],
        *([time, float(value)] for time, value in zip(HOURS, VALUES, strict=True)),
    ]
    prepared = prepare(Request(write(workbook(cells), "own.xlsx")))
    np.testing.assert_allclose(found(prepared), VALUES)
    assert prepared.about["notes"] == [
        "The first sheet of the workbook was read.",
        "Line 1 above the header was skipped.",
    ]
    assert (prepared.about["step"], prepared.about["first_line"]) == ("hour", 4)
    assert prepared.about["last"] == "2023-10-21 15:00:00"
    cells[10][1] = "broken"
    assert "row 11: 'load' is 'broken', which is no number" in refusal(write(workbook(cells), "own.xlsx"))


def test_without_its_package_a_workbook_names_it(write, monkeypatch):
    def missing(*_args, **_options):
        raise ImportError

    monkeypatch.setattr(pd, "read_excel", missing)
    said = refusal(write(zipped("<x/>", "[Content_Types].xml"), "own.xlsx"))
    assert "needs a package: pip install 'python-calamine" in said


@pytest.mark.parametrize(
    "index",
    [HOURS, HOURS.rename("when"), pd.Index(HOURS.strftime("%d-%m-%Y %H:%M"))],
    ids=["nameless", "named", "texts"],
)
def test_a_parquet_files_index_is_a_column(tmp_path, index):
    path = tmp_path / "own.parquet"
    frame = pd.DataFrame({"load": VALUES}, index=index)
    frame.sample(frac=1, random_state=1).to_parquet(path)
    prepared = prepare(Request(path))
    np.testing.assert_allclose(found(prepared), VALUES)
    assert prepared.about["step"] == "hour"
    frame.drop(index[100:150]).to_parquet(path)
    assert "50 steps of one hour missing before it" in refusal(path)


def test_a_parquet_files_index_of_station_and_time_is_two_series(tmp_path):
    path = tmp_path / "own.parquet"
    index = pd.MultiIndex.from_product([["a", "b"], HOURS], names=["station", "time"])
    pd.DataFrame({"load": np.concatenate([VALUES, -VALUES])}, index=index).to_parquet(path)
    assert "GROUP=station tells them apart" in refusal(path)
    np.testing.assert_allclose(found(prepare(Request(path, group="station", member="b"))), -VALUES)


def test_a_name_that_is_there_twice_matters_only_if_it_is_asked_for(tmp_path):
    frame = pd.DataFrame({"time": HOURS, "x": 1.5, "y": VALUES, "load": VALUES})
    frame.columns = ["time", "x", "x", "load"]
    frame.to_csv(tmp_path / "own.csv", index=False)
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    columns = [pa.array(frame.iloc[:, i]) for i in range(4)]
    pq.write_table(pa.Table.from_arrays(columns, names=list(frame.columns)), tmp_path / "own.parquet")
    for name in ("own.csv", "own.parquet"):
        path = tmp_path / name
        np.testing.assert_allclose(found(prepare(Request(path, column="load"))), VALUES)
        assert prepare(Request(path, column="load")).series.inputs.shape[1] == 1
        assert "has 2 columns 'x'; name one by its place, as in COLUMN='x (column 2)'" in refusal(path, column="x")
        np.testing.assert_allclose(found(prepare(Request(path, column="x (column 3)"))), VALUES)


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("12.5 %", "12.5"),
        ("$1,234.50", "1,234.50"),
        ("1 234,5 €", "1234,5"),
        ("1\u202f234\u202f567,5", "1234567,5"),
        ("\u22123.5", "-3.5"),
        ("1'234.5", "1234.5"),
        ("(1,200)", "-1,200"),
        ("-$5", "-5"),
        ("EUR 7", "7"),
        ("+2.0", "+2.0"),
    ],
)
def test_what_is_written_beside_the_digits(written, number):
    assert plain(written) == number
    assert is_number(written)


@pytest.mark.parametrize("written", ["12 34", "1 2 3", "5 kW", "$", "%", "1-2", "12:30", "Jan"])
def test_what_is_no_number(written):
    assert not is_number(written)


def test_percent_currency_and_blanks_in_a_column(write):
    forms = [lambda v: f"{v:.3f}%", lambda v: f"€ {v:.3f}", lambda v: f"{1000 * v:,.0f}".replace(",", "\u202f")]
    for form, factor in zip(forms, (1, 1, 1000), strict=True):
        prepared = prepare(Request(write(text(HOURS, map(form, VALUES)))))
        np.testing.assert_allclose(found(prepared), factor * VALUES, atol=0.6)
    below = [f"\u2212{v:.3f}" for v in VALUES]
    np.testing.assert_allclose(found(prepare(Request(write(text(HOURS, below))))), -VALUES)


WAVES = np.abs(RNG.normal(size=900)) * 100 + 2
CODES = {
    "-200 below gases": (np.where(np.arange(900) % 19 == 3, -200, WAVES), [-200]),
    "-999": (np.where(np.arange(900) % 37 == 5, -999, WAVES), [-999]),
    "one -9999": (np.where(np.arange(900) == 5, -9999, WAVES), [-9999]),
    "9999": (np.where(np.arange(900) % 37 == 5, 9999, WAVES), [9999]),
    "-999.9 in 32 bits": (
        np.where(np.arange(900) % 37 == 5, np.float64(np.float32(-999.9)), WAVES),
        [float(np.float32(-999.9))],
    ),
    "two codes": (np.select([np.arange(900) % 37 == 5, np.arange(900) % 41 == 6], [-999, 9999], WAVES), [-999, 9999]),
    "-1e30": (np.where(np.arange(900) % 100 == 5, -1e30, WAVES), [-1e30]),
    "0 among large": (np.where(np.arange(900) % 37 == 5, 0, 30_000 + 20 * WAVES), [0]),
    "rain": (np.where(np.arange(900) % 3 == 0, 0, np.round(WAVES / 100, 1)), []),
    "counts": (np.arange(900) % 23.0, []),
    "two states": (np.arange(900) % 2 * 1.0, []),
    "percent up to 99": (np.minimum(99.0, np.round(WAVES)), []),
    "one outlier": (np.where(np.arange(900) == 5, 5000.0, WAVES), []),
    "signs": (np.sign(RNG.normal(size=900)), []),
    "temperatures": (np.round(VALUES, 1), []),
    "nothing": (np.full(900, np.nan), []),
}


@pytest.mark.parametrize(("values", "codes"), CODES.values(), ids=CODES)
def test_numbers_that_stand_for_no_value(values, codes):
    assert sorted(codes_for_no_value(values)) == sorted(codes)


def test_a_code_for_no_value_is_asked_about_and_the_answer_is_kept_to(write):
    coded = np.where(np.arange(N) % 37 == 5, -999.0, VALUES)
    path = write(text(HOURS, coded))
    said = refusal(path)
    assert "line 7: 'load' is -999, far from all other values" in said
    assert "(11 such rows)" in said
    assert "MISSING=-999 and FILL=last" in said
    np.testing.assert_allclose(found(prepare(Request(path, no_value=()))), coded)
    filled = np.where(np.arange(N) % 37 == 5, np.roll(VALUES, 1), VALUES)
    np.testing.assert_allclose(found(prepare(Request(path, no_value=("-999",), fill="last"))), filled)
    assert "no value (11 such rows)" in refusal(path, no_value=("-999", "off"))
    words = write(text(HOURS, ["off" if i % 37 == 5 else v for i, v in enumerate(VALUES)]))
    np.testing.assert_allclose(found(prepare(Request(words, no_value=("off",), fill="last"))), filled)


def test_all_faults_are_said_at_once_with_counts_and_one_remedy_each(write):
    lines = [*LINES]
    lines[5] = lines[5].split(",")[0] + ",broken"
    lines[6] = lines[6].split(",")[0] + ",inf"
    lines[9:12] = ["soon,20.0"] * 3
    lines[20] += ",7"
    lines[30] = lines[29].split(",")[0] + ",20.0"
    said = refusal(write("\n".join(lines)))
    assert said.startswith("own.csv has 5 faults:\n1. ")
    for part in ("line 21 has 3 fields", "line 10: 'time' is 'soon', which is no time like the others (3 such rows)"):
        assert part in said
    for part in ("line 31: the time", "line 6: 'load' is 'broken', which is no number", "line 7: 'load' is infinite"):
        assert part in said
    assert "missing before" not in said  # what the rows that are left out leave behind


def test_the_repeated_hour_in_autumn_at_any_step_is_advised_on_as_one(write):
    for freq in ("h", "30min", "5min"):
        local = pd.date_range("2023-10-28 20:00", periods=N, freq=freq, tz="Europe/Berlin")
        said = refusal(write(text([str(one)[:16] for one in local])))
        assert "If local time was set back there" in said
        assert "GROUP" not in said


def test_advice_on_times_that_are_there_twice_is_some_that_can_work(write):
    both = [f"{t},{s},{v}" for s, sign in (("a", 1), ("b", -1)) for t, v in zip(HOURS, sign * VALUES, strict=True)]
    path = write("\n".join(["time,station,load", *both]))
    assert "GROUP=station tells them apart" in refusal(path, column="load")
    twice = write("\n".join(["time,station,load", *both, *both]))
    said = refusal(twice, column="load", group="station")
    assert "rows of one series already; remove one of the two" in said
    assert "GROUP" not in said
    assert "GROUP" not in refusal(twice, column="load")


def test_the_column_of_an_example_is_one_that_can_be_predicted(write):
    lines = [f"{i},7,{t},{v},{v}" for i, (t, v) in enumerate(zip(HOURS, VALUES, strict=True))]
    assert "as in COLUMN=load. Columns: No, site, load, wind" in refusal(
        write("\n".join(["No,site,time,load,wind", *lines]))
    )


def test_prices_as_yfinance_writes_them_have_three_lines_above_and_working_days(write):
    days = pd.bdate_range("2022-01-03", periods=N)
    rows = [f"{day:%Y-%m-%d},{value},{value + 1}" for day, value in zip(days, VALUES, strict=True)]
    head = ["Price,Close,High", "Ticker,XYZ,XYZ", "Date,,"]
    prepared = prepare(Request(write("\n".join([*head, *rows])), column="Close"))
    np.testing.assert_allclose(found(prepared), VALUES)
    assert (prepared.about["step"], prepared.about["time"]) == ("working day", "Date")
    assert "Lines 2 to 3 below the header, without values, were skipped." in prepared.about["notes"]


def test_countries_as_our_world_in_data_writes_them_are_series_of_years(write):
    countries = {"Albania": "ALB", "Africa": "", "World": "OWID_WRL"}
    years = range(1900, 2000)
    rows = [
        f"{name},{code},{year},{VALUES[i + 100 * k]}"
        for k, (name, code) in enumerate(countries.items())
        for i, year in enumerate(years)
    ]
    path = write("\n".join(["Entity,Code,Year,CO₂ per capita", *rows]))
    # Code is empty for what is no country.
    assert "the time 1900-01-01 is already in line 2" in (said := refusal(path))
    assert "GROUP=Entity tells them apart" in said
    about = prepare(Request(path, group="Entity")).about
    assert (about["step"], about["members"]) == ("year", ["Africa", "Albania", "World"])


def test_a_number_with_a_quality_code_as_noaa_writes_it_is_no_decimal_comma(write):
    rows = [
        f'"01001099999","{hour:%Y-%m-%dT%H:%M:%S}","{10 * v:+05.0f},1"' for hour, v in zip(HOURS, VALUES, strict=True)
    ]
    said = refusal(write("\n".join(['"STATION","DATE","TMP"', *rows])), column="TMP")
    assert f"line 2: 'TMP' is '{10 * VALUES[0]:+05.0f},1', a number with a code behind a comma" in said
    assert "(400 such rows); make two columns of it" in said


def test_a_file_without_names_in_which_a_word_recurs_is_told_so(write):
    days = pd.date_range("2022-01-01", periods=N)
    rows = [f"ASN00015643,{day:%Y%m%d},TMAX,{10 * v:.0f},,,a," for day, v in zip(days, VALUES, strict=True)]
    assert "line 1 holds values (ASN00015643, 20220101, TMAX) where the names" in refusal(write("\n".join(rows)))


@pytest.mark.parametrize(("freq", "rows"), [("h", 1), ("30min", 2), ("5min", 12)])
def test_an_hour_that_is_missing_may_be_that_of_spring(write, freq, rows):
    times = pd.date_range("2024-03-31", periods=N + rows, freq=freq)

    def without(rows):
        there = [*times[:20], *times[20 + rows :]]
        pairs = zip(there, np.resize(VALUES, len(there)), strict=True)
        return refusal(write("time,load\n" + "".join(f"{t:%Y-%m-%d %H:%M},{v}\n" for t, v in pairs)))

    assert "local time loses an hour each spring" in without(rows)
    longer = without(rows + 1)
    assert "FILL=mask predicts nothing there, or TIME=none" in longer
    assert "spring" not in longer


# Forms of public services, made up here in their layout.
STATION_MONTHS = pd.period_range("1990-01", periods=360, freq="M")


def of_a_station():
    """Monthly text of the Met Office: a preamble, units, marks behind numbers, remarks behind rows, a last word."""
    rows = []
    for i, month in enumerate(STATION_MONTHS):
        warm = f"{12 + 8 * np.sin(2 * np.pi * i / 12):.1f}{'*' if i % 37 == 5 else ''}"
        sun = "---" if i < 20 else f"{100 + i % 12:.1f}{'#' if i > 300 else ''}"
        rows.append(f"   {month.year}  {month.month:2}   {warm}    {i % 5}   {sun}{'  Provisional' if i > 356 else ''}")
    above = "Heathtown\nLocation: 507800E 176700N, Lat 51.479 Lon -0.449, 25 metres amsl\n"
    above += "Estimated data is marked with a * after the value.\n   yyyy  mm   tmax    af    sun\n"
    return above + "              degC    days   hours\n" + "\n".join(rows) + "\nSite Closed\n"


def test_marks_behind_numbers_and_remarks_behind_rows_are_told_and_no_part_of_them(write):
    path = write(of_a_station())
    found = prepare(Request(path, column="tmax"))
    notes = "\n".join(found.about["notes"])
    assert "10 values of 'tmax' with a mark behind (*) are used like others." in notes
    assert "Remarks behind the values of 3 lines were left out ('Provisional')." in notes
    assert (found.about["values"], found.about["step"], found.period) == (360, "month", 12)
    values = found.series.targets[:, 0] * found.about["scale"]["deviation"] + found.about["scale"]["mean"]
    np.testing.assert_allclose(values, 12 + 8 * np.sin(2 * np.pi * np.arange(1, 360) / 12), atol=0.051)
    sun = prepare(Request(path, column="sun"))
    assert sun.about["values"] == 340
    assert "59 values of 'sun' with a mark behind (#)" in "\n".join(sun.about["notes"])


def in_an_answer(rows):
    """Rows as services hand them out: within objects and lists of one."""
    return json.dumps({"status": "ok", "data": [{"regionid": 12, "shortname": "London", "data": rows}]})


def test_rows_are_found_wherever_they_stand_in_an_answer(write):
    half_hours = pd.date_range("2024-01-01", periods=300, freq="30min").strftime("%Y-%m-%dT%H:%MZ")
    mix = [{"fuel": "gas", "perc": 40.0}, {"fuel": "wind", "perc": 30.0}]
    rows = [
        {"from": one, "intensity": {"forecast": 200 + i % 48, "index": "low"}, "generationmix": mix}
        for i, one in enumerate(half_hours)
    ]
    found = prepare(Request(write(in_an_answer(rows)), column="intensity.forecast"))
    assert (found.about["values"], found.about["time"], found.period) == (300, "from", 48)
    pairs = {"status": "success", "data": {"result": [{"metric": {"job": "a"}, "values": [[1.0, "2"], [2.0, "3"]]}]}}
    assert "neither rows as objects nor columns of one length are in it" in refusal(write(json.dumps(pairs)))


def test_a_table_whose_columns_are_times_is_told_how_to_make_rows_of_them(write):
    names = "\t".join(f"{one.year}-{one.month:02} " for one in STATION_MONTHS[:240])
    rows = "\n".join(f"M,THS_T,{geo}\t" + "\t".join(f"{i % 12}.5 p" for i in range(240)) for geo in ("DE", "FR"))
    said = refusal(write(f"freq,unit,geo\\TIME_PERIOD\t{names}\n{rows}\n"))
    assert "240 of its 241 columns are times (1990-01, 1990-02, 1990-03, ...), so each row is a series" in said
    assert "faults" not in said
    years = ",".join(f'"{year}"' for year in range(1960, 2024))
    wide = write(
        f'"Country Name","Country Code",{years}\n' + "".join(f"C{i},C{i}," + "1," * 63 + "2\n" for i in range(9))
    )
    for column in (None, "1970"):
        assert "melt(id_vars=['Country Name', 'Country Code'])" in refusal(wide, column=column)


def test_of_several_columns_of_times_one_that_changes_is_taken(write):
    hours = pd.date_range("2024-01-01", periods=300, freq="h").strftime("%Y-%m-%dT%H:%M:%SZ")
    head = "#datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,double,string\n"
    head += "#group,false,false,true,false,false,true\n,result,table,_start,_time,_value,host\n"

    def block(number):
        return head + "".join(
            f",,{number},2024-01-01T00:00:00Z,{one},{i % 24},h{number}\n" for i, one in enumerate(hours)
        )

    one = prepare(Request(write(block(0)), column="_value"))
    assert (one.about["time"], one.about["values"], one.period) == ("_time", 300, 24)
    # Another block, parted by a blank line, has its comments and header again.
    both = prepare(Request(write(block(0) + "\n" + block(1)), column="_value", group="host"))
    assert both.about["members"] == ["h0", "h1"]
    assert "The header is repeated in 1 line, which was skipped." in both.about["notes"]


def test_a_zone_in_parentheses_counts_and_some_rows_with_one_are_a_fault(write):
    berlin = pd.date_range("2024-10-20", periods=300, freq="h", tz="Europe/Berlin")

    def prices(zone):
        ends = berlin + pd.Timedelta("1h")
        rows = (
            f'"{a:%d/%m/%Y %H:%M:%S}{zone(a)} - {b:%d/%m/%Y %H:%M:%S}{zone(b)}",{i % 24}\n'
            for i, (a, b) in enumerate(zip(berlin, ends, strict=True))
        )
        return write('"MTU (CET/CEST)","Price"\n' + "".join(rows))

    found = prepare(Request(prices(lambda one: f" ({one:%Z})")))
    assert (found.about["step"], found.about["values"], found.period) == ("hour", 300, 24)
    twice = refusal(prices(lambda one: f" ({one:%Z})" if one.strftime("%d%H") == "2702" else ""))
    assert "with a zone, where the others have none (2 such rows); write all times in UTC or with" in twice
    assert "faults" not in twice
    assert "is already in line" in refusal(prices(lambda _: ""))
