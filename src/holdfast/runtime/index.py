"""The index row of a session: clear columns, one sealed blob, blind tokens.

Only what contract 1.9 allows stands in clear. Equality filters on what a person
typed use keyed hashes under the tenant's blind key, so that a listing needs no
plaintext in the store.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from holdfast.core.view import SessionView
from holdfast.ports.keys import DataKey
from holdfast.ports.store import IndexRow
from holdfast.runtime.envelope import Crypto, keyed_digest, open_box


@dataclass(frozen=True, slots=True)
class Listed:
    """The readable part of an index row, once opened."""

    title: str
    tags: tuple[str, ...]
    user_id: str
    channel_id: str
    chat_id: str
    workspace: str
    model: str


def fold_text(text: str) -> str:
    """Normalise text for equality: NFKC, case-folded, white space collapsed."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def blind(key: bytes, field: str, value: str) -> bytes:
    """The blind token of a field's value."""
    return keyed_digest(key, b"token", field.encode(), fold_text(value).encode("utf-8", "replace"))


def tokens_of(view: SessionView, key: bytes) -> frozenset[bytes]:
    """All blind tokens a session is found by."""
    fields: list[tuple[str, str]] = [("user", view.user_id)]
    if view.settings.workspace:
        fields.append(("workspace", view.settings.workspace))
    fields += [("tag", tag) for tag in view.details.tags]
    title = view.details.title or view.settings.name
    if title:
        fields.append(("title", title))
        fields += [("word", word) for word in set(fold_text(title).split())]
    if view.channel_id:
        fields.append(("channel", view.channel_id))
    return frozenset(blind(key, field, value) for field, value in fields)


def title_tokens(key: bytes, words: str) -> frozenset[bytes]:
    """Tokens that a title with all of these words has."""
    return frozenset(blind(key, "word", word) for word in fold_text(words).split())


def tag_tokens(key: bytes, tags: Iterable[str]) -> frozenset[bytes]:
    """Tokens that a session with all of these tags has."""
    return frozenset(blind(key, "tag", tag) for tag in tags)


class Indexer:
    """Makes index rows and keeps the sealed part while nothing in it changes."""

    def __init__(self, stream: int, crypto: Crypto, key: bytes, parent: int = 0) -> None:
        self._stream = stream
        self._crypto = crypto
        self._key = key
        self._parent = parent
        self._seen: object = None
        self._sealed = b""
        self._tokens: frozenset[bytes] = frozenset()

    def row(self, view: SessionView) -> IndexRow:
        """The row for a view."""
        if view.wiping:
            return cleared(view, self._parent)
        seen = (view.details, view.settings, view.user_id, view.channel_id, view.chat_id)
        if seen != self._seen:
            self._seen = seen
            self._sealed = self._crypto.seal_box("index", (self._stream,), _facts(view))
            self._tokens = tokens_of(view, self._key)
        return IndexRow(
            state=int(view.state),
            sensitivity=int(view.label.sensitivity),
            created_ms=view.created_ms,
            updated_ms=view.updated_ms,
            last_activity_ms=view.last_activity_ms,
            messages=view.message_count,
            turns=view.turn_count,
            tool_calls=view.tool_call_count,
            sealed=self._sealed,
            tokens=self._tokens,
            parent=self._parent,
            hidden=view.tombstone,
        )


def cleared(view: SessionView, parent: int = 0) -> IndexRow:
    """The row of a session that is being wiped: no content, no tokens.

    Once it is wiped, nothing is left but that it was (contract 1.9).
    """
    if view.wiped:
        return IndexRow(state=int(view.state), sensitivity=0, hidden=True)
    return IndexRow(
        state=int(view.state),
        created_ms=view.created_ms,
        updated_ms=view.updated_ms,
        last_activity_ms=view.last_activity_ms,
        parent=parent,
        hidden=view.tombstone,
    )


def _facts(view: SessionView) -> bytes:
    model = view.settings.model
    facts = {
        "title": view.details.title or view.settings.name,
        "tags": list(view.details.tags),
        "user_id": view.user_id,
        "channel_id": view.channel_id,
        "chat_id": view.chat_id,
        "workspace": view.settings.workspace,
        "model": model.model if model else "",
    }
    return json.dumps(facts, separators=(",", ":")).encode()


def open_listed(stream: int, key: Crypto | DataKey, sealed: bytes) -> Listed:
    """Open the sealed part of an index row.

    Args:
        key: the session's; ciphers that are open already, or the key alone.

    Raises:
        Unreadable: it is not what was written.
    """
    if isinstance(key, Crypto):
        facts = json.loads(key.open_box("index", (stream,), sealed))
    else:
        facts = json.loads(open_box(key, "index", (stream,), sealed))
    return Listed(
        title=facts["title"],
        tags=tuple(facts["tags"]),
        user_id=facts["user_id"],
        channel_id=facts["channel_id"],
        chat_id=facts["chat_id"],
        workspace=facts["workspace"],
        model=facts["model"],
    )
