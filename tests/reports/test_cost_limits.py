"""Costs against a limit: a planted ceiling, a counted memory, a whole training, a kernel that was not the flag's."""

import json
import lzma
import math
from pathlib import Path

import pytest
import synthetic
from synthetic import flat

from reports.analysis import analyse
from reports.collect.read import read
from reports.costs import costs
from reports.render import write_report
from reports.summary import costs_summary


def test_a_kernel_that_was_not_the_flags_counts_nowhere(tmp_path):
    records = flat(synthetic.timed(1e-3, kernel=kernel) for kernel in ("loop", "xla"))
    for one in records[2:]:
        one["time"]["kernel_seen"] = "loop"
        one["time"]["seconds_per_update"] = [1e-9] * 4
        synthetic.settle(one)
    run = read(synthetic.write(tmp_path / "run", records))
    found = analyse(run).costs
    assert [record.case.kernel for record in found.mismatches] == ["xla", "xla"]
    assert {one.setting.kernel for one in found.timings} == {"loop"}
    assert found.contrasts.found == found.paybacks == []
    text = synthetic.whole(write_report(run))
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
ABOUT = {"invocations": [synthetic.invocation(ceilings=CEILINGS)]}


PRODUCT = "matrix product, float32"


def flops(units, window, batch, inputs=1):
    """Of an update of an LSTM by hand, two operations a product: forward, gradient of weights, gradient of states."""
    enters, state, head = 4 * units * inputs, 4 * units * units, units
    return 2 * (2 * batch * window * (enters + state + head) + batch * (window * head + (window - 1) * state))


@pytest.mark.parametrize(
    ("share", "evidence", "bottleneck"),
    [
        (0.8, {"XlaMustCompile": 1}, "arithmetic"),
        (0.2, {"XlaMustCompile": 1}, "not known"),
        (0.2, {"XlaMustCompile": 0, "ops an update": 1, "ops a step": 1}, "none of them"),
        (0.01, {"XlaMustCompile": 0, "ops an update": 100, "ops a step": 25}, "dispatch"),
    ],
)
def test_a_planted_share_of_the_ceiling(costs_of, share, evidence, bottleneck):
    units, window, batch = 512, 16, 64
    count = flops(units, window, batch)
    seconds = count / 1e11 / share
    case = synthetic.case("time", units=units, window=window, batch_size=batch)
    body = {
        "features": 1, "parameters": 4 * units * (units + 2) + units + 1, "evidence": evidence,
    }  # fmt: skip
    if bottleneck == "dispatch":
        body["evidence"] = evidence | {"ops a step": round(0.9 * seconds / 1e-6 / window)}
    (point,) = costs_of([synthetic.time([seconds] * 4, case, **body)], **ABOUT).points
    assert point.count.flops == count
    assert point.shares["arithmetic"] == pytest.approx(share)
    assert point.flops_per_second == pytest.approx(share * 1e11)
    assert point.bottleneck == bottleneck
    assert ("dispatch" in point.shares) == (not evidence["XlaMustCompile"])


def test_without_ceilings_there_are_no_shares(costs_of):
    assert costs_of(synthetic.timed(1e-3)).points == []


def test_the_best_of_several_invocations_is_the_ceiling(costs_of):
    slower = {name: one | {"best": one["best"] * (2 if one["unit"] == "s" else 0.5)} for name, one in CEILINGS.items()}
    invocations = [synthetic.invocation(ceilings=one) for one in (slower, CEILINGS, None)]
    limits = costs_of(synthetic.timed(1e-3), invocations=invocations).ceilings
    assert limits.products["float32"] == 1e11
    assert limits.operation == 1e-6


def test_the_usual_rate_is_that_of_all_invocations(costs_of):
    usual = [CEILINGS | {PRODUCT: CEILINGS[PRODUCT] | {"median": rate}} for rate in (9e10, 5e10, 6e10)]
    invocations = [synthetic.invocation(ceilings=one) for one in ({}, *usual)]
    limits = costs_of(synthetic.timed(1e-3), invocations=invocations).ceilings
    assert limits.usual("float32") == pytest.approx(0.6)
    assert math.isnan(limits.usual("float64"))


KERNELS = ("loop", "xla", "unrolled")


def test_updates_times_seconds_and_compile(costs_of):
    trained = synthetic.convergence([400] * 10, case_=synthetic.case(regime="stateful"))
    records = [trained, *flat(synthetic.timed(1e-3, 2.0, noise=0.01, kernel=k, regime="stateful") for k in KERNELS)]
    for one in records[1:3]:
        one["time"]["seconds_per_update"] = [1e-3] * 4
    found = {one.timing.setting.kernel: one for one in costs_of(records).to_target}
    assert set(found) == set(KERNELS)
    assert found["loop"].seconds == pytest.approx(390 * 1e-3 + 2.0)
    assert found["loop"].low < found["loop"].seconds < found["loop"].high


def test_seconds_that_differ_between_passes_widen_the_time_to_target(costs_of):
    trained = synthetic.convergence([400 + 10 * i for i in range(10)])
    steady = flat(synthetic.timed(1e-3, 0.0, noise=0.005, units=units) for units in (16, 32, 64, 128, 256))
    widths = []
    for seconds, groups in (
        ((1.00, 1.01), (None, None)),
        ((1.00, 1.50), (None, None)),
        ((1.00, 1.01, 1.50, 1.51), ("pass 0", "pass 0", "pass 1", "pass 1")),
    ):
        disturbed = [
            synthetic.time([1e-3 * s] * 4, synthetic.case("time", repetition=n), compile_seconds=0.0, group=group)
            for n, (s, group) in enumerate(zip(seconds, groups, strict=True))
        ]
        (one,) = costs_of([trained, *disturbed, *steady]).to_target
        widths.append(one.high / one.low)
    assert widths[0] < 1.3
    assert widths[1] > 2
    # Two processes of one pass, which agree because they took turns, are no more evidence than one.
    assert widths[2] == pytest.approx(widths[1], rel=0.05)


