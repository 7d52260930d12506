"""Figures: which share had arrived by when, and whose settings get a panel; no label is cut off."""

import pytest
import synthetic
from synthetic import flat

from reports.collect.read import read
from reports.figures.claim_figures import draw_verdicts
from reports.figures.learning_figures import draw_arrivals
from reports.frames import Frames
from reports.tell.what_to_do import BEYOND, WITHIN


@pytest.fixture
def framed(tmp_path):
    def _framed(records, **about):
        return Frames.of([read(synthetic.write(tmp_path / "run", records, **about))])

    return _framed


def lines(drawing):
    """(x, y, whether the end is an open marker) of each line of the first panel, by arm."""
    return {
        one.get_label(): ([*one.get_xdata()][1:], [*one.get_ydata()][1:], one.get_markerfacecolor() == "white")
        for one in drawing.figure.axes[0].lines
    }


def test_each_arm_steps_up_where_its_trainings_arrived(framed):
    control = synthetic.case(regime="stateless-burnin")
    records = [
        *synthetic.pair([100, 200, 200, 300], [100, None, None, 400]),
        synthetic.convergence([None] * 4, case_=control),
    ]
    every = framed(records)
    found = lines(draw_arrivals(every))
    assert found["stateful"] == ([90, 190, 290], [0.25, 0.75, 1.0], False)
    budget = every.paired_trainings.cost.max()
    assert budget > 400
    assert found["stateless"] == ([90, 390, budget], [0.25, 0.5, 0.5], True)
    assert found["stateless-burnin"][1] == [0.0]
    assert found["stateless-burnin"][2]


def test_a_line_never_goes_back(framed):
    """One that reached the target with the very last update, beside one that did not."""
    every = framed(synthetic.pair([800, None], [100, 100]))
    x, y, _ = lines(draw_arrivals(every))["stateful"]
    assert x == sorted(x)
    assert y == sorted(y)
    assert y[-1] == 0.5


def test_of_many_settings_each_task_gets_the_middle_of_its_grid_whatever_came_out(framed):
    records = flat(
        synthetic.pair([found] * 3, [None] * 3, task="lagged_mean", dial=dial, window=window, units=units, cell=cell)
        for dial in (8, 16)
        for window, found in ((4, 100), (8, None), (16, 100), (32, 100))
        for units in (4, 8)
        for cell in ("lstm", "gru")
    )
    every = framed(records)
    drawing = draw_arrivals(every)
    assert [axes.get_title().split("\n")[0] for axes in drawing.figure.axes if axes.get_title()] == [
        "lagged_mean@8, LSTM 8, window 8, batch 8",
        "lagged_mean@16, LSTM 8, window 8, batch 8",
    ]
    assert "Of 16 settings that the headline counts, 2 are shown" in drawing.caption


def test_few_settings_are_all_shown_and_none_without_both_arms(framed):
    every = framed(flat(synthetic.pair([100] * 3, [200] * 3, window=window) for window in (4, 8)))
    drawing = draw_arrivals(every)
    assert len([axes for axes in drawing.figure.axes if axes.get_title()]) == 2
    assert "are shown" not in drawing.caption
    assert draw_arrivals(framed([synthetic.convergence([100] * 3)])) is None


def test_no_word_of_the_verdicts_leaves_the_figure(framed):
    records = [
        one
        for window in (4, 16)
        for one in synthetic.pair([100] * 10, [300] * 10, task="lagged_mean", dial=8, window=window)
    ]
    figure = draw_verdicts(framed(records, family=synthetic.family(records))).figure
    figure.canvas.draw()
    labels = figure.axes[0].get_yticklabels()
    assert [one.get_text().replace("\n", " ") for one in labels] == [f"{kind} (1)" for kind in (BEYOND, WITHIN)]
    assert all(one.get_window_extent().x0 >= 0 for one in labels)
