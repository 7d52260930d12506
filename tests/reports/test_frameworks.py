"""Runs with several engines: names that cannot be mistaken, verdicts that stay within one, ratios between them."""

import numpy as np
import pytest
import synthetic
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from synthetic import case, flat, timed

from bench.case.cases import DEVICES, DTYPES
from bench.engines import ENGINES
from reports.analysis import analyse
from reports.claim.robustness import learning_in_short, same_arms
from reports.collect.grouping import ENGINE_PAIRS, Setting
from reports.collect.read import read
from reports.costs.frameworks import ran_by
from reports.figures.claim_figures import _networks
from reports.figures.cost_figures import draw_growth
from reports.frames import Frames
from reports.render import details, false_calls, write_report
from reports.statistics.verdict import Verdict
from reports.summary import summary
from reports.tell.claim_tables import ClaimTables
from reports.tell.cost_answers import answers, frameworks
from reports.tell.headline import turning_point
from reports.tell.recommendation import recommendations

SLOW, FAST = synthetic.hits(500, seed=1), synthetic.hits(100, seed=2)
NAMES = ("tensorflow", "jax", "torch")


def by(engine, **changes):
    """Two settings of an engine, one in which carrying pays and one in which it costs, with a control."""
    control = synthetic.convergence(
        synthetic.hits(60, seed=3), case_=case(regime="stateless-burnin", engine=engine, **changes)
    )
    pairs = [synthetic.pair(FAST, SLOW, engine=engine, **changes),
             synthetic.pair(SLOW, FAST, engine=engine, window=8, **changes)]  # fmt: skip
    return [*flat(pairs), control]


SETTINGS = st.builds(
    Setting,
    task=st.sampled_from(["electricity", "cosine"]), dial=st.sampled_from([(), (4,)]), cell=st.just("lstm"),
    layers=st.integers(1, 2), units=st.integers(1, 2), window=st.integers(1, 2), batch_size=st.integers(1, 2),
    kernel=st.just("loop"), engine=st.sampled_from(list(ENGINES)), device=st.sampled_from(DEVICES),
    dtype=st.sampled_from(DTYPES),
)  # fmt: skip


@given(SETTINGS, SETTINGS)
def test_two_settings_of_a_kernel_never_share_a_label(one, other):
    assert (one.label == other.label) == (one == other)
    assert (one.network == other.network) <= (one.unusual == other.unusual)


def test_a_label_names_what_is_unusual_and_nothing_else():
    one = Setting.of(case())
    assert one.label == "made_up, LSTM 8, window 4, batch 8"
    other = Setting.of(case(engine="jax", device="gpu", dtype="float64"))
    assert other.label == "made_up, LSTM 8, window 4, batch 8 (jax, gpu, float64)"
    assert other.network == "LSTM 8 (jax, gpu, float64)"
    assert sorted([replace(one, engine=name) for name in ("torch", "jax", "tensorflow")]) == [
        replace(one, engine=name) for name in NAMES
    ]


def verdicts(found, engine):
    return {
        one.keys[0].replace(f"-on_{engine}", ""): (one.updates, one.p_holm, one.survives_holm)
        for one in found.judged
        if one.setting.engine == engine
    }


def test_what_is_said_of_an_engine_does_not_depend_on_the_others():
    alone = {name: by(name) for name in NAMES}
    together = flat(alone.values())
    found = analyse(synthetic.run_of(together, family=synthetic.family(together)))
    for name, records in alone.items():
        own = analyse(synthetic.run_of(records, family=synthetic.family(records)))
        assert verdicts(found, name) == verdicts(own, name)
        assert len(own.survivors) == 2
        if name == NAMES[0]:
            assert own.headline == found.headline
        assert [one for one in found.summary_lines if one in own.summary_lines] == own.summary_lines
        assert [one.sentence for one in own.findings] == [
            one.sentence for one in found.findings if one.settings[0].engine == name
        ]
    assert {len(found.run.family), len(found.survivors)} == {6}


def test_another_engine_makes_no_declared_family_larger():
    records = flat(by(name) for name in NAMES)
    declared = analyse(synthetic.run_of(records, family=synthetic.family(records))).declared
    by_engine = {name: [one for one in declared if one.setting.engine == name] for name in NAMES}
    for here in by_engine.values():
        least, largest = sorted(here, key=lambda one: one.p)
        assert least.p_holm == pytest.approx(2 * least.p)  # two comparisons, whatever the number of engines
        assert largest.p_holm == pytest.approx(max(largest.p, 2 * least.p))


