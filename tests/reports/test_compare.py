"""Runs side by side: verdicts of a known truth, nothing that vanishes, and what is refused."""

import csv
import json
import math
import re
from pathlib import Path

import pytest
import synthetic

from bench.machine import host
from reports.__main__ import main as reports_main
from reports.collect.read import read
from reports.compare import comparison_page, hardware_page
from reports.compare.__main__ import main, named_runs
from reports.compare.hardware_page import Crossing
from reports.compare.joining import CompareError, Verdict, join
from reports.frames import load
from reports.statistics.intervals import Ratio

NOISE = 0.004
UNITS = (4, 8, 16, 32)


def seconds(factor=1.0, units=UNITS, seed=0, processes=3, **changes):
    return [
        record
        for n, width in enumerate(units)
        for record in synthetic.timed(1e-3 * width * factor, processes=processes, noise=NOISE, seed=seed + n,
                                      units=width, **changes)
    ]  # fmt: skip


def configured(records, name, **seen):
    had = {
        "cores": [0, 1], "threads": 9, "environment": {}, "flags": {"onednn": True}, "accelerators": {"tensorflow": []},
        "versions": {"python": "3.11"}, "git": None,
    }  # fmt: skip
    return [one | {"configuration": {"asked": {"name": name}, "seen": had | seen}} for one in records]


@pytest.fixture
def runs(tmp_path):
    """Write runs under the names given."""

    def _runs(**records):
        return [synthetic.write(tmp_path / name, some) for name, some in records.items()]

    return _runs


def joined(folders, by="machine", base=None):
    return join(named_runs(folders), by, base)


def trained(**changes):
    return synthetic.convergence([200] * 5, **{"baselines": {"persistence": 0.4}, "data_sha256": "cd" * 32} | changes)


def others(found, kind="time"):
    """Cells of the second column, in the order of cases."""
    return [cells[1] for _, cells in found.rows(kind)]


def verdicts(found, kind="time"):
    return [cell.verdict for cell in others(found, kind)]


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, Verdict.SAME), (1.3, Verdict.SLOWER), (0.7, Verdict.FASTER)])
def test_seconds_are_judged_as_they_are(runs, factor, verdict):
    found = joined(runs(a=seconds(), b=seconds(factor, seed=100)))
    assert set(verdicts(found)) == {verdict}
    assert found.means == ({"b": pytest.approx(factor, rel=0.02)}, len(UNITS))


def test_the_process_is_the_replicate_and_not_the_block(runs):
    """One process a side has no interval, however many blocks it made."""
    found = joined(runs(a=seconds(processes=1), b=seconds(1.3, processes=1)))
    assert set(verdicts(found)) == {Verdict.INCONCLUSIVE}


def test_groups_of_one_name_in_two_runs_took_no_turns(runs):
    group = {"group": "time/x", "warm_up_blocks": 0}
    first = [synthetic.time([1e-3, 9e-3, 1e-3], synthetic.case("time", repetition=n), **group) for n in (0, 1)]
    second = [synthetic.time([9e-3, 1e-3, 1e-3], synthetic.case("time", repetition=n), **group) for n in (0, 1)]
    (cell,) = others(joined(runs(a=first, b=second)))
    assert cell.ratio == pytest.approx(1.0)


def test_nothing_vanishes(runs):
    failed = synthetic.record(synthetic.case("time", units=8), {}, outcome="crashed", message="ended by SIGKILL")
    found = joined(runs(a=seconds(units=(4, 8, 16)), b=[*seconds(units=(4, 32)), failed]))
    assert {cell.units: cell.verdict for cell in others(found)} == {
        4: Verdict.SAME,
        8: Verdict.FAILED,
        16: Verdict.MISSING,
        32: Verdict.NO_BASE,
    }
    assert found.means[1] == 1
    assert "crashed: ended by SIGKILL" in set(found.cells.reason)


