"""Programs that write pages: what cannot be read or written is a sentence and an exit code, and what was there stays.

What a run's folder brings stands on every page as text.
"""

import errno
import json
import os
import re
import shutil
import unicodedata

import pytest
import synthetic
from markdown_it import MarkdownIt

from bench.case.checked import FaultError, decode
from bench.case.record import Record
from bench.case.run_record import RunRecord
from reports import __main__ as rendering
from reports import export, history, publish, render
from reports.compare import __main__ as compare


def records():
    return [
        *synthetic.pair([100] * 4, [200] * 4),
        *synthetic.timed(1e-3),
        *synthetic.timed(2e-3, units=16),
        synthetic.memory(),
        synthetic.record(synthetic.case(window=32), {}, "crashed", message="ended by SIGKILL"),
    ]


CEILINGS = {"memory": {"name": "memory", "unit": "B/s", "best": 2e10, "median": 1e10}}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    made = records()
    timed = [synthetic.invocation(ceilings=CEILINGS, ceilings_engine="tensorflow")]
    for name in ("one", "two"):
        synthetic.write(folder / name, made, family=synthetic.family(made), invocations=timed)
    return folder


DOORS = {
    "report": lambda run, _: rendering.main([str(run)]),
    "compare": lambda run, into: compare.main([str(run), str(run.with_name("two")), "--out", str(into)]),
    "export": lambda run, into: export.main([str(run), "--into", str(into), "--format", "csv"]),
    "history": lambda run, into: history.main([str(into / "history.jsonl"), "--add", str(run)]),
    "publish": lambda run, _: publish.main([str(run)]),
}


def files(*folders):
    return {file: file.read_bytes() for one in folders for file in one.rglob("*") if file.is_file()}


@pytest.mark.parametrize("door", DOORS)
def test_a_full_disk_and_a_run_that_is_not_there_leave_all_as_it_was(door, runs, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(publish, "PUBLISHED", tmp_path)
    monkeypatch.setattr(publish, "renew", lambda: None)
    monkeypatch.setattr(render, "drawings", lambda _: {})  # they take longest
    assert DOORS[door](runs / "one", tmp_path) == 0
    before = files(runs, tmp_path)

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        assert DOORS[door](runs / "one", tmp_path) == 3
    assert "No space left on device" in capsys.readouterr().err
    assert DOORS[door](runs / "three", tmp_path) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert files(runs, tmp_path) == before


def test_a_run_of_which_not_all_can_be_read_is_not_published(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(publish, "PUBLISHED", tmp_path / "published")
    torn = synthetic.write(tmp_path / "torn", records())
    with (torn / "records.jsonl").open("a") as file:
        file.write('{"torn')
    assert publish.main([str(torn)]) == 2
    assert "records.jsonl, line 9: the whole is no whole JSON" in capsys.readouterr().err
    assert not (tmp_path / "published").exists()


WICKED = (
    "\x1b]0;x\x07\u202e\x00<img src=x onerror=alert(1)>![a](http://b.c)[d](e)\n\n# Injected\n\n"
    "[verdict]: http://b.c\n<script>alert(2)</script>\n```\n| # `x` |"
)


def texts(values, at=()):
    """Paths of all texts within JSON."""
    if isinstance(values, str):
        yield at
    elif isinstance(values, dict | list):
        for name, one in values.items() if isinstance(values, dict) else enumerate(values):
            yield from texts(one, (*at, name))


def poisoned(values, kind, text):
    """The same with `text` wherever a reader takes it, and in which fields that was."""
    taken = set()
    for path in list(texts(values)):
        *within, last = path
        place = values
        for name in within:
            place = place[name]
        before, place[last] = place[last], text
        try:
            decode(json.dumps(values).encode(), kind)
            taken.add(last)
        except FaultError:
            place[last] = before
    return taken


def test_text_from_elsewhere_is_nothing_but_text(runs, tmp_path, monkeypatch, capsys):
    made, taken = records(), set()
    for one in made:
        if "convergence" in one:
            one["convergence"]["baselines"][WICKED] = 1.0
        taken |= poisoned(one, Record, WICKED)
    about = json.loads((runs / "one/run.json").read_text())
    about["machine"]["environment"] = about["versions"] = {"python": "3", WICKED: WICKED}
    taken |= poisoned(about, RunRecord, WICKED)
    assert {"message", "target_rule", "run", "cpu", "command"} <= taken
    usual, wicked = tmp_path / "usual", tmp_path / "wicked"
    for name in ("one", "two"):
        shutil.copytree(runs / name, usual / name)
        synthetic.write(wicked / name, made)
        (wicked / name / "run.json").write_text(json.dumps(about))
    for place in (wicked, usual):
        assert [DOORS[door](place / "one", place) for door in ("report", "compare", "export", "history")] == [0] * 4
        monkeypatch.setattr(render, "drawings", lambda _: {})  # once is enough
    said = "".join(capsys.readouterr())
    pages = {file: file.read_text() for end in ("md", "html", "csv", "svg") for file in wicked.rglob(f"*.{end}")}
    assert len(pages) > 15
    for file, content in (pages | {"terminal": said}).items():
        assert not {one for one in content if unicodedata.category(one) in {"Cc", "Cf"}} - {"\n", "\t"}, file
    for file, content in pages.items():
        if file.suffix == ".md":
            assert_only_text(content, (usual / file.relative_to(wicked)).read_text())
        if file.suffix == ".html":
            assert content.count("<script>") == 1, file
            assert not re.search(r"<(img|a|iframe)\b[^>]*(onerror|http://b\.c)", content), file
    assert "onerror" in (wicked / "one/details.md").read_text()


def assert_only_text(page, usual):
    """The page has the parts that it has without foreign text, and no link or HTML of it."""
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    made, before = parser.parse(page), parser.parse(usual)
    for kind in ("heading_open", "fence"):
        assert [one.tag for one in made if one.type == kind] == [one.tag for one in before if one.type == kind]
    inside = [child for one in made for child in one.children or ()]
    assert not [one for one in inside if "b.c" in str(one.attrGet("href") or one.attrGet("src") or "")]
    html = "".join(one.content for one in (*made, *inside) if one.type.startswith("html"))
    assert "alert" not in html
