"""Verdicts of the posts' page by known answers, and the page from results alone."""

import json
from pathlib import Path

import numpy as np
import pytest

from bench.posts.entry import Arm, Check, Claim, Entry
from reports.posts import __main__ as command
from reports.posts.claim_answers import Says, answer, verdict
from reports.posts.posts_page import PostsNotReadableError, Section, read_records, write_records
from reports.statistics.intervals import mean_interval, prediction_interval

SEEDS = list(range(10))
PUBLISHED = Path(__file__).parents[2] / "reports" / "published" / "posts"


def an_entry(figures, claims=(), checks=()):
    arms = [
        Arm(name, "as published", "settings", {"test mse": np.array(v), "accuracy": np.array(v)})
        for name, v in figures.items()
    ]
    measured = {"started": "2026-01-01T00:00:00+00:00", "seconds": 3.0, "load_before": 0.1, "cores": 2, "cpu": "a CPU",
                "python": "3.11", "versions": {"tensorflow": "2", "keras": "3"}}  # fmt: skip
    return Entry(
        id="an-id", post="000", title="a title", published="something", flaw="a flaw", seeds=SEEDS, fraction=1.0,
        measured=measured, arms=arms, claims=list(claims), checks=list(checks),
    )  # fmt: skip


def says(values, claim, **others):
    return answer(an_entry({"a": values, **others}), claim).says


SPREAD = np.exp(np.linspace(-1, 1, 10))  # geometric mean 1


def test_limits_of_a_mean_and_of_one_more_value_by_hand():
    values = np.array([1.0, 2.0, 3.0])
    # mean 2, s = 1, t(2) = 4.3027
    assert mean_interval(values, log=False).high == pytest.approx(2 + 4.302653 / np.sqrt(3), abs=1e-5)
    assert prediction_interval(values, log=False).low == pytest.approx(2 - 4.302653 * np.sqrt(4 / 3), abs=1e-5)
    logs = mean_interval(np.exp(values), log=True)
    assert np.log([logs.value, logs.high]) == pytest.approx([2, 2 + 4.302653 / np.sqrt(3)], abs=1e-5)
    same = prediction_interval(np.full(5, 0.3), log=False)
    assert (same.low, same.value, same.high) == pytest.approx((0.3, 0.3, 0.3))
    with pytest.raises(ValueError, match="needs positive values"):
        mean_interval(np.array([1.0, 0.0]), log=True)


def test_one_more_value_falls_into_the_prediction_interval_as_often_as_said():
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(2000):
        *seen, one_more = rng.normal(size=11)
        found = prediction_interval(np.array(seen), log=False)
        inside.append(found.low <= one_more <= found.high)
    assert 0.935 < np.mean(inside) < 0.965


@pytest.mark.parametrize(("value", "expected"), [(1.0, Says.YES), (4.0, Says.YES), (50.0, Says.NO), (0.01, Says.NO)])
def test_a_published_error_is_reproduced_where_one_more_seed_would_fall(value, expected):
    assert says(SPREAD, Claim("published", "post", "q", "test mse", "a", value=value)) is expected


def test_the_last_digit_counts_where_all_seeds_agree():
    claim = Claim("published", "post", "q", "accuracy", "a", value=0.98, rounding=0.005)
    assert says(np.full(10, 0.984), claim) is Says.YES
    assert says(np.full(10, 0.99), claim) is Says.NO


@pytest.mark.parametrize(("factor", "expected"), [(0.5, Says.YES), (2.0, Says.NO), (1.02, Says.SAME)])
def test_arms_are_compared_seed_by_seed(factor, expected):
    noise = np.exp(np.linspace(-0.05, 0.05, 10))
    claim = Claim("compare", "post", "q", "test mse", "a", b="b")
    assert says(SPREAD * factor * noise, claim, b=SPREAD) is expected


