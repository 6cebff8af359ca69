"""The JSON form of the core's plain types, made from their dataclass fields.

Known types are dataclasses, named tuples, enums, str, int, float, bool, tuples,
`X | None` and unions of dataclasses; any other is a TypeError when it is first met.

Rules
- A field that equals its default is left out. A named tuple is an array.
- Reading is strict: a value of another type, a missing field or one of another
  length is a `ValueError`, and nothing is converted. Only an integer may stand for
  a float. Unknown fields are ignored (contract 2.4).
- Which type of a union is meant is told by a field that it alone asks for.

Each type's reader and writer is built once, when first needed.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from enum import Enum
from functools import cache
from json.encoder import encode_basestring
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

Read = Callable[[Any], Any]
Write = Callable[[Any], str]


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)
_HALF = re.compile(r"\\u[dD][89a-fA-F]")


def read(kind: type[T], data: bytes | str) -> T:
    """Read a value of a type from JSON.

    Raises:
        ValueError, RecursionError: it is not what this type is written as.
    """
    text = data if isinstance(data, str) else str(data, "utf-8")
    found, end = _DECODER.raw_decode(text)
    if end != len(text):
        raise ValueError("something follows the value")
    if "\\u" in text and _HALF.search(text):
        json.dumps(found, ensure_ascii=False).encode()  # half a character is no text
    asked: Any = kind
    value: T = reader(asked)(found)
    return value


def write(value: object) -> bytes:
    """Write a dataclass as JSON without its defaults.

    Raises:
        ValueError: a text holds half a character, or a float is none.
    """
    kind: Any = type(value)
    return writer(kind)(value).encode()


# --- reading ----------------------------------------------------------------------


def _misfit(kind: Any) -> ValueError:
    return ValueError(f"not a {getattr(kind, '__name__', kind)}")


@cache
def reader(kind: Any) -> Read:
    """The function that makes a value of a type from what JSON holds."""
    origin, args = get_origin(kind), get_args(kind)
    if kind in (str, int, bool):
        return _read_plain(kind)
    if kind is float:
        return _read_float
    if origin is Literal:
        return _read_one_of({value: value for value in args}, type(args[0]), kind)
    if origin in (Union, UnionType):
        return _read_optional(args) if NoneType in args else _read_union(args)
    if origin is tuple:
        return _read_many(args[0]) if args[-1] is Ellipsis else _read_fixed(args, tuple)
    if dataclasses.is_dataclass(kind):
        return _read_object(kind)
    if issubclass(kind, Enum):
        values = {member.value: member for member in kind}
        return _read_one_of(values, type(next(iter(values))), kind)
    if issubclass(kind, tuple):
        hints = get_type_hints(kind)
        return _read_fixed(tuple(hints.values()), lambda parts: kind(*parts))
    raise TypeError(f"{kind} has no JSON form")


def _read_plain(kind: type) -> Read:
    def read(value: Any) -> Any:
        if type(value) is not kind:
            raise _misfit(kind)
        return value

    return read


def _read_float(value: Any) -> float:
    if type(value) is float or type(value) is int:
        return float(value)
    raise _misfit(float)


def _read_one_of(values: dict[Any, Any], base: type, kind: Any) -> Read:
    def read(value: Any) -> Any:
        if type(value) is not base or value not in values:  # True is not 1
            raise _misfit(kind)
        return values[value]

    return read


def _read_optional(args: tuple[Any, ...]) -> Read:
    rest = tuple(one for one in args if one is not NoneType)
    read_some = reader(rest[0]) if len(rest) == 1 else _read_union(rest)

    def read(value: Any) -> Any:
        return None if value is None else read_some(value)

    return read


def _read_union(kinds: tuple[Any, ...]) -> Read:
    needed = {kind: _needed(kind) for kind in kinds}
    readers = []
    for kind in sorted(kinds, key=lambda kind: len(needed[kind]), reverse=True):
        others = {name for other in kinds if other is not kind for name in needed[other]}
        mark = next((name for name in needed[kind] if name not in others), needed[kind][0])
        readers.append((mark, reader(kind)))

    def read(value: Any) -> Any:
        if type(value) is dict:
            for mark, read_one in readers:
                if mark in value:
                    return read_one(value)
        raise _misfit("known kind")

    return read


def _needed(kind: Any) -> list[str]:
    fields = dataclasses.fields(kind)
    return [one.name for one in fields if _default_of(one) is dataclasses.MISSING]


def _read_many(kind: Any) -> Read:
    read_one = reader(kind)

    def read(value: Any) -> Any:
        if type(value) is not list:
            raise _misfit(tuple)
        return tuple([read_one(one) for one in value])

    return read


def _read_fixed(kinds: tuple[Any, ...], make: Callable[[Any], Any]) -> Read:
    readers = [reader(kind) for kind in kinds]

    def read(value: Any) -> Any:
        if type(value) is not list or len(value) != len(readers):
            raise _misfit(tuple)
        return make([read_one(one) for read_one, one in zip(readers, value, strict=True)])

    return read


def _read_object(kind: Any) -> Read:
    # A plain type stands for itself, so that most fields need no call.
    hints = get_type_hints(kind)
    plain = (str, int, bool)
    wants = {
        one.name: hints[one.name] if hints[one.name] in plain else reader(hints[one.name])
        for one in dataclasses.fields(kind)
    }

    def read(value: Any) -> Any:
        if type(value) is not dict:
            raise _misfit(kind)
        unknown = []
        for name, found in value.items():
            want = wants.get(name)
            if type(found) is want:
                continue
            if want is None:
                unknown.append(name)
            elif want in plain:
                raise _misfit(want)
            else:
                value[name] = want(found)
        for name in unknown:
            del value[name]
        try:
            return kind(**value)
        except TypeError:
            raise _misfit(kind) from None  # a field is missing

    return read


# --- writing ----------------------------------------------------------------------


@cache
def writer(kind: Any) -> Write:
    """The function that writes a value of a type as JSON text."""
    origin, args = get_origin(kind), get_args(kind)
    if kind is str:
        return encode_basestring
    if kind is int:
        return int.__repr__
    if kind is bool:
        return {True: "true", False: "false"}.__getitem__
    if kind is NoneType:
        return lambda value: "null"
    if kind is float:
        return lambda value: json.dumps(value, allow_nan=False)
    if origin is Literal:
        return {value: json.dumps(value) for value in args}.__getitem__
    if origin in (Union, UnionType):
        return _write_union(args)
    if origin is tuple:
        return _write_many(args[0]) if args[-1] is Ellipsis else _write_fixed(args)
    if dataclasses.is_dataclass(kind):
        return _write_object(kind)
    if issubclass(kind, Enum):
        members: Any = kind
        return {member: json.dumps(member.value) for member in members}.__getitem__
    return _write_fixed(tuple(get_type_hints(kind).values()))


def _write_union(kinds: tuple[Any, ...]) -> Write:
    by_type = {kind: writer(kind) for kind in kinds}
    # Of `int | None` and the like, an alias such as a tuple's is no type of a value.
    default = next(
        (write for kind, write in by_type.items() if kind is not NoneType), by_type[kinds[0]]
    )

    def write(value: Any) -> str:
        return by_type.get(type(value), default)(value)

    return write


def _write_many(kind: Any) -> Write:
    write_one = writer(kind)
    return lambda value: "[" + ",".join([write_one(one) for one in value]) + "]"


def _write_fixed(kinds: tuple[Any, ...]) -> Write:
    writers = [writer(kind) for kind in kinds]

    def write(value: Any) -> str:
        pairs = zip(writers, value, strict=True)
        return "[" + ",".join([write_one(one) for write_one, one in pairs]) + "]"

    return write


def _default_of(field: dataclasses.Field[Any]) -> Any:
    make = field.default_factory
    return field.default if make is dataclasses.MISSING else make()


def _write_object(kind: Any) -> Write:
    # Made as source, as dataclasses are: every event of every append is written by it.
    hints = get_type_hints(kind)
    names: dict[str, Any] = {}
    lines = ["def write(value):", " text = ''"]
    for field in dataclasses.fields(kind):
        name, default = field.name, _default_of(field)
        names[f"write_{name}"] = writer(hints[name])
        names[f"default_{name}"] = default
        lines.append(f" one = value.{name}")
        written = f"text += ',\"{name}\":' + write_{name}(one)"
        if default is dataclasses.MISSING:
            lines.append(f" {written}")
        else:
            lines.append(f" if one is not default_{name} and one != default_{name}: {written}")
    lines.append(" return '{' + text[1:] + '}'")
    exec("\n".join(lines), names)  # noqa: S102  # made of field names alone
    found: Write = names["write"]
    return found
