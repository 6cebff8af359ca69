"""Grounding: whether a value of a call stands in what somebody said, and as what.

A value is compared as what it is: an address as an address, a number as a number,
an id as an id and not as two digits within a date, and a name or a phrase word for
word, whole words only: `Dora` does not stand in `dora-web.com`. What a shell or a
path reads as more than a word has to stand there letter by letter. Everything is
linear in the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import repeat

from holdfast.runtime.moments import WHOLE_DAY, days_in, moment_of, times_in

TEXT_CHARS_MAX = 400_000
SHORT_ID_DIGITS = 4
ACCOUNT_DIGITS_MIN = 6
ACCOUNT_CHARS_MAX = 64
PLACES_MAX = 1_000
BLOCK_CHARS_MAX = 64 * 1024
_BETWEEN = "\n\0\n"  # no literal that is looked for has it

# A comma belongs to a token only where it groups the digits of a number.
_TOKEN = re.compile(r"(?:[^\s<>\"'`(){}\[\]|,;“”‘’«»]|(?<=\d),(?=\d{3}(?!\d)))+")
_WORD = re.compile(r"[^\W_]+")
_APART = re.compile(r"[\s<>\"'`(){}\[\]|,;:“”‘’«»]")
_END = re.compile(rf"[.!?]{{0,3}}(?:\Z|{_APART.pattern})")
_ACTIVE = re.compile(r"[*$|;&<>`\\^~]|\.\.")
_NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?%?")
_QUOTED = re.compile(r"[\"'`“”‘’«»]([^\"'`“”‘’«»\n]{1,200})[\"'`“”‘’«»]")
_HOST = re.compile(r"(?:[\w-]{1,63}\.){1,10}(?:[^\W\d_]{2,24}|xn--[\w-]{1,59})")
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_AFTER_HOST = re.compile(r"[/?#:]")
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
        kind: "email", "url", "account", "number", "date", "id", "literal" or "text".
        key: what is compared.
    """

    kind: str
    key: str


@dataclass(slots=True)
class Said:
    """What some texts say, in the forms that values are looked for in.

    Args:
        values: everything typed that stands in them.
        phrases: their words in order, with a space around each; texts that were
            joined stand in blocks, a line each.
        glued: for each block, the same with a hyphen where two words are one for
            the eye, as in `dora-web.com`.
        literal: the texts themselves, in blocks.
        quoted: what stands in quotes, by its words.
        under: what is said besides, and is not to be changed by what is taken in here.
    """

    values: set[Value] = field(default_factory=set)
    phrases: list[str] = field(default_factory=list)
    glued: list[str] = field(default_factory=list)
    literal: list[str] = field(default_factory=list)
    quoted: set[str] = field(default_factory=set)
    days: set[str] = field(default_factory=set)
    times: set[int] = field(default_factory=set)
    under: Said | None = None

    def add(self, text: str) -> None:
        """Take in a text; of a very long one, the beginning."""
        text = folded(text[:TEXT_CHARS_MAX])
        before = ""
        for match in _TOKEN.finditer(text):
            token = match.group().strip(".!?:*_~#=")
            self._token(token, before, hashed=match.group().startswith("#"))
            before = token
        for match in _QUOTED.finditer(text):
            words = words_of(match.group(1))
            self.quoted.add(words)
            self.values.add(Value("id", words))
        phrase, glued = _phrase(text)
        self.phrases.append(phrase)
        self.glued.append(glued)
        self.literal.append(text)
        self.days.update(days_in(text))
        self.times.update(times_in(text))

    def take(self, value: object) -> None:
        """Take in a value that was issued by itself, as an id or a day in a field.

        It is no number: transaction 4 says nothing of an amount of 4.
        """
        text = folded(str(value))
        self.values.add(Value("id", words_of(text)))
        self.values.update(one for one in typed(text) if one.kind != "number")
        self._moment(text)

    def join(self, other: Said) -> None:
        """Take in all of another."""
        self.values |= other.values
        _append(self.phrases, other.phrases, "\n")
        _append(self.glued, other.glued, "\n")
        _append(self.literal, other.literal, _BETWEEN)
        self.quoted |= other.quoted
        self.days |= other.days
        self.times |= other.times

    def says(self, value: Value) -> bool:
        """Whether a value stands here as what it is."""
        if value in self.values:
            return True
        if value.kind == "date":
            return self._says_moment(value.key)
        if self.under is not None and self.under.says(value):
            return True
        if value.kind == "account":  # an account may be written with spaces in it
            return self._says_account(value.key)
        if value.kind == "literal":
            return any(_stands(value.key, text) for text in self.literal)
        if value.kind == "text" and value.key:
            return any(map(_holds, self.phrases, self.glued, repeat(f" {value.key} ")))
        return False

    def _says_moment(self, text: str) -> bool:
        moment = moment_of(text)
        if moment is None:
            return False
        day, time = moment
        layers = self._layers()
        if not any(day in one.days or day[5:] in one.days for one in layers):
            return False
        # A day of which no hour was said is named as a whole: from its first minute to its last.
        hours = any(one.times for one in layers)
        said = time is None or any(time in one.times for one in layers)
        return said or (not hours and time in WHOLE_DAY)

    def _layers(self) -> list[Said]:
        return [self] if self.under is None else [self, *self.under._layers()]

    def _says_account(self, key: str) -> bool:
        if len(key) > ACCOUNT_CHARS_MAX:
            return False
        grouped = re.compile(f" {' ?'.join(map(re.escape, key))} ")
        return any(
            key in phrase.replace(" ", "") and grouped.search(phrase) for phrase in self.phrases
        )

    def _moment(self, text: str) -> None:
        moment = moment_of(text)
        if moment is not None:
            self.days.add(moment[0])
            self.times |= {moment[1]} if moment[1] is not None else set()

    def _token(self, token: str, before: str, *, hashed: bool) -> None:
        if not token:
            return
        if token.isdigit() and (hashed or before.rstrip(".:#") in _ID_WORDS):
            self.values.add(Value("id", token))
            # What is called an id is no amount: of transaction 7, 7 is not to be paid.
            self.values.update(one for one in typed(token) if one.kind != "number")
            return
        self.values.update(typed(token))
        self._moment(token)


