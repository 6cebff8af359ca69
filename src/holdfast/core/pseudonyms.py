"""Pseudonyms: names that stand for a session's private values and lead back to them.

    PRIVATE-EMAIL-K7Q2M3XAB5TQY

Why this form
- A model copies it as it is: capitals, digits and hyphens, no brackets and no
  underscores, which get lost or escaped in Markdown; it says what it stands for.
- It needs no escaping in JSON, in a URL or in a shell.
- It begins with a fixed word and ends with a mark of a fixed length, so a stream
  knows what to hold back, and no name is the beginning of another.
- The mark is 64 bits of the value's keyed fingerprint: the same value has the same name
  after a restart and in whatever order values turn up, and nobody can guess one. That
  two of a session's 10,000 values share one has a chance of one in 10^11; the second
  then has none, and a marker stands for it.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Collection, Iterable

from holdfast.core.findings import TaintMatch
from holdfast.core.labels import Sensitivity
from holdfast.core.redaction import by_place, marker, markers, merge

VALUES_MAX = 10_000
PREFIX = "PRIVATE-"
MARK_CHARS = 13
MARK_BYTES = 8
KIND_CHARS_MAX = 32
NAME_CHARS_MAX = len(PREFIX) + KIND_CHARS_MAX + 1 + MARK_CHARS

_FLAGS = re.IGNORECASE | re.ASCII
_NAME = re.compile(
    rf"{PREFIX}(?:(?!{PREFIX})[A-Z0-9-]){{1,{KIND_CHARS_MAX}}}?"
    rf"-(?:(?!{PREFIX})[A-Z2-7]){{{MARK_CHARS}}}"
    rf"(?!(?!{PREFIX})[A-Z0-9])",  # another name may follow, and else no letter or digit
    _FLAGS,
)
# What a name may begin with at a text's end: all of the prefix and more, or a part of it.
_OPEN = re.compile(rf"{PREFIX}[A-Z0-9-]*\Z", _FLAGS)
_BEGUN = re.compile(
    rf"(?:{'|'.join(PREFIX[:size] for size in range(len(PREFIX), 0, -1))})\Z", _FLAGS
)


def name_of(id: str, kind: str) -> str:
    """What stands for a value.

    Args:
        id: the value's keyed fingerprint, hex.
    """
    spoken = re.sub(r"[^A-Z0-9]+", "-", kind.upper()).strip("-")[:KIND_CHARS_MAX].strip("-")
    # A name that holds the fixed word twice would not be read back.
    spoken = f"{spoken}-".replace(PREFIX, "OWN-").strip("-")
    mark = base64.b32encode(bytes.fromhex(id)[:MARK_BYTES]).decode()[:MARK_CHARS]
    return f"{PREFIX}{spoken or 'VALUE'}-{mark}"


def hidden_in(text: str) -> int:
    """How many places of a text a pseudonym or a marker stands for."""
    return len(_NAME.findall(text)) + markers(text)


class Pseudonyms:
    """The vault of one session.

    Values are held in buffers that `clear` overwrites; `repr` tells none of them.
    """

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: dict[str, tuple[bytearray, Sensitivity, str, str]] = {}

    def __repr__(self) -> str:
        """Tell the number of values, never one of them."""
        return f"Pseudonyms({len(self._values)} values)"

    def __len__(self) -> int:
        """How many values have a name."""
        return len(self._values)

    def learn(self, id: str, kind: str, level: Sensitivity, value: bytes | bytearray) -> str:
        """Remember a value, a copy of it; returns its name.

        A value that is known is as secret as it was ever said to be. A marker stands for
        a value if the vault is full or another has its name.
        """
        name = name_of(id, kind)
        if name not in self._values:
            if len(self._values) >= VALUES_MAX:
                return marker(kind)
            self._values[name] = (bytearray(value), level, kind, id)
        known, before, said, owner = self._values[name]
        if owner != id:
            return marker(kind)
        self._values[name] = (known, max(before, level), said, id)
        return name

    def holds(self, match: TaintMatch, written: str) -> bool:
        """Whether the value behind a match is spelled just like this."""
        known = self._values.get(name_of(match.id, match.kind))
        return known is not None and known[0] == written.encode("utf-8", "replace")

    def swap(self, text: str, matches: Iterable[TaintMatch]) -> str:
        """Replace what stands at the given places by names.

        Where values overlap so that none of them covers the whole place, a marker
        stands there, which leads nowhere. Names in a text stay as they are.
        """
        found = list(matches)
        pieces: list[str] = []
        done = 0
        places = by_place(found)
        for span in merge(found, len(text)):
            whole = places.get((span.start, span.end), [])
            value = text[span.start : span.end]
            pieces += (text[done : span.start], self._named(whole, span.kind, value))
            done = span.end
        return "".join((*pieces, text[done:]))

    def _named(self, whole: list[TaintMatch], kind: str, written: str) -> str:
        """The name of the most secret value at a place, of equals the one written just so."""
        names = [(-match.level, name_of(match.id, match.kind), match.id) for match in whole]
        value = written.encode("utf-8", "replace")
        known = [
            (level, self._values[name][0] != value, name)
            for level, name, id in names
            if name in self._values and self._values[name][3] == id
        ]
        return min(known)[2] if known else marker(kind)

    def restore(self, text: str, *, allowed: Collection[str] | None = None) -> str:
        """Put the values back; names that are unknown or not allowed stay.

        Args:
            allowed: names as they are written; None for all.
        """
        return self._restored(text, allowed, str)

    def restore_json(self, text: str, *, allowed: Collection[str] | None = None) -> str:
        """Put the values back into JSON text, escaped as within its strings.

        The text is not parsed: it may be a part of a document. A name outside a
        string, where JSON has none, makes what it would without this.
        """
        return self._restored(text, allowed, lambda value: json.dumps(value)[1:-1])

    def named(self, text: str) -> tuple[tuple[str, str, Sensitivity], ...]:
        """The (name, kind, level) of what this vault knows in a text, each once, in order."""
        if not self._values:
            return ()
        names = dict.fromkeys(match[0].upper() for match in _NAME.finditer(text))
        return tuple(
            (name, self._values[name][2], self._values[name][1])
            for name in names
            if name in self._values
        )

    def up_to(self, level: Sensitivity) -> frozenset[str]:
        """The names of values that are at most so sensitive."""
        return frozenset(name for name, (_, found, *_) in self._values.items() if found <= level)

    def clear(self) -> None:
        """Overwrite and forget all values."""
        for value, *_ in self._values.values():
            value[:] = bytes(len(value))
        self._values.clear()

    def _restored(
        self, text: str, allowed: Collection[str] | None, form: Callable[[str], str]
    ) -> str:
        def value(found: re.Match[str]) -> str:
            name = found[0].upper()  # models change its case now and then
            if name not in self._values or (allowed is not None and name not in allowed):
                return found[0]
            return form(self._values[name][0].decode("utf-8", "replace"))

        return _NAME.sub(value, text) if self._values else text


class Restorer:
    """Puts values back into a text that comes in pieces.

    Args:
        allowed: names as they are written; None for all.
        within_json: the text is JSON.
    """

    __slots__ = ("_allowed", "_held", "_json", "_vault")

    def __init__(
        self,
        vault: Pseudonyms,
        *,
        allowed: Collection[str] | None = None,
        within_json: bool = False,
    ) -> None:
        self._vault = vault
        self._allowed = allowed
        self._json = within_json
        self._held = ""

    def push(self, delta: str) -> str:
        """Take the next piece; return all that cannot be the beginning of a name."""
        text = self._held + delta
        at = _begins(text)
        self._held = text[at:]
        return self._restored(text[:at])

    def finish(self) -> str:
        """Return what is left: no more follows."""
        left, self._held = self._held, ""
        return self._restored(left)

    def _restored(self, text: str) -> str:
        restore = self._vault.restore_json if self._json else self._vault.restore
        return restore(text, allowed=self._allowed)


def _begins(text: str) -> int:
    """Where at a text's end a name may have begun that is not whole yet."""
    tail = max(len(text) - NAME_CHARS_MAX - len(PREFIX), 0)
    found = _OPEN.search(text, tail) or _BEGUN.search(text, tail)
    return found.start() if found else len(text)
