"""`holdfast budget show|set`: what may be spent, what has been, and changing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.control import NowOption, WaitOption, by_server, deliver, say
from holdfast.cli.output import note, print_json, table
from holdfast.cli.sessions import sessions_of
from holdfast.cli.world import Options, opened, options_of
from holdfast.core.errors import InvalidInput

if TYPE_CHECKING:
    from holdfast.client.values import AccountInfo as ToldAccount
    from holdfast.runtime.budgets import AccountInfo, Budget

    Accounts = AccountInfo | ToldAccount

SessionOption = Annotated[str, typer.Option("--session", help="A session's id.")]
WorkspaceOption = Annotated[str, typer.Option("--workspace", help="A directory.")]
UserOption = Annotated[str, typer.Option("--user", help="A user's name.")]
TenantOption = Annotated[bool, typer.Option("--tenant", help="All sessions of the tenant.")]


def show(
    context: typer.Context,
    *,
    session: SessionOption = "",
    workspace: WorkspaceOption = "",
    user: UserOption = "",
    tenant: TenantOption = False,
) -> None:
    """Show the accounts that have a limit: what is used, held and left."""
    # lazy: help does not need an event loop.
    import asyncio

    options = options_of(context, served=True)
    holder, who = _holder(session, workspace, user, tenant=tenant)
    _check_there(options, holder)
    found = asyncio.run(_accounts(options, holder, who))
    if options.json:
        print_json([asdict(one) for one in found])
        return
    if not found:
        note("no account has a limit")
        return
    # lazy: amounts are the core's.
    from holdfast.core.accounts import Unit, amount_text

    def text(one: Accounts, amount: int | None) -> str:
        return "" if amount is None else amount_text(Unit(one.unit), amount)

    table(
        ("account", "limit", "used", "held", "left"),
        [
            (one.name, text(one, one.limit), text(one, one.used), text(one, one.held),
             text(one, one.left))
            for one in found
        ],
    )  # fmt: skip


def set_(
    context: typer.Context,
    limits: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME=AMOUNT...", help="For example usd=2.00 day_tokens=500000."),
    ] = None,
    *,
    session: SessionOption = "",
    workspace: WorkspaceOption = "",
    user: UserOption = "",
    tenant: TenantOption = False,
    drop: Annotated[list[str] | None, typer.Option("--drop", help="A limit that ends.")] = None,
    now: NowOption = False,
    wait: WaitOption = 3.0,
) -> None:
    """Change limits of a session, a workspace, a user or the tenant; the others stay."""
    # lazy: help does not need an event loop.
    import asyncio

    options = options_of(context, served=True)
    holder, who = _holder(session, workspace, user, tenant=tenant)
    _check_there(options, holder)
    budget, ended = _budget(limits or ()), tuple(drop or ())
    if not limits and not ended:
        raise InvalidInput("say which limit, for example usd=2.00")
    if holder == "session" and options.server:
        by_server(options, who, lambda it: it.set_budget(budget, drop=ended), "set", now=now)
        return
    if holder == "session":
        say(options, asyncio.run(_set_session(options, who, budget, ended, now=now, wait=wait)))
        return
    asyncio.run(_set_shared(options, holder, who, budget, ended))
    if options.json:
        print_json({"holder": holder, "who": who, "status": "set"})
    else:
        note(f"{' '.join(filter(None, (holder, who)))}: set")


def _check_there(options: Options, holder: str) -> None:
    """Refuse what a server does not do.

    Raises:
        InvalidInput: it is asked for a directory, which may be another one there.
    """
    if options.server and holder == "workspace":
        raise InvalidInput("--workspace is a directory here; a server has other ones")


def _holder(session: str, workspace: str, user: str, *, tenant: bool) -> tuple[str, str]:
    found = [
        (holder, who)
        for holder, who in (("session", session), ("workspace", workspace), ("user", user))
        if who
    ]
    if tenant:
        found.append(("tenant", ""))
    if len(found) != 1:
        raise InvalidInput("say one of --session, --workspace, --user and --tenant")
    return found[0]


def _budget(limits: Sequence[str]) -> Budget:
    """Read `usd=2.00`; names are those of `holdfast.Budget`."""
    # lazy: the runtime's values load what help does not need.
    from dataclasses import fields

    from holdfast.runtime.budgets import Budget

    names = {one.name for one in fields(Budget)}
    values: dict[str, str | int] = {}
    for limit in limits:
        name, equals, text = limit.partition("=")
        if name not in names or not equals:
            raise InvalidInput(f"{limit!r} is not NAME=AMOUNT; names: {', '.join(sorted(names))}")
        if name.endswith("usd"):
            values[name] = text
        elif text.isascii() and text.isdigit():
            values[name] = int(text)
        else:
            raise InvalidInput(f"{name} is a whole number, not {text!r}")
    return Budget(**values)  # type: ignore[arg-type]  # names and kinds were tested above


async def _accounts(options: Options, holder: str, who: str) -> Sequence[Accounts]:
    async with sessions_of(options) as manager:
        return await manager.budget(holder, who)


async def _set_session(
    options: Options,
    id: str,
    budget: Budget,
    drop: tuple[str, ...],
    *,
    now: bool,
    wait: float,
) -> dict[str, object]:
    # lazy: commands are the runtime's.
    from holdfast.core.commands import Configure

    async with opened(options, lead=now) as manager:
        session = await manager.get_session(id)
        command = Configure(budget=budget.change(drop))
        return await deliver(manager, session, command, done="set", now=now, wait=wait)


async def _set_shared(
    options: Options, holder: str, who: str, budget: Budget, drop: tuple[str, ...]
) -> None:
    async with sessions_of(options) as manager:
        await manager.set_budget(holder, who, budget, drop=drop)