def _append(blocks: list[str], texts: Iterable[str], between: str) -> None:
    """Put texts behind what is there: one long text is looked through faster than many."""
    for text in texts:
        if blocks and len(blocks[-1]) + len(text) < BLOCK_CHARS_MAX:
            blocks[-1] = f"{blocks[-1]}{between}{text}"
        else:
            blocks.append(text)


def words_of(text: str) -> str:
    """The words of a folded text; a text without any stands for itself."""
    return " ".join(_WORD.findall(text)) or text.strip()


def _phrase(text: str) -> tuple[str, str]:
    """A text's words with spaces between them, and with hyphens where nothing parts them."""
    words: list[str] = []
    glued: list[str] = []
    end = 0
    for match in _WORD.finditer(text):
        words.append(match.group())
        parted = end == 0 or _APART.search(text, end, match.start()) is not None
        glued += (" " if parted else "-", match.group())
        end = match.end()
    # Of the same length, so that a place in one is that place in the other.
    return (f" {' '.join(words)} ", f"{''.join(glued)} ") if words else ("", "")


def _holds(phrase: str, glued: str, words: str) -> bool:
    """Whether words stand in a phrase as whole ones, neither end within a longer one."""
    at = phrase.find(words)
    for _ in range(PLACES_MAX):
        if at < 0:
            return False
        if glued[at] == " " == glued[at + len(words) - 1]:
            return True
        at = phrase.find(words, at + 1)
    return False


def _stands(literal: str, text: str) -> bool:
    """Whether a text stands in another letter by letter, and between spaces or quotes."""
    at = -1 if "\0" in literal else text.find(literal)
    for _ in range(PLACES_MAX):
        if at < 0:
            return False
        end = at + len(literal)
        if (at == 0 or _APART.match(text, at - 1)) and _END.match(text, end):
            return True
        at = text.find(literal, at + 1)
    return False


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
    host = _AFTER_HOST.split(token, maxsplit=1)[0]
    return bool(_HOST.fullmatch(host) or _ADDRESS.fullmatch(host))


def typed_url(text: str) -> bool:
    """Whether a folded text is one link and nothing else."""
    return len(text.split()) == 1 and _is_url(text)


def _url(token: str) -> str:
    bare = token.partition("://")[2] or token
    return bare.removeprefix("www.").rstrip("/.")


def number(text: str) -> str:
    """A number as it is compared: without grouping, trailing zeros or a plus.

    A part of a hundred stays one: 10% is no amount of 10.
    """
    if text.endswith("%"):
        return f"{number(text.rstrip('%'))}%"
    bare = text.replace(",", "").lstrip("+")
    if "." in bare:
        bare = bare.rstrip("0").rstrip(".")
    sign, digits = ("-", bare[1:]) if bare.startswith("-") else ("", bare)
    return f"{sign}{digits.lstrip('0') or '0'}"


def value_of(leaf: str | int | float, *, as_id: bool = False) -> Value:
    """What one argument is, as a whole."""
    text = folded(str(leaf)).strip()
    words = words_of(text)
    if isinstance(leaf, int | float) and not as_id:
        return Value("number", number(text))
    bare = text.lstrip("#")
    if bare.isdigit() and len(bare) <= SHORT_ID_DIGITS:
        return Value("id" if as_id or isinstance(leaf, str) else "number", bare)
    if isinstance(leaf, str) and _ACTIVE.search(text) and not typed_url(text):
        return Value("literal", text)
    if moment_of(text) is not None:
        return Value("date", text)
    if len(text.split()) == 1:
        found = next(iter(typed(text)), None)
        if found is not None:
            return found
    if len(words.replace(" ", "")) <= 2:
        return Value("id", words)
    return Value("text", words)


def switch(argument: str) -> Value:
    """What has to be said for a switch to be set, either way: its name."""
    return Value("text", words_of(folded(argument)))


def embedded(text: str) -> Iterator[tuple[Value, str]]:
    """Links, addresses and accounts within a free text, with how they are written."""
    for match in _TOKEN.finditer(text[:TEXT_CHARS_MAX]):
        written = match.group().strip(".!?:*_~#=")
        for value in typed(folded(written)):
            if value.kind in ("email", "url", "account"):
                yield value, written


def leaves(
    value: object, depth: int = 16, *, switches: bool = False
) -> Iterator[str | int | float]:
    """The texts and numbers within a JSON value; names of fields are not values.

    Args:
        switches: true and false as well.
    """
    if value is None or depth < 0 or (isinstance(value, bool) and not switches):
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
        yield from leaves(one, depth - 1, switches=switches)
