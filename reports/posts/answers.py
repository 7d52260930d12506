"""What the seeds answer to each claim, by rules that the page prints."""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from bench.posts.result import Claim
from reports.formatting import number
from reports.posts.read import Entry
from reports.statistics.intervals import (
    FloatArray,
    clopper_pearson,
    geometric_ratio,
    mean_interval,
    prediction_interval,
)
from reports.statistics.verdict import MARGIN

POINTS = 0.02
"""Shares and accuracies that differ by no more are called the same."""

SHARES = ("accuracy", "answers", "converge", "below 90 %")


class Says(StrEnum):
    """An answer."""

    YES = "yes"
    NO = "no"
    SAME = "same"
    INCONCLUSIVE = "inconclusive"


RULES = (
    (
        "A published figure is one run. It is **reproduced** if it lies, give or take half a unit of its last digit, "
        "where "
        "one more seed would fall with 95 % probability: the t prediction interval of the seeds, on the log scale for "
        "errors "
        "and losses, plainly for accuracies."
    ),
    (
        f"One arm is **below** another if the 95 % t interval of their difference, seed by seed, lies below 0: of the "
        "ratio "
        f"for errors, losses and times, of the difference for accuracies. **Same** means an interval within "
        f"{100 * MARGIN:.0f} % or {100 * POINTS:.0f} points; anything else is **inconclusive**."
    ),
    (
        "An arm is below a constant (persistence, chance) if the 95 % t interval of its mean is; the geometric mean "
        "for "
        "errors."
    ),
    (
        "Something happens **in most seeds** if the exact 95 % interval (Clopper and Pearson) of its share lies "
        "above a "
        "half."
    ),
    (
        "A published figure is **not distinguishable** from a constant if the constant lies as near to it as one more "
        "run may lie from the middle of the seeds, 95 % of the time."
    ),
)


@dataclass(frozen=True)
class Answer:
    """A claim, what the seeds say, the figures behind it, and the sentence that follows."""

    claim: Claim
    says: Says
    figures: str
    sentence: str


def is_share(figure: str) -> bool:
    """Whether a figure is a share or accuracy in 0..1, rather than a positive error, loss or time."""
    return any(word in figure for word in SHARES)


def shown(figure: str, value: float) -> str:
    """Write a figure's value."""
    return f"{100 * value:.3g} %" if is_share(figure) else number(value)


def interval(figure: str, values: FloatArray) -> str:
    """Mean (geometric for errors) with its 95 % interval, and the range of the seeds."""
    found = mean_interval(values, log=not is_share(figure))
    limits = [found.low, found.high]
    if is_share(figure):
        limits = [max(0.0, limits[0]), min(1.0, limits[1])]
    return f"{shown(figure, found.value)} [{shown(figure, limits[0])}, {shown(figure, limits[1])}]"


def answer(entry: Entry, claim: Claim) -> Answer:
    """Ask the seeds."""
    says, figures = _ASK[claim.kind](entry, claim)
    sentence = {Says.YES: claim.yes, Says.NO: claim.no, Says.SAME: claim.same}.get(says, "")
    if not sentence and claim.kind != "near":
        said = "They are not distinguishable" if claim.kind == "level" else str(says).capitalize()
        sentence = f"{claim.question[0].upper()}{claim.question[1:]}? {said}."
    return Answer(claim, says, figures, sentence)


def _published(entry: Entry, claim: Claim) -> tuple[Says, str]:
    values = entry.arm(claim.a).figures[claim.figure]
    found = prediction_interval(values, log=not is_share(claim.figure))
    assert claim.value is not None
    low, high = found.low - claim.rounding, found.high + claim.rounding
    inside = low <= claim.value <= high
    limits = (max(0.0, found.low), min(1.0, found.high)) if is_share(claim.figure) else (found.low, found.high)
    figures = f"{claim.a}: one more seed would show {_span(claim.figure, *limits)}"
    if not inside:
        figures += f"; the published figure is {'above' if claim.value > high else 'below'} that"
    return (Says.YES if inside else Says.NO), figures


