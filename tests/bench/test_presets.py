"""Presets: what is read, and every mistake named before anything is trained."""

import hashlib
import os
from functools import cache
from unittest import mock

import pytest

import tasks
from bench import engines
from bench.case.cases import CELLS, DEVICES, DTYPES, KERNELS, KINDS
from bench.case.regimes import REGIMES
from bench.errors import PlanError, unknown
from bench.plan import planning, presets

GRID = 'task = "cosine"\ncell = "lstm"\nregime = "stateful"\n'
SHIPPED = sorted(presets.available())
ONLY = {"known": {"convergence"}, "variance": {"convergence"}}
"""Kinds of cases in presets that do not have all."""


@pytest.fixture
def write(tmp_path):
    def _write(text, name="own.toml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return _write


def grid(**changes):
    values = {"task": '"cosine"', "cell": '"lstm"', "regime": '"stateful"'} | changes
    return "[[convergence]]\n" + "\n".join(f"{key} = {value}" for key, value in values.items())


def refusal(path, **options):
    with pytest.raises(PlanError) as error:
        presets.load(path, **options)
    return str(error.value)


def test_quick_and_smoke_are_shipped():
    assert {"quick", "smoke"} <= set(SHIPPED)


@cache
def planned(name, device):
    preset = presets.load(name, device=device)
    assert preset.name == name
    # Tasks make the same series each time; here they make it once.
    with mock.patch("tasks.create", cache(tasks.create)):
        return planning.make(preset)


@pytest.mark.parametrize(("name", "device"), [*((name, "cpu") for name in SHIPPED), ("smoke", "gpu"), ("quick", "gpu")])
def test_every_shipped_preset_loads_and_plans(name, device):
    made = planned(name, device)
    assert made.jobs
    assert len({job.case.key for job in made.jobs}) == len(made.jobs)
    assert {job.case.kind for job in made.jobs} == ONLY.get(name, set(KINDS))
    # Without a GPU, configurations that need one are skipped.
    assert {job.case.device for job in made.jobs} == {device}


@pytest.mark.parametrize("name", sorted({"quick", "full"} & set(SHIPPED)))
def test_presets_meant_to_be_read_have_seeds_enough(name):
    least = {"quick": 10, "full": 30}[name]
    for job in planned(name, "cpu").jobs:
        assert job.training.evaluation_seeds >= least


@pytest.mark.parametrize("name", sorted({"quick", "full"} & set(SHIPPED)))
def test_presets_meant_to_be_read_declare_what_they_are_to_decide(name):
    made = planned(name, "cpu")
    cases = {job.case.key: job.case for job in made.jobs}
    assert made.family
    for first, second in made.family:
        assert cases[first] == cases[second].replace(regime=cases[first].regime)
        assert cases[first] != cases[second]


def test_a_users_own_file_is_taken_by_its_path(write):
    text = 'name = "mine"\n[training]\nepochs = 7\n[limits]\nseconds = 12.5\n' + grid(units="[3, 5]", epochs="9")
    preset = presets.load(write(text))
    assert (preset.name, preset.limits.seconds) == ("mine", 12.5)
    assert [(case.units, training.epochs) for case, training in preset.grids] == [(3, 9), (5, 9)]
    assert preset.sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_a_users_own_file_is_named_after_itself_where_it_has_no_name(write):
    assert presets.load(write(grid(), "night.toml")).name == "night"


def test_a_relative_path_is_found_from_where_the_command_is_given(write, tmp_path, monkeypatch):
    write(grid(), "near.toml")
    monkeypatch.chdir(tmp_path)
    assert presets.load("near.toml").name == "near"


def test_a_grid_is_the_product_of_its_lists(write):
    text = grid(cell='["lstm", "gru"]', window="[2, 4, 8]", units="[1, 2]", layers="[1, 2]")
    cases = [case for case, _ in presets.load(write(text)).grids]
    assert len(set(cases)) == len(cases) == 2 * 3 * 2 * 2


def test_a_task_without_a_dial_gets_its_own_default(write):
    found = presets.load(write(grid(task='["lagged_mean", "lagged_mean@4", "cosine"]'))).grids
    assert [(case.task, case.dial) for case, _ in found] == [("lagged_mean", 16), ("lagged_mean", 4), ("cosine", None)]


def test_time_cases_are_repeated_and_repetitions_interleave(write):
    text = grid(units="[1, 2]").replace("convergence", "time")
    for jobs in (presets.load(write(text)).grids, planning.make(presets.load(write(text))).jobs):
        cases = [job.case if hasattr(job, "case") else job[0] for job in jobs]
        assert [(case.units, case.repetition) for case in cases] == [(1, 0), (2, 0), (1, 1), (2, 1)]


MISSPELT = {
    "cell": ("lstn", "lstm", CELLS),
    "regime": ("statefull", "stateful", REGIMES),
    "kernel": ("unroled", "unrolled", KERNELS),
    "dtype": ("flaot32", "float32", DTYPES),
    "task": ("cosin", "cosine", tasks.names()),
}


@pytest.mark.parametrize("dimension", MISSPELT)
def test_an_unknown_name_in_a_grid_is_refused_with_the_nearest_and_all_valid(write, dimension):
    wrong, near, valid = MISSPELT[dimension]
    text = refusal(write(grid(**{dimension: f'"{wrong}"'})))
    assert repr(wrong) in text
    assert f"Did you mean {near!r}?" in text
    assert all(name in text.partition("Valid")[2] for name in valid)
    assert "[[convergence]] number 1 of own.toml" in text


@pytest.mark.parametrize(
    ("regime", "told"),
    [
        ("stateless-burnin@0", "write a whole number from 1 to 999999 behind the @, as in stateless-burnin@8"),
        ("stateful-stale@x", "write a whole number from 1 to 999999 behind the @, as in stateful-stale@8"),
        ("stateful@8", "stateful takes no number; those that do are stateless-burnin and stateful-stale"),
    ],
)
def test_a_number_behind_a_regime_is_refused_where_it_has_none_or_none_of_that_size(write, regime, told):
    assert told in refusal(write(grid(regime=f'"{regime}"')))


@pytest.mark.parametrize(
    ("call", "wrong", "near", "valid"),
    [
        (lambda: presets.load("qick"), "qick", "quick", SHIPPED),
        (lambda: presets.load("quick", engines=("tensorfow",)), "tensorfow", "tensorflow", engines.ENGINES),
        (lambda: engines.create("tensorfow"), "tensorfow", "tensorflow", engines.ENGINES),
        (lambda: presets.load("quick", device="gpus"), "gpus", "gpu", DEVICES),
    ],
    ids=["preset", "engine", "engine-in-a-worker", "device"],
)
def test_an_unknown_name_on_the_command_line_is_refused_with_the_nearest_and_all_valid(call, wrong, near, valid):
    with pytest.raises(PlanError) as error:
        call()
    assert f"{wrong!r}. Did you mean {near!r}?" in str(error.value)
    assert all(name in str(error.value).partition("Valid: ")[2] for name in valid)


def test_a_name_that_is_like_nothing_still_gets_all_valid_ones():
    with pytest.raises(PlanError) as error:
        presets.load("zzzzzz")
    assert "Did you mean" not in str(error.value)
    assert all(name in str(error.value) for name in SHIPPED)


def test_a_name_with_a_further_word_is_another_thing_and_not_a_misspelling():
    valid = ("cell", "dropout", "layers")
    assert "Did you mean" not in str(unknown("key", "recurrent_dropout", valid))
    assert "Did you mean 'dropout'" in str(unknown("key", "drop_out", valid))


MANY = grid(units=str(list(range(1, 1001))), window=str(list(range(1, 1001))), batch_size=str(list(range(1, 1001))))


def test_more_cases_than_anybody_runs_are_refused_before_one_is_made(write):
    text = refusal(write(MANY))
    assert "multiplies to 1,000,000,000 cases, and 20,000 more is what this preset may have" in text
    assert "cases = ... under [limits]" in text
    few = grid(units=str(list(range(1, 200))), window=str(list(range(2, 102))))
    refusal(write(few + "\n" + few))  # together
    assert len(presets.load(write("[limits]\ncases = 40000\n" + few + "\n" + few)).grids) == 2 * 199 * 100


def test_a_file_that_begins_with_the_mark_of_an_editor_is_read(write):
    marked = presets.load(write("\ufeff" + grid()))
    assert marked.grids == presets.load(write(grid())).grids


@pytest.mark.parametrize("name", ["no/such/file", "missing.toml", pytest.param("x/" * 3000, id="too-long")])
def test_a_file_that_is_not_there_is_called_a_file(name):
    text = refusal(name)
    assert f"no preset file at {name!r}"[:90] in text
    assert "quick" in text


@pytest.mark.parametrize(
    ("text", "wrong", "near"),
    [
        (grid(unts="4"), "unts", "units"),
        ("[trainig]\n" + grid(), "trainig", "training"),
        ("[training]\nepoch = 3\n" + grid(), "epoch", "epochs"),
        ("[limits]\nsecond = 3\n" + grid(), "second", "seconds"),
        ('[[memroy]]\ntask = "cosine"', "memroy", "memory"),
        (grid(seconds="3"), "seconds", None),
    ],
)
def test_an_unknown_key_is_refused_with_its_place_and_the_nearest(write, text, wrong, near):
    found = refusal(write(text))
    assert f"unknown key {wrong!r} in " in found
    assert near is None or f"Did you mean {near!r}?" in found
    assert "own.toml" in found


WRONG_VALUES = [
    ("units", "0", "at least 1"),
    ("units", "-4", "at least 1"),
    ("units", "1.5", "whole number"),
    ("units", '"16"', "whole number"),
    ("units", "true", "whole number"),
    ("units", "[4, false]", "whole number"),
    ("window", "0", "at least 1"),
    ("window", "nan", "whole number"),
    ("batch_size", "[8, 0]", "at least 1"),
    ("layers", "0", "at least 1"),
    ("layers", "4", "between 1 and 3"),
    ("family", '"yes"', "true, false or"),
    ("inference", "1", "true or false"),
    ("repetitions", "0", "at least 1"),
    ("repetitions", "[1, 2]", "whole number"),
    ("epochs", "-1", "at least 1"),
    ("epochs", "0", "at least 1"),
    ("epochs", "2.5", "whole number"),
    ("epochs", "true", "number"),
    ("epochs", '"10"', "number"),
    ("epochs", "inf", "finite number"),
    ("tuning_seeds", "0", "at least 1"),
    ("evaluation_seeds", "0", "at least 1"),
    ("scored_targets", "1", "at least 2"),
    ("cadence", "0", "at least 0.01"),
    ("hold", "0", "at least 1"),
    ("folds", "0", "at least 1"),
    ("burn_in", "-0.5", "at least 0"),
    ("cores", "-1", "at least 0"),
    ("cores", "1000000", "at most "),
    ("burn_in", "false", "number"),
    ("dropout", "1.0", "at least 0 and below 1"),
    ("dropout", "-0.1", "at least 0 and below 1"),
    ("dropout", "true", "number"),
    ("stop", '"never"', "Valid: budget, target"),
    ("stop", "1", "Valid: budget, target"),
    ("learning_rates", "[]", "numbers above 0"),
    ("learning_rates", "[0.01, 0.0]", "numbers above 0"),
    ("learning_rates", "[-0.01]", "numbers above 0"),
    ("learning_rates", '["0.01"]', "number"),
    ("learning_rates", "[true]", "number"),
    ("cell", "1", "Valid"),
    ("cell", '["lstm", ["gru"]]', "Valid"),
    ("task", '"lagged_mean@many"', "dial of task 'lagged_mean': 'many' is no number"),
    ("task", '"lagged_mean@0.5"', r"dial N=0.5 of task 'lagged_mean' is not valid; write lagged_mean@16: N is a whole"),
    ("task", '"lagged_mean@4,8"', r"dial (4, 8) of task 'lagged_mean' is 2 of 1"),
    ("task", '"lagged_mean@M=4"', "task 'lagged_mean' has no dial 'M'; write lagged_mean@16: N is"),
    ("task", '"lagged_mean@0"', "whole number from 1"),
    ("task", '"lagged_mean@1025"', "whole number from 1 to 1024"),
    ("task", '"cosine@3"', "has no dial"),
    ("task", "3", "no task '3'"),
    ("repetitions", "true", "whole number"),
    ("dropout", "nan", "finite number"),
    ("burn_in", "nan", "finite number"),
    ("burn_in", "inf", "finite number"),
    ("learning_rates", "[nan]", "finite number"),
    ("learning_rates", "[inf]", "finite number"),
    ("stop", '["target"]', "Valid: budget, target"),
    ("units", "[]", "units"),
    ("units", "65537", "between 1 and 65,536"),
    ("window", "9223372036854775808", "between 1 and 1,048,576"),
    ("units", f"0x{'f' * 6000}", "between 1 and 65,536"),
    ("repetitions", "9223372036854775808", "between 1 and 1,000"),
    ("epochs", f"1{'0' * 400}", "at most 1,000,000"),
    ("evaluation_seeds", "10000", "at most 9,999"),
    ("learning_rates", str([0.1] * 101), "one to 100"),
    ("learning_rates", "[1e9]", "at most 1,000"),
    ("task", f'"{"x" * 5000}"', "must be the name of a task"),
    ("task", '"lagged_mean@²"', "whole number"),
    ("cell", f'"{"x" * 5000}"', "Valid: "),
    ("cell", f"0x{'f' * 6000}", "Valid: "),
    ("units", f"{'[' * 60}1{']' * 60}", "whole number"),
]


@pytest.mark.parametrize(
    ("key", "value", "valid"),
    WRONG_VALUES,
)
def test_a_wrong_value_is_refused_naming_it_and_what_is_valid(write, key, value, valid):
    with pytest.raises(PlanError) as error:
        planning.make(presets.load(write(grid(**{key: value}))))
    text = str(error.value)
    assert key in text or key == "task"
    assert valid in text
    assert "own.toml" in text
    assert len(text) < 1000


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seconds", "0"),
        ("seconds", '"1"'),
        ("memory_mib", "1.5"),
        ("workers", "-1"),
        ("workers", "true"),
        ("seconds", "nan"),
    ],
)
def test_a_wrong_limit_is_refused(write, key, value):
    text = refusal(write(f"[limits]\n{key} = {value}\n" + grid()))
    assert f"{key} " in text
    assert "[limits] of own.toml" in text


