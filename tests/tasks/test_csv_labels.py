"""Columns of labels, and values that are left out instead of filled: each in its place, and judged as it should be."""

import numpy as np
import pandas as pd
import pytest

from tasks.baselines import linear_prediction
from tasks.csv_series.prepare import lay_out, prepare
from tasks.csv_series.reading import read_values
from tasks.csv_series.request import Request
from tasks.csv_series.series import CsvSeries, Prepared
from tasks.task import CsvSeriesError, Series, SeriesError

N, TRAIN = 300, 200
RNG = np.random.default_rng(2)
POWER = RNG.normal(size=N)
STATES = np.where(RNG.random(N) < 0.1, "stop", np.where(np.append(0, POWER[:-1]) > 0.3, "heat", "run"))
FRAME = pd.DataFrame({"state": STATES, "on": np.where(STATES == "stop", 0, 1), "power": POWER})


@pytest.fixture
def save(tmp_path):
    def _save(frame):
        path = tmp_path / "machine.csv"
        frame.to_csv(path, index=False)
        return path

    return _save


def columns(names, texts):
    return (np.asarray(texts)[:, None] == np.asarray(names)).astype(float)


def test_text_of_few_words_is_labels_and_each_has_a_column(save):
    prepared = prepare(Request(save(FRAME), column="state", inputs=("power",)))
    names = prepared.about["labels"]
    assert names == list(FRAME["state"].value_counts().index)
    np.testing.assert_array_equal(prepared.series.targets, columns(names, STATES[1:]))
    # The label's own past is seen, unscaled, and the other column beside it, scaled.
    np.testing.assert_array_equal(prepared.series.inputs[:, :3], columns(names, STATES[:-1]))
    power = (POWER - POWER[:TRAIN].mean()) / POWER[:TRAIN].std()
    np.testing.assert_allclose(prepared.series.inputs[:, 3], power[:-1])
    assert any(
        "'state' is text: one of 3 labels is predicted (run, heat, stop)" in one for one in prepared.about["notes"]
    )
    task = CsvSeries(prepared)
    assert (task.loss, task.unit) == ("crossentropy", "nats")
    assert "the target is the label of the next row" in task.description


def test_numbers_are_labels_where_that_is_said(save):
    path = save(FRAME)
    assert "labels" not in prepare(Request(path, column="on")).about
    prepared = prepare(Request(path, column="on", labels=True, past=False, inputs=("power",)))
    assert prepared.about["labels"] == ["1", "0"]
    np.testing.assert_array_equal(prepared.series.targets[:, 0], FRAME["on"])
    assert prepared.series.inputs.shape == (N, 1)


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({}, ("'state' is text, such as 'w0' or 'w1' or 'w2', and a number in no row (300 such rows)", "here are 70")),
        ({"labels": True}, ("holds 70 labels ('w0' or 'w1' or 'w10', ...); from 2 to 50 can be predicted",)),
    ],
)
def test_text_that_is_no_labels_has_one_answer(save, options, parts):
    path = save(FRAME.assign(state=[f"w{i % 70}" for i in range(N)]))
    with pytest.raises(CsvSeriesError) as error:
        prepare(Request(path, column="state", **options))
    assert all(part in str(error.value) for part in parts)
    assert "faults" not in str(error.value)


def test_large_numbers_stay_different_labels_where_one_is_missing(tmp_path):
    codes = pd.Series(np.resize([1000001.0, 1000002.0], N))
    codes[7] = np.nan
    codes.to_frame("code").to_parquet(tmp_path / "codes.parquet")
    prepared = prepare(Request(tmp_path / "codes.parquet", column="code", labels=True, fill="last"))
    assert sorted(prepared.about["labels"]) == ["1000001", "1000002"]


def test_errors_are_cross_entropies_of_shares_and_of_a_logistic_regression(save):
    task = CsvSeries(prepare(Request(save(FRAME), column="state", inputs=("power",))))
    series, rows = task.series(), task.series().scored
    counts = series.targets[: series.train_rows].sum(axis=0) + 1
    expected = -np.log((series.targets[rows] * counts / counts.sum()).sum(axis=1))
    np.testing.assert_allclose(task.simple_errors(rows)["marginal distribution"], expected)
    assert task.trivial == pytest.approx(expected.mean())
    assert task.majority(rows) == pytest.approx((STATES[1:][rows] == "run").mean())
    # The line knows all but when it stops: of that only how often.
    line = task.simple_errors(rows)[task.autoregression].mean()
    assert task.autoregression.startswith("linear classifier")
    assert line < 0.75 * task.trivial
    assert task.target(4) == pytest.approx(task.trivial - 0.9 * (task.trivial - line))


def test_the_logistic_regression_is_at_its_minimum():
    rng = np.random.default_rng(0)
    seen = rng.normal(size=(400, 2))
    labels = np.eye(3)[np.argmax(seen @ rng.normal(size=(2, 3)) + rng.gumbel(size=(400, 3)), axis=1)]
    series = Series(seen, labels, train_rows=300, warm_up=0)
    predicted = linear_prediction(series, 1, np.arange(300), "crossentropy")
    np.testing.assert_allclose(predicted.sum(axis=1), 1)
    coefficients = series.linear_maps[1, "crossentropy"]
    design = np.column_stack([seen[:300], np.ones(300)])
    slope = design.T @ (predicted - labels[:300]) + coefficients
    assert np.abs(slope).max() < 0.02


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"column": "state", "labels": False}, "'state' is text"),
        ({"column": "power", "labels": True}, "'power' holds 300 labels .*from 2 to 50 can be predicted"),
        ({"column": "state,power", "labels": True}, "LABELS=yes predicts one column, not 2"),
    ],
)
def test_what_are_no_labels_is_refused(save, options, message):
    with pytest.raises(CsvSeriesError, match=message):
        prepare(Request(save(FRAME), **options))


