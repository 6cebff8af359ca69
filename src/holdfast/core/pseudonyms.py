"""Pseudonyms: names that stand for a session's private values and lead back to them.

    PRIVATE-EMAIL-1-K7Q2M

Why this form
- A model copies it as it is: capitals, digits and hyphens, no brackets and no
  underscores, which get lost or escaped in Markdown; it says what it stands for.
- It needs no escaping in JSON, in a URL or in a shell.
- It begins with a fixed word and ends with a check of a fixed length, so a stream
  knows what to hold back, and EMAIL-1 is never the beginning of EMAIL-12.
- The check is keyed by the session: nobody can guess a name that was not given out
  yet, and no text holds one by chance.

Pure but for the vault itself: the same values in the same order make the same names.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Collection, Iterable

from holdfast.core.redaction import Placed, marker, merge

VALUES_MAX = 10_000
PREFIX = "PRIVATE-"
CHECK_CHARS = 5
KIND_CHARS_MAX = 32
NAME_CHARS_MAX = len(PREFIX) + KIND_CHARS_MAX + 1 + len(str(VALUES_MAX)) + 1 + CHECK_CHARS
KEY_BYTES_MIN = 16

_FLAGS = re.IGNORECASE | re.ASCII
_NAME = re.compile(
    rf"{PREFIX}(?:(?!{PREFIX})[A-Z0-9-]){{1,{KIND_CHARS_MAX}}}?-[0-9]{{1,5}}-[A-Z2-7]{{{CHECK_CHARS}}}",
    _FLAGS,
)
# What a name may begin with at a text's end: all of the prefix and more, or a part of it.
_OPEN = re.compile(rf"{PREFIX}[A-Z0-9-]*\Z", _FLAGS)
_BEGUN = re.compile(
    rf"(?:{'|'.join(PREFIX[:size] for size in range(len(PREFIX), 0, -1))})\Z", _FLAGS
)


class Pseudonyms:
    """The vault of one session.

    Args:
        key: of the session, at least 16 bytes; the names' checks are made with it.
        values_max: how many values get a name; what comes after that is redacted.
    """

    __slots__ = ("_counts", "_key", "_max", "_names", "_values")

    def __init__(self, key: bytes, *, values_max: int = VALUES_MAX) -> None:
        assert len(key) >= KEY_BYTES_MIN, "a pseudonym's check needs a key"
        self._key = key
        self._max = min(values_max, VALUES_MAX)
        self._names: dict[tuple[str, str], str] = {}
        self._values: dict[str, tuple[str, str]] = {}
        self._counts: dict[str, int] = {}

    def __repr__(self) -> str:
        """Tell the number of values, never one of them."""
        return f"Pseudonyms({len(self._values)} values)"

    def __len__(self) -> int:
        """How many values have a name."""
        return len(self._values)

    def name(self, value: str, kind: str) -> str:
        """Return what stands for a value: its name, or a marker if there are no more names."""
        spoken = _spoken(kind)
        known = self._names.get((spoken, value))
        if known is not None:
            return known
        if len(self._values) >= self._max:
            return marker(kind)
        number = self._counts[spoken] = self._counts.get(spoken, 0) + 1
        name = f"{PREFIX}{spoken}-{number}-{self._check(spoken, number)}"
        self._names[spoken, value] = name
        self._values[name] = (value, spoken)
        return name

    def swap(self, text: str, spans: Iterable[Placed]) -> str:
        """Replace what stands at the given places by names.

        Names that stand in a text already stay, so a text may be swapped again.
        """
        pieces: list[str] = []
        done = 0
        for span in merge(spans, len(text)):
            value = text[span.start : span.end]
            named = self._known(value) is not None
            pieces += (text[done : span.start], value if named else self.name(value, span.kind))
            done = span.end
        return "".join((*pieces, text[done:]))

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

    def named(self, text: str) -> tuple[str, ...]:
        """The names of this vault that stand in a text, each once, in order."""
        found = (self._known(match[0]) for match in _NAME.finditer(text))
        return tuple(dict.fromkeys(name for name in found if name is not None))

    def clear(self) -> None:
        """Forget all values; numbers start anew."""
        self._names.clear()
        self._values.clear()
        self._counts.clear()

    def _restored(
        self, text: str, allowed: Collection[str] | None, form: Callable[[str], str]
    ) -> str:
        def value(found: re.Match[str]) -> str:
            name = self._known(found[0])
            if name is None or (allowed is not None and name not in allowed):
                return found[0]
            return form(self._values[name][0])

        return _NAME.sub(value, text) if self._values else text

    def _known(self, written: str) -> str | None:
        """The name as it was given out; models change its case now and then."""
        name = written.upper()
        return name if name in self._values else None

    def _check(self, kind: str, number: int) -> str:
        said = hmac.new(self._key, f"pseudonym {kind} {number}".encode(), hashlib.sha256).digest()
        return base64.b32encode(said).decode()[:CHECK_CHARS]


def _spoken(kind: str) -> str:
    name = re.sub(r"[^A-Z0-9]+", "-", kind.upper()).strip("-")[:KIND_CHARS_MAX].strip("-")
    return name or "VALUE"


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
    tail = max(len(text) - NAME_CHARS_MAX, 0)
    found = _OPEN.search(text, tail) or _BEGUN.search(text, tail)
    return found.start() if found else len(text)