@pytest.mark.parametrize("missing", ["task", "cell", "regime"])
def test_a_grid_must_say_what_it_compares(write, missing):
    text = "\n".join(line for line in grid().splitlines() if not line.startswith(missing))
    assert f"number 1 of own.toml lacks {missing!r}" in refusal(write(text))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "names no cases"),
        ("[training]\nepochs = 3", "names no cases"),
        (grid().replace("[[", "[").replace("]]", "]"), "must be written [[convergence]]"),
        ("training = 3\n" + grid(), "must be a table"),
        ("limits = [1]\n" + grid(), "must be a table"),
        ("[[convergence]\n", "is not valid TOML"),
        ("time = [1, 2]", "own.toml"),
        (f"name = {'[' * 3000}{']' * 3000}", "deeper than can be read"),
        (f"[training]\nepochs = {'9' * 5000}\n" + grid(), "is not valid TOML"),
        ("name = 3\n" + grid(), "name 3 in own.toml must be a text"),
        (f'description = "{"x" * 2000}"\n' + grid(), "must be a text of at most 1000 characters"),
        ("#" * 2**20 + "\n" + grid(), "is longer than 1,048,576 bytes"),
    ],
)
def test_a_file_of_another_shape_is_refused(write, text, says):
    assert says in refusal(write(text))


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "own.toml"
    path.write_bytes(b"\xff\xfe\x00" + os.urandom(8))
    assert f"{path} is not valid TOML" in refusal(str(path))


@pytest.mark.parametrize(
    ("family", "says"),
    [
        ('"yes"', "'yes' .* true, false or a list such as"),
        ("[1]", r"\[1\] .* true, false or a list"),
        ('["stateful"]', "'stateful' .* must name two regimes, as in 'stateful / stateless'"),
        ('["stateful / stateful"]', "must name two regimes"),
        ('["statefull / stateless"]', "'statefull'.*stateful"),
        ('["stateless-burnin / stateless"]', "no regime 'stateless-burnin'; add it to 'regime'"),
    ],
)
def test_a_family_that_declares_nothing_sensible_is_refused(write, family, says):
    grid = f'[[convergence]]\ntask = "cosine"\ncell = "lstm"\nregime = ["stateful", "stateless"]\nfamily = {family}\n'
    with pytest.raises(PlanError, match=says):
        presets.load(str(write(grid)))
