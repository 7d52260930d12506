"""Writes report.md, figures/ and summary.json of a run."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reports import formatting
from reports.analysis import Analysis, analyse
from reports.claim.arms import families
from reports.claim.frameworks import learning_in_short
from reports.claim.longer_window import in_short
from reports.claim.rates import median_second_best
from reports.collect.engines import by_engine
from reports.collect.grouping import case_name
from reports.collect.read import Run
from reports.figures.drawn import drawings
from reports.figures.widths import interval_text
from reports.statistics.intervals import LEVEL, clopper_pearson
from reports.statistics.permutation import smallest_p
from reports.statistics.verdict import LESS, MARGIN
from reports.summary import write_summary
from reports.tables import overview
from reports.tell.cost_values import cost_values
from reports.tell.recommendation import recommendations, sentence

TEMPLATES = Path(__file__).parent / "templates"


def write_report(run: Run, folder: Path | None = None) -> Path:
    """Analyse a run and write its report; returns the path of report.md.

    Parameters
    ----------
    folder
        Where to write; the run's own folder if None. Figures of an earlier report there are replaced.
    """
    folder = folder or run.folder
    figures = folder / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    found = analyse(run)
    drawn = drawings(found)
    for drawing in drawn.values():
        drawing.save(figures)
    captions = {name: drawing.caption for name, drawing in drawn.items()}
    report = folder / "report.md"
    report.write_text(render(found, captions), encoding="utf-8")
    write_summary(found, folder / "summary.json")
    return report


def render(found: Analysis, captions: dict[str, str]) -> str:
    """Fill the template; `captions` holds those of the figures that were drawn, by name."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  (Markdown, not HTML; `cell` below keeps text inside its table cell)
    )
    environment.filters |= {
        "number": formatting.number,
        "seconds": formatting.seconds,
        "size": formatting.size,
        "percent": formatting.percent,
        "ratio": formatting.ratio,
        "mark": formatting.mark,
        "listing": formatting.listing,
        "interval_text": interval_text,
        "cell": formatting.table_cell,
        "plain": formatting.plain,
        "never": formatting.never,
        "case_name": case_name,
    }
    environment.globals |= {
        "count": formatting.count,
        "span": formatting.span,
        "limited": formatting.limited,
        "sentence": sentence,
    }
    return environment.get_template("report.md.j2").render(**_values(found, captions))


def _values(found: Analysis, captions: dict[str, str]) -> dict[str, Any]:
    sizes = sorted({one.a.n for one in found.declared})
    about = found.run.about
    return cost_values(found.costs) | {
        "run": found.run,
        "about": about,
        "found": found,
        "captions": captions,
        "costs_first": found.about_costs,
        "overview": overview(found),
        "recommendations": recommendations(found.run),
        "margin": MARGIN,
        "level": LEVEL,
        "less": LESS,
        "second_best_rate": median_second_best(found.rates),
        "instead_in_short": in_short(found.instead),
        "learning_in_short": learning_in_short(found.same_arms, found.costs.contrasts),
        "family": len(found.run.family),
        "families": families(found.run),
        "sizes": sizes,
        "least_p": smallest_p(sizes[-1]) if sizes else None,
        "most_changed": [one for one in found.sensitivity if one.judgements],
        "false_calls": false_calls(found),
        "failed": [record for record in found.run.records if record.outcome != "ok"],
        "loud": [one for one in found.warnings if one.code in _loud(found)],
    }


@dataclass(frozen=True)
class FalseCalls:
    """Of `n` comparisons of an arm with itself `k` were called a difference; `rate`: exact interval."""

    engine: str
    k: int
    n: int
    rate: tuple[float, float]


def false_calls(found: Analysis) -> list[FalseCalls]:
    """Count them engine by engine: another engine trains the same seeds, which is no further draw."""
    called = Counter(one.setting.engine for one in found.false_calls)
    return [
        FalseCalls(engine, called[engine], len(here), clopper_pearson(called[engine], len(here)))
        for engine, here in by_engine(found.itself, lambda one: one.setting).items()
    ]


def _loud(found: Analysis) -> set[str]:
    # By chance, up to 5 % of the comparisons of an arm with itself may differ: only more of them is alarming.
    too_many = any(one.rate[0] > 1 - LEVEL for one in false_calls(found))
    return {"below-floor", "different-targets"} | ({"false-call"} if too_many else set())
