"""Who asks, and what they may: a bearer token names a principal; routes name a scope.

- A token comes in the `Authorization` header and nowhere else.
- The shield validates it before any route is looked for; here is what routes get of it.
- Every route asks for a scope with `require`; a test walks all routes and says so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Depends, Header, Path, Request

from holdfast.bootstrap import SessionManager
from holdfast.core.errors import InvalidInput, ScopeDenied, TokenInvalid
from holdfast.core.principals import Principal, check_scope
from holdfast.runtime.handle import Session
from holdfast.runtime.host import Commands

PRINCIPAL = "holdfast.principal"
TOKEN_CHARS_MAX = 4096
KEY_CHARS_MAX = 255


def bearer_of(headers: list[tuple[bytes, bytes]]) -> str:
    """The token of a request.

    Raises:
        TokenInvalid: there is none, or more than one.
    """
    found = [value for name, value in headers if name == b"authorization"]
    if len(found) != 1 or len(found[0]) > TOKEN_CHARS_MAX:
        raise TokenInvalid
    scheme, _, token = found[0].partition(b" ")
    if scheme.lower() != b"bearer" or not token.isascii() or not token.strip():
        raise TokenInvalid
    return token.strip().decode("ascii")


async def principal(request: Request) -> Principal:
    """Who asks.

    Raises:
        TokenInvalid: nobody has said.
    """
    found = request.scope.get(PRINCIPAL)
    if not isinstance(found, Principal):
        raise TokenInvalid
    return found


def require(scope: str) -> Any:
    """A dependency that lets through who has a scope; `ScopeDenied` for all others."""
    check_scope(scope)

    async def permitted(who: Annotated[Principal, Depends(principal)]) -> None:
        if not who.may(scope):
            raise ScopeDenied(f"this needs the scope {scope}")

    permitted.scope = scope  # type: ignore[attr-defined]  # what the test of all routes reads
    return Depends(permitted)


def manager_of(request: Request) -> SessionManager:
    """The manager itself; routes that act for somebody use `acting`."""
    found: SessionManager = request.app.state.manager
    return found


Workspace = Annotated[
    str,
    Header(
        alias="Holdfast-Workspace",
        max_length=128,
        description="The workspace, for tokens of all workspaces; default: `default`.",
    ),
]


async def acting(
    request: Request, who: Annotated[Principal, Depends(principal)], workspace: Workspace = ""
) -> SessionManager:
    """The manager as the principal of the request sees it.

    Raises:
        ScopeDenied: the token belongs to another workspace.
    """
    return manager_of(request).acting_as(who, workspace=workspace)


IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=KEY_CHARS_MAX,
        description="Names the request: the same again has the first outcome.",
    ),
]


async def commanding(
    request: Request,
    who: Annotated[Principal, Depends(principal)],
    workspace: Workspace = "",
    idempotency_key: IdempotencyKey = None,
) -> SessionManager:
    """The same for requests that change something: their key is the command's id.

    It is scoped by the principal, the workspace and the route; the same key with
    another body is refused (contract 1.11).
    """
    commands = None
    if idempotency_key is not None:
        if not idempotency_key.strip():
            raise InvalidInput("an Idempotency-Key is not empty")
        view = manager_of(request).acting_as(who, workspace=workspace)
        parts = (view.tenant, who.id, request.method, request.url.path, idempotency_key)
        texts = [part.encode("utf-8", "surrogateescape") for part in parts]
        seed = sha256(b"".join(len(one).to_bytes(4) + one for one in texts)).digest()
        query = request.scope.get("query_string", b"")
        asked = b"http?" + query + b"\n" if query else b"http:"
        commands = Commands(seed, asked + await request.body())
    return manager_of(request).acting_as(who, workspace=workspace, commands=commands)


Acting = Annotated[SessionManager, Depends(acting)]
Commanding = Annotated[SessionManager, Depends(commanding)]
SessionId = Annotated[str, Path(description="The session's id.", max_length=128)]


async def shown(session_id: SessionId, sessions: Acting) -> Session:
    """The handle of a session that is read."""
    return await sessions.get_session(session_id)


async def commanded(session_id: SessionId, sessions: Commanding) -> Session:
    """The handle of a session that is changed."""
    return await sessions.get_session(session_id)


Shown = Annotated[Session, Depends(shown)]
Commanded = Annotated[Session, Depends(commanded)]
Validate = Callable[[str], Awaitable[Principal]]