def test_nothing_of_an_engine_overwrites_another_or_is_counted_with_it():
    records = flat(by(name) for name in NAMES)
    found = analyse(synthetic.run_of(records, family=synthetic.family(records)))
    assert len(_networks(found.frames.claim)) == 3  # of the map: one row an engine
    rows = [line.split(" | ")[1:5] for line in ClaimTables(found.frames).overview.splitlines()[2:]]
    assert rows == [["LSTM", "2", "1", "1"], ["LSTM (jax)", "2", "1", "1"], ["LSTM (torch)", "2", "1", "1"]]
    assert [(one.engine, one.n) for one in false_calls(found)] == [(name, 5) for name in NAMES]
    text = turning_point(found.compared)
    assert text.count("took fewer updates in 1 and more in 1 of 2") == 3
    assert all(f"On {name}: " in text for name in NAMES)
    assert [(one.regime, one.title.rpartition(" ")[2]) for one in found.shares] == [
        ("stateless-burnin", f"({name})") for name in NAMES
    ]
    assert all(ClaimTables(found.frames).control("stateless-burnin", name).count("\n") == 2 for name in NAMES)


def test_a_recommendation_weighs_the_arms_of_one_engine():
    records = [
        synthetic.convergence(hits, case_=case(regime=regime, engine=name), optimum=None)
        for name, (carried, not_carried) in {"tensorflow": (FAST, SLOW), "jax": (SLOW, FAST)}.items()
        for regime, hits in (("stateful", carried), ("stateless", not_carried))
    ]
    run = synthetic.run_of(records, synthetic.Path("nowhere"))
    assert [(one.engine, one.answer, one.tried) for one in recommendations(run)] == [
        ("tensorflow", "Carry state", 2), ("jax", "Do not carry state", 2),
    ]  # fmt: skip


RATIOS = {("tensorflow", "loop"): 1.0, ("tensorflow", "xla"): 0.5, ("tensorflow", "unrolled"): 0.8,
          ("jax", "loop"): 0.25, ("jax", "unrolled"): 0.2, ("torch", "loop"): 4.0}  # fmt: skip


def timings(units=(8, 16, 32, 64), **changes):
    return flat(
        timed(1e-3 * ratio, noise=0.02, engine=engine, kernel=kernel, units=width, **changes)
        for (engine, kernel), ratio in RATIOS.items()
        for width in units
    )


def test_planted_ratios_between_engines_are_found(costs_of):
    found = costs_of(timings())
    expected = {what: RATIOS[pair.a] / RATIOS[pair.b] for what, pair in ENGINE_PAIRS.items()
                if {pair.a, pair.b} <= RATIOS.keys()}  # fmt: skip
    assert set(expected) == {
        "jax loop / tensorflow xla", "jax loop / tensorflow loop", "jax unrolled / tensorflow unrolled",
        "torch loop / tensorflow loop", "torch loop / jax loop",
    }  # fmt: skip
    for what, ratio in expected.items():
        here = found.contrasts.of(what)
        assert len(here) == 4
        for one in here:
            assert one.training.low < ratio < one.training.high
            assert one.training.high / one.training.low < 1.3
            assert (one.a.setting.units, one.a.regime) == (one.b.setting.units, one.b.regime)
            assert "jax" not in one.where  # `what` names the engines
    assert set(expected) == {one.what for one in found.contrasts.found if one.of_engines}


def test_all_other_ratios_stay_within_an_engine(costs_of):
    found = costs_of(timings()).contrasts
    within = [one for one in found.found if not one.of_engines]
    assert {one.what for one in within} == {"unrolled / loop", "XLA loop / loop"}
    assert all(one.a.setting.engine == one.b.setting.engine for one in within)
    assert {one.what for one in found.by("jax").found} == {"unrolled / loop"}
    assert ["jax" in one.where for one in within] == [one.a.setting.engine == "jax" for one in within]


def test_cudnn_is_held_against_cudnn(costs_of):
    records = flat(
        timed(s, engine=name, kernel="cudnn", device="gpu") for name, s in zip(NAMES, (3, 2, 1), strict=True)
    )
    assert costs_of(records).contrasts.kinds == [
        "jax cudnn / tensorflow cudnn", "torch cudnn / tensorflow cudnn", "torch cudnn / jax cudnn",
    ]  # fmt: skip


OWN = {("tensorflow", "xla"): 1.0, ("tensorflow", "loop"): 2.0, ("jax", "native"): 0.5, ("jax", "loop"): 0.7,
       ("torch", "native"): 0.25, ("torch", "loop"): 4.0}  # fmt: skip


def at_best(units=(8, 16)):
    return flat(
        timed(1e-3 * ratio, noise=0.02, engine=engine, kernel=kernel, units=width,
              body={"evidence": {"aten::lstm": 1, "aten::mkldnn_rnn_layer": 1}} if engine == "torch" else {})
        for (engine, kernel), ratio in OWN.items()
        for width in units
    )  # fmt: skip


