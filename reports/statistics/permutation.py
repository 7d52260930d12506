"""Tests: paired sign flips, and Holm's correction for a family of them."""

from functools import cache

import numpy as np

from reports.statistics.running_time import BoolArray, FloatArray

EXACT_UP_TO = 12
FLIPS = 9_999
SEED = 20_240_501


def sign_flip_p(cost_a: FloatArray, reached_a: BoolArray, cost_b: FloatArray, reached_b: BoolArray) -> float:
    """Two-sided p of "the two arms are exchangeable within each pair"; all arrays have shape (n,).

    The statistic is the verdict's own, abs(log ERT ratio), infinite where one arm has no success. Every pair
    keeps or swaps its arms: all 2^n ways up to n = 12, else 9,999 drawn with a fixed seed (and the observed
    one counted with them, so that p is never 0). 1 where no replicate of either arm reached the target.

    References
    ----------
    E. S. Edgington and P. Onghena, "Randomization Tests", 4th ed. (2007), chapter 6; the Monte Carlo p is (k
    + 1) / (m + 1), B. Phipson and G. K. Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010) 39.
    """
    n = cost_a.size
    if n == 0 or not (reached_a.any() or reached_b.any()):
        return 1.0
    flips = _flips(n)
    statistic = _abs_log_ratio(flips, cost_a, reached_a, cost_b, reached_b)
    observed = _abs_log_ratio(np.zeros((1, n)), cost_a, reached_a, cost_b, reached_b)[0]
    # Sums in another order differ in the last digits: equal statistics must count as equal.
    at_least = int(np.sum(statistic >= observed * (1 - 1e-9)))
    return at_least / len(flips) if n <= EXACT_UP_TO else (at_least + 1) / (FLIPS + 1)


@cache
def _flips(n: int) -> FloatArray:
    # As floats, since NumPy multiplies matrices of integers slowly.
    if n <= EXACT_UP_TO:
        return ((np.arange(2**n)[:, None] >> np.arange(n)) & 1).astype(float)
    return np.random.default_rng(SEED).integers(0, 2, size=(FLIPS, n)).astype(float)


def _abs_log_ratio(
    flips: FloatArray, cost_a: FloatArray, reached_a: BoolArray, cost_b: FloatArray, reached_b: BoolArray
) -> FloatArray:
    moved = flips @ (cost_b - cost_a)
    successes = flips @ (reached_b.astype(float) - reached_a.astype(float))
    total_a, total_b = cost_a.sum() + moved, cost_b.sum() - moved
    hits_a, hits_b = reached_a.sum() + successes, reached_b.sum() - successes
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(total_a) - np.log(hits_a) - np.log(total_b) + np.log(hits_b)
    # nan: both arms at no cost, no difference to be seen.
    return np.asarray(np.nan_to_num(np.abs(ratio), nan=0.0, posinf=np.inf), dtype=float)


def holm(p: FloatArray) -> FloatArray:
    """P-values adjusted for their family, shape (m,), in the order given.

    References
    ----------
    S. Holm, Scandinavian Journal of Statistics 6 (1979) 65-70: the k-th smallest times m - k + 1, made
    monotone. Own code because SciPy has no step-down correction and statsmodels would be a dependency for
    these three lines.
    """
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def smallest_p(n: int) -> float:
    """Smallest p that `sign_flip_p` can give with n pairs: the observed assignment and its mirror image."""
    return 2.0 / 2**n if n <= EXACT_UP_TO else 1 / (FLIPS + 1)
