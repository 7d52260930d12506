"""All that can make a result worth less: what the run noted, and what shows only in the whole."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import chain

from bench.warnings import REMEDIES, Warn
from reports import formatting
from reports.claim.arms import Comparison
from reports.claim.learnt import learnt_by_task
from reports.claim.robustness import FloorCheck
from reports.collect.grouping import arms_by_setting
from reports.collect.read import Run
from reports.statistics.verdict import BY_INTERVAL

FEW_SEEDS = 10


class Caution(Enum):
    """(what it means, what to do)."""

    BELOW_FLOOR = (
        "an arm got below the error that is possible for it: a bug in the suite",
        "Do not use this run's verdicts on that task. Report it with the run folder.",
    )
    FALSE_CALL = (
        "an arm compared with itself on other seeds came out as fewer or more",
        "Expect as many false calls among the verdicts; raise evaluation_seeds.",
    )
    DIFFERENT_TARGETS = (
        "the two arms of a setting were asked for different errors, so their costs do not compare",
        "Run both arms with the same preset and task data.",
    )
    NOT_DECLARED = (
        "run.json declares no family of comparisons, so every comparison of this run is exploratory",
        "Mark the grids that are to decide with 'family = true' in the preset, and run it under another name.",
    )
    DECLARED_MISSING = (
        "a declared comparison was not judged; it counts in Holm's family as showing no difference",
        "Run again with the same command: only what is missing is run.",
    )
    FAILED = (
        "a case did not end well",
        "Its error output is in logs/, the end of it below. Run again with ARGS=--retry once the cause is fixed.",
    )
    MISSING = (
        "a case of the plan has no record",
        "Run again with the same command: only what is missing is run.",
    )
    MISSING_SHARD = (
        "shards of the plan are missing",
        "Run each with SHARD=..., then `make merge` with all of them.",
    )
    TIMED_ELSEWHERE = (
        "cases were timed on other machines than this run's, and are in runs of their own",
        "See their reports, or `make compare` them: figures of two machines are never mixed.",
    )
    MISSING_ARM = (
        "a setting lacks its stateful or stateless arm and is not judged",
        "Run the other arm too.",
    )
    UNREADABLE = (
        "a line or file could not be read and was skipped",
        "Run again: cases whose record was lost are run anew.",
    )
    REPEATED = (
        "a case was recorded twice; the last record is used",
        "Nothing, unless two runs shared the folder.",
    )
    OTHER_COMMIT = (
        "the run was continued at another commit than it began at",
        "If the code that trains or measures changed in between, run again under another name.",
    )
    COARSE = (
        "an arm was evaluated so seldom that its updates to the target are not known to the margin of 10 %",
        "Evaluate more often (a smaller `cadence`), or set a harder target.",
    )
    LINE_UNTESTED = (
        "whether a network predicts better than a linear model was not tested: no arm trained on beyond its target",
        "Let the arms that are to show it train on: stop = 'budget' in their grid of the preset.",
    )
    FEW_SEEDS = (f"an arm was judged on fewer than {FEW_SEEDS} seeds", "Raise evaluation_seeds.")
    UNPAIRED = (
        "a seed was run by one arm only and is left out of the ratio",
        "Run again to complete the pair.",
    )

    @property
    def meaning(self) -> str:
        """What it means."""
        return str(self.value[0])

    @property
    def remedy(self) -> str:
        """What to do."""
        return str(self.value[1])


@dataclass(frozen=True)
class Noted:
    """A warning and all it touches."""

    code: str
    meaning: str
    remedy: str
    where: tuple[str, ...]


def collect_warnings(
    run: Run, compared: list[Comparison], a_a: list[Comparison], floors: list[FloorCheck]
) -> list[Noted]:
    """Every warning of a run, the gravest first, each once with all it touches."""
    found: defaultdict[Caution, list[str]] = defaultdict(list)
    every = (_of_files(run), _of_family(run, compared), _of_comparisons(compared, a_a), _of_records(run, floors))
    for kind, where in chain.from_iterable(every):
        found[kind].append(where)
    ours = [
        Noted(kind.name.lower().replace("_", "-"), kind.meaning, kind.remedy, tuple(dict.fromkeys(found[kind])))
        for kind in Caution
        if kind in found
    ]
    return ours + _of_codes(run)


def _of_codes(run: Run) -> list[Noted]:
    """Codes that the run itself noted, with the text and remedy of bench's closed list."""
    found: defaultdict[Warn, list[str]] = defaultdict(list)
    for record in run.records:
        for code in record.warnings:
            found[code].append(record.key)
    return [Noted(str(code), *REMEDIES[code], tuple(found[code])) for code in sorted(found)]


def _of_files(run: Run) -> Iterator[tuple[Caution, str]]:
    yield from ((Caution.UNREADABLE, str(problem)) for problem in run.unreadable)
    yield from ((Caution.REPEATED, str(problem)) for problem in run.repeated)
    yield from ((Caution.MISSING, key) for key in run.missing)
    if run.shards:
        for number, cases in run.missing_shards.items():
            yield Caution.MISSING_SHARD, f"shard {number} of {run.shards.of}, {formatting.count(cases, 'case')}"
        yield from ((Caution.TIMED_ELSEWHERE, name) for name in run.shards.timed_elsewhere)
    commits = dict.fromkeys(one.git.commit[:12] for one in run.invocations if one.cases_run and one.git)
    if len(commits) > 1:
        yield Caution.OTHER_COMMIT, " then ".join(commits)


def _of_family(run: Run, compared: Iterable[Comparison]) -> Iterator[tuple[Caution, str]]:
    compared = list(compared)
    if compared and not run.family:
        yield Caution.NOT_DECLARED, "all comparisons"
    judged = {(one.a.record.key, one.b.record.key) for one in compared if one.same_target and one.a.n}
    for pair in run.family:
        if pair not in judged:
            yield Caution.DECLARED_MISSING, " against ".join(pair)


def _of_comparisons(compared: Iterable[Comparison], a_a: Iterable[Comparison]) -> Iterator[tuple[Caution, str]]:
    for one in compared:
        label = one.setting.label
        if not one.same_target:
            targets = f"{one.a.convergence.target:.4g} and {one.b.convergence.target:.4g}"
            yield Caution.DIFFERENT_TARGETS, f"{label}: {targets}"
        if one.unpaired:
            yield Caution.UNPAIRED, f"{label}: {one.unpaired}"
        if one.a.n < FEW_SEEDS:
            yield Caution.FEW_SEEDS, f"{label}: {one.a.n}"
        yield from ((Caution.COARSE, f"{label}, {arm.record.case.regime}") for arm in one.coarse)
    for one in a_a:
        if one.updates.verdict in BY_INTERVAL:
            yield Caution.FALSE_CALL, f"{one.setting.label}, {one.a.record.case.regime}"


def _of_records(run: Run, floors: list[FloorCheck]) -> Iterator[tuple[Caution, str]]:
    for one in floors:
        if one.below:
            yield (
                Caution.BELOW_FLOOR,
                f"{one.key}: {one.error:.4g}, floor {one.floor:.4g} less {100 * one.margin:.0f} %",
            )
    for setting, arms in arms_by_setting(run).items():
        if "stateful" not in arms or "stateless" not in arms:
            yield Caution.MISSING_ARM, f"{setting.label}: has only {', '.join(arms)}"
    yield from ((Caution.LINE_UNTESTED, task) for task, one in learnt_by_task(run).items() if not one.tested)
    for record in run.records:
        if record.outcome != "ok":
            yield Caution.FAILED, f"{record.key}: {record.outcome}"
