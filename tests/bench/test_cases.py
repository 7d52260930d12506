"""A case and its id say the same thing."""

import json
from dataclasses import asdict, fields

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.case.cases import CELLS, DEVICES, DTYPES, KERNELS, KINDS, Case, Training
from bench.case.regimes import REGIMES

COUNTS = st.integers(1, 10**6)
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True)
# Names that could be read as another part of an id.
DIALS = st.integers(0, 1024) | st.floats(1e-6, 1024)
TRICKY = st.sampled_from([*CELLS, *KERNELS, *DEVICES, *DTYPES, "on_cpu", "u4", "l2", "stateful"])

cases = st.builds(
    Case,
    kind=st.sampled_from(KINDS),
    task=NAMES | TRICKY,
    dial=st.none() | DIALS | st.lists(DIALS, min_size=2, max_size=4).map(tuple),
    cell=st.sampled_from(CELLS),
    regime=st.sampled_from(list(REGIMES)),
    layers=st.integers(1, 12),
    units=COUNTS,
    window=COUNTS,
    batch_size=COUNTS,
    kernel=st.sampled_from(KERNELS),
    engine=st.sampled_from(["tensorflow", "torch", "jax_cpu"]) | NAMES | TRICKY,
    device=st.sampled_from(DEVICES),
    dtype=st.sampled_from(DTYPES),
    repetition=st.integers(0, 20),
)
rates = st.floats(1e-8, 10, allow_nan=False)
trainings = st.builds(
    Training,
    learning_rates=st.lists(rates, min_size=1, max_size=4).map(tuple),
    folds=COUNTS,
    tuning_seeds=COUNTS,
    further_rates=st.integers(0, 5),
    evaluation_seeds=COUNTS,
    epochs=COUNTS,
    stop=st.sampled_from(["target", "budget"]),
    scored_targets=COUNTS.filter(lambda count: count > 1),
    cadence=st.floats(0.01, 2),
    hold=COUNTS,
    burn_in=st.floats(0, 9),
    dropout=st.floats(0, 0.99),
)


@given(cases)
def test_a_case_is_rebuilt_from_its_id(case):
    assert Case.from_id(case.kind, case.id) == case


@given(cases, cases)
def test_two_cases_share_a_key_only_if_they_are_equal(one, other):
    assert (one.key == other.key) == (one == other)


@given(cases, st.sampled_from([item.name for item in fields(Case)]), cases)
def test_changing_any_one_field_changes_the_key(case, name, other):
    changed = case.replace(**{name: getattr(other, name)})
    assert (changed.key == case.key) == (changed == case)


@given(cases)
def test_an_id_can_be_a_file_name_and_a_test_id(case):
    assert not set(case.id) & set("/\\ \t\n[]:'\"")


@given(cases)
def test_a_case_survives_json(case):
    assert msgspec.json.decode(json.dumps(case.to_dict()), type=Case) == case


@given(cases)
def test_fields_of_a_later_schema_are_left_aside(case):
    assert msgspec.convert(case.to_dict() | {"colour": "red"}, Case) == case


@given(trainings)
def test_training_settings_survive_json(training):
    assert msgspec.json.decode(json.dumps(asdict(training)), type=Training) == training


def test_an_id_leaves_out_what_equals_its_default():
    case = Case("time", "electricity", None, "lstm", "stateful", 1, 16, 48, 1)
    assert case.id == "electricity-lstm-stateful-u16-L48-b1"
    assert case.key == "time/electricity-lstm-stateful-u16-L48-b1"
    everything = Case("time", "recall", 8, "gru", "stateless", 2, 3, 4, 5, "xla", "torch", "gpu", "float64", 6)
    assert everything.id == "recall@8-gru-stateless-l2-u3-L4-b5-xla-on_torch-gpu-float64#6"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "electricity",
        "electricity-lstm-stateful-u16-L48",
        "electricity-lstm-stateful-u-L48-b1",
        "electricity-lstn-stateful-u16-L48-b1",
        "electricity-lstm-stateful-u16-L48-b1-tpu",
        "electricity-lstm-stateful-u16-L48-b1 ",
        "electricity@-lstm-stateful-u16-L48-b1",
        "electricity-lstm-stateful-u16-L48-b1#",
    ],
)
def test_what_is_no_id_is_refused_showing_one(text):
    with pytest.raises(ValueError, match=r"is no case id; one looks like electricity-lstm-stateful-u16-L48-b1"):
        Case.from_id("time", text)
