"""Strict JSON for files offered for import: what is odd is refused, never guessed.

Rules
- A name that stands twice in one object, a number JSON does not have (NaN,
  Infinity), text that is not JSON at all: refused.
- A value of another type than its field's is refused; nothing is converted.
- Every refusal names the place, such as `messages[3].content[0].id`, and never
  quotes content.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from holdfast.core.errors import ImportRefused, TooLarge

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
JsonObject = dict[str, Json]

FILE_CHARS_MAX = 256 * 1024 * 1024
COUNT_MAX = 2**64 - 1
SECONDS_MAX = 2**63 - 1

_T = TypeVar("_T")


def refuse(where: str, what: str) -> ImportRefused:
    """Make the refusal of what stands at `where`."""
    return ImportRefused(f"{where}: {what}")


def _unique(pairs: list[tuple[str, Json]]) -> JsonObject:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")
    return number


_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse(text: str) -> Json:
    """Read JSON strictly.

    Raises:
        ValueError: it is not JSON, or not JSON that means one thing only.
    """
    try:
        value: Json = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    try:
        text.encode()
        if _SURROGATE.search(text):
            write(value).encode()
    except UnicodeEncodeError:
        raise ValueError("it holds half a character, which has no UTF-8 form") from None
    return value


def write(value: object, indent: int | None = None) -> str:
    """Write JSON as UTF-8 text would have it, not escaped."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)


def read_object(source: str | Mapping[str, object]) -> JsonObject:
    """Read a file's text, or take over an object that was read before.

    Raises:
        ImportRefused: it is not one strict JSON object.
        TooLarge: it has more than 256 Mi characters.
    """
    try:
        text = source if isinstance(source, str) else write(source)
        if len(text) > FILE_CHARS_MAX:
            raise TooLarge(f"the file has more than {FILE_CHARS_MAX} characters")
        value = parse(text.removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ImportRefused(f"not JSON: {error.msg} ({where})") from None
    except (ValueError, TypeError, RecursionError) as error:
        raise ImportRefused(f"not strict JSON: {error}") from None
    if not isinstance(value, dict):
        raise ImportRefused("not a JSON object")
    return value


class _Required:
    """Stands for "this field has no default"."""


REQUIRED = _Required()


@dataclass(frozen=True, slots=True)
class Fields:
    """Reads the fields of one object, each of exactly one type.

    Args:
        data: the object.
        where: its place in the file; "" for the file's own object.
    """

    data: JsonObject
    where: str = ""

    def at(self, name: str) -> str:
        """Return the place of a field."""
        return f"{self.where}.{name}" if self.where else name

    def _get(self, name: str, default: _T | _Required, read: Callable[[Json, str], _T]) -> _T:
        if name not in self.data:
            if isinstance(default, _Required):
                raise refuse(self.at(name), "missing")
            return default
        return read(self.data[name], self.at(name))

    def text(self, name: str, default: str | _Required = REQUIRED) -> str:
        """Read a string."""
        return self._get(name, default, as_text)

    def count(self, name: str, default: int | _Required = REQUIRED) -> int:
        """Read a whole number from 0 to 2**64 - 1."""
        return self._get(name, default, as_count)

    def seconds(self, name: str) -> int:
        """Read epoch seconds, a signed 64-bit whole number."""
        return self._get(name, REQUIRED, as_seconds)

    def number(self, name: str, default: float | _Required = REQUIRED) -> float:
        """Read a number."""
        return self._get(name, default, as_number)

    def flag(self, name: str, default: bool | _Required = REQUIRED) -> bool:
        """Read true or false."""
        return self._get(name, default, as_flag)

    def object(self, name: str) -> JsonObject:
        """Read an object."""
        return self._get(name, REQUIRED, as_object)

    def list(self, name: str, default: Sequence[Json] | _Required = REQUIRED) -> Sequence[Json]:
        """Read a list."""
        return self._get(name, default, as_list)

    def texts(self, name: str) -> tuple[str, ...]:
        """Read a list of strings."""
        where = self.at(name)
        items = enumerate(self.list(name))
        return tuple(as_text(item, f"{where}[{index}]") for index, item in items)

    def objects(self, name: str) -> tuple[JsonObject, ...]:
        """Read a list of objects; missing means none."""
        where = self.at(name)
        items = enumerate(self.list(name, ()))
        return tuple(as_object(item, f"{where}[{index}]") for index, item in items)

    def maybe(self, name: str, read: Callable[[Json, str], _T]) -> _T | None:
        """Read a field that may be missing or null."""
        value = self.data.get(name)
        return None if value is None else read(value, self.at(name))


def as_text(value: Json, where: str) -> str:
    """Take a string or refuse."""
    if not isinstance(value, str):
        raise refuse(where, "not a string")
    return value


def as_flag(value: Json, where: str) -> bool:
    """Take true or false or refuse."""
    if not isinstance(value, bool):
        raise refuse(where, "neither true nor false")
    return value


def as_count(value: Json, where: str) -> int:
    """Take a whole number from 0 to 2**64 - 1 or refuse."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= COUNT_MAX:
        raise refuse(where, "not a whole number of 0 or more")
    return value


def as_seconds(value: Json, where: str) -> int:
    """Take epoch seconds or refuse."""
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > SECONDS_MAX:
        raise refuse(where, "not a whole number of seconds")
    return value


def as_number(value: Json, where: str) -> float:
    """Take a number or refuse."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise refuse(where, "not a number")
    return value


def as_object(value: Json, where: str) -> JsonObject:
    """Take an object or refuse."""
    if not isinstance(value, dict):
        raise refuse(where, "not an object")
    return value


def as_list(value: Json, where: str) -> Sequence[Json]:
    """Take a list or refuse."""
    if not isinstance(value, list):
        raise refuse(where, "not a list")
    return value
