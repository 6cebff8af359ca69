"""Approvals of all sessions of the stores, and the seeds' methods by session id."""

from __future__ import annotations

from collections.abc import Mapping

from holdfast.core.errors import InvalidInput
from holdfast.core.settings import ConfirmationPolicy
from holdfast.ports.store import PendingKind, PendingRow
from holdfast.runtime.asking import Approval, split_id
from holdfast.runtime.backend import Backend
from holdfast.runtime.host import expect
from holdfast.runtime.readers import seen_approvals
from holdfast.runtime.sessions import Sessions
from holdfast.runtime.waiting import pages

STATES = ("open", "due")


class ApprovalService(Sessions):
    """Approvals of all sessions, and the seeds' methods by id; see `SessionManager`."""

    async def answer_approval(
        self,
        id: str,
        decision: str,
        *,
        note: str = "",
        pattern: str = "",
        arguments: Mapping[str, object] | str | None = None,
        expires_in_s: int | None = None,
        max_uses: int | None = None,
        amount: int = 0,
        by: str | None = None,
    ) -> None:
        """Answer a question by its `Approval.id`; see `Session.answer_approval`."""
        session = await self.get_session(split_id(id)[0])
        await session.answer_approval(
            id,
            decision,
            note=note,
            pattern=pattern,
            arguments=arguments,
            expires_in_s=expires_in_s,
            max_uses=max_uses,
            amount=amount,
            by=by,
        )

    async def confirm_tool(
        self, session_id: str, tool_id: str, approved: bool, reason: str | None = None
    ) -> bool:
        """Confirm a tool call (seed B13); see `Session.confirm_tool`.

        Raises:
            SessionNotFound: there is no such session.
        """
        session = await self.get_session(session_id)
        return await session.confirm_tool(tool_id, approved, reason)

    async def set_confirmation_policy(
        self, session_id: str, policy: ConfirmationPolicy | Mapping[str, object]
    ) -> ConfirmationPolicy:
        """Say how people are asked (seed B13); see `Session.set_confirmation_policy`."""
        return await (await self.get_session(session_id)).set_confirmation_policy(policy)

    async def get_confirmation_policy(self, session_id: str) -> ConfirmationPolicy:
        """How people are asked (seed B13)."""
        return await (await self.get_session(session_id)).get_confirmation_policy()

    async def list_approvals(
        self,
        state: str = "open",
        *,
        session_id: str | None = None,
        about: str | None = None,
        limit: int | None = 100,
        by: str | None = None,
    ) -> list[Approval]:
        """What waits for a person in all sessions of all stores (seed E5).

        Args:
            state: "open", or "due" for those whose time has run out and that lapse
                as soon as somebody leads their session.
            session_id: of this session only.
            about: "approval", "escape", "budget" or "in_doubt" only.
            limit: at least 1; None for all.
            by: the principal who reads; as of `Session.history`.

        Raises:
            InvalidInput: the state or the limit is wrong.
            SessionNotFound: there is no such session.
        """
        expect("limit", limit, int, type(None))
        if state not in STATES:
            raise InvalidInput(f"state is one of: {', '.join(STATES)}")
        if limit is not None and limit < 1:
            raise InvalidInput("limit is at least 1")
        await self.ready()
        where = await self.locate(session_id) if session_id is not None else None
        backends = [where.backend] if where else [one for _, one in self.distinct_backends()]
        due = self.clock.now_ms() if state == "due" else None
        found: list[Approval] = []
        for backend in backends:
            stream = where.stream if where else None
            async for page in pages(backend.store, stream, PendingKind.QUESTION):
                rows = [row for row in page if due is None or due >= (row.due_ms or due + 1)]
                read = await seen_approvals(self, backend, await self._own(backend, rows), by)
                found += [one for one in read if about in (None, one.about)]
                if due is None and limit is not None and len(found) >= limit:
                    break
        if due is not None:  # the longest due first
            found.sort(key=lambda one: one.due_ms or 0)
        return found[:limit]

    async def _own(self, backend: Backend, rows: list[PendingRow]) -> list[PendingRow]:
        """The rows of this manager's tenant."""
        known: dict[int, bool] = {}
        for stream in {row.stream for row in rows}:
            at = await backend.store.stream_row(stream)
            known[stream] = at is not None and at.tenant == self.tenant
        return [row for row in rows if known[row.stream]]
