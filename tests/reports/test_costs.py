"""Costs with a known answer: planted ratios, exponents, paybacks, ceilings, and a kernel that was not the flag's."""

import math

import numpy as np
import pytest
import synthetic
from hypothesis import given
from hypothesis import strategies as st

from reports.analysis import analyse
from reports.costs.growth import exponent
from reports.read import read
from reports.render import write_report
from reports.statistics.pooled import log_ratios, pooled_ratio, pooled_spread

KERNELS = ("loop", "xla", "unrolled")


@pytest.fixture
def costs_of(tmp_path):
    def _costs_of(records, **about):
        return analyse(read(synthetic.write(tmp_path / "run", records, **about))).costs

    return _costs_of


def flat(groups):
    return [one for group in groups for one in group]


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
    assert found.contrasts.training.degrees == 8


def test_intervals_of_two_processes_cover_as_often_as_they_say():
    rng = np.random.default_rng(5)
    covered = total = 0
    for _ in range(200):
        groups = [math.log(0.9) + 0.1 * rng.standard_normal(2) for _ in range(8)]
        spread = pooled_spread(groups)
        for group in groups:
            ratio = pooled_ratio(group, spread)
            covered += ratio.low <= 0.9 <= ratio.high
            total += 1
    assert 0.93 <= covered / total <= 0.97


def test_a_pooled_interval_by_hand():
    groups = [np.array([0.0, 0.2]), np.array([1.0, 1.4]), np.array([5.0])]
    spread = pooled_spread(groups)
    assert spread.degrees == 2
    assert spread.deviation == pytest.approx(math.sqrt((0.02 + 0.08) / 2))
    ratio = pooled_ratio(groups[0], spread)
    assert ratio.value == pytest.approx(math.exp(0.1))
    assert math.log(ratio.high) - 0.1 == pytest.approx(4.302653 * spread.deviation / math.sqrt(2))
    assert pooled_ratio(groups[2], pooled_spread([])).method == "none"


@given(st.dictionaries(st.integers(0, 5), st.floats(1e-6, 1e3), min_size=1))
def test_a_case_over_itself_is_one(values):
    assert np.all(log_ratios(values, values) == 0)


def test_a_case_against_itself_is_the_spread_of_its_processes(costs_of):
    records = flat(
        [synthetic.time([1e-3 * off] * 4, synthetic.case("time", units=units, repetition=n))]
        for units, offs in ((8, (1.0, 1.01)), (16, (1.0, 1.03)), (32, (1.1, 1.0)))
        for n, off in enumerate(offs)
    )
    found = costs_of(records).again
    assert found.off == pytest.approx(0.03)
    assert not found.reached
    assert found.off_blocks == 0


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
    found = [one for one in costs_of(records).growths if one.quantity == "seconds an update"]
    assert [one.axis for one in found] == ["units"]
    assert found[0].exponent == pytest.approx(power, abs=1e-9)
    assert found[0].last == pytest.approx(power, abs=1e-9)
    assert found[0].high - found[0].low < 1e-6


def test_what_is_no_power_law_has_a_wide_interval():
    x = np.array([1.0, 10.0, 100.0, 1000.0])
    _, low, high = exponent(x, 100 + x)
    assert high - low > 0.5


def test_a_kernel_that_was_not_the_flags_counts_nowhere(tmp_path):
    records = flat(synthetic.timed(1e-3, kernel=kernel) for kernel in ("loop", "xla"))
    for one in records[2:]:
        one["time"]["kernel_seen"] = "loop"
        one["time"]["seconds_per_update"] = [1e-9] * 4
    run = read(synthetic.write(tmp_path / "run", records))
    found = analyse(run).costs
    assert [record.case.kernel for record in found.mismatches] == ["xla", "xla"]
    assert {one.setting.kernel for one in found.timings} == {"loop"}
    assert found.contrasts.found == found.paybacks == []
    text = write_report(run).read_text()
    assert "Another kernel ran than the one asked for in 2 records" in text
    assert "asked for xla, ran loop" in text


CEILINGS = {
    name: {"name": name, "unit": unit, "best": best, "median": best}
    for name, unit, best in (
        ("matrix product, float32", "FLOP/s", 1e11),
        ("memory, read and written", "B/s", 1e10),
        ("smallest operation in a graph", "s", 1e-6),
    )
}
ABOUT = {"invocations": [{"ceilings": CEILINGS, "cases_run": 1, "command": "make bench"}]}


def flops(units, window, batch, inputs=1):
    """Of an update of an LSTM by hand: three times the forward products, two operations each."""
    return 3 * batch * window * (2 * 4 * units * (inputs + units) + 2 * units)


