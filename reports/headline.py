"""The answer to the claim, in two sentences computed from the verdicts."""

from collections import Counter
from collections.abc import Callable

from reports.compare import Comparison
from reports.narrowest import WidthComparison
from reports.statistics.verdict import Verdict
from reports.words import count, listing

PAYS = frozenset({Verdict.HOLDS, Verdict.ONLY_STATEFUL})
COSTS = frozenset({Verdict.REVERSED, Verdict.ONLY_STATELESS})

_TRAINING = {
    Verdict.HOLDS: "carrying state took fewer updates in {}",
    Verdict.ONLY_STATEFUL: "only the stateful arm reached the target in {}",
    Verdict.REVERSED: "carrying state took more updates in {}",
    Verdict.ONLY_STATELESS: "only the stateless arm reached the target in {}",
    Verdict.SAME: "there was no difference in {}",
    Verdict.UNDECIDED: "{} stayed undecided",
    Verdict.NEITHER: "neither arm reached the target in {}",
}
_NETWORK = {
    Verdict.HOLDS: "a smaller network sufficed in {}",
    Verdict.ONLY_STATEFUL: "only the stateful arm had a sufficient width in {}",
    Verdict.REVERSED: "a larger one was needed in {}",
    Verdict.ONLY_STATELESS: "only the stateless arm had a sufficient width in {}",
    Verdict.SAME: "the width was the same in {}",
    Verdict.UNDECIDED: "{} stayed undecided",
    Verdict.NEITHER: "no width sufficed for either in {}",
}


def headline(compared: list[Comparison], widths: list[WidthComparison]) -> list[str]:
    """Two sentences: what became of the claim, and where it turns over."""
    if not compared:
        return [
            "**Whether carrying state pays cannot be said from this run**: no setting has both arms.",
            "What was measured stands below.",
        ]
    training = _spelt(Counter(one.updates.verdict for one in compared), _TRAINING)
    settings = count(len(compared), "setting")
    answer = f"**{_answer(compared)}**: of {settings} with both arms, {training}; {_network(widths)}."
    return [answer, _turning_point(compared)]


def tally(compared: list[Comparison]) -> Counter[Verdict]:
    """How often each verdict fell."""
    return Counter(one.updates.verdict for one in compared)


def _answer(compared: list[Comparison]) -> str:
    verdicts = tally(compared)
    pays, costs = sum(verdicts[v] for v in PAYS), sum(verdicts[v] for v in COSTS)
    if pays and costs:
        return "Whether carrying state means less training depends on the setting"
    if pays:
        return "Carrying state meant less training wherever this run could tell" + _unless(verdicts)
    if costs:
        return "Carrying state meant more training wherever this run could tell" + _unless(verdicts)
    return "In no setting of this run could carrying state be shown to mean less training, or more"


def _unless(verdicts: Counter[Verdict]) -> str:
    return ", or made no difference" if verdicts[Verdict.SAME] else ""


def _spelt(verdicts: Counter[Verdict], phrases: dict[Verdict, str]) -> str:
    return listing([phrase.format(verdicts[verdict]) for verdict, phrase in phrases.items() if verdicts[verdict]])


def _network(widths: list[WidthComparison]) -> str:
    if not widths:
        return "whether a smaller network suffices was not tested, since no setting was run at two widths"
    verdicts = Counter(one.verdict for one in widths)
    grids = count(len(widths), "grid")
    return f"as to the size of the network, over {grids} of widths, {_spelt(verdicts, _NETWORK)}"


def _turning_point(compared: list[Comparison]) -> str:
    known = [one for one in compared if one.setting.reach is not None]
    parts = []
    if known:
        parts += [
            _share("where the target reaches back beyond the window (D/L > 1)", known, lambda r: r > 1),
            _share("where the window covers it (D/L ≤ 1)", known, lambda r: r <= 1),
        ]
    parts += _by_window([one for one in compared if one.setting.reach is None])
    return f"Where it turns over: {'; '.join(filter(None, parts))}."


def _share(where: str, known: list[Comparison], inside: Callable[[float], bool]) -> str:
    here = [one for one in known if inside(one.setting.reach_in_windows or 0.0)]
    if not here:
        return f"{where} nothing was run"
    pays = sum(one.updates.verdict in PAYS for one in here)
    costs = sum(one.updates.verdict in COSTS for one in here)
    return f"{where} it paid in {pays} of {len(here)} and cost in {costs}"


def _by_window(unknown: list[Comparison]) -> list[str]:
    parts = []
    for task in dict.fromkeys(one.setting.task_name for one in unknown):
        here = [one for one in unknown if one.setting.task_name == task]
        windows = sorted({one.setting.window for one in here})
        pays = {w: sum(one.updates.verdict in PAYS for one in here if one.setting.window == w) for w in windows}
        of = {w: sum(one.setting.window == w for one in here) for w in windows}
        each = [f"{pays[w]} of {of[w]} at window {w}" for w in windows]
        parts.append(f"on {task} it paid in {listing(each)}")
    return parts
