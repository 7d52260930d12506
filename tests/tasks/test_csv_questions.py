"""What may be asked of a file beside the next value of one column: each input and target in its place."""

import numpy as np
import pandas as pd
import pytest

from tasks.csv_series.prepare import prepare
from tasks.csv_series.request import Request
from tasks.csv_series.series import CsvSeries, Prepared
from tasks.task import CsvSeriesError

N = 300
TRAIN = 200
RNG = np.random.default_rng(3)
RAIN, PLAN = RNG.gamma(1.0, size=N), RNG.normal(size=N)
RUNOFF = np.convolve(RAIN, 0.5 ** np.arange(8))[:N] + 0.05 * RNG.normal(size=N)
FRAME = pd.DataFrame({"runoff": RUNOFF, "level": RUNOFF**0.5, "rain": RAIN, "plan": PLAN})


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    file = tmp_path_factory.mktemp("asked") / "river.csv"
    FRAME.to_csv(file, index=False)
    return file


def scaled(name):
    values = FRAME[name].to_numpy()
    return (values - values[:TRAIN].mean()) / values[:TRAIN].std()


def asked(path, **options):
    return prepare(Request(path, **{"column": "runoff"} | options))


def test_the_value_some_steps_ahead(path):
    prepared = asked(path, ahead=5, inputs=("rain",))
    series = prepared.series
    np.testing.assert_allclose(series.inputs, np.column_stack([scaled("runoff"), scaled("rain")])[:-5])
    np.testing.assert_allclose(series.targets[:, 0], scaled("runoff")[5:])
    # The last training target is the last training value.
    assert series.train_rows == TRAIN - 5
    rows = np.asarray(series.scored_rows)
    persistence = ((scaled("runoff")[rows] - scaled("runoff")[rows + 5]) ** 2).mean()
    assert CsvSeries(prepared).baselines()["persistence"] == pytest.approx(persistence)
    assert "5 steps ahead" in CsvSeries(prepared).description


def test_a_column_from_others_alone_at_the_same_time(path):
    prepared = asked(path, past=False, inputs=("rain",))
    series = prepared.series
    np.testing.assert_allclose(series.inputs, scaled("rain")[:, None])
    np.testing.assert_allclose(series.targets[:, 0], scaled("runoff"))
    assert series.train_rows == TRAIN
    task = CsvSeries(prepared)
    assert set(task.baselines()) == {"training mean", task.autoregression}
    assert task.autoregression.startswith("linear regression")
    # A line over the rain of the last steps knows nearly all; what fell before them is the rest.
    assert task.baselines()[task.autoregression] < 0.05 < task.trivial
    assert task.description.endswith(
        "in standard deviations, from rain alone; the target is the value at the same time."
    )


def test_a_column_known_beforehand_is_seen_at_the_time_of_the_target(path):
    series = asked(path, known=("plan",), inputs=("rain",)).series
    np.testing.assert_allclose(
        series.inputs, np.column_stack([scaled("runoff")[:-1], scaled("plan")[1:], scaled("rain")[:-1]])
    )
    ahead = asked(path, known=("plan",), ahead=3).series
    np.testing.assert_allclose(ahead.inputs[:, 1], scaled("plan")[3:])


def test_several_columns_to_predict(path):
    prepared = asked(path, column="runoff,level", inputs=("rain",))
    series = prepared.series
    np.testing.assert_allclose(series.targets, np.column_stack([scaled("runoff"), scaled("level")])[1:])
    np.testing.assert_allclose(series.inputs[:, 2], scaled("rain")[:-1])
    task = CsvSeries(prepared)
    rows = np.asarray(series.scored_rows)
    errors = [((scaled(name)[rows] - scaled(name)[rows + 1]) ** 2).mean() for name in ("runoff", "level")]
    assert task.baselines()["persistence"] == pytest.approx(np.mean(errors))
    assert task.title == "runoff, level of river.csv"
    assert task.name.startswith("runoff_level_")


def test_errors_of_simple_predictions_target_by_target_add_up_to_the_baselines(path):
    for options in ({}, {"ahead": 4, "period": 24}, {"past": False, "inputs": ("rain",)}, {"column": "runoff,level"}):
        task = CsvSeries(asked(path, **options))
        rows = np.asarray(task.series().scored_rows)
        told = {name: one.mean() for name, one in task.simple_errors(rows).items()}
        baselines = task.baselines()
        assert told == pytest.approx({name: baselines[name] for name in told})
        assert min(told.values()) <= task.trivial


def test_what_was_asked_is_kept_to_ask_it_again(path, tmp_path):
    prepared = asked(path, ahead=2, inputs=("rain",), period=0)
    prepared.save(tmp_path / "series.npz")
    about = Prepared.load(tmp_path / "series.npz").about
    again = prepare(Request(path, **{k: tuple(v) if isinstance(v, list) else v for k, v in about["options"].items()}))
    assert again.sha256 == prepared.sha256


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ahead": 0}, "AHEAD=0 is not valid; give a whole number of steps from 1 to 50"),
        ({"ahead": 51}, "AHEAD=51 is not valid"),
        ({"past": False}, "PAST=no leaves nothing to predict from"),
        ({"past": False, "inputs": ("runoff",)}, "'runoff' is to be predicted and cannot be seen"),
        ({"known": ("runoff",)}, "'runoff' is to be predicted and cannot be seen"),
        ({"known": ("paln",)}, r"no column 'paln'. Did you mean 'plan'.*KNOWN="),
        ({"column": "runoff,lvel"}, "no column 'lvel'. Did you mean 'level'"),
    ],
)
def test_what_cannot_be_asked(path, options, message):
    with pytest.raises(CsvSeriesError, match=message):
        asked(path, **options)
