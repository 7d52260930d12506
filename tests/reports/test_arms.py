"""Declared comparisons decide; all others are exploratory."""

import json

import pytest
import synthetic

from reports.analysis import analyse
from reports.collect.read import read
from reports.render import write_report

FASTER = synthetic.hits(200, seed=1), synthetic.hits(400, seed=2)


def analysed(folder, records, **about):
    return analyse(read(synthetic.write(folder / "run", records, **about)))


def test_holm_runs_over_the_declared_only(tmp_path):
    records = [one for window in range(1, 41) for one in synthetic.pair(*FASTER, window=window)]
    found = analysed(tmp_path, records, family=synthetic.family(records[:4]))
    (p,) = {one.p for one in found.declared}
    assert p < 0.05 / 40
    assert [one.p_holm for one in found.declared] == pytest.approx([2 * p, 2 * p])
    assert len(found.survivors) == 2
    assert sum(one.declared for one in found.compared) == 2
    slight = synthetic.hits(200, seed=1), synthetic.hits(270, seed=2)
    records = [one for window in range(1, 41) for one in synthetic.pair(*slight, window=window)]
    everything = analysed(tmp_path, records, family=synthetic.family(records))
    # Each alone is a difference, but 40 times its p is above 5 %.
    assert {one.updates.verdict for one in everything.declared} == {"fewer"}
    assert everything.survivors == []


def test_a_declared_comparison_without_records_still_counts(tmp_path):
    records = synthetic.pair(*FASTER)
    absent = synthetic.family(synthetic.pair(*FASTER, window=8))
    found = analysed(tmp_path, records, family=synthetic.family(records) + absent)
    assert found.declared[0].p_holm == pytest.approx(2 * found.declared[0].p)
    (missing,) = [one for one in found.warnings if one.code == "declared-missing"]
    assert missing.where == (" against ".join(absent[0]),)


def test_a_declared_comparison_with_two_targets_counts_as_no_difference(tmp_path):
    records = [*synthetic.pair(*FASTER), *synthetic.pair(*FASTER, window=8)]
    records[3]["convergence"]["target"] = 0.1
    found = analysed(tmp_path, records, family=synthetic.family(records))
    assert [one.p_holm for one in found.compared] == pytest.approx([2 * one.p for one in found.compared])


@pytest.mark.parametrize("about", [{}, {"family": []}])
def test_without_a_family_all_is_exploratory(tmp_path, about):
    folder = synthetic.write(tmp_path / "run", synthetic.pair(*FASTER), **about)
    text = synthetic.whole(write_report(read(folder)))
    assert "None of these was declared before the run: they are exploratory." in text
    assert "This run declared no comparison beforehand" in text
    assert "not-declared" in text
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["family"], summary["after_holm"], summary["counts"]["declared"]) == (0, [], {})


def test_only_a_difference_survives(tmp_path):
    records = synthetic.pair(synthetic.hits(400, spread=0.03, seed=1), synthetic.hits(400, spread=0.03, seed=2))
    (one,) = analysed(tmp_path, records, family=synthetic.family(records)).compared
    assert one.updates.verdict == "same"
    assert not one.survives_holm


def test_seconds_of_another_machine_are_compared_with_nothing(tmp_path):
    arms = synthetic.pair(*FASTER)
    (both,) = analysed(tmp_path, arms).compared
    assert both.seconds is not None
    arms[0]["warnings"].append("other-machine")
    (both,) = analysed(tmp_path, arms).compared
    assert both.seconds is None
    assert both.updates.verdict == "fewer"
