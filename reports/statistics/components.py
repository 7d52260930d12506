"""Random effects: how much of the variance of a value each level of a nested design adds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from reports.statistics.intervals import LEVEL, FloatArray

Labels = NDArray[np.integer]


@dataclass(frozen=True)
class Component:
    """What one level of a design adds.

    Attributes
    ----------
    levels
        Names of the levels that it is of: several where none of them varies without the others.
    mean_square
        Variance of the means of what this level varies, within what it belongs to.
    below
        How much of that comes from the levels below, by their components.
    degrees
        Of freedom.
    """

    levels: tuple[str, ...]
    mean_square: float
    below: float
    degrees: int

    @property
    def variance(self) -> float:
        """Without bias, so that it may be negative."""
        return self.mean_square - self.below

    @property
    def deviation(self) -> float:
        """Its root, 0 where it is estimated below that."""
        return math.sqrt(max(self.variance, 0.0))

    def limits(self, level: float = LEVEL) -> tuple[float, float]:
        """Limits of the deviation: those of the mean square by χ², less what comes from below, taken as known."""
        tail = (1 - level) / 2
        squares = (self.degrees * self.mean_square / special.chdtri(self.degrees, p) for p in (tail, 1 - tail))
        low, high = (math.sqrt(max(0.0, float(square) - self.below)) for square in squares)
        return low, high


def components(values: FloatArray, design: dict[str, Labels]) -> list[Component]:
    """Split the variance of values over the levels of a design.

    Each mean of a level is that of the means of the level below, so that the design need not be balanced (the analysis
    of unweighted means; S. R. Searle, G. Casella and C. E. McCulloch, Variance Components, Wiley 1992, section 4.4).

    Parameters
    ----------
    values
        Shape (n,), finite.
    design
        Labels of shape (n,) by name of the level, outermost first; a label need be unique only within what it belongs
        to. A level that has but one value is left out, and levels of which none varies without the others are one.

    Returns
    -------
    list of Component
        Outermost first; empty where nothing varies.
    """
    levels = _levels(design, len(values))
    found: list[Component] = []
    means, errors = values, np.zeros(len(values))
    place = np.arange(len(values))  # of each node, a row that belongs to it
    for depth in reversed(range(len(levels))):
        names, _ = levels[depth]
        above = levels[depth - 1][1][place] if depth else np.zeros(len(place), int)
        groups = [np.flatnonzero(above == label) for label in np.unique(above)]
        degrees = sum(group.size - 1 for group in groups)
        squares = sum(float(((means[group] - means[group].mean()) ** 2).sum()) for group in groups)
        below = sum((group.size - 1) * float(errors[group].mean()) for group in groups) / degrees
        found.append(Component(names, squares / degrees, below, degrees))
        spread = found[-1].variance
        errors = np.array([(spread + errors[group].mean()) / group.size for group in groups])
        means, place = np.array([means[group].mean() for group in groups]), place[[group[0] for group in groups]]
    return found[::-1]


def _levels(design: dict[str, Labels], n: int) -> list[tuple[tuple[str, ...], Labels]]:
    """Levels that vary apart, each with the number of its node for every row; the innermost is the row itself."""
    found: list[tuple[tuple[str, ...], Labels]] = []
    nodes, counts = np.zeros(n, int), 1
    for name, labels in design.items():
        _, nodes = np.unique(np.stack([nodes, labels]), axis=1, return_inverse=True)
        nodes = nodes.reshape(n)
        before, counts = counts, int(nodes.max()) + 1 if n else 0
        if counts == before and found:
            found[-1] = ((*found[-1][0], name), nodes)
        elif counts > 1:
            found.append(((name,), nodes))
    return found


def pooled(split: Sequence[list[Component]]) -> list[Component]:
    """Mean components of several splits of one design; the degrees are those of one, since all share what varies."""
    return [
        Component(
            parts[0].levels,
            float(np.mean([one.mean_square for one in parts])),
            float(np.mean([one.below for one in parts])),
            min(one.degrees for one in parts),
        )
        for parts in zip(*split, strict=True)
    ]
