"""JSON written from typed definitions and read against them: what cannot be is one error that names field and value.

Types and ranges are msgspec's: annotations of structs and dataclasses, checked while a line is decoded. What several
fields must agree on, a definition checks in ``__post_init__`` with `check`, so that no writer can make it either.
"""

import json
import math
import re
from functools import cache
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

T = TypeVar("T", bound=Struct)

SCHEMA: Final = 1
"""Version of all that a run writes; docs/records.md says when it goes up."""

LONGEST = 80
"""Characters of a wrong value that its error shows."""

MOST_COUNT = 2**53
"""Whole numbers beyond this lose digits in other readers of JSON."""

MOST_SIZE = 2**31 - 1
"""Sizes beyond this fit no index of an array."""

MOST_ERROR = 1e100
"""Errors beyond this are no number to calculate with: their training has diverged."""

NAMES: dict[float, str] = {MOST_COUNT: "2^53", MOST_SIZE: "2^31 - 1"}

Count = Annotated[int, Meta(ge=0, le=MOST_COUNT)]
Positive = Annotated[int, Meta(ge=1, le=MOST_COUNT)]
Seconds = Annotated[float, Meta(ge=0, le=1e9)]
Duration = Annotated[float, Meta(gt=0, le=1e9)]
Amount = Annotated[float, Meta(ge=0, le=1e18)]
Error = Annotated[float, Meta(ge=0, le=MOST_ERROR)]
Rate = Annotated[float, Meta(gt=0, le=1e6)]
Target = Annotated[float, Meta(gt=0, le=MOST_ERROR)]
Share = Annotated[float, Meta(ge=0, le=1)]
Text = Annotated[str, Meta(max_length=20_000)]
Name = Annotated[str, Meta(pattern=r"^\w{1,200}\Z")]
Timestamp = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?\+00:00\Z")]


class Definition(Struct, frozen=True, kw_only=True, gc=False):
    """A part of a record; made of JSON, it holds no cycle that Python's collector would have to look for."""


class FaultError(ValueError):
    """A value that cannot be.

    Attributes
    ----------
    field
        Path of the field, such as ``convergence.replicates[3].seed``; "" for the whole.
    """

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field or 'the whole'} {why}")
        self.field, self.why = field, why

    def at(self, place: str) -> "FaultError":
        """The same within the field `place`."""
        return FaultError(".".join(part for part in (place, self.field) if part), self.why)


class OtherSchemaError(ValueError):
    """Written under a schema that this version does not read."""

    def __init__(self, schema: int) -> None:
        super().__init__(f"schema {schema}")
        self.schema = schema


def wrong(field: str, value: Any, valid: str) -> FaultError:
    """Build the error for a value that contradicts other fields."""
    return FaultError(field, f"is {shown(value)}; valid: {valid}")


def check(agrees: bool, field: str, value: Any, valid: str) -> None:
    """Raise `wrong` where a value does not agree with other fields."""
    if not agrees:
        raise wrong(field, value, valid)