def _compare(entry: Entry, claim: Claim) -> tuple[Says, str]:
    a, b = (entry.arm(name).figures[claim.figure] for name in (claim.a, claim.b))
    if is_share(claim.figure):
        found = mean_interval(a - b, log=False)
        figures = f"difference {100 * found.value:+.3g} points [{100 * found.low:+.3g}, {100 * found.high:+.3g}]"
        return _side(found.low, found.high, 0.0, (-POINTS, POINTS)), f"{claim.a} − {claim.b}: {figures}"
    ratio = geometric_ratio(a, b)
    margin = (1 - MARGIN, 1 + MARGIN)
    figures = f"{claim.a} / {claim.b}: {number(ratio.value)} [{number(ratio.low)}, {number(ratio.high)}]"
    return _side(ratio.low, ratio.high, 1.0, margin), figures


def _side(low: float, high: float, middle: float, margin: tuple[float, float]) -> Says:
    if margin[0] <= low and high <= margin[1]:
        return Says.SAME
    if high < middle:
        return Says.YES
    return Says.NO if low > middle else Says.INCONCLUSIVE


def _level(entry: Entry, claim: Claim) -> tuple[Says, str]:
    values = entry.arm(claim.a).figures[claim.figure]
    found = mean_interval(values, log=not is_share(claim.figure))
    assert claim.value is not None
    says = Says.YES if found.high < claim.value else Says.NO if found.low > claim.value else Says.INCONCLUSIVE
    return says, f"{claim.a}: {interval(claim.figure, values)} against {shown(claim.figure, claim.value)}"


def _share(entry: Entry, claim: Claim) -> tuple[Says, str]:
    values = entry.arm(claim.a).figures[claim.figure]
    hits = int(np.sum(values > 0.5))
    low, high = clopper_pearson(hits, values.size)
    says = Says.YES if low > 0.5 else Says.NO if high < 0.5 else Says.INCONCLUSIVE
    return says, f"{hits} of {values.size} seeds [{100 * low:.0f} %, {100 * high:.0f} %]"


def _near(entry: Entry, claim: Claim) -> tuple[Says, str]:
    values = entry.arm(claim.a).figures[claim.figure]
    found = prediction_interval(values, log=True)
    assert claim.value is not None
    assert claim.other is not None
    half = math.log(found.high / found.value)
    ratio = claim.value / claim.other
    if abs(math.log(ratio)) <= half:
        return Says.SAME, (
            f"not distinguishable from {number(claim.other)}: one run may lie a factor {number(math.exp(half))} off "
            "the middle"
        )
    side = f"{number(ratio)} times as large" if ratio > 1 else f"{number(1 / ratio)} times smaller"
    return (Says.NO if ratio > 1 else Says.YES), f"{side} (persistence {number(claim.other)})"


_ASK = {"published": _published, "compare": _compare, "level": _level, "share": _share, "near": _near}


def _span(figure: str, low: float, high: float) -> str:
    return f"{shown(figure, low)} to {shown(figure, high)}"


def verdict(entry: Entry, answers: list[Answer]) -> str:
    """Whether the post is reproduced, and how many of its statements hold, in a few words."""
    statements = f"{sum(check.holds for check in entry.checks)} of {len(entry.checks)} statements hold"
    if not entry.arms:
        return statements
    trained = _reproduced(answers)
    return f"{trained}; {statements}" if entry.checks else trained


def _reproduced(answers: list[Answer]) -> str:
    asked = [one.says for one in answers if one.claim.about == "post"]
    if not asked:
        return "nothing was published"
    yes = asked.count(Says.YES)
    if yes == len(asked):
        return "reproduced"
    others = ", ".join(f"{asked.count(one)} {one}" for one in (Says.NO, Says.SAME, Says.INCONCLUSIVE) if one in asked)
    if yes:
        return f"in part: {yes} of {len(asked)} (the others: {others})"
    return "not reproduced" if asked.count(Says.NO) == len(asked) else f"not reproduced: {others}"
