"""Engines as far as they are known without their framework: is it there, what it offers, which kernel a text names."""

import os
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest
from engine_builders import work

from bench import engines
from bench.case.cases import Case
from bench.engines import backend, base, hlo
from bench.engines.tensorflow.layers import LayerTrainer
from bench.errors import PlanError
from bench.plan import planning, presets

ROOT = Path(__file__).parents[2]
OTHERS = ("jax", "torch")
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def case(engine, kernel="loop", cell="lstm", kind="time", device="cpu", regime="stateful"):
    return Case(kind, "cosine", None, cell, regime, 1, 4, 4, 8, kernel, engine, device)


@pytest.fixture
def nothing_installed(monkeypatch):
    monkeypatch.setattr(engines, "find_spec", lambda name: None if name in OTHERS else find_spec(name))


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize(
    "ask", [engines.create, lambda name: presets.load("smoke", engines=(name,))], ids=["load", "plan"]
)
def test_an_engine_that_is_not_installed_names_what_installs_it(name, ask):
    with pytest.raises(PlanError) as error:
        ask(name)
    assert f"needs {name}, not installed" in str(error.value)
    assert f"pip install 'statebench[{name}]'" in str(error.value)
    assert f"make bench ENGINE={name}" in str(error.value)


@pytest.mark.parametrize("name", ["tensorflow", *OTHERS])
def test_an_extra_of_its_name_brings_what_an_engine_needs_with_bounds(name):
    required = {requirement.partition(">=")[0]: requirement for requirement in EXTRAS[name]}
    assert set(required) == set(engines.ENGINES[name].needs)
    assert all(">=" in requirement and "<" in requirement for requirement in required.values())


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_make_installs_an_engine_into_an_environment_of_its_own(name, device, tmp_path):
    command = [
        "make",
        "-n",
        "-f",
        str(ROOT / "Makefile"),
        "bench",
        f"ENGINE={name}",
        f"DEVICE={device}",
        "PRESET=smoke",
    ]
    for needed in ("requirements.lock", "pyproject.toml"):
        (tmp_path / needed).touch()
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    folder = f".venv{'-gpu' if device == 'gpu' else ''}-{name}"
    extra = f"{name}-cuda" if device == "gpu" else name
    assert f"--constraint requirements.lock --editable '.[{extra}]'" in said
    assert f"{folder}/bin/python -m bench" in said
    assert extra in EXTRAS


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (case("jax", "xla"), "engine jax has no kernel 'xla', only replicated, loop, unrolled, cudnn, native: XLA"),
        (case("torch", "unrolled"), "engine torch has no kernel 'unrolled', only replicated, loop, cudnn, native, "),
        (case("tensorflow", "native"), "fit: TensorFlow's recurrent layers are Keras'"),
        (case("jax", "cudnn", "gru", device="gpu"), "engine jax has 'cudnn' for lstm alone, not for gru"),
        (case("torch", "native", "gru_reset_before"), "'native' for lstm and gru and simple_rnn alone, not for gru_r"),
        (case("torch", "native_compiled"), "PyTorch 2.13 cannot compile what oneDNN runs"),
        (
            case("jax", regime="stateful-h-only"),
            "engine jax carries a state as a whole: run stateful-h-only with ENGINE",
        ),
    ],
)
def test_what_an_engine_has_not_is_left_out_with_a_reason(asked, reason):
    assert reason in engines.lacks(asked)


@pytest.mark.parametrize(
    "asked",
    [
        case("jax", "unrolled"),
        case("jax", "native", "gru_reset_before"),
        case("torch", "native", "simple_rnn"),
        case("torch", "native_compiled", "gru"),
        case("torch", "native_compiled", device="gpu"),
        case("jax", "cudnn", device="gpu"),
        case("torch", "cudnn", "gru", device="gpu"),
        case("jax", kind="memory"),
        case("torch", kind="memory"),
        case("tensorflow", "xla"),
        case("tensorflow", kind="memory"),
    ],
)
def test_what_an_engine_has_is_not_left_out(asked):
    assert engines.lacks(asked) is None


def test_a_shipped_preset_is_planned_for_another_engine_and_says_what_it_leaves_out(monkeypatch):
    monkeypatch.setattr(engines, "find_spec", lambda _: True)
    made = planning.make(presets.load("smoke", engines=("torch",)))
    assert {job.case.kind for job in made.jobs} == {"convergence", "time", "memory"}
    assert {job.case.kernel for job in made.jobs} == {"replicated", "loop"}
    assert {one.kernel for one, _ in made.left_out if one.kind == "time"} == {"unrolled", "xla", "cudnn"}


def test_keras_backend_does_not_change_within_a_process():
    backend.choose("tensorflow")
    with pytest.raises(RuntimeError, match="Keras runs on tensorflow in this process and cannot change to jax"):
        backend.choose("jax")


