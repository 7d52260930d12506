"""A column that says which rows train: its rows, and no others, each stretch of them a sequence of its own."""

import numpy as np
import pandas as pd
import pytest

from bench.errors import PlanError
from bench.plan import csv_series
from tasks.csv_series.prepare import prepare
from tasks.csv_series.request import Request
from tasks.csv_series.series import CsvSeries
from tasks.task import CsvSeriesError

ROWS = 600
RNG = np.random.default_rng(4)
U = RNG.normal(size=ROWS)
Y = np.convolve(U, [0.5, 0.3, 0.2])[:ROWS] + np.arange(ROWS) / 1000


@pytest.fixture
def asked(tmp_path):
    """Prepare a file whose rows are for what is given, as words and how many rows of each after one another."""

    def _asked(*roles, name="part", split="part", frame=None, **options):
        words = np.repeat([role for role, _ in roles], [count for _, count in roles])
        frame = pd.DataFrame({"u": U, "y": Y}) if frame is None else frame
        frame.assign(**{name: words}).to_csv(tmp_path / "own.csv", index=False)
        return prepare(Request(tmp_path / "own.csv", **{"column": "y", "inputs": ("u",), "split": split} | options))

    return _asked


def told(prepared):
    """What was said of the split."""
    return " ".join(prepared.about["notes"])


def test_rows_for_training_train_those_for_a_test_are_scored_and_between_them_lies_a_boundary(asked):
    prepared = asked(("train", 300), ("val", 100), ("test", 200), past=False)
    series = prepared.series
    assert (series.train_rows, series.starts) == (300, (0, 300))
    scale = U[:300].mean(), U[:300].std(), Y[:300].mean(), Y[:300].std()
    rows = np.r_[0:300, 400:600]
    np.testing.assert_allclose(series.inputs[:, 0], (U[rows] - scale[0]) / scale[1])
    np.testing.assert_allclose(series.targets[:, 0], (Y[rows] - scale[2]) / scale[3])
    assert (series.warm_up, len(series.scored)) == (40, 160)
    parts = (
        "300 rows train (train), 200 rows are held out (test), 100 are left out (val), as there are rows to test on."
    )
    assert f"As 'part' says, {parts}" in told(prepared)
    assert prepared.about["split"] == "part"
    assert "members" not in prepared.about


def test_where_nothing_is_there_to_test_on_rows_for_validation_are_held_out(asked):
    prepared = asked(("Estimation", 350), ("Validation", 250), past=False)
    assert (prepared.series.train_rows, len(prepared.series.targets), prepared.series.starts) == (350, 600, ())
    assert "350 rows train (estimation), 250 rows are held out (validation)." in told(prepared)


def test_held_out_rows_that_follow_training_at_once_continue_it_as_usual(asked):
    by_column, by_time = asked(("train", 400), ("test", 200)), asked(("train", 600), split="time")
    for name in ("inputs", "targets", "train_rows", "warm_up", "starts"):
        np.testing.assert_array_equal(getattr(by_column.series, name), getattr(by_time.series, name))


def test_each_stretch_is_a_sequence_and_no_row_predicts_one_of_another(asked):
    prepared = asked(("test", 60), ("train", 150), ("dev", 40), ("train", 150), ("test", 200))
    series = prepared.series
    # Two that train, the second with held-out rows right behind it, and the held-out ones that come first.
    assert series.starts == (0, 149, 298, 298 + 59)
    assert series.train_rows == 298
    assert len(series.targets) == 298 + 59 + 200
    training = np.r_[60:210, 250:400]
    scaled = (Y - Y[training].mean()) / Y[training].std()
    for first, rows in ((0, range(60, 209)), (149, range(250, 399)), (298, range(59)), (357, range(399, 599))):
        here = slice(first, first + len(rows))
        np.testing.assert_allclose(series.inputs[here, 0], scaled[rows])
        np.testing.assert_allclose(series.targets[here, 0], scaled[np.array(rows) + 1])


