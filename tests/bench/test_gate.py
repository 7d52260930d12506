"""The gate: its statistics, and the real command on two stand-ins for a checkout, once for each exit code."""

import itertools
import json
import math
import subprocess
import sys
from unittest import mock

import numpy as np
import other_suite
import pytest
from scipy import stats

from bench.gate import __main__ as command
from bench.gate import deciding, judging, rounds, trial
from bench.gate.deciding import ALPHA, MARGIN, Verdict

PRESET = """
[[time]]
task = "cosine"
cell = "lstm"
regime = "stateful"
kernel = "loop"
repetitions = 1
"""
COUNTED = PRESET.replace("time", "memory") + '[[convergence]]\ntask = "cosine"\ncell = "lstm"\nregime = "stateful"\n'


@pytest.mark.parametrize("n", [1, 5, 12, 40])
def test_the_p_value_is_wilcoxons(n):
    values = np.random.default_rng(n).standard_t(3, n) * 0.02 + 0.01
    expected = stats.wilcoxon(values, alternative="greater", method="exact").pvalue
    assert deciding.signed_rank_p(values) == pytest.approx(expected)


def test_interval_and_p_value_say_the_same():
    """The interval of one case lies beyond the margin just where its slowdown is claimed."""
    rng, agree = np.random.default_rng(1), set()
    for _ in range(300):
        logs = rng.normal(0.04, 0.03, 13)
        found = deciding.change(logs)
        agree.add((found.low > 1 + MARGIN, found.p_slower <= ALPHA))
    assert agree == {(True, True), (False, False)}


def test_the_interval_covers_as_often_as_it_says_in_spite_of_long_tails():
    rng = np.random.default_rng(2)
    covered = [
        one.low <= 1 <= one.high for one in (deciding.change(rng.standard_t(1.5, 12) * 0.02) for _ in range(1500))
    ]
    low, high = stats.binomtest(sum(covered), len(covered)).proportion_ci(0.999)
    assert low <= 1 - 2 * ALPHA + 0.03
    assert high >= 1 - 2 * ALPHA


def test_few_pairs_have_no_interval():
    assert not math.isfinite(deciding.change(np.array([0.5, 0.5])).half_width)
    assert deciding.change(np.array([])).pairs == 0


def test_verdicts_hold_for_all_cases_together():
    noise = np.linspace(-0.004, 0.004, 12)
    found = deciding.verdicts({"a": noise, "b": noise + math.log(1.1), "c": noise - math.log(1.1), "d": 10 * noise})
    assert [verdict for verdict, _ in found.values()] == [
        Verdict.SAME,
        Verdict.SLOWER,
        Verdict.FASTER,
        Verdict.INCONCLUSIVE,
    ]
    # So few pairs that one case alone could claim it, but not one of four.
    few = np.linspace(0.1, 0.2, 6)
    assert deciding.verdicts({"a": few})["a"][0] is Verdict.SLOWER
    assert deciding.verdicts(dict.fromkeys("abcd", few) | {"d": -few, "c": -few})["a"][0] is Verdict.INCONCLUSIVE


def test_pairs_are_added_until_the_interval_is_narrow():
    noise = np.tile([-1.0, 1.0, -0.5, 0.5], 30)
    assert deciding.enough({"a": 0.01 * noise[:12]})
    assert not deciding.enough({"a": 0.01 * noise[:10]})
    assert not deciding.enough({"a": 0.04 * noise[:12]})
    needed = deciding.pairs_needed(0.04 * noise[:12], 1)
    assert needed > 12
    assert deciding.enough({"a": 0.04 * noise[: 2 * needed]})


def test_resampled_gates_find_a_slowdown_and_claim_none_without():
    noise = np.random.default_rng(3).standard_t(3, 24) * 0.01

    def found(shift):
        pairs = {"a": noise + shift, "b": noise[::-1] + shift}
        gates = trial.gates(pairs, np.random.default_rng(4), 100, same_code=not shift)
        return sum(bool(confirmed) for confirmed, _ in gates)

    assert found(0.0) <= 1
    assert found(math.log(1.2)) == 100


def a_gate(slowdown, ratio, *, code=0, load=0.02, verdict="inconclusive"):
    logs = [math.log(ratio) + one for one in (-0.01, 0.0, 0.01, -0.005, 0.005, 0.002)]
    part = {
        "log_ratios": {"time/a": logs, "control": logs},
        "base_log_ratios": [0.0],
        "seconds": 1.0,
        "other_load": load,
    }
    return {
        "slowdown": slowdown, "cpu": "a CPU", "cores": 2, "exit_code": code, "passes": [part],
        "cases": [{"verdict": verdict}],
    }  # fmt: skip


