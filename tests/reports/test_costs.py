"""Ratios of costs with a known answer: planted ratios, paybacks and exponents, and cases against themselves."""

import math

import numpy as np
import pytest
import synthetic
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from synthetic import flat

from reports import formatting
from reports.collect.grouping import Setting
from reports.collect.read import read
from reports.costs.contrasts import SECONDS, exponent, off
from reports.costs.timings import Blocks, log_ratios
from reports.figures.cost_figures import MOST_ROWS, chosen
from reports.render import write_report
from reports.statistics import moderated
from reports.tell.cost_answers import answers

KERNELS = ("loop", "xla", "unrolled")


def test_a_planted_ratio_is_found_process_by_process(costs_of):
    found = costs_of(
        flat(
            synthetic.timed(1e-3 * ratio, noise=0.02, kernel=kernel, units=units)
            for kernel, ratio in zip(KERNELS, (1.0, 0.25, 2.0), strict=True)
            for units in (8, 16, 32, 64)
        )
    )
    for what, ratio, word in (("XLA loop / loop", 0.25, "faster"), ("unrolled / loop", 2.0, "slower")):
        here = found.contrasts.of(what)
        assert len(here) == 4
        for one in here:
            assert one.training.low < ratio < one.training.high
            assert one.training.high / one.training.low < 1.25
        assert word == ("faster" if here[0].training.high < 1 else "slower")
    assert found.contrasts.training.pairs == 8


def test_a_disturbed_case_widens_its_own_intervals_alone(costs_of):
    def found(off):
        records = flat(
            synthetic.timed(1e-3 * r, noise=0.01, kernel=k, units=8 * n)
            for n in range(1, 16)
            for k, r in (("loop", 1), ("xla", 0.9))
        )
        records[0]["time"]["seconds_per_update"] = [1e-3 * off] * 4
        return {one.b.setting.units: one.training for one in costs_of(records).contrasts.found}

    before, after = found(1.0), found(3.0)
    assert after[8].high / after[8].low > 5
    assert all(after[n].high < 1 for n in after if n != 8)
    widths = [math.log(after[n].high / after[n].low) / math.log(before[n].high / before[n].low) for n in before]
    assert np.median(widths) < 2


@given(st.dictionaries(st.integers(0, 5), st.floats(1e-6, 1e3), min_size=1))
def test_a_case_over_itself_is_one(values):
    blocks = {key: Blocks(None, 0, np.array([value])) for key, value in values.items()}
    assert np.all(log_ratios(blocks, blocks) == 0)


def test_a_case_against_itself_is_the_spread_of_its_processes(costs_of):
    records = flat(
        [synthetic.time([1e-3 * off] * 4, synthetic.case("time", units=units, repetition=n))]
        for units, offs in ((8, (1.0, 1.01)), (16, (1.0, 1.03)), (32, (1.1, 1.0)))
        for n, off in enumerate(offs)
    )
    found = costs_of(records).a_a
    assert found.turns == ()
    assert off(found.passes) == pytest.approx(0.03)
    assert not found.reached
    assert off(found.blocks) == 0


def test_processes_that_took_turns_are_compared_block_by_block(costs_of):
    # The machine becomes twice as slow half way; the second pass it is slow from the start.
    machine = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])
    records = [
        synthetic.time(1e-3 * factor * speed, synthetic.case("time", repetition=n), group=f"pass {n % 2}")
        for n, (factor, speed) in enumerate([(1.0, machine), (1.0, 2 * machine), (1.01, machine), (1.01, 2 * machine)])
    ]
    found = costs_of(records).a_a
    assert [off(pair) for pair in zip(found.turns, strict=True)] == pytest.approx([0.01, 0.01])
    assert found.reached
    assert off(found.passes) > 0.9


@pytest.mark.parametrize(
    ("seconds", "compiling", "updates"),
    [(0.5e-3, 3.0, 4000), (0.5e-3, 0.5, 0), (1.5e-3, 3.0, math.inf), (1.5e-3, 0.5, math.inf)],
    ids=["pays", "at once", "never", "slower"],
)
def test_a_planted_payback(costs_of, seconds, compiling, updates):
    # Two seconds more to compile, half a millisecond saved an update.
    others = flat(synthetic.timed(1e-3, noise=0.01, units=u, kernel=k) for u in (16, 32) for k in ("loop", "unrolled"))
    records = [
        *synthetic.timed(1e-3, compiling=1.0, kernel="loop"),
        *synthetic.timed(seconds, compiling=compiling, kernel="xla"),
        *others,
    ]
    (one,) = [p for p in costs_of(records).paybacks if p.contrast.what == "XLA loop / loop"]
    assert one.updates == pytest.approx(updates)
    assert one.low <= one.updates <= one.high
    if updates == 4000:
        assert one.high < 5000


