"""What tests of the server share: principals with tokens, an app in memory or on a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx2
import uvicorn

from holdfast.bootstrap import SessionManager
from holdfast.ports.model import ModelClient
from holdfast.server.app import Application, create_app
from holdfast.server.protocol import BoundedProtocol
from holdfast.server.serving import listen
from holdfast.server.settings import ServerSettings
from sessionhelp import echo, memory

BASE = "http://127.0.0.1:18790"


class Served:
    """An application and who may call it."""

    ann: Mapping[str, str]
    bob: Mapping[str, str]
    admin: Mapping[str, str]

    def __init__(self, app: Application, sessions: SessionManager) -> None:
        self.app = app
        self.sessions = sessions
        self.http = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app, raise_app_exceptions=False), base_url=BASE
        )

    async def token(
        self, name: str, role: str = "operator", workspace: str = "default", session: str = ""
    ) -> Mapping[str, str]:
        """Make a token; returns the header that shows it."""
        issued = await self.sessions.tokens.create(name, role, session=session, workspace=workspace)
        return {"Authorization": f"Bearer {issued.guard_token}"}

    async def ready(self) -> None:
        """Make the tokens of an administrator and of two operators in two workspaces."""
        self.admin = await self.token("user:root", "admin", "*")
        self.ann = await self.token("user:ann")
        self.bob = await self.token("user:bob", workspace="other")

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
    async with sessions or memory(model or echo()) as manager:
        made = Served(create_app(manager, settings), manager)
        await made.ready()
        async with made.http:
            yield made


class Uvicorn(uvicorn.Server):
    """A server that leaves the signals of the tests alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def uvicorn_config(app: Application) -> uvicorn.Config:
    """How tests run an application."""
    return uvicorn.Config(
        app,
        http=BoundedProtocol,
        log_config=None,
        server_header=False,
        date_header=False,
        lifespan="off",
    )


@asynccontextmanager
async def listening(app: Application) -> AsyncIterator[str]:
    """An application on a real socket; gives its address."""
    with listen(ServerSettings(port=0)) as sock:
        server = Uvicorn(uvicorn_config(app))
        serving = asyncio.create_task(server.serve(sockets=[sock]))
        try:
            while not server.started:
                await asyncio.sleep(0.01)
            yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving
