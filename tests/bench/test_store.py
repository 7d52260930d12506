"""The folder of a run: continued after any interruption, never mixed with another plan or machine."""

import json
import os
import resource
import subprocess
import sys
from collections import deque
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest
import record_builders as made
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.case.checked import SCHEMA, FaultError, decode, encode
from bench.case.run_record import RunRecord
from bench.errors import RunFolderError
from bench.machine import host as machines
from bench.plan import planning, presets
from bench.run.store import Ended, RunFolder

ROOT = Path(__file__).parents[2]
PRESET = presets.load("smoke")
PLAN = planning.make(PRESET)
MACHINE = machines.fingerprint([])


def record(number, size=0):
    return made.convergence(made.case_of(number), target_rule="größer – 12 µs" + "x" * size)


def key(number):
    return made.case_of(number).key


def opened(path, *, preset=PRESET, the_plan=PLAN, machine=MACHINE):
    folder = RunFolder(path)
    folder.open(preset, the_plan, machine, ROOT, "make bench")
    return folder


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run"


def keys(folder):
    return list(folder.records)


def about(path):
    return json.loads((path / "run.json").read_text(encoding="utf-8"))


def test_a_run_continues_with_what_it_has(path):
    first = opened(path)
    for number in range(3):
        first.append(record(number))
    before = (path / "records.jsonl").read_bytes()
    again = opened(path)
    assert keys(again) == [key(number) for number in range(3)]
    assert again.torn == []
    again.append(record(3))
    assert (path / "records.jsonl").read_bytes().startswith(before)
    assert keys(opened(path)) == [key(number) for number in range(4)]


def test_a_record_costs_the_same_however_long_the_plan_is(path):
    """What is known of the run looks at every case of the plan when it is changed, so a record does not change it."""
    folder = opened(path)
    before = folder.about
    folder.append(record(0))
    assert folder.about is before


def test_run_json_says_what_was_planned_where_and_when(path):
    folder = opened(path)
    folder.append(record(0))
    folder.close(12.5, "done")
    opened(path)
    found = about(path)
    assert found["schema"] == SCHEMA
    assert found["run"] == "run"
    assert found["preset"]["sha256"] == PRESET.sha256
    assert found["preset"]["settings"] == PRESET.settings
    assert found["plan"] == [job.case.to_dict() for job in PLAN.jobs]
    assert found["plan_sha256"] == PLAN.sha256
    assert found["refused"] == [{"case": case.to_dict(), "reason": why} for case, why in PLAN.left_out]
    assert {"python", "numpy", "tensorflow", "keras"} <= set(found["versions"])
    finished, running = found["invocations"]
    assert (finished["wall_seconds"], finished["cases_run"]) == (12.5, 1)
    assert finished["finished"] >= finished["started"]
    assert finished["git"] is None or len(finished["git"]["commit"]) == 40
    assert (running["finished"], running["wall_seconds"]) == (None, None)


def test_no_draft_is_left_beside_run_json(path):
    opened(path).close(1.0, "done")
    assert [file.name for file in path.iterdir()] == ["run.json"]


def test_run_json_is_replaced_whole_and_never_written_in_place(path):
    folder = opened(path)
    before = about(path)
    # Another name for the file as it is now: it shows what a reader sees who opened it before.
    (path.parent / "before.json").hardlink_to(path / "run.json")
    folder.close(1.0, "done")
    assert json.loads((path.parent / "before.json").read_text(encoding="utf-8")) == before
    assert about(path) != before


def test_a_later_record_of_a_case_counts(path):
    folder = opened(path)
    folder.append(made.failed(made.case_of(0), "crashed"))
    folder.append(record(0))
    assert opened(path).records[key(0)].outcome == "ok"


def refusal(path, **options):
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    with pytest.raises(RunFolderError) as error:
        opened(path, **options)
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before
    assert str(path) in str(error.value)
    assert "RUN=" in str(error.value)
    return str(error.value)


def test_another_plan_is_refused(path):
    opened(path)
    other = planning.Plan(PLAN.jobs[:-1], PLAN.left_out, PLAN.family, PLAN.data)
    text = refusal(path, the_plan=other)
    assert "belongs to another plan" in text
    assert f"with {len(PLAN.jobs)} cases" in text
    assert f"with {len(PLAN.jobs) - 1} (" in text