@pytest.mark.parametrize(
    ("kind", "changes", "reason"),
    [
        ("time", {"kernel_seen": "xla"}, "other kernel (xla beside loop)"),
        ("time", {"parameters": 101}, "other parameters"),
        ("convergence", {"target": 0.31}, "other target"),
        ("convergence", {"target_rule": "another"}, "other target_rule"),
        ("convergence", {"scored": {"count": 128, "of": 1000, "relative_standard_error": 0.05}}, "other scored"),
        ("convergence", {"trivial": 2.0}, "other trivial"),
        ("convergence", {"baselines": {"persistence": 0.5}, "data_sha256": "ab" * 32}, "other data"),
        ("convergence", {"hold": 3}, "other hold"),
    ],
)
def test_what_differs_in_its_definition_is_not_compared(runs, kind, changes, reason):
    made = {"time": synthetic.time, "convergence": trained}[kind]
    found = joined(runs(a=[made()], b=[made(**changes)]))
    (cell,) = others(found, kind)
    assert (cell.verdict, cell.reason) == (Verdict.INCOMPARABLE, reason)
    assert "**Not compared** with a" in " ".join(comparison_page.summary(found))


def test_targets_that_differ_in_the_last_digits_and_equal_seeds_are_the_same(runs):
    hits = [200, 300, 220, 240, 260]
    records = [synthetic.convergence(hits), synthetic.convergence(hits, target=synthetic.TARGET * (1 + 1e-14))]
    (cell,) = others(joined(runs(a=[records[0]], b=[records[1]])), "convergence")
    assert (cell.verdict, cell.reason) == (Verdict.SAME, "every seed, update for update")
    other = synthetic.convergence([2 * hit for hit in hits])
    (cell,) = others(joined(runs(c=[records[0]], d=[other])), "convergence")
    assert cell.verdict in (Verdict.MORE, Verdict.INCONCLUSIVE)
    assert cell.ratio == pytest.approx(2, rel=0.2)


def test_updates_at_a_rate_that_was_not_found_are_no_verdict(runs):
    few, many = ([hit + 10 * seed for seed in range(10)] for hit in (100, 600))
    pair = [synthetic.convergence(few), synthetic.convergence(many)]
    for name, verdict in (("a", Verdict.MORE), ("b", Verdict.INCONCLUSIVE)):
        (cell,) = others(joined(runs(**{f"{name}1": [pair[0]], f"{name}2": [pair[1]]})), "convergence")
        assert cell.verdict == verdict
        for one in pair:
            synthetic.at_edge(one)
    assert cell.reason.startswith("learning rate not found")


def test_the_same_data_scaled_by_another_cpu_are_compared(runs):
    other = trained(data_sha256="ab" * 32, baselines={"persistence": 0.4 + 1e-12})
    (cell,) = others(joined(runs(a=[trained()], b=[other])), "convergence")
    assert cell.verdict == Verdict.SAME


def test_memory_counts_beyond_the_larger_limit(runs):
    mib = 2**20
    peaks = [(100 * mib, 101 * mib), (1000 * mib, 1015 * mib), (1000 * mib, 1030 * mib), (1000 * mib, 970 * mib)]
    a, b = (
        [synthetic.memory(pair[side], synthetic.case("memory", units=n + 1)) for n, pair in enumerate(peaks)]
        for side in (0, 1)
    )
    found = joined(runs(a=a, b=b))
    assert verdicts(found, "memory") == [Verdict.SAME, Verdict.SAME, Verdict.MORE, Verdict.LESS]


def test_any_axis_can_be_the_column(runs):
    both = [*seconds(), *seconds(0.5, engine="jax", seed=9)]
    found = joined(runs(a=both), by="engine")
    assert found.columns == ("tensorflow", "jax")
    assert set(verdicts(found)) == {Verdict.FASTER}
    assert found.rows("time")[0][0] == "made_up, stateless, LSTM 4, window 4, batch 8, loop"
    assert joined(runs(a=both), by="engine", base="jax").columns == ("jax", "tensorflow")
    ways = [
        *configured(seconds(configuration="all"), "all"),
        *configured(seconds(2.0, configuration="one core", seed=5), "one core"),
    ]
    assert joined(runs(c=ways), by="configuration").columns == ("all", "one core")


