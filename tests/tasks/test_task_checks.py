"""A task that cannot be measured with is refused, by name, file and line."""

import inspect
import math

import numpy as np
import pytest

import tasks
from tasks.delayed_recall import DelayedRecall
from tasks.lagged_mean import LaggedMean
from tasks.task import InvalidTaskError, Series
from tasks.task_check import check, findings, main
from tasks.white_noise import WhiteNoise


def broken(**members):
    """A task of this file that is the lagged mean but for some members."""
    return type("Broken", (LaggedMean,), {"name": "broken", "__module__": __name__} | members)(4)


def series(**changes):
    own = LaggedMean(4).build()
    values = {"inputs": own.inputs, "targets": own.targets, "train_rows": own.train_rows, "warm_up": own.warm_up}
    return Series(**values | changes)


class Restless(LaggedMean):
    """Other data at each call."""

    name = "restless"

    def build(self):
        rng = np.random.default_rng()
        return series(inputs=rng.normal(size=(5248, 1)))


class Raising(LaggedMean):
    """A floor that cannot be computed."""

    name = "raising"

    def stateless_floor(self, window):
        return window / 0


FLAT = np.ones((5248, 1))


@pytest.mark.parametrize("name", tasks.names())
def test_every_task_of_the_package_is_sound(name):
    check(tasks.create(name), (1, 2, 4, 16))


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"build": lambda _: None}, "build returns NoneType; it must return a tasks.Series"),
        ({"build": lambda _: series(targets=FLAT)}, "build has no variance in its training targets"),
        ({"build": lambda _: series(targets=np.zeros((3, 1)))}, "build raises SeriesError: 5248 rows of inputs but 3"),
        ({"trivial": math.nan}, "trivial is nan; it must be a finite number"),
        ({"trivial": 0.0}, "trivial is 0"),
        ({"trivial": None}, "trivial is None; it must be a number"),
        ({"optimum": 2.0}, "optimum is 2; it lies between 0 and the trivial error, 1"),
        ({"baselines": lambda _: {}}, "baselines returns {}"),
        ({"baselines": lambda _: {"mean": math.inf}}, "baselines gives 'mean' the error inf"),
        ({"stateless_floor": lambda *_: 1.5}, "stateless_floor at window 2 is 1.5; it lies between the optimum"),
        ({"stateless_floor": lambda *_: "low"}, "stateless_floor is 'low'; it must be a finite number"),
        ({"stateless_prediction": lambda *_: np.zeros((7, 1))}, "stateless_prediction raises IndexError"),
        ({"target_on": lambda *_: None}, "target is None"),
        ({"target_on": lambda *_: 1e-10}, "target at window 2 is 1e-10; less than 1e-06 of the trivial error"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_named(members, message):
    with pytest.raises(InvalidTaskError) as caught:
        check(broken(**members), (2,))
    assert message in str(caught.value)
    assert "task 'broken'" in str(caught.value)


def test_other_data_at_each_call_is_refused():
    with pytest.raises(InvalidTaskError, match="build gives other data at each call"):
        check(Restless(4), (2,))


def test_the_line_that_raises_is_named():
    with pytest.raises(InvalidTaskError) as caught:
        check(Raising(4), (2,))
    line = inspect.getsourcelines(Raising.stateless_floor)[1] + 1
    assert f"test_task_checks.py, line {line}: stateless_floor raises ZeroDivisionError" in str(caught.value)


class Moved(DelayedRecall):
    """The delayed recall, whose floor and series know nothing of its reach."""

    name = "moved"


@pytest.mark.parametrize(("reach", "message"), [(0, "reach is 0; give steps from 1"), (500, "the warm-up 128")])
def test_a_reach_that_cannot_be_is_refused(monkeypatch, reach, message):
    monkeypatch.setattr(WhiteNoise, "reach", reach)
    with pytest.raises(InvalidTaskError, match=message):
        check(WhiteNoise(), (2,))


def test_infinite_reach_is_a_reach(monkeypatch):
    monkeypatch.setattr(WhiteNoise, "reach", math.inf)
    check(WhiteNoise(), (2,))


def test_a_floor_that_a_linear_map_passes_is_pointed_at():
    lines = list(findings(broken(stateless_floor=lambda *_: 0.9, stateless_prediction=lambda *_: None)))
    assert any(line.startswith("window 2") and "below the floor" in line for line in lines)
    assert not any(" - " in line for line in findings(LaggedMean(8)))


def test_a_reach_that_the_floor_denies_is_pointed_at(monkeypatch):
    for reach, message in ((3, "the reach is too short"), (7, "the reach is too long")):
        monkeypatch.setattr(Moved, "reach", reach, raising=False)
        assert any(message in line for line in findings(Moved(4)))


def test_the_program_says_what_it_found(capsys):
    assert main(["delayed_recall@3"]) == 0
    assert "window 3: floor 1," in capsys.readouterr().out
    assert main(["no_such_task"]) == 1
    assert "there is no task 'no_such_task'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "dial"), [("lagged_mean", 6), ("delayed_recall", 3), ("parity", 3), ("adding_problem", 4)]
)
def test_the_best_prediction_has_the_floor_on_average_and_its_own_error_on_the_rows(name, dial):
    first = tasks.create(name, dial)
    draws = [first.redrawn(draw) for draw in range(12)]
    for window in (1, 2, 5, 9):
        floors = [one.floor_on(window, np.asarray(one.series().scored_rows)) for one in draws]
        assert np.mean(floors) == pytest.approx(first.stateless_floor(window), abs=0.02)
    rows = np.asarray(first.series().scored_rows)[::50]
    if first.stateless_floor(2):
        floor = first.floor_on(2, rows)
        assert first.target_on(2, rows) == pytest.approx(floor / 2)


def test_draws_differ_and_the_first_is_the_task_itself():
    one = tasks.create("adding_problem", 4)
    np.testing.assert_array_equal(one.redrawn(0).series().inputs, one.series().inputs)
    second = one.redrawn(1).series()
    assert not np.array_equal(second.inputs[:, 0], one.series().inputs[:, 0])
    assert not np.array_equal(second.inputs[:, 1], one.series().inputs[:, 1])
    assert not tasks.create("electricity").can_be_redrawn


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"loss": "hinge"}, "loss is 'hinge'; it must be one of mse, crossentropy"),
        ({"loss": "crossentropy"}, "has targets that are no labels"),
    ],
)
def test_labels_and_losses_are_checked(members, message):
    with pytest.raises(InvalidTaskError, match=message):
        check(broken(**members), [1])
