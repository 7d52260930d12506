"""gate.md for people, gate.json for programs."""

import json
import math
from pathlib import Path

from bench.gate.deciding import ALPHA, HALF_WIDTH, MARGIN, Change, Verdict, change
from bench.gate.judging import Exit, Outcome, Pass, to_dict
from bench.measure.elsewhere import CONTROL

HEADS = {
    Exit.PASS: "passed",
    Exit.SLOWER: "slower",
    Exit.USAGE: "not run",
    Exit.NOTHING: "nothing compared",
    Exit.FAILED: "no verdict",
}


def write(outcome: Outcome, code: Exit, out: Path) -> None:
    """Write both files, or neither where there is no room."""
    texts = {"gate.md": page(outcome, code), "gate.json": json.dumps(finite(to_dict(outcome, code)), indent=1)}
    for name, text in texts.items():
        (out / f"{name}.part").write_text(text, encoding="utf-8")
    for name in texts:
        (out / f"{name}.part").replace(out / name)


def page(outcome: Outcome, code: Exit) -> str:
    """The page, in Markdown."""
    lines = [f"# Gate: {HEADS[code]}", "", f"{outcome.summary_line[:1].upper()}{outcome.summary_line[1:]}.", ""]
    lines += [f"- {problem}" for problem in outcome.problems[1:]]
    if outcome.sides:
        lines += ["| | base | head |", "|---|---|---|"]
        base, head = outcome.sides
        rows = {"asked for": (base.asked, head.asked), "commit": tuple(map(_commit, (base.git, head.git)))}
        names = sorted(base.versions.keys() | head.versions.keys())
        rows |= {
            name: (base.versions.get(name, "none"), head.versions.get(name, "none"))
            for name in names
            if base.versions.get(name) != head.versions.get(name)
        }
        lines += [f"| {name} | {a} | {b} |" for name, (a, b) in rows.items()]
        lines.append("")
    if outcome.rows:
        lines += _times(outcome)
    if outcome.memory:
        lines += ["## Memory", "", "| case | base MiB | head MiB | |", "|---|--:|--:|---|"]
        lines += [
            f"| {one.key} | {one.base / 2**20:.2f} | {one.head / 2**20:.2f} | "
            f"{'same' if not one.changed else 'more' if one.head > one.base else 'less'} |"
            for one in outcome.memory
        ]
        lines.append("")
    if outcome.updates:
        lines += ["## Updates to target, equal seeds", ""]
        lines += [f"- {one.key}: {'**changed**' if one.changed else 'the same'}" for one in outcome.updates]
        lines.append("")
    if outcome.missing:
        lines += ["## Not compared: base cannot run them", ""]
        lines += [f"- {key}: {why.splitlines()[-1] if why else ''}" for key, why in outcome.missing.items()]
        lines.append("")
    return "\n".join(lines)


def _times(outcome: Outcome) -> list[str]:
    first = outcome.passes[0]
    pairs = max(values.size for values in first.logs.values())
    lines = [
        "## Seconds per update, head / base",
        "",
        (
            f"{pairs} pairs of fresh processes, interleaved, in {first.seconds / 60:.0f} minutes. Intervals hold for "
            f"all cases together ({1 - 2 * ALPHA:.0%}); slower or faster means beyond {MARGIN:.0%}, and found again in "
            "fresh processes."
        ),
        "",
        "| case | first pass | confirmation | verdict |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {row.key} | {_ratio(row.first)} | {_ratio(row.second) if row.second else ''} | {row.verdict} |"
        for row in outcome.rows
    ]
    lines.append("")
    if any(row.verdict is Verdict.INCONCLUSIVE for row in outcome.rows):
        wide = [row for row in outcome.rows if row.first.half_width >= HALF_WIDTH]
        if wide:
            about = (
                f"{len(wide)} of {len(outcome.rows)} intervals are wider than ±{HALF_WIDTH:.1%}: with this noise about "
                f"{first.minutes_needed:.0f} minutes a pass would do (`--minutes`)."
            )
            lines += [about, ""]
        else:
            lines += ["An interval lies across the margin: the change is small, and no more time was asked for.", ""]
    lines += [_trust(number, one) for number, one in enumerate(outcome.passes, 1)]
    return [*lines, ""]


def _trust(number: int, one: Pass) -> str:
    return (
        f"- Pass {number}: the control case, which no change can touch, {_ratio(change(one.logs[CONTROL]))}; base "
        f"against base {_ratio(change(one.base))}; other programs took {one.other_load:.0%} of the cores."
    )


def _ratio(one: Change) -> str:
    if not math.isfinite(one.half_width):
        return f"{one.ratio:.3f}, no interval from {one.pairs}"
    return f"{one.ratio:.3f} [{one.low:.3f}, {one.high:.3f}]"


def _commit(git: dict[str, object] | None) -> str:
    return "unknown" if git is None else f"{str(git['commit'])[:12]}{' with changes' if git['dirty'] else ''}"


def finite(value: object) -> object:
    """JSON knows no infinity."""
    if isinstance(value, dict):
        return {key: finite(one) for key, one in value.items()}
    if isinstance(value, list):
        return [finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
