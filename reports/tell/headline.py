"""The answer to the claim in two short sentences, computed from the verdicts."""

from collections import Counter

from reports.claim.arms import Comparison
from reports.claim.width import WidthComparison
from reports.collect.engines import by_engine
from reports.formatting import count, listing
from reports.statistics.verdict import LESS, MORE, Verdict


def headline(compared: list[Comparison], widths: list[WidthComparison]) -> list[str]:
    """Two sentences: less training, and a smaller network; of LSTM, the claim's cell, where the run has any.

    Of a run with several engines a paragraph each: the same settings by another engine are no further evidence.
    """
    engines = by_engine(compared, lambda one: one.setting)
    if len(engines) < 2:
        return _of_one_engine(compared, widths)
    return [
        f"On {engine}: {' '.join(_of_one_engine(here, [one for one in widths if one.setting.engine == engine]))}"
        for engine, here in engines.items()
    ]


def _of_one_engine(compared: list[Comparison], widths: list[WidthComparison]) -> list[str]:
    if not compared:
        return [
            "**Whether carrying state pays cannot be said from this run**: no setting has both arms.",
            "What was measured stands below.",
        ]
    return [_training(compared), _network(widths)]


def deciding(compared: list[Comparison]) -> list[Comparison]:
    """Those that answer: the declared comparisons, or all of a run that declares none."""
    return [one for one in compared if one.declared] or compared


def claimed(compared: list[Comparison]) -> list[Comparison]:
    """Those that the headline counts: of what decides, the claim's cell, an LSTM, where the run has any."""
    family = deciding(compared)
    return [one for one in family if one.setting.cell == "lstm"] or family


def _training(compared: list[Comparison]) -> str:
    here = claimed(compared)
    lstm = here[0].setting.cell == "lstm"
    less, more, same = (
        [one for one in here if one.updates.verdict in verdicts] for verdicts in (LESS, MORE, {Verdict.SAME})
    )
    open_ = len(here) - len(less) - len(more) - len(same)
    declared = here[0].declared
    kind = "declared" if declared else "exploratory"
    cell = "LSTM" if lstm else "net"
    parts = [f"a stateful {cell} took fewer updates in {len(less)}", *([f"more in {len(more)}"] if more else [])]
    parts += [f"about as many in {len(same)}"] if same else []
    parts += [f"{open_} told nothing"] if open_ else []
    none = "" if declared else " (the run declared none)"
    answer = f"**Less training: {_answer(len(less), len(more), len(here))}.**"
    return f"{answer} Of {count(len(here), f'{kind} comparison')}{none}, {listing(parts)}{_after_holm(less, more)}."


def _after_holm(less: list[Comparison], more: list[Comparison]) -> str:
    if not any(one.declared for one in (*less, *more)):
        return ""
    fewer, further = (sum(one.survives_holm for one in found) for found in (less, more))
    if not fewer + further:
        return "; none of these survives Holm's correction"
    return (
        f"; {fewer} and {further} of these survive Holm's correction"
        if more
        else f"; {fewer} survive Holm's correction"
    )


def _answer(less: int, more: int, of: int) -> str:
    """One answer for all comparisons; one-sided only where most of them, not merely those decided, say so."""
    if less and more:
        return "it depends"
    if not less and not more:
        return "not shown"
    if 2 * max(less, more) <= of:
        return "not settled"
    return "yes" if less else "no, more"


def _network(widths: list[WidthComparison]) -> str:
    if not widths:
        return "**Smaller network: not tested.** No setting was run at two widths."
    lstm = [one for one in widths if one.setting.cell == "lstm"]
    here = lstm or widths
    verdicts = Counter(one.verdict for one in here)
    less, more = (sum(verdicts[v] for v in found) for found in (LESS, MORE))
    answer = _answer(less, more, len(here))
    parts = [
        f"{verb} in {n}"
        for verb, n in (("a narrower one sufficed", less), ("a wider one was needed", more))
        if n or verb.startswith("a narrower")
    ]
    parts += [f"the same width sufficed in {verdicts[Verdict.SAME]}"] if verdicts[Verdict.SAME] else []
    unknown = verdicts[Verdict.UNDECIDED] + verdicts[Verdict.NEITHER]
    parts += [f"{unknown} told nothing"] if unknown else []
    cell = "LSTM " if lstm else ""
    bold = f"**Smaller network: {'no, wider' if answer == 'no, more' else answer}.**"
    return f"{bold} Of {count(len(here), f'{cell}width grid')}, {listing(parts)}."
