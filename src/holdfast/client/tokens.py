"""Tokens of a server, under the names of `SessionManager.tokens`.

What makes a token is sent again if its answer is lost, and gets the same token. What
replaces one is sent once: the text that it was asked with is over.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import datetime

from holdfast.client.controls import new_key
from holdfast.client.decode import member, read, read_list, written
from holdfast.client.wire import Ask, Query, Wire, part
from holdfast.core.tokens import IssuedToken, TokenInfo, TokenPage

PATH = "/api/v1/tokens"
KEYS = "/.well-known/jwks.json"


def issued_of(value: object) -> IssuedToken:
    """A token that was just made, out of JSON.

    Raises:
        BadAnswer: it is not one.
    """
    texts = ("id", "session_id", "agent_id", "workspace_id", "role", "task_type", "guard_token")
    return IssuedToken(
        **{name: read(str, member(value, name)) for name in texts},
        scopes=tuple(read_list(str, member(value, "scopes"))),
        created_at=read(datetime, member(value, "created_at")),
        expires_at=read(datetime, member(value, "expires_at")),
        metadata=read(dict, member(value, "metadata")),
        generation=read(int, member(value, "generation")),
        now_ms=lambda: time.time_ns() // 1_000_000,
    )


class RemoteTokens:
    """The tokens of a workspace; see `Client.tokens`."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def create(
        self,
        agent_id: str,
        role: str = "agent",
        scopes: Iterable[str] | None = None,
        task_type: str | None = None,
        expires_in: float | None = None,
        *,
        session: str | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> IssuedToken:
        """Make a token that gives no more than this client's own.

        Args:
            agent_id: a name, or "user:<name>" for a person.
            expires_in: seconds; None is the installation's usual time.
            session: opened or joined; "" is all of the workspace's.

        Raises:
            ScopeDenied: it would give more.
            ServerUnreachable: no answer came for long; a token may have been made.
        """
        body = {
            "agent_id": agent_id,
            "role": role,
            "scopes": None if scopes is None else list(scopes),
            "task_type": task_type,
            "expires_in": expires_in,
            "session": session,
            "metadata": written(metadata),
        }
        ask = Ask(method="POST", path=PATH, body=body, key=new_key())
        return issued_of((await self._wire.ask(ask)).json())

    async def refresh(self) -> IssuedToken:
        """Have this client's own token replaced; the old one ends at once.

        Requests that run are waited for, and streams are closed and opened again with
        the new token: the old one is not shown any more. Whoever keeps the token
        elsewhere has to keep the new one, `guard_token` of what is returned.

        Raises:
            TokenInvalid: it has ended already.
            ServerUnreachable: no answer came; the old token may have ended.
        """
        async with self._wire.gate.alone():
            answer = await self._wire.ask_alone(Ask(method="POST", path=f"{PATH}/refresh"))
            found = issued_of(answer.json())
            self._wire.use(found.guard_token)
        return found

    async def jwks(self) -> dict[str, object]:
        """The public keys that verify signed tokens, as `holdfast.jwt.verify` takes them.

        Raises:
            BadAnswer: the server's answer is no key set.
        """
        found = (await self._wire.ask(Ask(method="GET", path=KEYS))).json()
        read_list(dict, member(found, "keys"))
        return read(dict, found)

    async def list(
        self,
        *,
        agent_id: str | None = None,
        session: str | None = None,
        cursor: str = "",
        limit: int = 100,
    ) -> TokenPage:
        """The live tokens of the workspace, a page at a time; never their text."""
        query: Query = {"agent_id": agent_id, "session": session, "cursor": cursor, "limit": limit}
        ask = Ask(method="GET", path=PATH, query=query)
        return read(TokenPage, (await self._wire.ask(ask)).json())

    async def info(self, id: str) -> TokenInfo:
        """All of a token but its text.

        Raises:
            NotFound: there is none, or it is not yours.
        """
        ask = Ask(method="GET", path=f"{PATH}/{part(id)}")
        return read(TokenInfo, (await self._wire.ask(ask)).json())

    async def revoke(self, session_or_token_id: str) -> None:
        """Revoke a token and those made with it, or all of a session.

        Raises:
            SessionNotFound: there is none with that id.
        """
        ask = Ask(method="DELETE", path=f"{PATH}/{part(session_or_token_id)}")
        read(bool, member((await self._wire.ask(ask)).json(), "changed"))

    async def revoke_all_for_agent(self, agent_id: str) -> int:
        """Revoke every token of an agent, those that are being made too; returns how many."""
        ask = Ask(method="DELETE", path=PATH, query={"agent_id": agent_id})
        return read(int, member((await self._wire.ask(ask)).json(), "revoked"))
