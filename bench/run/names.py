"""Names of runs: a run is a folder under results/ and nowhere else."""

import re
from pathlib import Path

from bench import engines
from bench.errors import PlanError, shown
from bench.plan.shards import Shard

RUN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")


def checked(name: str) -> str:
    """Return a name that a user chose.

    Raises
    ------
    bench.errors.PlanError
        If it is not the name of a folder.
    """
    if not RUN_NAME.fullmatch(name):
        raise PlanError(
            f"run name {shown(name)} must be letters, digits, '.', '_' and '-', at most 100, and begin with a letter, "
            "a digit or '_'"
        )
    return name


def of_shard(name: str, shard: Shard | None) -> str:
    """Name of the run that is a shard of the run `name`: those of one run lie next to each other."""
    return name if shard is None else f"{name}-{shard.number}-of-{shard.of}"


def usual(what: str, names: tuple[str, ...], device: str) -> str:
    """Name of a run that was given none, so that the same command continues it.

    Parameters
    ----------
    what
        A preset's name or path, or the path of a user's own series; what no name may have becomes "_".
    names, device
        Engines and device; all but TensorFlow on a CPU have an environment of their own, and runs of their own.
    """
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(what).stem)[:60]
    own = sorted(name for name in names if engines.ENGINES[name].needs)
    ends = [*(["gpu"] if device == "gpu" else []), *(own if own != ["tensorflow"] else [])]
    return "-".join([stem if RUN_NAME.fullmatch(stem) else f"_{stem}", *ends])
