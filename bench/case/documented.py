"""``python -m bench.case.documented``: writes the tables of docs/records.md anew from the definitions.

Between ``<!-- Record -->`` and ``<!-- end of Record -->`` stand, for that definition and each that it holds, its first
sentences and a table of its fields: type and range as the annotations say, meaning as its docstring's attributes say.
"""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from bench.case.checked import in_words
from bench.case.record import Record
from bench.case.run_record import RunRecord

FILE = Path(__file__).parents[2] / "docs/records.md"
ROOTS = (RunRecord, Record)


def filled(text: str) -> str:
    """The document with its tables made anew."""
    for root in ROOTS:
        name = root.__name__
        marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        tables = "\n".join(_section(one) for one in _held(root))
        text, count = marks.subn(lambda found, tables=tables: found[1] + tables + found[2], text)  # type: ignore[misc]
        assert count == 1, f"{FILE.name} must hold the marks of {name} once"
    return text


def meanings(definition: type) -> dict[str, str]:
    """What each field means, from the attributes in the docstrings of a definition and of those that it extends."""
    found: dict[str, str] = {}
    for one in reversed(definition.__mro__):
        if one.__doc__ is None or one is object:
            continue
        _, _, attributes = inspect.cleandoc(one.__doc__).partition("Attributes\n----------\n")
        for names, text in re.findall(r"^(\S.*)\n((?:(?: {4}.*)?\n?)+)", attributes, re.MULTILINE):
            for name in names.split(", "):
                found[name] = " ".join(text.split())
    return found


def _held(root: Any) -> list[Any]:
    """A definition and all that it holds, each once, from the outside in."""
    found = [msgspec.inspect.type_info(root)]
    for one in found:
        for field in one.fields:  # type: ignore[attr-defined]
            found += [inner for inner in _inside(field.type) if inner not in found]
    return found


def _inside(kind: Any) -> Iterator[Any]:
    info = msgspec.inspect
    match kind:
        case info.StructType() | info.DataclassType():
            yield kind
        case info.Metadata():
            yield from _inside(kind.type)
        case info.UnionType():
            for one in kind.types:
                yield from _inside(one)
        case info.ListType() | info.VarTupleType():
            yield from _inside(kind.item_type)
        case info.DictType():
            yield from _inside(kind.value_type)


def _section(kind: Any) -> str:
    definition = kind.cls
    means = meanings(definition)
    first = inspect.cleandoc(definition.__doc__).partition("\nAttributes\n")[0].strip()
    rows = [
        f"| `{field.encode_name}` | {_cell(in_words(field.type))}{'' if field.required else ', may be missing'} "
        f"| {_cell(means[field.encode_name])} |"
        for field in kind.fields
    ]
    head = [f"### {definition.__name__}", "", first, "", "| field | what is valid | meaning |", "|---|---|---|"]
    return "\n".join([*head, *rows, "", ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;")


if __name__ == "__main__":
    FILE.write_text(filled(FILE.read_text(encoding="utf-8")), encoding="utf-8")
