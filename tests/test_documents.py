"""Links in what people read lead somewhere."""

import re
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
