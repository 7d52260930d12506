"""The page of the posts' experiments, its figures and the records that both are made from."""

import json
import lzma
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bench.posts.entry import SCHEMA, Arm, Entry
from reports import formatting
from reports.commands import ReportError
from reports.posts.claim_answers import RULES, Answer, answer, interval, is_share, shown, verdict
from reports.posts.posts_figures import draw_forecast, draw_lagged_average
from reports.statistics.intervals import mean_interval

TEMPLATES = Path(__file__).parents[1] / "templates"
MOST_BUSY = 0.2
"""Share of the cores that others may take where times are measured."""

RECORDS = "records.json.xz"


class PostsNotReadableError(ReportError):
    """There is no result, or one that this version cannot read."""


def read_records(results: Path, published: Path, order: Sequence[str]) -> tuple[list[Entry], list[dict[str, Any]]]:
    """Read all entries in an order, the newer of each from `results`: as objects, and as they are stored.

    Raises a PostsNotReadableError if there is none, or one has another schema.
    """
    found: dict[str, dict[str, Any]] = {}
    records = published / RECORDS
    if records.is_file():
        found = {one["id"]: one for one in json.loads(lzma.decompress(records.read_bytes()))}
    for file in sorted(results.glob("*.json")):
        one = json.loads(file.read_text(encoding="utf-8"))
        found[one["id"]] = one
    if not found:
        raise PostsNotReadableError(f"no result in {results} or {records}; run `make reproduce` first")
    for one in found.values():
        if one.get("schema") != SCHEMA:
            raise PostsNotReadableError(
                f"{one['id']} has schema {one.get('schema')}, this version reads {SCHEMA}; run it again: "
                f"`make reproduce ONLY={one['id']}`"
            )
    known = [name for name in order if name in found]
    raw = [found[name] for name in [*known, *sorted(set(found) - set(known))]]
    return [Entry.from_dict(one) for one in raw], raw


@dataclass(frozen=True)
class Section:
    """An entry with its answers."""

    entry: Entry

    @cached_property
    def answers(self) -> list[Answer]:
        """What the seeds say to each claim."""
        return [answer(self.entry, claim) for claim in self.entry.claims]

    @property
    def verdict(self) -> str:
        """Whether the post is reproduced."""
        return verdict(self.entry, self.answers)

    @property
    def figures(self) -> list[str]:
        """Names of the figures that the table shows."""
        names = dict.fromkeys(name for arm in self.entry.arms for name in arm.figures)
        return [name for name in names if "lahead" not in name or name.startswith("share")]

    def about(self, *kinds: str) -> list[Answer]:
        """Answers to the claims of a kind."""
        return [one for one in self.answers if one.claim.about in kinds]

    @property
    def grid(self) -> list[dict[str, Any]]:
        """Rows of the table over lahead and tsteps, where there is one."""
        entry = self.entry
        return [
            {"lahead": x, "tsteps": n, "cells": [_grid_cell(arm, x, n) for arm in entry.arms]}
            | {"known": entry.baselines[f"test mse, lahead {x}, tsteps {n}"]}
            for n in entry.traces.get("tsteps", [])
            for x in entry.traces["lahead"]
        ]

    @property
    def baselines(self) -> list[tuple[str, str]]:
        """Figure and what is known without a network, one line for figures that share it."""
        lines: dict[str, list[str]] = {}
        for figure, known in self.entry.baselines.items():
            if "lahead" in figure:
                continue
            said = "; ".join(f"{name} {shown(figure, value)}" for name, value in known.items())
            lines.setdefault(said, []).append(figure)
        return [(formatting.listing(figures), said) for said, figures in lines.items()]


def _grid_cell(arm: Arm, lahead: int, tsteps: int) -> str:
    errors = arm.figures[f"test mse, lahead {lahead}, tsteps {tsteps}"]
    hits = arm.figures[f"converged, lahead {lahead}, tsteps {tsteps}"]
    found = mean_interval(errors, log=True)
    return f"{hits.sum():.0f}/{hits.size} · {formatting.number(found.value)} {formatting.span(found.low, found.high)}"


def write(entries: list[Entry], page: Path, folder: Path, missing: Sequence[str] = ()) -> Path:
    """Write the page, which names what is missing, and, into `folder` beside it, its figures."""
    folder.mkdir(parents=True, exist_ok=True)
    sections = [Section(entry) for entry in entries]
    drawings = {drawing.name: drawing for drawing in (draw_forecast(entries), draw_lagged_average(entries)) if drawing}
    for drawing in drawings.values():
        drawing.save(folder)
    captions = {name: drawing.caption for name, drawing in drawings.items()}
    page.write_text(render(sections, captions, folder.name, missing), encoding="utf-8")
    return page


def render(sections: list[Section], captions: dict[str, str], figures: str, missing: Sequence[str] = ()) -> str:
    """Fill the template; `figures` is the folder of the figures, as the page sees it."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  (Markdown, not HTML)
    )
    environment.filters |= {"number": formatting.number, "cell": formatting.table_cell, "listing": formatting.listing}
    environment.globals |= {"interval": interval, "shown": shown, "is_share": is_share, "low_high": low_high}
    return environment.get_template("posts.md.j2").render(
        sections=sections,
        captions=captions,
        figures=figures,
        missing=missing,
        rules=RULES,
        trained=[one for one in sections if one.entry.arms],
        tried=[one for one in sections if not one.entry.arms],
        seconds=sum(one.entry.measured["seconds"] for one in sections),
        load=max(one.entry.measured["load_before"] for one in sections),
        machines=sorted({f"{one.entry.measured['cores']} cores of {one.entry.measured['cpu']}" for one in sections}),
        versions=sorted({_versions(one.entry) for one in sections}),
        timed=[one.entry.id for one in sections if _is_timed(one.entry)],
        disturbed=[one.entry.id for one in sections if _is_timed(one.entry) and _busy(one.entry) > MOST_BUSY],
        busy=lambda entry: f"{100 * _busy(entry):.0f} %" if "busy_before" in entry.measured else formatting.NOTHING,
        short=[one.entry.id for one in sections if one.entry.fraction != 1],
    )


def _is_timed(entry: Entry) -> bool:
    return any(figure.startswith("ms ") for arm in entry.arms for figure in arm.figures)


def _busy(entry: Entry) -> float:
    return float(entry.measured.get("busy_before", 1.0))


def low_high(figure: str, values: Any) -> str:
    """Least and largest of the seeds."""
    return f"{shown(figure, float(np.min(values)))} to {shown(figure, float(np.max(values)))}"


def _versions(entry: Entry) -> str:
    found = entry.measured["versions"]
    return f"TensorFlow {found['tensorflow']}, Keras {found['keras']}, Python {entry.measured['python']}"


def write_records(raw: list[dict[str, Any]], published: Path) -> None:
    """Keep the records beside the page, compressed."""
    published.mkdir(parents=True, exist_ok=True)
    text = json.dumps(raw, ensure_ascii=False, separators=(",", ":"))
    (published / RECORDS).write_bytes(lzma.compress(text.encode(), preset=6))