def test_a_wide_interval_over_one_is_inconclusive():
    claim = Claim("compare", "post", "q", "test mse", "a", b="b")
    assert says(SPREAD, claim, b=SPREAD[::-1]) is Says.INCONCLUSIVE


@pytest.mark.parametrize(
    ("difference", "expected"), [(-0.2, Says.YES), (0.2, Says.NO), (0.0, Says.SAME), (0.01, Says.SAME)]
)
def test_accuracies_are_compared_in_points(difference, expected):
    claim = Claim("compare", "post", "q", "accuracy", "a", b="b")
    assert says(np.full(10, 0.5 + difference), claim, b=np.full(10, 0.5)) is expected


@pytest.mark.parametrize(("hits", "expected"), [(10, Says.YES), (0, Says.NO), (6, Says.INCONCLUSIVE)])
def test_most_seeds_needs_an_exact_interval_above_a_half(hits, expected):
    values = np.array([1.0] * hits + [0.0] * (10 - hits))
    assert says(values, Claim("share", "post", "q", "accuracy", "a")) is expected


def test_a_published_figure_is_held_against_persistence():
    def near(value):
        claim = Claim("near", "floor", "q", "test mse", "a", value=value, other=1.0)
        return answer(an_entry({"a": SPREAD}), claim)

    assert near(2.0).says is Says.SAME
    assert "not distinguishable from" in near(2.0).figures
    assert near(100.0).says is Says.NO
    assert "100 times as large" in near(100.0).figures
    assert near(0.001).says is Says.YES


def test_the_sentence_follows_the_answer():
    claim = Claim("level", "remains", "is it below", "test mse", "a", yes="Below.", no="Above.", value=10.0)
    assert answer(an_entry({"a": SPREAD}), claim).sentence == "Below."
    assert answer(an_entry({"a": 100 * SPREAD}), claim).sentence == "Above."
    assert answer(an_entry({"a": 10 * SPREAD}), claim).sentence == "Is it below? They are not distinguishable."


def test_no_seed_would_show_an_accuracy_beyond_all_or_nothing():
    claim = Claim("published", "post", "q", "accuracy", "a", value=1.0)
    values = np.array([1.0] * 9 + [0.9])
    assert prediction_interval(values, log=False).high > 1
    assert answer(an_entry({"a": values}), claim).figures.endswith("to 100 %")
    assert "show 0 % to" in answer(an_entry({"a": 1 - values}), claim).figures


def test_verdicts():
    yes = Claim("published", "post", "q", "test mse", "a", value=1.0)
    no = Claim("published", "post", "q", "test mse", "a", value=99.0)

    def found(*claims):
        return Section(an_entry({"a": SPREAD}, claims)).verdict

    assert found(yes) == "reproduced"
    assert found(no) == "not reproduced"
    assert found(yes, no) == "in part: 1 of 2 (the others: 1 no)"
    assert found() == "nothing was published"
    tried = an_entry({}, checks=[Check("x", True, "seen"), Check("y", False, "seen")])
    assert verdict(tried, []) == "1 of 2 statements hold"
    both = an_entry({"a": SPREAD}, [yes], checks=tried.checks)
    assert Section(both).verdict == "reproduced; 1 of 2 statements hold"


def stored(tmp_path, **changes):
    one = {
        "schema": 1, "id": "masking", "post": "003", "title": "masking", "published": "a | b", "flaw": "",
        "seeds": SEEDS,
        "fraction": 1.0, "data": "shipped", "arms": [], "baselines": {}, "claims": [], "traces": {}, "notes": [],
        "checks": [{"statement": "it holds", "holds": True, "found": "0.5", "now": "code()"}],
        "measured": an_entry({}).measured, "of a later version": 1,
    } | changes  # fmt: skip
    results = tmp_path / "results"
    results.mkdir(exist_ok=True)
    (results / f"{one['id']}.json").write_text(json.dumps(one), encoding="utf-8")
    return results