@cache
def _decoder(kind: type[Struct]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def decode(text: bytes, kind: type[T]) -> T:
    """Read one JSON object, whose field ``schema`` says under which version it was written.

    NaN and Infinity, which JSON does not have but Python's writer makes, are read as null.

    Raises
    ------
    FaultError
        For the first value found that cannot be, naming field and what is valid, or a text that is no JSON.
    OtherSchemaError
        If a later version wrote it.
    """
    decoder: msgspec.json.Decoder[T] = _decoder(kind)
    try:
        try:
            return decoder.decode(text)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            return decoder.decode(_without_nan(text))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _explained(text, kind, error) from error


def encode(value: Struct, indent: int | None = None) -> bytes:
    """Write one JSON object: a record as its line, without the line's end, or with an `indent`."""
    return json.dumps(msgspec.to_builtins(value), indent=indent, allow_nan=False).encode()


def shown(value: Any) -> str:
    """A value as JSON, cut where it is long."""
    try:
        text = json.dumps(value, ensure_ascii=True)
    except (TypeError, ValueError, RecursionError):
        text = repr(type(value))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _without_nan(text: bytes) -> bytes:
    """The same with null for numbers that are none."""
    try:
        return json.dumps(json.loads(text.decode(), parse_constant=lambda _: None)).encode()
    except ValueError as error:
        raise msgspec.DecodeError(_why_no_json(error)) from error


def _why_no_json(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "is nested too deep"
    if isinstance(error, UnicodeDecodeError):
        return f"is no UTF-8 text (byte {error.start})"
    if isinstance(error, json.JSONDecodeError):
        return f"is no whole JSON object ({error.msg.lower()}, column {error.colno}); perhaps cut off in writing"
    return "holds a number of too many digits"


def _explained(  # noqa: PLR0911 - a kind of fault after another
    text: bytes, kind: type[Any], error: Exception
) -> FaultError | OtherSchemaError:
    """Put msgspec's error, which names the place alone, into words."""
    if isinstance(error, UnicodeDecodeError | RecursionError):
        return FaultError("", _why_no_json(error))
    if not isinstance(error, msgspec.ValidationError):
        return FaultError("", str(error))
    try:
        whole = json.loads(text.decode())
    except (ValueError, RecursionError) as torn:  # behind the value that was refused
        return FaultError("", _why_no_json(torn))
    theirs = whole.get("schema") if isinstance(whole, dict) else None
    if type(theirs) is int and theirs > SCHEMA:
        return OtherSchemaError(theirs)
    message, _, place = str(error).partition(" - at `")
    where = re.sub(r"^(?:key` in `)?\$\.?", "", place.removesuffix("`"))
    if isinstance(error.__cause__, FaultError):
        return error.__cause__.at(where)
    if missing := re.fullmatch(r"Object missing required field `(\w+)`", message):
        return FaultError(f"{where}.{missing[1]}".lstrip("."), "is missing")
    value, allowed, path = _follow(whole, msgspec.inspect.type_info(kind), where)
    return FaultError(path, f"is {shown(value)}; valid: {in_words(allowed)}")


def _follow(value: Any, kind: msgspec.inspect.Type, where: str) -> tuple[Any, msgspec.inspect.Type, str]:
    """Value, type and full path at a place such as ``a.b[3].c[...]``; ``[...]``, any key, is found by trying."""
    path = ""
    for name, number in re.findall(r"(\w+)|\[(\d+|\.\.\.)\]", where):
        kind = _unwrapped(kind, value)
        if name:
            value, path = value[name], f"{path}.{name}".lstrip(".")
            kind = next(field.type for field in kind.fields if field.encode_name == name)  # type: ignore[attr-defined]
        elif number == "...":
            assert isinstance(kind, msgspec.inspect.DictType)
            kind = kind.value_type
            key = next((key for key, one in value.items() if not _fits(one, kind)), next(iter(value)))
            value, path = value[key], f"{path}[{key!r}]"
        else:
            value, path = value[int(number)], f"{path}[{number}]"
            kind = kind.item_types[int(number)] if isinstance(kind, msgspec.inspect.TupleType) else kind.item_type  # type: ignore[attr-defined]
    return value, kind, path


def _unwrapped(kind: msgspec.inspect.Type, value: Any) -> msgspec.inspect.Type:
    """The part of a union that a value was read as."""
    if isinstance(kind, msgspec.inspect.Metadata):
        return _unwrapped(kind.type, value)
    if isinstance(kind, msgspec.inspect.UnionType):
        return next(one for one in kind.types if not isinstance(one, msgspec.inspect.NoneType))
    return kind


def _fits(value: Any, kind: msgspec.inspect.Type) -> bool:
    """Whether a value of a dictionary is as its type says, as far as that can be said from outside."""
    match kind:
        case msgspec.inspect.IntType():
            return (
                type(value) is int and (kind.ge is None or value >= kind.ge) and (kind.le is None or value <= kind.le)
            )
        case msgspec.inspect.FloatType():
            number = type(value) in {int, float} and math.isfinite(value)
            return number and (kind.ge is None or value >= kind.ge) and (kind.le is None or value <= kind.le)
        case msgspec.inspect.StrType():
            return isinstance(value, str)
        case _:
            return False


def in_words(kind: msgspec.inspect.Type) -> str:  # noqa: C901, PLR0911, PLR0912 - a case a type
    """What a type allows."""
    info = msgspec.inspect
    match kind:
        case info.Metadata():
            return in_words(kind.type)
        case info.UnionType():
            return " or ".join(
                in_words(one) for one in sorted(kind.types, key=lambda one: isinstance(one, info.NoneType))
            )
        case info.NoneType():
            return "null"
        case info.BoolType():
            return "true or false"
        case info.IntType():
            return f"a whole number{_range(kind)}"
        case info.FloatType():
            return f"a number{_range(kind)}"
        case info.StrType():
            return "a text" + (f" as {kind.pattern}" if kind.pattern else "")
        case info.LiteralType():
            return " | ".join(json.dumps(one) for one in kind.values)
        case info.EnumType():
            return " | ".join(f'"{one}"' for one in kind.cls)
        case info.DictType():
            return f"an object by {_keys(kind.key_type)}: {in_words(kind.value_type)}"
        case info.ListType() | info.VarTupleType():
            return f"a list{', not empty' if kind.min_length else ''}, of {in_words(kind.item_type)}"
        case info.TupleType():
            return f"a list of {len(kind.item_types)}: {', '.join(map(in_words, kind.item_types))}"
        case info.StructType() | info.DataclassType():
            return f"{'an' if kind.cls.__name__[0] in 'AEIO' else 'a'} {kind.cls.__name__}"
        case _:
            return "anything"


def _keys(kind: msgspec.inspect.Type) -> str:
    return in_words(kind) if isinstance(kind, msgspec.inspect.LiteralType) else "name"


def _range(kind: "msgspec.inspect.IntType | msgspec.inspect.FloatType") -> str:
    parts = [
        f"{sign} {NAMES.get(limit) or f'{limit:g}'}"
        for sign, limit in ((">", kind.gt), ("≥", kind.ge), ("<", kind.lt), ("≤", kind.le))
        if limit is not None
    ]
    return f" {' and '.join(parts)}" if parts else ""