def test_versions_are_named_by_what_differs(tmp_path):
    a = synthetic.write(tmp_path / "a", seconds(), versions={"python": "3.11", "keras": "3.14"})
    b = synthetic.write(tmp_path / "b", seconds(2.0), versions={"python": "3.11", "keras": "3.15"})
    assert joined([a, b], by="version").columns == ("keras 3.14", "keras 3.15")
    c = synthetic.write(tmp_path / "c", seconds(2.0), versions={"python": "3.11", "keras": "3.15"})
    with pytest.raises(CompareError, match="are of one version"):
        joined([a, b, c], by="version")


def page(tmp_path, folders, *options):
    code = main([*map(str, folders), "--out", str(tmp_path / "out"), *options])
    return code, tmp_path / "out"


def test_the_page_its_json_and_the_frame_say_the_same(tmp_path, runs):
    trained = synthetic.convergence([200] * 5, case_=synthetic.case(units=8))
    folders = runs(a=[*seconds(), trained], b=[*seconds(1.3, seed=7), trained])
    code, out = page(tmp_path, folders, "--price", "a=3.6,b=36")
    assert code == 0
    text = (out / "compare.md").read_text()
    values = json.loads((out / "compare.json").read_text())
    assert text.count("| slower |") == len(UNITS)
    assert values["geometric_means"]["b"] == pytest.approx(1.3, rel=0.02)
    with (out / "compare.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sum(row["verdict"] == "slower" for row in rows) == len(UNITS)
    # Money: a thousandth of the seconds for the one, a hundredth for the other.
    money = {row["run"]: row["price"] / row["seconds"] for row in values["to_target"]}
    assert money == pytest.approx({"a": 1e-3, "b": 1e-2})
    html = (out / "compare.html").read_text()
    assert html.count("<tr>") >= text.count("\n| ") - text.count("| --- |")


def test_ratios_within_a_machine_are_compared_between_machines(tmp_path, runs):
    def machine(clock, carrying):
        return [
            *seconds(clock, regime="stateless"),
            *seconds(clock * carrying, regime="stateful", seed=3),
        ]

    folders = runs(a=machine(1.0, 0.5), b=machine(3.0, 0.5), c=machine(3.0, 2.0))
    out = page(tmp_path, folders[:2])[1]
    found = json.loads((out / "compare.json").read_text())["within_machine"]
    assert {one["agreement"] for one in found} <= {"agree", "differ in size"}
    assert found[0]["what"] == "stateful / stateless"
    out = page(tmp_path, [folders[0], folders[2]])[1]
    found = json.loads((out / "compare.json").read_text())["within_machine"]
    assert {one["agreement"] for one in found} == {"reversed"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--by", "colour"], "BY=colour is no axis; valid: machine, engine"),
        (["--base", "z"], "BASE=z is no column; valid: a, b"),
        (["--by", "engine"], "one column only (tensorflow)"),
        (["--price", "a=much"], "'a=much' is no price"),
        (["--price", "z=1"], "'z' is no run; valid: a, b"),
    ],
)
def test_a_mistake_is_named_with_what_is_valid(tmp_path, runs, capsys, options, says):
    code, _ = page(tmp_path, runs(a=seconds(), b=seconds()), *options)
    assert code == 2
    assert says in capsys.readouterr().err


def test_runs_that_cannot_be_compared_are_refused(tmp_path, runs, capsys):
    a, b = runs(a=seconds(units=(4,)), b=seconds(units=(8,)))
    for folders, says in (
        ([a, b], "have no case in common"),
        ([a, a], "is given twice"),
        ([a, tmp_path / "none"], "holds no records.jsonl"),
    ):
        assert page(tmp_path, folders)[0] == 2
        assert says in capsys.readouterr().err
    records = (b / "records.jsonl").read_text()
    (b / "records.jsonl").write_text(records.replace('"schema": 1', '"schema": 99'))
    assert page(tmp_path, [a, b])[0] == 2
    assert "schema 99" in capsys.readouterr().err
    (b / "records.jsonl").write_text(records[:50])
    assert page(tmp_path, [a, b])[0] == 2
    assert "no line of its records can be read" in capsys.readouterr().err