def test_the_table_counts_what_came_of_recorded_gates_quiet_and_busy_apart():
    found = [a_gate(0.0, 1.0), a_gate(0.0, 1.0, code=4), a_gate(0.2, 1.2, code=1, verdict="slower")]
    table = trial.of_gates([*found, a_gate(0.0, 1.0, load=0.5), {"passes": []}])
    quiet, busy = table.split("**Busy**")
    assert "| nothing | 2 | 0 | 1 | 1 | +0.1% | 6 | 0 (from 12 pairs) |" in quiet
    assert "| 20% of it | 1 | 1 | 0 | 0 | +20.1% | 6 | 1,000 (from 6 pairs) |" in quiet
    assert "took 50% to 50% of 2 cores of a CPU" in busy
    assert "| nothing | 1 | 0 | 0 | 1 |" in busy


def test_recorded_gates_go_on_where_they_stopped(tmp_path, monkeypatch):
    """Also behind a line that was cut off; a minute is spent by four gates."""
    key = "time/electricity-lstm-stateful-u16-L12-b8-loop"
    block, asked = np.array([0.002]), []
    process = rounds.Process("base", {key: (0, block), "control": (0, block / 100)}, {}, {}, {})

    def judge(*given):
        asked.append(given[-1])
        return judging.Outcome(machine={"cpu": "a CPU", "cores": 2})

    monkeypatch.setattr(trial.time, "perf_counter", itertools.count(0, 10).__next__)
    monkeypatch.setattr(trial.rounds, "measure", lambda orders, _: [process] * len(orders))
    monkeypatch.setattr(trial.judging, "judge", judge)
    file = tmp_path / "gates.jsonl"
    for _ in range(2):
        assert trial.main(["record", str(file), "--minutes", "1"]) == 0
        with file.open("a") as cut:
            cut.write('{"slowdown": ')
    found = [line["slowdown"] for line in trial.lines(file)]
    assert found == list(trial.CYCLE[: len(found)])
    assert len(found) == 4
    # An update is worth a hundred hashes.
    assert [round(one.get(key, 0.0), 6) for one in asked] == [100 * slowdown for slowdown in found]


def test_the_documents_table_is_that_of_the_recorded_gates():
    text = trial.PAGE.read_text(encoding="utf-8")
    table = trial.of_gates(trial.lines(trial.PAGE.parents[1] / "reports/published/gate/gates.jsonl"))
    assert trial.filled(text, {"gates": table}) == text, "write it anew: python -m bench.gate.trial table FILE"


@pytest.fixture
def options(tmp_path):
    """Make two sides and the options that name them; the page and what is beside it go to `out`."""
    file = tmp_path / "mine.toml"

    def _options(*more, base=None, head=None, preset=PRESET, minutes=0.1):
        file.write_text(preset)
        one, other = (
            str(other_suite.write(tmp_path / name, **(side or {})))
            for name, side in zip("ab", (base, head), strict=True)
        )
        sides = ["--base", one, "--head", other, "--preset", str(file)]
        return [*sides, "--out", str(tmp_path / "out"), "--minutes", str(minutes), *more]

    return _options


def written(out):
    """What a gate has left: as JSON, and its page."""
    return json.loads((out / "gate.json").read_text()), (out / "gate.md").read_text()


@pytest.fixture
def gate(tmp_path, options):
    """Run the command on two sides."""

    def _gate(*more, **sides):
        run = [sys.executable, "-m", "bench.gate", *options(*more, **sides)]
        done = subprocess.run(run, capture_output=True, text=True, check=False, timeout=300)
        out = tmp_path / "out"
        found, page = written(out) if (out / "gate.json").exists() else ({}, done.stderr)
        assert not found or found["exit_code"] == done.returncode, done.stderr
        return done.returncode, found, page

    return _gate


@pytest.fixture
def drawn_gate(tmp_path, options, monkeypatch):
    """The command in this process, whose rounds are drawn: blocks of base, and those of head times a factor."""

    def _gate(*more, noise=0.004, **factors):
        rng = np.random.default_rng(8)

        def measure(orders, logs):
            del logs
            found = []
            for side, order in orders:
                (key,) = (job.case.key for job in order.jobs)
                assert order.control
                slower = {key: factors.get("case", 1.0), "control": factors.get("control", 1.0)}
                blocks = {
                    name: (0, (factor if side == "head" else 1.0) * rng.lognormal(0, noise, 10))
                    for name, factor in slower.items()
                }
                found.append(rounds.Process(side, blocks, {}, {}, {}))
            return found

        monkeypatch.setattr(rounds, "measure", measure)
        code = command.main(options(*more, minutes=5))
        return code, *written(tmp_path / "out")

    return _gate


