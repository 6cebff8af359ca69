"""Small reads of a session and its events, past the framework's routing and dependencies.

What is answered is what the framework would answer: the route's own function, with its
scope, its session and its form. Which routes these are is read from the routes: a `GET`
of one segment behind a session's id whose function asks for the session alone. Whatever
is in the least unusual goes the framework's way.

A stream of events stays open, and with it all that the framework made for its request:
twice as much as all the rest of a stream, for each of thousands.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette._utils import get_route_path
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from holdfast.bootstrap import SessionManager
from holdfast.core.errors import HoldfastError, ScopeDenied
from holdfast.core.principals import Principal
from holdfast.server.auth import PRINCIPAL
from holdfast.server.problems import problem_of
from holdfast.server.routes import events

PREFIX = "/api/v1/sessions/"
ID_CHARS_MAX = 128
WORKSPACE_CHARS_MAX = 128
EVENTS = "events"
_AFTER = re.compile(f"(?:after=({events.AFTER}))?".encode(), re.ASCII)


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
        routes = tuple(routes)
        self._reads = dict(filter(None, map(_read_of, routes)))
        (self._events,) = (one for one in routes if one.endpoint is events.events)

    @property
    def names(self) -> tuple[str, ...]:
        """The last segments of the paths of small reads that are answered here."""
        return tuple(sorted(self._reads))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        path = get_route_path(scope) if scope["type"] == "http" else ""
        who = scope.get(PRINCIPAL)
        if (
            not path.startswith(PREFIX)
            or scope["method"] != "GET"
            or not isinstance(who, Principal)
        ):
            await self._app(scope, receive, send)
            return
        id, _, name = path.removeprefix(PREFIX).partition("/")
        headers = Headers(scope=scope)
        workspace = headers.get("holdfast-workspace", "")
        usual = 0 < len(id) <= ID_CHARS_MAX and len(workspace) <= WORKSPACE_CHARS_MAX
        read = self._reads.get(name)
        answer: ASGIApp = self._app
        if usual and read is not None:
            scope["route"] = read.route
            answer = await self._answer(read.scope, who, workspace, partial(_told, read, id))
        elif usual and name == EVENTS and (after := _after(scope, headers)) is not None:
            scope["route"], scope["app"] = self._events, self._app
            ask = partial(_stream, Request(scope), who, id, after)
            answer = await self._answer(events.READS, who, workspace, ask)
        await answer(scope, receive, send)

    async def _answer(
        self,
        needed: str,
        who: Principal,
        workspace: str,
        answer: Callable[[SessionManager], Awaitable[Response]],
    ) -> Response:
        try:
            if not who.may(needed):
                raise ScopeDenied(f"this needs the scope {needed}")
            return await answer(self._manager.acting_as(who, workspace=workspace))
        except HoldfastError as error:
            return problem_of(error)


async def _told(read: _Read, id: str, view: SessionManager) -> Response:
    found = await read.call(session=await view.get_session(id))
    return Response(read.form.dump_json(found), media_type="application/json")


async def _stream(
    request: Request, who: Principal, id: str, after: str, view: SessionManager
) -> Response:
    session = await events.streamed(id, view, request, who)
    last = request.headers.get("last-event-id", "")
    return await events.events(session, request, who, after, last)


def _after(scope: Scope, headers: Headers) -> str | None:
    """The version that a stream is asked for from; None if it is asked for unusually."""
    last = headers.getlist("last-event-id")
    if len(last) > 1 or any(len(one) > events.LAST_CHARS_MAX for one in last):
        return None
    asked = _AFTER.fullmatch(scope["query_string"])
    return None if asked is None else (asked[1] or b"0").decode()


def _read_of(route: APIRoute) -> tuple[str, _Read] | None:
    """A route as it is read here, by its last segment; None if it is none for here."""
    base, _, name = route.path.rpartition("/")
    only = list(inspect.signature(route.endpoint).parameters) == ["session"]
    if base != f"{PREFIX}{{session_id}}" or route.methods != {"GET"} or not only:
        return None
    scope = next(getattr(one.dependency, "scope", "") for one in route.dependencies)
    return name, _Read(route, scope, route.endpoint, TypeAdapter(route.response_model))
