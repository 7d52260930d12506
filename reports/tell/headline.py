"""The answer in a few sentences: by kind of setting, what carrying costs, how sure that is, and where it changes."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from reports.claim.arms import Comparison, WidthComparison
from reports.claim.controls import Finding, LongerWindow
from reports.claim.learnt import learnt_by_task
from reports.collect.grouping import Setting, about_task, by_engine, engine_by_engine
from reports.collect.read import Run
from reports.collect.records import body, fold_of
from reports.costs import Costs
from reports.formatting import count, integer, listing, low_to_high, percent, ratio
from reports.statistics.intervals import LEVEL
from reports.statistics.verdict import (
    BY_INTERVAL,
    DIFFERENT,
    FEWER,
    MARGIN,
    MORE,
    SECONDS_MARGIN,
    Verdict,
    fewer_and_more,
)
from reports.tell.cost_answers import place, tally
from reports.tell.what_to_do import REAL, by_kind, deciding, held, line

ANYWAY = ", if you train one anyway"
"""Aside of a series on which no network was shown to beat a line."""


OTHER_VERDICTS = {
    Verdict.SAME: "the same",
    Verdict.INCONCLUSIVE: "inconclusive",
    Verdict.NEITHER: "neither reached the target",
    Verdict.RATE_NOT_FOUND: "learning rate not found",
}
"""In words, in order, what is neither fewer nor more."""


def headline(run: Run, compared: list[Comparison], longer: list[LongerWindow], costs: Costs) -> list[str]:
    """The answer in a sentence each; of several engines the first speaks: the others train the same seeds.

    In order: each kind of setting, real series, what carrying costs, the longer window. What they leave out is in
    `in_full`; series on which no network learns more than a line stand before them (`recommendation.opening`).
    """
    engine, here = _first_engine(compared)
    if not here:
        return ["**Whether to carry state cannot be said from this run:** no setting has both arms.", _cost(run, costs)]
    kinds = by_kind(deciding(here))
    learnt = learnt_by_task(run)
    asides = {task: ", trained only to its target" for task, one in learnt.items() if not one.tested}
    asides |= {task: ANYWAY for task, one in learnt.items() if one.sentence}
    said = [_kind(kind, of_kind) for kind, of_kind in kinds.items() if kind != REAL]
    said += _real(kinds.get(REAL, []), here, asides)
    said += [_cost(run, costs), _longer([one for one in longer if one.setting.engine == engine])]
    return [sentence for sentence in said if sentence]


def in_full(
    compared: list[Comparison], longer: list[LongerWindow], found: list[Finding], widths: list[WidthComparison]
) -> list[str]:
    """What belongs to the answer and not on the first screen, in a sentence each.

    In order: how many differences remain after Holm's correction, batch sizes that were not declared, a declared
    control that is better than both arms, the longer window, a smaller network.
    """
    engine, here = _first_engine(compared)
    said = [_holm(deciding(here)), *_other_batches(by_kind(deciding(here)).get(REAL, []), here)]
    said += [one.in_short for one in found if one.declared and one.settings[0].engine == engine]
    said += [_longer_in_full([one for one in longer if one.setting.engine == engine]), _smaller_network(widths)]
    return [sentence for sentence in said if sentence]


def _first_engine(compared: list[Comparison]) -> tuple[str, list[Comparison]]:
    return next(iter(by_engine(compared, lambda one: one.setting).items()), ("", []))


def _kind(kind: str, here: list[Comparison]) -> str:
    verdicts = [one.updates.verdict for one in here]
    fewer, more = fewer_and_more(verdicts)
    only = verdicts.count(Verdict.ONLY_STATEFUL)
    how = "only stateful met it" if fewer and only == fewer else "fewer updates"
    parts = [f"{how} in {fewer} of {len(here)}", *([f"more in {more}"] if more else [])]
    words = OTHER_VERDICTS | {Verdict.NEITHER: "neither"} if how != "fewer updates" else OTHER_VERDICTS
    parts += [f"{text} in {n}" for verdict, text in words.items() if (n := verdicts.count(verdict))]
    return f"**{kind[0].upper()}{kind[1:]}: {answer(fewer, more, len(here))}** ({', '.join(parts)})."


def _holm(here: list[Comparison]) -> str:
    """Say which differences remain once so many were looked for; "" where none was declared or found."""
    by_sign = {
        word: found
        for word, verdicts in (("fewer", FEWER), ("more", MORE))
        if (found := [one for one in here if one.declared and one.updates.verdict in verdicts])
    }
    remain, of = held(one for found in by_sign.values() for one in found)
    if not of:
        return ""
    parts = [f"{' of '.join(map(integer, held(found)))} with {word} updates" for word, found in by_sign.items()]
    rest = "" if remain == of else "; take the others as hints"
    kept = f"{integer(remain)} of {count(of, 'difference')} {'holds' if remain == 1 else 'hold'}"
    return f"**Corrected for the number of comparisons (by Holm), {kept}:** {listing(parts)}{rest}."


def answer(fewer: int, more: int, of: int) -> str:
    """One answer for all comparisons; one-sided only where most of them, not merely those decided, say so."""
    if fewer and more:
        return "it depends"
    if not fewer and not more:
        return "no difference shown"
    if 2 * max(fewer, more) <= of:
        return "not settled"
    return "carry state" if fewer else "do not carry state"


def _real(here: list[Comparison], every: list[Comparison], asides: Mapping[str, str]) -> list[str]:
    """A sentence for each series, or one for all; `asides`: what of a series is to be known beside its verdict."""
    by_task: defaultdict[str, list[Comparison]] = defaultdict(list)
    for one in here:
        by_task[one.setting.task_name].append(one)
    where = {
        task: f"{task}, {_batches({one.setting.batch_size for one in some})}" if _others(some, every) else task
        for task, some in by_task.items()
    }
    if len(by_task) > 1 and all(asides.get(task) == ANYWAY for task in by_task):
        told = "; ".join(f"{where[task]}: {line(some)}" for task, some in by_task.items())
        return [f"**If you train a network anyway:** {told}."]
    return [f"**{where[task]}{asides.get(task, '')}:** {line(some)}." for task, some in by_task.items()]


def _batches(sizes: set[int]) -> str:
    return f"batch {'size' if len(sizes) == 1 else 'sizes'} {listing(sorted(sizes))}"


def _others(some: list[Comparison], every: list[Comparison]) -> list[Comparison]:
    """Comparisons of the same series that were not declared, at other batch sizes."""
    task, sizes = some[0].setting.task_name, {one.setting.batch_size for one in some}
    return [o for o in every if o.setting.task_name == task and not o.declared and o.setting.batch_size not in sizes]


def _other_batches(real: list[Comparison], every: list[Comparison]) -> list[str]:
    """For each real series, what was found at batch sizes that were not declared."""
    said = []
    for task in dict.fromkeys(one.setting.task_name for one in real):
        by_batch: defaultdict[int, list[Verdict]] = defaultdict(list)
        for one in _others([one for one in real if one.setting.task_name == task], every):
            by_batch[one.setting.batch_size].append(one.updates.verdict)
        parts = []
        for batch, verdicts in sorted(by_batch.items()):
            fewer, more = fewer_and_more(verdicts)
            counts = [f"{word} updates in {n}" for word, n in (("fewer", fewer), ("more", more)) if n]
            shown = ", ".join(counts) or "no difference shown"
            parts.append(f"at {batch} {shown} (of {len(verdicts)})")
        if parts:
            said.append(f"**{task} at other batch sizes**, not declared before the run: {'; '.join(parts)}.")
    return said


def _longer(found: list[LongerWindow]) -> str:
    """Say whether a longer window without carried state does it too; "" where none was tried."""
    if not found:
        return ""
    fewer, more, less = _longer_counts(found)
    counts = f"fewer updates in {fewer} of {len(found)}{f', more in {more}' if more else ''}, less compute in {less}"
    return f"**A longer window, stateless,** against a shorter, stateful: {counts}."


def _longer_counts(found: list[LongerWindow]) -> tuple[int, int, int]:
    """In how many pairs the longer window takes fewer updates, more, and less computing."""
    # Stateful at a short window needing more is stateless at the long one needing fewer.
    more, fewer = fewer_and_more(one.comparison.updates.verdict for one in found)
    return fewer, more, sum(one.comparison.cell_steps.verdict in MORE for one in found)


def _longer_in_full(found: list[LongerWindow]) -> str:
    if not found:
        return ""
    fewer, more, less = _longer_counts(found)
    untuned = sum(one.comparison.updates.verdict is Verdict.RATE_NOT_FOUND for one in found)
    aside = f" ({OTHER_VERDICTS[Verdict.RATE_NOT_FOUND]} in {untuned})" if untuned else ""
    return (
        f"**A longer window without carried state**, against carried state at a shorter one: of "
        f"{count(len(found), 'pair')} it took fewer updates in {fewer}{f' and more in {more}' if more else ''}{aside}, "
        f"and less computing in {less}: each of its updates and predictions goes through the whole window. Not "
        "declared before the run."
    )


def _cost(run: Run, costs: Costs) -> str:
    every = costs.contrasts.of("stateful / stateless")
    found = [one for one in every if one.b.setting.engine == every[0].b.setting.engine]
    if not found:
        return "**Seconds per update with carried state** were not compared in this run."
    if len(found) == 1:
        takes = f"{ratio(found[0].training)} times the seconds per update** ({place(found[0])})"
    else:
        formed = [one.training for one in found if one.training.method != "none"]
        limits = [limit for one in formed for limit in (one.low, one.high)] or [one.training.value for one in found]
        takes = f"{low_to_high(limits)} times the seconds per update**{'' if formed else ' (no intervals)'}"
    cores = {record.training.cores for record in run.records if record.case.kind == "time"}
    return f"**Carrying takes {takes}: {tally(found)}{' (on one core)' if cores == {1} else ''}."


def _smaller_network(widths: list[WidthComparison]) -> str:
    """Say whether a narrower stateful network suffices, of the first engine; "" where no width grid was run."""
    here = next(iter(by_engine(widths, lambda one: one.setting).values()), [])
    if not here:
        return ""
    verdicts = [one.verdict for one in here]
    fewer, more = fewer_and_more(verdicts)
    words = {"carry state": "yes", "do not carry state": "no, wider"}
    given = answer(fewer, more, len(here))
    parts = [f"A narrower stateful network sufficed in {fewer} of {count(len(here), 'width grid')} (exploratory)"]
    parts += [f"a wider one was needed in {more}"] if more else []
    parts += [f"{words} in {n}" for verdict, words in OTHER_VERDICTS.items() if (n := verdicts.count(verdict))]
    return f"**Smaller network: {words.get(given, given)}.** {', '.join(parts)}."


@dataclass(frozen=True)
class Sureness:
    """How far to trust the verdicts that the headline counts.

    Attributes
    ----------
    declared
        Whether they were declared before the run.
    of
        How many there are.
    evidence
        What an arm was trained with.
    not_found
        Comparisons without a verdict, since an arm chose its learning rate at the edge of those tried.
    at_no_rate
        Those in which an arm did so too, but neither reached the target at any rate.
    declared_of_others
        Comparisons with control arms that were declared.
    in_two_groups
        Comparisons of which an arm's successes part into a fast and a slow group.
    differences
        Declared differences in updates: how many hold, corrected for the number of comparisons, and how many there are.
    false_calls
        Networks that came out different from the same on other seeds, and how many were compared so.
    """

    declared: bool
    of: int
    evidence: "Evidence"
    not_found: int
    at_no_rate: int
    declared_of_others: int
    in_two_groups: int
    differences: tuple[int, int]
    false_calls: tuple[int, int]

    @property
    def in_one_line(self) -> str:
        """What a reader must know who reads no more; "" without comparisons."""
        if not self.of:
            return ""
        hold, differences = self.differences
        parts = [f"{low_to_high(self.evidence.seeds)} seeds per arm (the run with more weighs more)."]
        if self.declared and differences:
            parts.append(
                f"{integer(hold)} of {count(differences, 'difference')} in updates {'holds' if hold == 1 else 'hold'}, "
                f"corrected for multiple comparisons{'' if hold == differences else '; the others are hints'}."
            )
        if not self.declared:
            parts.append("No comparison was declared before the run: differences in updates are hints.")
        if self.not_found:
            parts.append(
                f"No verdict, as the best learning rate was not found: {integer(self.not_found)} of {self.of}."
            )
        called, compared = self.false_calls
        if compared:
            parts.append(f"Self-checks that differed: {integer(called)} of {integer(compared)}.")
        margins = f"{percent(MARGIN)} of updates, {percent(SECONDS_MARGIN)} of seconds"
        parts.append(f"Ranges, brackets: {percent(LEVEL)} intervals. Margins: {margins}.")
        return " ".join(parts)

    @property
    def sentence(self) -> str:
        """The counts in words; "" without comparisons."""
        if not self.of:
            return ""
        of = count(self.of, "comparison")
        edge = (
            f"In {self.not_found} of {of} a network did best at the smallest or largest learning rate tried, so a "
            "better one may lie beyond: no verdict there"
            if self.not_found
            else "Every network's best learning rate lies within those tried"
        )
        if self.at_no_rate:
            edge += f"; in {self.at_no_rate} of {of} none is the best: neither network reached the target at any"
        edge += "."
        if self.in_two_groups:
            edge += (
                f" In {self.in_two_groups} of {of} the trainings of an arm part into a fast and a slow group: such a "
                "verdict is less sure than its interval says."
            )
        if self.declared:
            return edge
        others = f"; declared: {count(self.declared_of_others, 'comparison')} with control arms, in details.md"
        return (
            f"{edge} None of these was declared before the run: they are exploratory"
            f"{others if self.declared_of_others else ''}."
        )


@dataclass(frozen=True)
class Evidence:
    """What the arms of some comparisons were trained with; least and most over them.

    Attributes
    ----------
    seeds
        Trainings that decide, per arm.
    folds
        Repetitions of tuning and training that they were made in.
    draws
        Draws of the data, of tasks that can be drawn anew; (1, 1) where the run has none.
    """

    seeds: tuple[int, int]
    folds: tuple[int, int]
    draws: tuple[int, int]

    @property
    def sentence(self) -> str:
        """The counts in words, and what follows where runs disagree."""
        seeds, folds, draws = (low_to_high(pair) for pair in (self.seeds, self.folds, self.draws))
        drawn = f", and where the data can be drawn anew on {draws} draws of it" if self.draws[1] > 1 else ""
        return (
            f"Each arm was trained with {seeds} seeds in {folds} folds, each fold with its own tuning{drawn}. Where "
            "another run disagrees on a setting, the one with more seeds and draws weighs more."
        )


def evidence(compared: Iterable[Comparison]) -> Evidence:
    """Count over both arms of all of them."""
    arms = [arm for one in compared for arm in (one.a, one.b)]
    return Evidence(
        _ends(arm.n for arm in arms),
        _ends(len({fold_of(one) for one in arm.replicates}) for arm in arms),
        _ends(draws for arm in arms if (draws := len({one.draw for one in arm.replicates})) > 1),
    )


def _ends(counts: Iterable[int]) -> tuple[int, int]:
    ordered = sorted(counts) or [1]
    return ordered[0], ordered[-1]


def sureness(judged: list[Comparison], a_a: list[Comparison]) -> Sureness:
    """Count over what decides, of the first engine; arms against themselves over all."""
    here = deciding(_first_engine([one for one in judged if one.of_the_claim])[1])
    return Sureness(
        declared=any(one.declared for one in here),
        of=len(here),
        evidence=evidence(here),
        not_found=sum(one.updates.verdict is Verdict.RATE_NOT_FOUND for one in here),
        at_no_rate=sum(one.at_edge and one.at_no_rate for one in here),
        declared_of_others=sum(one.declared for one in judged if not one.of_the_claim),
        in_two_groups=sum(one.a.costs.in_two_groups or one.b.costs.in_two_groups for one in here),
        differences=held(one for one in here if one.declared and one.updates.verdict in DIFFERENT),
        false_calls=(sum(one.updates.verdict in BY_INTERVAL for one in a_a), len(a_a)),
    )


@dataclass(frozen=True)
class Turn:
    """One network on one task over its windows.

    Attributes
    ----------
    network
        Its setting, with window 0.
    fewer, more, other
        Windows at which carried state takes fewer updates, more, or has another verdict.
    """

    network: Setting
    fewer: tuple[int, ...]
    more: tuple[int, ...]
    other: tuple[int, ...]

    @property
    def between(self) -> tuple[int, int] | None:
        """The two windows between which the verdict changes, once; None where it does not or goes back and forth."""
        if not self.fewer or not self.more:
            return None
        if max(self.fewer) < min(self.more):
            return max(self.fewer), min(self.more)
        if max(self.more) < min(self.fewer):
            return max(self.more), min(self.fewer)
        return None

    @property
    def in_words(self) -> str:
        """What the windows say."""
        if self.between:
            low, high = self.between
            first, then = ("fewer", "more") if low in self.fewer else ("more", "fewer")
            return f"{first} up to {low}, {then} from {high} on"
        if self.fewer and self.more:
            return "back and forth"
        if not self.fewer and not self.more:
            return "no difference shown at any window"
        word = "fewer" if self.fewer else "more"
        return f"{word}, or no difference shown" if self.other else f"{word} at every window"


def turns(compared: list[Comparison]) -> list[Turn]:
    """Every network whose deciding comparisons span two windows or more, in order of the settings."""
    networks: defaultdict[Setting, list[Comparison]] = defaultdict(list)
    for one in deciding(compared):
        networks[replace(one.setting, window=0)].append(one)
    found = []
    for network, here in sorted(networks.items()):
        windows = {one.setting.window: one.updates.verdict for one in here}
        if len(windows) > 1:
            fewer, more = (tuple(sorted(w for w, v in windows.items() if v in group)) for group in (FEWER, MORE))
            found.append(Turn(network, fewer, more, tuple(sorted(set(windows) - {*fewer, *more}))))
    return found


MOST_NAMED = 20
"""Networks that a sentence names one by one."""


def turning_point(compared: list[Comparison]) -> str:
    """Say what reach over window and the window itself decide, engine by engine; "" without any comparison."""
    return engine_by_engine(compared, lambda one: one.setting, _turning_point)


def scope(run: Run) -> str:
    """Say what verdicts are about: other data of a task's law, other stretches of a series, or one series as it is."""
    drawn: dict[str, int] = {}
    alone: dict[str, None] = {}
    synthetic = False
    for record in run.of_kind("convergence"):
        setting, draws = Setting.of(record.case), body(record).draws
        if about_task(setting.task, setting.dial).get("can_be_redrawn", True):
            synthetic = synthetic or draws > 1
        elif draws > 1:
            drawn[setting.task_name] = draws
        else:
            alone[setting.task_name] = None
    parts = ["of a synthetic task whatever the draw of its data"] if synthetic else []
    parts += [f"of {name} any stretch, as far as {draws} of them tell" for name, draws in drawn.items()]
    parts += [f"of {listing(list(alone))} this series alone, at the rates tried"] if alone else []
    return f"What a verdict holds for: {'; '.join(parts)}." if parts else ""