def test_a_plan_that_is_not_that_of_its_fingerprint_is_damage(path):
    opened(path)
    about = json.loads((path / "run.json").read_text())
    del about["plan"][-1]
    about["family"] = []
    (path / "run.json").write_text(json.dumps(about))
    assert "plan and family are not those of plan_sha256" in refusal(path)


def test_the_same_cases_under_other_settings_are_another_plan(path):
    opened(path)
    jobs = [replace(job, training=replace(job.training, epochs=999)) for job in PLAN.jobs]
    refusal(path, the_plan=replace(PLAN, jobs=jobs))


def test_another_family_of_comparisons_is_another_plan(path):
    opened(path)
    first, second = (job.case.key for job in PLAN.jobs[:2])
    assert (second, first) not in PLAN.family
    refusal(path, the_plan=replace(PLAN, family=[*PLAN.family, (second, first)]))


@pytest.mark.parametrize(
    ("part", "value"),
    [("cpu", "another"), ("cores", 4096), ("accelerators", ["H200"]), ("system", "Linux 0"), ("architecture", "z80")],
)
def test_another_machine_is_refused_naming_the_difference(path, part, value):
    opened(path)
    text = refusal(path, machine=MACHINE | {part: value})
    assert f"{part} was {MACHINE[part]!r} and is {value!r}" in text
    assert text.count(" was ") == 1


def test_what_may_change_on_one_machine_is_no_other_machine(path):
    opened(path)
    opened(path, machine=MACHINE | {"memory_bytes": 1, "affinity": [0]})


def test_a_folder_with_other_files_is_refused(path):
    path.mkdir()
    (path / "thesis.tex").write_text("years of work")
    assert "holds files but no run.json" in refusal(path)


def test_an_empty_folder_is_taken(path):
    path.mkdir()
    assert keys(opened(path)) == []


# The draft of run.json is in the folder before run.json is.
def test_a_run_that_was_killed_while_it_wrote_run_json_for_the_first_time_begins_again(path):
    path.mkdir()
    (path / "run.json.part").write_text('{"schema": 1, "run": "ru')
    assert keys(opened(path)) == []


@pytest.mark.parametrize("schema", [0, SCHEMA + 1, None, "1"])
def test_another_schema_is_refused(path, schema):
    opened(path)
    (path / "run.json").write_text(json.dumps(about(path) | {"schema": schema}))
    named = f"has schema {schema}, this" if schema == SCHEMA + 1 else f"schema is {json.dumps(schema)}; valid: {SCHEMA}"
    assert named in refusal(path)