def test_a_gap_that_is_filled_is_for_what_the_row_before_it_is_for(asked):
    frame = pd.DataFrame({"u": U, "y": Y})
    frame.loc[[*range(395, 400), *range(400, 403)], "y"] = np.nan
    prepared = asked(("train", 400), ("valid", 50), ("test", 150), frame=frame, fill="mask", past=False)
    assert prepared.series.train_rows == 400
    np.testing.assert_array_equal(np.flatnonzero(~prepared.series.counted), np.arange(395, 400))


def test_of_many_series_some_may_be_there_to_test_on_alone(asked):
    store = np.repeat(["a", "b", "c"], 200)
    frame = pd.DataFrame({"store": store, "u": U, "y": Y + np.repeat([0, 10, 20], 200)})
    frame = frame.assign(date=[*pd.date_range("2024", periods=200).strftime("%Y-%m-%d")] * 3)
    prepared = asked(("train", 100), ("test", 100), ("train", 200), ("test", 200), frame=frame, group="store")
    assert prepared.about["parts"] == ["a", "b", "a", "c"]
    assert prepared.series.starts == (0, 99, 99 + 199, 99 + 199 + 100)
    training = np.r_[0:100, 200:400]
    values = frame["y"].to_numpy()
    # What is there to test on alone has no scale of its own, so all have one.
    np.testing.assert_allclose(
        prepared.series.targets[-1, 0], (values[-1] - values[training].mean()) / values[training].std()
    )


def test_a_long_file_is_used_whole(asked):
    many = 30
    frame = pd.DataFrame({"u": np.tile(U, many), "y": np.tile(Y, many)})
    prepared = asked(("train", 9000), ("test", 9000), frame=frame, past=False)
    assert len(prepared.series.targets) == 18_000
    assert csv_series.lines(with_windows(prepared))[0].count("9,000 rows train") == 1


def with_windows(prepared):
    prepared.about.update(windows=[4], batch_sizes=[8], why={"windows": "", "batch_sizes": ""})
    return CsvSeries(prepared)


def test_a_plan_says_how_many_stretches_train(asked):
    prepared = asked(("train", 300), ("val", 100), ("test", 200), past=False)
    lines = "\n".join(csv_series.lines(with_windows(prepared)))
    assert (
        "1 stretch of rows trains and 1 stretch of rows is held out. No window and no state passes from one to another"
        in lines
    )


@pytest.mark.parametrize(
    ("roles", "options", "message"),
    [
        ((("train", 400), ("exam", 200)), {}, r"SPLIT=part takes .*'exam' \(200 rows\)\. Write train and test"),
        ((("train", 600),), {}, r"rows that are held out .* It holds 'train' \(600 rows\)"),
        ((("test", 600),), {}, r"It holds 'test' \(600 rows\)"),
        ((("train", 400), ("test", 200)), {"split": "parts"}, "SPLIT=parts is not valid; .* own.csv: u, y, part"),
        ((("train", 400), ("test", 200)), {"rows": 300}, "ROWS=300 keeps the most recent values, and SPLIT=part says"),
    ],
)  # fmt: skip
def test_a_column_that_does_not_say_it_is_refused(asked, roles, options, message):
    with pytest.raises(CsvSeriesError, match=message):
        asked(*roles, **options)


def test_such_a_series_is_not_cut_at_several_origins(asked, tmp_path):
    asked(("train", 400), ("test", 200))
    request = Request(tmp_path / "own.csv", column="y", inputs=("u",), split="part")
    with pytest.raises(PlanError, match=r"ORIGINS=3 is for one series .* leave ORIGINS out, or .*SPLIT="):
        csv_series.load(request, csv_series.Grid(origins=3))


def test_a_column_that_seems_to_say_it_is_named_where_it_was_not_asked_for(asked):
    roles = ("train", 400), ("test", 200)
    assert "'part' seems to say which rows train: SPLIT=part" in told(asked(*roles, split="time"))
    assert "seems to say" not in told(asked(*roles))
    assert "seems to say" not in told(asked(("train", 400), ("exam", 200), split="time"))
