"""Writes the page of the posts' experiments, its figures and its records."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.collections import LineCollection

from reports import formatting
from reports.figures.style import BLUE, FONT, GREY, VERMILLION, Drawing, new_figure, small_multiples, tidy
from reports.posts.answers import RULES, Answer, answer, interval, is_share, shown, verdict
from reports.posts.read import Arm, Entry
from reports.statistics.intervals import mean_interval

TEMPLATES = Path(__file__).parents[1] / "templates"
MOST_BUSY = 0.2
"""Share of the cores that others may take where times are measured."""


@dataclass(frozen=True)
class Section:
    """An entry with its answers."""

    entry: Entry
    answers: list[Answer]
    verdict: str

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


def section(entry: Entry) -> Section:
    """Ask all of an entry's claims."""
    answers = [answer(entry, claim) for claim in entry.claims]
    return Section(entry, answers, verdict(entry, answers))


def write(entries: list[Entry], page: Path, folder: Path, missing: Sequence[str] = ()) -> Path:
    """Write the page, which names what is missing, and, into `folder` beside it, its figures."""
    folder.mkdir(parents=True, exist_ok=True)
    sections = [section(entry) for entry in entries]
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


SHOWN = (-0.4, 1.4)
"""What is drawn of the axis: a forecast that leaves it has left the cosine, which spans 0..1."""


def draw_forecast(entries: list[Entry]) -> Drawing | None:
    """One panel for each arm that has a forecast."""
    arms = [
        (entry, entry.arm(name), np.array(values))
        for entry in entries
        for name, values in entry.traces.get("forecast", {}).items()
    ]
    if not arms:
        return None
    arms.sort(key=lambda one: one[1].column)  # "as published" before "corrected"
    figure, grid = small_multiples(
        len(arms), row=1.9, head=0.75, legend=0.7, left=(0.12, 0.06), hspace=0.55, wspace=0.12, sharey=True
    )
    for axes, (entry, arm, values) in zip(grid.flat, arms, strict=False):
        steps = np.arange(1, len(values) + 1)
        colour = BLUE if "stateful" in arm.name else VERMILLION
        curves = [np.column_stack((steps, one)) for one in values.T]
        axes.add_collection(LineCollection(curves, colors=colour, linewidths=0.5, alpha=0.35))
        phase = 2 * np.pi * (steps - 1 + entry.traces["first"][arm.name]) / entry.traces["period"]
        axes.plot(steps, (1 + np.cos(phase)) / 2, color=GREY, lw=1.0, ls="--", label="cosine")
        axes.plot(steps, np.median(values, axis=1), color=colour, lw=1.8, label="median")
        axes.set_ylim(*SHOWN)
        axes.set_xlim(0, len(values))
        axes.set_title(f"{arm.column}\n{textwrap.fill(arm.name, 48)}", fontsize=FONT - 1.5)
        tidy(axes)
    for axes in grid[-1]:
        axes.set_xlabel("steps ahead", fontsize=FONT - 1)
    figure.legend(
        *grid.flat[0].get_legend_handles_labels(), loc="upper right", ncols=2, frameon=False, fontsize=FONT - 1
    )
    caption = (
        f"Forecasts over {len(arms[0][2])} steps, each fed its own output. Faint: every seed "
        f"({arms[0][2].shape[1]}). Bold: "
        f"their median. Dashed: the cosine. Cut off at {SHOWN[0]:g} and {SHOWN[1]:g}."
    )
    return Drawing("forecast", figure, caption)


def draw_lagged_average(entries: list[Entry]) -> Drawing | None:
    """One panel an arm; a cell shows how many seeds converged."""
    entry = next((one for one in entries if "lahead" in one.traces), None)
    if entry is None:
        return None
    lahead, tsteps = entry.traces["lahead"], entry.traces["tsteps"]
    figure = new_figure(9.3, 2.9)
    panels = figure.subplots(1, len(entry.arms), sharey=True)
    for axes, arm in zip(panels, entry.arms, strict=True):
        share = np.array([[arm.figures[f"converged, lahead {x}, tsteps {n}"].mean() for x in lahead] for n in tsteps])
        axes.imshow(share, cmap="Blues", vmin=0, vmax=1.8, origin="lower", aspect="auto")
        for (row, column), value in np.ndenumerate(share):
            axes.text(column, row, f"{value * len(entry.seeds):.0f}", ha="center", va="center", fontsize=FONT)
            if lahead[column] < tsteps[row]:
                axes.text(
                    column + 0.45, row - 0.46, "memory", ha="right", va="bottom", fontsize=FONT - 3, color="#555555"
                )
        axes.set_xticks(range(len(lahead)), [str(x) for x in lahead], fontsize=FONT - 1)
        axes.set_yticks(range(len(tsteps)), [str(x) for x in tsteps], fontsize=FONT - 1)
        axes.set_xlabel("lahead (window)", fontsize=FONT - 1)
        axes.set_title(arm.name, fontsize=FONT - 1)
    panels[0].set_ylabel("tsteps (reach)", fontsize=FONT - 1)
    figure.subplots_adjust(left=0.06, right=0.99, bottom=0.19, top=0.88, wspace=0.08)
    caption = (
        f"Seeds of {len(entry.seeds)} that converged. Cells marked memory: the window is shorter than the reach, so "
        "that "
        "only carried state can get there."
    )
    return Drawing("lagged-average", figure, caption)
