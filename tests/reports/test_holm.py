import numpy as np
import pytest

from reports.statistics.verdict import holm


def test_holm_by_hand():
    # 0.01 x 3, 0.02 x 2, 0.03 x 1 made monotone
    assert holm(np.array([0.03, 0.01, 0.02])) == pytest.approx([0.04, 0.03, 0.04])
    assert holm(np.array([0.9, 0.6])) == pytest.approx([1, 1])
    assert holm(np.array([])).size == 0


def test_holm_is_statsmodels():
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    p = np.random.default_rng(3).random(20) ** 3
    assert holm(p) == pytest.approx(multitest.multipletests(p, method="holm")[1])


def test_holm_with_ties_and_one():
    assert holm(np.array([0.02, 0.02, 1.0])) == pytest.approx([0.06, 0.06, 1])
    assert holm(np.array([0.04])) == pytest.approx([0.04])
