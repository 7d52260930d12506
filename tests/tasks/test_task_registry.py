"""Tasks are found by themselves, in the package and in installed ones."""

import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints

import pytest

import tasks
from tasks import registry
from tasks.cosine import Cosine
from tasks.task import DuplicateTaskError, InvalidTaskError, UnknownTaskError

FILE = """
from tasks.cosine import Cosine  # imported, so not this module's own

class {cls}(Cosine):
    name = {name!r}
"""


class Outside(Cosine):
    name = "outside"


class SecondCosine(Cosine):
    name = "cosine"


class BadName(Cosine):
    name = "lagged-mean"


@pytest.fixture
def offer(monkeypatch):
    """Let an installed package offer these values under the tasks' entry-point group."""

    def install(*values):
        points = EntryPoints(EntryPoint(f"point{i}", v, "statebench.tasks") for i, v in enumerate(values))
        monkeypatch.setattr(registry, "entry_points", lambda group: points.select(group=group))

    return install


@pytest.fixture
def drop(monkeypatch, tmp_path):
    """Drop a file into the package, which for the time of the test has a second folder."""
    monkeypatch.setattr(tasks, "__path__", [*tasks.__path__, str(tmp_path)])

    def write(stem, text):
        (tmp_path / f"{stem}.py").write_text(text)
        monkeypatch.delitem(sys.modules, f"tasks.{stem}", raising=False)
        # Registers the removal of what the import is going to add.
        monkeypatch.setitem(sys.modules, f"tasks.{stem}", None)
        del sys.modules[f"tasks.{stem}"]

    return write


def test_the_tasks_of_the_package_are_found():
    assert {"electricity", "lagged_mean", "delayed_recall", "cosine"} <= set(tasks.names())
    assert tasks.names() == sorted(tasks.names())


def test_create_hands_the_dial_on():
    assert tasks.create("lagged_mean", 5).dial == 5
    assert tasks.create("lagged_mean").dial == 16


def test_an_unknown_name_is_answered_with_the_nearest_and_all_valid_ones():
    with pytest.raises(UnknownTaskError) as caught:
        tasks.create("lagged-meen")
    assert "'lagged-meen'" in str(caught.value)
    assert "Did you mean 'lagged_mean'?" in str(caught.value)
    assert all(name in str(caught.value) for name in tasks.names())


def test_a_name_like_no_other_gets_no_guess():
    with pytest.raises(UnknownTaskError, match=r"no task 'qqq'\. Valid tasks"):
        tasks.create("qqq")


def test_an_installed_package_adds_a_task(offer):
    offer(f"{__name__}:Outside")
    assert "outside" in tasks.names()
    assert tasks.create("outside").series().train_rows == 800


def test_one_class_offered_twice_is_one_task(offer):
    offer("tasks.cosine:Cosine")
    assert tasks.names().count("cosine") == 1


def test_two_tasks_with_one_name_are_both_named(offer):
    offer(f"{__name__}:SecondCosine")
    with pytest.raises(DuplicateTaskError, match=r"'cosine'.*tasks\.cosine\.Cosine.*SecondCosine.*rename"):
        tasks.names()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("tasks.nowhere:Task", "cannot be loaded: No module named 'tasks.nowhere'"),
        ("tasks.cosine:PERIOD", "is 100; it must be a concrete subclass"),
        ("tasks.task:Task", "must be a concrete subclass"),
        (f"{__name__}:BadName", "has the name 'lagged-mean'"),
    ],
)
def test_an_entry_point_that_is_no_task_is_named(offer, value, message):
    offer(value)
    with pytest.raises(InvalidTaskError, match=message):
        tasks.names()


def test_a_file_in_the_package_adds_a_task_and_touches_nothing_else(drop):
    before = tasks.names()
    drop("dropped_in", FILE.format(cls="DroppedIn", name="dropped_in"))
    assert sorted([*before, "dropped_in"]) == tasks.names()
    assert type(tasks.create("dropped_in")).__module__ == "tasks.dropped_in"


def test_a_file_that_only_imports_a_task_does_not_add_it(drop):
    drop("importing", f"from {__name__} import Outside")
    assert "outside" not in tasks.names()


def test_a_file_that_takes_a_name_is_an_error_that_says_which(drop):
    drop("copied", FILE.format(cls="Copied", name="cosine"))
    with pytest.raises(DuplicateTaskError, match=r"tasks\.copied\.Copied"):
        tasks.names()


def test_listing_tasks_imports_neither_tensorflow_nor_pandas():
    code = "import sys, tasks; tasks.names(); print({'tensorflow', 'keras', 'pandas'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
