"""What a good file becomes, and what is handled without a refusal."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tasks
from tasks.baselines import linear_error
from tasks.csv_series.period import find_period
from tasks.csv_series.prepare import prepare
from tasks.csv_series.request import Request
from tasks.csv_series.series import WAY, CsvSeries, Prepared
from tasks.task import CsvSeriesError

N = 400
RNG = np.random.default_rng(5)
VALUES = 20 + 3 * np.sin(2 * np.pi * np.arange(N) / 24) + RNG.normal(size=N)
WIND = RNG.normal(size=N)
TIMES = pd.date_range("2024-01-01", periods=N, freq="h")
FRAME = pd.DataFrame({"time": TIMES, "load": VALUES, "wind": WIND})
TRAIN = 266  # two thirds of the values


@pytest.fixture
def save(tmp_path):
    def _save(frame, name="own.csv", **options):
        path = tmp_path / name
        frame.to_csv(path, index=False, **options)
        return path

    return _save


@pytest.fixture
def plain(save):
    return prepare(Request(save(FRAME), column="load"))


def levels(prepared):
    """The values in the file's unit, inputs first."""
    scale = prepared.about["scale"]
    series = prepared.series
    whole = np.append(series.inputs[:, 0], series.targets[-1, 0])
    return whole * scale["deviation"] + scale["mean"]


def test_values_are_split_in_time_scaled_by_training_and_paired_with_the_next(plain):
    series = plain.series
    np.testing.assert_allclose(levels(plain), VALUES)
    assert series.train_rows == TRAIN - 1
    assert series.inputs[:TRAIN].mean() == pytest.approx(0, abs=1e-12)
    assert series.inputs[:TRAIN].std() == pytest.approx(1)
    np.testing.assert_array_equal(series.targets[:-1, 0], series.inputs[1:, 0])
    assert len(series.scored_rows) > 100
    assert plain.period == 24


def test_held_out_values_change_nothing_in_training(save, plain):
    other = FRAME.assign(load=np.where(np.arange(N) < TRAIN, VALUES, VALUES * 7 + 100))
    changed = prepare(Request(save(other), column="load"))
    np.testing.assert_array_equal(changed.series.inputs[:TRAIN], plain.series.inputs[:TRAIN])
    assert (changed.period, changed.about["scale"]) == (plain.period, plain.about["scale"])
    assert "outside the range seen in training" in changed.about["notes"][-1]


def test_inputs_stand_beside_the_columns_own_past_and_are_scaled_too(save):
    series = prepare(Request(save(FRAME), column="load", inputs=("wind",))).series
    assert series.inputs.shape == (N - 1, 2)
    assert series.targets.shape == (N - 1, 1)
    np.testing.assert_array_equal(series.targets[:-1, 0], series.inputs[1:, 0])
    assert np.corrcoef(series.inputs[:, 1], WIND[:-1])[0, 1] == pytest.approx(1)


def as_german(frame):
    return frame.assign(
        time=frame["time"].dt.strftime("%d.%m.%Y %H:%M"),
        load=[f"{1000 * v:,.2f}".replace(",", " ").replace(".", ",").replace(" ", ".") for v in frame["load"]],
    )


VARIANTS = {
    "byte order mark": {"encoding": "utf-8-sig"},
    "utf-16": {"encoding": "utf-16"},
    "semicolons": {"sep": ";"},
    "tabs": {"sep": "\t"},
    "decimal commas": {"sep": ";", "decimal": ","},
    "windows lines": {"lineterminator": "\r\n"},
    "all quoted": {"quoting": 1},
}


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
def test_the_same_values_however_they_are_written(save, plain, options):
    assert prepare(Request(save(FRAME, **options), column="load")).sha256 == plain.sha256


def test_a_german_spreadsheet(save):
    found = prepare(Request(save(as_german(FRAME), sep=";", encoding="utf-8-sig"), column="load"))
    np.testing.assert_allclose(levels(found), 1000 * VALUES, atol=0.006)
    assert found.about["time"] == "time"
    assert found.about["step"] == "hour"


