"""Dials that are real numbers, or several."""

import math
from importlib.metadata import EntryPoint, EntryPoints

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tasks
from bench.case.cases import Case
from bench.plan import planning, presets
from tasks import dials, noise, registry, task_check
from tasks.task import DialError, Series, Task


class Mixed(Task):
    """A share p of the input N steps back, the rest noise."""

    name = "mixed"
    dial_name = ("N", "p")
    default_dial = (4, 0.5)
    unit = "share of the target's variance"
    trivial = 1.0
    title = "mixed"
    description = "A share of an earlier input, the rest noise."

    @property
    def optimum(self):
        return 1 - self.dial[1] ** 2

    @property
    def reach(self):
        return self.dial[0] + 1

    def build(self):
        steps, share = self.dial
        values = noise.stream(steps + 1, self.draw)
        other = np.random.default_rng(7).uniform(-math.sqrt(3), math.sqrt(3), len(values) - steps)
        targets = share * values[:-steps] + math.sqrt(1 - share**2) * other
        return Series(values[steps:, None], targets[:, None], noise.TRAIN_ROWS, noise.warm_up_for(steps + 1))

    def stateless_floor(self, window):
        return self.optimum if window >= self.reach else 1.0

    def baselines(self):
        return {"the mean": 1.0}


class Decay(Mixed):
    name = "decay"
    dial_name = "p"
    default_dial = 0.25


@pytest.fixture(autouse=True)
def offered(monkeypatch):
    points = EntryPoints(EntryPoint(cls, f"{__name__}:{cls}", "statebench.tasks") for cls in ("Mixed", "Decay"))
    monkeypatch.setattr(registry, "entry_points", lambda group: points.select(group=group))


@pytest.mark.parametrize(
    ("text", "dial"),
    [
        ("mixed", (4, 0.5)),
        ("mixed@8,0.125", (8, 0.125)),
        ("mixed@p=0.9", (4, 0.9)),
        ("mixed@p=1e-5,N=2", (2, 1e-5)),
        ("mixed@2,1", (2, 1.0)),
        ("decay@0.9", 0.9),
        ("decay@p=0.9", 0.9),
        ("lagged_mean@N=4", 4),
    ],
)
def test_dials_are_read_from_text(text, dial):
    made = tasks.create_at(text)
    assert (made.dial, made.redrawn(1).dial) == (dial, dial)
    assert type(dials.each(made.dial)[-1]) is type(dials.each(made.default_dial)[-1])
    assert tasks.create(made.name, dials.read(dials.write(made.dial))).dial == dial


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mixed@8", r"dial 8 of task 'mixed' is 1 of 2; write mixed@4,0.5: N is a whole number from 1 to 1024"),
        ("mixed@8,0.5,3", "is 3 of 2"),
        ("mixed@0.5,0.5", "dial N=0.5 of task 'mixed' is not valid"),
        ("mixed@4,0", r"dial p=0 .*p is a number from 1e-06 to 1024 \(default 0.5\)"),
        ("mixed@4,1e400", "'1e400' is no number"),
        ("mixed@4,nan", "'nan' is no number"),
        ("mixed@4,-1", "'-1' is no number"),
        ("mixed@4,", "'' is no number"),
        ("mixed@", "'' is no number"),
        ("mixed@q=3", "task 'mixed' has no dial 'q'; write mixed@4,0.5"),
        ("mixed@4,p=0.5", "name all that you give, or none"),
        ("mixed@p=0.5,p=0.7", "dial 'p' is named twice"),
        ("cosine@3", "task 'cosine' has no dial but was given 3; leave the dial out"),
        ("cosine@k=3", "task 'cosine' has no dial 'k'; leave the dial out"),
    ],
)
def test_what_is_no_dial_is_named_with_a_remedy(text, message):
    with pytest.raises(DialError, match=message):
        tasks.create_at(text)


@given(st.integers(0, 1024) | st.floats(1e-6, 1024))
def test_a_number_is_read_as_it_was_written(value):
    text = dials.write(value)
    assert dials.read(text) == value
    assert not set(text) - set("0123456789.")


def test_a_task_with_two_dials_is_checked(capsys):
    assert task_check.main(["mixed@2,0.9"]) == 0
    assert "window 4: floor 0.19" in capsys.readouterr().out
    assert task_check.main(["mixed@2"]) == 1
    assert "is 1 of 2" in capsys.readouterr().err


def test_a_preset_with_dials_is_planned_under_names_that_lead_back(tmp_path):
    preset = tmp_path / "mine.toml"
    preset.write_text(
        'name = "mine"\ndescription = "dials"\n[[convergence]]\ntask = ["mixed@2,0.9", "mixed@p=1e-5", "decay@0.5"]\n'
        'cell = "gru"\nregime = ["stateless", "stateful"]\nwindow = 2\nunits = 2\nfamily = true\n'
    )
    planned = presets.load(str(preset))
    found = [case for case, _ in planned.grids]
    assert [one.id for one in found[::2]] == [
        "mixed@2,0.9-gru-stateless-u2-L2-b8",
        "mixed@4,0.00001-gru-stateless-u2-L2-b8",
        "decay@0.5-gru-stateless-u2-L2-b8",
    ]
    assert [Case.from_id(one.kind, one.id) for one in found] == found


def test_a_plan_keeps_the_data_of_a_task_under_its_dials(tmp_path):
    preset = tmp_path / "mine.toml"
    preset.write_text(
        'name = "mine"\ndescription = "d"\n[[convergence]]\ntask = "mixed@600,0.5"\ncell = "gru"\nregime = "stateful"\n'
        "window = 2\nunits = 2\n"
    )
    assert set(planning.make(presets.load(str(preset))).data) == {"mixed@600,0.5"}
