"""`holdfast init` and `holdfast tokens create|list|refresh|revoke|jwks|rotate-key`.

The text of a token is printed once, on stdout, by what makes it. It is read from
HOLDFAST_TOKEN, a file descriptor or stdin, and never from the command line, which
every user of the machine can read.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.output import note, print_json, table
from holdfast.cli.world import BEARER_VARIABLE, Options, make_runner, opened, options_of
from holdfast.core.errors import InvalidInput
from holdfast.core.tokens import TEXT_CHARS_MAX

if TYPE_CHECKING:
    from holdfast.client.tokens import RemoteTokens
    from holdfast.core.tokens import IssuedToken, TokenInfo
    from holdfast.runtime.tokens import SessionTokens


DEFAULT = "default"
WorkspaceOption = Annotated[
    str | None,
    typer.Option("--workspace", help=f"The workspace whose tokens are meant; here {DEFAULT!r}."),
]


def init(
    context: typer.Context,
    *,
    new_admin: Annotated[
        bool,
        typer.Option("--new-admin", help="Make another administrator where there was one."),
    ] = False,
) -> None:
    """Make the store and its keys if there are none, and the administrator's token.

    The token is printed once; only its digest is kept. It is valid for as long as any
    token can be, and everything else is made with it.
    """
    # lazy: help does not need an event loop.
    import asyncio

    options = options_of(context)

    async def work() -> IssuedToken:
        async with make_runner(options) as manager:
            return await manager.tokens.bootstrap(again=new_admin)

    _show(options, asyncio.run(work()))
    note("this is the administrator's token; it is shown only now")
    note("back up the installation key: without it no session can be read")


def create(
    context: typer.Context,
    agent: Annotated[
        str, typer.Argument(metavar="AGENT", help='A name, or "user:NAME" for a person.')
    ],
    *,
    role: Annotated[str, typer.Option("--role", help="See docs/reference/tokens.md.")] = "agent",
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="Of the role's scopes; may be repeated.")
    ] = None,
    task_type: Annotated[str, typer.Option("--task-type", help="It takes scopes away.")] = "",
    expires_in: Annotated[
        float | None, typer.Option("--expires-in", help="Seconds; default: 3600.")
    ] = None,
    session: Annotated[
        str | None,
        typer.Option("--session", help="The session it is for; default: a new one."),
    ] = None,
    all_sessions: Annotated[
        bool, typer.Option("--all-sessions", help="For all sessions of the workspace.")
    ] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Make a token; its text is printed once."""
    # lazy: help does not need an event loop.
    import asyncio

    options = options_of(context, served=True)
    if all_sessions and session is not None:
        raise InvalidInput("a token is for one session or for all, not both")

    async def work() -> IssuedToken:
        async with _tokens(options, workspace, lead=True) as tokens:
            return await tokens.create(
                agent,
                role,
                scope or None,
                task_type or None,
                expires_in,
                session="" if all_sessions else session,
            )

    _show(options, asyncio.run(work()))


