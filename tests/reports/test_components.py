"""Variance components of nested designs, balanced and not."""

import numpy as np
import pytest
from scipy import stats

from reports.statistics.components import components, pooled

DESIGN = {
    "draw": np.repeat(np.arange(4), 6),
    "fold": np.tile(np.repeat(np.arange(3), 2), 4),
    "seed": np.tile(np.arange(2), 12),
}


def test_one_level_is_the_variance_by_hand():
    (one,) = components(np.array([1.0, 2, 6]), {"seed": np.arange(3)})
    assert (one.levels, one.degrees, one.below) == (("seed",), 2, 0)
    assert one.variance == pytest.approx(7)
    low, high = one.limits()
    assert (low**2, high**2) == pytest.approx([2 * 7 / stats.chi2.ppf(p, 2) for p in (0.975, 0.025)])


def test_two_levels_are_the_analysis_of_variance():
    values = np.array([1.0, 3, 2, 8, 4, 4])
    between, within = components(values, {"draw": np.repeat(np.arange(3), 2), "seed": np.tile(np.arange(2), 3)})
    # Within: (2 + 18 + 0) / 3; means 2, 5, 4 with a variance of 7/3, of which half of what is within is chance.
    assert (within.mean_square, within.degrees) == (pytest.approx(20 / 3), 3)
    assert between.variance == pytest.approx(7 / 3 - 20 / 6)
    assert between.deviation == 0
    f, _ = stats.f_oneway(*values.reshape(3, 2))
    assert 2 * between.mean_square / within.mean_square == pytest.approx(f)


def test_a_level_with_one_value_is_none_and_two_that_never_vary_apart_are_one():
    names = [part.levels for part in components(np.arange(6.0), {"draw": np.zeros(6, int), "seed": np.arange(6)})]
    assert names == [("seed",)]
    design = {"draw": np.array([0, 0, 1, 1]), "fold": np.array([5, 5, 5, 5]), "seed": np.array([0, 1, 0, 1])}
    assert [part.levels for part in components(np.arange(4.0), design)] == [("draw", "fold"), ("seed",)]
    assert components(np.array([]), {"seed": np.array([], int)}) == []


@pytest.mark.parametrize("missing", [0, 5], ids=["balanced", "unbalanced"])
def test_components_are_unbiased_and_covered(missing):
    rng = np.random.default_rng(8)
    planted = {"draw": 0.5, "fold": 0.3, "seed": 0.2}
    kept = np.sort(rng.permutation(24)[missing:])
    design = {name: labels[kept] for name, labels in DESIGN.items()}
    found, covered = [], np.zeros(3)
    for _ in range(600):
        of_draw, of_fold = rng.normal(0, 0.5, 4), rng.normal(0, 0.3, (4, 3))
        values = of_draw[DESIGN["draw"]] + of_fold[DESIGN["draw"], DESIGN["fold"]] + rng.normal(0, 0.2, 24)
        parts = components(values[kept], design)
        assert [part.levels for part in parts] == [(name,) for name in planted]
        found.append(parts)
        limits = [part.limits() for part in parts]
        covered += [low <= sd <= high for (low, high), sd in zip(limits, planted.values(), strict=True)]
    for part, sd in zip(pooled(found), planted.values(), strict=True):
        assert part.variance == pytest.approx(sd**2, rel=0.12)
    assert (covered / 600 > 0.92).all()
