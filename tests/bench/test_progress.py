"""One line a case, and what is left."""

import re

import pytest

from bench.case.cases import Case, Job, Training
from bench.run.progress import Progress, duration, found


def job(number, kind="convergence"):
    return Job(Case(kind, "cosine", None, "lstm", "stateful", 1, number + 1, 4, 8), Training())


def record(one, outcome="ok", message=None, total=10.0, **parts):
    return {
        "key": one.case.key,
        "case": one.case.to_dict(),
        "outcome": outcome,
        "message": message,
        "seconds": {"total": total},
        **parts,
    }


def replicate(role, error, updates):
    return {"role": role, "error": error, "reached": updates is not None, "updates_to_target": updates}


def convergence(ends=(30, None, 10, 20)):
    runs = [replicate("evaluation", [0.5, 0.25, 0.3], end) for end in ends]
    return {
        "target": 0.012345,
        "chosen_rate": 0.01,
        "replicates": [replicate("tuning", [1e-9], 1), *runs],
    }


TIME = {"seconds_per_update": [0.0012, 0.0013, 0.9], "compile_seconds": 2.345, "kernel_seen": "unrolled"}
MEMORY = {"allocator_peak_bytes": 3 * 2**20, "resident_peak_bytes": 700 * 2**20}
BAD = ["failed", "crashed", "timed-out", "out-of-memory"]


def test_a_convergence_line_says_who_reached_the_target_when_and_the_best_error():
    text = found(record(job(0), convergence=convergence()))
    assert text == "target 0.0123 reached by 3 of 4, median 20 updates; best error 0.25 at rate 0.01"


def test_a_line_of_an_arm_that_never_reached_says_so_without_a_median():
    text = found(record(job(0), convergence=convergence((None, None))))
    assert text.startswith("target 0.0123 reached by 0 of 2; best error 0.25")


def test_a_time_line_says_the_median_the_compile_time_and_what_ran():
    text = found(record(job(0, "time"), time=TIME))
    assert text == "1.3 ms an update, compile 2.3 s, ran unrolled"


def test_a_memory_line_says_both_peaks():
    assert found(record(job(0, "memory"), memory=MEMORY)) == "allocator 3 MiB, resident 700 MiB"


@pytest.mark.parametrize("outcome", BAD)
def test_a_bad_ending_stands_out_with_the_last_of_its_last_words(outcome):
    text = found(record(job(0), outcome, "Traceback\n  somewhere\nRuntimeError: no room\n"))
    assert text == f"{outcome.upper()}: RuntimeError: no room"


@pytest.mark.parametrize("message", [None, "", "\n \n"])
def test_a_bad_ending_without_last_words_says_that(message):
    assert found(record(job(0), "crashed", message)) == "CRASHED: no last words"


def test_last_words_without_end_do_not_break_the_line():
    assert len(found(record(job(0), "failed", "x" * 5000))) < 130


@pytest.mark.parametrize(
    ("outcome", "parts"),
    [("ok", {"convergence": convergence()}), ("ok", {"time": TIME}), ("ok", {"memory": MEMORY})]
    + [(outcome, {"message": "a\nb\nc"}) for outcome in BAD],
)
def test_a_line_is_one_line_with_count_name_and_seconds(outcome, parts):
    one = job(0)
    text = Progress([one, job(1)], 0, 1).line(record(one, outcome, **parts))
    assert text.startswith(f"[1/2] {one.case.key}: ")
    assert " · 10.0 s · about 10 s left" in text
    assert "\n" not in text


def test_cases_already_there_are_counted_and_numbers_keep_their_width():
    progress = Progress([job(0), job(1)], 98, 1)
    lines = [progress.line(record(job(i), "failed")) for i in range(2)]
    assert [line[:10] for line in lines] == ["[ 99/100] ", "[100/100] "]


def left(text):
    match = re.search(r"about (\d+) s left", text)
    return int(match[1]) if match else None


def test_what_is_left_is_the_mean_of_the_kind_shared_by_the_workers():
    jobs = [job(i) for i in range(5)]
    progress = Progress(jobs, 0, workers=2)
    assert left(progress.line(record(jobs[0], "failed", total=10))) == 20  # 4 x 10 / 2
    assert left(progress.line(record(jobs[1], "failed", total=20))) == 22  # 3 x 15 / 2
    for one in jobs[2:4]:
        progress.line(record(one, "failed", total=30))
    assert left(progress.line(record(jobs[4], "failed", total=30))) is None


def test_time_cases_are_not_shared():
    jobs = [job(i, "time") for i in range(4)]
    assert left(Progress(jobs, 0, workers=4).line(record(jobs[0], "failed", total=10))) == 30


def test_a_kind_not_yet_seen_is_expected_to_take_as_long_as_the_others():
    jobs = [job(0), job(1, "time"), job(2, "time")]
    assert left(Progress(jobs, 0, workers=1).line(record(jobs[0], "failed", total=10))) == 20


def test_each_kind_is_estimated_from_its_own():
    jobs = [job(0), job(1), job(0, "time"), job(1, "time")]
    progress = Progress(jobs, 0, workers=1)
    progress.line(record(jobs[0], "failed", total=1))
    assert left(progress.line(record(jobs[2], "failed", total=50))) == 51


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (600, "10 min"), (5399, "90 min"), (5400, "1.5 h"), (36000, "10.0 h")],
)
def test_durations_read_as_people_say_them(seconds, text):
    assert duration(seconds) == text
