"""What a reader wants to know of costs: an answer in a line, and what it rests on, from this run's figures alone."""

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from reports.collect.grouping import ENGINE_PAIRS
from reports.costs import Costs
from reports.costs.contrasts import AXES, SECONDS, Contrast, Growth, longest, off
from reports.costs.frameworks import Bests, ran_by
from reports.costs.memory_peaks import FACTOR, LEAST_SHARE, Pair
from reports.costs.payback import Payback
from reports.costs.roofline import NARROW, UNKNOWN
from reports.costs.timings import middle
from reports.formatting import listing, low_to_high, never, number, percent, ratio, seconds, size, span
from reports.statistics.intervals import LEVEL
from reports.statistics.verdict import memory_margin, pace

USUAL = 0.9
"""A ceiling whose usual rate is below this share of its best is one that the machine seldom reaches: that is told."""

YES_NO = ("Yes", "Not everywhere", "It depends", "No")


@dataclass(frozen=True)
class Answer:
    """A question, the answer in a line, and all that this run says; `compares`: what two frameworks have in common."""

    question: str
    short: str
    text: str
    compares: str = ""


ShortAndLong = tuple[str, str] | None
"""The short answer and the long one."""


Answering = Callable[[Costs], ShortAndLong]


@lru_cache(maxsize=4)
def answers(found: Costs) -> list[Answer]:
    """Every question that this run can answer, engine by engine; to be read only, since much of a report asks."""
    every = []
    parts = {engine: found.by(engine) for engine in found.engines}
    for question, say in QUESTIONS:
        by_engine = {engine: told for engine, part in parts.items() if (told := say(part))}
        if by_engine:
            # One that says nothing must not make the other look like the only engine of the run.
            name = len(parts) > 1
            short, long = (
                " ".join(f"On {engine}: {told[part]}" if name else told[part] for engine, told in by_engine.items())
                for part in (0, 1)
            )
            every.append(Answer(question, short, long))
    return every


@lru_cache(maxsize=4)
def frameworks(found: Costs) -> list[Answer]:
    """Which framework: each at its best, then kernel by kernel; [] where there is one. Likewise."""
    every = _at_best(found.bests)
    for what, pair in ENGINE_PAIRS.items():
        names = f"{' '.join(pair.a)} against {' '.join(pair.b)}"
        said = _several(found, what, "the first against the second")
        if said:
            text = said[1] + _compiling(found.contrasts.of(what))
            every.append(Answer(f"{names}:", said[0], text, pair.compares))
    return every


def _at_best(found: list[Bests]) -> list[Answer]:
    """How often each was the fastest of all, and how far the others were behind, setting by setting."""
    if not found:
        return []
    first = Counter(one.engines[0].name for one in found)
    short = f"Fastest was {listing([f'{name} in {n}' for name, n in first.most_common()])} of {len(found)}."
    told = []
    for one in found:
        fastest, *others = one.engines
        behind = [f"{other.name} × {ratio(other.behind)}" for other in others if other.behind is not None]
        told.append(f"{one.where}: {fastest.name} {seconds(fastest.seconds)}, {listing(behind)}")
    return [Answer("Each framework at its best:", short, f"{'; '.join(told)}.")]


def _compiling(here: list[Contrast]) -> str:
    ours = [one.a.compile_seconds for one in here if one.a.compiling]
    theirs = [one.b.compile_seconds for one in here if one.b.compiling]
    if not ours or not theirs:
        return ""
    first, second = (low_to_high(side, seconds) for side in (ours, theirs))
    return f" The first call takes {first} longer than later ones, against {second}."


def _several(found: Costs, what: str, subject: str, verdicts: tuple[str, ...] = (), who: str = "") -> ShortAndLong:
    """Of one kind of ratio; `who` is faster or slower in the short answer, where the question leaves that open."""
    here = found.contrasts.of(what)
    if not here:
        return None
    long = f"{subject[0].upper()}{subject[1:]}, in training: {tally(here)}; {_list(here)}.{_inference(here)}"
    return _short(here, verdicts, who), long


def _short(here: list[Contrast], verdicts: tuple[str, ...], who: str = "") -> str:
    """A verdict, the tally behind it, and the ends of the range."""
    low, high = (pick(here, key=lambda one: one.training.value) for pick in (min, max))
    ends = " to ".join(
        f"× {ratio(one.training)} ({_where(one, here)})" for one in ((low,) if low is high else (low, high))
    )
    return _capital(f"{_verdict(here, verdicts)}{who and f'{who} is '}{tally(here)}, {ends}.")