def test_machine_classes_outlive_an_update_and_part_what_only_looks_alike():
    machine = host.fingerprint([])
    # What jitters from minute to minute is in neither, so that one machine is not two.
    assert host.fixed_sha256(machine) == host.fixed_sha256(host.fingerprint([]))
    assert not [name for name in machine if any(word in name for word in ("mhz", "clock", "free", "load", "uptime"))]
    updated = machine | {"system": "Linux 99", "memory_bytes": machine["memory_bytes"] - 2**20, "python": "3.99"}
    assert host.class_sha256(machine) == host.class_sha256(updated)
    assert host.fixed_sha256(machine) != host.fixed_sha256(updated)
    for other in ({"caches": {"L1": 1}}, {"threads": 999}, {"accelerators": ["H100"]}, {"accelerator_bytes": [2**36]}):
        assert host.class_sha256(machine) != host.class_sha256(machine | other)


def ratio(value, factor=1.05):
    return Ratio(value, value / factor, value * factor, math.nan, "moderated", 4)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ((0.5, 0.4, 0.3), "faster from 1 on, the least that was tried"),
        ((2.0, 2.0, 1.9), "not faster up to 64, the most that was tried"),
        ((2.0, 2.0, 1.02), "not up to 64; perhaps from 58.5 on"),
        ((0.9, 0.98, 0.4), "at 1 already; perhaps only from 8.55 on"),
        ((0.98, 1.0, 1.02), "not up to 64; perhaps at 1 already"),
        ((0.9, 0.9, 0.98), "at 1 already; perhaps not up to 64"),
        ((1.02, 0.9, 0.4), "about 1.39; perhaps at 1 already or only from 3.13 on"),
        ((4.0, 2.0, 0.5), "about 22.6, between 21.0 and 24.3"),
    ],
)
def test_where_a_configuration_begins_to_be_faster(values, sentence):
    found = Crossing("GPU", "LSTM", "batch_size", tuple(zip((1, 8, 64), map(ratio, values), strict=True)))
    assert found.sentence == sentence


def test_the_crossing_lies_between_two_points_with_its_interval():
    points = ((1, ratio(4.0, 1.2)), (16, ratio(2.0, 1.2)), (256, ratio(0.5, 1.2)))
    found = Crossing("GPU", "LSTM", "batch_size", points)
    assert found.at == pytest.approx(64)
    assert 16 < found.earliest < 64 < found.latest < 256


def test_where_each_case_was_one_process_the_page_says_that_no_ratio_has_an_interval(tmp_path):
    for processes in (1, 3):
        records = [
            record
            for name, factor in (("CPU", 1.0), ("GPU", 0.5))
            for record in configured(
                synthetic.timed(1e-3 * factor, processes=processes, noise=NOISE, seed=3, configuration=name), name
            )
        ]
        folder = synthetic.write(
            tmp_path / str(processes), records, configurations=[{"name": "CPU"}, {"name": "GPU", "device": "gpu"}]
        )
        text = hardware_page.write(read(folder)).read_text()
        said = "**GPU: no verdict** (no interval: fewer seconds in 1, more in 0 of 1 case)." in text
        assert said == (processes == 1), text
        assert ("**GPU: faster** (faster in 1 of 1 case)." in text) == (processes > 1)


def test_one_configuration_alone_is_told_as_a_run_without_configurations(tmp_path, capsys):
    records = configured(synthetic.timed(1e-3, processes=3, noise=NOISE, seed=3, configuration="CPU"), "CPU")
    folder = synthetic.write(tmp_path / "one", records, configurations=[{"name": "CPU"}, {"name": "GPU"}])
    assert reports_main([str(folder)]) == 0
    assert str(folder / "report.md") in capsys.readouterr().out
    text = (folder / "report.md").read_text()
    assert text.startswith("# one: what does an update cost?")
    assert "not complete" not in text