def test_each_framework_is_shown_at_its_best_beside_keras_on_it(costs_of):
    found = costs_of(at_best()).bests
    assert [one.where.split(", ")[1] for one in found] == ["LSTM 8", "LSTM 16"]
    for one in found:
        assert [best.name for best in one.engines] == ["torch native (oneDNN)", "jax native", "tensorflow xla"]
        torch, jax, tensorflow = one.engines
        assert torch.behind is None
        assert jax.behind.low < 2 < jax.behind.high
        assert tensorflow.behind.low < 4 < tensorflow.behind.high
        assert [best.keras.setting.kernel for best in one.engines] == ["loop", "loop", "xla"]
        assert torch.saved.low < 1 / 16 < torch.saved.high
        assert tensorflow.saved is None


def test_the_fastest_is_named_first_and_one_engine_has_none_to_be_faster_than(costs_of):
    first = frameworks(costs_of(at_best()))[0]
    assert first.short == "Fastest was torch native (oneDNN) in 2 of 2."
    assert "LSTM 8, window 4, batch 8 stateless: torch native (oneDNN) 252\u202fµs, jax native × 2.00 [" in first.text
    assert costs_of([one for one in at_best() if one["case"]["engine"] == "torch"]).bests == []


def test_what_keras_costs_on_a_framework_is_answered_engine_by_engine(costs_of):
    told = {one.question: one.text for one in answers(costs_of(at_best()))}
    text = told["Is a framework's own layer faster than Keras' loop on it?"]
    assert "On jax: The framework's own layer against Keras' loop, in training: " in text
    assert "On torch: " in text
    assert "On tensorflow: " not in text


@pytest.mark.parametrize(
    ("evidence", "ran"),
    [({"aten::gru": 1, "aten::mm": 9}, " (a loop in C++)"), ({"aten::lstm": 1, "aten::_cudnn_rnn": 1}, " (cuDNN)"),
     ({"aten::lstm": 1, "aten::miopen_rnn": 1}, " (MIOpen)"), ({"CompiledFunction": 1}, " (TorchInductor)")],
)  # fmt: skip
def test_what_ran_a_layer_of_pytorch_is_told_by_its_trace(evidence, ran, costs_of):
    (one,) = costs_of(timed(1e-3, engine="torch", kernel="native", body={"evidence": evidence})).timings
    assert ran_by(one) == ran
    (other,) = costs_of(timed(1e-3, engine="torch", kernel="loop", body={"evidence": evidence})).timings
    assert ran_by(other) == ""


def test_a_figure_of_growth_has_a_line_for_each_engine_and_kernel():
    figure = draw_growth(Frames.of([synthetic.run_of(timings())])).figure
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert set(lines) == {"loop", "xla", "unrolled", "jax loop", "jax unrolled", "torch loop"}
    looks = {(line.get_color(), line.get_marker(), line.get_linestyle()) for line in lines.values()}
    assert len(looks) == len(lines)
    np.testing.assert_allclose(np.median(lines["jax loop"].get_ydata()) / 1e-3, RATIOS["jax", "loop"], rtol=0.2)


def test_which_framework_is_answered_with_tally_and_ranges(costs_of):
    found = frameworks(costs_of(timings(compiling=2.0)))
    assert [one.question for one in found][:3] == [
        "Each framework at its best:",
        "jax loop against tensorflow xla:",
        "jax loop against tensorflow loop:",
    ]
    assert [one.compares for one in found][1:3] == ["both compiled by XLA", "compiled by XLA against a graph"]
    assert found[1].short.startswith("Faster in all 4 cases, × ")
    assert "in training: faster in all 4 cases; LSTM 8, window" in found[1].text
    assert "longer than later ones" in found[1].text
    assert frameworks(costs_of(timed(1e-3))) == []


def test_questions_of_kernels_are_answered_engine_by_engine(costs_of):
    told = {one.question: one.text for one in answers(costs_of(timings()))}
    text = told["Is unrolling faster?"]
    assert "On tensorflow: Unrolled against the loop, in training: faster in all 4 cases" in text
    assert "On jax: Unrolled against the loop, in training: faster in all 4 cases" in text
    assert "torch" not in text
    assert told["Is XLA faster?"].startswith("On tensorflow: ")
    for name in NAMES:
        assert f"On {name}: Seconds per update, as a power of units: loop" in told["How does cost grow?"]
    alone = [one for one in timings() if one["case"]["engine"] == "jax"]
    assert not any("On jax" in one.text for one in answers(costs_of(alone)))


