"""What to do, task by task, in sentences a practitioner can act on."""

from collections import defaultdict
from dataclasses import dataclass, field, replace

from reports.claim.arms import Comparison
from reports.collect.grouping import Setting, about_task
from reports.formatting import listing, number
from reports.statistics.verdict import Verdict

_SAYS = {
    Verdict.HOLDS: "carry state at {windows} (updates × {ratios})",
    Verdict.ONLY_STATEFUL: "carry state at {windows}, where only the stateful arm reached the target",
    Verdict.REVERSED: "do not carry state at {windows} (updates × {ratios})",
    Verdict.ONLY_STATELESS: "do not carry state at {windows}, where only the stateless arm reached it",
    Verdict.SAME: "it makes no difference at {windows}",
    Verdict.UNDECIDED: "at {windows} the difference is undecided{seeds}",
    Verdict.NEITHER: "at {windows} neither arm reached the target, so there is nothing to choose",
}


@dataclass(frozen=True)
class Advice:
    """A task and one sentence per network and batch size."""

    task: str
    about: str
    sentences: list[str] = field(default_factory=list)


def advice(compared: list[Comparison]) -> list[Advice]:
    """Advice for every task that has a comparison."""
    by_task: defaultdict[tuple[str, int], list[Comparison]] = defaultdict(list)
    for one in compared:
        by_task[one.setting.task, one.setting.dial].append(one)
    return [
        Advice(here[0].setting.task_name, _about(name, dial), _sentences(here))
        for (name, dial), here in by_task.items()
    ]


def _about(name: str, dial: int) -> str:
    known = about_task(name, dial)
    if not known:
        return "This machine does not know the task; its windows are given as they are."
    reach = known.get("reach")
    text = str(known.get("description") or known.get("title") or "").strip().rstrip(".")
    told = f"{text}." if text else ""
    return f"{told} Its target reaches {reach} steps back." if reach is not None else told


def _sentences(here: list[Comparison]) -> list[str]:
    by_network: defaultdict[Setting, list[Comparison]] = defaultdict(list)
    for one in here:
        by_network[replace(one.setting, window=0)].append(one)
    # Widths with the same verdict at the same windows share a sentence.
    alike: defaultdict[tuple[Setting, frozenset[tuple[int, Verdict]]], list[Comparison]] = defaultdict(list)
    for network, found in by_network.items():
        pattern = frozenset((one.setting.window, one.updates.verdict) for one in found)
        alike[replace(network, units=0), pattern] += found
    return [f"With {_network(found)}: {_by_verdict(found)}." for found in alike.values()]


def _network(found: list[Comparison]) -> str:
    setting = found[0].setting
    layers = "" if setting.layers == 1 else f"{setting.layers} layers of "
    units = listing(sorted({one.setting.units for one in found}))
    return f"{setting.cell_name}, {layers}{units} units and batch size {setting.batch_size}{_where(setting)}"


def _where(setting: Setting) -> str:
    unusual = [*setting.unusual, *([setting.kernel] if setting.kernel != "replicated" else [])]
    return f" ({', '.join(unusual)})" if unusual else ""


def _by_verdict(group: list[Comparison]) -> str:
    parts = []
    for verdict, phrase in _SAYS.items():
        found = [one for one in group if one.updates.verdict is verdict]
        if not found:
            continue
        windows = sorted({one.setting.window for one in found})
        parts.append(
            phrase.format(
                windows=f"{'windows' if len(windows) > 1 else 'a window'} of {listing(windows)}",
                ratios=_range([one.updates.ratio.value for one in found]),
                seeds=_seeds(found),
            )
        )
    return "; ".join(parts)


def _seeds(found: list[Comparison]) -> str:
    needed = [one.updates.seeds_needed for one in found]
    known = [float(n) for n in needed if n is not None]
    if not known:
        return ""
    return f" ({'about ' if len(known) == len(needed) else 'at least '}{_range(known)} seeds would decide it)"


def _range(values: list[float]) -> str:
    low, high = number(min(values)), number(max(values))
    return low if low == high else f"{low} to {high}"
