"""Shards of a plan: which case is in which, and that the runs of all of them make the run of the whole."""

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
import record_builders as made

from bench.case.cases import Case
from bench.case.checked import encode
from bench.engines.base import Network
from bench.errors import PlanError
from bench.measure import interleave
from bench.plan import estimates, planning, presets, shards
from bench.plan.shards import Shard
from reports import merge as module
from reports.collect.read import read

ROOT = Path(__file__).parents[2]


def grid(kind="convergence", **changes):
    values = {"task": '"cosine"', "cell": '"lstm"', "regime": '["stateful", "stateless"]'} | changes
    return f"[[{kind}]]\n" + "\n".join(f"{key} = {value}" for key, value in values.items()) + "\n"


WIDE = grid(units=str(list(range(2, 22))), window="[4, 8]", regime='"stateful"')
OTHER = grid(cell='["gru"]', units=str(list(range(2, 12))), window="[2, 4]", epochs="9")
TIMED = "".join(
    grid(kind, window="[4, 8, 12, 16, 20, 24]", kernel='["loop", "unrolled"]', units="[2, 3]")
    for kind in ("time", "memory")
)


@pytest.fixture(scope="module")
def plan_of(tmp_path_factory):
    path = tmp_path_factory.mktemp("preset") / "own.toml"

    def _plan_of(text):
        path.write_text(text)
        return planning.make(presets.load(str(path)))

    return _plan_of


def assigned(plan, of):
    return {job.case.key: one for job, one in zip(plan.jobs, shards.assigned(plan, of), strict=True)}


@pytest.mark.parametrize("of", [2, 3, 7])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (WIDE, WIDE.replace("21]", "21, 22, 23]")),
        (OTHER, OTHER.replace('["gru"]', '["gru", "simple_rnn"]')),
        (TIMED, TIMED.replace("24]", "24, 28]")),
        (TIMED, TIMED.replace('"unrolled"]', '"unrolled", "xla"]')),
    ],
)
def test_a_case_at_the_end_of_a_grid_moves_no_other_whichever_grid_it_is(plan_of, of, before, after):
    """At the end: a value is added to the list that varies slowest, or a case to others that it is timed against."""
    text = OTHER + TIMED + WIDE
    was, now = (assigned(plan_of(one), of) for one in (text, text.replace(before, after)))
    assert len(now) > len(was)
    assert {key: now[key] for key in was} == was


def test_a_grid_that_is_added_anywhere_moves_no_other(plan_of):
    before, after = (assigned(plan_of(text), 5) for text in (WIDE + TIMED, OTHER + WIDE + TIMED))
    assert {key: after[key] for key in before} == before


def test_estimated_seconds_are_balanced(plan_of):
    plan = plan_of(WIDE + OTHER)
    load = defaultdict(float)
    for job, one in zip(plan.jobs, shards.assigned(plan, 4), strict=True):
        load[one] += estimates.estimated_seconds(job)
    assert max(load.values()) < 1.1 * min(load.values())


def test_a_longer_training_is_estimated_to_take_longer(plan_of):
    short, long = (plan_of(grid(units="4", epochs=epochs)).jobs[0] for epochs in ("3", "3000"))
    assert estimates.estimated_seconds(long) > 3 * shards.estimated_seconds(short)


def test_what_is_timed_against_each_other_is_in_one_shard_with_its_memory_cases(plan_of):
    plan = plan_of(TIMED + WIDE)
    where = defaultdict(set)
    for job, one in zip(plan.jobs, shards.assigned(plan, 3), strict=True):
        if job.case.kind != "convergence":
            where[interleave.compared(job.case)].add(one)
    assert len(where) == 6
    assert all(len(found) == 1 for found in where.values())
    assert set.union(*where.values()) == {1, 2, 3}


@pytest.mark.parametrize("text", ["", "3", "0/4", "5/4", "1/1001", "a/b", "1/4/2", "-1/4", "١/٤"])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(PlanError, match=r"as in SHARD=3/20"):
        Shard.read(text)


def test_more_shards_than_there_is_to_share_are_refused(plan_of):
    with pytest.raises(PlanError, match=r"this plan has 2 cases.*Use at most 2, as in SHARD=1/2"):
        shards.assigned(plan_of(grid(units="4")), 3)


