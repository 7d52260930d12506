"""The last lines that a terminal shows."""

import io
from pathlib import Path

import pytest
import synthetic

from reports.analysis import analyse
from reports.terminal import RED, YELLOW, closing

REPORT = Path("results/run/report.md")


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self):
        return True


@pytest.fixture
def found():
    records = synthetic.pair([100] * 10, [400] * 10)
    control = synthetic.convergence([300] * 10, case_=synthetic.case(regime="stateless-burnin"))
    synthetic.at_edge(control)
    crash = synthetic.record(synthetic.case(window=32), {}, "crashed", message="killed")
    return analyse(synthetic.run_of([*records, control, crash], family=synthetic.family(records)))


def test_the_answer_comes_before_the_doubts_and_the_path_last(found):
    text = closing(found, REPORT, io.StringIO())
    lines = text.splitlines()
    assert lines[2].startswith("- made_up: carry state at window 4 (0.2")
    flowing = " ".join(text.split())
    places = [flowing.index(one) for one in ("carry state", "1 of 1 difference in updates holds", "rate-at-edge: ")]
    assert places == sorted(places)
    assert lines[-1] == str(REPORT)
    assert "*" not in text


def test_colour_marks_warnings_and_failures_alone_and_only_in_a_terminal(found, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = [line for line in closing(found, REPORT, Terminal()).splitlines() if "\033" in line]
    marks = {line[5:].split(":")[0]: line[:5] for line in coloured}
    assert marks["failed"] == RED
    assert marks["rate-at-edge"] == YELLOW
    assert set(marks) == {one.code for one in found.warnings}
    assert "\033" not in closing(found, REPORT, io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\033" not in closing(found, REPORT, Terminal())


def test_a_cost_run_closes_with_what_it_costs():
    records = [one for kernel in ("loop", "xla") for one in synthetic.timed(1e-3, kernel=kernel)]
    text = closing(analyse(synthetic.run_of(records)), REPORT, io.StringIO())
    assert "- Is XLA faster? " in text
    assert "carry state" not in text