def test_one_process_among_a_few_pairs_breaks_nothing(costs_of):
    records = [synthetic.convergence([400] * 10), *synthetic.timed(1e-3, processes=1), *synthetic.timed(2e-3, units=9)]
    records[-1]["time"]["seconds_per_update"] = [9e-3] * 4
    (one,) = costs_of(records).to_target
    assert one.low == pytest.approx(1.0)  # what it takes to compile
    assert one.high > 1e3 * one.seconds


def test_what_never_arrives_takes_for_ever(costs_of):
    records = [synthetic.convergence([None] * 10), *synthetic.timed(1e-3)]
    (one,) = costs_of(records).to_target
    assert one.seconds == math.inf
    assert math.isfinite(one.low)


def test_updates_of_another_dtype_are_not_borrowed(costs_of):
    """Seconds of bfloat16 say nothing of the updates that float32 needed."""
    records = [synthetic.convergence([400] * 10), *synthetic.timed(1e-3, dtype="mixed_bfloat16")]
    assert costs_of(records).to_target == []


def test_a_training_timed_whole_is_held_against_its_parts(tmp_path):
    whole = {
        "seconds": 3.3, "evaluate_seconds": 0.5, "updates": 1000, "calls": 10, "reached": True, "error": 0.1,
        "learning_rate": 0.01,
    }  # fmt: skip
    records = synthetic.timed(1e-3, 2.0, body={"whole": whole})
    run = read(synthetic.write(tmp_path / "run", records))
    assert [one.off for one in analyse(run).costs.whole_trainings] == [pytest.approx(0.1)] * 2
    assert "off by 10.0 % in the median" in synthetic.whole(write_report(run))


def test_the_harness_share_is_told(tmp_path):
    body = {"overhead_seconds_per_update": [5e-6] * 5}
    records = [*synthetic.timed(2e-3, body=body, units=8), *synthetic.timed(5e-5, body=body, units=16)]
    text = synthetic.whole(write_report(read(synthetic.write(tmp_path / "run", records))))
    assert "a millisecond or more it is 0.250 % at most" in text
    assert "below 100 µs it is up to 10 %" in text


def test_energy_is_told_only_where_the_machine_told(tmp_path):
    machine = {
        "updates": 100, "seconds": 1.0, "own_cores": 1.0, "other_load": 0.0, "steal": 0.0, "swapped_bytes": 0,
        "throttled": None, "frequency_mhz": None, "accelerators": [{"energy_joules": 5.0, "slowed_by": []}],
        "energy_joules": {"package-0": 2.0},
    }  # fmt: skip
    told = synthetic.timed(1e-3, body={"machine": machine})
    text = synthetic.whole(write_report(read(synthetic.write(tmp_path / "told", told))))
    assert "| package-0 | 0.0200 |" in text
    assert "| GPU 0 | 0.0500 |" in text
    text = synthetic.whole(write_report(read(synthetic.write(tmp_path / "not", synthetic.timed(1e-3)))))
    assert "This machine told none" in text


def test_records_from_before_these_fields_still_have_costs(tmp_path):
    folder = Path(__file__).parents[2] / "reports" / "published" / "quick"
    about = json.loads((folder / "run.json").read_text())
    for one in about["invocations"]:
        one.pop("ceilings")
    (tmp_path / "run.json").write_text(json.dumps(about))
    records = [json.loads(line) for line in lzma.decompress((folder / "records.jsonl.xz").read_bytes()).splitlines()]
    for body in (one["time"] for one in records if one["case"]["kind"] == "time"):
        for name in ("machine", "whole", "inference", "overhead_seconds_per_update", "warm_up_blocks", "features"):
            body.pop(name, None)
        body["evidence"] = {name: n for name, n in body["evidence"].items() if not name.startswith("ops ")}
    (tmp_path / "records.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records))
    found = costs(read(tmp_path))
    assert found.mismatches == found.points == found.whole_trainings == []
    assert {"unrolled / loop", "XLA loop / loop"} <= set(found.contrasts.kinds)
    assert all(not one.doubtful for one in found.memories)
    assert json.loads(json.dumps(costs_summary(found), allow_nan=False))["ratios"]


def test_an_own_machine_has_a_figure_for_everything(tmp_path):
    """Growth, roofline and memory are drawn where there is something to draw."""
    body = {
        "features": 1,
        "evidence": {"XlaMustCompile": 0, "ops an update": 100, "ops a step": 60},
    }  # fmt: skip
    records = flat(
        synthetic.timed(1e-6 * window * batch, noise=0.02, kernel=kernel, window=window, batch_size=batch, units=64,
                        body=body | {"parameters": 4 * 64 * 66 + 65})
        for kernel in ("loop", "unrolled", "xla_unrolled")
        for window, batch in ((8, 8), (16, 8), (32, 8), (8, 16), (8, 32))
    )  # fmt: skip
    for window in (8, 16, 32):
        for kernel in ("loop", "unrolled"):
            case = synthetic.case("memory", units=64, window=window, kernel=kernel)
            records.append(synthetic.memory(2**20 * window, case, features=1, parameters=4 * 64 * 66 + 65))
    report = write_report(read(synthetic.write(tmp_path / "run", records, **ABOUT)))
    for name in ("cost-growth", "memory-growth", "roofline"):
        assert synthetic.marks(report.parent / "figures" / f"{name}.svg") > 8
        assert f"(figures/{name}.svg)" in synthetic.whole(report)