@pytest.mark.parametrize(
    ("share", "evidence", "binds"),
    [
        (0.8, {"XlaMustCompile": 1}, "arithmetic"),
        (0.2, {"XlaMustCompile": 1}, "none of them"),
        (0.01, {"XlaMustCompile": 0, "ops an update": 100, "ops a step": 25}, "dispatch"),
    ],
)
def test_a_planted_share_of_the_ceiling(costs_of, share, evidence, binds):
    units, window, batch = 512, 16, 64
    count = flops(units, window, batch)
    seconds = count / 1e11 / share
    case = synthetic.case("time", units=units, window=window, batch_size=batch)
    body = {
        "features": 1, "parameters": 4 * units * (units + 2) + units + 1, "evidence": evidence,
        "cell_steps_per_update": batch * window,
    }  # fmt: skip
    if binds == "dispatch":
        body["evidence"] = evidence | {"ops a step": round(0.9 * seconds / 1e-6 / window)}
    (point,) = costs_of([synthetic.time([seconds] * 4, case, **body)], **ABOUT).points
    assert point.count.flops == count
    assert point.shares["arithmetic"] == pytest.approx(share)
    assert point.flops_per_second == pytest.approx(share * 1e11)
    assert point.binds == binds
    assert ("dispatch" in point.shares) == (binds == "dispatch")


def test_without_ceilings_there_are_no_shares(costs_of):
    assert costs_of(synthetic.timed(1e-3)).points == []


def test_the_best_of_several_invocations_is_the_ceiling(costs_of):
    slower = {name: one | {"best": one["best"] * (2 if one["unit"] == "s" else 0.5)} for name, one in CEILINGS.items()}
    invocations = [{"ceilings": one, "cases_run": 1} for one in (slower, CEILINGS, None)]
    limits = costs_of(synthetic.timed(1e-3), invocations=invocations).ceilings
    assert limits.products["float32"] == 1e11
    assert limits.operation == 1e-6


def test_updates_times_seconds_and_compile(costs_of):
    trained = synthetic.convergence([400] * 10, case_=synthetic.case(regime="stateful"))
    records = [trained, *flat(synthetic.timed(1e-3, 2.0, noise=0.01, kernel=k, regime="stateful") for k in KERNELS)]
    for one in records[1:3]:
        one["time"]["seconds_per_update"] = [1e-3] * 4
    found = {one.timing.setting.kernel: one for one in costs_of(records).to_target}
    assert set(found) == set(KERNELS)
    assert found["loop"].seconds == pytest.approx(400 * 1e-3 + 2.0)
    assert found["loop"].low < found["loop"].seconds < found["loop"].high


def test_what_never_arrives_takes_for_ever(costs_of):
    records = [synthetic.convergence([None] * 10), *synthetic.timed(1e-3)]
    (one,) = costs_of(records).to_target
    assert one.seconds == math.inf
    assert math.isfinite(one.low)


def test_a_training_timed_whole_is_held_against_its_parts(tmp_path):
    whole = {"seconds": 3.3, "evaluate_seconds": 0.5, "updates": 1000, "calls": 10, "reached": True, "error": 0.1}
    records = synthetic.timed(1e-3, 2.0, body={"whole": whole})
    run = read(synthetic.write(tmp_path / "run", records))
    assert [one.off for one in analyse(run).costs.wholes] == [pytest.approx(0.1)] * 2
    assert "off by 10.0 % in the median" in write_report(run).read_text()


def test_the_harness_share_is_told(tmp_path):
    body = {"overhead_seconds_per_update": [5e-6] * 5}
    records = [*synthetic.timed(2e-3, body=body, units=8), *synthetic.timed(5e-5, body=body, units=16)]
    text = write_report(read(synthetic.write(tmp_path / "run", records))).read_text()
    assert "a millisecond or more it is 0.250 % at most" in text
    assert "below 100 µs it is up to 10 %" in text


def test_energy_is_told_only_where_the_machine_told(tmp_path):
    machine = {
        "updates": 100,
        "accelerators": [{"energy_joules": 5.0, "slowed_by": []}],
        "energy_joules": {"package-0": 2.0},
    }
    told = synthetic.timed(1e-3, body={"machine": machine})
    text = write_report(read(synthetic.write(tmp_path / "told", told))).read_text()
    assert "package-0 0.0200, GPU 0 0.0500" in text
    text = write_report(read(synthetic.write(tmp_path / "not", synthetic.timed(1e-3)))).read_text()
    assert "This machine told none" in text


def memory(peak, **changes):
    case = synthetic.case("memory", units=64, window=32, batch_size=32, **changes)
    return synthetic.memory(peak, case, features=1, parameters=4 * 64 * 66 + 65, kernel_seen=case.kernel)


def test_a_probe_that_sees_too_little_or_too_much_is_doubted(tmp_path):
    # Weights four times over, seven values a unit and step, the batch.
    counted = 4 * (4 * (4 * 64 * 66 + 65) + 32 * 32 * (7 * 64 + 2))
    records = [
        memory(round(counted * factor), regime=regime) for factor, regime in ((1.4, "stateful"), (0.3, "stateless"))
    ]
    run = read(synthetic.write(tmp_path / "run", records))
    found = analyse(run).costs
    assert {one.count.total for one in found.memories} == {counted}
    assert {one.regime: one.doubtful for one in found.memories} == {"stateful": False, "stateless": True}
    assert "The memory of 1 case cannot be right" in write_report(run).read_text()


def test_what_carrying_the_state_takes_is_the_difference(costs_of):
    found = costs_of([memory(4_000_000 + 16_384, regime="stateful"), memory(4_000_000)])
    (pair,) = found.states
    assert pair.difference == pair.a.count.state == 32 * 64 * 2 * 4


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
