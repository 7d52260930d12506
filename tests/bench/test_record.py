"""The definition of a record: what a run wrote is read as it stands, what cannot be is one error that names it."""

import json
import lzma
import re
from pathlib import Path

import pytest
import record_builders as made

from bench.case import documented
from bench.case.checked import FaultError, OtherSchemaError, decode, encode
from bench.case.costs import Frequency
from bench.case.record import Record
from bench.case.run_record import RunRecord
from bench.case.trained import Replicate

PUBLISHED = Path(__file__).parents[2] / "reports/published"
RUNS = ("quick", "full", "cost", "engines")

RECORDS = {
    "convergence": made.convergence(made.case_of(kind="convergence")),
    "time": made.timed(made.case_of(kind="time")),
    "memory": made.memory(made.case_of(kind="memory")),
}


RETIRED = {"evaluations_per_epoch"}
"""Settings that records no longer have; what they led to, `evaluate_every`, is kept."""


def holds_all_of(new, old):
    """Whether every value of `old` is in `new`, at its place."""
    if isinstance(old, dict):
        return all(holds_all_of(new.get(name), one) for name, one in old.items() if name not in RETIRED)
    if isinstance(old, list):
        return len(new) == len(old) and all(map(holds_all_of, new, old))
    return new == old


def published(run):
    return lzma.decompress((PUBLISHED / run / "records.jsonl.xz").read_bytes()).splitlines()


