"""The narrowest network that reaches a target, as an interval of the width grid."""

from collections.abc import Sequence
from dataclasses import dataclass

from scipy import special

from reports.statistics.verdict import Verdict

ALPHA = 0.05


@dataclass(frozen=True)
class WidthInterval:
    """The narrowest sufficient width lies in (above, up_to].

    Attributes
    ----------
    above
        Widest width shown to fail; None where not even the narrowest of the grid is shown to fail.
    up_to
        Narrowest width shown to succeed; None where not even the widest is shown to succeed.
    grid
        The widths tested, ascending.
    """

    above: int | None
    up_to: int | None
    grid: tuple[int, ...]

    @property
    def narrowed_down(self) -> bool:
        """Whether the limits are neighbours in the grid."""
        if self.up_to is None or self.above is None:
            return False
        return self.grid.index(self.up_to) - self.grid.index(self.above) == 1


def width_interval(widths: Sequence[int], successes: Sequence[int], n: Sequence[int]) -> WidthInterval:
    """Interval of the narrowest width at which more than half of all trainings reach the target.

    A width *succeeds* where "the success rate is at most 1/2" is rejected by the exact one-sided binomial
    test at 5 %, and *fails* where "at least 1/2" is. The first is tested from the widest downward, the second
    from the narrowest upward, each until the first width at which it cannot be shown. As a fixed sequence,
    each end needs no further correction: each limit is wrong in at most 5 % of experiments, the interval in
    at most 10 %. It supposes that the success rate does not fall with the width.

    Parameters
    ----------
    widths, successes, n
        Shape (k,) each, in any common order.

    References
    ----------
    W. Maurer, L. A. Hothorn and W. Lehmacher, "Multiple comparisons in drug clinical trials: a-priori ordered
    hypotheses", in Biometrie in der chemisch-pharmazeutischen Industrie 6 (1995) 3-18.
    """
    table = sorted(zip(widths, successes, n, strict=True))
    up_to = above = None
    for width, hits, runs in reversed(table):
        if not shown_above_half(hits, runs):
            break
        up_to = width
    for width, hits, runs in table:
        if not shown_above_half(runs - hits, runs):
            break
        above = width
    return WidthInterval(above, up_to, tuple(width for width, _, _ in table))


def shown_above_half(hits: int, n: int) -> bool:
    """Whether `hits` of n or more would come in at most 5 % of experiments were the rate 1/2."""
    return n > 0 and float(special.bdtrc(hits - 1, n, 0.5) if hits else 1.0) <= ALPHA


def compare_widths(stateful: WidthInterval, stateless: WidthInterval) -> Verdict:
    """Judge whether the stateful network may be narrower: intervals that do not overlap decide.

    No difference only where both are narrowed down to the same step of the grid. "Only" where one arm has a
    sufficient width and the other is shown to fail at the widest.
    """
    if stateful.up_to is None or stateless.up_to is None:
        return _one_sided(stateful, stateless)
    if stateless.above is not None and stateful.up_to <= stateless.above:
        return Verdict.HOLDS
    if stateful.above is not None and stateless.up_to <= stateful.above:
        return Verdict.REVERSED
    return Verdict.SAME if stateful == stateless and stateful.narrowed_down else Verdict.UNDECIDED


def _one_sided(stateful: WidthInterval, stateless: WidthInterval) -> Verdict:
    stateful_fails, stateless_fails = (one.above == one.grid[-1] for one in (stateful, stateless))
    if stateful_fails and stateless_fails:
        return Verdict.NEITHER
    if stateful.up_to is not None and stateless_fails:
        return Verdict.ONLY_STATEFUL
    if stateless.up_to is not None and stateful_fails:
        return Verdict.ONLY_STATELESS
    return Verdict.UNDECIDED
