"""`holdfast allowances list|revoke`: what is granted to a session, and taking it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.control import NowOption, WaitOption, by_server, deliver, say
from holdfast.cli.output import note, print_json, table, when
from holdfast.cli.sessions import SessionArgument, sessions_of
from holdfast.cli.world import Options, opened, options_of
from holdfast.core.errors import GrantNotFound

if TYPE_CHECKING:
    from holdfast.client.values import Allowance as ToldAllowance
    from holdfast.runtime.allowances import Allowance

    Granted = Allowance | ToldAllowance


def list_allowances(
    context: typer.Context,
    session: SessionArgument,
    *,
    every: Annotated[
        bool, typer.Option("--all", help="Also those that have ended or are used up.")
    ] = False,
) -> None:
    """List what is granted to a session, the most specific first."""
    # lazy: help does not need an event loop.
    import asyncio

    options = options_of(context, served=True)
    found = [one for one in asyncio.run(_granted(options, session)) if every or one.active]
    if options.json:
        print_json([asdict(one) for one in found])
        return
    if not found:
        note("nothing is granted")
        return
    table(
        ("id", "scope", "kind", "uses", "until", "by", "rule"),
        [
            (one.id, one.scope, one.kind, _uses(one), when((one.expires_ms or 0) // 1000),
             one.by, f"{one.rule} (literal)" if one.literal else one.rule)
            for one in found
        ],
    )  # fmt: skip


def revoke(
    context: typer.Context,
    session: SessionArgument,
    id: Annotated[str, typer.Argument(metavar="ID", help="See `allowances list`.")],
    *,
    why: Annotated[str, typer.Option("--why", help="Why; it is kept in the log.")] = "",
    now: NowOption = False,
    wait: WaitOption = 3.0,
) -> None:
    """Take back what was granted; no call that has not started can rest on it any more."""
    # lazy: help does not need an event loop, and commands are the runtime's.
    import asyncio

    from holdfast.core.commands import Revoke

    options = options_of(context, served=True)
    if options.server:
        by_server(options, session, lambda it: it.revoke_allowance(id, why), "revoked", now=now)
        return

    async def work() -> dict[str, object]:
        async with opened(options, lead=now) as manager:
            found = await manager.get_session(session)
            if all(one.id != id for one in await found.allowances()):
                raise GrantNotFound(f"nothing granted to {session!r} has the id {id!r}")
            command = Revoke(id=id, holder="", why=why, by=manager.principal)
            return await deliver(manager, found, command, done="revoked", now=now, wait=wait)

    say(options, asyncio.run(work()))


async def _granted(options: Options, session: str) -> Sequence[Granted]:
    async with sessions_of(options) as manager:
        return await (await manager.get_session(session)).allowances()


def _uses(one: Granted) -> str:
    if one.uses_max is None:
        return "any"
    return f"{one.uses_left} of {one.uses_max} left"
