"""Results of the posts' experiments: those of the last runs, over those that were published."""

import json
import lzma
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.posts.entry import SCHEMA, Entry

RECORDS = "records.json.xz"


class PostsNotReadableError(RuntimeError):
    """There is no result, or one that this version cannot read."""


def read(results: Path, published: Path, order: Sequence[str]) -> tuple[list[Entry], list[dict[str, Any]]]:
    """Read all entries in an order, the newer of each from `results`: as objects, and as they are stored.

    Raises a PostsNotReadableError if there is none, or one has another schema.
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
    return [Entry.from_dict(one) for one in raw], raw


def write(raw: list[dict[str, Any]], published: Path) -> None:
    """Keep the records beside the page, compressed."""
    published.mkdir(parents=True, exist_ok=True)
    text = json.dumps(raw, ensure_ascii=False, separators=(",", ":"))
    (published / RECORDS).write_bytes(lzma.compress(text.encode(), preset=6))
