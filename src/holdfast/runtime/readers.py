"""What one reader of a session is shown: the author all, another what may be seen.

- The author is the session's user. They see their own words, and all that is kept, as
  it is: in the process of a program whose principal they are, or that says by whom it
  reads.
- Another principal is shown names of what is above the session's level `reader`: of
  what is registered, and of what a detector finds, in whatever is read and whoever
  wrote it. The names are those that calls and results are kept with.
- What cannot be looked through is shown to no other: `Unavailable`.

Pieces of an answer and of a tool's output are not looked at here: they were, for the
session's reader, before they were published (`veil`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum
from itertools import groupby
from operator import itemgetter
from typing import TypeVar

from holdfast.core.errors import HoldfastError, InvalidInput, KeyDestroyed, Unavailable
from holdfast.core.labels import Sensitivity
from holdfast.core.lifecycle import SessionState
from holdfast.core.messages import Message, Part, Text, Thinking, ToolResult, ToolUse
from holdfast.core.security import Security
from holdfast.core.view import Question, SessionView
from holdfast.ports.store import PendingRow
from holdfast.runtime.asking import Approval, read_rows
from holdfast.runtime.backend import Backend
from holdfast.runtime.hookviews import SessionWords, Words
from holdfast.runtime.index import open_listed
from holdfast.runtime.located import Located
from holdfast.runtime.manager import Core
from holdfast.runtime.stream import EVENT_TYPES, StreamEvent
from holdfast.runtime.tainting import Taints
from holdfast.runtime.veil import Veil

_log = logging.getLogger("holdfast")
DEPTH_MAX = 64
TOO_DEEP = "[REDACTED:DEPTH]"
"""What stands for what is nested further in a JSON value."""
PIECES = frozenset({"text_delta", "thinking_delta", "tool_output_delta"})
IDS = frozenset({"id", "user_id", "parent_id"})
AS_IT_IS = frozenset({"command", "state", "outcome", "usage"})
"""What a client knows its own command by, 16 bytes in hex, names of ours, and figures."""
WIPED = "[REDACTED:WIPED]"
ENDING = (int(SessionState.TERMINATING), int(SessionState.TERMINATED))
FREE = frozenset({"metadata"})
"""What others gave us in whatever form: here a number may be a value as well."""

D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class Shows:
    """Shows texts and what is made of them to one reader, at one level."""

    words: Words
    level: Sensitivity

    async def text(self, text: str) -> str:
        """A text with names of what is above the level.

        Raises:
            Unavailable: it cannot be told what stands there.
        """
        return await self.words.hide(text, self.level) if text else text

    async def texts(self, texts: Iterable[str]) -> tuple[str, ...]:
        """Some texts, one by one."""
        return tuple([await self.text(one) for one in texts])

    async def value(self, value: object, *, free: bool = False, depth: int = DEPTH_MAX) -> object:
        """A JSON value; its keys are looked at as well.

        Args:
            free: numbers may say something too.
        """
        if isinstance(value, str):
            return await self.text(value)
        if isinstance(value, int | float) and not isinstance(value, bool) and free:
            shown = await self.text(str(value))
            return value if shown == str(value) else shown
        if not isinstance(value, Mapping | list | tuple):
            return value
        if depth <= 0:
            return TOO_DEEP
        if isinstance(value, Mapping):
            return {
                await self.text(str(name)): await self.value(one, free=free, depth=depth - 1)
                for name, one in value.items()
            }
        return [await self.value(one, free=free, depth=depth - 1) for one in value]

    async def data(self, data: Mapping[str, object], ours: Collection[str]) -> dict[str, object]:
        """The fields of an event.

        Args:
            ours: what is nobody's content.
        """
        return {
            name: one if name in ours else await self.value(one, free=name in FREE)
            for name, one in data.items()
        }

    async def message(self, message: Message) -> Message:
        """A message, part by part."""
        parts = [await self._part(part) for part in message.parts]
        return message if list(message.parts) == parts else replace(message, parts=tuple(parts))

    async def _part(self, part: Part) -> Part:
        match part:
            case Text(text=text) | Thinking(text=text):
                return replace(part, text=await self.text(text))
            case ToolResult(tool_use_id=id, name=name, content=content):
                id, name, content = await self.texts((id, name, content))
                return replace(part, tool_use_id=id, name=name, content=content)
            case ToolUse(id=id, name=name, arguments=arguments):
                id, name, arguments = await self.texts((id, name, arguments))
                return replace(part, id=id, name=name, arguments=arguments)

    async def question(self, question: Question) -> Question:
        """A question that waits; its patterns are made of arguments."""
        name, label = await self.texts((question.name, question.label))
        patterns = await self.texts(question.patterns)
        return replace(question, name=name, label=label, patterns=patterns)

    async def fold(self, view: SessionView) -> SessionView:
        """A fold whose title, tags, metadata, reason and questions may be seen."""
        details, settings = view.details, view.settings
        custom = await self.value(json.loads(details.custom), free=True)
        return replace(
            view,
            state_reason=await self.text(view.state_reason),
            settings=replace(settings, name=await self.text(settings.name)),
            details=replace(
                details,
                title=await self.text(details.title),
                tags=await self.texts(details.tags),
                custom=json.dumps(custom, ensure_ascii=False),
            ),
            questions=tuple([await self.question(one) for one in view.questions]),
        )

    async def approval(self, approval: Approval) -> Approval:
        """A question as people are shown it."""
        texts = (approval.tool, approval.preview, approval.text)
        tool, preview, text = await self.texts(texts)
        patterns = [
            replace(
                one, pattern=await self.text(one.pattern), samples=await self.texts(one.samples)
            )
            for one in approval.patterns
        ]
        return replace(approval, tool=tool, preview=preview, text=text, patterns=tuple(patterns))

    async def record(self, record: D) -> D:
        """A dataclass that tells of a session, field by field; its ids are nobody's content."""
        assert is_dataclass(record) and not isinstance(record, type), "a record is a dataclass"
        changed = {
            one.name: await self._field(getattr(record, one.name))
            for one in fields(record)
            if one.name not in IDS
        }
        return replace(record, **changed)

    async def _field(self, value: object) -> object:
        if isinstance(value, Message):
            return await self.message(value)
        if is_dataclass(value) and not isinstance(value, type):
            return await self.record(value)
        if isinstance(value, tuple):
            return tuple([await self._field(one) for one in value])
        return await self.value(value) if not isinstance(value, Enum) else value