def test_one_column_with_decimal_commas(save):
    path = save(pd.DataFrame({"wert": [f"{v:.2f}".replace(".", ",") for v in VALUES]}), quoting=3, sep=";")
    np.testing.assert_allclose(levels(prepare(Request(path))), VALUES, atol=0.006)


def test_an_old_code_page_is_read_and_said(save):
    found = prepare(Request(save(FRAME.rename(columns={"load": "Höhe"}), encoding="cp1252"), column="Höhe"))
    assert "Windows-1252" in found.about["notes"][0]
    assert CsvSeries(found).name.startswith("hohe_")


def test_a_parquet_file_is_the_same_series(tmp_path, plain):
    FRAME.to_parquet(tmp_path / "own.parquet")
    FRAME.set_index("time").to_parquet(tmp_path / "indexed.parquet")
    for name in ("own.parquet", "indexed.parquet"):
        assert prepare(Request(tmp_path / name, column="load")).sha256 == plain.sha256


def test_a_parquet_files_missing_value_is_named_by_its_row(tmp_path):
    FRAME.assign(load=FRAME["load"].where(FRAME.index != 7)).to_parquet(tmp_path / "own.parquet")
    with pytest.raises(CsvSeriesError, match=r"own\.parquet, row 8: 'load' has no value"):
        prepare(Request(tmp_path / "own.parquet", column="load"))


def test_a_parquet_files_own_types(tmp_path, plain):
    zoned = FRAME.assign(
        time=TIMES.tz_localize("UTC").tz_convert("Europe/Berlin"), load=FRAME["load"].astype("Float64")
    )
    zoned.to_parquet(tmp_path / "own.parquet")
    assert prepare(Request(tmp_path / "own.parquet", column="load")).sha256 == plain.sha256


def test_a_header_that_pandas_writes_without_names(tmp_path, plain):
    pd.Series(VALUES, index=TIMES).to_csv(tmp_path / "own.csv")
    found = prepare(Request(tmp_path / "own.csv"))
    assert found.sha256 == plain.sha256
    assert (found.about["time"], found.about["column"]) == ("index", "0")
    assert CsvSeries(found).name.startswith("series_0_")


def test_row_labels_and_numbers_called_time_are_no_columns_to_predict(tmp_path, save, plain):
    FRAME[["load"]].to_csv(tmp_path / "labelled.csv")
    labelled = prepare(Request(tmp_path / "labelled.csv"))
    assert (labelled.about["time"], labelled.about["column"]) == ("index", "load")
    FRAME[["time", "load"]].to_csv(tmp_path / "both.csv")
    both = prepare(Request(tmp_path / "both.csv"))
    assert (both.about["time"], both.about["column"]) == ("time", "load")
    epoch = prepare(Request(save(pd.DataFrame({"Timestamp": 60 * np.arange(N), "load": VALUES}))))
    assert (epoch.about["time"], epoch.about["step"]) == ("Timestamp", "60")
    assert {labelled.sha256, both.sha256, epoch.sha256} == {plain.sha256}


def test_unsorted_rows_are_sorted_and_it_is_said(save, plain):
    newest_first = prepare(Request(save(FRAME[::-1]), column="load"))
    assert newest_first.sha256 == plain.sha256
    assert "own.csv, line 3 is the first that is earlier" in newest_first.about["notes"][0]


@pytest.mark.parametrize("freq", ["15min", "D", "B", "W", "MS", "ME", "QS", "7s"])
def test_steps_that_are_even_in_some_calendar(save, freq):
    times = pd.date_range("1970-01-01", periods=N, freq=freq)
    found = prepare(Request(save(FRAME.assign(time=times)), column="load"))
    words = {"15min": "15 minutes", "D": "day", "B": "working day", "W": "7 days"}
    words |= {"MS": "month", "ME": "month", "QS": "3 months", "7s": "7 seconds"}
    assert found.about["step"] == words[freq]
    assert found.about["values"] == N