def test_a_run_json_that_is_torn_is_refused(path):
    opened(path)
    text = (path / "run.json").read_bytes()
    (path / "run.json").write_bytes(text[: len(text) // 2])
    assert "cannot be read" in refusal(path)


def test_the_name_for_what_was_compiled_follows_machine_and_framework(path, monkeypatch):
    first = opened(path).compiler_key
    assert opened(path).compiler_key == first
    assert opened(path.parent / "gpu", machine=MACHINE | {"accelerators": ["H200"]}).compiler_key != first
    monkeypatch.setattr(machines, "versions", lambda: {"python": "3", "tensorflow": "99.0"})
    assert opened(path.parent / "newer").compiler_key != first


@pytest.mark.parametrize("package", ["tensorflow", "keras", "numpy"])
def test_a_run_does_not_go_on_with_another_version_of_the_framework(path, monkeypatch, package):
    opened(path)
    now = machines.versions()
    monkeypatch.setattr(machines, "versions", lambda: now | {package: "99.0"})
    text = refusal(path)
    assert f"{package} was {machines.version(package)} and is 99.0" in text
    assert "RUN=" in text


def test_the_workers_of_an_invocation_are_the_cores_that_it_may_use(path):
    code = (
        "import os, sys; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); sys.path.insert(0, sys.argv[1]);"
        "import test_store as t; from pathlib import Path; t.opened(Path(sys.argv[2]))"
    )
    subprocess.run([sys.executable, "-c", code, str(Path(__file__).parent), str(path)], cwd=ROOT, check=True)
    assert PRESET.limits.workers == 0
    assert about(path)["invocations"][0]["workers"] == 1


@settings(max_examples=40)
@given(st.data())
def test_a_last_line_torn_at_any_byte_loses_only_itself_and_the_next_is_whole(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("torn") / "run"
    with mock.patch.object(machines, "git_state", return_value=None):
        check_torn(path, data)


def check_torn(path, data):
    count = data.draw(st.integers(1, 3))
    folder = opened(path)
    for number in range(count):
        folder.append(record(number))
    file = path / "records.jsonl"
    whole = file.read_bytes()
    last = len(whole.splitlines(keepends=True)[-1])
    cut = data.draw(st.integers(1, last))
    file.write_bytes(whole[:-cut])

    again = opened(path)
    kept = count if cut == 1 else count - 1  # only the line's end is missing: the record is whole
    assert keys(again) == [key(number) for number in range(kept)]
    assert len(again.torn) == (0 if cut in {1, last} else 1)
    again.append(record(9))
    last_one = opened(path)
    assert keys(last_one) == [*(key(number) for number in range(kept)), key(9)]
    assert last_one.records[key(9)] == Ended.of(record(9))


@pytest.mark.parametrize("change", [lambda family: family[:-1], lambda family: [family[0][::-1], *family[1:]]])
def test_a_declared_comparison_that_is_taken_away_or_turned_round_is_missed(path, change):
    first, second, *_ = (job.case.key for job in PLAN.jobs)
    opened(path, the_plan=replace(PLAN, family=[(first, second)]))
    values = about(path)
    assert decode(json.dumps(values).encode(), RunRecord).family == [(first, second)]
    values["family"] = change(values["family"])
    with pytest.raises(FaultError, match=r"^family_sha256 is .*, as family says$"):
        decode(json.dumps(values).encode(), RunRecord)


def test_what_a_report_would_not_read_runs_again(path):
    folder = opened(path)
    folder.append(record(0))
    values = json.loads(encode(record(1)))
    values["convergence"]["replicates"][3]["updates_to_target"] = 10**9
    with (path / "records.jsonl").open("a") as file:
        file.write(json.dumps(values) + "\n")
    again = opened(path)
    assert keys(again) == [key(0)]
    (said,) = again.torn
    assert said.startswith(f"{path}/records.jsonl:2: unreadable line skipped (convergence.replicates[3].")
    assert said.endswith("updates_to_target is 1000000000; valid: 1 to 30, the last update); its case runs again")


def test_a_record_that_contradicts_most_others_runs_again(path):
    folder = opened(path)
    for number in range(4):
        body = {"trivial": 7.0} if number == 1 else {}
        folder.append(made.convergence(made.case_of(number), **body))
    again = opened(path)
    assert keys(again) == [key(0), key(2), key(3)]
    assert again.torn[0].startswith(f"{path}/records.jsonl:2: unreadable line skipped (convergence.trivial is 7.0; ")


def test_a_line_that_cannot_be_read_is_reported_with_its_place(path):
    folder = opened(path)
    folder.append(record(0))
    with (path / "records.jsonl").open("ab") as file:
        file.write(b'{"key": key(1), "outc\n[1, 2]\n{"no": "key"}\n\n')
    folder.append(record(2))
    again = opened(path)
    assert keys(again) == [key(0), key(2)]
    assert [line.split(": ")[0] for line in again.torn] == [f"{path}/records.jsonl:{n}" for n in (2, 3, 4)]
    assert all("its case runs again" in line for line in again.torn)


@contextmanager
def room_for(path, size):
    """Let files grow to so many bytes, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def tiny_disk(path, size):
    path.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("file systems can be mounted by root alone")
    try:
        yield
    finally:
        subprocess.run(["umount", str(path)], check=True)


def test_a_record_that_does_not_fit_is_an_error_and_leaves_the_earlier_ones_whole(path):
    folder = opened(path)
    folder.append(record(0))
    with room_for(path / "records.jsonl", 100), pytest.raises(OSError, match="File too large"):
        folder.append(record(1, size=500))
    assert keys(folder) == [key(0)]
    again = opened(path)
    assert keys(again) == [key(0)]
    again.append(record(1))
    assert keys(opened(path)) == [key(0), key(1)]


def test_a_full_disk_is_an_error_and_leaves_the_earlier_records_whole(path):
    with tiny_disk(path, "64k"):
        folder = opened(path)
        with pytest.raises(OSError, match="No space left"):
            deque(map(folder.append, (record(number, size=1000) for number in range(100))))
        count = len(folder.records)
        assert count >= 10
        subprocess.run(["mount", "-o", "remount,size=1m", str(path)], check=True)
        again = opened(path)
        assert keys(again) == [key(number) for number in range(count)]
        again.append(record(999))
        assert list(opened(path).records)[-1] == key(999)


def test_a_full_disk_leaves_run_json_as_it_was(path):
    with tiny_disk(path, "64k"):
        folder = opened(path)
        before = about(path)
        with pytest.raises(OSError, match="No space left"):
            (path / "filler").write_bytes(bytes(2**20))
        with pytest.raises(OSError, match="No space left"):
            folder.close(1.0, "done")
        assert about(path) == before


def test_a_record_after_one_that_did_not_fit_is_whole_in_the_same_run(path):
    folder = opened(path)
    with (path / "records.jsonl").open("wb"):
        pass
    with room_for(path / "records.jsonl", 100), pytest.raises(OSError, match="File too large"):
        folder.append(record(1, size=500))
    folder.append(record(2))
    assert keys(opened(path)) == [key(2)]


def test_the_error_of_a_full_disk_names_the_file(path):
    folder = opened(path)
    folder.append(record(0))
    with room_for(path / "records.jsonl", 100), pytest.raises(OSError, match=r"records\.jsonl"):
        folder.append(record(1, size=500))


def test_a_killed_invocation_is_closed_by_the_next_with_what_it_had_done(path):
    killed = opened(path)
    for number in range(3):
        killed.append(record(number))
    with (path / "records.jsonl").open("ab") as file:
        file.write(b'{"torn')
    opened(path).close(2.0, "done")
    first, second = about(path)["invocations"]
    assert (first["ended"], first["finished"]) == ("killed", None)
    assert first["cases_run"] == 4  # one of them torn: it ran, and runs again
    assert first["wall_seconds"] >= 0
    assert (second["ended"], second["cases_run"]) == ("done", 0)


def test_an_invocation_killed_before_its_first_record_has_no_time(path):
    opened(path)
    opened(path)
    assert [about(path)["invocations"][0][name] for name in ("ended", "cases_run", "wall_seconds")] == [
        *("killed", 0, None)
    ]


def taking_turns(path, *, finishes=0, ended=None):
    """An invocation that comes to its time cases, and how many take turns there."""
    folder = opened(path)
    together = folder.together(12)
    folder.note_turns(together)
    for _ in range(finishes):
        folder.append(made.timed(made.case_of(len(folder.records), "time")))
    if ended:
        folder.close(1.0, ended)
    return together


def test_groups_shrink_where_runs_are_cut_off_among_time_cases_twice_in_a_row(path):
    assert [taking_turns(path) for _ in range(7)] == [12, 12, 6, 3, 1, 1, 1]


def test_groups_stay_as_they_are_where_their_cases_come_to_an_end(path):
    assert [taking_turns(path, ended="interrupted") for _ in range(3)] == [12, 12, 6]
    assert [taking_turns(path, finishes=1) for _ in range(3)] == [3, 3, 3]
    assert [taking_turns(path), taking_turns(path)] == [3, 3]
    assert taking_turns(path, finishes=1, ended="done") == 1
    assert taking_turns(path) == 12


def test_runs_cut_off_before_their_time_cases_shrink_nothing(path):
    for _ in range(5):
        opened(path)
    assert taking_turns(path) == 12


def test_records_that_are_no_file_are_refused_and_waited_for_by_nobody(path):
    opened(path).close(12.5, "done")
    (path / "records.jsonl").unlink(missing_ok=True)
    os.mkfifo(path / "records.jsonl")
    with pytest.raises(RunFolderError, match=r"records.jsonl is no file\. Choose another name with RUN="):
        opened(path)
