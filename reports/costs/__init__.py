"""All that a report states of costs, computed once."""

from dataclasses import dataclass, replace

from bench.case.record import Record
from reports.collect.grouping import in_order
from reports.collect.read import Run
from reports.costs.contrasts import (
    ALLOCATED,
    COMPILE,
    FORWARD,
    RESIDENT,
    SECONDS,
    Contrasts,
    Growth,
    SelfComparison,
    contrasts,
    growths,
    self_comparison,
)
from reports.costs.frameworks import Bests, bests
from reports.costs.memory_peaks import Memory, Pair, memories, state_pairs, unrolled_pairs
from reports.costs.payback import Payback, ToTarget, WholeTraining, paybacks, to_target, whole_trainings
from reports.costs.roofline import Ceilings, Point, ceilings, points
from reports.costs.timings import (
    Energy,
    Overhead,
    Timing,
    Watched,
    energies,
    middle,
    mismatches,
    overheads,
    timings,
    watched,
)


@dataclass(frozen=True, slots=True, eq=False)
class Costs:
    """What a run says of costs; lists are empty where it says nothing."""

    timings: list[Timing]
    mismatches: list[Record]
    contrasts: Contrasts
    bests: list[Bests]
    a_a: SelfComparison
    paybacks: list[Payback]
    growths: list[Growth]
    ceilings: Ceilings | None
    points: list[Point]
    memories: list[Memory]
    unrolled: list[Pair]
    states: list[Pair]
    to_target: list[ToTarget]
    whole_trainings: list[WholeTraining]
    overheads: list[Overhead]
    energies: list[Energy]
    watched: Watched | None

    @property
    def engines(self) -> list[str]:
        """Engines that were timed or whose memory was measured, in order."""
        timed = [one.setting.engine for one in self.timings]
        return in_order(timed + [one.setting.engine for one in self.memories])

    def by(self, engine: str) -> "Costs":
        """What sentences are made of, of one engine."""
        return replace(
            self,
            contrasts=self.contrasts.by(engine),
            paybacks=[one for one in self.paybacks if one.contrast.b.setting.engine == engine],
            growths=[one for one in self.growths if one.setting.engine == engine],
            points=[one for one in self.points if one.timing.setting.engine == engine],
            unrolled=[one for one in self.unrolled if one.b.setting.engine == engine],
            states=[one for one in self.states if one.b.setting.engine == engine],
        )


def costs(run: Run) -> Costs:
    """Compute it."""
    measured, taken = timings(run), memories(run)
    found = contrasts(measured)
    limits = ceilings(run)
    return Costs(
        timings=measured,
        mismatches=mismatches(run),
        contrasts=found,
        bests=bests(measured, found.training),
        a_a=self_comparison(measured),
        paybacks=paybacks(found),
        growths=[
            *growths(SECONDS, ((one.setting, one.regime, middle(one.by_process)) for one in measured)),
            *growths(FORWARD, ((one.setting, one.regime, middle(one.inference)) for one in measured)),
            *growths(COMPILE, ((one.setting, one.regime, one.compile_seconds) for one in measured)),
            *growths(ALLOCATED, ((one.setting, one.regime, one.allocated or 0) for one in taken)),
            *growths(RESIDENT, ((one.setting, one.regime, one.beyond_framework or 0) for one in taken)),
        ],
        ceilings=limits,
        points=points(measured, limits),
        memories=taken,
        unrolled=unrolled_pairs(taken),
        states=state_pairs(taken),
        to_target=to_target(run, measured),
        whole_trainings=whole_trainings(measured),
        overheads=overheads(measured),
        energies=energies(measured),
        watched=watched(measured),
    )
