"""JSON of a server as typed values; what is missing or of another type is refused.

Fields that a newer server has besides are left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from holdfast.core.errors import BadAnswer, InvalidInput

T = TypeVar("T")
_NONE = object()


def read_json(body: bytes) -> object:
    """The JSON of an answer.

    Raises:
        BadAnswer: it is none.
    """
    try:
        found: object = json.loads(body)
    except (ValueError, RecursionError):
        found = _NONE
    if found is _NONE:  # outside of the handler: what the error hangs on has the whole answer
        raise BadAnswer("the server's answer is not JSON")
    return found


def read(kind: type[T], value: object) -> T:
    """A value of a type, out of JSON.

    Raises:
        BadAnswer: it is not one.
    """
    found: T = _read(kind, value, kind.__name__)
    return found


def read_list(kind: type[T], value: object) -> list[T]:
    """A list of values of a type, out of JSON.

    Raises:
        BadAnswer: it is not one.
    """
    if not isinstance(value, list):
        raise _wrong(f"a list of {kind.__name__}")
    return [read(kind, one) for one in value]


def member(value: object, name: str) -> object:
    """A member of a JSON object.

    Raises:
        BadAnswer: there is none of that name.
    """
    if not isinstance(value, Mapping) or name not in value:
        raise _wrong(name)
    found: object = value[name]
    return found


def written(value: object) -> object:
    """What is sent for a value: records as objects, of which only what is not a default.

    Raises:
        InvalidInput: JSON has no such thing.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return _record(value)
    if isinstance(value, Enum):
        return written(value.value)
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise InvalidInput("the keys of an object are text")
        return {key: written(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [written(one) for one in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise InvalidInput(f"a {type(value).__name__} cannot be sent to a server")


def _record(value: Any) -> dict[str, object]:
    found: dict[str, object] = {}
    for field in fields(value):
        held = getattr(value, field.name)
        default = field.default
        if default is MISSING and field.default_factory is not MISSING:
            default = field.default_factory()
        if default is MISSING or held != default:
            found[field.name] = written(held)
    return found


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    return get_type_hints(kind)


def _read(kind: Any, value: object, where: str) -> Any:
    if kind is object or kind is Any:
        return value
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _read_one_of(get_args(kind), value, where)
    if origin is tuple:
        return tuple(_read(get_args(kind)[0], one, where) for one in _items(value, where))
    if origin in (list, Sequence):
        return [_read(get_args(kind)[0], one, where) for one in _items(value, where)]
    if origin in (dict, Mapping):
        if not isinstance(value, dict):
            raise _wrong(where)
        return {key: _read(get_args(kind)[1], one, where) for key, one in value.items()}
    if is_dataclass(kind):
        return _read_record(kind, value, where)
    return _read_plain(kind, value, where)


def _items(value: object, where: str) -> list[object]:
    if not isinstance(value, list):
        raise _wrong(where)
    return value


def _read_one_of(kinds: tuple[Any, ...], value: object, where: str) -> Any:
    if value is None and NoneType in kinds:
        return None
    chosen = [kind for kind in kinds if kind is not NoneType]
    assert len(chosen) == 1, "a field has one type, or none"
    return _read(chosen[0], value, where)


def _read_record(kind: Any, value: object, where: str) -> Any:
    if not isinstance(value, dict):
        raise _wrong(where)
    given: dict[str, Any] = {}
    for field in fields(kind):
        if field.name in value:
            inner = f"{where}.{field.name}"
            given[field.name] = _read(_hints(kind)[field.name], value[field.name], inner)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise _wrong(f"{where}.{field.name}")
    return kind(**given)


def _read_plain(kind: Any, value: object, where: str) -> Any:
    if issubclass(kind, Enum):
        if not isinstance(value, str) or value not in [one.value for one in kind]:
            raise _wrong(where)
        return kind(value)
    if kind is datetime:
        return _read_moment(value, where)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, bool) and kind is not bool:
        raise _wrong(where)
    if not isinstance(value, kind):
        raise _wrong(where)
    return value


def _read_moment(value: object, where: str) -> datetime:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise _wrong(where)
    return found


def _wrong(where: str) -> BadAnswer:
    return BadAnswer(f"the server's answer has no proper {where}")