@pytest.mark.parametrize("run", RUNS)
def test_published_records_are_read_and_written_again_with_every_value(run):
    lines = published(run)
    for line in lines[:: max(1, len(lines) // 40)]:
        # Fields that were added since stand there with what they mean for an older record.
        assert holds_all_of(json.loads(encode(decode(line, Record))), json.loads(line))


@pytest.mark.parametrize("run", RUNS)
def test_a_published_run_json_is_read_and_written_again(run):
    text = (PUBLISHED / run / "run.json").read_bytes()
    assert json.loads(encode(decode(text, RunRecord))) == json.loads(text)


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_a_record_survives_its_line(record):
    assert decode(encode(record), Record) == record


def changed(kind, path, value):
    """The line of a record with another value at a path such as convergence.replicates.3.seed."""
    whole = json.loads(encode(RECORDS[kind]))
    *parents, last = [int(part) if part.isdecimal() else part for part in path.split(".")]
    at = whole
    for part in parents:
        at = at[part]
    at[last] = value
    return json.dumps(whole).encode()


REPLICATE = "convergence.replicates.3."
WRONG = [
    # types
    ("outcome", "fine", 'outcome is "fine"; valid: "crashed" | "failed" | "ok" | "out-of-memory" | "timed-out"'),
    ("outcome", 3, "outcome is 3"),
    ("key", ["x"], 'key is ["x"]; valid: a text'),
    ("started", "2030-01-01T00:00:00+00:00\n", 'started is "2030-01-01T00:00:00+00:00\\n"; valid: a text as'),
    ("warnings", ["no-such-code"], 'warnings[0] is "no-such-code"; valid: "rate-at-edge" |'),
    ("convergence", None, "convergence is missing, though the outcome is ok"),
    (REPLICATE + "reached", "no", 'convergence.replicates[3].reached is "no"; valid: true or false'),
    (REPLICATE + "updates_to_target", True, "replicates[3].updates_to_target is true; valid: a whole number"),
    (REPLICATE + "updates_to_target", "5", 'replicates[3].updates_to_target is "5"; valid: a whole number'),
    (REPLICATE + "updates.1", 20.5, "replicates[3].updates[1] is 20.5; valid: a whole number"),
    ("convergence.evidence.While", -1, "convergence.evidence['While'] is -1; valid: a whole number ≥ 0"),
    ("convergence.baselines", {"a": "b"}, "convergence.baselines['a'] is \"b\"; valid: a number ≥ 0"),
    # ranges
    ("seconds.total", -1.0, "seconds.total is -1.0; valid: a number ≥ 0 and ≤ 1e+09"),
    ("seconds.total", float("inf"), "seconds.total is Infinity"),
    ("convergence.target", -1, "convergence.target is -1; valid: a number > 0"),
    ("convergence.target", 0, "convergence.target is 0"),
    ("convergence.target", float("nan"), "convergence.target is NaN"),
    ("convergence.parameters", -5, "convergence.parameters is -5; valid: a whole number ≥ 1"),
    ("convergence.parameters", 10**30, "valid: a whole number ≥ 1 and ≤ 2^53"),
    ("convergence.cell_steps_per_update", -32, "convergence.cell_steps_per_update is -32"),
    ("convergence.seconds_per_update", [], "convergence.seconds_per_update is []; valid: a list, not empty"),
    ("convergence.seconds_per_update", [0.0], "convergence.seconds_per_update[0] is 0.0; valid: a number > 0"),
    ("case.window", -4, "case.window is -4; valid: a whole number ≥ 1"),
    ("training.dropout", 1.0, "training.dropout is 1.0; valid: a number ≥ 0 and < 1"),
    # what must agree
    ("key", "convergence/another", 'key is "convergence/another"; valid: convergence/cosine-lstm-stateful-u1-L4-b8'),
    ("case.units", 2, "as the case says"),
    ("outcome", "failed", "convergence is there, though this is a convergence case with outcome failed"),
    (REPLICATE + "updates_to_target", 10**9, "is 1000000000; valid: 1 to 30, the last update"),
    (REPLICATE + "updates_to_target", -5000, "updates_to_target is -5000"),
    (REPLICATE + "updates_to_target", None, "updates_to_target is null; valid: 1 to 30"),
    (REPLICATE + "updates_to_target", 20, "updates_to_target is 20; valid: 10, the first update"),
    (REPLICATE + "updates_to_target", 15, "updates_to_target is 15; valid: one of updates"),
    (REPLICATE + "reached", False, "updates_to_target is 10; valid: null, since the target was not reached"),
    (REPLICATE + "error", [0.25] * 3, "updates_to_target is 10; valid: an update whose error is at the target"),
    (REPLICATE + "error", [0.25], "error is [0.25]; valid: 3 values"),
    (REPLICATE + "updates", [10, 30, 20], "updates is [10, 30, 20]; valid: ascending, each once"),
    (REPLICATE + "seed", 0, "replicates[3].seed is 0; valid: one that no other"),
    (REPLICATE + "seed", 10**6, "replicates[3].seed is 1000000; valid: one that did not choose the learning rate"),
    (REPLICATE + "learning_rate", 0.02, "replicates[3].learning_rate is 0.02; valid: chosen_rate, 0.01"),
    (REPLICATE + "role", "tuning", "convergence.replicates is 5; valid: a replicate for each seed of training"),
    (REPLICATE + "diverged", True, "diverged is true"),
    ("convergence.replicates.2.error.0", 1e-9, "reached is false; valid: true, since the error is below the target"),
    (REPLICATE + "target", 0.2, "replicates[3].target is 0.2; valid: "),
    (REPLICATE + "draw", 1, "replicates[3].draw is 1; valid: 0 to 0"),
    (REPLICATE + "abandoned", True, "replicates[3].abandoned is true; valid: false"),
    ("convergence.budget", 15, "convergence.budget is 15; valid: 500, as training says"),
    ("message", "a", 'message is "a"; valid: null, since the case ended well'),
    ("convergence.chosen_rate", 0.5, "convergence.chosen_rate is 0.5; valid: one of learning_rates"),
    ("convergence.rate_at_edge", True, "convergence.rate_at_edge is true; valid: false"),
    ("convergence.predicts", "sliding", 'convergence.predicts is "sliding"; valid: carried'),
    ("convergence.targets_per_update", 8, "convergence.targets_per_update is 8; valid: 32"),
    ("training.epochs", 2, "convergence.replicates[0].updates is 30; valid: at most 20, the budget"),
    ("convergence.kernel_seen", "loop", 'warnings is []; valid: a list with "other-kernel"'),
    ("training.evaluation_seeds", 12, "convergence.replicates is 5; valid: a replicate for each seed of training"),
    ("warnings", ["misaligned"], 'warnings is ["misaligned"]; valid: a list without "misaligned"'),
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "value", "told"), WRONG, ids=[f"{path} {str(value)[:20]}" for path, value, _ in WRONG]
)
def test_a_value_that_cannot_be_is_named_with_what_is_valid(path, value, told):
    with pytest.raises(FaultError, match=re.escape(told)):
        decode(changed("convergence", path, value), Record)


@pytest.mark.parametrize(
    ("key", "path", "value", "told"),
    [
        ("electricity-lstm-stateful-u16-L12-b8", ["target"], 1.0, "convergence.target is 1.0; valid: 0.0"),
        ("electricity-lstm-stateful-u16-L12-b8", ["tuning", 1, "reached"], False, "[1].reached is false; valid: true"),
        ("cosine-lstm-stateful-u8-L4-b8", ["tuning", 0, "reached"], True, "[0].reached is true; valid: false"),
        (
            "electricity-lstm-stateful-u16-L12-b8",
            ["scored", "squared_errors", 1],
            2**31,
            "scored.squared_errors is 167",
        ),
        ("cosine-lstm-stateful-u8-L4-b8", ["replicates", -1, "fold"], 0, ".fold is 9; valid: one of 1 or 2 eval"),
        ("cosine-lstm-stateful-u8-L4-b8", ["budget"], 720, "convergence.budget is 720; valid: 1440"),
        ("cosine-lstm-stateless-u8-L1-b8", ["hold"], 1, "convergence.hold is 1; valid: 2, as training says"),
        (
            "electricity-lstm-stateful-u16-L12-b8",
            ["scored", "squared_errors"],
            None,
            "squared_errors is null; valid: a",
        ),
    ],
)
def test_what_a_report_believes_of_a_published_record_is_held_against_the_rest_of_it(key, path, value, told):
    record = next(one for one in map(json.loads, published("quick")) if one["key"] == f"convergence/{key}")
    *parents, last = path
    at = record["convergence"]
    for part in parents:
        at = at[part]
    at[last] = value
    with pytest.raises(FaultError, match=re.escape(told)):
        decode(json.dumps(record).encode(), Record)


BLOCKS = [
    ("time.seconds_per_update", [0.0, 1e-3], "time.seconds_per_update[0] is 0.0; valid: a number > 0"),
    ("time.seconds_per_update", [float("nan")], "time.seconds_per_update[0] is NaN"),
    ("time.seconds_per_update", ["fast"], 'time.seconds_per_update[0] is "fast"'),
    ("time.settled", False, 'warnings is []; valid: a list with "unsettled"'),
    ("time.compile_seconds", -1, "time.compile_seconds is -1"),
    ("time.compile_seconds", 3.1, "time.compile_seconds is 3.1; valid: at most 3, the first call"),
    ("time.cell_steps_per_update", 31, "time.cell_steps_per_update is 31; valid: 32"),
    ("memory.resident_peak_bytes", 0, "memory.resident_peak_bytes is 0; valid: a whole number ≥ 1"),
    ("memory.resident_before_bytes", 2**40, "resident_before_bytes is 1099511627776; valid: at most 734003200"),
    ("memory.allocator_peak_bytes", 1.5, "memory.allocator_peak_bytes is 1.5"),
]


@pytest.mark.parametrize(("path", "value", "told"), BLOCKS)
def test_a_cost_that_cannot_be_is_named(path, value, told):
    with pytest.raises(FaultError, match=re.escape(told)):
        decode(changed(path.partition(".")[0], path, value), Record)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"", "no whole JSON object"),
        (b'{"schema": 1, "key"', "cut off in writing"),
        (b"\xff\xfe{}", "no UTF-8 text (byte 0)"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"schema": ' + b"9" * 5000 + b"}", "holds a number of too many digits"),
        (b'{"schema": 1}', "key is missing"),
        (b"[1, 2]", "the whole is [1, 2]; valid: a Record"),
        (b"\x00" * 50, "no whole JSON object"),
    ],
)
def test_a_line_that_is_no_record_is_a_fault_in_a_sentence(line, told):
    with pytest.raises(FaultError, match=re.escape(told)):
        decode(line, Record)


