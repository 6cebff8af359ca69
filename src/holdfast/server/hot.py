"""Small reads of a session, past the framework's own routing and dependencies.

What is answered is what the framework would answer: the route's own function, with its
scope, its session and its form. Which routes these are is read from the routes: a `GET`
of one segment behind a session's id whose function asks for the session alone. Whatever
is in the least unusual goes the framework's way.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette._utils import get_route_path
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from holdfast.bootstrap import SessionManager
from holdfast.core.errors import HoldfastError, ScopeDenied
from holdfast.core.principals import Principal
from holdfast.server.auth import PRINCIPAL
from holdfast.server.problems import problem_of

PREFIX = "/api/v1/sessions/"
ID_CHARS_MAX = 128
WORKSPACE_CHARS_MAX = 128


@dataclass(frozen=True, slots=True)
class _Read:
    route: APIRoute
    scope: str
    call: Callable[..., Awaitable[Any]]
    form: TypeAdapter[Any]


class Hot:
    """See the module.

    Args:
        app: the framework's application.
        routes: all of its routes.
    """

    def __init__(self, app: ASGIApp, manager: SessionManager, routes: Iterable[APIRoute]) -> None:
        self._app = app
        self._manager = manager
        self._reads = dict(filter(None, map(_read_of, routes)))

    @property
    def names(self) -> tuple[str, ...]:
        """The last segments of the paths that are answered here."""
        return tuple(sorted(self._reads))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        path = get_route_path(scope) if scope["type"] == "http" else ""
        if path.startswith(PREFIX) and scope["method"] == "GET":
            id, _, name = path.removeprefix(PREFIX).partition("/")
            read = self._reads.get(name)
            who = scope.get(PRINCIPAL)
            workspace = Headers(scope=scope).get("holdfast-workspace", "")
            usual = 0 < len(id) <= ID_CHARS_MAX and len(workspace) <= WORKSPACE_CHARS_MAX
            if read is not None and usual and isinstance(who, Principal):
                scope["route"] = read.route
                answer = await self._answer(read, who, workspace, id)
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _answer(self, read: _Read, who: Principal, workspace: str, id: str) -> Response:
        try:
            if not who.may(read.scope):
                raise ScopeDenied(f"this needs the scope {read.scope}")
            view = self._manager.acting_as(who, workspace=workspace)
            found = await read.call(session=await view.get_session(id))
        except HoldfastError as error:
            return problem_of(error)
        return Response(read.form.dump_json(found), media_type="application/json")


def _read_of(route: APIRoute) -> tuple[str, _Read] | None:
    """A route as it is read here, by its last segment; None if it is none for here."""
    base, _, name = route.path.rpartition("/")
    only = list(inspect.signature(route.endpoint).parameters) == ["session"]
    if base != f"{PREFIX}{{session_id}}" or route.methods != {"GET"} or not only:
        return None
    scope = next(getattr(one.dependency, "scope", "") for one in route.dependencies)
    return name, _Read(route, scope, route.endpoint, TypeAdapter(route.response_model))
