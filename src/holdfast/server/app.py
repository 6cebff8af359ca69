"""One ASGI application over one manager; run it with `holdfast serve`, or mount it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.types import Receive, Scope, Send

import holdfast
from holdfast.bootstrap import SessionManager
from holdfast.core.security import Security
from holdfast.runtime.placing import place_of
from holdfast.server import problems
from holdfast.server.hot import Hot
from holdfast.server.metrics import Metrics
from holdfast.server.problems import MEDIA_TYPE, Problem, Wrong
from holdfast.server.routes import ROUTERS
from holdfast.server.routes.content import SelfTest
from holdfast.server.settings import ServerSettings
from holdfast.server.shield import PUBLIC, Shield
from holdfast.server.streams import Streams

_log = logging.getLogger("holdfast.server")

DESCRIPTION = "/openapi.json"


class Application:
    """The application behind its shield; `api` is what stands there."""

    def __init__(self, api: FastAPI, hot: Hot, shield: Shield) -> None:
        self.api = api
        self.hot = hot
        self._shield = shield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await self._shield(scope, receive, send)

    def prepare(self) -> None:
        """Build now what would be built when it is first asked for, while others wait.

        Routes, their description, and what content is looked at with: half a second.
        """
        anything = {"type": "http", "method": "GET", "path": "/", "headers": []}
        for route in self.api.router.routes:
            route.matches(anything)
        self.api.openapi()
        manager: SessionManager = self.api.state.manager
        try:
            manager.detectors.prepare(manager.trust.binding(Security()))
        except Exception as error:  # a program's own detector: its sessions are refused, not all
            _log.error("what looks at content could not be prepared: %s", place_of(error))

    def drain(self) -> None:
        """Say that the server is about to stop: it is no longer ready, and streams end."""
        self.api.state.draining = True
        self.api.state.streams.stop()


def create_app(manager: SessionManager, settings: ServerSettings | None = None) -> Application:
    """Make the application of a manager; whoever opened the manager closes it.

    Args:
        manager: whose sessions are served; it is opened when the application starts.
        settings: default: loopback, and no page of another origin.
    """
    chosen = settings or ServerSettings()
    metrics = Metrics()
    api = FastAPI(
        title="Holdfast",
        version=holdfast.__version__,
        description="Durable, guarded sessions for AI agents.",
        openapi_url=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
        # Its spans have paths, queries and addresses in them; ours are told by the shield.
        telemetry={"auto_configure": False, "tracing": False, "metrics": False, "logs": False},
    )
    api.state.manager = manager
    api.state.settings = chosen
    api.state.metrics = metrics
    api.state.draining = False
    api.state.streams = Streams(manager, manager.tokens.validate, chosen.heartbeat_s)
    api.state.self_test = SelfTest()
    problems.install(api)
    api.state.routes = [route for router in ROUTERS.values() for route in router.routes]
    for router in ROUTERS.values():
        api.include_router(router)
    api.openapi = lambda: _described(api)  # type: ignore[method-assign]  # as FastAPI documents it
    hot = Hot(api, manager, api.state.routes)
    shield = Shield(
        hot,
        settings=chosen,
        validate=manager.tokens.validate,
        metrics=metrics,
        public=PUBLIC | {DESCRIPTION},
        telemetry=lambda: manager.telemetry,
    )
    return Application(api, hot, shield)


@asynccontextmanager
async def _lifespan(api: FastAPI) -> AsyncIterator[None]:
    await api.state.manager.ready()
    yield


def _described(api: FastAPI) -> dict[str, Any]:
    """The interface as OpenAPI has it: who must show a token, and what problems look like."""
    if api.openapi_schema is not None:
        return api.openapi_schema
    found = get_openapi(
        title=api.title,
        version=api.version,
        openapi_version=api.openapi_version,
        description=api.description,
        routes=api.routes,
    )
    parts = found.setdefault("components", {})
    parts["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    schemas = parts.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for model in (Problem, Wrong):
        shape = model.model_json_schema(ref_template="#/components/schemas/{model}")
        shape.pop("$defs", None)
        schemas[model.__name__] = shape
    told = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path, item in found["paths"].items():
        for operation in item.values():
            if path not in PUBLIC:
                operation["security"] = [{"bearer": []}]
            answers = operation["responses"]
            answers.pop("422", None)
            for status in ("4XX", "5XX"):
                answers.setdefault(status, {"description": "A problem.", "content": told})
    api.openapi_schema = found
    return found


__all__ = ["Application", "create_app"]