class Reading:
    """A session as one principal reads it; see the module.

    Args:
        by: who reads; default: the manager's principal.

    Raises:
        InvalidInput: that is no text.
    """

    def __init__(self, core: Core, where: Located, by: str | None = None) -> None:
        if not isinstance(by, str | None):
            raise InvalidInput("a principal is text")
        self._core = core
        self._where = where
        self._by = by or core.principal

    def own(self, view: SessionView) -> bool:
        """Whether the reader is the session's author."""
        return view.user_id == self._by

    @asynccontextmanager
    async def shows(self, view: SessionView) -> AsyncIterator[Shows | None]:
        """What is shown through; None shows everything.

        Args:
            view: the session as it stands: it says whose it is and what its level is.

        Raises:
            Unavailable: what is registered cannot be read.
            KeyDestroyed: the session was wiped, or is about to be.
        """
        security = self._core.trust.binding(view.settings.security)
        if self.own(view) or not security.enabled:
            yield None
            return
        async with self._words(security) as words:
            yield Shows(words, security.reader)

    @asynccontextmanager
    async def _words(self, security: Security) -> AsyncIterator[Words]:
        core, where = self._core, self._where
        engine = core.live(where.stream)
        if engine is not None:
            yield engine.workers.content.words
        else:
            taints = Taints(where.backend.journal(where.row), core.detectors.taints)
            veil = Veil(taints, core.detectors.taints)
            try:
                yield SessionWords(core.detectors, taints, veil, lambda: security)
            finally:
                veil.vault.clear()
        if await self._gone():  # then it was not known any more what is to be found
            raise KeyDestroyed("the session was wiped meanwhile")

    async def _gone(self) -> bool:
        """Whether the session's values are gone, or about to."""
        engine = self._core.live(self._where.stream)
        if engine is not None:
            return engine.workers.content.taints.forgotten
        row = await self._where.backend.store.stream_row(self._where.stream)
        return row is None or row.index.state in ENDING

    async def events(self, view: SessionView, events: Sequence[StreamEvent]) -> list[StreamEvent]:
        """Events as they may be seen, in order, each with the fields it has.

        Raises:
            Unavailable: it cannot be told what stands in one.
        """
        if self.own(view) or all(one.type in PIECES for one in events):
            return list(events)
        try:
            async with self.shows(view) as shows:
                return [await _seen(one, shows) for one in events]
        except KeyDestroyed:  # what was queued is told without what it said
            withheld = Shows(_Nothing(), Sensitivity.PUBLIC)
            return [await _seen(one, withheld) for one in events]

    async def messages(self, view: SessionView, messages: Iterable[Message]) -> list[Message]:
        """Messages as they may be seen.

        Raises:
            Unavailable: it cannot be told what stands in one.
        """
        async with self.shows(view) as shows:
            if shows is None:
                return list(messages)
            found = []
            for message in messages:
                found.append(await shows.message(message))
                await self._core.clock.sleep(0)  # a long history does not hold up all others
            return found

    async def text(self, view: SessionView, text: str) -> str:
        """A text of the session as it may be seen.

        Raises:
            Unavailable: it cannot be told what stands there.
        """
        async with self.shows(view) as shows:
            return text if shows is None else await shows.text(text)

    async def fold(self, view: SessionView) -> SessionView:
        """The fold with what its facts tell as it may be seen.

        Raises:
            Unavailable: it cannot be told what stands there.
        """
        async with self.shows(view) as shows:
            return view if shows is None else await shows.fold(view)

    async def listed(self, title: str, tags: Sequence[str]) -> tuple[str, tuple[str, ...]]:
        """A title and tags in a listing, where the session itself is not read.

        Its level is not known there, so that of all that is more than normal there are
        names; what cannot be looked through is left out.
        """
        security = self._core.trust.binding(Security())
        try:
            async with self._words(security) as words:
                shows = Shows(words, min(security.reader, Sensitivity.NORMAL))
                return await shows.text(title), await shows.texts(tags)
        except (KeyDestroyed, Unavailable):
            return "", ()

    async def approvals(self, approvals: list[Approval]) -> list[Approval]:
        """Questions of the session as they may be seen.

        Raises:
            Unavailable: it cannot be told what stands in one.
        """
        core, where = self._core, self._where
        engine = core.live(where.stream)
        if engine is None and self.authored():
            return approvals
        view = engine.view if engine is not None else (await core.follow(where)).view
        async with self.shows(view) as shows:
            return approvals if shows is None else [await shows.approval(one) for one in approvals]

    def authored(self) -> bool:
        """Whether the reader is the author, by the index; not, if that cannot be read."""
        row = self._where.row
        if not row.index.sealed:
            return False
        try:
            key = self._where.backend.keys.session_key(row.stream)
        except HoldfastError:
            return False
        try:
            return open_listed(row.stream, key, row.index.sealed).user_id == self._by
        except HoldfastError:
            return False
        finally:
            key.wipe()


async def _seen(event: StreamEvent, shows: Shows | None) -> StreamEvent:
    if shows is None or event.type in PIECES:
        return event
    ours = AS_IT_IS if event.type in EVENT_TYPES else frozenset[str]()
    return replace(event, data=await shows.data(event.data, ours))


class _Nothing:
    """Shows no text at all."""

    async def hide(self, text: str, level: Sensitivity) -> str:
        return WIPED

    def names(self, text: str) -> frozenset[str]:
        return frozenset()

    def restore(self, text: str, names: Collection[str]) -> str:
        return text


async def seen_approvals(
    core: Core, backend: Backend, rows: list[PendingRow], by: str | None
) -> list[Approval]:
    """Open the rows of questions, as a principal may see them.

    Those of a session that cannot be read, or looked through, are left out.
    """
    found: list[Approval] = []
    read = await read_rows(core, backend, rows)
    for stream, group in groupby(read, key=itemgetter(0)):
        at = await backend.store.stream_row(stream)
        if at is not None:
            reading = Reading(core, Located(backend, at), by)
            try:
                found += await reading.approvals([approval for _, approval in group])
            except HoldfastError as error:
                _log.warning("questions of stream %d are not shown: %s", stream, error.reason)
    return found