def list_tokens(
    context: typer.Context,
    *,
    agent: Annotated[str | None, typer.Option("--agent", help="Only this agent's.")] = None,
    session: Annotated[str | None, typer.Option("--session", help="Only this session's.")] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """List the tokens that are live, without their texts."""
    # lazy: help does not need an event loop.
    import asyncio

    options = options_of(context, served=True)

    async def work() -> list[TokenInfo]:
        found: list[TokenInfo] = []
        async with _tokens(options, workspace) as tokens:
            cursor = ""
            while True:
                page = await tokens.list(agent_id=agent, session=session, cursor=cursor)
                found += page.tokens
                cursor = page.cursor
                if not cursor:
                    return found

    rows = asyncio.run(work())
    if options.json:
        print_json([_plain(asdict(one)) for one in rows])
    elif not rows:
        note("no token is live")
    else:
        table(
            ("id", "agent", "role", "session", "generation", "expires"),
            [
                (one.id, one.agent_id, one.role, one.session_id or "(all)", one.generation,
                 _time(one.expires_at))
                for one in rows
            ],
        )  # fmt: skip


def refresh(
    context: typer.Context,
    *,
    token_fd: Annotated[
        int | None,
        typer.Option("--token-fd", help="Read the token from this file descriptor."),
    ] = None,
) -> None:
    """Put another text in a token's place; the old one is read, the new one printed.

    It is read from --token-fd, else from HOLDFAST_TOKEN, else from stdin. With --server it
    is the token that the server is shown.
    """
    # lazy: help does not need an event loop.
    import asyncio

    options = options_of(context, served=True)
    if options.server:
        _show(options, asyncio.run(_refresh_there(options, token_fd)))
        return
    text = read_token(token_fd)

    async def work() -> IssuedToken:
        async with opened(options) as manager:
            return await manager.tokens.refresh(text)

    _show(options, asyncio.run(work()))


def revoke(
    context: typer.Context,
    id: Annotated[
        str, typer.Argument(metavar="ID", help="Of a token or a session; with --agent a name.")
    ],
    *,
    agent: Annotated[bool, typer.Option("--agent", help="All tokens of an agent.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Revoke a token, all of a session or all of an agent, with what was made with them.

    Sessions go on; a turn that runs for one of these tokens stops.
    """
    # lazy: help does not need an event loop.
    import asyncio

    options = options_of(context, served=True)

    async def work() -> int | None:
        async with _tokens(options, workspace) as tokens:
            if agent:
                return await tokens.revoke_all_for_agent(id)
            await tokens.revoke(id)
            return None

    count = asyncio.run(work())
    if options.json:
        print_json({"revoked": id} if count is None else {"revoked": id, "count": count})
    else:
        note(f"{id}: revoked" if count is None else f"{id}: {count} revoked")


def jwks(context: typer.Context) -> None:
    """Print the public keys that verify signed tokens, as a key set (RFC 7517)."""
    # lazy: help does not need an event loop.
    import asyncio

    options = options_of(context)

    async def work() -> dict[str, object]:
        async with opened(options) as manager:
            return await manager.tokens.jwks()

    print_json(asyncio.run(work()))


def rotate_key(
    context: typer.Context,
    *,
    at_once: Annotated[
        bool,
        typer.Option("--at-once", help="What the old keys signed is not valid any more."),
    ] = False,
) -> None:
    """Draw the key that signs tokens from now on.

    The ones before verify until what they signed has expired, and are gone then.
    """
    # lazy: help does not need an event loop.
    import asyncio

    options = options_of(context)

    async def work() -> str:
        async with opened(options) as manager:
            return await manager.tokens.rotate_key(at_once=at_once)

    kid = asyncio.run(work())
    if options.json:
        print_json({"kid": kid})
    else:
        note(f"tokens are signed with the key {kid} from now on")


@asynccontextmanager
async def _tokens(
    options: Options, workspace: str | None, *, lead: bool = False
) -> AsyncIterator[SessionTokens | RemoteTokens]:
    """The tokens of a workspace, of the store that is here or of a server."""
    if not options.server:
        async with opened(options, lead=lead) as manager:
            manager.tenant = workspace or DEFAULT
            yield manager.tokens
        return
    # lazy: a server is rarely asked.
    from holdfast.cli.remote import connected

    async with connected(options, workspace or "") as client:
        yield client.tokens


async def _refresh_there(options: Options, token_fd: int | None) -> IssuedToken:
    if token_fd is not None:
        raise InvalidInput(
            f"--token-fd is for a store that is here; a server is shown {BEARER_VARIABLE} or "
            "--token-file, and refreshes that"
        )
    # lazy: a server is rarely asked.
    from holdfast.cli.remote import connected

    async with connected(options) as client:
        return await client.tokens.refresh()


def read_token(fd: int | None) -> str:
    """Read a token from a descriptor, else from HOLDFAST_TOKEN, else from stdin.

    Raises:
        InvalidInput: there is none.
    """
    if fd is not None:
        try:
            with os.fdopen(fd, "rb", closefd=False) as file:
                text = file.read(TEXT_CHARS_MAX + 2).decode("ascii", "replace")
        except OSError:
            raise InvalidInput(f"no token can be read from file descriptor {fd}") from None
    else:
        text = os.environ.get(BEARER_VARIABLE) or sys.stdin.read(TEXT_CHARS_MAX + 2)
    if not text.strip():
        raise InvalidInput(f"a token is wanted in {BEARER_VARIABLE}, --token-fd or on stdin")
    return text.strip()


def _show(options: Options, made: IssuedToken) -> None:
    if not options.json:
        print(made.guard_token, flush=True)
        where = made.session_id or "all sessions"
        note(f"{made.id}: {made.role} for {where}, until {_time(made.expires_at)}")
        return
    fields = ("id", "session_id", "agent_id", "workspace_id", "role", "scopes", "task_type")
    shown = {name: getattr(made, name) for name in (*fields, "generation")}
    times = {"created_at": made.created_at, "expires_at": made.expires_at}
    print_json({**shown, **_plain(times), "token": made.guard_token})


def _plain(values: Mapping[str, object]) -> dict[str, object]:
    """With times as RFC 3339."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
    }


def _time(at: datetime) -> str:
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