def _turning_point(compared: list[Comparison]) -> str:
    known = [(one.setting.reach_in_windows, one) for one in deciding(compared)]
    parts = []
    for where, inside in (
        (
            "where the target reaches back beyond the window (D/L > 1) carried state",
            [o for r, o in known if r and r > 1],
        ),
        ("where the window covers it (D/L ≤ 1) it", [one for r, one in known if r and r <= 1]),
        ("where the reach is not known (real series) it", [one for r, one in known if r is None]),
    ):
        parts += [f"{where} {_share(inside)}"] if inside else []
    if not parts:
        return ""
    turning = [one for one in turns(compared) if one.between]
    text = f"Where the verdict changes: {'; '.join(parts)}."
    if turning:
        named = [f"{_name(one)} ({one.in_words})" for one in turning[:MOST_NAMED]]
        left = len(turning) - len(named)
        text += f" It changed with the window on {listing(named + [count(left, 'more network')] * (left > 0))}."
    return text


def _share(here: Iterable[Comparison]) -> str:
    verdicts = [one.updates.verdict for one in here]
    fewer, more = fewer_and_more(verdicts)
    return f"took fewer updates in {fewer} and more in {more} of {len(verdicts)}"


def _name(turn: Turn) -> str:
    network = turn.network
    return f"{network.task_name}, {network.network}, B {network.batch_size}"