def test_numbers_serve_as_times(save, plain):
    for times in (np.arange(N) * 0.1, 1_700_000_000 + 60 * np.arange(N)):
        assert prepare(Request(save(FRAME.assign(time=times)), column="load", time="time")).sha256 == plain.sha256


def test_day_and_month_are_told_apart_by_even_steps(save):
    times = pd.date_range("2024-01-01", periods=N, freq="D")
    for order in ("%d/%m/%Y", "%m/%d/%Y"):
        found = prepare(Request(save(FRAME.assign(time=times.strftime(order))), column="load"))
        assert found.about["step"] == "day"


def test_missing_values_and_gaps_repeat_the_last_value_when_asked(save):
    frame = FRAME.assign(load=FRAME["load"].where(~FRAME.index.isin([10, 11])))
    found = prepare(Request(save(frame.drop([20])), column="load", fill="last"))
    expected = VALUES.copy()
    expected[[10, 11]] = VALUES[9]
    expected[20] = VALUES[19]
    np.testing.assert_allclose(levels(found), expected)
    assert "3 missing values repeat the last one" in found.about["notes"][0]


def test_blanks_at_both_ends_are_left_out_and_it_is_said(save):
    frame = FRAME.assign(load=FRAME["load"].where((FRAME.index > 2) & (FRAME.index < N - 1)))
    found = prepare(Request(save(frame), column="load"))
    assert found.about["values"] == N - 4
    assert "4 rows without a value at the beginning and the end" in found.about["notes"][0]
    assert found.about["first_line"] == 5


def test_of_a_long_file_the_most_recent_values_are_used(save):
    found = prepare(Request(save(FRAME), column="load", rows=300))
    np.testing.assert_allclose(levels(found), VALUES[-300:])
    assert found.about["first_line"] == N - 300 + 2
    assert "most recent 300 are used (ROWS)" in found.about["notes"][0]


def test_of_several_series_one_is_used_and_never_mixed_with_another(save):
    other = FRAME[:300].assign(station="b", load=-1000.0)
    both = pd.concat([FRAME.assign(station="a"), other]).sort_values("time", kind="stable")
    longest = prepare(Request(save(both), column="load", group="station", member="a"))
    np.testing.assert_allclose(levels(longest), VALUES)
    broken = both.assign(load=both["load"].astype(str).where(both["station"] == "a", "broken"))
    assert prepare(Request(save(broken), column="load", group="station", member="a")).sha256 == longest.sha256
    save(both)
    assert not longest.series.starts
    with pytest.raises(CsvSeriesError, match="is never 'c'; SERIES is one of: a, b"):
        prepare(Request(save(both), column="load", group="station", member="c"))
    with pytest.raises(CsvSeriesError, match="-1000 in all"):
        prepare(Request(save(both), column="load", group="station", member="b"))
    with pytest.raises(CsvSeriesError, match=r"is already in line 2 .*GROUP=station"):
        prepare(Request(save(both), column="load"))


def test_rows_may_be_taken_as_even_steps(save, plain):
    ragged = FRAME.assign(time=TIMES + pd.to_timedelta(RNG.integers(0, 900, N), unit="s"))
    found = prepare(Request(save(ragged), column="load", time="none"))
    assert found.sha256 == plain.sha256
    assert found.about["step"] == "row"


@given(period=st.integers(5, 60), noise=st.floats(0, 0.5), trend=st.floats(-0.05, 0.05))
def test_a_season_is_found_in_noise_and_on_a_trend(period, noise, trend):
    time = np.arange(600)
    values = np.sin(2 * np.pi * time / period) + noise * np.random.default_rng(0).normal(size=600) + trend * time
    found = find_period(values)
    assert found is not None
    # Noise may move the peak of a long period by a step.
    assert abs(found[0] - period) <= 1 + period * noise / 10


def noise(rng, rows, correlation):
    values = rng.normal(size=rows)
    for row in range(1, rows):
        values[row] += correlation * values[row - 1]
    return values