def test_the_page_comes_from_results_alone_and_keeps_what_was_published(tmp_path, capsys):
    page = tmp_path / "published" / "posts.md"
    page.parent.mkdir()
    asked = ["--results", str(stored(tmp_path)), "--page", str(page)]
    assert command.main(asked) == 0
    text = page.read_text(encoding="utf-8")
    assert "1 of 1 statements hold" in text
    assert "a \\| b" in text
    assert "code()" in text
    # Another result later: the first one is read from what was published.
    (tmp_path / "results" / "masking.json").unlink()
    arm = {"name": "a", "column": "as published", "settings": "s", "figures": {"accuracy": [0.8] * 10}}
    claim = {"kind": "published", "about": "post", "question": "q", "figure": "accuracy", "a": "a", "value": 0.8}
    stored(tmp_path, id="alphabet-char", checks=[], arms=[arm], claims=[claim | {"rounding": 0.005}])
    assert command.main(asked) == 0
    text = page.read_text(encoding="utf-8")
    assert text.index("## alphabet-char") < text.index("## masking")
    assert "reproduced" in text
    assert "80 %" in text
    assert "without a result yet: cosine-stateless" in capsys.readouterr().out
    assert "\nWithout a result yet: cosine-stateless" in text


def test_the_page_renders_the_same_again_from_the_records(tmp_path):
    """What a run wrote comes back from the records in its own order, which is that of the page's columns and lines."""
    arms = [
        {"name": name, "column": "as published", "settings": "s", "figures": {"test mse": mse, "accuracy": mse}}
        for name, mse in (("z", [0.2, 0.3]), ("a", [0.4, 0.6]))
    ]
    known = {"test mse": {"persistence": 0.5, "a mean": 0.7}, "accuracy": {"chance": 0.1}}
    results = stored(tmp_path, id="cosine-mlp", checks=[], arms=arms, baselines=known, seeds=[0, 1])
    page = tmp_path / "published" / "posts.md"
    page.parent.mkdir()
    asked = ["--results", str(results), "--page", str(page)]
    assert command.main(asked) == 0
    text = page.read_text(encoding="utf-8")
    records = (tmp_path / "published" / "posts" / "records.json.xz").read_bytes()
    assert "| arm | how it was trained | test mse | accuracy |" in text
    assert text.index("persistence") < text.index("a mean")
    (results / "cosine-mlp.json").unlink()
    assert command.main(asked) == 0
    assert page.read_text(encoding="utf-8") == text
    assert (tmp_path / "published" / "posts" / "records.json.xz").read_bytes() == records


def test_published_questions_ask_what_their_answer_says():
    """`level` answers yes where a figure is below a constant, so its question asks for no more than that."""
    entries, _ = read_records(Path("nothing"), PUBLISHED, ())
    levels = [claim for entry_ in entries for claim in entry_.claims if claim.kind == "level"]
    assert len(levels) > 10
    assert not [claim.question for claim in levels if "below" not in claim.question and "beats" not in claim.question]
    for one in entries:
        for claim in one.claims:
            arms = [one.arm(name) for name in (claim.a, claim.b) if name]
            assert all(claim.figure in arm.figures for arm in arms)


def test_no_result_or_another_schema_is_one_sentence(tmp_path, capsys):
    assert command.main(["--results", str(tmp_path), "--page", str(tmp_path / "posts.md")]) == 2
    assert "run `make reproduce` first" in capsys.readouterr().err
    with pytest.raises(PostsNotReadableError, match="masking has schema 9"):
        read_records(stored(tmp_path, schema=9), tmp_path, ())


def test_records_survive_writing_and_reading(tmp_path):
    entries, raw = read_records(stored(tmp_path), tmp_path / "published", ("masking",))
    write_records(raw, tmp_path / "published")
    again, _ = read_records(tmp_path / "nothing", tmp_path / "published", ())
    assert again[0].checks == entries[0].checks == Entry.from_dict(raw[0]).checks
