"""Redaction: taking found values out of a text.

- Places are merged where they overlap and the text is rebuilt once, so that no
  replacement ever moves another one's place.
- Of places that overlap the highest level names the whole, then the longest.
- A mask that shows a part of a value is only used where the text there has that
  value's form; else a marker stands for it all.
- `remove` leaves a marker too: a gap without a word would change what a text says.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from holdfast.core.findings import Finding, TaintMatch
from holdfast.core.labels import Sensitivity

KIND_CHARS_MAX = 40
HASH_CHARS = 12
CARD_DIGITS = range(12, 20)
CARD_DIGITS_SHOWN = 4


class RedactionStrategy(StrEnum):
    """What is put in a value's place.

    `mask` shows a little of cards and e-mail addresses; `remove` leaves a marker with
    the kind alone; `hash` tells equal values from others to whoever has the key.
    """

    MASK = "mask"
    REMOVE = "remove"
    HASH = "hash"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A place in a text and what stands there."""

    kind: str
    start: int
    end: int
    level: Sensitivity = Sensitivity.SENSITIVE


Placed = Span | Finding | TaintMatch
"""Anything found at a place."""


@dataclass(frozen=True, slots=True)
class _Merged:
    """A stretch to replace; `whole` if one place alone makes up all of it."""

    start: int
    end: int
    kind: str
    level: Sensitivity
    whole: bool


def marker(kind: str) -> str:
    """Return what stands for a value of a kind: `[REDACTED:KIND]`."""
    name = re.sub(r"[^A-Z0-9_]", "_", kind.upper())[:KIND_CHARS_MAX]
    return f"[REDACTED:{name or 'VALUE'}]"


def markers(text: str) -> int:
    """How many markers stand in a text."""
    return len(_MARKER.findall(text))


def merge(spans: Iterable[Placed], length: int) -> list[Span]:
    """Merge places that overlap, cut to a text's length, in order of their start.

    Each has the highest level of what it was made of.
    """
    return [
        Span(kind=one.kind, start=one.start, end=one.end, level=one.level)
        for one in _merged(_cut(spans, length))
    ]


def by_place(found: Iterable[TaintMatch]) -> dict[tuple[int, int], list[TaintMatch]]:
    """Sort matches by their place."""
    places: dict[tuple[int, int], list[TaintMatch]] = {}
    for one in found:
        places.setdefault((one.start, one.end), []).append(one)
    return places


def redact(
    text: str,
    spans: Iterable[Placed],
    strategy: RedactionStrategy = RedactionStrategy.REMOVE,
    *,
    key: bytes = b"",
) -> str:
    """Return a text with what stands at the given places taken out.

    Places outside the text are cut to it, empty ones are passed over, and a marker
    that an earlier redaction left is kept as it is.

    Args:
        key: of the `hash` strategy; without one a marker is used in its place.
    """
    pieces: list[str] = []
    done = 0
    for span in _merged(_cut(spans, len(text))):
        pieces.append(text[done : span.start])
        pieces.append(_replacement(text[span.start : span.end], span, strategy, key))
        done = span.end
    pieces.append(text[done:])
    return "".join(pieces)


def _cut(spans: Iterable[Placed], length: int) -> list[Span]:
    cut = (
        Span(
            kind=span.kind,
            start=max(span.start, 0),
            end=min(span.end, length),
            level=span.level,
        )
        for span in spans
    )
    return sorted((span for span in cut if span.start < span.end), key=lambda span: span.start)


def _merged(spans: Sequence[Span]) -> list[_Merged]:
    merged: list[_Merged] = []
    at = 0
    while at < len(spans):
        first = at
        end = spans[at].end
        while at < len(spans) and (at == first or spans[at].start < end):
            end = max(end, spans[at].end)
            at += 1
        winner = max(spans[first:at], key=lambda span: (span.level, span.end - span.start))
        start = spans[first].start
        whole = (winner.start, winner.end) == (start, end)
        merged.append(_Merged(start, end, winner.kind, winner.level, whole))
    return merged


_MARKER = re.compile(r"\[REDACTED:[A-Z0-9_]{1,40}\]")


def _replacement(value: str, span: _Merged, strategy: RedactionStrategy, key: bytes) -> str:
    if _MARKER.fullmatch(value):
        return value
    if strategy is RedactionStrategy.HASH and key:
        given = value.encode("utf-8", "surrogatepass")
        return f"[HASH:{hmac.new(key, given, hashlib.sha256).hexdigest()[:HASH_CHARS]}]"
    if strategy is RedactionStrategy.MASK and span.whole:
        mask = _MASKS.get(span.kind.lower())
        shown = mask(value) if mask else None
        if shown is not None:
            return shown
    return marker(span.kind)


def _mask_card(value: str) -> str | None:
    digits = [char for char in value if "0" <= char <= "9"]
    plain = all("0" <= char <= "9" or char in " -." for char in value)
    if not plain or len(digits) not in CARD_DIGITS:
        return None
    return "****-****-****-" + "".join(digits[-CARD_DIGITS_SHOWN:])


_ADDRESS = re.compile(r"[^@\s]+@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)")


def _mask_email(value: str) -> str | None:
    found = _ADDRESS.fullmatch(value)
    return f"****@{found[1]}" if found else None


_MASKS: dict[str, Callable[[str], str | None]] = {
    "card": _mask_card,
    "credit_card": _mask_card,
    "email": _mask_email,
    "ssn": lambda _: "***-**-****",
    "us_ssn": lambda _: "***-**-****",
    "phone": lambda _: "***-***-****",
    "phone_number": lambda _: "***-***-****",
}