def test_the_users_keras_backend_does_not_decide_which_engine_runs(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.delitem(sys.modules, "keras")
    backend.choose("jax")
    assert os.environ["KERAS_BACKEND"] == "jax"


def test_adam_is_that_of_keras_on_tensorflow():
    rng = np.random.default_rng(0)
    start, rate = rng.normal(size=5), 2**-6
    variable, optimizer = keras.Variable(start, dtype="float64"), keras.optimizers.Adam(rate)
    optimizer.build([variable])
    weight, moments = start, (np.zeros(5), np.zeros(5))
    for step in range(1, 30):
        gradient = rng.normal(size=5)
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        weight, moments = base.adam(weight, gradient, moments, np.float64(step), rate)
    np.testing.assert_allclose(weight, variable.numpy(), rtol=1e-13)


PROGRAM = """HloModule jit_segment

%step (p: f32[2]) -> f32[2] {{
  %product = f32[2]{{0}} {product}
}}

%inner (p: f32[2]) -> f32[2] {{
  %p = f32[2]{{0}} parameter(0)
  {inner}
}}

%more (p: f32[2]) -> pred[] {{
  ROOT %less = pred[] compare(%i, %n), direction=LT
}}

ENTRY %main (p: f32[2]) -> f32[2] {{
  %p = f32[2]{{0}} parameter(0)
  %updates = (s32[], f32[2]{{0}}) while(%p), condition=%more, body=%inner
  %evaluation = (s32[], f32[2]{{0}}) while(%p), condition=%more, body=%step
}}
"""
LOOP = "%steps = (s32[], f32[2]{0}) while(%p), condition=%more, body=%step"
DOT = "dot(%a, %b), lhs_contracting_dims={1}, rhs_contracting_dims={0}"
BATCHED = "dot(%a, %b), lhs_batch_dims={0}, lhs_contracting_dims={2}, rhs_batch_dims={0}, rhs_contracting_dims={1}"
CUBLAS = 'custom-call(%a, %b), custom_call_target="__cublas$gemm", backend_config={"lhs_batch_dimensions":["0"]}'
RANDOM = "%bits = (s32[], u32[8,6]{1,0}) while(%p), condition=%more, body=%more\n  "
CALLED = "ROOT %done = f32[2]{0} fusion(%p), kind=kLoop, calls=%step"
FORWARD = 'custom-call(%p), custom_call_target="cudnn_rnn_ffi", operand_layout_constraints={f32[2]{0}}'
BOTH = f'%forward = f32[2] {FORWARD}\n  %back = f32[2] custom-call(%p), custom_call_target="cudnn_rnn_bwd_ffi"'


@pytest.mark.parametrize(
    ("inner", "product", "kernel"),
    [
        (LOOP, DOT, "loop"),
        (LOOP, DOT + ', metadata={op_name="jit(f)/while/body/native_step/dot_general"}', "native"),
        # Of a single window XLA makes sums and no product.
        (LOOP, 'fusion(%p), kind=kLoop, metadata={op_name="jit(f)/while/body/native_step/reduce_sum"}', "native"),
        (LOOP, BATCHED, "replicated"),
        (LOOP, CUBLAS, "replicated"),
        (CALLED, DOT, "unrolled"),
        (RANDOM + CALLED, DOT, "unrolled"),
        (BOTH, DOT, "cudnn"),
        # Without a backward pass by cuDNN it is not cuDNN that trains.
        (f"%forward = f32[2] {FORWARD}", DOT, "unrolled"),
    ],
)
def test_a_kernel_is_read_from_the_text_of_a_program(inner, product, kernel):
    assert hlo.kernel_seen(PROGRAM.format(inner=inner, product=product), replicates=2)[0] == kernel


@pytest.mark.parametrize("product", [BATCHED, CUBLAS])
def test_one_model_is_no_block_of_them_though_xla_splits_its_products(product):
    assert hlo.kernel_seen(PROGRAM.format(inner=LOOP, product=product), replicates=1)[0] == "loop"


def test_loops_and_what_they_start_are_counted_where_they_stand():
    counts = hlo.count_ops(PROGRAM.format(inner=LOOP, product=DOT))
    assert (counts["while"], counts["nested loops"], counts["dot"]) == (3, 1, 2)
    # Of a step its product and the loop's comparison; of an update the comparison, and what the other loop holds.
    assert (counts[hlo.STEP_OPS], counts[hlo.UPDATE_OPS]) == (2, 3)


def test_a_fusion_is_started_once_whatever_it_holds():
    counts = hlo.count_ops(PROGRAM.format(inner=CALLED, product=DOT))
    assert (counts[hlo.STEP_OPS], counts[hlo.UPDATE_OPS]) == (0, 4)


def test_a_loop_is_seen_in_a_program_that_xla_compiled():
    trainer = LayerTrainer(work("lstm", 1, replicates=1, dtype="float32"), "xla")
    text = trainer.compiled.experimental_get_compiler_ir(*trainer.arguments(np.zeros((0, 1, 2))))(stage="optimized_hlo")
    seen, evidence = hlo.kernel_seen(text, 1)
    assert seen == "loop"
    assert evidence["nested loops"] >= 2  # forward and backward
