"""The plan: what runs in which order, what is refused, what is left out."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench.case.cases import Training
from bench.errors import PlanError
from bench.measure import workload
from bench.plan import planning, presets
from tasks.cosine import Cosine

ROOT = Path(__file__).parents[2]


@pytest.fixture
def preset(tmp_path):
    def _preset(text, **options):
        path = tmp_path / "own.toml"
        path.write_text(text, encoding="utf-8")
        return presets.load(str(path), **options)

    return _preset


def grid(kind="convergence", **changes):
    values = {"task": '"cosine"', "cell": '"lstm"', "regime": '"stateful"'} | changes
    return f"[[{kind}]]\n" + "\n".join(f"{key} = {value}" for key, value in values.items()) + "\n"


def refusal(made):
    with pytest.raises(PlanError) as error:
        planning.make(made)
    text = str(error.value)
    assert text.startswith("own.toml asks for cases that cannot be run; nothing was trained:\n")
    return text


def test_convergence_comes_first_and_time_last_whatever_the_order_in_the_file(preset):
    text = grid("memory", kernel='"loop"') + grid("time", kernel='"loop"') + grid()
    kinds = [job.case.kind for job in planning.make(preset(text)).jobs]
    assert kinds == ["convergence", "memory", "time", "time"]


def test_repetitions_of_all_time_grids_interleave(preset):
    text = grid("time", kernel='"loop"', units="[1, 2]") + grid("time", kernel='"xla"', units="3")
    jobs = planning.make(preset(text)).jobs
    assert [(job.case.units, job.case.repetition) for job in jobs] == [(1, 0), (2, 0), (3, 0), (1, 1), (2, 1), (3, 1)]


def test_a_case_named_twice_with_the_same_settings_runs_once(preset):
    assert len(planning.make(preset(grid() + grid(units="[16, 4]"))).jobs) == 2


def test_a_case_named_twice_with_different_settings_is_refused(preset):
    text = refusal(preset(grid(epochs="3") + grid(epochs="4")))
    assert "convergence/cosine-lstm-stateful-u16-L16-b8" in text
    assert "two grids with different training settings" in text


def longest(text):
    return int(re.search(r"up to window (\d+)", text)[1])


def test_a_window_longer_than_the_series_is_refused_naming_the_longest(preset):
    text = refusal(preset(grid(window="[16, 900]", regime='"stateless"', batch_size="1")))
    assert "window 900 is longer" in text
    assert "L900" in text
    assert "L16-" not in text
    most = longest(text)
    assert planning.make(preset(grid(window=most, regime='"stateless"', batch_size="1"))).jobs
    assert longest(refusal(preset(grid(window=most + 1, regime='"stateless"', batch_size="1")))) == most


@pytest.mark.parametrize("window", [300, 900])
def test_the_longest_window_named_for_the_burn_in_arm_is_the_longest(preset, window):
    arm = {"regime": '"stateless-burnin"', "batch_size": "1"}
    most = longest(refusal(preset(grid(window=window, **arm))))
    assert planning.make(preset(grid(window=most, **arm))).jobs
    refusal(preset(grid(window=most + 1, **arm)))


def test_a_batch_larger_than_an_epoch_is_refused_naming_the_largest(preset):
    text = refusal(preset(grid(batch_size="4096")))
    assert "batch size 4096 leaves no whole batch" in text
    most = int(re.search(r"at most (\d+)", text)[1])
    assert planning.make(preset(grid(batch_size=most))).jobs
    refusal(preset(grid(batch_size=most + 1)))


def test_every_reason_is_listed_at_once(preset):
    text = refusal(preset(grid(window="900") + grid(batch_size="4096") + grid("time", kernel='"unrolled"', window=300)))
    assert len(text.splitlines()) == 4


def test_unrolling_has_a_bound(preset):
    assert planning.make(preset(grid("time", kernel='"unrolled"', window="256", batch_size="1"))).jobs
    text = refusal(preset(grid("time", kernel='"unrolled"', window="257", batch_size="1")))
    assert "unrolling 257 steps is beyond 256" in text
    assert "loop or xla" in text


def test_cudnn_on_a_cpu_is_left_out_with_a_reason(preset):
    made = planning.make(preset(grid("memory", kernel='["loop", "cudnn"]')))
    assert [job.case.kernel for job in made.jobs] == ["loop"]
    ((case, reason),) = made.left_out
    assert case.kernel == "cudnn"
    assert "DEVICE=gpu" in reason


def test_cudnn_on_a_gpu_is_left_out_for_cells_it_does_not_know(preset):
    text = grid("memory", kernel='"cudnn"', cell='["lstm", "gru", "gru_reset_before", "simple_rnn"]')
    made = planning.make(preset(text, device="gpu"))
    assert [job.case.cell for job in made.jobs] == ["lstm", "gru"]
    assert {case.cell: reason for case, reason in made.left_out} == {
        cell: f"cuDNN has no {cell}: it knows lstm and gru (with reset_after)"
        for cell in ("gru_reset_before", "simple_rnn")
    }


@pytest.mark.parametrize("regime", ["stateful-injected", "stateful-h-only", "stateful-stale@8", "noise-state"])
def test_what_fit_cannot_do_to_a_state_is_left_out_with_a_reason(preset, regime):
    made = planning.make(preset(grid("time", kernel='["fit", "loop"]', regime=f'"{regime}"')))
    assert {job.case.kernel for job in made.jobs} == {"loop"}
    assert {reason for _, reason in made.left_out} == {
        f"Keras' fit sets no state between batches: run {regime} with another kernel, such as loop"
    }


def test_a_burn_in_of_any_length_is_an_axis(preset):
    made = planning.make(preset(grid(regime='["stateless-burnin@2", "stateless-burnin@40", "stateless-burnin"]')))
    schedules = [workload.build(job.case, job.training).schedule for job in made.jobs]
    assert [schedule.steps - schedule.window for schedule in schedules] == [2, 40, 16]
    assert [schedule.targets_per_window for schedule in schedules] == [16, 16, 16]


def test_a_declared_comparison_whose_other_arm_is_in_no_grid_is_refused_naming_it(preset):
    with pytest.raises(PlanError) as error:
        planning.make(preset(grid(family="true", units="[2, 3]") + grid(regime='"stateless"', units="2")))
    assert str(error.value) == (
        "own.toml declares comparisons whose other arm is not planned:\n"
        "  convergence/cosine-lstm-stateless-u3-L16-b8 beside convergence/cosine-lstm-stateful-u3-L16-b8: no grid has "
        "it; add 'stateless' to a grid with this setting, or take the comparison out of 'family'"
    )


def test_a_declared_comparison_whose_other_arm_is_left_out_is_refused_with_that_reason(preset, monkeypatch):
    monkeypatch.setattr("bench.engines.find_spec", lambda _: True)
    text = grid(regime='["stateful", "stateful-h-only"]', family='["stateful / stateful-h-only"]')
    assert planning.make(preset(text)).family
    with pytest.raises(PlanError, match=r"run stateful-h-only with ENGINE=tensorflow, or take the comparison out"):
        planning.make(preset(text, engines=("jax",)))


def test_a_repetition_is_declared_by_no_family(preset):
    made = planning.make(preset(grid(regime='["stateful", "stateless"]', family="true", repetitions="3")))
    assert len(made.jobs) == 6
    assert made.family == [
        ("convergence/cosine-lstm-stateful-u16-L16-b8", "convergence/cosine-lstm-stateless-u16-L16-b8")
    ]


def test_what_older_runs_did_not_know_is_no_part_of_their_fingerprint(preset, monkeypatch):
    base = planning.make(preset(grid())).sha256
    assert planning.make(preset("[training]\ndraws = 0\norders = 1\n" + grid())).sha256 == base
    assert planning.make(preset("[training]\norders = 2\n" + grid())).sha256 != base
    # As it was made before there were these settings.
    before = {name: value for name, value in vars(Training()).items() if name not in ("draws", "orders")}
    monkeypatch.setattr(planning, "vars", lambda _: before, raising=False)
    assert planning.make(preset(grid())).sha256 == base


def test_the_fingerprint_follows_cases_and_settings_and_nothing_else(preset):
    base = planning.make(preset(grid())).sha256
    assert planning.make(preset('description = "other words"\n[limits]\nworkers = 1\n' + grid())).sha256 == base
    assert planning.make(preset(grid(units="17"))).sha256 != base
    assert planning.make(preset(grid(epochs="51"))).sha256 != base


ARMS = '["stateful", "stateless", "stateless-ordered"]'


def test_the_family_pairs_a_declared_stateful_case_with_the_stateless_one_alike_in_all_else(preset):
    text = grid(regime=ARMS, units="[2, 3]", family="true") + grid(regime=ARMS, units="5")
    made = planning.make(preset(text))
    assert made.family == [
        (f"convergence/cosine-lstm-stateful-u{units}-L16-b8", f"convergence/cosine-lstm-stateless-u{units}-L16-b8")
        for units in (2, 3)
    ]


def test_a_grid_that_trains_to_no_target_declares_nothing(preset):
    with pytest.raises(PlanError, match=r"'family' .*\[\[time\]\] number 1 of own.toml"):
        preset(grid("time", regime=ARMS, kernel='"loop"', family="true"))


def test_a_partner_may_come_from_another_grid(preset):
    assert len(planning.make(preset(grid(family="true") + grid(regime='"stateless"'))).family) == 1


def test_any_two_regimes_can_be_declared(preset):
    family = '["stateful / stateless", "stateless-ordered / stateless"]'
    made = planning.make(preset(grid(regime=ARMS, family=family)))
    assert sorted(tuple(key.split("-u")[0].split("lstm-")[1] for key in pair) for pair in made.family) == [
        ("stateful", "stateless"),
        ("stateless-ordered", "stateless"),
    ]


def test_a_comparison_declared_twice_is_one(preset):
    text = grid(regime=ARMS, family="true") + grid(regime=ARMS, family='["stateful/stateless"]')
    assert len(planning.make(preset(text)).family) == 1


def test_to_declare_a_family_makes_another_plan(preset):
    plans = [planning.make(preset(grid(regime=ARMS, family=value))) for value in ("true", "false")]
    assert plans[0].sha256 != plans[1].sha256


def test_no_framework_and_nothing_else_that_takes_long_is_imported_to_plan_a_run_or_to_watch_it():
    code = (
        "import sys, bench.conftest as c; c.planning.make(c.presets.load('smoke'));"
        "assert not {'tensorflow', 'keras', 'torch', 'jax', 'scipy.optimize', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_scored_targets_are_held_out_distinct_and_from_end_to_end(case, training):
    load = workload.build(case, replace(training, scored_targets=100))
    rows = load.task.series().scored_rows
    assert len(set(load.positions)) == 100
    assert (load.positions[0], load.positions[-1]) == (rows[0], rows[-1])
    gaps = {int(gap) for gap in load.positions[1:] - load.positions[:-1]}
    assert max(gaps) - min(gaps) <= 1


def test_no_more_targets_are_scored_than_there_are(case, training):
    load = workload.build(case, replace(training, scored_targets=10**6))
    assert list(load.positions) == list(load.task.series().scored_rows)


def test_every_arm_is_evaluated_after_the_same_updates(case, training):
    seen = {
        workload.build(case.replace(regime=regime), training).looks
        for regime in ("stateless", "stateful", "stateless-ordered")
    }
    (looks,) = seen
    load = workload.build(case, training)
    assert looks[-1] == load.budget == training.epochs * load.schedule.updates_per_epoch
    assert load.updates_in_call <= load.schedule.updates_per_epoch


def test_the_burn_in_is_a_multiple_of_the_window_and_only_for_its_arm(case):
    settings = Training(burn_in=2.5)
    assert workload.build(case.replace(regime="stateless-burnin"), settings).schedule.burn_in == 10
    assert workload.build(case.replace(regime="stateless"), settings).schedule.burn_in == 0


def test_a_block_holds_as_many_replicates_as_wanted_but_bounded_in_number_and_memory(case, training, monkeypatch):
    load = workload.build(case, training)
    assert load.replicates_in_block(5) == 5
    assert load.replicates_in_block(10**6) == workload.MOST_REPLICATES
    monkeypatch.setattr(workload, "BLOCK_BYTES", 3 * load.bytes_per_replicate)
    assert load.replicates_in_block(5) == 3
    monkeypatch.setattr(workload, "BLOCK_BYTES", 1)
    assert load.replicates_in_block(5) == 1


def test_a_broken_task_is_refused_with_its_line_and_blocks_no_other(preset, monkeypatch):
    monkeypatch.setattr(Cosine, "trivial", float("nan"))
    workload._task_of.cache_clear()
    with pytest.raises(PlanError, match=r"task 'cosine'.*cosine\.py, line \d+: trivial is nan"):
        planning.make(preset(grid()))
    planning.make(preset(grid(task='"co2"')))
    workload._task_of.cache_clear()


def test_a_plan_knows_the_data_of_its_tasks(preset):
    made = planning.make(preset(grid()))
    assert set(made.data) == {"cosine"}
    assert replace(made, data={"cosine": "other"}).sha256 != made.sha256


@pytest.mark.parametrize(
    ("family", "message"),
    [
        ('["stateless / stateful"]', r"turned round it is one: 'stateful / stateless'"),
        ('["stateless-burnin / stateless-ordered"]', r"is no comparison that a report forms; valid are"),
    ],
)
def test_a_declared_comparison_that_no_report_forms_is_refused(preset, family, message):
    with pytest.raises(PlanError, match=message):
        preset(grid(regime='["stateless", "stateful", "stateless-burnin", "stateless-ordered"]', family=family))
