"""Real series cut at several origins."""

import numpy as np
import pytest

from tasks.co2 import CO2, read_ppm
from tasks.electricity import Electricity, read_demand

ORIGINS = 5


@pytest.fixture(params=[Electricity, CO2])
def kind(request):
    return request.param


def scored(task):
    """Scored targets in the file's own unit, up to a constant: ranks do not depend on how they are scaled."""
    series = task.series()
    return series.targets[series.scored_rows.start :, 0]


def test_one_origin_is_the_series_itself(kind):
    one, plain = kind().at_origin(0, 1).series(), kind().series()
    np.testing.assert_array_equal(one.inputs, plain.inputs)
    np.testing.assert_array_equal(one.targets, plain.targets)
    assert (one.train_rows, one.warm_up) == (plain.train_rows, plain.warm_up)


def test_scored_stretches_follow_one_another_to_the_end_of_the_file(kind):
    tasks = [kind().at_origin(origin, ORIGINS) for origin in range(ORIGINS)]
    shapes = {(len(task.series().inputs), task.series().train_rows, len(scored(task))) for task in tasks}
    assert len(shapes) == 1
    values = read_demand() if kind is Electricity else np.diff(read_ppm())
    together = [np.corrcoef(scored(task), part)[0, 1] for task, part in zip(tasks, parts(values, tasks), strict=True)]
    np.testing.assert_allclose(together, 1)


def parts(values, tasks):
    """The last values of the file, in as many equal stretches as there are origins."""
    length = len(scored(tasks[0]))
    return np.split(values[-length * len(tasks) :], len(tasks))


def test_training_and_scored_values_are_in_the_proportion_of_the_whole_and_scaled_by_their_own(kind):
    whole = kind().series()
    for origin in range(ORIGINS):
        task = kind().at_origin(origin, ORIGINS)
        series = task.series()
        assert series.train_rows / len(series.scored) == pytest.approx(whole.train_rows / len(whole.scored), rel=0.02)
        training = series.inputs[: series.train_rows + 1]
        assert (training.mean(), training.std()) == (pytest.approx(0, abs=0.01), pytest.approx(1, abs=0.01))
        assert task.baselines()
