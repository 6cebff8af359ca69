"""`Client`: a server's sessions, under the names of `SessionManager`."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from holdfast.client.auditing import alerts_of, page_of, stats_of
from holdfast.client.controls import API, condition_of, new_key
from holdfast.client.decode import member, read, read_list, written
from holdfast.client.isolation import RemoteIsolation
from holdfast.client.session import RemoteSession
from holdfast.client.settings import ClientSettings
from holdfast.client.tokens import RemoteTokens
from holdfast.client.told import level_name
from holdfast.client.values import (
    AccountInfo,
    AgentResult,
    Approval,
    AuditReport,
    ContextUsage,
    ImportedSession,
    SessionInfo,
    SessionPage,
    StreamEvent,
    WipeReceipt,
)
from holdfast.client.wire import Ask, Query, Wire, part
from holdfast.core.agentconfig import KEEP, AgentConfig, CallSettings, Keep
from holdfast.core.auditpages import AlertPage, AuditPage, AuditStats
from holdfast.core.auditquestion import AuditQuestion
from holdfast.core.errors import BadAnswer, InvalidInput, QuestionNotFound
from holdfast.core.ids import validate_id
from holdfast.core.labels import Sensitivity
from holdfast.core.lifecycle import SessionState
from holdfast.core.messages import Message
from holdfast.core.settings import ModelSettings

if TYPE_CHECKING:
    import httpx2

AGENT = "/api/agent/config"


class Client:
    """The sessions of a server; use with `async with`.

    Where a configuration is taken, it is the library's `SessionConfig` or a mapping of its
    fields; only fields that differ from their defaults are sent.

    Args:
        url: the server's address, `https://host[:port]`. `http://` is taken for this
            machine itself only: a token is never sent in clear over a network.
        token: the bearer token; it is shown to that server and to nobody else.
        workspace: which workspace an administrator of all of them means.
        settings: how patient the client is.
        tls: how the server's certificate is checked; default: against the authorities
            that the system trusts.
        transport: another way to the server, for example to an application in this process.

    Raises:
        InvalidInput: the address or the token is none, or the one is not safe for the other.
        MissingExtra: the optional part `client` is not installed (at import).
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        workspace: str = "",
        settings: ClientSettings | None = None,
        tls: ssl.SSLContext | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._url = url
        self._wire = Wire(
            url, token, workspace=workspace, settings=settings, tls=tls, transport=transport
        )

    def __repr__(self) -> str:
        return f"Client({self._url!r})"

    @property
    def isolation(self) -> RemoteIsolation:
        """What each session holds apart from all others."""
        return RemoteIsolation(self._wire)

    @property
    def tokens(self) -> RemoteTokens:
        """Tokens of the workspace: made, listed, refreshed, revoked."""
        return RemoteTokens(self._wire)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections; nothing on the server ends."""
        await self._wire.aclose()

    async def _get(self, path: str, **query: str | int | bool | Sequence[str] | None) -> object:
        return (await self._wire.ask(Ask(method="GET", path=f"{API}{path}", query=query))).json()

    async def _post(self, path: str, body: object, key: str = "") -> object:
        ask = Ask(method="POST", path=f"{API}{path}", body=body, key=key or new_key())
        return (await self._wire.ask(ask)).json()

    def _handle(self, told: object) -> RemoteSession:
        """The handle of a session whose facts were told."""
        return RemoteSession(self._wire, validate_id(read(SessionInfo, told).id))

    # --- finding and opening -----------------------------------------------------------

    async def create_session(
        self,
        id: str | None = None,
        config: object = None,
        *,
        user_id: str | None = None,
        channel_id: str = "",
        chat_id: str = "",
    ) -> RemoteSession:
        """Create a session.

        Raises:
            SessionExists: the id is taken.
            HoldfastError: the configuration was refused.
        """
        body: dict[str, object] = {"channel_id": channel_id, "chat_id": chat_id}
        body |= {"id": None if id is None else validate_id(id), "user_id": user_id}
        body |= _config(config)
        return self._handle(await self._post("/sessions", body))

    async def get_session(self, session_id: str) -> RemoteSession:
        """The handle of a session.

        Raises:
            SessionNotFound: there is none with that id, or it is not yours.
        """
        return self._handle(await self._get(f"/sessions/{part(validate_id(session_id))}"))

    async def get_or_create_session(
        self, user_id: str, channel_id: str, chat_id: str
    ) -> RemoteSession:
        """The session of a user in a chat of a channel."""
        body = {"user_id": user_id, "channel_id": channel_id, "chat_id": chat_id}
        found = await self._post("/gateway/sessions", body)
        return RemoteSession(self._wire, validate_id(read(str, member(found, "id"))))

    async def list_sessions(
        self,
        *,
        states: Iterable[SessionState | str] = (),
        user_id: str | None = None,
        title: str | None = None,
        tags: Sequence[str] = (),
        min_sensitivity: Sensitivity | int = 0,
        cursor: str = "",
        limit: int = 100,
    ) -> SessionPage:
        """List sessions, newest change first, a page at a time; see `SessionManager`."""
        names = [one.title if isinstance(one, SessionState) else one for one in states]
        found = await self._get(
            "/sessions",
            state=names,
            user_id=user_id,
            title=title,
            tag=list(tags),
            min_sensitivity=level_name(Sensitivity(min_sensitivity)),
            cursor=cursor,
            limit=limit,
        )
        return read(SessionPage, found)

    async def get_all_sessions(self) -> list[RemoteSession]:
        """Handles of all sessions."""
        found: list[RemoteSession] = []
        page = await self.list_sessions(limit=1000)
        while True:
            found += [RemoteSession(self._wire, validate_id(one.id)) for one in page.sessions]
            if not page.cursor:
                return found
            page = await self.list_sessions(limit=1000, cursor=page.cursor)

    async def fork_session(
        self,
        source: str,
        new_id: str | None = None,
        *,
        name: str | None = None,
        at_version: int | None = None,
    ) -> RemoteSession:
        """Open a new session with another's visible conversation."""
        chosen = None if new_id is None else validate_id(new_id)
        body = {"new_id": chosen, "name": name, "at_version": at_version}
        return self._handle(await self._post(f"/sessions/{part(source)}/fork", body))

    async def create_child_session(
        self, parent_id: str, id: str | None = None, config: object = None
    ) -> RemoteSession:
        """Open a session below another; it can do no more than its parent."""
        body = {"id": None if id is None else validate_id(id), **_config(config)}
        return self._handle(await self._post(f"/sessions/{part(parent_id)}/children", body))

    async def get_child_sessions(self, parent_id: str) -> list[str]:
        """Ids of the children of a session."""
        return read_list(str, member(await self._family(parent_id), "children"))

    async def parent_session_id(self, session_id: str) -> str | None:
        """The session it stands below, or None."""
        found = member(await self._family(session_id), "parent")
        return None if found is None else read(str, found)

    async def is_child_session(self, session_id: str) -> bool:
        """Whether a session stands below another."""
        return await self.parent_session_id(session_id) is not None

    async def _family(self, session_id: str) -> object:
        return await self._get(f"/sessions/{part(session_id)}/children")

    # --- ending --------------------------------------------------------------------------

    async def terminate_session(
        self, session_id: str, *, keep: Sequence[str] = (), if_version: int | None = None
    ) -> WipeReceipt:
        """Wipe a session: its key is destroyed, and that is attested.

        Its forks and children are wiped with it, unless they are named in `keep`.

        Args:
            if_version: only if the session has this version still.

        Raises:
            SessionNotFound: there is no such session.
            VersionMismatch: it has another version; nothing is wiped.
        """
        return await self._terminate(session_id, keep, if_version, hidden=False)

    async def destroy_session(
        self, session_id: str, *, keep: Sequence[str] = (), if_version: int | None = None
    ) -> WipeReceipt:
        """Terminate a session and take it out of all listings."""
        return await self._terminate(session_id, keep, if_version, hidden=True)

    async def _terminate(
        self, id: str, keep: Sequence[str], version: int | None, *, hidden: bool
    ) -> WipeReceipt:
        path = f"{API}/sessions/{part(id)}"
        query: Query = {"keep": list(keep), "hidden": hidden}
        ask = Ask(method="DELETE", path=path, query=query, headers=condition_of(version))
        return read(WipeReceipt, (await self._wire.ask(ask)).json())

    # --- by id; each is a method of `RemoteSession` -----------------------------------------

    def _named(self, session_id: str) -> RemoteSession:
        return RemoteSession(self._wire, validate_id(session_id))

    async def generate(self, session_id: str, prompt: str) -> AgentResult:
        """Send a message and wait for the answer; see `RemoteSession.generate`."""
        return await self._named(session_id).generate(prompt)

    async def generate_streaming(
        self, session_id: str, prompt: str
    ) -> tuple[AsyncIterator[StreamEvent], asyncio.Task[AgentResult]]:
        """Send a message; returns (events of the run, task of the result).

        The events must not be read for the task to finish.
        """
        session, id = self._named(session_id), os.urandom(16)
        events = session.stream(prompt, command_id=id)
        return events, asyncio.create_task(session.generate(prompt, command_id=id))

    async def history(self, session_id: str) -> list[Message]:
        """The conversation as the model sees it."""
        return await self._named(session_id).history()

    async def context_usage(self, session_id: str) -> ContextUsage:
        """How full the context is."""
        return await self._named(session_id).context_usage()

    async def clear(self, session_id: str) -> None:
        """Clear what the model sees."""
        await self._named(session_id).clear()

    async def rewind(self, session_id: str, to_version: int) -> None:
        """Show the model only what was there at a version."""
        await self._named(session_id).rewind(to_version)

    async def configure(
        self,
        session_id: str,
        thinking: bool | None = None,
        budget: int | None = None,
        model_config: ModelSettings | None = None,
    ) -> None:
        """Change thinking, its budget in tokens, or the model."""
        await self._named(session_id).configure(thinking, budget, model_config)

    async def pause_session(self, session_id: str) -> bool:
        """Pause; True if that changed something."""
        return await self._named(session_id).pause()

    async def resume_session(self, session_id: str) -> bool:
        """Resume; True only from paused."""
        return await self._named(session_id).resume()

    async def cancel_operation(self, session_id: str) -> bool:
        """End the running turn; True only if something was cancelled."""
        return await self._named(session_id).cancel()

    async def end_session(self, session_id: str) -> None:
        """Complete a session and keep it."""
        await self._named(session_id).end()

    async def reopen_session(self, session_id: str) -> None:
        """Make a completed or failed session active again."""
        await self._named(session_id).reopen()

    async def subscribe_events(
        self, session_id: str, from_version: int | None = None
    ) -> AsyncIterator[StreamEvent]:
        """The session's events; see `RemoteSession.subscribe_events`."""
        return self._named(session_id).subscribe_events(from_version)

    # --- what waits for a person --------------------------------------------------------------

    async def list_approvals(
        self, state: str = "open", *, session_id: str | None = None, limit: int = 100
    ) -> list[Approval]:
        """What waits for a person, in one session or in all.

        Args:
            state: "open", or "due" for those whose time has run out.
            session_id: of this session only.
            limit: 1 to 1000.
        """
        found = await self._get("/approvals", state=state, session_id=session_id, limit=limit)
        return read_list(Approval, found)

    async def answer_approval(
        self,
        id: str,
        decision: str,
        *,
        note: str = "",
        pattern: str = "",
        arguments: Mapping[str, object] | None = None,
        expires_in_s: int | None = None,
        max_uses: int | None = None,
        amount: int = 0,
    ) -> None:
        """Answer a question by its `Approval.id`; see `RemoteSession.answer_approval`."""
        session, _, number = id.rpartition(":")
        if not session or not number.isdecimal():
            raise QuestionNotFound(f"{id!r} is not the id of an approval")
        await self._named(session).answer_approval(
            id,
            decision,
            note=note,
            pattern=pattern,
            arguments=arguments,
            expires_in_s=expires_in_s,
            max_uses=max_uses,
            amount=amount,
        )

    async def confirm_tool(
        self, session_id: str, tool_id: str, approved: bool, reason: str | None = None
    ) -> bool:
        """Confirm a tool call; see `RemoteSession.confirm_tool`."""
        return await self._named(session_id).confirm_tool(tool_id, approved, reason)

    # --- the agent's configuration ------------------------------------------------------------

    async def agent_config(self) -> AgentConfig:
        """The configuration in force for turns that begin now; never a key."""
        return read(AgentConfig, (await self._wire.ask(Ask(method="GET", path=AGENT))).json())

    async def set_agent_config(
        self,
        model: ModelSettings | None,
        *,
        api_key: str | Keep | None = KEEP,
        calls: CallSettings | None = None,
        expected: int | None = None,
    ) -> AgentConfig:
        """Put a configuration in place of the one there is; see `SessionManager`.

        Raises:
            HoldfastError: it was refused; what held goes on to hold.
            VersionMismatch: the configuration has another version than `expected`.
        """
        fields = {} if model is None else written(model)
        if not isinstance(fields, dict):
            raise InvalidInput("a model is ModelSettings, or a mapping of its fields")
        body: dict[str, object] = {**fields}
        if isinstance(model, ModelSettings) and model.sees is not None:
            body["sees"] = level_name(model.sees)
        if api_key is not KEEP:
            body["api_key"] = api_key
        if calls is not None:
            body["calls"] = written(calls)
        headers = {} if expected is None else {"If-Match": f'"{expected}"'}
        ask = Ask(method="PUT", path=AGENT, body=body, key=new_key(), headers=headers)
        return read(AgentConfig, (await self._wire.ask(ask)).json())

    # --- budgets, moving, proving ---------------------------------------------------------------

    async def budget(self, holder: str, who: str = "") -> list[AccountInfo]:
        """The accounts with a limit of a session, a user or the workspace ("tenant")."""
        if holder == "session":
            return await self._named(who).budget()
        return read_list(AccountInfo, await self._get(f"/budgets/{part(holder)}", who=who))

    async def set_budget(
        self, holder: str, who: str = "", budget: object = None, *, drop: Sequence[str] = ()
    ) -> None:
        """Change limits of a session, a user or the workspace ("tenant")."""
        limits = {} if budget is None else budget
        if holder == "session":
            await self._named(who).set_budget(limits, drop=drop)
            return
        body = {"limits": written(limits), "drop": list(drop)}
        path = f"{API}/budgets/{part(holder)}"
        answer = await self._wire.ask(Ask(method="PUT", path=path, query={"who": who}, body=body))
        read_list(AccountInfo, answer.json())

    async def export_text(self, session_id: str, format: str = "jsonl") -> str:
        """A session as text: jsonl, session_data or serializable_session."""
        path = f"{API}/sessions/{part(session_id)}/export"
        answer = await self._wire.ask(Ask(method="GET", path=path, query={"format": format}))
        try:
            return answer.body.decode("utf-8")
        except UnicodeDecodeError:
            raise BadAnswer("the server's answer is no text") from None

    async def import_file(
        self, path: str | os.PathLike[str], new_id: str | None = None
    ) -> ImportedSession:
        """Take in a session file of any known form, read here and sent there."""
        try:
            data = await asyncio.to_thread(Path(path).read_bytes)
        except OSError as error:
            raise InvalidInput(f"the file cannot be read: {error.strerror}") from None
        ask = Ask(
            method="POST",
            path=f"{API}/sessions/import",
            query={"new_id": None if new_id is None else validate_id(new_id)},
            raw=(data, "application/octet-stream"),
            key=new_key(),
        )
        return read(ImportedSession, (await self._wire.ask(ask)).json())

    async def audit_verify(self, session_id: str | None = None) -> AuditReport:
        """Prove one session, or, for administrators of all workspaces, every one."""
        return read(AuditReport, await self._get("/audit/verify", session_id=session_id or ""))

    async def audit_export(self, question: AuditQuestion) -> AsyncGenerator[bytes]:
        """The audit log as the answer to a question, piece by piece, for whoever verifies it.

        The server is not believed: `holdfast audit verify --key` verifies the answer here.

        Args:
            question: its workspace is that of this client.

        Raises:
            InvalidInput: it is another one.
            HoldfastError: it was refused, or broke off.
        """
        if question.workspace != self._wire.workspace:
            raise InvalidInput("the question is about another workspace than the client's")
        nonce, session_id = question.nonce.hex(), question.session_id or None
        query: Query = {"nonce": nonce, "session_id": session_id}
        ask = Ask(method="GET", path=f"{API}/audit/export", query=query)
        async with aclosing(self._wire.pieces(ask, "application/x-ndjson")) as pieces:
            async for piece in pieces:
                yield piece

    async def audit_events(
        self,
        *,
        session_id: str | None = None,
        severity: str = "info",
        vectors: Iterable[str] = (),
        kinds: Iterable[str] = (),
        since_ms: int = 0,
        after: int = 0,
        limit: int = 100,
    ) -> AuditPage:
        """Audit events after a cursor, in the order of the log: of one's workspace, or of one
        session.

        A page looks at a stretch of the log, and may have no events although there is `more`.

        Args:
            session_id: only this session's.
            severity: at least info, warning, high or critical.
            vectors, kinds: only these; none is any.
            since_ms: not before, milliseconds since 1970.
            limit: 1 to 500.
        """
        found = await self._get(
            "/audit/events",
            session_id=session_id,
            severity=severity,
            vector=[str(one) for one in vectors],
            kind=list(kinds),
            since_ms=since_ms,
            cursor=after,
            limit=limit,
        )
        return page_of(found)

    async def audit_stats(
        self,
        *,
        session_id: str | None = None,
        severity: str = "info",
        vectors: Iterable[str] = (),
        kinds: Iterable[str] = (),
        since_ms: int = 0,
        after: int = 0,
    ) -> AuditStats:
        """Count audit events of a stretch of the log; arguments as of `audit_events`."""
        found = await self._get(
            "/audit/stats",
            session_id=session_id,
            severity=severity,
            vector=[str(one) for one in vectors],
            kind=list(kinds),
            since_ms=since_ms,
            cursor=after,
        )
        return stats_of(found)

    async def audit_alerts(
        self,
        *,
        session_id: str | None = None,
        since_ms: int = 0,
        after: int = 0,
        limit: int = 100,
    ) -> AlertPage:
        """The alerts that the log makes after a cursor; arguments as of `audit_events`."""
        found = await self._get(
            "/audit/alerts", session_id=session_id, since_ms=since_ms, cursor=after, limit=limit
        )
        return alerts_of(found)


def _config(config: object) -> dict[str, object]:
    if config is None:
        return {}
    found = written(config)
    if not isinstance(found, dict):
        raise InvalidInput("a configuration is a SessionConfig, or a mapping of its fields")
    return {"config": found}
