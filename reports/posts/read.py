"""Results of the posts' experiments: those of the last runs, over those that were published."""

import json
import lzma
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.posts.result import SCHEMA, Check, Claim
from reports.statistics.intervals import FloatArray

RECORDS = "records.json.xz"


class PostsNotReadableError(RuntimeError):
    """There is no result, or one that this version cannot read."""


@dataclass(frozen=True)
class Arm:
    """One way of training; `figures` have one value a seed."""

    name: str
    column: str
    settings: str
    figures: dict[str, FloatArray]


@dataclass(frozen=True)
class Entry:
    """Everything one id found, and where and when."""

    id: str
    post: str
    title: str
    published: str
    flaw: str
    seeds: list[int]
    fraction: float
    measured: dict[str, Any]
    arms: list[Arm]
    baselines: dict[str, dict[str, float]]
    claims: list[Claim]
    checks: list[Check]
    traces: dict[str, Any]
    notes: list[str]
    data: str = field(default="shipped")

    def arm(self, name: str) -> Arm:
        """Find an arm by name."""
        return next(arm for arm in self.arms if arm.name == name)


def read(results: Path, published: Path, order: Sequence[str]) -> tuple[list[Entry], list[dict[str, Any]]]:
    """Read all entries in an order, the newer of each from `results`.

    Returns
    -------
    entries
        As objects.
    raw
        The same as they are stored.

    Raises
    ------
    PostsNotReadableError
        If there is none, or one has another schema.
    """
    found: dict[str, dict[str, Any]] = {}
    records = published / RECORDS
    if records.is_file():
        found = {one["id"]: one for one in json.loads(lzma.decompress(records.read_bytes()))}
    for file in sorted(results.glob("*.json")):
        one = json.loads(file.read_text(encoding="utf-8"))
        found[one["id"]] = one
    if not found:
        raise PostsNotReadableError(f"no result in {results} or {records}; run `make reproduce` first")
    for one in found.values():
        if one.get("schema") != SCHEMA:
            raise PostsNotReadableError(
                f"{one['id']} has schema {one.get('schema')}, this version reads {SCHEMA}; run it again: "
                f"`make reproduce ONLY={one['id']}`"
            )
    known = [name for name in order if name in found]
    raw = [found[name] for name in [*known, *sorted(set(found) - set(known))]]
    return [entry(one) for one in raw], raw


def entry(stored: dict[str, Any]) -> Entry:
    """One entry as an object; fields of a later version are left aside."""
    own = {name: stored[name] for name in Entry.__dataclass_fields__ if name in stored}
    own["arms"] = [
        Arm(**(_known(Arm, arm) | {"figures": {name: np.array(v, float) for name, v in arm["figures"].items()}}))
        for arm in stored["arms"]
    ]
    own["claims"] = [Claim(**_known(Claim, claim)) for claim in stored["claims"]]
    own["checks"] = [Check(**_known(Check, check)) for check in stored["checks"]]
    return Entry(**own)


def _known(kind: Any, values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in kind.__dataclass_fields__}


def write(raw: list[dict[str, Any]], published: Path) -> None:
    """Keep the records beside the page, compressed."""
    published.mkdir(parents=True, exist_ok=True)
    text = json.dumps(raw, ensure_ascii=False, separators=(",", ":"))
    (published / RECORDS).write_bytes(lzma.compress(text.encode(), preset=6))
