"""Everything that a report states of a run, computed once for the text, the figures and the machines."""

from dataclasses import dataclass
from functools import cached_property

from reports.claim.arms import (
    Comparison,
    WidthComparison,
    comparisons,
    repeated_arms,
    self_comparisons,
    width_comparisons,
)
from reports.claim.controls import (
    Control,
    Finding,
    LongerWindow,
    Otherwise,
    Share,
    controls,
    findings,
    gains_by_carrying,
    longer_windows,
    predicted_otherwise,
    shares,
)
from reports.claim.robustness import (
    FloorCheck,
    Rates,
    SameArm,
    Sensitivity,
    Split,
    floor_checks,
    rates,
    same_arms,
    sensitivities,
    splits,
)
from reports.collect.grouping import engines_of
from reports.collect.read import Effort, Run, effort
from reports.costs import Costs, costs
from reports.frames import Frames
from reports.statistics.verdict import BY_INTERVAL
from reports.tell.caveats import Noted, collect_warnings
from reports.tell.headline import Sureness, Turn, headline, in_full, sureness, turning_point, turns
from reports.tell.recommendation import Recommendation, opening, recommendations
from reports.tell.what_to_do import Advice, SummaryLine, advice, summary_lines


@dataclass(frozen=True)
class Analysis:
    """A run and all that follows from it.

    Attributes
    ----------
    judged
        Every comparison of two arms with the same target; `compared`: those of stateful against stateless among them.
    a_a
        Every arm against itself on other seeds, or many of the `a_a_of` that there are.
    sensitivity
        Of the comparisons of most interest, `MOST_SENSITIVITIES` at most.
    """

    run: Run
    recommendations: list[Recommendation]
    opening: list[str]
    headline: list[str]
    sureness: Sureness
    in_full: list[str]
    turning_point: str
    turns: list[Turn]
    findings: list[Finding]
    summary_lines: list[SummaryLine]
    judged: list[Comparison]
    compared: list[Comparison]
    a_a: list[Comparison]
    a_a_of: int
    widths: list[WidthComparison]
    advice: list[Advice]
    controls: list[Control]
    shares: list[Share]
    longer_windows: list[LongerWindow]
    otherwise: list[Otherwise]
    gains_by_carrying: str
    sensitivity: list[Sensitivity]
    rates: list[Rates]
    splits: list[Split]
    same_arms: list[SameArm]
    costs: Costs
    floors: list[FloorCheck]
    warnings: list[Noted]
    effort: Effort

    @cached_property
    def frames(self) -> Frames:
        """All of it as frames; the comparisons are these."""
        return Frames.judged(
            self.run,
            comparisons=self.judged,
            a_a=self.a_a,
            longer_windows=self.longer_windows,
            otherwise=self.otherwise,
            same_arms=self.same_arms,
            widths=self.widths,
            sensitivity=self.sensitivity,
            costs=self.costs,
        )

    @property
    def engines(self) -> list[str]:
        """Engines of the run, in order."""
        return engines_of(self.run)

    @property
    def false_calls(self) -> list[Comparison]:
        """Comparisons of an arm with itself that came out as a difference."""
        return [one for one in self.a_a if one.updates.verdict in BY_INTERVAL]

    @property
    def declared(self) -> list[Comparison]:
        """Comparisons that were declared before the run, those of control arms included."""
        return [one for one in self.judged if one.declared]

    @property
    def about_costs(self) -> bool:
        """Whether the run was made for what things cost: it declared nothing, and timed more than it compared."""
        return not self.run.family and len(self.costs.timings) > len(self.compared)

    @property
    def survivors(self) -> list[Comparison]:
        """Declared comparisons whose difference remains after Holm's correction."""
        return [one for one in self.judged if one.survives_holm]

    @property
    def disagreeing(self) -> list[Comparison]:
        """Comparisons whose verdict depends on what is counted."""
        return [one for one in self.compared if one.disagree]


def analyse(run: Run) -> Analysis:
    """Compute it. Settings whose arms had different targets are not judged, but noted as a warning."""
    every = comparisons(run)
    judged = [one for one in every if one.same_target and one.a.n]
    compared = [one for one in judged if one.of_the_claim]
    a_a = self_comparisons(run)
    widths = width_comparisons(run)
    beside = controls(judged)
    otherwise, given = predicted_otherwise(run), recommendations(run)
    longer, better, found = longer_windows(run), findings(beside), costs(run)
    floors = floor_checks(run)
    return Analysis(
        run=run,
        recommendations=given,
        opening=opening(run, given),
        headline=headline(run, compared, longer, found),
        sureness=sureness(judged, a_a),
        in_full=in_full(compared, longer, better, widths),
        turning_point=turning_point(compared),
        turns=turns(compared),
        findings=better,
        summary_lines=summary_lines(compared),
        judged=judged,
        compared=compared,
        a_a=a_a,
        a_a_of=len(repeated_arms(run)),
        widths=widths,
        advice=advice(compared),
        controls=beside,
        shares=shares(beside),
        longer_windows=longer,
        otherwise=otherwise,
        gains_by_carrying=gains_by_carrying(otherwise),
        sensitivity=sensitivities(compared),
        rates=rates(run),
        splits=splits(run),
        same_arms=same_arms(run),
        costs=found,
        floors=floors,
        warnings=collect_warnings(run, every, a_a, floors),
        effort=effort(run),
    )
