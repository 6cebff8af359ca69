"""Grounding: whether a value of a call stands in what somebody said, and as what.

A value is compared as what it is: an address as an address, a number as a number,
an id as an id and not as two digits within a date, and a name or a phrase word for
word. Everything is linear in the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from holdfast.runtime.moments import days_in, moment_of, times_in

TEXT_CHARS_MAX = 400_000
SHORT_ID_DIGITS = 4
ACCOUNT_DIGITS_MIN = 6

_TOKEN = re.compile(r"[^\s<>\"'`(){}\[\]|,;“”‘’«»]+")
_WORD = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?%?")
_QUOTED = re.compile(r"[\"'`“”‘’«»]([^\"'`“”‘’«»\n]{1,200})[\"'`“”‘’«»]")
_HOST = re.compile(r"(?:[a-z0-9-]{1,63}\.){1,10}[a-z]{2,24}", re.IGNORECASE)
# fmt: off
_ID_WORDS = frozenset({
    "id", "ids", "no", "nr", "number", "num", "file", "event", "item", "message", "email",
    "mail", "transaction", "order", "ticket", "issue", "row", "record", "entry", "step", "page",
    "invoice", "booking", "user", "account",
})
# fmt: on


def folded(text: str) -> str:
    """A text as values are compared: compatibility forms and case do not count."""
    return unicodedata.normalize("NFKC", text).casefold()


@dataclass(frozen=True, slots=True)
class Value:
    """A value as what it is.

    Args:
        kind: "email", "url", "account", "number", "date", "id" or "text".
        key: what is compared.
    """

    kind: str
    key: str


@dataclass(slots=True)
class Said:
    """What some texts say, in the forms that values are looked for in.

    Args:
        values: everything typed that stands in them.
        phrase: their words in order, with a space around each.
    """

    values: set[Value] = field(default_factory=set)
    phrases: list[str] = field(default_factory=list)
    days: set[str] = field(default_factory=set)
    times: set[int] = field(default_factory=set)

    def add(self, text: str) -> None:
        """Take in a text; of a very long one, the beginning."""
        text = folded(text[:TEXT_CHARS_MAX])
        before = ""
        for match in _TOKEN.finditer(text):
            token = match.group().strip(".!?:*_~#=")
            self._token(token, before, hashed=match.group().startswith("#"))
            before = token
        for match in _QUOTED.finditer(text):
            self.values.add(Value("id", " ".join(_WORD.findall(match.group(1)))))
        self.phrases.append(f" {' '.join(_WORD.findall(text))} ")
        self.days.update(days_in(text))
        self.times.update(times_in(text))

    def take(self, value: object) -> None:
        """Take in a value that was issued by itself, as an id or a day in a field.

        It is no number: transaction 4 says nothing of an amount of 4.
        """
        text = folded(str(value))
        self.values.add(Value("id", " ".join(_WORD.findall(text))))
        self.values.update(one for one in typed(text) if one.kind != "number")
        if (moment := moment_of(text)) is not None:
            self.days.add(moment[0])
            self.times |= {moment[1]} if moment[1] is not None else set()

    def join(self, other: Said) -> None:
        """Take in all of another."""
        self.values |= other.values
        self.phrases += other.phrases
        self.days |= other.days
        self.times |= other.times

    def says(self, value: Value) -> bool:
        """Whether a value stands here as what it is."""
        if value in self.values:
            return True
        if value.kind == "date":
            return self._says_moment(value.key)
        if value.kind == "account":  # an account may be written with spaces in it
            return any(value.key in phrase.replace(" ", "") for phrase in self.phrases)
        if value.kind == "text" and value.key:
            return any(f" {value.key} " in phrase for phrase in self.phrases)
        return False

    def _says_moment(self, text: str) -> bool:
        moment = moment_of(text)
        if moment is None:
            return False
        day, time = moment
        return (day in self.days or day[5:] in self.days) and (time is None or time in self.times)

    def _token(self, token: str, before: str, *, hashed: bool) -> None:
        if not token:
            return
        self.values.update(typed(token))
        if token.isdigit() and (hashed or before.rstrip(".:#") in _ID_WORDS):
            self.values.add(Value("id", token))


def typed(token: str) -> Iterator[Value]:
    """What a single folded token is, besides a word."""
    if "@" in token[1:] and _HOST.fullmatch(token.rpartition("@")[2]):
        yield Value("email", token.removeprefix("mailto:"))
        return
    if _is_url(token):
        yield Value("url", _url(token))
        return
    if moment_of(token) is not None:
        yield Value("date", token)
        return
    bare = token.lstrip("$€£¥").rstrip("$€£¥")
    if _NUMBER.fullmatch(bare):
        yield Value("number", number(bare))
    compact = "".join(_WORD.findall(token))
    digits = sum(char.isdigit() for char in compact)
    if digits >= ACCOUNT_DIGITS_MIN:
        yield Value("account", compact)


def _is_url(token: str) -> bool:
    if "://" in token or token.startswith("www."):
        return True
    host, slash, _ = token.partition("/")
    return bool(_HOST.fullmatch(host)) and (bool(slash) or host.count(".") >= 1)


def _url(token: str) -> str:
    bare = token.partition("://")[2] or token
    return bare.removeprefix("www.").rstrip("/.")


def number(text: str) -> str:
    """A number as it is compared: without grouping, trailing zeros or a plus."""
    bare = text.replace(",", "").rstrip("%").lstrip("+")
    if "." in bare:
        bare = bare.rstrip("0").rstrip(".")
    sign, digits = ("-", bare[1:]) if bare.startswith("-") else ("", bare)
    return f"{sign}{digits.lstrip('0') or '0'}"


def value_of(leaf: str | int | float, *, as_id: bool = False) -> Value:
    """What one argument is, as a whole."""
    text = folded(str(leaf)).strip()
    words = " ".join(_WORD.findall(text))
    if isinstance(leaf, int | float) and not as_id:
        return Value("number", number(text))
    compact = words.replace(" ", "")
    if compact.isdigit() and len(compact) <= SHORT_ID_DIGITS:
        return Value("id" if as_id or isinstance(leaf, str) else "number", compact)
    if len(compact) <= 2:
        return Value("id", words)
    if moment_of(text) is not None:
        return Value("date", text)
    if len(text.split()) == 1:
        found = next(iter(typed(text)), None)
        if found is not None:
            return found
    return Value("text", words)


def embedded(text: str) -> Iterator[tuple[Value, str]]:
    """Links, addresses and accounts within a free text, with how they are written."""
    for match in _TOKEN.finditer(text[:TEXT_CHARS_MAX]):
        written = match.group().strip(".!?:*_~#=")
        for value in typed(folded(written)):
            if value.kind in ("email", "url", "account"):
                yield value, written


def leaves(value: object, depth: int = 16) -> Iterator[str | int | float]:
    """The texts and numbers within a JSON value; names of fields are not values."""
    if isinstance(value, bool) or value is None or depth < 0:
        return
    if isinstance(value, str | int | float):
        yield value
        return
    inner: Iterable[object] = ()
    if isinstance(value, dict):
        inner = value.values()
    elif isinstance(value, list | tuple):
        inner = value
    for one in inner:
        yield from leaves(one, depth - 1)


def fields_of(value: object, names: frozenset[str], depth: int = 16) -> Iterator[object]:
    """The values of fields of these names, wherever they stand in a JSON value."""
    if depth < 0:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in names:
                yield from leaves(inner)
            else:
                yield from fields_of(inner, names, depth - 1)
    elif isinstance(value, list):
        for inner in value:
            yield from fields_of(inner, names, depth - 1)
