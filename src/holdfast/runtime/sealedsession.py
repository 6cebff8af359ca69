"""The handle of a sealed session: it relays, and holds nothing.

What it does not relay needs the session's key, which this process is never given: it
raises `SessionSealed`. So a method that is added to `Session` is refused until somebody
says how it is relayed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import NoReturn, Protocol

from holdfast.core.errors import InvalidInput, SessionNotFound, SessionSealed
from holdfast.core.lifecycle import SessionState, decode_state
from holdfast.core.messages import Message
from holdfast.core.settings import QueuePolicy
from holdfast.core.view import SessionView
from holdfast.ports.sealed import Reply, SealedProcess
from holdfast.runtime import sealedforms as forms
from holdfast.runtime.approvals import Approval, Attendant, Handler
from holdfast.runtime.config import AgentResult, SessionInfo
from holdfast.runtime.handle import Session
from holdfast.runtime.host import check_command_id, expect
from holdfast.runtime.infos import info_of
from holdfast.runtime.located import Located
from holdfast.runtime.manager import Core
from holdfast.runtime.perform import clean
from holdfast.runtime.stream import StreamEvent
from holdfast.runtime.window import Bodies


class Relay(Protocol):
    """Who has a session's host do things; `sealing` is."""

    async def sealed_call(
        self, where: Located, op: str, meta: Mapping[str, object], body: bytearray | None = None
    ) -> Reply:
        """Have it do something; the body is overwritten."""
        ...

    async def sealed_follow(
        self, where: Located, meta: Mapping[str, object], body: bytearray
    ) -> tuple[SealedProcess, Reply]:
        """Begin to read the session's events."""
        ...