def test_a_label_that_training_does_not_have_is_told(save):
    rare = FRAME["state"].where(np.arange(N) != N - 5, "fire")
    prepared = prepare(Request(save(FRAME.assign(state=rare)), column="state"))
    assert any("No training row has the label 'fire'" in one for one in prepared.about["notes"])
    assert np.isfinite(CsvSeries(prepared).trivial)


def test_a_missing_label_repeats_the_last_where_asked(save):
    frame = FRAME.assign(state=FRAME["state"].where(np.arange(N) != 40))
    prepared = prepare(Request(save(frame), column="state", fill="last"))
    np.testing.assert_array_equal(prepared.series.inputs[40], columns(prepared.about["labels"], STATES[39:40])[0])


GONE = (17, 18, 60, 250, 251, 252)


def masked(save, **options):
    frame = FRAME.assign(power=FRAME["power"].where(~np.isin(np.arange(N), GONE)), other=RNG.normal(size=N))
    return prepare(Request(save(frame), **{"column": "power", "fill": "mask"} | options))


def test_missing_values_are_masked_flagged_and_have_no_part_in_the_scale(save):
    series = masked(save).series
    there = ~np.isin(np.arange(N), GONE)
    np.testing.assert_array_equal(series.counted, there[1:])
    np.testing.assert_array_equal(series.inputs[:, 1], ~there[:-1])
    known = POWER[:TRAIN][there[:TRAIN]]
    last = POWER[np.maximum.accumulate(np.where(there, np.arange(N), 0))]
    np.testing.assert_allclose(series.inputs[:, 0], ((last - known.mean()) / known.std())[:-1])
    assert set(series.scored + 1) & set(GONE) == set()
    assert set(series.trained + 1) == set(np.flatnonzero(there[: series.train_rows + 1])[1:])


def test_what_stands_where_a_target_is_missing_changes_no_baseline_and_no_fingerprint_but_its_own(save, tmp_path):
    prepared = masked(save)
    series = prepared.series
    other = series.targets.copy()
    other[~series.counted] = 1e3
    changed = Series(series.inputs, other, series.train_rows, series.warm_up, counted=series.counted)
    rows = series.scored
    np.testing.assert_array_equal(linear_prediction(series, 5, rows), linear_prediction(changed, 5, rows))
    prepared.save(tmp_path / "kept.npz")
    again = Prepared.load(tmp_path / "kept.npz")
    np.testing.assert_array_equal(again.series.counted, series.counted)
    assert again.sha256 == prepared.sha256


def test_rows_that_a_file_leaves_out_are_masked_too_and_other_columns_have_flags_of_their_own(save):
    times = pd.date_range("2024-01-01", periods=N, freq="h")
    frame = pd.DataFrame({"time": times, "a": POWER, "b": RNG.normal(size=N), "c": POWER**2}).drop([30, 31])
    frame.loc[99, "b"] = np.nan
    path = save(frame)
    prepared = prepare(Request(path, column="a", inputs=("b",), known=("c",), fill="mask"))
    assert prepared.about["inputs"] == ["c", "c missing", "b", "a missing", "b missing"]
    series = prepared.series
    assert np.flatnonzero(~series.counted).tolist() == [29, 30]
    flags = {name: np.flatnonzero(series.inputs[:, i]).tolist() for i, name in ((2, "c"), (4, "a"), (5, "b"))}
    # What is known beforehand stands in the row before its own time.
    assert flags == {"c": [29, 30], "a": [30, 31], "b": [30, 31, 99]}
    alone = prepare(Request(path, column="a", inputs=("b",), past=False, fill="mask"))
    assert alone.about["inputs"] == ["b", "b missing"]
    read = read_values(Request(path, column="a", inputs=("b",), fill="mask"))
    assert lay_out(read, Request(path, column="a", inputs=("b",), fill="mask")).counted is not None


def test_where_nothing_is_missing_nothing_is_flagged(save):
    prepared = prepare(Request(save(FRAME), column="power", fill="mask"))
    assert prepared.series.counted is None
    assert prepared.about["inputs"] == []


def test_more_than_four_fifths_missing_are_refused(save):
    frame = FRAME.assign(power=FRAME["power"].where(np.arange(N) % 6 == 0))
    with pytest.raises(CsvSeriesError, match="values are missing, more than 80%"):
        prepare(Request(save(frame), column="power", fill="mask"))


def test_counted_rows_are_checked():
    with pytest.raises(SeriesError, match="give 10 values True or False"):
        Series(np.zeros((10, 1)), np.zeros((10, 1)), 6, 1, counted=np.ones(9, bool))
    with pytest.raises(SeriesError, match="or none to train on"):
        Series(np.zeros((10, 1)), np.zeros((10, 1)), 6, 1, counted=np.arange(10) >= 6)
