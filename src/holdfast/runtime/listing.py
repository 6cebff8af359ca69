"""Listing sessions: a page at a time, by blind tokens, nothing folded."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from holdfast.core.errors import HoldfastError, InvalidInput, SessionSealed
from holdfast.core.labels import Sensitivity
from holdfast.core.lifecycle import SessionState, decode_state
from holdfast.core.settings import StorageType
from holdfast.ports.keys import DataKey, Keys
from holdfast.ports.store import Filter, StreamRow
from holdfast.runtime.host import expect
from holdfast.runtime.index import (
    Listed,
    blind,
    fold_text,
    open_listed,
    tag_tokens,
    title_tokens,
)
from holdfast.runtime.infos import sensitivity_name
from holdfast.runtime.manager import Core, Located
from holdfast.runtime.readers import Reading

PAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSession:
    """One row of a listing; times are epoch seconds.

    Args:
        sealed: its details are only with its own process, and are not shown.
    """

    id: str
    state: str
    sensitivity_level: str
    created_at: int
    updated_at: int
    last_activity: int
    message_count: int
    turn_count: int
    tool_call_count: int
    title: str = ""
    tags: tuple[str, ...] = ()
    user_id: str = ""
    channel_id: str = ""
    chat_id: str = ""
    workspace: str = ""
    model: str = ""
    damaged: str = ""
    sealed: bool = False


@dataclass(frozen=True, slots=True)
class SessionPage:
    """One page of a listing; `cursor` is empty at the end."""

    sessions: tuple[ListedSession, ...]
    cursor: str = ""


class Listing(Core):
    """Which sessions there are."""

    async def list_sessions(
        self,
        *,
        states: Iterable[SessionState | str] = (),
        user_id: str | None = None,
        title: str | None = None,
        tags: Sequence[str] = (),
        workspace: str | None = None,
        min_sensitivity: int = 0,
        storage_type: StorageType | str = StorageType.FILE,
        cursor: str = "",
        limit: int = 100,
    ) -> SessionPage:
        """List sessions of one store, newest change first, a page at a time.

        Args:
            title: words that the title must have, whole and without regard to case.
            tags: tags it must have, all of them.
            limit: sessions a page, 1 to 1000.
        """
        expect("limit", limit, int)
        if not 1 <= limit <= 1000:
            raise InvalidInput("limit is 1 to 1000")
        wanted = frozenset(map(_state_code, states))
        for what, text in (("user_id", user_id), ("title", title), ("workspace", workspace)):
            expect(what, text, str, type(None))
        expect("cursor", cursor, str)
        expect("tags", tags, list, tuple, set, frozenset)
        for tag in tags:
            expect("tag", tag, str)
        await self.ready()
        backend = self.backend_for(storage_type)
        key = backend.keys.blind_key(self.tenant)
        tokens: set[bytes] = set(tag_tokens(key, tags))
        if title:
            tokens |= title_tokens(key, title)
        if user_id is not None:
            tokens.add(blind(key, "user", user_id))
        if workspace is not None:
            tokens.add(blind(key, "workspace", resolve_workspace(workspace)))
        page = await backend.store.list_streams(
            Filter(
                tenant=self.tenant,
                states=wanted,
                tokens=frozenset(tokens),
                min_sensitivity=min_sensitivity,
                cursor=cursor,
                limit=limit,
            )
        )
        keys = _keys_of(backend.keys, page.rows)
        rows = [_listed(backend.keys, row, keys.get(row.stream)) for row in page.rows]
        places = [Located(backend, row) for row in page.rows]
        seen = [await self._seen(where, one) for where, one in zip(places, rows, strict=True)]
        return SessionPage(tuple(seen), page.cursor)

    async def _seen(self, where: Located, listed: ListedSession) -> ListedSession:
        """A row as this manager's principal may see it."""
        if listed.user_id == self.principal or not (listed.title or listed.tags):
            return listed
        title, tags = await Reading(self, where).listed(listed.title, listed.tags)
        return replace(listed, title=title, tags=tags)

    async def rows(self) -> AsyncIterator[Located]:
        """Every named session of every store."""
        await self.ready()
        for _, backend in self.distinct_backends():
            async for row in backend.rows(Filter(tenant=self.tenant, limit=PAGE)):
                if row.name is not None:
                    yield Located(backend, row)

    async def session_count(self) -> int:
        """How many sessions there are (seed B6)."""
        return sum([1 async for _ in self.rows()])


