"""Engines by name, and what can be said of each before its framework is imported; importing this imports none."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec

from bench.case.cases import Case
from bench.case.regimes import regime_of
from bench.engines.base import Engine
from bench.errors import PlanError, unknown


@dataclass(frozen=True)
class Known:
    """What planning must know of an engine.

    Attributes
    ----------
    module
        The module whose `ENGINE` it is.
    needs
        Packages that it imports; an extra of the engine's name installs them.
    kernels
        Kernels that it offers; empty for all.
    why_no_other
        Why it has no others.
    cells
        Cells that a kernel exists for, by its name; a kernel that is not named exists for all.
    dtypes
        Dtypes that it computes in; empty for all.
    parts_state
        Whether h can be carried without c.
    resident_mib
        Main memory that a process takes with its framework imported and something small compiled, in MiB.
    workspace
        Bytes that it takes for each byte that the arrays of a case have: copies, arenas, what it works in.
    """

    module: str
    needs: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()
    why_no_other: str = ""
    cells: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"cudnn": ("lstm", "gru")})
    dtypes: tuple[str, ...] = ()
    parts_state: bool = False
    resident_mib: int = 1024
    workspace: int = 2


TORCH_LAYERS = ("lstm", "gru", "simple_rnn")
"""PyTorch's GRU is Keras' with `reset_after=True`."""

ENGINES: dict[str, Known] = {
    "tensorflow": Known(
        "bench.engines.tensorflow",
        ("tensorflow", "keras"),
        kernels=("replicated", "loop", "loop_implementation_1", "unrolled", "xla", "xla_unrolled", "cudnn", "fit"),
        why_no_other="TensorFlow's recurrent layers are Keras'",
        parts_state=True,
        resident_mib=980,
    ),
    "jax": Known(
        "bench.engines.jax",
        ("jax", "keras"),
        kernels=("replicated", "loop", "unrolled", "cudnn", "native"),
        why_no_other="XLA compiles every one of them",
        cells={"cudnn": ("lstm",)},
        dtypes=("float32", "float64"),
        resident_mib=520,
    ),
    "torch": Known(
        "bench.engines.torch",
        ("torch", "keras"),
        kernels=("replicated", "loop", "cudnn", "native", "native_compiled"),
        why_no_other="PyTorch runs Keras' layers step after step, and XLA has no part in it",
        cells={"cudnn": ("lstm", "gru"), "native": TORCH_LAYERS, "native_compiled": TORCH_LAYERS},
        dtypes=("float32", "float64"),
        resident_mib=830,
        workspace=4,
    ),
}


def named(text: str) -> tuple[str, ...]:
    """Engines of a list such as ``"jax,tensorflow"``, in the order of `ENGINES` whatever theirs is.

    One order, so that the same engines make the same plan and the same run.

    Raises
    ------
    bench.errors.PlanError
        Naming an engine that is unknown or named twice, and those there are.
    """
    asked = [name.strip() for name in text.split(",")]
    for name in asked:
        if name not in ENGINES:
            raise unknown("engine", name, ENGINES)
        if asked.count(name) > 1:
            raise PlanError(f"engine {name!r} is named twice in {text!r}: name each once")
    return tuple(name for name in ENGINES if name in asked)


def check(names: Sequence[str]) -> None:
    """Check that engines exist and that their packages are installed, importing none of them.

    Raises
    ------
    bench.errors.PlanError
        Naming the engines there are, or the packages that are missing and how to install them.
    """
    for name in names:
        if name not in ENGINES:
            raise unknown("engine", name, ENGINES)
    needs = dict.fromkeys(package for name in names for package in ENGINES[name].needs)
    missing = [package for package in needs if find_spec(package) is None]
    if missing:
        every = ",".join(names)
        who = f"engine {every!r} needs" if len(names) == 1 else f"engines {every!r} together need"
        raise PlanError(
            f"{who} {' and '.join(missing)}, not installed here: run "
            f"`pip install 'statebench[{every}]'`, or `make bench ENGINE={every}`, which makes it an environment"
        )


def create(name: str) -> Engine:
    """Load an engine.

    Raises
    ------
    bench.errors.PlanError
        If there is no engine of this name, or its packages are not installed.
    """
    check([name])
    engine: Engine = import_module(ENGINES[name].module).ENGINE
    return engine


def lacks(case: Case) -> str | None:
    """Why a case means nothing on its engine; None where it can run."""
    return next(_reasons(case, ENGINES[case.engine]), None)


def _reasons(case: Case, engine: Known) -> Iterator[str]:
    if engine.kernels and case.kernel not in engine.kernels:
        offered = ", ".join(engine.kernels)
        yield f"engine {case.engine} has no kernel {case.kernel!r}, only {offered}: {engine.why_no_other}"
    cells = engine.cells.get(case.kernel)
    if cells is not None and case.cell not in cells:
        yield f"engine {case.engine} has {case.kernel!r} for {' and '.join(cells)} alone, not for {case.cell}"
    if (case.kernel, case.cell, case.device, case.dtype) == ("native_compiled", "lstm", "cpu", "float32"):
        yield "PyTorch 2.13 cannot compile what oneDNN runs, which is an LSTM in float32 on a CPU: run 'native'"
    if (case.engine, case.kernel, case.dtype) == ("jax", "cudnn", "float64"):
        yield "XLA refuses JAX's cuDNN layer in float64, whose reserve space it takes for float32: run it in float32"
    if engine.dtypes and case.dtype not in engine.dtypes:
        yield f"engine {case.engine} computes in {' or '.join(engine.dtypes)}, not in {case.dtype}"
    if regime_of(case.regime).hidden_only and not engine.parts_state:
        yield f"engine {case.engine} carries a state as a whole: run {case.regime} with ENGINE=tensorflow"
