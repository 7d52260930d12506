"""A case: one point of the benchmark, a frozen value with a readable id.

The id and the case say the same thing: ``Case.from_id(kind, case.id) == case``. Settings that hold for a whole grid
(learning rates, seeds, budget) are not part of a case's name; they travel beside it as `Training`.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias

from msgspec import Meta

from bench.case.checked import MOST_SIZE, Name
from bench.case.configurations import NAME, Configuration
from bench.case.regimes import PATTERN, regime_of
from tasks import dials

Kind = Literal["convergence", "time", "memory"]

KINDS: tuple[str, ...] = ("convergence", "time", "memory")
CELLS: tuple[str, ...] = ("lstm", "gru", "gru_reset_before", "simple_rnn")
KERNELS: tuple[str, ...] = (
    "replicated",
    "loop",
    "loop_implementation_1",
    "unrolled",
    "xla",
    "xla_unrolled",
    "cudnn",
    "fit",
    "native",
    "native_compiled",
)
DEVICES: tuple[str, ...] = ("cpu", "gpu")
DTYPES: tuple[str, ...] = ("float32", "float64", "mixed_bfloat16")

if TYPE_CHECKING:
    Cell: TypeAlias = str
    Regime: TypeAlias = str
    Kernel: TypeAlias = str
    Device: TypeAlias = str
    Dtype: TypeAlias = str
else:
    # Names are text to whoever writes code; where a case is read, they must be one of these.
    Cell, Kernel, Device, Dtype = (Literal[names] for names in (CELLS, KERNELS, DEVICES, DTYPES))
    Regime = Annotated[str, Meta(pattern=rf"^({PATTERN})\Z")]

Size = Annotated[int, Meta(ge=1, le=MOST_SIZE)]
Number = Annotated[int, Meta(ge=0, le=MOST_SIZE)]
Real = Annotated[float, Meta(ge=0, le=MOST_SIZE)]
SomeDial: TypeAlias = Number | Real | Annotated[tuple[Number | Real, ...], Meta(min_length=2, max_length=20)]

_DEFAULTS = {"kernel": "replicated", "engine": "tensorflow", "device": "cpu", "dtype": "float32"}


def _any_of(names: tuple[str, ...]) -> str:
    # Longest first, so that `gru_reset_before` is not read as `gru`.
    return "|".join(sorted(map(re.escape, names), key=len, reverse=True))


_ID = re.compile(
    rf"(?P<task>\w+?)(?:@(?P<dial>\d[\d.,]*))?-(?P<cell>{_any_of(CELLS)})-(?P<regime>{PATTERN})"
    rf"(?:-l(?P<layers>\d+))?-u(?P<units>\d+)-L(?P<window>\d+)-b(?P<batch_size>\d+)"
    rf"(?:-(?P<kernel>{_any_of(KERNELS)}))?(?:-on_(?P<engine>\w+))?"
    rf"(?:-(?P<device>{_any_of(DEVICES)}))?(?:-(?P<dtype>{_any_of(DTYPES)}))?(?:~(?P<configuration>[^#]+))?"
    r"(?:#(?P<repetition>\d+))?"
)


@dataclass(frozen=True)
class Training:
    """How a case is trained and judged; the same for every arm of a comparison.

    Attributes
    ----------
    learning_rates
        The common grid. Each arm's rate is chosen from it on the tuning seeds.
        Where the best of it is the smallest or largest tried, the grid is extended by its own steps (`further_rates`).
    folds
        Independent repetitions of the whole procedure: each has its own draw of the task's data (where the task can be
        drawn anew), its own tuning and its own share of the evaluation seeds. They are what intervals are formed over.
    draws
        Draws of the data that the folds take turns at; 0 for one in each fold where the task can be drawn anew, else
        one. A real series is drawn by its origins: where it is cut into training and held-out rows.
    orders
        Orders of the data that the initial weights of an evaluation seed are trained in; beyond 1 so many replicates in
        a fold share their initial weights.
    tuning_seeds
        Seeds that each rate is tried with, in each fold.
    evaluation_seeds
        Number of seeds that decide, over all folds. No seed has both roles.
    further_rates
        Most rates beyond the grid on either side.
    epochs
        Budget: passes over the training targets.
    stop
        ``"target"``: a replicate ends once it has reached the target and held it. ``"budget"``: every replicate uses
        its whole budget.
    scored_targets
        How many held-out targets an evaluation scores; evenly spaced, the same for every arm.
    cadence
        An evaluation comes whenever the updates have grown by this share since the last one, and by at least one.
    hold
        Evaluations in a row that must be at the target or below for it to be reached: the cost is that of the first.
    burn_in
        Steps without loss before each window of `stateless-burnin` and `stateful-stale`, as a multiple of the window;
        `stateless-burnin@32` has 32 steps whatever this says.
    dropout
        Rate of the dropout layer after each recurrent layer.
    cores
        Cores that a time case on a CPU keeps to; 0 for all. A configuration's own go before.
    inference
        Whether a time case also times forward passes.
    whole_epochs
        Most epochs of the one training that a time case makes beside its blocks, timed whole from an untraced model to
        the target; 0 for none.
    """

    learning_rates: tuple[Annotated[float, Meta(gt=0, le=1e6)], ...] = (0.001, 0.003, 0.01, 0.03, 0.1)
    folds: Size = 5
    draws: Number = 0
    orders: Size = 1
    tuning_seeds: Size = 1
    evaluation_seeds: Size = 10
    further_rates: Number = 3
    epochs: Size = 50
    stop: Literal["target", "budget"] = "budget"
    scored_targets: Annotated[int, Meta(ge=2, le=MOST_SIZE)] = 256
    cadence: Annotated[float, Meta(gt=0, le=1e3)] = 0.05
    hold: Size = 2
    burn_in: Annotated[float, Meta(ge=0, le=1e6)] = 1.0
    dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    cores: Number = 0
    inference: bool = False
    whole_epochs: Number = 0


@dataclass(frozen=True)
class Case:
    """One point of the benchmark.

    Attributes
    ----------
    kind
        What is measured.
    task
        The task.
    dial
        Its difficulty, a list where it is set by several numbers; null where it has none to set.
    cell, layers, units
        The network: cell, recurrent layers, units of each.
    regime
        How windows are cut and what happens to the state.
    window
        Steps of a window.
    batch_size
        Windows in a batch.
    kernel, engine, device, dtype
        What computes it, and in which numbers.
    repetition
        Which of several processes of the same case.
    configuration
        The way of running it, by its name; empty for the usual one.
    """

    kind: Kind
    task: Name
    dial: SomeDial | None
    cell: Cell
    regime: Regime
    layers: Size
    units: Size
    window: Size
    batch_size: Size
    kernel: Kernel = "replicated"
    engine: Name = "tensorflow"
    device: Device = "cpu"
    dtype: Dtype = "float32"
    repetition: Number = 0
    configuration: Annotated[str, Meta(pattern=rf"^({NAME.pattern})?\Z", max_length=200)] = ""

    @property
    def id(self) -> str:
        """Readable name, unique within a kind: what equals its default is left out."""
        dial = "" if self.dial is None else f"@{dials.write(self.dial)}"
        layers = "" if self.layers == 1 else f"-l{self.layers}"
        rest = "".join(
            f"-{'on_' if name == 'engine' else ''}{value}"
            for name, default in _DEFAULTS.items()
            if (value := getattr(self, name)) != default
        )
        configuration = f"~{self.configuration.replace(' ', '_')}" if self.configuration else ""
        repetition = f"#{self.repetition}" if self.repetition else ""
        return (
            f"{self.task}{dial}-{self.cell}-{self.regime}{layers}"
            f"-u{self.units}-L{self.window}-b{self.batch_size}{rest}{configuration}{repetition}"
        )

    @property
    def key(self) -> str:
        """Unique name within a run."""
        return f"{self.kind}/{self.id}"

    @classmethod
    def from_id(cls, kind: Kind, text: str) -> Self:
        """Rebuild a case from its kind and id.

        Raises
        ------
        ValueError
            If the text is no case id.
        """
        match = _ID.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is no case id; one looks like electricity-lstm-stateful-u16-L48-b1")
        found = {name: value for name, value in match.groupdict().items() if value is not None}
        numbers = {"layers", "units", "window", "batch_size", "repetition"}
        values: dict[str, Any] = {name: int(value) if name in numbers else value for name, value in found.items()}
        if "dial" in values:
            values["dial"] = dials.read(values["dial"])
        if "configuration" in values:
            values["configuration"] = values["configuration"].replace("_", " ")
        return cls(**({"kind": kind, "dial": None, "layers": 1} | values))

    def to_dict(self) -> dict[str, Any]:
        """The case as JSON holds it."""
        # Not `asdict`, which copies each plain value deeply: a plan has tens of thousands of cases.
        return dict(vars(self))

    def replace(self, **changes: Any) -> Self:
        """The same case with some fields changed."""
        return replace(self, **changes)


def burn_in_steps(case: Case, training: Training) -> int:
    """Steps without loss before each window."""
    of = regime_of(case.regime)
    if not of.burn_in:
        return 0
    return round(training.burn_in * case.window) if of.burn_in_steps is None else of.burn_in_steps


@dataclass(frozen=True)
class Job:
    """A case and the settings it runs under.

    Attributes
    ----------
    series
        File of the user's own series that the case's task is; None where the task knows its own.
    configuration
        The way of running that the case names; None where it names none.
    """

    case: Case
    training: Training
    series: Path | None = None
    configuration: Configuration | None = None