def listed_rows(rows: Iterable[Located]) -> list[ListedSession]:
    """Rows of a listing for sessions that are known one by one."""
    return [_listed(one.backend.keys, one.row, None) for one in rows]


def passes(
    *,
    states: Iterable[SessionState | str],
    user_id: str | None,
    title: str | None,
    tags: Sequence[str],
    workspace: str | None,
    min_sensitivity: int,
) -> Callable[[ListedSession], bool]:
    """What `list_sessions` asks the store for, as a test of one row.

    Raises:
        InvalidInput: there is no such state or workspace.
    """
    names = {SessionState(_state_code(state)).title for state in states}
    words = set(fold_text(title or "").split())
    real = None if workspace is None else resolve_workspace(workspace)
    levels = [sensitivity_name(level) for level in Sensitivity]

    def test(one: ListedSession) -> bool:
        return (
            (not names or one.state in names)
            and user_id in (None, one.user_id)
            and words <= set(fold_text(one.title).split())
            and set(tags) <= set(one.tags)
            and real in (None, one.workspace)
            and levels.index(one.sensitivity_level) >= min_sensitivity
        )

    return test


def _keys_of(keys: Keys, rows: Iterable[StreamRow]) -> dict[int, DataKey]:
    """The keys that a page's sealed parts are opened with, read at once."""
    try:
        return keys.session_keys([row.stream for row in rows if row.index.sealed])
    except HoldfastError:
        return {}  # then each row asks for its own, and is told what is wrong


def _listed(keys: Keys, row: StreamRow, key: DataKey | None) -> ListedSession:
    index = row.index
    damaged, hidden = "", False
    listed = Listed("", (), "", "", "", "", "")
    if index.sealed:
        try:
            key = key or keys.session_key(row.stream)
            listed = open_listed(row.stream, key, index.sealed)
            key.wipe()
        except SessionSealed:
            hidden = True
        except HoldfastError as error:
            damaged = error.reason
    return ListedSession(
        id=row.name or f"stream-{row.stream:016x}",
        state=decode_state(index.state).title,
        sensitivity_level=sensitivity_name(index.sensitivity),
        created_at=index.created_ms // 1000,
        updated_at=index.updated_ms // 1000,
        last_activity=index.last_activity_ms // 1000,
        message_count=index.messages,
        turn_count=index.turns,
        tool_call_count=index.tool_calls,
        title=listed.title,
        tags=listed.tags,
        user_id=listed.user_id,
        channel_id=listed.channel_id,
        chat_id=listed.chat_id,
        workspace=listed.workspace,
        model=listed.model,
        damaged=damaged,
        sealed=hidden,
    )


def _state_code(state: SessionState | str) -> int:
    """A state of a filter as its number.

    Raises:
        InvalidInput: there is no such state.
    """
    expect("state", state, SessionState, str)
    found = state if isinstance(state, SessionState) else decode_state(state)
    if found is SessionState.UNKNOWN:
        raise InvalidInput("there is no such state")
    return int(found)


def resolve_workspace(path: str) -> str:
    """The real, absolute path of a workspace; "" stays "".

    Raises:
        InvalidInput: it is not a directory.
    """
    expect("workspace", path, str)
    if not path:
        return ""
    if "\0" in path:
        raise InvalidInput("a path has no NUL")
    real = os.path.realpath(os.path.expanduser(path))
    if not os.path.isdir(real):
        raise InvalidInput(f"the workspace {path!r} is not a directory")
    return real