def test_first_calls_of_one_time_are_one_observation(costs_of):
    # In the second pass both processes of the kernel compile slowly: one disturbance, which two passes show once.
    def ran(kernel, seconds, compiling, repetitions):
        return [
            synthetic.time(
                [seconds] * 4,
                synthetic.case("time", kernel=kernel, units=units, repetition=n),
                compile_seconds=compiling[n % 2] * (1 + 0.01 * units),
                group=f"pass {n % 2} of {units}",
            )
            for units in (8, 16, 32)
            for n in range(repetitions)
        ]

    twos, fours = (
        costs_of([*ran("loop", 1e-3, (1.0, 1.0), n), *ran("xla", 0.5e-3, (3.0, 4.0), n)]).paybacks for n in (2, 4)
    )
    assert [(one.low, one.high) for one in twos] == [(one.low, one.high) for one in fours]


def test_a_kernel_that_may_not_be_faster_may_never_pay(costs_of):
    records = flat(
        synthetic.timed(s, c, noise=0.2, kernel=k, units=u)
        for u in (8, 16, 32)
        for k, s, c in (("loop", 1e-3, 1.0), ("xla", 0.98e-3, 3.0))
    )
    assert math.inf in {one.high for one in costs_of(records).paybacks}


@pytest.mark.parametrize("power", [0.0, 1.0, 1.7])
def test_a_planted_exponent_is_found(costs_of, power):
    records = flat(synthetic.timed(1e-6 * units**power, units=units) for units in (16, 64, 256, 1024))
    found = [one for one in costs_of(records).growths if one.quantity == SECONDS]
    assert [one.axis for one in found] == ["units"]
    assert found[0].exponent == pytest.approx(power, abs=1e-9)
    assert found[0].last == pytest.approx(power, abs=1e-9)
    assert found[0].high - found[0].low < 1e-6


def test_what_is_no_power_law_has_a_wide_interval():
    x = np.array([1.0, 10.0, 100.0, 1000.0])
    _, low, high = exponent(x, 100 + x)
    assert high - low > 0.5


def test_cells_of_as_many_parameters_are_compared(costs_of):
    def parameters(cell, units):
        gates, biases = (4, 1) if cell == "lstm" else (3, 2)
        return gates * units * (1 + units + biases) + units + 1

    sizes = [("lstm", 64), ("gru", 74), ("gru", 64)]
    records = flat(
        synthetic.timed(1e-3, cell=cell, units=units, body={"parameters": parameters(cell, units)})
        for cell, units in sizes
    )
    (one,) = costs_of(records).contrasts.of("GRU / LSTM of as many parameters")
    assert (one.a.setting.units, one.b.setting.units) == (74, 64)


def test_an_lstm_is_compared_with_the_gru_nearest_in_parameters(costs_of):
    sizes = [("gru", 60, 990), ("gru", 61, 1004), ("gru", 62, 1004), ("gru", 63, 1010), ("lstm", 50, 1000)]
    records = flat(synthetic.timed(1e-3, cell=cell, units=u, body={"parameters": n}) for cell, u, n in sizes)
    (one,) = costs_of(records).contrasts.of("GRU / LSTM of as many parameters")
    assert one.a.setting.units == 61


def test_the_page_says_of_how_many_pairs_a_spread_is_estimated(tmp_path, monkeypatch):
    monkeypatch.setattr(moderated, "MOST_PAIRS", 2)
    records = flat(
        synthetic.timed(1e-3, kernel=kernel, units=units) for kernel in ("loop", "xla") for units in (4, 8, 16)
    )
    write_report(read(synthetic.write(tmp_path, records)))
    said = "drawn towards what 2 of the 3 pairs of this run (taken evenly) show together"
    assert said in (tmp_path / "details.md").read_text()


def test_cases_that_differ_in_dtype_alone_can_be_told_apart_by_name(costs_of):
    records = flat(
        synthetic.timed(1e-3, kernel=kernel, dtype=dtype)
        for kernel in ("loop", "xla")
        for dtype in ("float32", "mixed_bfloat16")
    )
    here = costs_of(records).contrasts.of("XLA loop / loop")
    assert len({one.where for one in here}) == len(here) == 2
    assert ["mixed_bfloat16" in one.where for one in here] == [False, True]


