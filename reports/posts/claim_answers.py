"""What the seeds answer to each claim, by rules that the page prints."""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from bench.posts.entry import Claim, Entry, FloatArray, paragraphs
from reports.formatting import number
from reports.statistics.intervals import clopper_pearson, geometric_ratio, mean_interval, prediction_interval
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


RULES = paragraphs(f"""\
    The posts claim which arm ends with the lower error, not which reaches a target sooner. So the errors after the
    epochs that an experiment states are compared, seed by seed; the benchmark's rule for updates (a target that is
    held, folds with a tuning and a draw of the data each) has no part in it, and an answer is about these data at
    these rates.

    A published figure is one run. It is **reproduced** if it lies, give or take half a unit of its last digit, where
    one more seed would fall with 95 % probability: the t prediction interval of the seeds, on the log scale for errors
    and losses, plainly for accuracies.

    One arm is **below** another if the 95 % t interval of their difference, seed by seed, lies below 0: of the ratio
    for errors, losses and times, of the difference for accuracies. **Same** means an interval within
    {100 * MARGIN:.0f} % or {100 * POINTS:.0f} points; anything else is **inconclusive**.

    An arm is below a constant (persistence, chance) if the 95 % t interval of its mean is; the geometric mean for
    errors.

    Something happens **in most seeds** if the exact 95 % interval (Clopper and Pearson) of its share lies above a half.

    A published figure is **not distinguishable** from a constant if the constant lies as near to it as one more run may
    lie from the middle of the seeds, 95 % of the time.""")


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
    share = is_share(figure)
    found = mean_interval(values, log=not share)
    low, high = (max(0.0, found.low), min(1.0, found.high)) if share else (found.low, found.high)
    return f"{shown(figure, found.value)} [{shown(figure, low)}, {shown(figure, high)}]"


def answer(entry: Entry, claim: Claim) -> Answer:
    """Ask the seeds."""
    values = entry.arm(claim.a).figures[claim.figure]
    if claim.kind == "compare":
        says, figures = _compare(claim, values, entry.arm(claim.b).figures[claim.figure])
    else:
        says, figures = _ASK[claim.kind](claim, values)
    sentence = {Says.YES: claim.yes, Says.NO: claim.no, Says.SAME: claim.same}.get(says, "")
    if not sentence and claim.kind != "near":
        said = "They are not distinguishable" if claim.kind == "level" else str(says).capitalize()
        sentence = f"{claim.question[0].upper()}{claim.question[1:]}? {said}."
    return Answer(claim, says, figures, sentence)


def _compare(claim: Claim, a: FloatArray, b: FloatArray) -> tuple[Says, str]:
    if is_share(claim.figure):
        found = mean_interval(a - b, log=False)
        figures = f"difference {100 * found.value:+.3g} points [{100 * found.low:+.3g}, {100 * found.high:+.3g}]"
        return _side(found.low, found.high, 0.0, (-POINTS, POINTS)), f"{claim.a} − {claim.b}: {figures}"
    ratio = geometric_ratio(a, b)
    figures = f"{claim.a} / {claim.b}: {number(ratio.value)} [{number(ratio.low)}, {number(ratio.high)}]"
    return _side(ratio.low, ratio.high, 1.0, (1 - MARGIN, 1 + MARGIN)), figures


def _side(low: float, high: float, middle: float, margin: tuple[float, float] = (math.inf, -math.inf)) -> Says:
    """Whether an interval lies below the middle, above it, or within the margin."""
    if margin[0] <= low and high <= margin[1]:
        return Says.SAME
    if high < middle:
        return Says.YES
    return Says.NO if low > middle else Says.INCONCLUSIVE


def _published(claim: Claim, values: FloatArray) -> tuple[Says, str]:
    assert claim.value is not None
    share = is_share(claim.figure)
    found = prediction_interval(values, log=not share)
    low, high = (max(0.0, found.low), min(1.0, found.high)) if share else (found.low, found.high)
    figures = f"{claim.a}: one more seed would show {shown(claim.figure, low)} to {shown(claim.figure, high)}"
    if found.low - claim.rounding <= claim.value <= found.high + claim.rounding:
        return Says.YES, figures
    side = "above" if claim.value > found.high else "below"
    return Says.NO, f"{figures}; the published figure is {side} that"


def _level(claim: Claim, values: FloatArray) -> tuple[Says, str]:
    assert claim.value is not None
    found = mean_interval(values, log=not is_share(claim.figure))
    figures = f"{claim.a}: {interval(claim.figure, values)} against {shown(claim.figure, claim.value)}"
    return _side(found.low, found.high, claim.value), figures


def _share(claim: Claim, values: FloatArray) -> tuple[Says, str]:
    del claim
    hits = int(np.sum(values > 0.5))
    low, high = clopper_pearson(hits, values.size)
    says = Says.YES if low > 0.5 else Says.NO if high < 0.5 else Says.INCONCLUSIVE
    return says, f"{hits} of {values.size} seeds [{100 * low:.0f} %, {100 * high:.0f} %]"


def _near(claim: Claim, values: FloatArray) -> tuple[Says, str]:
    assert claim.value is not None
    assert claim.other is not None
    found = prediction_interval(values, log=True)
    factor, ratio = found.high / found.value, claim.value / claim.other
    if abs(math.log(ratio)) <= math.log(factor):
        off = f"one run may lie a factor {number(factor)} off the middle"
        return Says.SAME, f"not distinguishable from {number(claim.other)}: {off}"
    side = f"{number(ratio)} times as large" if ratio > 1 else f"{number(1 / ratio)} times smaller"
    return (Says.NO if ratio > 1 else Says.YES), f"{side} (persistence {number(claim.other)})"


_ASK = {"published": _published, "level": _level, "share": _share, "near": _near}


def verdict(entry: Entry, answers: list[Answer]) -> str:
    """Whether the post is reproduced, and how many of its statements hold, in a few words."""
    said = [_reproduced(answers)] if entry.arms else []
    if entry.checks:
        said.append(f"{sum(check.holds for check in entry.checks)} of {len(entry.checks)} statements hold")
    return "; ".join(said)


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
