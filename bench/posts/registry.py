"""Every experiment and piece of behaviour that the posts show, by id; importing this imports no framework."""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from bench.errors import PlanError, unknown
from bench.posts.result import Entry

SEEDS = 10
"""Seeds of an experiment."""


@dataclass(frozen=True)
class Setting:
    """What is the same for all experiments of a call.

    Attributes
    ----------
    seeds
        One training each.
    fraction
        Share of the published epochs that are trained; 1 for anything that is to be believed.
    ld2011
        Path of the file LD2011_2014.txt; the series shipped with the project if None.
    """

    seeds: tuple[int, ...] = tuple(range(SEEDS))
    fraction: float = 1.0
    ld2011: Path | None = None

    def epochs(self, published: int) -> int:
        """Epochs to train."""
        return max(1, round(self.fraction * published))


@dataclass(frozen=True)
class Experiment:
    """Where an id is run."""

    id: str
    module: str
    seconds: int = 10
    """About how long it takes on one core: long ones begin first, so that no core waits for a last one."""
    alone: bool = False
    """It measures time, so nothing else may run beside it."""

    def run(self, setting: Setting) -> Entry:
        """Run it; imports TensorFlow."""
        entry: Entry = import_module(f"bench.posts.{self.module}").RUNS[self.id](setting)
        return entry


EXPERIMENTS: dict[str, Experiment] = {
    one.id: one
    for one in (
        Experiment("cosine-stateless", "cosine", 50),
        Experiment("cosine-stateful", "cosine", 200),
        Experiment("cosine-stacked-stateful", "cosine", 350),
        Experiment("cosine-three-layers-stateful", "cosine", 150),
        Experiment("cosine-mlp", "cosine"),
        Experiment("lagged-average", "lagged_average", 40),
        Experiment("electricity", "electricity", 100),
        Experiment("alphabet-char", "alphabet"),
        Experiment("alphabet-feature-window", "alphabet"),
        Experiment("alphabet-step-window", "alphabet"),
        Experiment("alphabet-state-in-batch", "alphabet"),
        Experiment("alphabet-stateful", "alphabet"),
        Experiment("alphabet-cold-start", "alphabet"),
        Experiment("alphabet-variable-length", "alphabet", 120),
        Experiment("stacked-classification", "classification"),
        Experiment("stacked-classification-stateful", "classification", 150),
        Experiment("two-chunk-continuation", "carrying"),
        Experiment("two-branch", "carrying"),
        Experiment("embedding-classification", "layers"),
        Experiment("masking", "layers"),
        Experiment("return-state", "layers"),
        Experiment("injected-state", "injecting"),
        Experiment("reset-after", "layers"),
        Experiment("unroll", "speed", alone=True),
        Experiment("implementation", "speed", alone=True),
    )
}
"""In the order of the posts, by example."""


def choose(only: Iterable[str]) -> list[Experiment]:
    """Experiments of these ids, all if there are none.

    Raises
    ------
    PlanError
        If there is no experiment of that id.
    """
    ids = list(only)
    for name in ids:
        if name not in EXPERIMENTS:
            raise unknown("experiment", name, EXPERIMENTS)
    return [one for one in EXPERIMENTS.values() if not ids or one.id in ids]


def check(setting: Setting) -> None:
    """Refuse a setting that cannot be run.

    Raises
    ------
    PlanError
        Naming what is wrong.
    """
    if setting.ld2011 is not None and not setting.ld2011.is_file():
        raise PlanError(f"LD2011={setting.ld2011} is no file; give the path of LD2011_2014.txt, unpacked.")
    if len(setting.seeds) < 2:
        raise PlanError(f"{len(setting.seeds)} seed(s) give no interval; take at least 2, and 10 for a page.")