def test_of_two_kernels_that_one_configuration_has_each_gets_its_row(tmp_path):
    def way(name, kernels):
        return configured([
            record
            for kernel in kernels
            for regime, seconds in (("stateful", 2e-3), ("stateless", 1e-3))
            for record in synthetic.timed(
                seconds, processes=3, noise=NOISE, seed=5, configuration=name, kernel=kernel, regime=regime
            )
        ], name)  # fmt: skip

    folder = synthetic.write(
        tmp_path / "kernels",
        [*way("CPU", ("loop", "native")), *way("GPU", ("loop", "native", "cudnn"))],
        configurations=[{"name": "CPU"}, {"name": "GPU", "device": "gpu"}],
    )
    text = hardware_page.write(read(folder)).read_text()
    assert len(re.findall(r"\| stateful / stateless \|", text)) == 3
    assert re.search(r"Of GPU alone.*\n\n.*\n.*\n\| .* cudnn \| stateful / stateless \|", text)


@pytest.mark.parametrize(("engine", "bound"), [("jax", True), ("torch", False)])
def test_memory_of_a_kernel_that_the_base_has_not_stands_beside_the_others(tmp_path, engine, bound):
    def peaks(name, device, **kernels):
        return configured([
            synthetic.memory(
                mib * 2**20,
                synthetic.case("memory", kernel=kernel, engine=engine, device=device, configuration=name),
            )
            for kernel, mib in kernels.items()
        ], name)  # fmt: skip

    folder = synthetic.write(
        tmp_path / "kernels",
        [*peaks("CPU", "cpu", native=300), *peaks("GPU", "gpu", native=100, cudnn=200)],
        configurations=[{"name": "CPU"}, {"name": "GPU", "device": "gpu"}],
    )
    text = hardware_page.write(read(folder)).read_text().replace("\u202f", " ")
    text = text.partition("## Memory")[2].partition("\n## ")[0]
    rows = [line.split(" | ")[-3:] for line in text.splitlines() if line.startswith("| ")][2:]
    assert sorted(rows) == [["300 MiB", "100 MiB", "less |"], ["–", "200 MiB", "– |"]]
    assert ("peaks since the process began" in text) == bound


def test_a_page_tells_what_one_configuration_alone_has_and_what_really_ran(tmp_path):
    def way(name, kernels, seed, **more):
        return configured([
            record
            for kernel, seconds in kernels.items()
            for record in synthetic.timed(
                seconds, processes=3, noise=NOISE, seed=seed, configuration=name, kernel=kernel, engine="torch",
                body={"evidence": {f"aten::{kernel}": 7}, **more},
            )
        ], name)  # fmt: skip

    machine = {
        "updates": 100, "seconds": 1.0, "own_cores": 1.0, "other_load": 0.0, "steal": 0.0, "swapped_bytes": 0,
        "throttled": None, "frequency_mhz": None, "energy_joules": {},
        "accelerators": [{"energy_joules": 5.0, "slowed_by": ["thermal"]}],
    }  # fmt: skip
    folder = synthetic.write(
        tmp_path / "ways",
        [
            *way("CPU", {"loop": 4e-3, "native": 1e-3}, 0),
            *way("GPU", {"loop": 4e-3, "native": 1e-3, "cudnn": 5e-4}, 9, machine=machine),
        ],
        configurations=[{"name": "CPU"}, {"name": "GPU", "device": "gpu"}],
    )
    report = hardware_page.write(read(folder))
    text = report.read_text()
    alone = text.partition("## Ratios that not every configuration has")[2].partition("\n## ")[0]
    assert "Of GPU alone." in alone
    rows = [line for line in alone.splitlines() if line.startswith("| ")][2:]
    assert [row.split(" | ")[1] for row in rows] == ["cuDNN / loop", "native / cuDNN"]
    ran = text.partition("## What really ran")[2].partition("\n## ")[0]
    assert "15 of 15 timed processes ran the kernel that was asked for" in ran
    assert "Slowed down, by the GPU's own account: GPU (thermal)." in ran
    html = report.with_suffix(".html").read_text()
    rows = [re.findall("<td>(.*?)</td>", row) for row in re.findall("<tr>(.*?)</tr>", html, re.DOTALL)]
    assert ["CPU", "torch", "native", "native in 3", "aten::native 7", "no"] in rows
    assert ["GPU", "torch", "cudnn", "cudnn in 3", "aten::cudnn 7", "thermal"] in rows


def test_a_run_of_configurations_has_a_page_of_its_own(tmp_path):
    def way(name, factor, carrying, seed):
        records = []
        for regime, more in (("stateless", 1.0), ("stateful", carrying)):
            for n, batch in enumerate((1, 8, 64)):
                records += synthetic.timed(
                    1e-3 * more * factor ** (n - 1), processes=3, noise=NOISE, seed=seed + n,
                    configuration=name, batch_size=batch, regime=regime,
                )  # fmt: skip
        return configured(records, name)

    names = [{"name": "all cores"}, {"name": "GPU", "device": "gpu"}]
    folder = synthetic.write(
        tmp_path / "ways",
        [*way("all cores", 1.0, 1.0, 0), *way("GPU", 0.25, 1.5, 50)],
        configurations=names,
        refused=[{"case": synthetic.case("memory", configuration="GPU").to_dict(), "reason": "no GPU here"}],
    )
    text = hardware_page.write(read(folder)).read_text()
    assert "# ways: which is faster?" in text
    # The ratio is 4 at batch 1, 1 at 8 and 1 / 4 at 64.
    line = next(line for line in text.splitlines() if line.startswith("| GPU | stateless") and "batch size" in line)
    assert "about 8" in line or "about 7.9" in line or "about 8.0" in line
    assert "1 case for 1 reason." in text
    assert "no GPU here" in (folder / "report.html").read_text()
    values = json.loads((folder / "summary.json").read_text())
    assert values["columns"] == ["all cores", "GPU"]
    assert len(values["crossings"]) == 2
    # Stateful over stateless is 1.0 with the one and 1.5 with the other.
    for one in values["within_configuration"]:
        assert one["what"] == "stateful / stateless"
        assert [ratio[0] for ratio in one["ratios"]] == pytest.approx([1.0, 1.5], rel=0.03)
        assert one["agreement"] in ("differ", "differ in size")


def test_the_frames_say_which_configuration_a_case_had(tmp_path):
    folder = synthetic.write(tmp_path / "ways", configured(seconds(units=(4,), configuration="one core"), "one core"))
    row = load(folder).cases.iloc[0]
    assert list(row[["configuration", "threads_seen", "cores_seen", "flags_seen"]]) == [
        "one core",
        9,
        "0,1",
        "onednn=True",
    ]
    assert json.loads(row["settings"])["epochs"] == 50


def test_what_is_not_compared_is_named_once_and_no_cost_to_target_is_beside_it(tmp_path, runs):
    def machine(epochs, *windows):
        return [
            *(one for w in windows for one in synthetic.timed(1e-3, window=w)),
            *(synthetic.convergence([200] * 5, epochs, case_=synthetic.case(window=w)) for w in windows),
        ]  # fmt: skip

    out = page(tmp_path, runs(a=machine(1000, 4, 8, 16), b=machine(1000, 4, 8)))[1]
    text = (out / "compare.md").read_text()
    seconds = text.partition("## Seconds per update")[2].partition("\n## ")[0]
    assert "missing here" not in seconds
    assert "| time | b | missing here (no record) | 1 | made_up, stateless, LSTM 8, window 16, batch 8, loop |" in text
    assert text.partition("## Cost to target")[2].partition("\n## ")[0].count("\n| made_up") == 2
    out = page(tmp_path, runs(c=machine(1000, 4, 8), d=machine(2000, 4, 8)))[1]
    text = (out / "compare.md").read_text()
    assert "2 cases left out: not compared in updates or in seconds" in text
    assert "| setting | kernel |" not in text


def test_the_published_page_of_configurations_is_short(tmp_path):
    published = Path(hardware_page.__file__).parents[1] / "published" / "hardware"
    text = hardware_page.write(read(published), tmp_path).read_text()
    assert len(text.split()) <= 1500
    assert "below 1 [" not in text