def test_the_middle_of_a_clock_lies_between_its_ends():
    with pytest.raises(FaultError, match="median is 1; valid: 2 to 3"):
        Frequency(least=2, median=1, most=3)


def test_numbers_that_are_none_are_null_however_they_are_written():
    written = changed("convergence", "convergence.replicates.2.loss.0", float("nan"))
    assert b"NaN" in written
    assert decode(written, Record).convergence.replicates[2].loss[0] is None


def test_a_later_schema_is_told_apart_from_a_wrong_one():
    with pytest.raises(OtherSchemaError, match="schema 2"):
        decode(changed("time", "schema", 2), Record)
    with pytest.raises(FaultError, match="schema is -1; valid: 1"):
        decode(changed("time", "schema", -1), Record)


def test_fields_of_a_later_version_are_left_aside():
    assert decode(changed("time", "time.colour", "red"), Record) == RECORDS["time"]


def test_a_contradiction_cannot_be_written_either():
    with pytest.raises(FaultError, match="updates is"):
        Replicate(
            seed=0, role="evaluation", learning_rate=0.1, updates=[2, 1], error=[1.0, 1.0], loss=[], reached=False,
            updates_to_target=None, censored_at=1, diverged=False,
        )  # fmt: skip


def test_the_document_says_what_the_definitions_say():
    text = documented.FILE.read_text(encoding="utf-8")
    assert documented.filled(text) == text, "run: python -m bench.case.documented"
