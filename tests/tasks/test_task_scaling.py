"""Scales follow from training values alone."""

import numpy as np
import pytest

from tasks.scaling import standardise
from tasks.task import SeriesError


def test_only_the_training_values_set_the_scale():
    np.testing.assert_allclose(standardise(np.array([1.0, 3.0, 10.0]), 2), [-1, 1, 8])


def test_a_constant_series_cannot_be_scaled():
    with pytest.raises(SeriesError, match=r"all 5 training values are 2\.0"):
        standardise(np.full(9, 2.0), 5)