@pytest.mark.parametrize(
    ("evidence", "what"),
    [({}, "fit / loop"), ({"CudnnRNNV3": 1}, "fit / cuDNN"), ({"XlaMustCompile": 1}, "fit / XLA loop")],
)
def test_fit_is_held_against_the_kernel_that_keras_chose_for_it(costs_of, evidence, what):
    kernels = {"loop": 1e-3, "cudnn": 4e-4, "xla": 5e-4}
    records = flat(synthetic.timed(s, kernel=k) for k, s in kernels.items())
    records += synthetic.timed(2e-3, kernel="fit", body={"evidence": evidence})
    found = costs_of(records)
    (one,) = [one for one in found.contrasts.found if one.a.setting.kernel == "fit"]
    assert one.what == what
    (said,) = [one for one in answers(found) if "overhead" in one.question]
    assert formatting.percent(1 - kernels[one.b.setting.kernel] / 2e-3) in said.short


@pytest.mark.parametrize(
    ("ratios", "verdict"),
    [
        ((0.5, 0.5), "Yes: faster in both cases"),
        ((0.5, 1.0), "Not everywhere: "),
        ((0.5, 2.0), "It depends: "),
        ((1.0, 2.0), "No: "),
        ((1.0, 1.0), "No: no difference in both cases"),
    ],
)
def test_the_short_answer_begins_with_the_verdict_and_has_the_ends(costs_of, ratios, verdict):
    records = flat(
        synthetic.timed(1e-3 * ratio, noise=0.001, kernel=kernel, units=units)
        for units, of_unrolled in zip((8, 16), ratios, strict=True)
        for kernel, ratio in (("loop", 1.0), ("unrolled", of_unrolled))
    )
    (said,) = [one for one in answers(costs_of(records)) if "unrolling" in one.question]
    assert said.short.startswith(verdict)
    found = [float(text.split()[0]) for text in said.short.split("× ")[1:]]
    assert found == pytest.approx(sorted(ratios), rel=0.01)


def test_one_process_of_a_case_is_no_answer(costs_of):
    records = flat(
        synthetic.timed(seconds, processes=1, kernel=kernel) for kernel, seconds in (("loop", 1), ("unrolled", 0.5))
    )
    (said,) = [one for one in answers(costs_of(records)) if "unrolling" in one.question]
    assert said.short.startswith("Not known: ")


def test_growth_is_told_of_the_longest_float32_line_of_a_kernel(costs_of):
    records = flat(synthetic.timed(1e-6 * n, units=n, window=4) for n in (16, 32, 64))
    records += flat(synthetic.timed(1e-6 * n**2, units=n, window=8) for n in (16, 32, 64, 128))
    records += flat(synthetic.timed(1e-6, units=n, window=8, dtype="mixed_bfloat16") for n in (8, 16, 32, 64, 128))
    (said,) = [one for one in answers(costs_of(records)) if "grow" in one.question]
    assert "units: loop 2" in said.short
    assert "LSTM, window 8, batch" in said.text


def report_of(folder, records, **about):
    return write_report(read(synthetic.write(folder / "run", records, **about))).read_text()


def test_a_run_made_for_costs_begins_with_them(tmp_path):
    trained = synthetic.pair(synthetic.hits(100, seed=1), synthetic.hits(500, seed=2))
    measured = flat(synthetic.timed(s, kernel=k, units=u) for u in (8, 16) for k, s in (("loop", 2e-3), ("xla", 1e-3)))
    first = report_of(tmp_path / "costs", [*trained, *measured])
    assert first.startswith("# run: what does an update cost?")
    assert first.index("Is XLA faster?") < first.index("| setting | verdict |")
    last = report_of(tmp_path / "claim", [*trained, *measured], family=synthetic.family(trained))
    assert last.startswith("# run: carry state?")
    assert last.index("Is XLA faster?") > last.index("| setting | verdict |")


def test_a_short_answer_says_of_which_it_speaks(costs_of):
    records = flat(
        synthetic.timed(s, cell=cell, units=units)
        for cell, s in (("gru", 1e-3), ("gru_reset_before", 2e-3))
        for units in (8, 16, 32)
    )
    (found,) = [one for one in answers(costs_of(records)) if one.question == "Does `reset_after` matter?"]
    assert found.short.startswith("The default is no slower: False is slower in all 3 cases, × 2 ")


def test_what_ran_in_most_ways_is_drawn_where_not_all_can_be():
    one = Setting("cosine", -1, "lstm", 1, 64, 32, 32, "loop", "tensorflow", "cpu", "float32")
    others = [replace(one, units=units) for units in range(1, MOST_ROWS)]
    ways = [replace(one, kernel=kernel) for kernel in ("loop", "xla", "unrolled")]
    shown = chosen([*others, *ways])
    assert len(shown) == MOST_ROWS
    assert set(ways) <= set(shown)
    assert chosen(ways) == sorted(ways)
