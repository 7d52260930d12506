"""What a reader wants to know of costs, one sentence or two each, from this run's figures alone."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from reports import words
from reports.costs.analysis import Costs
from reports.costs.contrasts import Contrast
from reports.costs.growth import AXES, SECONDS
from reports.costs.memories import Pair
from reports.costs.payback import Payback
from reports.statistics.intervals import Ratio


@dataclass(frozen=True)
class Answer:
    """A question and what this run says."""

    question: str
    text: str


def answers(found: Costs) -> list[Answer]:
    """Every question that this run can answer."""
    every = (
        ("Does unrolling pay?", _unrolling(found)),
        ("Does XLA pay?", _xla(found)),
        ("What does carrying the state take?", _state(found)),
        (
            "GRU or LSTM?",
            _several(found, "GRU / LSTM of as many parameters", "GRU against an LSTM of as many parameters"),
        ),
        ("Does `implementation` matter?", _several(found, "implementation 1 / 2", "1 against 2, which is the default")),
        ("Does `reset_after` matter?", _several(found, "GRU reset before / after", "False against True, the default")),
        ("Does cuDNN pay?", _several(found, "cuDNN / loop", "cuDNN against the loop")),
        ("Does XLA unrolled pay?", _several(found, "XLA unrolled / loop", "unrolled under XLA against the plain loop")),
        ("Does bfloat16 pay?", _several(found, "mixed bfloat16 / float32", "`mixed_bfloat16` against float32")),
        ("How much of a user's time is overhead?", _fit(found)),
        ("How does cost grow?", _growth(found)),
        ("How far is it from what the machine can do?", _limits(found)),
    )
    return [Answer(question, text) for question, text in every if text]


def judged(one: Ratio) -> str:
    """Whether the interval tells the ratio from one."""
    if one.method == "none":
        return "one process, no interval"
    return "faster" if one.high < 1 else "slower" if one.low > 1 else "not told apart"


def _several(found: Costs, what: str, subject: str) -> str:
    here = found.contrasts.of(what)
    if not here:
        return ""
    return f"{subject[0].upper()}{subject[1:]}, in training: {_tally(here)}; {_list(here)}.{_inference(here)}"


def _tally(here: list[Contrast]) -> str:
    counts = Counter(judged(one.training) for one in here)
    return words.listing([f"{word} in {n} of {len(here)}" for word, n in counts.most_common()])


def _list(here: Iterable[Contrast], most: int = 4) -> str:
    """Each with its interval, the ends of the range first where there are many."""
    ordered = sorted(here, key=lambda one: one.training.value)
    shown = ordered if len(ordered) <= most else [*ordered[: most // 2], *ordered[-(most // 2) :]]
    parts = [f"{_place(one)} × {words.ratio(one.training)}" for one in shown]
    return words.listing(parts) + (f" (the ends of {len(ordered)})" if len(shown) < len(ordered) else "")


def _place(one: Contrast) -> str:
    setting = one.b.setting
    layers = "" if setting.layers == 1 else f" l{setting.layers}"
    ran = "" if setting.kernel == "loop" or one.a.setting.kernel != setting.kernel else f" {setting.kernel}"
    ran += f" {one.b.regime}" if one.a.regime == one.b.regime else ""
    other = f"{one.a.setting.cell_name} u{one.a.setting.units} against " if one.other_units else ""
    return f"{other}{setting.cell_name}{layers} u{setting.units} L{setting.window} B{setting.batch_size}{ran}"


def _inference(here: list[Contrast]) -> str:
    told = [one.inference for one in here if one.inference.method != "none"]
    if not told:
        return ""
    counts = Counter(judged(one) for one in told)
    tally = words.listing([f"{word} in {n}" for word, n in counts.most_common()])
    return f" A forward pass: {tally} of {len(told)}, ratios {_range([one.value for one in told])}."


def _unrolling(found: Costs) -> str:
    here = found.contrasts.of("unrolled / loop")
    if not here:
        return ""
    text = f"Unrolled against the loop, in training: {_tally(here)}; {_list(here)}.{_inference(here)}"
    return f"{text}{_pays(found.paybacks, 'unrolled / loop')}{_memory(found.unrolled)}"


def _xla(found: Costs) -> str:
    here = found.contrasts.of("XLA loop / loop")
    if not here:
        return ""
    text = f"The loop under XLA against the plain one, in training: {_tally(here)}; {_list(here)}.{_inference(here)}"
    return text + _pays(found.paybacks, "XLA loop / loop")


def _pays(paybacks: list[Payback], what: str) -> str:
    here = [one for one in paybacks if one.contrast.what == what and judged(one.contrast.training) == "faster"]
    if not here:
        return " So nowhere here does it pay for its compilation for certain."
    low, high = (pick(here, key=lambda one: one.updates) for pick in (min, max))
    ends = [
        f"{words.number(round(one.updates))} updates [{words.number(round(one.low))}, "
        f"{'never' if one.high == float('inf') else words.number(round(one.high))}] at {_place(one.contrast)}"
        for one in ((low,) if low is high else (low, high))
    ]
    return f" Where it is faster it has paid for its compilation after {' to '.join(ends)}."


def _memory(pairs: list[Pair]) -> str:
    if not pairs:
        return ""
    low, high = (pick(pairs, key=lambda one: one.ratio) for pick in (min, max))
    ends = [
        f"{words.number(one.ratio)} (u{one.a.setting.units} L{one.a.setting.window} B{one.a.setting.batch_size})"
        for one in ((low,) if low is high else (low, high))
    ]
    beyond = [one.beyond_framework for one in pairs if math.isfinite(one.beyond_framework)]
    resident = f"; what the process takes beyond the framework is {_range(beyond)} times" if beyond else ""
    return f" Its allocator's peak in training is {' to '.join(ends)} times the loop's{resident}."


def _range(values: list[float]) -> str:
    low, high = words.number(min(values)), words.number(max(values))
    return low if low == high else f"{low} to {high}"


def _state(found: Costs) -> str:
    text = _several(found, "stateful / stateless", "a stateful update against a stateless one")
    if found.states:
        one = max(found.states, key=lambda pair: pair.a.count.state if pair.a.count else 0)
        counted = words.size(one.a.count.state) if one.a.count else "unknown"
        text += (
            f" Memory: the state is {counted} at u{one.a.setting.units} B{one.a.setting.batch_size}; the allocator's "
            f"peak differs by {words.size(one.difference)} of {words.size(one.b.allocated)} "
            f"({words.number(100 * abs(one.ratio - 1))} %)."
        )
    return text.strip()


def _fit(found: Costs) -> str:
    here = found.contrasts.of("fit / loop")
    if not here:
        return ""
    parts = [
        f"{_place(one)} {words.percent(1 - 1 / one.training.value)} "
        f"[{words.percent(max(0.0, 1 - 1 / one.training.low))}, {words.percent(1 - 1 / one.training.high)}]"
        for one in sorted(here, key=lambda one: one.training.value)
    ]
    return f"Of the time in `model.fit`, this share is not the update itself (1 − loop / fit): {words.listing(parts)}."


def _growth(found: Costs) -> str:
    parts = []
    for axis, name in AXES.items():
        here = [
            one
            for one in found.growths
            if one.axis == axis and one.quantity == SECONDS and one.setting.kernel in ("loop", "xla")
        ]
        if here:
            each = [
                f"{one.setting.kernel} {words.number(one.exponent)} {words.span(one.low, one.high)} "
                f"({words.number(one.last)} at its far end)"
                for one in here[:2]
            ]
            parts.append(f"{name}: {words.listing(each)}")
    return f"Seconds an update, as a power of {'; '.join(parts)}." if parts else ""


def _limits(found: Costs) -> str:
    if not found.points:
        return ""
    shares = sorted(found.points, key=lambda one: one.shares["arithmetic"])
    counts = Counter(one.binds for one in found.points)
    ends = [f"{words.number(100 * one.shares['arithmetic'])} % ({one.timing.label})" for one in (shares[0], shares[-1])]
    bound = words.listing([f"{name} in {n}" for name, n in counts.most_common()])
    return (
        f"Between {ends[0]} and {ends[1]} of the rate of a large matrix product measured in this run. What explains "
        f"half of an update's time or more: {bound} of {len(found.points)}."
    )