def test_exit_0_the_same_code_passes_though_so_few_rounds_decide_nothing(gate):
    code, found, page = gate(minutes=0.001)
    assert code == 0, page
    assert found["cases"][0]["verdict"] == "inconclusive"
    assert found["cases"][0]["first"]["pairs"] == 2 * len(found["passes"][0]["base_log_ratios"])
    assert "# Gate: passed" in page


def check_slowdown(code, found, page):
    assert code == 1, page
    case = found["cases"][0]
    assert case["verdict"] == "slower"
    assert case["second"]["low"] > 1.02
    assert case["first"]["ratio"] == pytest.approx(1.2, rel=0.01)
    assert "| slower |" in page


def test_exit_1_a_slowdown_that_is_found_twice_fails(drawn_gate):
    check_slowdown(*drawn_gate(case=1.2))


@pytest.mark.soak
def test_exit_1_a_slowdown_that_processes_have_fails(gate):
    check_slowdown(*gate(head={"factor": 1.2}, minutes=5))


def test_exit_2_usage(gate):
    code, _, page = gate("--minutes", "-1")
    assert code == 2
    assert "--minutes -1.0 must be above 0" in page
    code, _, page = gate("--base", "no-such-commit")
    assert code == 2
    assert "is no interpreter, no folder and no commit" in page
    code, _, page = gate(base={"lacks": "nothing is installed"})
    assert code == 2
    assert "nothing is installed" in page


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("a mistake")])
def test_exit_4_a_gate_that_fails_itself_calls_nothing_slower(tmp_path, monkeypatch, capsys, error):
    monkeypatch.setattr(command.gate_page, "write", mock.Mock(side_effect=error))
    assert command.main(["--base", "no-such-commit", "--out", str(tmp_path)]) == 4
    said = capsys.readouterr().err
    assert str(error) in said
    assert ("Traceback" in said) == isinstance(error, RuntimeError)


def test_exit_3_nothing_that_both_sides_can_run_is_no_pass(gate):
    code, found, page = gate(base={"broken": "not known yet"})
    assert code == 3, page
    assert "not known yet" in next(iter(found["missing_in_base"].values()))
    assert "# Gate: nothing compared" in page


def test_exit_4_a_case_that_fails_on_head(gate):
    code, _, page = gate(head={"broken": "no room for a rabbit"})
    assert code == 4
    assert "no room for a rabbit" in page


def test_exit_4_a_process_that_dies(gate):
    code, _, page = gate(head={"inside": "os._exit(3)"})
    assert code == 4
    assert "ended with 3" in page


def check_disturbed(code, found, page):
    assert code == 4, page
    assert any("contaminated: the control case" in problem for problem in found["problems"])


def test_exit_4_a_disturbed_job_gives_no_verdict(drawn_gate):
    """The control case is slower on head, which no change of the suite can make it."""
    check_disturbed(*drawn_gate(control=1.2))


@pytest.mark.soak
def test_exit_4_a_job_that_is_disturbed_gives_no_verdict(gate):
    slower = (
        "import hashlib; usual = hashlib.blake2b; "
        "hashlib.blake2b = lambda data: [usual(usual(data).digest() + data) for _ in range(30)][0]"
    )
    check_disturbed(*gate(head={"inside": slower}, minutes=5))


def test_an_inconclusive_gate_does_not_pass_where_it_is_strict(drawn_gate):
    code, found, page = drawn_gate("--strict", noise=0.5)
    assert code == 4
    assert found["cases"][0]["verdict"] == "inconclusive"
    assert "minutes a pass would do" in page


def test_memory_beyond_the_limit_fails_and_other_updates_are_reported(gate):
    code, found, page = gate(preset=COUNTED, head={"peak": 2**24 + 2**20, "updates": 120})
    assert code == 0, page
    assert found["memory"][0]["changed"] is False
    assert found["updates"][0]["changed"] is True
    assert "**changed**" in page
    code, found, page = gate(preset=COUNTED, head={"peak": 2**25})
    assert code == 1, page
    assert "1 with more memory" in found["summary"]
