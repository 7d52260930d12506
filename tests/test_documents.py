"""Links in what people read lead somewhere."""

import re
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
FOLDERS = ("", "docs", "reports/published", "reports/published/*")


@pytest.mark.parametrize(
    "page", [str(page.relative_to(ROOT)) for folder in FOLDERS for page in ROOT.glob(f"{folder}/*.md".lstrip("/"))]
)
def test_every_file_that_a_page_links_to_is_there(page):
    file = ROOT / page
    linked = [one for one in LINK.findall(file.read_text(encoding="utf-8")) if "://" not in one]
    assert [one for one in linked if not (file.parent / one).exists()] == []


def plain(text):
    return " ".join(text.replace("**", "").split())


def test_the_readme_quotes_the_first_screen_of_the_published_run():
    quoted = (
        (ROOT / "README.md").read_text(encoding="utf-8").partition("the end of the published run")[2].split("```")[1]
    )
    bullets = [plain(one) for one in quoted.partition("results/")[0].strip().removeprefix("- ").split("\n- ")]
    report = plain((ROOT / "reports/published/quick/report.md").read_text(encoding="utf-8"))
    assert len(bullets) > 3
    assert [one for one in bullets if one not in report] == []


PAGES = sorted((ROOT / "reports" / "published").glob("*/report.md"))
LINE, LETTERS = 24, 40
"""Pixels of a line on a phone of 390 x 844, and letters that it holds."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_a_published_page_is_short_and_its_answer_fits_a_phone(page):
    text = page.read_text(encoding="utf-8")
    assert len(text.split()) <= 1500
    title, *parts = re.split(r"\n!\[|\n## ", text)[0].strip().split("\n")
    assert title.startswith("# ")
    lines = sum(len(textwrap.wrap(part.replace("**", ""), LETTERS)) for part in parts)
    # A title of two lines, and the space around it and the caveats.
    assert lines * LINE <= 844 - 100 + 1.5 * LINE