def test_seconds_to_target_take_the_updates_of_their_own_engine(costs_of):
    trained = [synthetic.convergence(hits, case_=case(engine=name))
               for name, hits in (("tensorflow", [100] * 10), ("jax", [300] * 10))]  # fmt: skip
    found = costs_of([*trained, *flat(timed(1e-3, engine=name) for name in NAMES)])
    assert {one.timing.setting.engine: one.updates for one in found.to_target} == {"tensorflow": 90, "jax": 290}


def learning(by_engine, records=()):
    arms = [synthetic.convergence(hits, case_=case(engine=name)) for name, hits in by_engine.items()]
    found = analyse(synthetic.run_of([*arms, *records]))
    return found.same_arms, learning_in_short(found.same_arms, found.costs.contrasts)


def test_the_same_trainings_are_as_many_updates():
    rows, text = learning({"tensorflow": FAST, "jax": FAST, "torch": FAST})
    assert [(one.a, one.b, one.verdict, one.reached, one.ended_alike) for one in rows] == [
        ("jax", "tensorflow", Verdict.SAME, 10, 10), ("torch", "tensorflow", Verdict.SAME, 10, 10),
    ]  # fmt: skip
    assert "same in 1 of 1" in text
    assert "**So the framework did not change how many updates are needed**" in text
    assert "seconds" not in text


def test_that_seconds_differ_is_said_only_where_it_was_measured():
    _, text = learning({"tensorflow": FAST, "jax": FAST}, timings())
    assert "**So the framework changed the seconds of an update, and not how many are needed**" in text
    equal = flat(timed(1e-3, noise=0.02, engine=name, units=u) for name in ("tensorflow", "jax") for u in (8, 16))
    assert "seconds" not in learning({"tensorflow": FAST, "jax": FAST}, equal)[1]


@pytest.mark.parametrize(
    ("theirs", "verdict", "said"),
    [
        (SLOW, Verdict.MORE, "**So the framework changed how many updates were needed**"),
        ([None] * 10, Verdict.ONLY_STATELESS, "only tensorflow in 1 of 1"),
        (
            synthetic.hits(100, seed=9, spread=0.8),
            Verdict.INCONCLUSIVE,
            "no difference in learning was shown, but not e",
        ),
    ],
)
def test_learning_that_differs_or_may_is_not_called_the_same(theirs, verdict, said):
    rows, text = learning({"tensorflow": FAST, "jax": theirs})
    assert [one.verdict for one in rows] == [verdict]
    assert said in text
    assert "not how many" not in text
    assert "did not change" not in text


def test_arms_that_never_got_there_tell_nothing_of_learning():
    rows, text = learning({"tensorflow": [None] * 10, "jax": [None] * 10})
    assert [(one.verdict, one.reached, one.ended_alike) for one in rows] == [(Verdict.NEITHER, 0, 0)]
    assert "nothing can be said" in text


def test_other_targets_or_one_engine_are_not_compared():
    assert learning({"tensorflow": FAST}) == ([], "")
    other = synthetic.convergence(FAST, case_=case(engine="jax"), target=0.2)
    assert same_arms(synthetic.run_of([synthetic.convergence(FAST), other])) == []


def test_the_report_of_two_engines_names_each_row(tmp_path):
    records = [*flat(by(name) for name in ("tensorflow", "jax")), *timings(units=(8, 16, 32))]
    ceilings = {name: {"name": name, "unit": unit, "best": 1e9, "median": 1e9} for name, unit in (
        ("matrix product, float32", "FLOP/s"), ("memory, read and written", "B/s"))}  # fmt: skip
    folder = synthetic.write(tmp_path / "two", records, family=synthetic.family(records), invocations=[
        synthetic.invocation(ceilings=ceilings, ceilings_engine="tensorflow")])  # fmt: skip
    text = synthetic.whole(write_report(read(folder)))
    assert "This run has the engines tensorflow, jax and torch." in text
    assert "Verdicts are by tensorflow; by jax and torch the same seeds were trained" in text
    assert "each engine's apart (tensorflow 2, jax 2)" in text
    assert "## Which framework" in text
    assert "Each framework at its best, and Keras on each" in text
    assert "Ceilings measured in this run with tensorflow" in text
    rows = [line for line in text.splitlines() if line.startswith("| made_up, LSTM")]
    assert any(" (jax)" in row for row in rows)
    assert len(rows) == len(set(rows))
    told = summary(analyse(read(folder)))
    assert [one["engines"] for one in told["same_arms"]] == [["jax", "tensorflow"]] * 5


def test_the_report_of_one_engine_says_nothing_of_engines(tmp_path):
    found = analyse(read(synthetic.write(tmp_path / "one", [*by("tensorflow"), *timed(1e-3)])))
    text = details(found, {})
    for words in ("Which framework", "On tensorflow", "each engine's", "(by tensorflow)", "has the engines"):
        assert words not in text
