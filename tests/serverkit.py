"""What tests of the server share: principals with tokens, an app in memory or on a socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx2
import uvicorn

from holdfast.bootstrap import SessionManager
from holdfast.core.errors import TokenInvalid
from holdfast.core.principals import ROLES, Principal
from holdfast.ports.model import ModelClient
from holdfast.server.app import Application, create_app
from holdfast.server.settings import ServerSettings
from sessionhelp import echo, memory

BASE = "http://127.0.0.1:18790"


class SomeTokens:
    """Principals by token; what `SessionManager.tokens` is asked for by the server."""

    def __init__(self) -> None:
        self.known: dict[str, Principal] = {}
        self.asked = 0

    def add(
        self, name: str, role: str = "operator", workspace: str = "default", session: str = ""
    ) -> Mapping[str, str]:
        """Make a principal; returns the header that shows its token."""
        token = f"hf_{name}"
        self.known[token] = Principal(
            id=f"user:{name}",
            workspace=workspace,
            session=session,
            role=role,
            scopes=ROLES[role],
            token=f"{len(self.known):032x}",
        )
        return {"Authorization": f"Bearer {token}"}

    async def validate(self, token: str) -> Principal:
        self.asked += 1
        if token not in self.known:
            raise TokenInvalid
        return self.known[token]


class Served:
    """An application and who may call it."""

    def __init__(self, app: Application, sessions: SessionManager, tokens: SomeTokens) -> None:
        self.app = app
        self.sessions = sessions
        self.tokens = tokens
        self.http = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app, raise_app_exceptions=False), base_url=BASE
        )
        self.admin = tokens.add("root", "admin", "*")
        self.ann = tokens.add("ann")
        self.bob = tokens.add("bob", workspace="other")

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        by: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """Call as somebody; default: ann, an operator of the workspace `default`."""
        told = {**(self.ann if by is None else by), **(headers or {})}
        return await self.http.request(
            method, path, headers=told, **({} if body is None else {"json": body})
        )

    async def ok(self, method: str, path: str, body: object = None, **more: Any) -> Any:
        """The JSON of a call that has to succeed."""
        found = await self.call(method, path, body, **more)
        assert found.is_success, (found.status_code, found.text)
        return found.json() if found.content else None


@asynccontextmanager
async def served(
    model: ModelClient | None = None,
    settings: ServerSettings | None = None,
    sessions: SessionManager | None = None,
) -> AsyncIterator[Served]:
    """An application over sessions in memory."""
    tokens = SomeTokens()
    async with sessions or memory(model or echo()) as manager:
        made = Served(create_app(manager, settings, tokens=tokens), manager, tokens)
        async with made.http:
            yield made


class Uvicorn(uvicorn.Server):
    """A server that leaves the signals of the tests alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def listening(app: Application) -> AsyncIterator[str]:
    """An application on a real socket; gives its address."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            app, log_config=None, server_header=False, date_header=False, lifespan="off"
        )
        server = Uvicorn(config)
        serving = asyncio.create_task(server.serve(sockets=[sock]))
        try:
            while not server.started:
                await asyncio.sleep(0.01)
            yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving
