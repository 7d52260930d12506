"""Many series of one file: each in its own rows, split and scaled as asked, none mixed with another."""

import numpy as np
import pandas as pd
import pytest

from tasks.baselines import linear_prediction
from tasks.csv_series.prepare import lay_out, prepare
from tasks.csv_series.reading import read_values
from tasks.csv_series.request import Request
from tasks.csv_series.series import CsvSeries, Prepared
from tasks.task import CsvSeriesError, Series

STORES, DAYS = 20, 90
RNG = np.random.default_rng(8)
SALES = {
    f"s{i:02}": 100 * (i + 1) + 10 * (i + 1) * np.sin(2 * np.pi * np.arange(DAYS - i) / 7) + RNG.normal(size=DAYS - i)
    for i in range(STORES)
}
FRAME = pd.concat(
    [
        pd.DataFrame({"store": name, "date": pd.date_range("2024-01-01", periods=len(one), freq="D"), "sales": one})
        for name, one in SALES.items()
    ]
).sample(frac=1, random_state=1)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    file = tmp_path_factory.mktemp("many") / "panel.csv"
    FRAME.to_csv(file, index=False)
    return file


def asked(path, **options):
    return Request(path, **{"column": "sales", "group": "store"} | options)


def test_all_series_train_and_the_last_third_of_each_is_held_out(path):
    prepared = prepare(asked(path))
    series = prepared.series
    assert len(series.starts) == 2 * STORES
    assert prepared.about["members"] == list(SALES)
    ends = [*series.starts[1:], len(series.targets)]
    for k, (first, end) in enumerate(zip(series.starts, ends, strict=True)):
        values = SALES[prepared.about["parts"][k]]
        known = int(len(values) * 2 / 3)
        scaled = (values - values[:known].mean()) / values[:known].std()
        pairs = np.column_stack([series.inputs[first:end, 0], series.targets[first:end, 0]])
        expected = np.column_stack([scaled[:-1], scaled[1:]])
        np.testing.assert_allclose(pairs, expected[: known - 1] if k < STORES else expected[known - 1 :])
    assert series.train_rows == series.starts[STORES]
    assert len(series.scored) == sum(
        end - first - series.warm_up
        for first, end in zip(series.starts, ends, strict=True)
        if first >= series.train_rows
    )
    assert prepared.period == 7


def test_whole_series_may_be_held_out(path):
    read = read_values(asked(path, split="series"))
    laid = lay_out(read, asked(path, split="series"))
    assert len(laid.starts) == STORES
    trained = [k for k, first in zip(laid.of, laid.starts, strict=True) if first < laid.train_rows]
    assert len(trained) == 13
    assert set(trained).isdisjoint(set(laid.of) - set(trained))
    everything = np.concatenate([SALES[read.members[k]] for k in trained])
    # All by one scale, of the training series alone.
    np.testing.assert_allclose(laid.mean[:, 0], everything.mean())
    np.testing.assert_allclose(laid.deviation[:, 0], everything.std())


def test_some_may_be_picked_and_scaled_alike(path):
    prepared = prepare(asked(path, member="s03,s11,s19", scale="shared"))
    assert prepared.about["members"] == ["s03", "s11", "s19"]
    assert prepared.about["options"]["scale"] == "shared"
    with pytest.raises(CsvSeriesError, match="is never 's99'; SERIES is one of: s00, s01"):
        prepare(asked(path, member="s03,s99"))


def test_a_gap_or_a_code_is_looked_for_in_each_series(tmp_path):
    frame = FRAME[~((FRAME["store"] == "s05") & (FRAME["date"] == "2024-02-01"))]
    frame.to_csv(tmp_path / "gap.csv", index=False)
    with pytest.raises(CsvSeriesError, match="1 step of one day missing before it"):
        prepare(asked(tmp_path / "gap.csv"))
    assert prepare(asked(tmp_path / "gap.csv", fill="last")).about["values"] == len(FRAME)
    coded = FRAME.assign(sales=FRAME["sales"].where(FRAME["date"] != "2024-02-01", -999.0))
    coded.to_csv(tmp_path / "coded.csv", index=False)
    with pytest.raises(
        CsvSeriesError, match=r"'sales' is -999, far from all other values .* \(20 such rows\)"
    ) as error:
        prepare(asked(tmp_path / "coded.csv"))
    assert str(error.value).count("MISSING=-999") == 1


def test_series_of_different_steps_are_told(tmp_path):
    other = pd.DataFrame(
        {"store": "w", "date": pd.date_range("2020-01-01", periods=80, freq="W"), "sales": RNG.normal(size=80)}
    )
    pd.concat([FRAME, other]).to_csv(tmp_path / "mixed.csv", index=False)
    with pytest.raises(CsvSeriesError, match=r"different steps \(7 days, day\); choose those of one step"):
        prepare(asked(tmp_path / "mixed.csv"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "shop"}, "SPLIT=shop is not valid; give SPLIT=time, SPLIT=series or the column that says"),
        ({"scale": "each"}, "SCALE=each is not valid; give SCALE=series or SCALE=shared"),
        ({"split": "series", "scale": "series"}, "only SCALE=shared can scale them"),
        ({"group": None, "split": "series"}, "SPLIT=... needs GROUP="),
    ],
)
def test_what_cannot_be_asked_of_many(path, options, message):
    with pytest.raises(CsvSeriesError, match=message):
        prepare(asked(path, **options))


def test_a_line_sees_nothing_of_another_series():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60, 1))
    starts = (0, 20, 40)
    targets = np.concatenate([np.zeros((2, 1)), values[:-2]])
    targets[[0, 1, 20, 21, 40, 41]] = 0.0  # two steps back lies nothing
    series = Series(values, targets, 40, 0, starts)
    np.testing.assert_allclose(linear_prediction(series, 3), series.targets[40:], atol=1e-12)


def test_the_task_of_many_series_is_the_same_when_rebuilt(path, tmp_path):
    prepared = prepare(asked(path))
    prepared.save(tmp_path / "series.npz")
    again = Prepared.load(tmp_path / "series.npz")
    one, other = CsvSeries(prepared), CsvSeries(again)
    assert again.series.starts == prepared.series.starts
    assert (one.name, one.baselines(), one.target(3)) == (other.name, other.baselines(), other.target(3))
    rows = one.series().scored
    errors = one.simple_errors(rows)
    assert errors["persistence"].mean() == pytest.approx(one.baselines()["persistence"])
    # A week back lies within each held-out part, whose first days warm up.
    assert ("seasonal naive (7)" in errors) is (one.series().warm_up >= 6)


def test_what_holds_of_many_series_is_said_once(tmp_path):
    frame = FRAME.assign(sales=FRAME["sales"].where(FRAME["date"].dt.day % 10 != 5))
    frame.to_csv(tmp_path / "gaps.csv", index=False)
    notes = prepare(asked(tmp_path / "gaps.csv", fill="mask")).about["notes"]
    gaps = int(frame["sales"].isna().sum())
    told = "\n".join(notes)
    assert "Left out: 2 rows without a value at the beginning and the end, in 2 of 20 series: 's" in told
    assert (
        f"{gaps - 2} missing values repeat the last one before (FILL=mask); flagged, and not predicted, in 20 of"
        in told
    )
    assert ", 14 others less" in told
    assert sum("were sorted" in note for note in notes) == 1
    assert len(notes) <= 3
    with pytest.raises(CsvSeriesError, match=r"'sales' has no value \(9 such rows of store 's00'\)"):
        prepare(asked(tmp_path / "gaps.csv"))


def test_missing_values_are_counted_by_series_and_filled_within_their_own(tmp_path):
    frame = FRAME.sort_values(["store", "date"]).reset_index(drop=True)
    first = {name: int(np.flatnonzero(frame["store"] == name)[0]) for name in ("s04", "s07")}
    # One begins without values, behind the last value of another; one has gaps in training and in what is held out.
    frame.loc[first["s04"] + np.arange(3), "sales"] = np.nan
    frame.loc[first["s07"] + np.r_[10:20, 70:74], "sales"] = np.nan
    frame.drop(index=first["s07"] + 40).to_csv(tmp_path / "gaps.csv", index=False)
    for fill in ("mask", "last"):
        prepared = prepare(asked(tmp_path / "gaps.csv", fill=fill))
        notes = "\n".join(prepared.about["notes"])
        assert (
            "Left out: 3 rows without a value at the beginning and the end, in 1 of 20 series: 's04' 3 (3%)." in notes
        )
        assert ", in 1 of 20 series: 's07' 15 (18%)." in notes
        series, parts = prepared.series, prepared.about["parts"]
        ends = [*series.starts[1:], len(series.targets)]
        bounds = {(name, a < series.train_rows): (a, b) for name, a, b in zip(parts, series.starts, ends, strict=True)}
        begin = bounds["s04", True][0]
        there = SALES["s04"][3:]
        known = there[: int(len(there) * 2 / 3)]
        assert series.inputs[begin, 0] == pytest.approx((there[0] - known.mean()) / known.std())
        if fill == "last":
            assert series.counted is None
            continue
        assert prepared.about["inputs"] == ["sales missing"]
        flagged = np.flatnonzero(series.inputs[:, 1])
        a, b = bounds["s07", True]
        own = np.r_[10:20, 40]
        np.testing.assert_array_equal(flagged[flagged < series.train_rows], a + own)
        np.testing.assert_array_equal(np.flatnonzero(~series.counted[: series.train_rows]), a + own - 1)
        held = bounds["s07", False][0]
        np.testing.assert_array_equal(flagged[flagged >= series.train_rows], held + np.arange(70, 74) - (b - a))
        # What is missing repeats the last value, and has no part in the scale.
        here = SALES["s07"]
        training = np.delete(here[: int(len(here) * 2 / 3)], own)
        scaled = (here[9] - training.mean()) / training.std()
        np.testing.assert_allclose(series.inputs[a + np.arange(9, 20), 0], scaled)


def test_a_series_with_too_much_missing_is_named(tmp_path):
    frame = FRAME.sort_values(["store", "date"]).reset_index(drop=True)
    rows = np.flatnonzero(frame["store"] == "s05")
    frame.loc[rows[10:50], "sales"] = np.nan
    frame.to_csv(tmp_path / "gaps.csv", index=False)
    with pytest.raises(CsvSeriesError, match=r"40 of 85 values of store 's05' are missing, .* with SERIES=a,b"):
        prepare(asked(tmp_path / "gaps.csv", fill="last"))
    frame.loc[rows, "sales"] = np.nan
    frame.to_csv(tmp_path / "gaps.csv", index=False)
    with pytest.raises(CsvSeriesError, match="'sales' has no value in any row of store 's05'"):
        prepare(asked(tmp_path / "gaps.csv", fill="mask"))


def test_a_row_without_a_group_belongs_to_no_series(tmp_path):
    frame = FRAME.assign(store=FRAME["store"].where(FRAME["store"] != "s03"))
    frame.to_csv(tmp_path / "some.csv", index=False)
    with pytest.raises(
        CsvSeriesError, match=rf"'store' is empty \({DAYS - 3} such rows\), so that the row belongs to no"
    ):
        prepare(asked(tmp_path / "some.csv"))
    assert prepare(asked(tmp_path / "some.csv", member="s00,s01,s02")).about["members"] == ["s00", "s01", "s02"]
