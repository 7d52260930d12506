"""Files of one rendering replace those of another together, or not at all."""

import os

import pytest

from reports.all_or_nothing import STAGE, together

OLD = {"report.md": "old", "figures/map.png": "old", "summary.json": "old"}


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def files(folder):
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


def test_all_are_replaced_and_what_waited_for_them_comes_along(tmp_path):
    write(tmp_path, OLD | {"benchmark.json.part": "new", "records.jsonl": "mine"})
    new = dict.fromkeys(OLD, "new")
    with together(tmp_path) as stage:
        write(stage, new)
        assert files(tmp_path)["report.md"] == "old"
    assert files(tmp_path) == new | {"benchmark.json": "new", "records.jsonl": "mine"}


@pytest.mark.parametrize("name", OLD)
def test_none_is_replaced_where_one_could_not_be_written(tmp_path, name):
    write(tmp_path, OLD)
    before = dict.fromkeys(OLD, "old")

    def render():
        with together(tmp_path) as stage:
            for one in OLD:
                if one == name:
                    raise OSError(28, "No space left on device")
                write(stage, {one: "new"})

    with pytest.raises(OSError, match="No space left"):
        render()
    assert files(tmp_path) == before
    assert not list(tmp_path.glob(f"{STAGE}*"))


def test_what_a_killed_rendering_left_is_swept_away_and_a_living_one_is_not(tmp_path):
    nobody = 2**22 + 1  # beyond the largest process id of Linux
    write(tmp_path, {f"{STAGE}{nobody}/report.md": "half", f"{STAGE}{os.getppid()}/report.md": "in writing"})
    with together(tmp_path) as stage:
        write(stage, OLD)
    assert not (tmp_path / f"{STAGE}{nobody}").exists()
    assert (tmp_path / f"{STAGE}{os.getppid()}").exists()