@pytest.mark.parametrize(
    ("season", "period", "rows", "height", "correlation"),
    [
        (365.25, 365, 2434, 1.5, 0.5),
        (24, 24, 400, 1, 0),
        (24, 24, 2000, 1, 0.5),
        (7, 7, 700, 1, 0.5),
        (37, 37, 900, 1, 0),
    ],
)
def test_of_a_season_under_noise_the_right_step_is_found(season, period, rows, height, correlation):
    """At most one in ten may be missed or be a multiple; all were wrong where the autocorrelation's peak was taken."""
    wave = height * np.sin(2 * np.pi * np.arange(rows) / season)
    found = [find_period(wave + noise(np.random.default_rng(seed), rows, correlation)) for seed in range(20)]
    assert sum(one is not None and one[0] == period for one in found) >= 18


def test_a_season_that_is_no_sine_is_its_whole_period_and_not_a_harmonic():
    time = np.arange(800)
    for shape in ((time % 24 < 3) * 3.0, np.sin(2 * np.pi * time / 12) + 0.9 * np.sin(2 * np.pi * time / 24)):
        found = [find_period(shape + noise(np.random.default_rng(seed), 800, 0.3)) for seed in range(10)]
        assert [one and one[0] for one in found] == [24] * 10


def test_noise_and_random_walks_have_no_season():
    for make in (
        lambda rng: rng.normal(size=900),
        lambda rng: rng.normal(size=900).cumsum(),
        lambda rng: noise(rng, 900, 0.9),
    ):
        found = [find_period(make(np.random.default_rng(seed))) for seed in range(20)]
        assert sum(one is not None for one in found) <= 1
    assert find_period(np.arange(900.0)) is None
    assert find_period(np.full(900, 3.0)) is None


def test_the_target_follows_its_rule_on_whatever_rows_are_scored(plain):
    task = CsvSeries(plain)
    for rows in (np.asarray(plain.series.scored_rows), np.asarray(plain.series.scored_rows)[::3]):
        targets = plain.series.targets[rows]
        trivial = min(((plain.series.inputs[rows] - targets) ** 2).mean(), (targets**2).mean())
        line = linear_error(plain.series, plain.lags, rows)
        assert line < trivial
        assert task.target_on(4, rows) == pytest.approx(trivial - WAY * (trivial - line))
    with pytest.raises(ValueError, match="window 0"):
        task.target(0)


def test_where_a_line_is_no_better_the_target_is_the_trivial_error(save):
    noise = FRAME.assign(load=RNG.normal(size=N))
    task = CsvSeries(prepare(Request(save(noise), column="load", period=0)))
    assert linear_error(task.series(), task.prepared.lags) > task.trivial
    assert task.target(4) == task.trivial


def test_it_is_the_same_task_when_rebuilt_from_its_file(tmp_path, plain):
    plain.save(tmp_path / "series.npz")
    again = Prepared.load(tmp_path / "series.npz")
    assert again.about == plain.about
    one, other = CsvSeries(plain), CsvSeries(again)
    assert (one.name, one.title, one.description) == (other.name, other.title, other.description)
    assert one.target(3) == other.target(3)
    assert one.baselines() == other.baselines()


def test_another_content_has_another_name(save, plain):
    frame = FRAME.assign(load=np.where(np.arange(N) == N - 1, VALUES + 1e-6, VALUES))
    assert CsvSeries(prepare(Request(save(frame), column="load"))).name != CsvSeries(plain).name


def test_a_torn_file_is_named(tmp_path, plain):
    plain.save(tmp_path / "series.npz")
    whole = (tmp_path / "series.npz").read_bytes()
    (tmp_path / "series.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CsvSeriesError, match="holds no prepared series"):
        Prepared.load(tmp_path / "series.npz")


def test_an_added_task_is_found_by_its_name_alone(plain):
    task = CsvSeries(plain)
    tasks.add(task)
    assert tasks.create(task.name) is task
    assert task.name not in tasks.names()
