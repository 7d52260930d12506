"""The history: appended to, never twice, and a page that names breaks and what is missing."""

import json

import pytest
import synthetic
from msgspec.structs import replace

from reports import history
from reports.collect.read import read


def run(folder, day, seconds, units=(8,), **about):
    records = [record for width in units for record in synthetic.timed(seconds, units=width)]
    usual = synthetic.run_json("run", records, None)
    git = {"commit": f"c0ffee{day}", "dirty": False}
    invocations = [usual["invocations"][0] | {"started": f"2030-01-{day:02}T00:00:00+00:00", "git": git}]
    machine = usual["machine"] | about
    return synthetic.write(folder / f"run-{day}", records, invocations=invocations, machine=machine)


def days(tmp_path, seconds):
    file = tmp_path / "history.jsonl"
    for day, value in enumerate(seconds, 1):
        assert history.main([str(file), "--add", str(run(tmp_path, day, value))]) == 0
    return file


def test_a_run_is_added_once(tmp_path, capsys):
    file = days(tmp_path, [1e-3])
    before = file.read_text()
    assert history.main([str(file), "--add", str(tmp_path / "run-1")]) == 0
    assert file.read_text() == before
    assert "0 lines added, 1 in all" in capsys.readouterr().out
    line = json.loads(before)
    assert (line["commit"], line["processes"], line["seconds"]) == ("c0ffee1", 2, pytest.approx(1e-3))


def test_a_case_on_one_core_is_another_than_on_all(tmp_path):
    (line,) = history.load(days(tmp_path, [1e-3]))
    found = history.trends([line, replace(line, cores=1, started="2030-01-02T00:00:00+00:00")])
    assert [(len(one.points), one.name.endswith(" (1 core)")) for one in found] == [(1, False), (1, True)]


def test_a_break_is_named_with_its_commit_and_noise_is_not(tmp_path):
    quiet = [1.00e-3, 1.01e-3, 0.99e-3, 1.02e-3, 1.00e-3, 0.98e-3, 1.01e-3]
    trend = history.trends(history.load(days(tmp_path / "a", quiet)))[0]
    assert trend.change is None
    file = days(tmp_path / "b", [*quiet[:4], *(1.2 * value for value in quiet[4:])])
    place, ratio = history.trends(history.load(file))[0].change
    assert (place, ratio) == (4, pytest.approx(1.2, rel=0.03))
    assert "from 2030-01-05, commit c0ffee5" in file.with_suffix(".md").read_text()


def test_machine_classes_are_apart_and_missing_data_is_said(tmp_path):
    file = tmp_path / "history.jsonl"
    for folder in (
        run(tmp_path, 1, 1e-3, units=(8, 16)),
        run(tmp_path, 2, 1e-3, units=(8,)),
        run(tmp_path, 3, 1e-3, cpu="another", cores=64),
    ):
        history.add(file, [read(folder)])
    lines = history.load(file)
    assert len({one.machine_class for one in lines}) == 2
    text = history.page(lines)
    assert "Missing in the newest run (2030-01-02)" in text
    assert "u16-L4-b8-loop, last seen 2030-01-01" in text
    assert "## another" in text
    assert "needs 6 runs" in text


def test_what_cannot_be_read_or_added_is_named(tmp_path, capsys):
    file = days(tmp_path, [1e-3])
    for text, says in (("{", "line 2: the whole is no whole JSON"), ('{"schema": 9}', "line 2 has schema 9, not 1")):
        torn = tmp_path / "torn.jsonl"
        torn.write_text(file.read_text() + text + "\n")
        assert history.main([str(torn)]) == 2
        assert says in capsys.readouterr().err
    trained = synthetic.write(tmp_path / "trained", [synthetic.convergence([200] * 3)])
    assert history.main([str(file), "--add", str(trained)]) == 2
    assert "nothing to add" in capsys.readouterr().err
