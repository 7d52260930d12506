"""One line a case, and what is left."""

import re

import pytest
import record_builders as made

from bench.case.cases import Job, Training
from bench.run.progress import Progress, duration, found


def job(number, kind="convergence"):
    return Job(made.case_of(number, kind), Training())


BAD = ["failed", "crashed", "timed-out", "out-of-memory"]


def test_a_convergence_line_says_who_reached_the_target_when_and_the_best_error():
    text = found(made.convergence(made.case_of()))
    assert text == "target 0.0123 reached by 3 of 4, median 25 updates; best error 0.00617 at rate 0.01"


@pytest.mark.parametrize("hits", [(None, None), (10, None), (10, None, None)])
def test_the_median_is_that_of_all_trainings_not_of_those_that_reached_the_target(hits):
    text = found(made.convergence(made.case_of(), hits))
    assert f"reached by {sum(hit is not None for hit in hits)} of {len(hits)}, median not reached; best" in text


def test_a_time_line_says_the_median_the_compile_time_and_what_ran():
    text = found(made.timed(made.case_of(kind="time", kernel="unrolled")))
    assert text == "1.3 ms per update, compile 2.3 s, ran unrolled"


def test_a_memory_line_says_both_peaks():
    assert found(made.memory(made.case_of(kind="memory"))) == "allocator 3 MiB, resident 700 MiB"


@pytest.mark.parametrize("outcome", BAD)
def test_a_bad_ending_stands_out_with_the_end_of_its_error_output(outcome):
    text = found(made.failed(job(0).case, outcome, "Traceback\n  somewhere\nRuntimeError: no room\n"))
    assert text == f"{outcome.upper()}: RuntimeError: no room"


@pytest.mark.parametrize("message", [None, "", "\n \n"])
def test_a_bad_ending_without_error_output_says_that(message):
    assert found(made.failed(job(0).case, "crashed", message)) == "CRASHED: no error output"


def test_error_output_without_end_does_not_break_the_line():
    assert len(found(made.failed(job(0).case, "failed", "x" * 5000))) < 130


ENDED = [
    made.convergence(made.case_of()),
    made.timed(made.case_of(kind="time")),
    made.memory(made.case_of(kind="memory")),
    *(made.failed(made.case_of(), outcome, "a\nb\nc") for outcome in BAD),
]


@pytest.mark.parametrize("record", ENDED, ids=lambda one: f"{one.case.kind} {one.outcome}")
def test_a_line_is_one_line_with_count_name_and_seconds(record):
    jobs = [Job(record.case, Training()), job(1, record.case.kind)]
    text = Progress(jobs, 0, 1).line(record)
    assert text.startswith(f"[1/2] {record.key}: ")
    assert " · 10.0 s · about 10 s left" in text
    assert "\n" not in text


def test_cases_already_there_are_counted_and_numbers_keep_their_width():
    progress = Progress([job(0), job(1)], 98, 1)
    lines = [progress.line(made.failed(job(i).case, "failed")) for i in range(2)]
    assert [line[:10] for line in lines] == ["[ 99/100] ", "[100/100] "]


def left(text):
    match = re.search(r"about (\d+) s left", text)
    return int(match[1]) if match else None


def test_what_is_left_is_the_mean_of_the_kind_shared_by_the_workers():
    jobs = [job(i) for i in range(5)]
    progress = Progress(jobs, 0, workers=2)
    assert left(progress.line(made.failed(jobs[0].case, "failed", total=10))) == 20  # 4 x 10 / 2
    assert left(progress.line(made.failed(jobs[1].case, "failed", total=20))) == 22  # 3 x 15 / 2
    for one in jobs[2:4]:
        progress.line(made.failed(one.case, "failed", total=30))
    assert left(progress.line(made.failed(jobs[4].case, "failed", total=30))) is None


def test_time_cases_are_not_shared():
    jobs = [job(i, "time") for i in range(4)]
    assert left(Progress(jobs, 0, workers=4).line(made.failed(jobs[0].case, "failed", total=10))) == 30


def test_a_kind_not_yet_seen_is_expected_to_take_as_long_as_the_others():
    jobs = [job(0), job(1, "time"), job(2, "time")]
    assert left(Progress(jobs, 0, workers=1).line(made.failed(jobs[0].case, "failed", total=10))) == 20


def test_each_kind_is_estimated_from_its_own():
    jobs = [job(0), job(1), job(0, "time"), job(1, "time")]
    progress = Progress(jobs, 0, workers=1)
    progress.line(made.failed(jobs[0].case, "failed", total=1))
    assert left(progress.line(made.failed(jobs[2].case, "failed", total=50))) == 51


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (600, "10 min"), (5399, "90 min"), (5400, "1.5 h"), (36000, "10.0 h")],
)
def test_durations_read_as_people_say_them(seconds, text):
    assert duration(seconds) == text