def _verdict(here: list[Contrast], verdicts: tuple[str, ...]) -> str:
    if not verdicts:
        return ""
    always, partly, depends, never = verdicts
    counts: Counter[str] = Counter(pace(one.training) for one in here)
    if not counts["faster"] and not counts["slower"]:
        known = counts["same"] + counts["inconclusive"]
        return "Not known: " if not known else "No difference shown: " if counts["same"] < len(here) else "No: "
    if not counts["faster"]:
        return f"{never}: "
    if counts["slower"]:
        return f"{depends}: "
    return f"{always if counts['faster'] == len(here) else partly}: "


def tally(here: list[Contrast]) -> str:
    """How many are faster, slower, the same or inconclusive."""
    return _counted(Counter(pace(one.training) for one in here))


def _counted(verdicts: Counter[str]) -> str:
    words = {"same": "no difference"}
    named = [(words.get(verdict, verdict), n) for verdict, n in verdicts.most_common()]
    if len(named) == 1:
        (word, n) = named[0]
        return f"{word} in {'the one case' if n == 1 else 'both cases' if n == 2 else f'all {n} cases'}"
    return f"{listing([f'{word} in {n}' for word, n in named])} of {verdicts.total()} cases"


def _list(here: Iterable[Contrast], most: int = 4) -> str:
    """Each with its interval, the ends of the range first where there are many."""
    ordered = sorted(here, key=lambda one: one.training.value)
    shown = ordered if len(ordered) <= most else [*ordered[: most // 2], *ordered[-(most // 2) :]]
    parts = [f"{_where(one, ordered)} × {ratio(one.training)}" for one in shown]
    return listing(parts) + (f" (the ends of {len(ordered)})" if len(shown) < len(ordered) else "")


def place(one: Contrast) -> str:
    """Name what a ratio was measured at."""
    setting = one.shown
    # `what` names the kernels that differ, and those of two engines.
    named = setting.kernel == "loop" or one.a.setting.kernel != setting.kernel or one.of_engines
    ran = "" if named else f" {setting.kernel}"
    ran += f" {one.b.regime}" if one.a.regime == one.b.regime else ""
    other = f"{one.a.setting.cell_name} {one.a.setting.units} against " if one.other_units else ""
    return f"{other}{setting.short}{ran}"


def _where(one: Contrast, others: Iterable[Contrast]) -> str:
    """Name the place, and the task where the others are not all of the same."""
    tasks = {other.b.setting.task_name for other in others}
    return f"{one.b.setting.task_name}, {place(one)}" if len(tasks) > 1 else place(one)


def _inference(here: list[Contrast]) -> str:
    told = [one.inference for one in here if one.inference.method != "none"]
    if not told:
        return ""
    verdicts = _counted(Counter(pace(one) for one in told))
    return f" A forward pass: {verdicts}, ratios {low_to_high([one.value for one in told])}."


def _unrolling(found: Costs) -> ShortAndLong:
    what = "unrolled / loop"
    said = _several(found, what, "unrolled against the loop", YES_NO)
    return said and (said[0] + _ahead(found.paybacks, what), said[1] + _pays(found.paybacks, what))


def _xla(found: Costs) -> ShortAndLong:
    what = "XLA loop / loop"
    said = _several(found, what, "the loop under XLA against the plain one", YES_NO)
    return said and (said[0] + _ahead(found.paybacks, what), said[1] + _pays(found.paybacks, what))


def _sure(paybacks: list[Payback], what: str) -> list[Payback]:
    """Of those that are faster for certain: the soonest and the latest."""
    here = [one for one in paybacks if one.contrast.what == what and pace(one.contrast.training) == "faster"]
    ends = [pick(here, key=lambda one: one.updates) for pick in (min, max)] if here else []
    return ends[: 1 if len(here) == 1 else 2]


def _ahead(paybacks: list[Payback], what: str) -> str:
    ends = [_updates(one) for one in _sure(paybacks, what)]
    return f" It breaks even after {' to '.join(ends)} updates." if ends else ""


def _updates(one: Payback) -> str:
    """After how many updates, with the interval where it says more."""
    value, low, high = (never(number) for number in (one.updates, one.low, one.high))
    return value if value == low == high else f"{value} [{low}, {high}]"


def _pays(paybacks: list[Payback], what: str) -> str:
    ends = [f"{_updates(one)} updates at {place(one.contrast)}" for one in _sure(paybacks, what)]
    if not ends:
        return " So nowhere here does it break even for certain."
    return f" Where it is faster it breaks even after {' to '.join(ends)}."


def _memory(found: Costs) -> ShortAndLong:
    """Of pairs that are large enough for the count to say something, where there are any."""
    pairs = [one for one in found.unrolled if one.a.over_count and one.b.over_count] or found.unrolled
    if not pairs:
        return None
    low, high = (pick(pairs, key=lambda one: one.ratio) for pick in (min, max))
    ends = [f"{number(one.ratio)} ({one.a.setting.short})" for one in ((low,) if low is high else (low, high))]
    beyond = [one.beyond_framework for one in pairs if math.isfinite(one.beyond_framework)]
    resident = f"; what the process takes beyond the framework is {low_to_high(beyond)} times" if beyond else ""
    count = high.a.count
    why = (
        ": an unrolled graph keeps the gradient of the weights at every step until it adds them up"
        if count and count.of_steps > count.activations
        else ""
    )
    processes = max(memory.processes for pair in pairs for memory in (pair.a, pair.b))
    once = "one process each" if processes == 1 else f"the largest of {processes} processes counts"
    times = f"{low_to_high([one.ratio for one in pairs])} times the loop's"
    short = f"{_memory_tally(pairs)}; {times}, by the allocator's peak (no interval: {once})."
    return short, f"The allocator's peak in training is {' to '.join(ends)} times the loop's{why}{resident}."


def _memory_tally(pairs: list[Pair]) -> str:
    """How many take more, less, or neither by more than the margin of memory."""
    verdicts: Counter[str] = Counter()
    for one in pairs:
        a, b = one.a.allocated, one.b.allocated
        if a is not None and b is not None:
            verdicts["same" if abs(a - b) <= memory_margin(b) else "more" if a > b else "less"] += 1
    return _capital(_counted(verdicts))


def _capital(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"


def _state(found: Costs) -> ShortAndLong:
    short, long = _several(found, "stateful / stateless", "a stateful update against a stateless one") or ("", "")
    if found.states:
        one = max(found.states, key=lambda pair: pair.a.count.state if pair.a.count else 0)
        counted = size(one.a.count.state) if one.a.count else "unknown"
        long += (
            f" Memory: the state is {counted} ({one.a.setting.units} units, batch {one.a.setting.batch_size}); the "
            f"allocator's peak differs by {size(one.difference)} of {size(one.b.allocated)} "
            f"({number(100 * abs(one.ratio - 1))} %)."
        )
    return (short.strip(), long.strip()) if long else None


def _fit(found: Costs) -> ShortAndLong:
    here = [one for one in found.contrasts.found if one.what.startswith("fit / ")]
    if not here:
        return None
    here.sort(key=lambda one: one.training.value)
    shares = [
        f"{percent(1 - 1 / one.training.value)} [{percent(1 - 1 / one.training.low) if one.training.low else '−∞'}, "
        f"{percent(1 - 1 / one.training.high)}]"
        for one in here
    ]
    parts = [f"{_where(one, here)} {share}" for one, share in zip(here, shares, strict=True)]
    than = listing(sorted({one.what.removeprefix("fit / ") for one in here}))
    ends = " to ".join(f"{shares[at]} ({_where(here[at], here)})" for at in ((0,) if len(here) == 1 else (0, -1)))
    return (
        f"Of the time in `model.fit` {ends} is not the update itself.",
        f"Of the time in `model.fit`, this share is not the update itself (1 − {than} / fit): {listing(parts)}.",
    )


def _growth(found: Costs) -> ShortAndLong:
    lines: dict[str, list[Growth]] = {
        name: [
            one for (_, kernel, _), one in longest(found.growths, axis, (SECONDS,)).items() if kernel in ("loop", "xla")
        ]
        for axis, name in AXES.items()
    }
    lines = {name: here for name, here in lines.items() if here}
    if not lines:
        return None

    def every(say: Callable[[Growth], str]) -> str:
        return "; ".join(f"{name}: {listing([say(one) for one in here])}" for name, here in lines.items())

    short = every(lambda one: f"{one.setting.kernel} {number(one.exponent)} {span(one.low, one.high)}")
    long = every(
        lambda one: (
            f"{one.setting.kernel} {number(one.exponent)} {span(one.low, one.high)} "
            f"({number(one.last)} at its far end; {one.setting.along(one.axis)} {one.regime})"
        )
    )
    return (
        f"Seconds per update, as a power (1: in proportion) of {short}.",
        f"Seconds per update, as a power of {long}.",
    )


def _limits(found: Costs) -> ShortAndLong:
    if not found.points:
        return None
    shares = sorted(found.points, key=lambda one: one.shares["arithmetic"])
    low, high = (f"{number(100 * one.shares['arithmetic'])} % ({one.timing.label})" for one in (shares[0], shares[-1]))
    counts = Counter(one.bottleneck for one in found.points)
    bound = listing([f"{name} in {n}" for name, n in counts.most_common()])
    explains = f"What accounts for half of an update's time or more, by an estimate: {bound} of {len(found.points)}."
    if counts[UNKNOWN]:
        explains += " (Not known: what a framework starts is not counted there, or was not measured.)"
    dtype = shares[-1].timing.setting.dtype
    usual = found.ceilings.usual(NARROW.get(dtype, dtype)) if found.ceilings else math.nan
    seldom = f" (usually {percent(usual)} of that was reached)" if usual < USUAL else ""
    engine = f" with {found.ceilings.engine}" if found.ceilings and found.ceilings.engine else ""
    rate = f"of the best rate of a large matrix product measured in this run{engine}{seldom}"
    return f"At most {high} {rate}. {explains}", f"Between {low} and {high} {rate}. {explains}"


def _of(what: str, subject: str, verdicts: tuple[str, ...] = YES_NO, who: str = "") -> Answering:
    return lambda found: _several(found, what, subject, verdicts, who)


_DEFAULT = ("It depends", "The default is no slower")
QUESTIONS: tuple[tuple[str, Answering], ...] = (
    ("What does carrying the state cost?", _state),
    ("Is unrolling faster?", _unrolling),
    ("Is XLA faster?", _xla),
    ("What memory does unrolling take?", _memory),
    (
        "GRU or LSTM?",
        _of(
            "GRU / LSTM of as many parameters",
            "GRU against an LSTM of as many parameters",
            ("The GRU", "The GRU, not everywhere", "It depends", "The LSTM"),
            "a GRU of as many parameters",
        ),
    ),
    (
        "Does `implementation` matter?",
        _of(
            "implementation 1 / 2",
            "1 against 2, which is the default",
            ("Yes", "1 may be faster", *_DEFAULT),
            "1",
        ),
    ),
    (
        "Does `reset_after` matter?",
        _of(
            "GRU reset before / after",
            "False against True, the default",
            ("Yes", "False may be faster", *_DEFAULT),
            "False",
        ),
    ),
    ("Is cuDNN faster?", _of("cuDNN / loop", "cuDNN against the loop")),
    ("Is XLA unrolled faster?", _of("XLA unrolled / loop", "unrolled under XLA against the plain loop")),
    (
        "Is a framework's own layer faster than Keras' loop on it?",
        _of("native / loop", "the framework's own layer against Keras' loop"),
    ),
    (
        "Is a framework's own layer faster than Keras' cuDNN on it?",
        _of("native / cuDNN", "the framework's own layer against Keras' cuDNN"),
    ),
    ("Does `torch.compile` help?", _of("native compiled / native", "compiled against not compiled")),
    ("Is bfloat16 faster?", _of("mixed bfloat16 / float32", "`mixed_bfloat16` against float32")),
    ("How much of a user's time is overhead?", _fit),
    ("How does cost grow?", _growth),
    ("What share of the measured peak is reached?", _limits),
)


FIRST = 4
"""How many questions the first screen of a report on costs answers: of frameworks, else of state, kernels, memory."""


def in_short(found: Costs, *, costs_first: bool) -> tuple[list[Answer], list[Answer]]:
    """Answers for the first screen, and for the rest of the page; without the share of the peak, which has no interval.

    A report that is not about costs has the first questions alone.
    """
    asked = [question for question, say in QUESTIONS if say is not _limits][: None if costs_first else FIRST]
    told = [*frameworks(found), *(one for one in answers(found) if one.question in asked)]
    return told[:FIRST], told[FIRST:] if costs_first else []


def cost_values(found: Costs) -> dict[str, Any]:
    """By name."""
    return {
        "cost_answers": answers(found),
        "frameworks": frameworks(found),
        "middle": middle,
        "off": off,
        "ran_by": ran_by,
        "by_chance": (1 - LEVEL) * len([one for one in found.contrasts.found if one.training.method != "none"]),
        "axes": AXES,
        "memory_limits": (LEAST_SHARE, FACTOR),
        "whole_trainings_off": float(np.median([abs(one.off) for one in found.whole_trainings]))
        if found.whole_trainings
        else math.nan,
    }
