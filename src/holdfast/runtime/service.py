"""The seeds' `SessionManager` methods that take a session id (seed B)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import IO, TypeVar

from holdfast.core.auditquestion import AuditQuestion
from holdfast.core.messages import Message
from holdfast.core.settings import ModelSettings
from holdfast.core.tokens import TokenFormat, TokenSettings
from holdfast.runtime.agentservice import AgentService
from holdfast.runtime.approving import ApprovalService
from holdfast.runtime.audit import AuditReport, rotate_keys, verify_store
from holdfast.runtime.audit_export import audit_lines
from holdfast.runtime.children import Children
from holdfast.runtime.config import AgentResult, ContextUsage
from holdfast.runtime.confining import Confining
from holdfast.runtime.exporting import export_session, export_text
from holdfast.runtime.grants_service import AllowanceService
from holdfast.runtime.importing import import_file, import_session, restore_from_data
from holdfast.runtime.isolation import SessionIsolation
from holdfast.runtime.permissions import PermissionService
from holdfast.runtime.proxies import GatedExecutor, GatedModel
from holdfast.runtime.readers import Reading
from holdfast.runtime.sealing import Sealing
from holdfast.runtime.seeddata import SessionData
from holdfast.runtime.seeds import to_serializable, to_session_data
from holdfast.runtime.seedserial import SerializableSession
from holdfast.runtime.stream import StreamEvent
from holdfast.runtime.takeover import ImportedSession
from holdfast.runtime.tokenmaking import settings_of
from holdfast.runtime.tokens import SessionTokens

R = TypeVar("R", SessionData, SerializableSession)


class SessionService(
    AgentService, AllowanceService, PermissionService, ApprovalService, Children, Confining, Sealing
):
    """Sessions by id, as the seeds spell it; each method is one of `Session`'s."""

    @property
    def isolation(self) -> SessionIsolation:
        """Each session by itself: its registry of values, its wipe (seed A9)."""
        return SessionIsolation(self)

    @property
    def tokens(self) -> SessionTokens:
        """Tokens of those who may touch sessions (seed C1 to C7)."""
        return SessionTokens(self, self._token_settings)

    def _check_tokens(self) -> None:
        """Refuse to open what could not make its tokens.

        Raises:
            MissingExtra: they are to be signed, and the optional part is not installed.
            InvalidInput: what the environment says of them is none.
        """
        if self._token_settings().format == TokenFormat.JWT:
            self.distinct_backends()[0][1].book.signing.check_form()

    def _token_settings(self) -> TokenSettings:
        """What the manager was given, else what environment and policy file say."""
        if self._around.tokens is not None:
            return self._around.tokens
        file = None if self.policy is None else self.policy.serving
        return settings_of(file, os.environ)

    async def generate(self, session_id: str, prompt: str) -> AgentResult:
        """Send a message and wait for the answer (seed B8); see `Session.generate`."""
        return await (await self.get_session(session_id)).generate(prompt)

    async def generate_streaming(
        self, session_id: str, prompt: str
    ) -> tuple[AsyncIterator[StreamEvent], asyncio.Task[AgentResult]]:
        """Send a message; returns (events of the run, task of the result) (seed B8).

        The events must not be read for the task to finish.
        """
        session = await self.get_session(session_id)
        id = self.clock.random_bytes(16)
        events = session.stream(prompt, command_id=id)
        task = asyncio.create_task(session.generate(prompt, command_id=id))
        return events, task

    async def history(self, session_id: str, *, by: str | None = None) -> list[Message]:
        """The conversation (seed B9); see `Session.history`."""
        return await (await self.get_session(session_id)).history(by=by)

    async def context_usage(self, session_id: str) -> ContextUsage:
        """How full the context is (seed B9)."""
        return await (await self.get_session(session_id)).context_usage()

    async def clear(self, session_id: str) -> None:
        """Clear what the model sees (seed B9)."""
        await (await self.get_session(session_id)).clear()

    async def rewind(self, session_id: str, to_version: int) -> None:
        """Show the model only what was there at a version (seed B14)."""
        await (await self.get_session(session_id)).rewind(to_version)

    async def configure(
        self,
        session_id: str,
        thinking: bool | None = None,
        budget: int | None = None,
        model_config: ModelSettings | None = None,
    ) -> None:
        """Change thinking, its budget in tokens, or the model (seed B10)."""
        session = await self.get_session(session_id)
        await session.configure(thinking, budget, model_config)

    async def pause_session(self, session_id: str) -> bool:
        """Pause; True if that changed something (seed B11)."""
        return await (await self.get_session(session_id)).pause()

    async def resume_session(self, session_id: str) -> bool:
        """Resume; True only from paused (seed B11)."""
        return await (await self.get_session(session_id)).resume()

    async def cancel_operation(self, session_id: str) -> bool:
        """End the running turn; True only if something was cancelled (seed B11)."""
        return await (await self.get_session(session_id)).cancel()

    async def end_session(self, session_id: str) -> None:
        """Complete a session and keep it (seed E7)."""
        await (await self.get_session(session_id)).end()

    async def reopen_session(self, session_id: str) -> None:
        """Make a completed or failed session active again."""
        await (await self.get_session(session_id)).reopen()

    async def answer(self, session_id: str, question: int, decision: str, note: str = "") -> None:
        """Answer an open question; see `Session.answer`."""
        await (await self.get_session(session_id)).answer(question, decision, note)

    async def subscribe_events(
        self, session_id: str, from_version: int | None = None, *, by: str | None = None
    ) -> AsyncIterator[StreamEvent]:
        """The session's events; see `Session.subscribe_events` (seed D10)."""
        return (await self.get_session(session_id)).subscribe_events(from_version, by=by)

    async def get_llm_for_session(self, session_id: str) -> GatedModel | None:
        """The model a session's next call goes to, behind the gate (seed B2)."""
        session = await self.get_session(session_id)
        client = await self._model_for_host(await session.view())
        return None if client is None else GatedModel(self, session.where, client)

    def tool_executor(self) -> GatedExecutor:
        """The tools of this installation, behind the gate (seed B12)."""
        return GatedExecutor(self)

    # --- moving and proving ----------------------------------------------------------

    async def export_session(self, session_id: str, out: IO[bytes] | str | Path) -> int:
        """Write a session as JSONL; returns the number of events. See `exporting`."""
        return await export_session(self, session_id, out)

    async def export_text(self, session_id: str, format: str = "jsonl") -> str:
        """A session as text: jsonl, session_data or serializable_session."""
        return await export_text(self, session_id, format)

    async def import_session(
        self, path: str | os.PathLike[str], new_id: str | None = None
    ) -> ImportedSession:
        """Take in an export of ours as a new session; see `importing`."""
        return await import_session(self, path, new_id)

    async def import_file(
        self, path: str | os.PathLike[str], new_id: str | None = None
    ) -> ImportedSession:
        """Take in a session file of any known form; see `importing`."""
        return await import_file(self, path, new_id)

    async def to_session_data(self, session_id: str, *, by: str | None = None) -> SessionData:
        """A session as seed D15's record of seventeen keys.

        Args:
            by: as of `Session.history`; an export has everything.
        """
        return await self._seen_record(session_id, await to_session_data(self, session_id), by)

    async def to_serializable(
        self, session_id: str, *, by: str | None = None
    ) -> SerializableSession:
        """A session in seed E9's form.

        Args:
            by: as of `Session.history`; an export has everything.
        """
        return await self._seen_record(session_id, await to_serializable(self, session_id), by)

    async def _seen_record(self, session_id: str, record: R, by: str | None) -> R:
        session = await self.get_session(session_id)
        async with Reading(self, session.where, by).shows(await session.view()) as shows:
            return record if shows is None else await shows.record(record)

    async def restore_from_data(self, data: SessionData) -> ImportedSession:
        """Make a session from seed D15's record, under its own id (seed B5)."""
        return await restore_from_data(self, data)

    async def audit_verify(self, session_id: str | None = None) -> AuditReport:
        """Prove one session, or all of every store; see `audit`."""
        return await verify_store(self, session_id)

    async def audit_export(self, question: AuditQuestion) -> AsyncGenerator[bytes]:
        """The audit log as outsiders may have it, line by line: the answer to a question.

        `audit_file.verify_answer` verifies it with the audit key's public half alone.

        Raises:
            SessionNotFound: there is no such session.
        """
        ids = [question.session_id] if question.session_id else []
        async with aclosing(audit_lines(self, ids, answers=question.digest())) as lines:
            async for line in lines:
                yield line

    async def rotate_keys(self) -> dict[str, int]:
        """Rotate the keys of every store; returns the new epochs. See `audit`."""
        return await rotate_keys(self)
