"""Writes a run's report: report.md, details.md, report.html, comparisons.csv, summary.json, figures and code."""

from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reports import formatting, page
from reports.all_or_nothing import together
from reports.analysis import Analysis, analyse
from reports.claim.arms import families, first_by_interest
from reports.claim.controls import longer_windows_in_short
from reports.claim.robustness import learning_in_short, median_second_best
from reports.collect.grouping import by_engine, case_name
from reports.collect.read import Run
from reports.figures import drawings
from reports.figures.style import Drawing
from reports.frames import write_csv
from reports.statistics.intervals import LEVEL, clopper_pearson
from reports.statistics.verdict import FEWER, MARGIN, SECONDS_MARGIN
from reports.summary import write_summary
from reports.tell import tables
from reports.tell.claim_tables import ClaimTables
from reports.tell.cost_answers import cost_values, in_short
from reports.tell.cost_tables import CostTables
from reports.tell.headline import scope
from reports.tell.recommendation import sentence
from reports.tell.what_to_do import what_to_do

TEMPLATES = Path(__file__).parent / "templates"

OF_A_REPORT = ("figures/*.png", "figures/*.svg", "recommended_*.py")
"""What one report has and the next may not."""


def write_report(run: Run, folder: Path | None = None) -> Path:
    """Analyse a run and write its report; returns the path of report.md.

    Parameters
    ----------
    folder
        Where to write; the run's own folder if None. Figures and code of an earlier report there are replaced.
    """
    return write(analyse(run), folder or run.folder)


def write(found: Analysis, folder: Path) -> Path:
    """Write report.md, details.md, report.html and what they link to; returns the path of report.md."""
    drawn = drawings(found.frames)
    values = _values(found) | {"captions": {name: drawing.caption for name, drawing in drawn.items()}}
    code = recommended_code(found)
    values["links"] = ["report.html", "comparisons.csv", "summary.json", *sorted(code)]
    with together(folder, instead_of=OF_A_REPORT) as stage:
        (stage / "figures").mkdir()
        for drawing in drawn.values():
            drawing.save(stage / "figures")
        write_summary(found, stage / "summary.json")
        write_csv(found.frames.comparisons, stage / "comparisons.csv")
        pages = {name: _fill(f"{name}.j2", values) for name in ("details.md", "report.md")}
        pages["report.html"] = _page(found, pages["report.md"], pages["details.md"], drawn)
        for name, text in (code | pages).items():
            (stage / name).write_text(text, encoding="utf-8")
    return folder / "report.md"


def _page(found: Analysis, report: str, details: str, drawn: dict[str, Drawing]) -> str:
    parts = (
        page.body(report, drawn),
        '<h1 id="details">Details</h1>',
        page.body(details, drawn),
        '<h2 id="every-comparison">Every comparison</h2>',
        page.comparisons_table(found.frames.comparisons),
    )
    return page.whole(f"{found.run.name} - statebench", "\n".join(parts))


def details(found: Analysis, captions: dict[str, str]) -> str:
    """Fill the template of details.md; `captions` holds those of the figures that were drawn, by name."""
    return _fill("details.md.j2", _values(found) | {"captions": captions})


def recommended_code(found: Analysis) -> dict[str, str]:
    """Python files that train what is recommended, by name."""
    given = [one for one in found.recommendations if one.given]
    return {f"{one.module}.py": _fill("recommended.py.j2", {"one": one, "code": one.code}) for one in given}


def _fill(template: str, values: dict[str, Any]) -> str:
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    """Templates are compiled once a process, which takes longer than filling them."""
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
        "integer": formatting.integer,
        "listing": formatting.listing,
        "cell": formatting.table_cell,
        "plain": formatting.plain,
        "code_line": formatting.code_line,
        "never": formatting.never,
        "case_name": case_name,
        "most": lambda rows: rows[: tables.MOST_ROWS],
        "interesting": first_by_interest,
    }
    environment.globals |= {
        "count": formatting.count,
        "span": formatting.span,
        "limited": formatting.limited,
        "sentence": sentence,
        "left": lambda rows, rest=tables.SUMMED: tables.left_out(len(rows) - tables.MOST_ROWS, rest),
    }
    return environment


def _values(found: Analysis) -> dict[str, Any]:
    sizes = sorted({one.a.n for one in found.declared})
    return cost_values(found.costs) | {
        "run": found.run,
        "machine": msgspec.to_builtins(found.run.machine),
        "found": found,
        "costs_first": found.about_costs,
        "tables": ClaimTables(found.frames),
        "cost_tables": CostTables(found.frames),
        "sure": found.sureness,
        "scope": scope(found.run),
        "table": what_to_do(found.compared),
        "cost_lines": in_short(found.costs, costs_first=found.about_costs),
        "machine_line": machine_line(found.run),
        "recommendations": found.recommendations,
        "opening": found.opening,
        "margin": MARGIN,
        "seconds_margin": SECONDS_MARGIN,
        "level": LEVEL,
        "fewer": FEWER,
        "second_best_rate": median_second_best(found.rates),
        "longer_windows_in_short": longer_windows_in_short(found.longer_windows),
        "learning_in_short": learning_in_short(found.same_arms, found.costs.contrasts),
        "family": len(found.run.family),
        "families": families(found.run),
        "sizes": sizes,
        "most_changed": [one for one in found.sensitivity if one.judgements],
        "false_calls": false_calls(found),
        "failed": [record for record in found.run.records if record.outcome != "ok"],
        "loud": [one for one in found.warnings if one.code in _loud(found)],
    }


def machine_line(run: Run) -> str:
    """Describe the machine and what ran on it; what run.json does not tell is left out."""
    software = [f"{shown} {run.versions[name]}" for name, shown in SOFTWARE.items() if name in run.versions]
    of = run.machine
    hardware = [of.cpu, formatting.count(of.cores, "core"), *of.accelerators, of.system] if of else []
    return formatting.plain(", ".join([*hardware, *software])) or "Machine not recorded"


SOFTWARE = {"python": "Python", "tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch", "keras": "Keras"}


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
        for engine, here in by_engine(found.a_a, lambda one: one.setting).items()
    ]


def _loud(found: Analysis) -> set[str]:
    # By chance, up to 5 % of the comparisons of an arm with itself may differ: only more of them is alarming.
    too_many = any(one.rate[0] > 1 - LEVEL for one in false_calls(found))
    return {"below-floor", "different-targets", "missing-shard", "timed-elsewhere"} | (
        {"false-call"} if too_many else set()
    )
