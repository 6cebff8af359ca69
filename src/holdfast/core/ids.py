"""Ids: path-safe names of sessions (seed D4) and references to effects."""

from __future__ import annotations

import re
from typing import NamedTuple

from holdfast.core.errors import InvalidSessionId

ID_CHARS_MAX = 128
_SAFE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*\Z")
_RESERVED = frozenset(
    ["con", "prn", "aux", "nul"]
    + [f"com{digit}" for digit in range(1, 10)]
    + [f"lpt{digit}" for digit in range(1, 10)]
)


def validate_id(text: str, label: str = "Session id") -> str:
    """Return `text` if it is path-safe: a name that means the same on every disk.

    Non-empty; ASCII letters, digits, `-`, `_` and `.`; no leading dot; no `..`;
    at most 128 characters; not a Windows reserved name (seed D4).

    Raises:
        InvalidSessionId: it is not.
    """
    if not isinstance(text, str) or not text:
        raise InvalidSessionId(f"{label} must not be empty")
    if len(text) > ID_CHARS_MAX:
        raise InvalidSessionId(f"{label} is longer than {ID_CHARS_MAX} characters")
    if not _SAFE.match(text) or ".." in text or text.endswith("."):
        raise InvalidSessionId(f"{label} contains unsafe characters: {text!r}")
    if text.split(".", 1)[0].casefold() in _RESERVED:
        raise InvalidSessionId(f"{label} is a reserved name: {text!r}")
    return text


def generated_id(random: bytes) -> str:
    """Make a session id, `sess-<32 hex>`, from 16 random bytes."""
    assert len(random) == 16, "a generated id needs 16 random bytes"
    return f"sess-{random.hex()}"


class EffectRef(NamedTuple):
    """Where an effect comes from: the version of its cause and its place there.

    Stable over attempts, known once the cause has its place, free of content
    (contract 2.2). Ordinal 0 is a model call, 1… are the tool calls of the
    model's answer at `cause`.
    """

    cause: int
    ordinal: int