PRESET = """
name = "own"
[training]
learning_rates = [0.1]
folds = 1
evaluation_seeds = 2
epochs = 3
scored_targets = 16
[limits]
workers = 1
[[convergence]]
task = "cosine"
cell = "lstm"
regime = ["stateful", "stateless"]
window = 4
units = [2, 3, 4]
family = true
[[time]]
task = "cosine"
cell = "lstm"
regime = "stateful"
kernel = "loop"
window = [4, 8]
units = 2
"""


def run(folder, *options):
    """Start a run of the convergence cases, without a report."""
    command = [
        *(sys.executable, "-m", "pytest", "bench", "-q", "-k", "convergence", "-p", "no:cacheprovider"),
        *("-p", "no:hypothesispytest", "-p", "no:xdist", "-p", "fake_engine", f"--preset={folder}/own.toml"),
        *(
            "--engine=fake",
            "--run=own",
            f"--results={folder}",
            f"--benchmark-storage=file://{folder}/storage",
            *options,
        ),
    ]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent), "CUDA_VISIBLE_DEVICES": "-1"}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def ended(running):
    """Exit code of a run, and what it said."""
    said, _ = running.communicate(timeout=300)
    return running.returncode, said


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A run and its four shards, on this machine."""
    folder = tmp_path_factory.mktemp("results")
    (folder / "own.toml").write_text(PRESET)
    for one in [run(folder), *(run(folder, f"--shard={number}/4") for number in range(1, 5))]:
        code, said = ended(one)
        assert code == 0, said
    return folder


def parts(results, *numbers):
    return [str(results / f"own-{number}-of-4") for number in numbers]


def merged(results, capsys, *numbers, run="merged"):
    """Exit code, what was said, and the run."""
    code = module.main([*parts(results, *numbers), "--run", run, "--results", str(results)])
    said = capsys.readouterr()
    return code, said.out + said.err, results / run


def records_of(folder):
    return (folder / "records.jsonl").read_bytes().splitlines(keepends=True)


def without_times(folder):
    found = {}
    for record in map(json.loads, records_of(folder)):
        kept = {name: value for name, value in record.items() if name not in {"started", "seconds", "warnings"}}
        found[record["key"]] = kept | {"convergence": record["convergence"] | {"seconds_per_update": None}}
    return found


@pytest.fixture
def unrendered(monkeypatch):
    """Merging without the reports, of which another test makes sure."""
    monkeypatch.setattr(module.rendering, "main", lambda folders: 0 if folders else 1)


@pytest.mark.usefixtures("unrendered")
def test_four_shards_merged_are_one_run(results, capsys):
    code, said, folder = merged(results, capsys, 4, 2, 1, 3)
    assert code == 0, said
    assert without_times(folder) == without_times(results / "own")
    one, other = (json.loads((run / "run.json").read_text()) for run in (folder, results / "own"))
    for name in ("plan", "plan_sha256", "family", "data", "versions", "machine_sha256"):
        assert one[name] == other[name], name
    assert "shards" not in one
    assert len(one["invocations"]) == 4
    # Lines of the records are those of the shards, and the run goes on as if it had been one.
    lines = [line for part in parts(results, 1, 2, 3, 4) for line in records_of(Path(part))]
    assert sorted(records_of(folder)) == sorted(lines)
    code, said = ended(run(results, "--run=merged"))
    assert code == 0
    assert "6 cases, 6 already there" in said


def test_a_missing_shard_is_named_and_the_rest_is_reported(results, capsys):
    code, said, folder = merged(results, capsys, 1, 2, 4, run="three")
    assert code == 0
    assert "missing-shard" in said
    report = (folder / "report.md").read_text()
    absent = read(Path(parts(results, 3)[0])).records
    assert "MISSING-SHARD: shards of the plan are missing.** Run each with SHARD=..." in report
    assert f"shard 3 of 4, {len(absent)} case" in report
    # Merged anew with the missing one it is whole; without one it would lose records.
    assert merged(results, capsys, 1, 2, run="three")[0] == 2
    assert merged(results, capsys, 1, 2, 3, 4, run="three")[0] == 0
    assert "MISSING-SHARD" not in (folder / "report.md").read_text()


@pytest.mark.usefixtures("unrendered")
def test_merging_merged_shards_is_merging_all(results, capsys):
    merged(results, capsys, 1, 2, run="half")
    code = module.main([str(results / "half"), *parts(results, 3, 4), "--run", "both", "--results", str(results)])
    assert code == 0
    assert without_times(results / "both") == without_times(results / "own")


@pytest.fixture
def changed(results, tmp_path):
    """Copies of the shards, whose run.json can be changed; what they were to time is made up."""

    def _changed(number, *, timed=False, **changes):
        source, folder = Path(parts(results, number)[0]), tmp_path / f"own-{number}-of-4"
        folder.mkdir()
        about = json.loads((source / "run.json").read_text())
        times = [
            made.timed(Case(**case), parameters=Network(case["cell"], 1, case["units"], 1, 1).parameters)
            for case, one in zip(about["plan"], about["shards"]["shard_of"], strict=True)
            if case["kind"] == "time" and one == number and timed
        ]
        (folder / "records.jsonl").write_bytes(
            b"".join([*records_of(source), *(encode(record) + b"\n" for record in times)])
        )
        (folder / "run.json").write_text(json.dumps(about | changes))
        return folder

    return _changed


def refusal(capsys, *folders):
    assert module.main([*map(str, folders), "--run", "none", "--results", str(folders[0].parent)]) == 2
    assert not (folders[0].parent / "none").exists()
    return capsys.readouterr().err


def test_other_plans_versions_cuts_and_doubles_are_refused_by_name(results, changed, capsys):
    first, settings = changed(1), json.loads((results / "own" / "run.json").read_text())["preset"]
    longer = settings | {"settings": settings["settings"] | {"training": {"epochs": 9}}}
    said = refusal(capsys, first, changed(2, plan_sha256="f" * 64, preset=longer))
    assert "own-1-of-4 and" in said
    assert "different plans" in said
    assert "epochs was 3 and is 9" in said
    versions = read(first).versions | {"numpy": "1.0"}
    assert "numpy" in (said := refusal(capsys, first, changed(3, versions=versions)))
    assert "and 1.0" in said
    about = json.loads((first / "run.json").read_text())["shards"]
    assert "into 4 and 5 shards" in refusal(capsys, first, changed(4, shards=about | {"of": 5, "here": [5]}))
    assert "shard 1 of 4 is in" in refusal(capsys, first, Path(parts(results, 1)[0]))
    assert "is no shard: it has the whole plan" in refusal(capsys, first, results / "own")
    assert "holds no records.jsonl" in refusal(capsys, first, results / "nowhere")


def test_what_another_machine_timed_is_a_run_of_its_own_and_its_convergence_counts(results, changed, tmp_path, capsys):
    every = [changed(number, timed=True) for number in range(1, 5)]
    timing = [folder for folder in every if read(folder).of_kind("time")]
    assert len(timing) == 2
    about = json.loads((timing[1] / "run.json").read_text())
    (timing[1] / "run.json").write_text(json.dumps(about | {"machine_sha256": "c" * 64}))
    assert module.main([*map(str, every), "--run", "two", "--results", str(tmp_path)]) == 0
    main, beside, foreign = read(tmp_path / "two"), read(tmp_path / "two-on-cccccccc"), read(timing[1])
    assert {one.key for one in beside.records} == {one.key for one in foreign.of_kind("time")}
    assert not {one.key for one in main.of_kind("time")} & {one.key for one in beside.records}
    assert len(main.of_kind("time")) + len(beside.records) == 4
    assert main.missing == beside.missing == ()
    assert len(main.of_kind("convergence")) == 6
    there = {one.key for one in foreign.records}
    assert there & {one.key for one in main.records}
    for record in main.records:
        assert ("other-machine" in record.warnings) == (record.key in there)
    report = (tmp_path / "two" / "report.md").read_text()
    assert "TIMED-ELSEWHERE" in report
    assert "two-on-cccccccc" in report
    # Neither goes on as if it were the whole.
    for name in ("two-on-cccccccc", "two"):
        (results / name).symlink_to(tmp_path / name)
        code, said = ended(run(results, f"--run={name}"))
        assert code == 4
        assert "belongs to another plan" in said
    capsys.readouterr()


def test_a_shard_goes_on_as_itself_alone(results):
    code, said = ended(run(results, "--shard=1/4"))
    assert code == 0
    assert "(shard 1/4)" in said
    assert ", 0 to run" in said
    (results / "own-1-of-2").symlink_to(parts(results, 1)[0])
    assert "holds shard 1 of 4, not shard 1 of 2" in ended(run(results, "--shard=1/2"))[1]
