"""A user's own series cut at several origins."""

import numpy as np
import pandas as pd
import pytest

from bench.errors import PlanError
from bench.measure import workload
from bench.plan import csv_series, planning
from tasks.csv_series.prepare import prepare
from tasks.csv_series.request import Request
from tasks.csv_series.series import CsvSeries

ORIGINS = 5
ROWS = 1200


@pytest.fixture
def file(tmp_path):
    rng = np.random.default_rng(1)
    level = np.cumsum(rng.normal(size=ROWS))
    path = tmp_path / "level.csv"
    pd.DataFrame({"level": level, "rain": rng.normal(size=ROWS)}).to_csv(path, index=False)
    return path


@pytest.fixture
def whole(file):
    return CsvSeries(prepare(Request(file, column="level", inputs=("rain",), time="none")))


def at(whole, origin):
    return whole.at_origin(origin, ORIGINS)


def test_stretches_that_are_scored_follow_one_another_to_the_end(whole):
    raw = whole.series().targets[:, 0]
    parts = []
    for origin in range(ORIGINS):
        task = at(whole, origin)
        series = task.series()
        cut, _ = task.rolled(len(raw), whole.series().train_rows, whole.series().warm_up)
        parts.append(np.arange(cut.start, cut.stop)[series.scored])
        assert len(series.targets) == cut.stop - cut.start
    scored = np.concatenate(parts)
    assert (np.diff(scored) == 1).all()
    assert scored[-1] == len(raw) - 1


def test_each_origin_is_scaled_by_its_own_training_rows_and_has_a_target_of_its_own(whole):
    targets = set()
    for origin in range(ORIGINS):
        task = at(whole, origin)
        series = task.series()
        training = series.targets[: series.train_rows]
        assert (training.mean(), training.std()) == pytest.approx((0, 1), abs=1e-9)
        rain = series.inputs[: series.train_rows, 1]
        assert (rain.mean(), rain.std()) == pytest.approx((0, 1), abs=1e-9)
        # What is seen of the column and what is to be predicted of it are on one scale.
        np.testing.assert_allclose(series.inputs[1:, 0], series.targets[:-1, 0])
        targets.add(task.target(1))
    assert len(targets) == ORIGINS


def test_a_later_value_changes_nothing_at_an_earlier_origin(file, whole):
    changed = pd.read_csv(file)
    changed.loc[ROWS - 50 :, "level"] *= -3
    changed.to_csv(file, index=False)
    other = CsvSeries(prepare(Request(file, column="level", inputs=("rain",), time="none")))
    np.testing.assert_allclose(at(other, 0).series().targets, at(whole, 0).series().targets)
    assert not np.allclose(at(other, ORIGINS - 1).series().targets, at(whole, ORIGINS - 1).series().targets)


def test_a_run_has_a_fold_for_each_origin_and_its_baselines_are_means(file):
    made = csv_series.load(Request(file, column="level", time="none"), csv_series.Grid(origins=ORIGINS))
    job = next(job for job in planning.make(made).jobs if job.case.kind == "convergence")
    assert (job.training.folds, job.training.draws) == (ORIGINS, ORIGINS)
    assert "Cut at 5 origins, of 374 training rows" in "\n".join(csv_series.lines(made.series))
    load = workload.build(job.case, job.training)
    assert [one.origins for one in load.draws] == [ORIGINS] * ORIGINS
    each = [one.baselines()["persistence"] for one in load.draws]
    assert load.baselines["persistence"] == pytest.approx(np.mean(each))
    assert load.trivial == pytest.approx(np.mean([one.trivial for one in load.draws]))
    few = csv_series.load(Request(file, column="level", time="none"), csv_series.Grid(origins=3))
    assert next(iter(few.grids))[1].folds == 6


@pytest.mark.parametrize(
    ("request_", "origins", "message"),
    [
        ({"rows": 400}, 12, "ORIGINS=12 leaves 73 rows to train at each of them; at least 200 are needed"),
        ({"labels": True, "column": "wet"}, 3, "ORIGINS=3 is for one series of numbers without missing values"),
    ],
)
def test_what_cannot_be_cut_is_refused(file, request_, origins, message):
    table = pd.read_csv(file)
    table["wet"] = (table.rain > 0).astype(int)
    table.to_csv(file, index=False)
    asked = Request(file, **{"column": "level", "time": "none", **request_})
    with pytest.raises(PlanError, match=message):
        csv_series.load(asked, csv_series.Grid(origins=origins))


@pytest.mark.parametrize("origins", ["2", "13", "0", "-3", "five"])
def test_a_number_of_origins_that_cannot_be_is_named(origins):
    with pytest.raises(PlanError, match=f"ORIGINS={origins} is not valid: give"):
        csv_series._origins(origins)
