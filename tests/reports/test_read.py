import json

import pytest
import synthetic

from reports.collect.read import RunNotReadableError, read


def test_a_torn_last_line_and_garbage_are_named_and_the_rest_is_used(tmp_path):
    folder = synthetic.write(tmp_path / "run", synthetic.pair([100] * 10, [200] * 10))
    with (folder / "records.jsonl").open("ab") as file:
        file.write(b"\xff\xfe\x00garbage\n[1, 2]\n" + b'{"schema": 1, "key": "convergence/made')
    run = read(folder)
    assert len(run.records) == 2
    assert [(p.file, p.line) for p in run.unreadable] == [("records.jsonl", line) for line in (3, 4, 5)]
    assert "UTF-8" in run.unreadable[0].why
    assert "cut off" in run.unreadable[2].why


def test_a_record_without_a_field_is_skipped_and_the_field_named(tmp_path):
    good, bad = synthetic.pair([100], [200])
    del bad["convergence"]["target"]
    run = read(synthetic.write(tmp_path / "run", [good, bad]))
    assert len(run.records) == 1
    assert str(run.unreadable[0]).startswith("records.jsonl, line 2: convergence.target is missing; left out")


def test_the_last_of_a_repeated_key_wins(tmp_path):
    first, second = synthetic.convergence([100]), synthetic.convergence([300])
    run = read(synthetic.write(tmp_path / "run", [first, second]))
    assert [one.convergence.evaluation[0].spent for one in run.records] == [300]
    assert run.repeated[0].line == 2


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("convergence", "parameters", 8), ("time", "parameters", 8), ("memory", "outputs", 2), ("time", "features", 2),
        ("convergence", "trivial", 2.0), ("convergence", "optimum", None), ("convergence", "loss", "crossentropy"),
        ("convergence", "baselines", {"persistence": 0.7}), ("convergence", "baselines", {}),
        ("convergence", "scored", {"count": 256, "of": 900, "relative_standard_error": 0.05}),
    ],
)  # fmt: skip
def test_a_record_that_contradicts_most_others_is_named_and_left_out(tmp_path, kind, field, value):
    made = [
        *synthetic.pair([100], [200]),
        *synthetic.pair([100], [200], window=8),
        *synthetic.timed(1e-3, body={"features": 1}),
        synthetic.memory(features=1),
    ]
    place = next(number for number, one in enumerate(made) if one["case"]["kind"] == kind)
    made[place][kind][field] = value
    run = read(synthetic.write(tmp_path / "run", made))
    assert len(run.records) == len(made) - 1
    (problem,) = run.unreadable
    assert str(problem).startswith(f"records.jsonl, line {place + 1}: {kind}.{field}")
    assert ", as in " in problem.why


def test_errors_that_another_processor_rounds_otherwise_do_not_contradict(tmp_path):
    made = synthetic.pair([100], [200])
    made[0]["convergence"]["trivial"] *= 1 + 1e-6
    assert len(read(synthetic.write(tmp_path / "run", made)).records) == 2


@pytest.mark.parametrize("file", ["run.json", "records.jsonl"])
def test_an_unknown_schema_is_refused(tmp_path, file):
    folder = synthetic.write(tmp_path / "run", [synthetic.convergence([100])])
    values = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(values | {"schema": 99}))
    with pytest.raises(RunNotReadableError, match=r"schema 99.*reads 1"):
        read(folder)


def test_unknown_fields_are_accepted(tmp_path):
    record = synthetic.convergence([100], later=1)
    record["case"]["later"] = record["later"] = 2
    assert len(read(synthetic.write(tmp_path / "run", [record], later=3)).records) == 1


def test_a_missing_run_names_those_nearby(tmp_path):
    synthetic.write(tmp_path / "quick", [synthetic.convergence([100])])
    with pytest.raises(RunNotReadableError, match="nearby: quick"):
        read(tmp_path / "quik")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "no whole JSON object"),
        ("[]", r"is \[\]; valid: a RunRecord"),
        ('{"schema": 1}', "run is missing"),
    ],
)
def test_a_run_json_that_cannot_be_is_refused(tmp_path, text, why):
    folder = synthetic.write(tmp_path / "run", [synthetic.convergence([100])])
    (folder / "run.json").write_text(text)
    with pytest.raises(RunNotReadableError, match=rf"run\.json: .*{why}.*remove it"):
        read(folder)


def test_a_missing_run_json_is_a_warning(tmp_path):
    folder = synthetic.write(tmp_path / "run", [synthetic.convergence([100])])
    (folder / "run.json").unlink()
    run = read(folder)
    assert len(run.records) == 1
    assert run.unreadable[0].file == "run.json"


def test_cases_without_a_record_are_missing(tmp_path):
    records = synthetic.pair([100], [200])
    run = read(synthetic.write(tmp_path / "run", records[:1], plan=[one["case"] for one in records]))
    assert run.missing == (records[1]["key"],)