class SealedSession(Session):
    """A session whose content is only ever in a process of its own.

    What its methods are given and give back passes through this process for as long as
    the call takes, and as Python's texts do, leaves copies in freed memory. `ask` leaves
    none: it takes and gives buffers.
    """

    def __init__(self, core: Core, relay: Relay, where: Located, id: str) -> None:
        super().__init__(core, where, id)
        self._relay = relay

    def __repr__(self) -> str:
        return f"SealedSession({self.id!r})"

    async def _call(
        self, op: str, meta: Mapping[str, object] | None = None, body: bytearray | None = None
    ) -> Reply:
        return await self._relay.sealed_call(self._where, op, meta or {}, body)

    def _refuse(self, what: str) -> NoReturn:
        raise SessionSealed(f"the session is sealed: {what} is not done from outside its process")

    # --- talking -------------------------------------------------------------------

    async def ask(
        self, prompt: bytearray, *, command_id: bytes | None = None, by: str | None = None
    ) -> bytearray:
        """Send a message and wait for the answer, leaving nothing of either here.

        Args:
            prompt: the message in UTF-8; it is overwritten once it was sent.
            command_id: 16 bytes; sending the same again pays nothing twice.

        Returns: the answer in UTF-8, for the caller to overwrite.

        Raises:
            HoldfastError: as `generate` does.
        """
        if not isinstance(prompt, bytearray):
            raise InvalidInput("a prompt that is to leave nothing behind is a bytearray")
        check_command_id(command_id)
        meta = {"id": self._id(command_id), "by": by}
        return (await self._call("ask", meta, prompt)).body

    def _id(self, command_id: bytes | None) -> str:
        return (command_id or self._core.clock.random_bytes(16)).hex()

    async def generate(
        self,
        prompt: str,
        *,
        command_id: bytes | None = None,
        policy: QueuePolicy | str | None = None,
        by: str | None = None,
    ) -> AgentResult:
        """Send a message and wait for the answer; see `Session.generate`."""
        meta, body = self._sent(prompt, command_id, policy, by)
        return forms.result_of((await self._call("generate", meta, body)).body)

    def _sent(
        self,
        prompt: str,
        command_id: bytes | None,
        policy: QueuePolicy | str | None,
        by: str | None,
    ) -> tuple[dict[str, object], bytearray]:
        if not isinstance(prompt, str) or not isinstance(by, str | None):
            raise InvalidInput("a prompt and a principal are text")
        expect("policy", policy, QueuePolicy, str, type(None))
        check_command_id(command_id)
        meta: dict[str, object] = {"id": self._id(command_id), "policy": policy, "by": by}
        return meta, bytearray(clean(prompt).encode())

    async def stream(
        self,
        prompt: str,
        *,
        command_id: bytes | None = None,
        policy: QueuePolicy | str | None = None,
        by: str | None = None,
        answers: bool = True,
    ) -> AsyncIterator[StreamEvent]:
        """Send a message and yield the run's events; see `Session.stream`.

        Raises:
            Unavailable: its process ended meanwhile; `subscribe_events` goes on.
        """
        meta, body = self._sent(prompt, command_id, policy, by)
        async for event in self._follow({**meta, "answers": answers, "sends": True}, body):
            yield event

    async def subscribe_events(
        self, from_version: int | None = None, *, answers: bool = True, by: str | None = None
    ) -> AsyncIterator[StreamEvent]:
        """Yield the session's events; see `Session.subscribe_events`.

        Raises:
            Unavailable: its process ended meanwhile; subscribe again from the last version.
        """
        expect("from_version", from_version, int, type(None))
        expect("by", by, str, type(None))
        meta: dict[str, object] = {"from": from_version, "answers": answers, "by": by}
        meta["sends"] = False
        async for event in self._follow(meta, bytearray()):
            yield event

    async def _follow(
        self, meta: Mapping[str, object], body: bytearray
    ) -> AsyncIterator[StreamEvent]:
        process, reply = await self._relay.sealed_follow(self._where, meta, body)
        reader = {"reader": reply.meta["reader"]}
        try:
            while True:
                reply = await process.ask("next", reader)
                if reply.refused:
                    raise forms.error_of(reply.meta)
                if reply.meta["over"]:
                    return
                yield forms.event_of(reply.body)
        finally:
            if not process.over:
                self._core.errand(_leave(process, reader))

    # --- reading -------------------------------------------------------------------

    async def state_of(self) -> tuple[SessionView, Bodies]:
        """The fold and the window are not given out together.

        Raises:
            SessionSealed: always; there are `view` and `history`.
        """
        self._refuse("reading all of it")

    async def view(self) -> SessionView:
        """The fold; it holds the title, the tags and the texts of open questions."""
        return forms.read(SessionView, (await self._call("view")).body)

    async def state(self) -> SessionState:
        """The lifecycle state, from the index: nothing of the content is asked for."""
        row = await self._where.backend.store.stream_row(self._where.stream)
        if row is None or row.name is None:
            raise SessionNotFound("the session has been terminated")
        return decode_state(row.index.state)

    async def info(self, *, by: str | None = None) -> SessionInfo:
        """All facts of the session in one consistent read (seed A1)."""
        return info_of(await self.facts(by=by))

    async def facts(self, *, by: str | None = None) -> SessionView:
        """The fold as a principal may see it."""
        expect("by", by, str, type(None))
        return forms.read(SessionView, (await self._call("facts", {"by": by})).body)

    async def history(self, *, by: str | None = None) -> list[Message]:
        """The conversation (seed B9); see `Session.history`."""
        expect("by", by, str, type(None))
        return list(
            forms.read(forms.History, (await self._call("history", {"by": by})).body).messages
        )

    async def system_prompt(self, *, by: str | None = None) -> str:
        """The system prompt, possibly empty."""
        expect("by", by, str, type(None))
        reply = await self._call("prompt", {"by": by})
        try:
            return reply.body.decode()
        finally:
            forms.wipe(reply.body)

    async def _asked_in(self, where: Located, by: str | None) -> list[Approval]:
        expect("by", by, str, type(None))
        reply = await self._call("approvals", {"by": by})
        return list(forms.read(forms.Asked, reply.body).approvals)

    # --- what is not relayed ---------------------------------------------------------

    def on_approval(self, handler: Handler, *, by: str | None = None) -> Attendant:
        """Handlers are not called for a sealed session.

        Raises:
            SessionSealed: always; `approvals` lists what waits.
        """
        self._refuse("having a handler called")

    def emit(self, kind: str, data: Mapping[str, object]) -> None:
        """Events of the embedding program do not get to a sealed session's readers.

        Raises:
            SessionSealed: always.
        """
        self._refuse("sending events to its readers")


async def _leave(process: SealedProcess, reader: Mapping[str, object]) -> None:
    await process.ask("leave", reader)
