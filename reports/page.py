"""report.html: report and details as one page that needs nothing else, and opens from a mail.

It is made from the Markdown of both, so that they cannot say different things, with figures as SVG inside it and the
comparisons of comparisons.csv as a table. Tables are sorted and filtered by the script in templates/page.html.j2.
"""

import re
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.token import Token

from bench.errors import printable
from reports.figures.style import Drawing
from reports.formatting import integer, number
from reports.tell.tables import interest

TEMPLATES = Path(__file__).parent / "templates"

MOST_ROWS = 500
"""Rows of comparisons on the page; the CSV has all."""

COLUMNS = {
    "compares": "compares", "task": "task", "dial": "dial", "cell": "cell", "layers": "layers", "units": "units",
    "window": "window", "batch_size": "batch size", "kernel": "kernel", "engine": "engine", "regime": "regime",
    "measure": "measure", "declared": "declared", "n": "n", "ratio": "ratio a / b", "low": "low", "high": "high",
    "verdict": "verdict", "p": "p", "p_holm": "p (Holm)", "seeds_to_decide": "seeds to decide",
}  # fmt: skip


def whole(title: str, body: str) -> str:
    """Return a page of its own from the HTML of its body."""
    environment = Environment(loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, autoescape=False)  # noqa: S701
    return environment.get_template("page.html.j2").render(title=escape(printable(title)), body=body)


def body(markdown: str, drawn: dict[str, Drawing]) -> str:
    """Turn a report's Markdown into HTML: headings with anchors, figures inside, each table in a frame that scrolls."""
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    tokens = parser.parse(markdown)
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrSet("id", anchor(tokens[place + 1].content))
        for child in token.children or ():
            _within_the_page(child, drawn)
    html = str(parser.renderer.render(tokens, parser.options, {}))
    return html.replace("<table>", '<div class="scroll" tabindex="0"><table>').replace("</table>", "</table></div>")


def _within_the_page(token: Token, drawn: dict[str, Drawing]) -> None:
    if token.type == "image":
        name = token.content
        # On one line, since an empty one would end the element for Markdown.
        figure = drawn[name].svg.replace("\n", " ")
        token.type, token.children = "html_inline", None
        token.content = f'<span class="figure" tabindex="0">{figure}</span>'
    href = str(token.attrGet("href") or "")
    if token.type == "link_open" and href.startswith("details.md"):
        token.attrSet("href", href.removeprefix("details.md") or "#details")


def anchor(heading: str) -> str:
    """Name of a heading as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def comparisons_table(comparisons: pd.DataFrame) -> str:
    """Return the comparisons as a table: of many, the first by interest, and how many are left to the CSV."""
    if comparisons.empty:
        return "<p>No comparison could be formed.</p>"
    shown = comparisons.loc[interest(comparisons)].head(MOST_ROWS)
    used = [name for name in COLUMNS if shown[name].notna().any()]
    head = "".join(f'<th scope="col">{escape(COLUMNS[name])}</th>' for name in used)
    rows = "".join(
        f"<tr>{''.join(map(_cell, row))}</tr>" for row in shown[used].astype(object).itertuples(index=False, name=None)
    )
    left = len(comparisons) - len(shown)
    more = f"{integer(left)} more are in comparisons.csv." if left else "comparisons.csv has the same with all columns."
    return (
        f"<p>A row is one ratio in one measure, declared and decided ones first. {more}</p>"
        f'<div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _cell(value: Any) -> str:
    if value is None or value is pd.NA or value != value:  # noqa: PLR0124  (nan is not itself)
        return "<td></td>"
    if isinstance(value, bool):
        return f"<td>{'yes' if value else ''}</td>"
    if isinstance(value, int | float):
        return f'<td class="number" data-value="{value}">{number(value)}</td>'
    return f"<td>{escape(printable(str(value)))}</td>"
